/**
 * Asks for a password at the terminal without showing it.
 *
 * @module
 */
import process from "node:process";

/** What ends the answer, and what takes a character back or gives up. */
const ENTER = /[\r\n]/;
const CTRL_C = "\x03";
const CTRL_D = "\x04";
const BACKSPACES = "\x7f\b";

/** The answer; `""` where standard input is no terminal. */
export async function askSecret(question: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || typeof stdin.setRawMode !== "function") return "";
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  try {
    return await new Promise<string>((resolve) => {
      let answer = "";
      const onData = (typed: string): void => {
        for (const character of typed) {
          if (ENTER.test(character) || character === CTRL_D || character === CTRL_C) {
            stdin.off("data", onData);
            // As where the terminal had understood it.
            if (character === CTRL_C) process.kill(process.pid, "SIGINT");
            resolve(answer);
            return;
          }
          if (!BACKSPACES.includes(character)) answer += character;
          else answer = [...answer].slice(0, -1).join("");
        }
      };
      stdin.on("data", onData);
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
