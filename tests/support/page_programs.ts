/**
 * The programs of a Markdown page, and how to run one as it stands there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
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

/** Runs a program with the package and other texts replaced; what it prints. */
export async function outputOf(
  code: string,
  replacements: readonly (readonly [string, string])[],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  try {
    const entry = pathToFileURL(join(root, "mod.ts")).href;
    const program = join(folder, "program.mts");
    let text = code.replace(/"(?:jsr:)?@roundtrip\/http"/, JSON.stringify(entry));
    for (const [from, to] of replacements) text = text.replaceAll(from, to);
    await writeFile(program, text);
    const { code: status, stdout, stderr } = await runProgram(program, []);
    assert.equal(status, 0, stderr);
    return new TextDecoder().decode(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}
