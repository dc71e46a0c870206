/**
 * Tapes: what is recorded plays back, what is secret is not written, what differs is refused.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { startDemoServer } from "../../cli/demo_server.ts";
import {
  type HttpError,
  HttpRequest,
  type RoundTripper,
  systemDialer,
  Transport,
} from "../../mod.ts";
import {
  faults,
  recordingDialer,
  replayDialer,
  Tape,
  TapeError,
  testServer,
  VirtualClock,
} from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { record, replay } from "../support/taped_exchanges.ts";

async function outcome(transport: RoundTripper, request: HttpRequest): Promise<unknown[]> {
  try {
    const response = await transport.roundTrip(request);
    const { status } = response;
    const text = await response.text();
    const trailers = [...await response.trailers];
    return [status, [...response.headers], text.length, text.slice(0, 20), trailers];
  } catch (error) {
    return [(error as HttpError).code];
  }
}

/** The demonstration's exchanges at that server. */
function demoRequests(url: string): HttpRequest[] {
  return [
    new HttpRequest(`${url}/hello`, { headers: { Authorization: "Bearer very-secret" } }),
    new HttpRequest(`${url}/chunked`),
    new HttpRequest(`${url}/gzip`),
    new HttpRequest(`${url}/hints`),
    new HttpRequest(`${url}/upload`, { method: "POST", body: "x".repeat(3_000), trailers: [] }),
    new HttpRequest(`${url}/upload`, { method: "PUT", body: new Blob(["streamed"]).stream() }),
    new HttpRequest(`${url}/missing`),
  ];
}

const asIs = (body: Uint8Array): Uint8Array => body;

async function outcomesOf(transport: Transport, requests: HttpRequest[]): Promise<unknown[][]> {
  const found: unknown[][] = [];
  for (const request of requests) found.push(await outcome(transport, request));
  transport.destroy();
  return found;
}

test("recordingDialer() and replayDialer(): the demonstration plays back", async () => {
  const server = await startDemoServer();
  const tape = new Tape();
  const dialer = recordingDialer(systemDialer(), tape, { maskBody: asIs });
  const recorded = await outcomesOf(new Transport({ dialer }), demoRequests(server.url));
  await server.close();
  const text = tape.text();
  assert.doesNotMatch(text, /very-secret/);
  assert.match(text, /Authorization: \*{18}\\r\\n/);
  assert.equal(recorded[0][0], 200);
  const read = Tape.parse(text);
  assert.equal(read.text(), text);
  const replaying = new Transport({ dialer: replayDialer(read) });
  assert.deepEqual(await outcomesOf(replaying, demoRequests(server.url)), recorded);
});

for (const name of ["deno", "bun", "node"]) {
  test(`replayDialer(): a tape that was recorded on ${name} plays back the same`, async () => {
    const [tape, outcomes] = await Promise.all(
      [`${name}.jsonl`, "outcomes.json"].map((file) =>
        readFile(new URL(`../vectors/tapes/${file}`, import.meta.url), "utf8")
      ),
    );
    assert.deepEqual(await replay(tape), JSON.parse(outcomes));
  });
}

test("recordingDialer(): what this runtime records plays back the same", async () => {
  const outcomes = await readFile(
    new URL("../vectors/tapes/outcomes.json", import.meta.url),
    "utf8",
  );
  const recorded = await record();
  assert.deepEqual(recorded.outcomes, JSON.parse(outcomes));
  assert.deepEqual(await replay(recorded.tape), recorded.outcomes);
});

test("recordingDialer() records above TLS, also a download that breaks", async () => {
  await using server = await testServer(
    (request) =>
      request.url.endsWith("/broken")
        ? faults.wrongLength(5, new Response("half"))
        : new Response("whole"),
    { listen: "tls" },
  );
  const tape = new Tape();
  const { dialer, tls } = server.transportOptions;
  const requests = ["/a", "/broken"].map((path) => new HttpRequest(server.url + path));
  const recording = new Transport({
    tls,
    dialer: recordingDialer(dialer!, tape, { maskBody: asIs }),
  });
  const recorded = await outcomesOf(recording, requests);
  assert.deepEqual(recorded.map(([first]) => first), [200, "ERR_INCOMPLETE_BODY"]);
  const replaying = new Transport({ dialer: replayDialer(Tape.parse(tape.text())) });
  assert.deepEqual(await outcomesOf(replaying, requests), recorded);
});

test("recordingDialer() writes nothing where secrets cannot be masked", async () => {
  await using server = await testServer(
    () => new Response("body", { headers: { "Set-Cookie": "id=secret", "X-Mine": "hidden" } }),
    { http2: true },
  );
  const { dialer } = server.transportOptions;
  const record = async (
    options: Parameters<typeof recordingDialer>[2],
    http2 = false,
  ): Promise<Tape> => {
    const tape = new Tape();
    const transport = new Transport({
      dialer: recordingDialer(dialer!, tape, options),
      http2: http2 ? { priorKnowledge: true } : false,
    });
    await outcome(transport, new HttpRequest("http://a.test/"));
    transport.destroy();
    return tape;
  };
  const refused = (tape: Tape, message: RegExp): void => {
    assert.throws(() => tape.text(), { name: "TapeError", message });
    assert.throws(() => replayDialer(tape), TapeError);
  };
  refused(
    await record({}),
    /^Cannot write the connection to a\.test:80: A body was received: give maskBody/,
  );
  refused(await record({ maskBody: () => new Uint8Array(1) }), /maskBody gave 1 bytes for 4$/);
  refused(await record({}, true), /A body was received: give maskBody, or secrets: "keep"$/);
  refused(await record({ maskBody: () => new Uint8Array(1) }, true), /gave 1 bytes for 4$/);
  const masked = (await record({
    maskBody: (body) => body.fill(0x2a),
    secretFields: ["X-Mine"],
  })).text();
  assert.doesNotMatch(masked, /id=secret|hidden|body/);
  assert.match(masked, /\*{4}/);
  assert.match((await record({ secrets: "keep" })).text(), /id=secret/);
  assert.equal((await record({ secrets: "keep" }, true)).connections.length, 1);
});

test("recordingDialer() masks trailers, and the fields of a head that is cut off", async () => {
  const tape = new Tape();
  await using server = await testServer(() => new Response("a"));
  const conn = await recordingDialer(server.dialer, tape, { maskBody: asIs })
    .dial({ transport: "tcp", hostname: "a.test", port: 80 });
  const text = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "1\r\na\r\n0\r\nCookie: secret\r\nX-A: shown\r\n\r\nGET / HTTP/1.1\r\nAuthorization: secret";
  await conn.write(new TextEncoder().encode(text));
  conn.close();
  const [{ events: [event] }] = tape.connections;
  assert.ok(event.kind === "out");
  assert.equal(event.bytes, text.replaceAll("secret", "******"));
  assert.equal(event.masked.length, 2);
});

test("recordingDialer() refuses bytes of an unknown protocol", async () => {
  const tape = new Tape();
  await using server = await testServer(() => new Response("a"));
  const conn = await recordingDialer(server.dialer, tape, { maskBody: asIs })
    .dial({ transport: "tcp", hostname: "a.test", port: 80 });
  await conn.write(new TextEncoder().encode("password: secret\n\nmore of it\r\n\r\n"));
  conn.close();
  assert.throws(() => tape.text(), /a request that cannot be read.*secrets: "keep" keeps them/);
});

test("replayDialer() refuses what is not on the tape", async () => {
  await using server = await testServer(() => new Response("a"));
  const tape = new Tape();
  const recording = new Transport({
    dialer: recordingDialer(server.dialer, tape, { maskBody: asIs }),
  });
  const request = new HttpRequest("http://a.test/a");
  await outcomesOf(recording, [request]);
  const failure = async (asked: HttpRequest): Promise<Error & { cause?: unknown }> => {
    const transport = new Transport({ dialer: replayDialer(tape) });
    const error = await transport.roundTrip(asked).then(() => assert.fail(), (error) => error);
    transport.destroy();
    return error;
  };
  const other = await failure(new HttpRequest("http://a.test/b"));
  assert.match(
    `${other.message} ${(other.cause as Error)?.message}`,
    /Other bytes are written than on/,
  );
  const host = await failure(new HttpRequest("http://b.test/a"));
  assert.match(`${(host.cause as Error).message}`, /no further connection to b\.test:80/);
});

test("replayDialer() by requests: in another order, on other connections, each once", async () => {
  await using server = await testServer(async (request) =>
    new Response(`${new URL(request.url).pathname} ${await request.text()}`)
  );
  const tape = new Tape();
  const recording = new Transport({
    dialer: recordingDialer(server.dialer, tape, { maskBody: asIs }),
  });
  const asked = [
    new HttpRequest("http://a.test/a"),
    new HttpRequest("http://a.test/b", { method: "POST", body: "one" }),
    new HttpRequest("http://a.test/b", { method: "POST", body: "two" }),
    new HttpRequest("http://a.test/c", { method: "PUT", body: new Blob(["streamed"]).stream() }),
    new HttpRequest("http://b.test/a"),
  ];
  const recorded = await outcomesOf(recording, asked);
  asked[3] = new HttpRequest("http://a.test/c", {
    method: "PUT",
    body: new Blob(["streamed"]).stream(),
  });
  const read = Tape.parse(tape.text());
  const replaying = new Transport({ dialer: replayDialer(read, { match: "requests" }) });
  const seen = await Promise.all(asked.toReversed().map((one) => outcome(replaying, one)));
  assert.deepEqual(seen.toReversed(), recorded);
  // Each was played once.
  assert.deepEqual(await outcome(replaying, asked[0]), ["ERR_CONNECTION_LOST"]);
  replaying.destroy();
  const one = new Transport({
    dialer: replayDialer(read, { match: "requests" }),
    maxConnsPerHost: 1,
  });
  for (const i of [2, 0, 1]) assert.deepEqual(await outcome(one, asked[i]), recorded[i]);
  const other = one.roundTrip(new HttpRequest("http://a.test/other"));
  await assert.rejects(other, (error: Error) => {
    assert.match(`${error.message} ${(error.cause as Error)?.message}`, /Other bytes are written/);
    return true;
  });
  one.destroy();
  assert.throws(() => replayDialer(read, { match: "any" as "strict" }), {
    code: "ERR_INVALID_REQUEST",
  });
});

test("replayDialer() by the recorded times, on a virtual clock", async () => {
  const text = [
    { tape: 1 },
    { conn: 1, dial: { transport: "tcp", hostname: "a.test", port: 80 }, tls: null },
    { conn: 1, atMs: 10, out: "GET / HTTP/1.1\r\n" },
    { conn: 1, atMs: 1_010, in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" },
    { conn: 1, atMs: 3_010, in64: btoa("\xff\xfe") },
    { conn: 1, atMs: 3_011, end: true },
  ].map((line) => JSON.stringify(line)).join("\n");
  const clock = new VirtualClock();
  const dialer = replayDialer(Tape.parse(text), { times: "recorded", clock });
  const conn = await dialer.dial({ transport: "tcp", hostname: "a.test", port: 80 });
  await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  const room = new Uint8Array(100);
  const head = conn.read(room);
  clock.advance();
  assert.equal(await head, 38);
  assert.equal(clock.now(), 1_000);
  const body = conn.read(room);
  clock.advance();
  assert.deepEqual([await body, room[0], room[1]], [2, 0xff, 0xfe]);
  assert.equal(clock.now(), 3_000);
  const end = conn.read(room);
  clock.advance();
  assert.equal(await end, null);
  assert.equal(await conn.read(room), null);
  conn.close();
});

test("Tape.parse() refuses what is no tape", () => {
  for (const text of ["", "{}", "nonsense", '{"tape":2}', '{"tape":1}\n{"conn":1,"in":"a"}']) {
    assert.throws(() => Tape.parse(text), TapeError, text);
  }
});
