/**
 * Curl lines from the references of public services, pasted as they are: what is asked, written and said
 * is what curl made of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { main } from "../../cli/mod.ts";
import { root } from "../../scripts/run_program.ts";
import { memoryIo } from "../fixtures/cli_in_memory.ts";
import { test } from "../support/harness.ts";
import { type LineResult, type RunLine, StandIn } from "../support/stand_in.ts";
import { curlHabits } from "../vectors/curl_habits.ts";
import { curlLines } from "../vectors/curl_lines.ts";

const expected: readonly (LineResult & { readonly line: string })[] = JSON.parse(
  readFileSync(join(root, "tests/vectors/curl_answers.json"), "utf8"),
);

const lines = [...curlLines, ...curlHabits];

const runOurs: RunLine = async (line, folder, env) => {
  const io = memoryIo({ env });
  const before = process.cwd();
  process.chdir(folder);
  try {
    const code = await main([line], io);
    const stdout = Array.from(io.bytes(), (byte) => String.fromCharCode(byte)).join("");
    return { code, stdout };
  } finally {
    process.chdir(before);
  }
};

test("curl lines: there are ten of each, and what curl made of each is known", () => {
  assert.deepEqual(expected.map(({ line }) => line), lines.map(({ line }) => line));
  const counts: Record<string, number> = {};
  for (const { from } of curlLines) counts[from] = (counts[from] ?? 0) + 1;
  assert.deepEqual(counts, {
    GitHub: 10,
    Stripe: 10,
    OpenAI: 10,
    Docker: 5,
    Kubernetes: 5,
    Elasticsearch: 10,
    curl: 10,
  });
});

function withTypes(body: string, types: Readonly<Record<string, string>>): string {
  let changed = body;
  for (const [ours, curls] of Object.entries(types)) {
    assert.ok(changed.includes(`Content-Type: ${ours}\r\n`), `${ours} is not guessed`);
    changed = changed.replaceAll(`Content-Type: ${ours}\r\n`, `Content-Type: ${curls}\r\n`);
  }
  return changed;
}

for (const from of new Set(lines.map((line) => line.from))) {
  test(`curl lines: those of ${from} do what they do with curl`, async () => {
    await StandIn.with(async (standIn) => {
      for (const [index, line] of lines.entries()) {
        if (line.from !== from) continue;
        const { line: _, ...curls } = expected[index];
        const ours = await standIn.run(line, runOurs);
        const requests = ours.requests.map((request) => ({
          ...request,
          body: withTypes(request.body, line.types ?? {}),
        }));
        if (line.otherwise === undefined) {
          assert.deepEqual({ ...ours, requests }, curls, line.line);
        } else {
          // An exception that nothing needs would hide the next one.
          assert.notDeepEqual({ ...ours, requests }, curls, line.line);
        }
      }
    });
  });
}
