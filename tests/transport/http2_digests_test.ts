/**
 * HTTP/2 through the transport: a digest in the trailer section, which any answer may have there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { failure, withFrameNetwork } from "../support/frame_network.ts";
import { test } from "../support/harness.ts";

function digestOf(content: string): string {
  return `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;
}

test("H51 a digest in the trailers is checked, with a length in the head or without, at once or later", async () => {
  for (const length of [[], [["content-length", "7"]]] as [string, string][][]) {
    for (const isAtOnce of [true, false]) {
      for (const digest of ["verify", "require"] as const) {
        await withFrameNetwork({}, async (network) => {
          const server = await network.served();
          let id = 3;
          const answered = async (trailers: [string, string][]): Promise<Promise<string>> => {
            const response = network.get("/", { digest });
            await server.sent("HEADERS", id);
            server.headers(id, [[":status", "200"], ...length]);
            if (!isAtOnce) await response;
            server.data(id, "content");
            server.headers(id, trailers, true);
            id += 2;
            return (await response).text();
          };
          const right: [string, string][] = [["content-digest", digestOf("content")]];
          assert.equal(await answered(right), "content");
          const wrong: [string, string][] = [["content-digest", digestOf("another")]];
          assert.equal((await failure(answered(wrong))).code, "ERR_DECODE");
          const none = answered([["other", "field"]]);
          if (digest === "verify") assert.equal(await none, "content");
          else assert.equal((await failure(none)).code, "ERR_DECODE");
          assert.deepEqual([network.dialCount, network.counts], [1, [1, 0, 0, 0]]);
        });
      }
    }
  }
});
