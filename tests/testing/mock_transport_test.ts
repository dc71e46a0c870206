/**
 * Mocks: what is expected, what is replied, what is said of anything else.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  HttpError,
  httpErrorOf,
  HttpRequest,
  type HttpResponse,
  MemoryCookieJar,
  RetryingTransport,
  type RoundTripper,
} from "../../mod.ts";
import {
  fakeResponse,
  faults,
  MockError,
  mockFetch,
  mockTransport,
  VirtualClock,
} from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import "../support/no_network.ts";

const URL_A = "https://api.test/a";

function send(
  transport: RoundTripper,
  method = "GET",
  url = URL_A,
  init: ConstructorParameters<typeof HttpRequest>[1] = {},
): Promise<HttpResponse> {
  return transport.roundTrip(new HttpRequest(url, { method, ...init }));
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(() => assert.fail("it did not fail"), (error) => error);
}

test("mockTransport() replies with each kind of value", async () => {
  const bytes = new Uint8Array([1, 2, 255]);
  const stream = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    });
  const mock = mockTransport();
  mock.expect("GET", "/none");
  mock.expect("GET", "/text").reply(201, "text", { "X-Own": "1" });
  mock.expect("GET", "/json").reply(200, { a: [1] });
  mock.expect("GET", "/bytes").reply(200, bytes);
  mock.expect("GET", "/stream").reply(200, stream());
  mock.expect("GET", "/response").times(2).reply(new Response("again", { status: 418 }));
  mock.expect("POST", "/function").reply((request) => new Response(request.text().toUpperCase()));
  mock.expect("GET", "/gzip").reply(
    200,
    new Response("zipped").body!.pipeThrough(new CompressionStream("gzip")) as ReadableStream<
      Uint8Array
    >,
    { "Content-Encoding": "gzip" },
  );
  assert.equal((await send(mock, "GET", "http://x.test/none")).contentLength, 0);
  const text = await send(mock, "GET", "http://x.test/text");
  assert.deepEqual([text.status, text.headers.get("x-own"), text.contentLength], [201, "1", 4]);
  assert.equal(await text.text(), "text");
  assert.deepEqual(await (await send(mock, "GET", "http://x.test/json")).json(), { a: [1] });
  assert.deepEqual(await (await send(mock, "GET", "http://x.test/bytes")).bytes(), bytes);
  assert.deepEqual(await (await send(mock, "GET", "http://x.test/stream")).bytes(), bytes);
  for (let i = 0; i < 2; i++) {
    const response = await send(mock, "GET", "http://x.test/response");
    assert.deepEqual([response.status, await response.text()], [418, "again"]);
  }
  const made = await send(mock, "POST", "http://x.test/function", { body: "loud" });
  assert.equal(await made.text(), "LOUD");
  const zipped = await send(mock, "GET", "http://x.test/gzip");
  assert.deepEqual([zipped.uncompressed, await zipped.text()], [true, "zipped"]);
  mock.assertDone();
});

test("mockTransport() matches URLs, headers and bodies of each kind", async () => {
  const form = new FormData();
  form.append("name", "value");
  form.append("file", new File(["content"], "a.txt", { type: "text/plain" }));
  const cases: readonly [
    Parameters<ReturnType<typeof mockTransport>["expect"]>,
    ConstructorParameters<typeof HttpRequest>[1],
  ][] = [
    [["POST", URL_A], {}],
    [["*", "/a"], {}],
    [["POST", new URL(URL_A)], {}],
    [["POST", /api\.test\/a$/g], {}],
    [["POST", (url) => url.hostname === "api.test"], {}],
    [["POST", "/a", { headers: { "X-One": "1", "x-two": /^2/, "x-not": null } }], {
      headers: { "x-one": "1", "X-Two": "22" },
    }],
    [["POST", "/a", { headers: { "x-one": (value) => value?.length === 3 } }], {
      headers: { "x-one": "abc" },
    }],
    [["POST", "/a", { body: "text" }], { body: "text" }],
    [["POST", "/a", { body: null }], {}],
    [["POST", "/a", { body: /^te/ }], { body: "text" }],
    [["POST", "/a", { body: new Uint8Array([0, 200]) }], { body: new Uint8Array([0, 200]) }],
    [["POST", "/a", { body: { a: 1, b: [null, { c: "d" }], e: undefined } }], {
      body: `{"b":[null,{"c":"d"}],"a":1}`,
    }],
    [["POST", "/a", { body: new URLSearchParams("a=1&a=2") }], {
      body: new URLSearchParams("a=1&a=2"),
    }],
    [["POST", "/a", { body: form }], { body: form }],
    [["POST", "/a", { body: (request) => request.body.length === 4 }], { body: "four" }],
  ];
  for (const [expected, init] of cases) {
    const mock = mockTransport();
    mock.expect(...expected);
    await send(mock, "POST", URL_A, init);
    mock.assertDone();
    // And something else is not taken for it.
    const other = mockTransport();
    other.expect(...expected);
    const failure = await failureOf(
      send(other, "PUT", "https://other.test/b?c", { body: "[1]", headers: { "x-not": "" } }),
    );
    assert.ok(failure instanceof MockError, `${expected}`);
  }
});

test("mockTransport() shows the nearest expectation, and what differs", async () => {
  const mock = mockTransport();
  mock.expect("GET", "https://api.test/users");
  mock.expect("POST", "https://api.test/pay", {
    headers: { "Content-Type": "application/json", "X-Key": /^k/ },
    body: { amount: 5 },
  });
  const failure = await failureOf(
    send(mock, "POST", "https://api.test/pay", {
      headers: { "Content-Type": "text/plain" },
      body: `{"amount":6}`,
    }),
  );
  assert.equal(
    failure.message,
    [
      "Unexpected request: POST https://api.test/pay",
      "  Nearest: expectation 2, POST https://api.test/pay (0 of 1)",
      '    header Content-Type: expected "application/json", was "text/plain"',
      "    header X-Key: expected /^k/, was none",
      '    body: expected {"amount":5}, was {"amount":6}',
    ].join("\n"),
  );
  const message = `${failure.message}\nNot asked for: expectation 1, GET https://api.test/users ` +
    "(0 of 1)\nNot asked for: expectation 2, POST https://api.test/pay (0 of 1)";
  assert.throws(() => mock.assertDone(), { name: "MockError", message });
});

test("mockTransport() says that nothing is expected, or not any more", async () => {
  const mock = mockTransport();
  assert.match((await failureOf(send(mock))).message, /Nothing is expected\.$/);
  mock.expect("GET", URL_A);
  await send(mock);
  assert.match((await failureOf(send(mock))).message, /\(1 of 1\)\n {4}it has been asked for/);
  assert.deepEqual(mock.calls.map(({ expectation }) => expectation), [null, 1, null]);
});

test("mockTransport() takes expectations once, n times, always, in order or not", async () => {
  const mock = mockTransport({ ordered: true });
  mock.expect("GET", "/a").times(2);
  mock.expect("GET", "/any").always();
  mock.expect("GET", "/b");
  const ask = (path: string): Promise<number> =>
    send(mock, "GET", `http://x.test${path}`).then(({ status }) => status);
  await ask("/a");
  assert.match((await failureOf(ask("/b"))).message, /another one has to come before it$/);
  await ask("/a");
  await ask("/any");
  await ask("/any");
  await ask("/b");
  assert.deepEqual(mock.calls.map(({ expectation }) => expectation), [1, null, 1, 2, 2, 3]);
  const free = mockTransport();
  free.expect("GET", "/a");
  free.expect("GET", "/b");
  free.expect("GET", "/never").always();
  await send(free, "GET", "http://x.test/b");
  assert.throws(() => free.assertDone(), /Not asked for: expectation 1, GET \/a \(0 of 1\)$/);
  await send(free, "GET", "http://x.test/a");
  free.assertDone();
});

test("mockTransport() gives one place to one of two requests at once", async () => {
  const mock = mockTransport();
  mock.expect("GET", URL_A).reply(200, "first");
  mock.expect("GET", URL_A).reply(200, "second");
  const texts = await Promise.all([send(mock), send(mock)].map(async (one) => (await one).text()));
  assert.deepEqual(texts.sort(), ["first", "second"]);
  mock.assertDone();
});

test("mockTransport() rejects with errors by code and phase, and with faults", async () => {
  const mock = mockTransport();
  mock.expect("POST", "/dial").replyWithError("ERR_DIAL");
  mock.expect("POST", "/lost").replyWithError("ERR_CONNECTION_LOST", { message: "gone" });
  mock.expect("POST", "/sent").replyWithError("ERR_TIMEOUT", { phase: "request" });
  mock.expect("POST", "/refused").reply(faults.refuse());
  mock.expect("POST", "/reset").reply(faults.reset());
  const tried: unknown[] = [];
  for (const path of ["dial", "lost", "sent", "refused", "reset"]) {
    const error = await failureOf(send(mock, "POST", `http://x.test/${path}`, { body: "b" }));
    assert.ok(error instanceof HttpError, path);
    tried.push([error.code, error.phase, error.attempt?.verdict]);
  }
  assert.deepEqual(tried, [
    ["ERR_DIAL", "dial", "never-sent"],
    ["ERR_CONNECTION_LOST", "response-header", "sent-no-answer"],
    ["ERR_TIMEOUT", "request", "partly-sent"],
    ["ERR_DIAL", "dial", "never-sent"],
    ["ERR_CONNECTION_LOST", "response-header", "sent-no-answer"],
  ]);
  for (
    const code of ["ERR_INCOMPLETE_BODY", "ERR_CONNECTION_LOST", "ERR_MALFORMED_RESPONSE"] as const
  ) {
    mock.expect("GET", "/body").replyWithError(code, { phase: "body" });
    const response = await send(mock, "GET", "http://x.test/body");
    assert.equal(response.status, 200);
    assert.equal((await failureOf(response.text()) as HttpError).code, code);
  }
  mock.assertDone();
  assert.throws(() => mock.expect("GET", "/a").replyWithError("ERR_BLOCKED", { phase: "body" }));
});

test("mockTransport() rejects with what the function of a reply throws", async () => {
  const mock = mockTransport();
  const thrown = new Error("thrown");
  mock.expect("GET", URL_A).reply(() => {
    throw thrown;
  });
  assert.equal(await failureOf(send(mock)), thrown);
});

test("mockTransport() waits by a virtual clock, and the time-outs of the request go by it", async () => {
  const clock = new VirtualClock();
  const mock = mockTransport({ clock, transport: { responseHeaderTimeoutMs: 1_000 } });
  mock.expect("GET", "/soon").delay(900).reply(200, "soon");
  mock.expect("GET", "/late").delay(5_000).reply(200, "late");
  const outcomes: string[] = [];
  for (const path of ["/soon", "/late"]) {
    const count = outcomes.length;
    void send(mock, "GET", `http://x.test${path}`).then((response) => response.text())
      .catch((error) => error.code).then((outcome) => outcomes.push(outcome));
    while (outcomes.length === count) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      clock.advance();
    }
  }
  assert.deepEqual(outcomes, ["soon", "ERR_TIMEOUT"]);
  assert.equal(clock.now(), 1_900);
  assert.equal(clock.timerCount, 0);
});

test("mockTransport() by the runtime's clock: a signal ends the delay, and nothing is left", async () => {
  const mock = mockTransport();
  mock.expect("GET", URL_A).delay(30_000);
  mock.expect("GET", URL_A).delay(1).reply(200, "second");
  const controller = new AbortController();
  const first = send(mock, "GET", URL_A, { signal: controller.signal });
  const reason = new Error("enough");
  while (mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  controller.abort(reason);
  assert.equal(await failureOf(first), reason);
  assert.equal(await (await send(mock)).text(), "second");
});

test("mockTransport() works below retries, redirects and cookies", async () => {
  const mock = mockTransport();
  mock.expect("GET", "https://a.test/start").replyWithError("ERR_CONNECTION_LOST");
  mock.expect("GET", "https://a.test/start").reply(503);
  mock.expect("GET", "https://a.test/start").reply(302, null, {
    "Location": "/end",
    "Set-Cookie": "id=1",
  });
  mock.expect("GET", "https://a.test/end", { headers: { cookie: "id=1" } }).reply(200, "end");
  const client = new Client({
    transport: new RetryingTransport(mock, { baseDelayMs: 1 }),
    jar: new MemoryCookieJar(),
  });
  const response = await client.get("https://a.test/start");
  assert.equal(await response.text(), "end");
  assert.equal(response.redirected, true);
  mock.assertDone();
});

test("mockTransport() speaks HTTP/2 where it is told to", async () => {
  const mock = mockTransport({ transport: { http2: true } });
  mock.expect("POST", URL_A, { body: "b" }).reply(200, "two");
  mock.expect("GET", URL_A).replyWithError("ERR_TIMEOUT");
  const response = await send(mock, "POST", URL_A, { body: "b" });
  assert.deepEqual([response.httpVersion, await response.text()], ["2", "two"]);
  assert.equal((await failureOf(send(mock)) as HttpError).code, "ERR_TIMEOUT");
  assert.equal(mock.calls[0].request.protocol, "h2");
});

test("mockTransport() and its expectations refuse what makes no sense", () => {
  const mock = mockTransport();
  assert.throws(() => mockTransport({ order: true } as never), { code: "ERR_INVALID_REQUEST" });
  assert.throws(() => mockTransport({ transport: { dialer: null } as never }), /no dialer/);
  assert.throws(() => mock.expect("GET", "a"), { code: "ERR_INVALID_REQUEST" });
  assert.throws(() => mock.expect("GET", "/a").times(0), RangeError);
  assert.throws(() => mock.expect("GET", "/a").delay(-1), RangeError);
  assert.throws(() => mock.expect("GET", "/a").reply(99), RangeError);
});

test("mockFetch() answers as fetch does", async () => {
  const fetch = mockFetch({ fetch: { baseUrl: "https://api.test" } });
  fetch.expect("POST", "https://api.test/users", { body: { name: "Ada" } }).reply(201, { id: 1 });
  const response = await fetch("/users", { method: "POST", body: JSON.stringify({ name: "Ada" }) });
  assert.ok(response instanceof Response);
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), { id: 1 });
  fetch.assertDone();
  const failure = await failureOf(fetch("/other"));
  assert.ok(failure instanceof MockError);
  fetch.expect("GET", "/down").replyWithError("ERR_DIAL");
  assert.equal(httpErrorOf(await failureOf(fetch("/down")))?.code, "ERR_DIAL");
  assert.throws(() => fetch.assertDone(), MockError);
  assert.equal(fetch.mock.calls.length, 3);
});

test("fakeResponse() is a response in one line", async () => {
  const response = fakeResponse({ a: 1 }, { status: 201, trailers: { "X-T": "t" } });
  assert.equal(response.status, 201);
  assert.equal(response.ok, true);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.contentLength, 7);
  assert.equal((await response.trailers).get("x-t"), "t");
  assert.deepEqual(await response.json(), { a: 1 });
  assert.equal(await fakeResponse("text").text(), "text");
  assert.equal((await fakeResponse().bytes()).length, 0);
  assert.equal(await fakeResponse("web", { status: 404 }).toWeb().text(), "web");
  const room = new Uint8Array(2);
  const { body } = fakeResponse(new Uint8Array([1, 2, 3]));
  assert.deepEqual([await body.read(room), await body.read(room), await body.read(room)], [
    2,
    1,
    null,
  ]);
  assert.throws(() => fakeResponse("", { status: 1 }), HttpError);
});
