/**
 * The programs of README.md run as they stand there, against a server of ours.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "./harness.ts";
import { outputOf, programsOf } from "./page_programs.ts";

const BODY = "Hello from the server";

const expected: Readonly<Record<string, RegExp>> = {
  "import { get } from": new RegExp(`^200 1 [0-9.]+\\n${BODY}\\n$`),
  "import { Client } from": new RegExp(`^${BODY.length}\\n$`),
  "import { HttpRequest, Transport } from": /^200 text\/plain \{/,
  "import { get, HttpError } from": /^ERR_DIAL dial never-sent\n$/,
};

/** The TypeScript of the page, one program each, told apart by their beginnings. */
async function programs(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { code } of await programsOf("README.md")) {
    const beginning = Object.keys(expected).find((start) => code.startsWith(start));
    assert.ok(beginning !== undefined, `what is this program to print?\n${code}`);
    found.set(beginning, code);
  }
  return found;
}

/** Runs a program with the server that it names replaced by ours. */
async function outputAt(code: string): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(200, { "Content-Type": "text/plain" }).end(BODY);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await outputOf(code, [["http://example.com/", `http://127.0.0.1:${port}/`]]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

for (const [beginning, output] of Object.entries(expected)) {
  test(`readme: the program that begins with "${beginning}" runs`, async () => {
    const code = (await programs()).get(beginning);
    assert.ok(code !== undefined, "README.md has no such program any more");
    assert.match(await outputAt(code), output);
  });
}
