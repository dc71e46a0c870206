/**
 * Bodies of requests in a content coding: which, how, and that they can be sent again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import {
  type BodySource,
  Client,
  type ClientOptions,
  type ContentCoding,
  createFetch,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  Transport,
} from "../../../mod.ts";
import type { RecordedRequest } from "../../../testing/mod.ts";
import { withBodyServer } from "../../support/body_server.ts";
import { test } from "../../support/harness.ts";
import { bytesOf } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

const TEXT = "all of it is the same, ".repeat(200);

const DECODERS: Record<ContentCoding, (bytes: Uint8Array) => Uint8Array> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

function field({ headers, head }: RecordedRequest, name: string): string | null {
  assert.ok(headers.getAll(name).length < 2, head);
  return headers.get(name);
}

/** What was sent, decoded as it says. */
function decoded(request: RecordedRequest): string {
  const coding = field(request, "content-encoding") as ContentCoding | null;
  const { body } = request;
  return new TextDecoder().decode(coding === null ? body : DECODERS[coding](body));
}

/** What a client with these options sends. */
async function sent(
  options: ClientOptions,
  calls: (client: Client, origin: string) => Promise<void>,
  answer?: Parameters<typeof withBodyServer>[1],
): Promise<RecordedRequest[]> {
  const all: RecordedRequest[] = [];
  await withBodyServer(async (server, requests) => {
    const transport = new Transport();
    await calls(new Client({ transport, ...options }), server.url);
    await until("nothing is active", () => transport.stats().active === 0);
    await transport.close();
    all.push(...requests);
  }, answer);
  return all;
}

async function post(
  client: Client,
  url: string,
  body: BodySource,
  init?: HttpRequestInit,
): Promise<void> {
  await (await client.post(url, body, init)).text();
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < TEXT.length; at += 1_000) yield bytesOf(TEXT.slice(at, at + 1_000));
}

test("compress: each coding, of bytes at once and of a stream piece by piece", async () => {
  for (const compress of ["gzip", "deflate", "br", "zstd"] as const) {
    const [whole, streamed] = await sent({ compress }, async (client, origin) => {
      await post(client, origin, TEXT);
      await post(client, origin, pieces());
    });
    for (const request of [whole, streamed]) {
      assert.equal(field(request, "content-encoding"), compress);
      assert.equal(decoded(request), TEXT);
      assert.ok(request.body.length < TEXT.length / 4);
    }
    assert.equal(field(whole, "content-length"), `${whole.body.length}`);
    assert.equal(field(streamed, "content-length"), null);
  }
});

test("compress: every kind of body, each with its Content-Type", async () => {
  const form = new FormData();
  form.append("field", TEXT);
  form.append("file", new Blob([TEXT], { type: "text/x-a" }), "a.txt");
  let read = false;
  const reader = {
    read: (p: Uint8Array) => {
      if (read) return Promise.resolve(null);
      read = true;
      p.set(bytesOf(TEXT));
      return Promise.resolve(TEXT.length);
    },
  };
  const typed = { headers: { "Content-Type": "text/x-own" } };
  const rows: [BodySource | HttpRequestInit, HttpRequestInit | undefined, string | null][] = [
    [TEXT, undefined, "text/plain;charset=UTF-8"],
    [TEXT, typed, "text/x-own"],
    [{ json: { text: TEXT } }, undefined, "application/json"],
    [
      new URLSearchParams({ a: TEXT }),
      undefined,
      "application/x-www-form-urlencoded;charset=UTF-8",
    ],
    [bytesOf(TEXT), undefined, null],
    [bytesOf(TEXT).buffer, undefined, null],
    [new Blob([TEXT], { type: "text/x-b" }), undefined, "text/x-b"],
    [new Blob([TEXT]).stream(), undefined, null],
    [reader, undefined, null],
    [() => pieces(), typed, "text/x-own"],
    [() => TEXT, typed, "text/x-own"],
  ];
  const requests = await sent({ compress: "gzip" }, async (client, origin) => {
    for (const [body, init] of rows) await post(client, origin, body as BodySource, init);
    await post(client, origin, form);
  });
  for (const [i, [body, , type]] of rows.entries()) {
    assert.equal(field(requests[i], "content-encoding"), "gzip", `${i}`);
    assert.equal(field(requests[i], "content-type"), type, `${i}`);
    const expected = body instanceof URLSearchParams
      ? `${body}`
      : typeof body === "object" && Object.hasOwn(body, "json")
      ? JSON.stringify((body as HttpRequestInit).json)
      : TEXT;
    assert.equal(decoded(requests[i]), expected, `${i}`);
  }
  const last = requests[rows.length];
  const boundary = /^multipart\/form-data; boundary=(.*)$/.exec(field(last, "content-type")!)![1];
  assert.ok(decoded(last).endsWith(`--${boundary}--\r\n`), decoded(last).slice(-99));
});

test("compress: what is small, coded already or spoken of stays as it is", async () => {
  const random = crypto.getRandomValues(new Uint8Array(5_000));
  const said = (name: string, value: string): [BodySource, HttpRequestInit] => [
    TEXT,
    { headers: [[name, value]] },
  ];
  const rows: [BodySource, HttpRequestInit?][] = [
    ["x".repeat(1_023)],
    [""],
    [random],
    [new Blob([TEXT], { type: "image/png" })],
    [new Blob(["x".repeat(1_023)])],
    // Before it is called nobody knows its type.
    [() => TEXT],
    [pieces(), { contentLength: TEXT.length }],
    [TEXT, { trailers: [["Content-Digest", "sha-256=:AAAA:"]] }],
    said("Content-Type", "video/mp4"),
    said("Content-Type", "application/zip"),
    said("Content-Encoding", "x-own"),
    said("Content-Digest", "sha-256=:AAAA:"),
    said("Repr-Digest", "sha-256=:AAAA:"),
    said("Content-MD5", "AAAA"),
    said("Content-Length", `${TEXT.length}`),
    said("Content-Range", "bytes 0-4599/9999"),
  ];
  const requests = await sent({ compress: "gzip" }, async (client, origin) => {
    for (const [body, init] of rows) await post(client, origin, body, init);
    await (await client.get(origin)).text();
    await post(client, origin, TEXT, { headers: { "Content-Type": "image/svg+xml" } });
  });
  for (const [i, [body]] of rows.entries()) {
    const coding = field(requests[i], "content-encoding");
    assert.ok(coding === null || coding === "x-own", `${i}`);
    if (body === TEXT) assert.equal(requests[i].text(), TEXT);
  }
  assert.deepEqual(requests[2].body, random);
  assert.equal(field(requests[rows.length], "content-encoding"), null);
  assert.equal(field(requests[rows.length + 1], "content-encoding"), "gzip");
});

test("compress: retries and redirects send the same again, and no stream twice", async () => {
  const statuses = [503, 307, 200];
  let count = 0;
  const answer = (): Response => {
    const status = statuses[count++ % 3];
    return new Response(null, { status, headers: { Location: "/next" } });
  };
  const options: ClientOptions = {
    compress: "gzip",
    retry: { random: () => 0, methods: ["POST"] },
  };
  const bodies: BodySource[] = [TEXT, new Blob([TEXT], { type: "text/x-b" }), bytesOf(TEXT)];
  const requests = await sent(options, async (client, origin) => {
    for (const body of bodies) await post(client, origin, body);
    await post(client, origin, () => pieces(), { headers: { "Content-Type": "text/x-own" } });
  }, answer);
  assert.equal(requests.length, 12);
  for (const request of requests) {
    assert.equal(field(request, "content-encoding"), "gzip");
    assert.equal(decoded(request), TEXT);
  }
  assert.deepEqual(requests.slice(0, 3).map(({ target }) => target), ["/", "/", "/next"]);
  count = 0;
  const [only, ...more] = await sent(options, async (client, origin) => {
    const response = await client.post(origin, pieces());
    assert.equal(response.status, 503);
    await response.body.close();
  }, answer);
  assert.deepEqual([decoded(only), more.length], [TEXT, 0]);
});

test("compress: a body that fails or is not sent is let go of, and its error is told", async () => {
  const mine = new Error("mine");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield bytesOf(TEXT);
    throw mine;
  }
  let cancelled = 0;
  const streamed = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(bytesOf(TEXT)),
      cancel: () => void cancelled++,
    });
  await sent({ compress: "gzip" }, async (client, origin) => {
    await assert.rejects(client.post(origin, failing()), mine);
    await assert.rejects(client.post("http://127.0.0.1:1/", streamed()), { code: "ERR_DIAL" });
    await until("the one that was not sent is cancelled", () => cancelled === 1);
    const controller = new AbortController();
    const onUploadProgress = (): void => controller.abort(mine);
    const endless = client.post(origin, streamed(), {
      signal: controller.signal,
      onUploadProgress,
    });
    await assert.rejects(endless, mine);
    await until("the one that was being sent is cancelled", () => cancelled === 2);
    const aborted = client.post(origin, streamed(), { signal: AbortSignal.abort(mine) });
    await assert.rejects(aborted, mine);
    await until("the one that was not begun is cancelled", () => cancelled === 3);
    const locked = streamed();
    locked.getReader();
    await assert.rejects(client.post(origin, locked), { code: "ERR_INVALID_REQUEST" });
    async function* nothing(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(0);
    }
    await assert.rejects(client.post(origin, nothing()), /empty pieces/);
    const detached = bytesOf(TEXT);
    const request = new HttpRequest(origin, { method: "POST", body: detached });
    structuredClone(detached, { transfer: [detached.buffer] });
    await assert.rejects(client.do(request), { code: "ERR_BODY_LENGTH" });
  });
});

test("compress: fetch has it too, and no other coding than those that there are", async () => {
  await withBodyServer(async (server, requests) => {
    const transport = new Transport();
    const fetch = createFetch({ transport, compress: "zstd" });
    const response = await fetch(server.url, { method: "POST", body: TEXT });
    assert.equal(response.status, 200);
    await response.text();
    assert.deepEqual([field(requests[0], "content-encoding"), decoded(requests[0])], [
      "zstd",
      TEXT,
    ]);
    await transport.close();
  });
  for (const compress of ["lzma", true, null, "GZIP"]) {
    assert.throws(() => new Client({ compress } as unknown as ClientOptions), (error) => {
      assert.ok(error instanceof HttpError);
      assert.match(error.message, /compress: .* is none of gzip, deflate, br/);
      return error.code === "ERR_INVALID_REQUEST";
    });
  }
  const requests = await sent({ compress: "gzip" }, async (client, origin) => {
    await post(client.extend({ compress: "deflate" }), origin, TEXT);
    await post(client.extend({ timeoutMs: 60_000 }), origin, TEXT);
  });
  assert.deepEqual(requests.map((one) => field(one, "content-encoding")), ["deflate", "gzip"]);
});
