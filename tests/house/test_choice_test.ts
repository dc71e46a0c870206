/**
 * Which tests `deno task test -- --changed` runs: what a file reaches by imports and by paths in its strings.
 *
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Dependencies, type Tree } from "../../scripts/dependencies.ts";
import { root } from "../../scripts/run_program.ts";
import { test } from "../support/harness.ts";

const tree: Tree = new Map(Object.entries({
  "mod.ts": `
    export { a } from "./lib/a.ts";
    export { type B, b as second } from "./lib/b.ts";
    export * from "./lib/rest.ts";
    export type { T } from "./lib/types.ts";`,
  "lib/a.ts": 'import type { T } from "./types.ts";\nimport { type U, u } from "./u.ts";',
  "lib/b.ts": 'import { a } from "../mod.ts";',
  "lib/lazy.ts": 'if (x) await import("./late.ts");',
  "lib/late.ts": 'import "./lazy.ts";',
  "lib/rest.ts": "",
  "lib/types.ts": "",
  "lib/u.ts": "",
  "tests/help/child.ts": "",
  "tests/help/start.ts": 'start("child.ts", "mod.ts");',
  "tests/data/one.json": "",
  "docs/page.md": "",
  "examples/first.ts": 'import { a } from "@our/name";',
  "examples/second.ts": "",
}));

/** What a test file with this text reaches besides itself, sorted. */
function reached(text: string): string[] {
  const path = "tests/some_test.ts";
  const texts = new Map([...tree, [path, text]]);
  const all = new Dependencies(texts, { "@our/name": "./mod.ts" }).reachedFrom(path);
  assert.ok(all.delete(path));
  return [...all].sort();
}

test("runner: a name is followed through the file that hands it on, and nothing else of that file", () => {
  assert.deepEqual(reached('import { a } from "../mod.ts";'), ["lib/a.ts", "lib/u.ts", "mod.ts"]);
  assert.deepEqual(
    reached('import { second as x } from "../mod.ts";'),
    ["lib/a.ts", "lib/b.ts", "lib/u.ts", "mod.ts"],
  );
  const whole = ["lib/a.ts", "lib/b.ts", "lib/rest.ts", "lib/u.ts", "mod.ts"];
  assert.deepEqual(reached('import * as all from "../mod.ts";'), whole);
  assert.deepEqual(reached('import "../mod.ts";'), whole);
  assert.deepEqual(reached('import { ofTheRest } from "../mod.ts";'), whole);
});

test("runner: types and comments reach nothing, an import that comes late and a circle do", () => {
  assert.deepEqual(reached('import type { T } from "../mod.ts";\n// "../lib/a.ts"'), []);
  assert.deepEqual(reached('import { type T } from "../mod.ts";'), []);
  assert.deepEqual(reached('import { x } from "../lib/lazy.ts";'), ["lib/late.ts", "lib/lazy.ts"]);
});

test("runner: a path in a string is reached: from the folder, from the root, by a name or with a gap", () => {
  assert.deepEqual(reached('new URL("./data/one.json", import.meta.url)'), ["tests/data/one.json"]);
  assert.deepEqual(reached('read("docs/page.md", "no/such.md")'), ["docs/page.md"]);
  assert.deepEqual(reached("certificate('one.json')"), ["tests/data/one.json"]);
  assert.deepEqual(reached('import { s } from "./help/start.ts";'), [
    "lib/a.ts",
    "lib/b.ts",
    "lib/rest.ts",
    "lib/u.ts",
    "mod.ts",
    "tests/help/child.ts",
    "tests/help/start.ts",
  ]);
  assert.deepEqual(reached("run(`examples/${name}.ts`)"), [
    "examples/first.ts",
    "examples/second.ts",
    "lib/a.ts",
    "lib/u.ts",
    "mod.ts",
  ]);
});

test("runner: the test files that it treats in a way of their own are there", () => {
  for (const program of ["scripts/test.ts", "scripts/changed_files.ts"]) {
    const named = readFileSync(join(root, program), "utf8").match(
      /(?<=")tests\/[^"]+_test\.ts(?=")/g,
    );
    assert.ok(named !== null, program);
    for (const path of named) assert.ok(existsSync(join(root, path)), `${program}: ${path}`);
  }
});
