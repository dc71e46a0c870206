/**
 * A server for tests: each way to listen, each version, each fault.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Client, HttpError, HttpRequest } from "../../mod.ts";
import {
  faults,
  type TestServer,
  testServer,
  type TestServerOptions,
  VirtualClock,
  type WireFault,
} from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import "../support/no_network.ts";

type Listen = NonNullable<TestServerOptions["listen"]>;

const ways: readonly Listen[] = ["memory", "tcp", "tls", "unix"];

for (const listen of ways) {
  for (const http2 of [false, true]) {
    test(`testServer() answers: ${listen}, ${http2 ? "HTTP/2" : "HTTP/1.1"}`, async () => {
      await using server = await testServer(async (request, { inform }) => {
        await inform(103, [["Link", "</a>"]]);
        const { pathname, search } = new URL(request.url);
        return Response.json({
          method: request.method,
          path: pathname + search,
          name: request.headers.get("x-name"),
          body: await request.text(),
        }, { status: 201, headers: { "X-Back": "yes" } });
      }, { listen, http2 });
      const transport = server.transport();
      const informed: number[] = [];
      for (let i = 1; i <= 2; i++) {
        const response = await transport.roundTrip(
          new HttpRequest(`${server.url}/a?b=${i}`, {
            method: "POST",
            headers: [["X-Name", "value"], ["x-LOWER", "1"]],
            body: "content",
            trace: { got1xxResponse: (status) => void informed.push(status) },
          }),
        );
        assert.equal(response.status, 201);
        assert.equal(response.headers.get("x-back"), "yes");
        assert.equal(response.httpVersion, http2 ? "2" : "1.1");
        assert.deepEqual(await response.json(), {
          method: "POST",
          path: `/a?b=${i}`,
          name: "value",
          body: "content",
        });
      }
      assert.deepEqual(informed, [103, 103]);
      assert.deepEqual([server.connectionCount, server.openCount], [1, 1]);
      assert.equal(server.requests.length, 2);
      const [first, second] = server.requests;
      assert.equal(first.text(), "content");
      assert.equal(first.protocol, http2 ? "h2" : "http/1.1");
      assert.equal(first.url, `${server.url}/a?b=1`);
      assert.deepEqual([first.streamId, second.streamId], http2 ? [1, 3] : [null, null]);
      const fields = http2 ? /^:method: POST\r\n[^]*x-name: value\r\nx-lower: 1\r\n/ : new RegExp(
        "^POST /a\\?b=1 HTTP/1\\.1\r\n[^]*\r\nX-Name: value\r\nx-LOWER: 1\r\n",
      );
      assert.match(first.head, fields);
      assert.deepEqual(server.errors, []);
    });
  }
}

test("testServer() in memory answers for every host, with TLS of its own word", async () => {
  await using server = await testServer((request) => new Response(request.url), { http2: true });
  const transport = server.transport({ http2: true });
  for (const url of ["http://a.test/x", "https://b.test/y", "https://c.test:444/z"]) {
    const response = await transport.roundTrip(new HttpRequest(url));
    assert.equal(await response.text(), url);
    assert.equal(response.connection.protocol, url.startsWith("https") ? "h2" : "http/1.1");
  }
});

test("testServer() answers what a handler throws with 500, and keeps it", async () => {
  await using server = await testServer(() => {
    throw new Error("oh");
  });
  const response = await server.transport().roundTrip(new HttpRequest(server.url));
  assert.equal(response.status, 500);
  assert.match(await response.text(), /Error: oh/);
  assert.equal((server.errors[0] as Error).message, "oh");
});

test("testServer() sends a stream as it comes, and resets it where it fails", async () => {
  await using server = await testServer((request) => {
    const fails = request.url.endsWith("/fails");
    return new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new TextEncoder().encode("some"));
          if (fails) controller.error(new Error("no more"));
          else controller.close();
        },
      }),
    );
  });
  const transport = server.transport();
  const whole = await transport.roundTrip(new HttpRequest(`${server.url}/`));
  assert.equal(await whole.text(), "some");
  assert.equal(whole.contentLength, null);
  const response = await transport.roundTrip(new HttpRequest(`${server.url}/fails`))
    .then((response) => response.text())
    .catch((error) => error.code);
  assert.match(response, /^ERR_(?:INCOMPLETE_BODY|CONNECTION_LOST)$/);
});

test("testServer() refuses options that it does not know", async () => {
  const refused = { code: "ERR_INVALID_REQUEST" };
  await assert.rejects(testServer(() => new Response(), { port: 1 } as never), refused);
  await assert.rejects(testServer(() => new Response(), { listen: "udp" } as never), refused);
});

/** What comes of a request. Only what stalls ends by a time-out of the client's. */
async function codeOf(server: TestServer, stalls: boolean): Promise<string> {
  const timeoutMs = stalls ? 100 : 0;
  const transport = server.transport({
    responseHeaderTimeoutMs: timeoutMs,
    bodyIdleTimeoutMs: timeoutMs,
    maxIdleConns: 0,
  });
  try {
    const response = await transport.roundTrip(new HttpRequest(`${server.url}/a`));
    return `${response.status} ${await response.text()}`;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.code;
  }
}

/** What the client sees of each fault, by version; null: the version does not have it. */
const seen: readonly [WireFault, RegExp, RegExp][] = [
  [faults.stall(), /^ERR_TIMEOUT$/, /^ERR_TIMEOUT$/],
  [faults.stall(70), /^ERR_TIMEOUT$/, /^(?:ERR_TIMEOUT|200)/],
  [faults.reset(), /^ERR_CONNECTION_LOST$/, /^ERR_CONNECTION_LOST$/],
  [faults.reset(5), /^ERR_(?:CONNECTION_LOST|INCOMPLETE_BODY|MALFORMED_RESPONSE)$/, /^ERR_CONN/],
  [faults.halfClose(70), /^ERR_INCOMPLETE_BODY$/, /^(?:ERR_|200)/],
  [faults.slow(10_000), /^200 what was asked for$/, /^200 what was asked for$/],
  [faults.wrongLength(1), /^ERR_INCOMPLETE_BODY$/, /^ERR_/],
  [faults.badChunk(), /^ERR_MALFORMED_RESPONSE$/, /^500 HTTP\/2 has no badChunk$/],
  [faults.garbage(), /^ERR_MALFORMED_RESPONSE$/, /^ERR_CONNECTION_LOST$/],
  [faults.goAway(), /^500 HTTP\/1.1 has no goAway$/, /^200 what was asked for$/],
  [faults.rstStream(8), /^500 HTTP\/1.1 has no rstStream$/, /^ERR_CONNECTION_LOST$/],
  [faults.refuse(), /^ERR_DIAL$/, /^ERR_DIAL$/],
];

for (const listen of ["memory", "tcp", "tls"] as const) {
  for (const http2 of [false, true]) {
    const name = `${listen}, ${http2 ? "HTTP/2" : "HTTP/1.1"}`;
    test(`testServer() injects each fault: ${name}`, async () => {
      for (const [fault, inHttp1, inHttp2] of seen) {
        await using server = await testServer(
          () =>
            new Response("what was asked for", {
              headers: { "Content-Length": "18", "Content-Type": "text/plain" },
            }),
          { listen, http2 },
        );
        server.inject(fault);
        const code = await codeOf(server, fault.kind === "stall");
        assert.match(code, http2 ? inHttp2 : inHttp1, JSON.stringify(fault));
      }
    });
  }
}

test("testServer() drops TLS, in memory and on loopback, and the next dial is served", async () => {
  for (const listen of ["memory", "tls"] as const) {
    await using server = await testServer(() => new Response("fine"), { listen });
    const url = listen === "memory" ? "https://a.test/" : server.url;
    server.inject(faults.dropTls());
    const transport = server.transport();
    const error = await transport.roundTrip(new HttpRequest(url)).catch((error) => error);
    assert.match(error.code, /^ERR_(?:TLS|CONNECTION_LOST)$/);
    assert.equal(await (await transport.roundTrip(new HttpRequest(url))).text(), "fine");
  }
});

test("testServer() plants an answer that nobody is given", async () => {
  await using server = await testServer(() => new Response("right"));
  const client = new Client({ transport: server.transport() });
  server.inject(faults.planted());
  assert.equal(await (await client.get(`${server.url}/a`)).text(), "right");
  assert.equal(await (await client.get(`${server.url}/b`)).text(), "right");
  assert.equal(server.connectionCount, 2);
});

test("faults.slow() goes by the clock of the server", async () => {
  const clock = new VirtualClock();
  await using server = await testServer(
    () => faults.slow(1, new Response("abc", { headers: { "Content-Length": "3" } })),
    { clock },
  );
  let text: string | null = null;
  const done = server.transport().roundTrip(new HttpRequest(server.url))
    .then(async (response) => text = await response.text());
  while (text === null) {
    clock.advance();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await done;
  assert.equal(text, "abc");
  assert.ok(clock.now() > 3_000, `${clock.now()}`);
});

test("faults say what cannot be made", () => {
  assert.throws(() => faults.stall(-1), RangeError);
  assert.throws(() => faults.slow(0), RangeError);
});
