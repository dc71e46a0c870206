/**
 * The exit codes of the command line are those of curl.
 *
 * @module
 */
import assert from "node:assert/strict";
import { exitCode } from "../../cli/exit_code.ts";
import { FileError } from "../../cli/file_error.ts";
import { HttpError, type HttpErrorOptions } from "../../mod.ts";
import { runCli } from "../fixtures/cli_in_memory.ts";
import { withExitCodeCases } from "../fixtures/exit_code_cases.ts";
import { test } from "../support/harness.ts";

test("exit codes: each case ends as with curl, with one line that says why", async () => {
  await withExitCodeCases(async (cases) => {
    for (const { code, args } of cases) {
      const run = await runCli(args);
      assert.equal(run.code, code, `${args.join(" ")}\n${run.stderr}`);
      assert.match(run.stderr, code === 0 ? /^$/ : /^roundtrip: [^\n]+\n$/, args.join(" "));
    }
  });
});

test("exit codes: what cannot be brought about at will is told apart all the same", () => {
  const lost = (phase: HttpErrorOptions["phase"]): HttpError =>
    new HttpError("ERR_CONNECTION_LOST", "", { phase });
  const http2 = (scope: "stream" | "connection"): HttpError =>
    new HttpError("ERR_CONNECTION_LOST", "", {
      phase: "body",
      http2: { frame: "", code: "", scope, from: "peer", lastStreamId: null, debugData: "" },
    });
  assert.deepEqual(
    [lost("request"), lost("body"), http2("stream"), http2("connection")].map(exitCode),
    [55, 56, 92, 16],
  );
  assert.equal(exitCode(new FileError("key", new Error("no"), "certificate")), 58);
});
