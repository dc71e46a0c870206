/**
 * A look at what the kernel holds for a socket, without waiting for the event loop of Node or Bun.
 *
 * @module
 */
import { readSync } from "node:fs";
import { nativeCode } from "../conn_error.ts";

const byte = new Uint8Array(1);

/** What reading tells of a connection that has ended, and nothing else. */
const endings: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED"]);

/**
 * Whether the kernel holds nothing for a socket. What it does hold is taken from it: the caller must
 * not use the socket any more.
 *
 * @param descriptor Of a socket that does not block; undefined or negative: there is none to see.
 * @returns Null: the system does not tell.
 */
export function kernelIsEmpty(descriptor: number | undefined): boolean | null {
  if (descriptor === undefined || descriptor < 0) return null;
  try {
    readSync(descriptor, byte, 0, 1, null);
    return false;
  } catch (error) {
    const code = nativeCode(error);
    if (code === "EAGAIN" || code === "EWOULDBLOCK") return true;
    return endings.has(code) ? false : null;
  }
}
