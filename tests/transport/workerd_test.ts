/**
 * The transport in Cloudflare's Workers: by workerd itself, which miniflare starts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../../scripts/run_program.ts";
import { testUnlessGap } from "../support/conn_gaps.ts";
import { test } from "../support/harness.ts";
import { workerdLacks } from "../support/workerd_gaps.ts";

/** What must come of each case; milliseconds are nowhere in it. */
const expected: Readonly<Record<string, unknown>> = {
  "get": [200, "hello /hello"],
  "post": "body",
  // What may not be sent twice goes out on a connection of its own: nobody can tell there whether one was closed.
  "keep-alive": { first: false, get: true, post: false, "post with a key": true, streamed: false },
  "many": 30,
  "chunked": "one two three",
  "large": [300_000, true],
  "time-out": "ERR_TIMEOUT",
  "abort": "enough",
  "refused": "ERR_DIAL",
  "unusable": ["ERR_INVALID_REQUEST", "ERR_INVALID_REQUEST", "ERR_INVALID_REQUEST"],
  "tls": ["hello /hello", "workerd", false, "hello /again", "workerd", true],
  "tls-of-another": ["ERR_TLS", "ERR_CONNECTION_LOST"],
  "tls-refused": "ERR_DIAL",
  "tls-without-tls": "ERR_TLS",
  "tunnel": ["hello /hello", "workerd"],
  "fetch": [true, 200, "fetched"],
};

const compatibilities = [
  { name: "without flags", compatibilityDate: "2025-05-05", compatibilityFlags: [] },
  {
    name: "with nodejs_compat",
    compatibilityDate: "2025-09-01",
    compatibilityFlags: ["nodejs_compat"],
  },
];

for (const { name: kind, ...compatibility } of compatibilities) {
  testUnlessGap(
    `workerd ${kind}: requests of a Worker`,
    async () => {
      const { withWorker } = await import("../support/workerd.ts");
      await withWorker(compatibility, async ({ result }) => {
        // Codings are node:zlib's.
        const gzip = kind === "without flags" ? [false, "plain"] : [true, "coded"];
        const wanted = Object.entries({ ...expected, gzip });
        const found: [string, unknown][] = [];
        for (const [name] of wanted) found.push([name, await result(name)]);
        assert.deepEqual(Object.fromEntries(found), Object.fromEntries(wanted));
      });
    },
    // It starts a program of 100 MB.
    { timeoutMs: 120_000 },
  );
}

test("workerd: docs/workers.md lists what Workers lack", async () => {
  const page = await readFile(join(root, "docs/workers.md"), "utf8");
  const rows = [...page.matchAll(/^\| (.*?) +\| (.*?) +\|$/gm)].map(([, what, why]) => [what, why]);
  const [, , ...listed] = rows;
  assert.deepEqual(listed, workerdLacks.map(({ what, reason }) => [what, reason]));
});
