/**
 * `maxResponseBytes`: how much of a body is given, however it is read, coded and framed, on HTTP/1.1
 * and HTTP/2; and what is left behind where there is more.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  createFetch,
  HttpError,
  httpErrorOf,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  ResumingTransport,
  Transport,
} from "../../../mod.ts";
import { testServer } from "../../../testing/mod.ts";
import { withFrameNetwork } from "../../support/frame_network.ts";
import { withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { steadyClock, steadyTransport } from "../../support/steady_transport.ts";
import { until } from "../../support/waiting.ts";

/** Answers with as many bytes as the path says: `/100`, `/chunked/100`, `/gzip/100`, `/gzip-chunked/100`. */
function answer(request: Request): Response {
  const [, kind, size] = /^\/(?:([a-z-]+)\/)?(\d+)$/.exec(new URL(request.url).pathname)!;
  const bytes = new Uint8Array(Number(size)).fill(97);
  const isCoded = kind?.startsWith("gzip");
  const content = isCoded ? new Uint8Array(gzipSync(bytes)) : bytes;
  const headers: Record<string, string> = isCoded ? { "Content-Encoding": "gzip" } : {};
  if (kind?.endsWith("chunked") !== true) return new Response(content, { headers });
  const half = content.length >> 1;
  const pieces = [content.subarray(0, half), content.subarray(half)];
  return new Response(
    new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    }),
    { headers },
  );
}

const READERS: Record<string, (response: HttpResponse) => Promise<number>> = {
  bytes: async (response) => (await response.bytes()).length,
  read: async ({ body }) => {
    const p = new Uint8Array(64);
    let length = 0;
    for (let n = await body.read(p); n !== null; n = await body.read(p)) length += n;
    return length;
  },
  stream: async ({ body }) => {
    let length = 0;
    for await (const piece of body.stream) length += piece.length;
    return length;
  },
  iterate: async ({ body }) => {
    let length = 0;
    for await (const piece of body) length += piece.length;
    return length;
  },
  toWeb: async (response) => (await response.toWeb().arrayBuffer()).byteLength,
};

const KINDS = ["", "/chunked", "/gzip", "/gzip-chunked"];

for (const http2 of [false, true]) {
  const name = http2 ? "HTTP/2" : "HTTP/1.1";

  test(`maxResponseBytes: as many are given over ${name}, one more fails, and nothing is left`, async () => {
    await using server = await testServer(answer, { http2 });
    const transport = server.transport({ maxResponseBytes: 1_000, clock: steadyClock() });
    for (const kind of KINDS) {
      for (const [how, read] of Object.entries(READERS)) {
        const what = `${kind} by ${how}`;
        const get = (size: number) =>
          transport.roundTrip(new HttpRequest(`${server.url}${kind}/${size}`));
        assert.equal(await read(await get(1_000)), 1_000, what);
        const response = await get(1_001);
        assert.equal(response.status, 200);
        await assert.rejects(read(response), (error: unknown) => {
          const known = error instanceof HttpError ? error : httpErrorOf(error);
          assert.equal(known?.code, "ERR_BODY_TOO_LARGE", what);
          assert.equal(known?.phase, "body");
          assert.equal(known?.attempt?.verdict, "answered");
          return true;
        });
        await assert.rejects(response.trailers, { code: "ERR_BODY_TOO_LARGE" });
        await assert.rejects(response.body.read(new Uint8Array(1)), {
          code: "ERR_BODY_TOO_LARGE",
        });
        await until("the connection is free", () => transport.stats().active === 0);
      }
    }
    assert.equal(transport.stats().waiting + transport.stats().dialing, 0);
    assert.deepEqual(server.errors, []);
  });

  test(`maxResponseBytes: what a request says counts, over ${name}`, async () => {
    await using server = await testServer(answer, { http2 });
    const transport = server.transport({ maxResponseBytes: 10 });
    const get = async (init: HttpRequestInit, path = "/chunked/50"): Promise<number> => {
      const response = await transport.roundTrip(new HttpRequest(server.url + path, init));
      return (await response.bytes()).length;
    };
    assert.equal(await get({ maxResponseBytes: 0 }), 50);
    assert.equal(await get({ maxResponseBytes: 50 }), 50);
    await assert.rejects(get({ maxResponseBytes: 49 }), { code: "ERR_BODY_TOO_LARGE" });
    await assert.rejects(get({}), { code: "ERR_BODY_TOO_LARGE" });
    const copied = new HttpRequest(server.url, { maxResponseBytes: 7 }).with({ method: "HEAD" });
    assert.equal(copied.maxResponseBytes, 7);
    // A response that has no content has not too much of it.
    assert.equal(await get({ method: "HEAD" }, "/5000"), 0);
  });
}

test("maxResponseBytes: a connection is used again where little was left, and closed where much was", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ maxResponseBytes: 10 });
    const head = (length: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
    const little = gate.get(transport, "/little");
    await (await gate.next()).answer(head(11) + "a".repeat(11));
    await assert.rejects(little, { code: "ERR_BODY_TOO_LARGE" });
    await until("it is free", () => transport.stats().idle === 1);
    const much = gate.get(transport, "/much");
    await (await gate.next()).answer(head(1e9) + "a".repeat(11));
    await assert.rejects(much, { code: "ERR_BODY_TOO_LARGE" });
    await until("it is closed", () => gate.server.openCount === 0);
    assert.deepEqual(transport.stats().total, 0);
    assert.equal(await gate.exchange(transport, "/next"), "ok");
    assert.deepEqual(gate.served, [0, 0, 1]);
    await transport.close();
  });
});

test("maxResponseBytes: over HTTP/2 the stream alone is ended, and the others go on", async () => {
  await withFrameNetwork({ maxResponseBytes: 10 }, async (network) => {
    const large = network.get("/large");
    const other = network.get("/other");
    const server = await network.server();
    await server.sent("HEADERS", 3);
    server.headers(1, [[":status", "200"]]);
    server.data(1, "a".repeat(20));
    await assert.rejects((await large).bytes(), { code: "ERR_BODY_TOO_LARGE" });
    await server.sent("RST_STREAM", 1);
    server.answer(3, "other");
    assert.equal(await (await other).text(), "other");
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
    assert.equal(network.dialCount, 1);
  });
});

test("maxResponseBytes: coded bytes that become nothing are bounded too", async () => {
  // Members of gzip without content, one behind the other.
  const empty = new Uint8Array(gzipSync(new Uint8Array(0)));
  let pulled = 0;
  await using server = await testServer(() =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull: (controller) => {
          const piece = new Uint8Array(empty.length * 500);
          for (let at = 0; at < piece.length; at += empty.length) piece.set(empty, at);
          pulled += piece.length;
          if (pulled < 10_000_000) controller.enqueue(piece);
          else controller.close();
        },
      }),
      { headers: { "Content-Encoding": "gzip" } },
    )
  );
  const transport = server.transport({ maxResponseBytes: 100 });
  const response = await transport.roundTrip(new HttpRequest(server.url));
  await assert.rejects(response.bytes(), { code: "ERR_BODY_TOO_LARGE" });
  await until("the connection is free, or gone", () => transport.stats().active === 0);
});

test("maxResponseBytes: fetch, and a download that is resumed, know it too", async () => {
  await using server = await testServer(answer);
  const fetch = createFetch({ transport: server.transport({ maxResponseBytes: 10 }) });
  assert.equal((await (await fetch(`${server.url}/10`)).text()).length, 10);
  const response = await fetch(`${server.url}/chunked/11`);
  await assert.rejects(
    response.text(),
    (error) => httpErrorOf(error)?.code === "ERR_BODY_TOO_LARGE",
  );
  // In two parts, neither of which is too much.
  let requests = 0;
  await withGate(async (gate) => {
    const inner = steadyTransport({ maxResponseBytes: 10 });
    const transport = new ResumingTransport(inner, { baseDelayMs: 1 });
    const going = transport.roundTrip(gate.request("/")).then((whole) => whole.bytes());
    going.catch(() => {});
    const first = await gate.next();
    await first.connection.send(
      'HTTP/1.1 200 OK\r\nETag: "a"\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n',
    );
    first.connection.end();
    const second = await gate.next();
    requests = gate.requests.length;
    await second.answer(
      'HTTP/1.1 206 Partial Content\r\nETag: "a"\r\nContent-Range: bytes 6-11/12\r\n' +
        "Content-Length: 6\r\n\r\nghijkl",
    );
    await assert.rejects(going, { code: "ERR_BODY_TOO_LARGE" });
    await until("nothing is in use", () => inner.stats().active === 0);
    await inner.close();
  });
  assert.equal(requests, 2);
});

test("maxResponseBytes: what is no count is refused", () => {
  for (const maxResponseBytes of [-1, 0.5, NaN, "1" as unknown as number]) {
    assert.throws(() => new Transport({ maxResponseBytes }), { code: "ERR_INVALID_REQUEST" });
    assert.throws(() => new HttpRequest("http://a.test/", { maxResponseBytes }), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});
