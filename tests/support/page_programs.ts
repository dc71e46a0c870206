/**
 * The programs of a Markdown page, and how to run one as it stands there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/run_program.ts";
import { runProgram } from "../fixtures/cli_run.ts";

/** The TypeScript of a page, in its order. */
export interface PageProgram {
  /** Of the section that it stands in. */
  readonly heading: string;
  readonly code: string;
}

/** Finds the programs of a page, by its path from the root. */
export async function programsOf(path: string): Promise<PageProgram[]> {
  const page = await readFile(join(root, path), "utf8");
  const found: PageProgram[] = [];
  let heading = "";
  for (const [, title, code] of page.matchAll(/^#+ (.*)$|^```ts\n([\s\S]*?)^```$/gm)) {
    if (title === undefined) found.push({ heading, code });
    else heading = title;
  }
  return found;
}

/** The program with the package replaced by this tree. */
function ofThisTree(code: string): string {
  return code.replaceAll(/"(?:jsr:)?@roundtrip\/http(\/\w+)?"/g, (_, entry = "") => {
    const path = join(root, `${entry}/mod.ts`);
    return JSON.stringify(pathToFileURL(path).href);
  });
}

/** As {@linkcode outputOf}, in this process: for a program that imports what is installed here. */
export async function outputHere(code: string): Promise<string> {
  await mkdir(join(root, "dist"), { recursive: true });
  const folder = await mkdtemp(join(root, "dist", "program-"));
  const { log } = console;
  const said: unknown[] = [];
  try {
    const program = join(folder, "program.mts");
    await writeFile(program, ofThisTree(code));
    console.log = (...words) => void said.push(words.join(" "));
    await import(pathToFileURL(program).href);
    return said.map((line) => `${line}\n`).join("");
  } finally {
    console.log = log;
    await rm(folder, { recursive: true });
  }
}

/** Runs a program with the package and other texts replaced; what it prints. */
export async function outputOf(
  code: string,
  replacements: readonly (readonly [string, string])[],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  try {
    const program = join(folder, "program.mts");
    let text = ofThisTree(code);
    for (const [from, to] of replacements) text = text.replaceAll(from, to);
    await writeFile(program, text);
    const { code: status, stdout, stderr } = await runProgram(program, []);
    assert.equal(status, 0, stderr);
    return new TextDecoder().decode(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}
