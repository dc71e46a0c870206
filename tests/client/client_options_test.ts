/**
 * The options of a request on their way through a client: to the transport, and along redirects.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Client, HttpRequest, type HttpRequestInit, Transport } from "../../mod.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";

const noop = (): void => {};

/** One of each that can stand beside the others, and none of them the default. */
const EVERYTHING: Required<Omit<HttpRequestInit, "protocol" | "json" | "searchParams">> = {
  method: "PUT",
  headers: [["X-A", "1"]],
  body: new Blob(["body"]).stream(),
  contentLength: 4,
  trailers: [["X-T", "1"]],
  host: "own.test",
  target: "/a/../b%2Fc",
  close: true,
  http2: false,
  decompress: "known",
  maxResponseBytes: 9,
  signal: new AbortController().signal,
  timeoutMs: 7,
  trace: {},
  onUploadProgress: noop,
  onDownloadProgress: noop,
  digest: "require",
  integrity: `sha256-${hash("x")}`,
  redirectedFrom: new HttpRequest("http://a.test/"),
};

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

/** What of a request its options decide. */
function optionsOf(request: HttpRequest): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(EVERYTHING).map((name) => {
      const value = request[name as keyof typeof EVERYTHING];
      return [name, name === "headers" ? [...request.headers] : value];
    }),
  );
}

test("HttpRequest.with() keeps every option that it is not told to change", () => {
  const request = new HttpRequest("http://a.test/b#c", EVERYTHING);
  assert.deepEqual(optionsOf(request), { ...EVERYTHING });
  const same = request.with({});
  assert.deepEqual(optionsOf(same), optionsOf(request));
  assert.deepEqual([same.href, same.fragment], [request.href, request.fragment]);
  const defaults = new HttpRequest("http://a.test/");
  const nothing: HttpRequestInit = { body: null };
  for (const name of Object.keys(EVERYTHING)) {
    if (name !== "body") nothing[name as "host"] = undefined;
  }
  assert.deepEqual(optionsOf(request.with(nothing)), optionsOf(defaults));
});

test("a client hands every option of a request to its transport", async () => {
  const { method: _, redirectedFrom: __, ...init } = EVERYTHING;
  const seen: HttpRequest[] = [];
  const client = new Client({
    transport: {
      roundTrip: (request) => {
        seen.push(request);
        return Promise.reject(new Error("noted"));
      },
    },
  });
  await assert.rejects(client.put("http://a.test/", undefined, init), /noted/);
  assert.deepEqual(optionsOf(seen[0]), { ...EVERYTHING, redirectedFrom: null });
});

test("digest, integrity and progress are about the answer, not about the redirects to it", async () => {
  const answers = [
    "HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Digest: sha-256=:AAAA:\r\nContent-Length: 3\r\n\r\nnot",
    `HTTP/1.1 200 OK\r\nContent-Digest: sha-256=:${hash("ok")}:\r\nContent-Length: 2\r\n\r\nok`,
  ];
  await withRawServer(async (connection) => {
    for (let i = 0;; i++) {
      const head = await connection.readHead();
      await connection.readBytes(Number(/^content-length: (\d+)/im.exec(head)![1]));
      await connection.send(answers[i % 2]);
    }
  }, async (server) => {
    const transport = new Transport();
    const client = new Client({ transport });
    for (const [integrity, holds] of [[hash("ok"), true], [hash("not"), false]] as const) {
      const sent: number[] = [];
      const received: number[] = [];
      const response = await client.post(server.origin, "body", {
        digest: "require",
        integrity: `sha256-${integrity}`,
        onUploadProgress: ({ bytes }) => void sent.push(bytes),
        onDownloadProgress: ({ bytes }) => void received.push(bytes),
      });
      assert.equal(response.redirected, true);
      if (holds) assert.equal(await response.text(), "ok");
      else await assert.rejects(response.text(), { code: "ERR_DECODE" });
      // The body is sent to both.
      assert.deepEqual([sent, received], [[4, 4], [2]]);
    }
    assert.equal(server.connections.length, 1);
    await transport.close();
  });
});
