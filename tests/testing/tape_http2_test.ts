/**
 * Tapes of HTTP/2: secrets out of compressed blocks, and requests compared by what they say.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Http2ServerConnection } from "../../http2/server_connection.ts";
import { huffmanEncode, huffmanLength } from "../../http2/huffman.ts";
import {
  type HttpError,
  HttpRequest,
  type RoundTripper,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import {
  faults,
  pipe,
  recordingDialer,
  type RecordingOptions,
  replayDialer,
  Tape,
  type TapedConnection,
  TapeError,
  type TapeEvent,
  testServer,
} from "../../testing/mod.ts";
import { bytesOf } from "../../testing/latin1.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { TapeBlocks, TapeFrames } from "../../testing/tape_frames.ts";
import { test } from "../support/harness.ts";
import "../support/no_network.ts";

const SECRET = "very-secret-and-long-enough";

async function outcome(transport: RoundTripper, request: HttpRequest): Promise<unknown[]> {
  try {
    const response = await transport.roundTrip(request);
    const text = await response.text();
    const headers = [...response.headers].filter(([name]) => name !== "set-cookie");
    return [response.httpVersion, response.status, headers, text.length];
  } catch (error) {
    return [(error as HttpError).code];
  }
}

function requestsTo(url: string, secret: string): HttpRequest[] {
  const headers = { Authorization: `Bearer ${secret}`, Cookie: `id=${secret}` };
  return [
    new HttpRequest(`${url}/a`, { headers }),
    new HttpRequest(`${url}/a`, { headers }),
    new HttpRequest(`${url}/large`, { headers }),
    new HttpRequest(`${url}/upload`, { method: "POST", body: "x".repeat(100_000), headers }),
    new HttpRequest(`${url}/upload`, { method: "PUT", body: new Blob(["streamed"]).stream() }),
    new HttpRequest(`${url}/broken`, { headers }),
  ];
}

async function outcomesOf(transport: Transport, requests: HttpRequest[]): Promise<unknown[][]> {
  const found: unknown[][] = [];
  for (const request of requests) found.push(await outcome(transport, request));
  transport.destroy();
  return found;
}

interface Recorded {
  readonly tape: Tape;
  readonly url: string;
  readonly outcomes: unknown[][];
}

async function record(
  listen: "memory" | "tls",
  options: RecordingOptions,
  concurrently = false,
): Promise<Recorded> {
  const handler = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === "/large") return new Response("large".repeat(40_000));
    if (pathname === "/upload") return new Response(`${(await request.bytes()).length} bytes`);
    return new Response(pathname, { headers: { "Set-Cookie": `id=${SECRET}`, "X-A": "shown" } });
  };
  await using server = await testServer(
    (request) =>
      request.url.endsWith("/broken")
        ? faults.halfClose(500, new Response("broken".repeat(1_000)))
        : handler(request),
    { listen, http2: true },
  );
  const tape = new Tape();
  const { tls, dialer } = server.transportOptions;
  const transport = new Transport({
    tls,
    http2: { priorKnowledge: true },
    dialer: recordingDialer(dialer!, tape, options),
  });
  const requests = requestsTo(server.url, SECRET);
  if (!concurrently) {
    return { tape, url: server.url, outcomes: await outcomesOf(transport, requests) };
  }
  const outcomes = await Promise.all(requests.slice(0, 4).map((one) => outcome(transport, one)));
  transport.destroy();
  return { tape, url: server.url, outcomes };
}

const asIs = (body: Uint8Array): Uint8Array => body;

const replaying = (tape: Tape): Transport =>
  new Transport({ dialer: replayDialer(tape), http2: { priorKnowledge: true } });

/** All fields on the tape, as text. */
function fieldsOn({ connections }: Tape): string[] {
  return connections.flatMap(({ events }) => {
    const lines: string[] = [];
    for (const kind of ["out", "in"] as const) {
      const frames = new TapeFrames(kind === "out");
      const blocks = new TapeBlocks(kind === "out" ? "request" : "response");
      for (const event of events) {
        if (event.kind !== kind) continue;
        for (const item of frames.push(bytesOf(event.bytes))) {
          if (item.kind !== "block") continue;
          for (const [name, value] of blocks.fields(item.block)) lines.push(`${name}: ${value}`);
        }
      }
    }
    return lines;
  });
}

for (const listen of ["memory", "tls"] as const) {
  test(`tapes of HTTP/2, ${listen}: they play back, without their secrets`, async () => {
    const { tape, url, outcomes } = await record(listen, { maskBody: asIs });
    const short = outcomes.map(([first, second]) => second ?? first);
    assert.deepEqual(short.slice(0, 5), [200, 200, 200, 200, 200]);
    assert.match(`${short[5]}`, /^ERR_(CONNECTION_LOST|INCOMPLETE_BODY)$/);
    const text = tape.text();
    const read = Tape.parse(text);
    assert.equal(read.text(), text);
    const fields = fieldsOn(read);
    const masked = "*".repeat(`Bearer ${SECRET}`.length);
    assert.equal(fields.filter((line) => line === `authorization: ${masked}`).length, 5);
    assert.ok(fields.includes(`set-cookie: ${"*".repeat(`id=${SECRET}`.length)}`));
    assert.ok(fields.includes("x-a: shown"));
    // Neither as it is nor in the code of the compression, at any place.
    const all = read.connections.flatMap(({ events }) =>
      events.map((event) => event.kind === "out" || event.kind === "in" ? event.bytes : "")
    ).join("");
    const coded = new Uint8Array(huffmanLength(SECRET));
    huffmanEncode(SECRET, coded, 0);
    assert.ok(!all.includes(SECRET));
    assert.ok(!all.includes(String.fromCharCode(...coded.subarray(2, -2))));
    assert.ok(!text.includes(SECRET));
    // Who asks now may be somebody else.
    for (const secret of [SECRET, "short"]) {
      assert.deepEqual(await outcomesOf(replaying(read), requestsTo(url, secret)), outcomes);
    }
  });
}

test("tapes of HTTP/2: requests at once, and whatever pieces the events come in", async () => {
  const { tape, url, outcomes } = await record("memory", { maskBody: asIs }, true);
  const random = new SeededRandom(7);
  const cut = (connection: TapedConnection): TapedConnection => ({
    ...connection,
    events: connection.events.flatMap((event): TapeEvent[] => {
      if (event.kind !== "out" && event.kind !== "in") return [event];
      const pieces: TapeEvent[] = [];
      for (let at = 0; at < event.bytes.length;) {
        const length = random.pick([1, 2, 9, 10_000]);
        pieces.push({ ...event, bytes: event.bytes.slice(at, at + length) });
        at += length;
      }
      return pieces;
    }),
  });
  for (const change of [(one: TapedConnection) => one, cut]) {
    const changed = new Tape();
    for (const connection of tape.connections) changed.add(() => change(connection));
    const transport = replaying(Tape.parse(changed.text()));
    const requests = requestsTo(url, SECRET).slice(0, 4);
    const seen = await Promise.all(requests.map((one) => outcome(transport, one)));
    transport.destroy();
    assert.deepEqual(seen, outcomes);
  }
});

test('tapes of HTTP/2: secrets: "keep" plays back too, bit for bit', async () => {
  const { tape, url, outcomes } = await record("memory", { secrets: "keep" });
  assert.ok(fieldsOn(tape).includes(`authorization: Bearer ${SECRET}`));
  assert.deepEqual(await outcomesOf(replaying(tape), requestsTo(url, SECRET)), outcomes);
  const [first] = await outcomesOf(replaying(tape), requestsTo(url, "another"));
  assert.notDeepEqual(first, outcomes[0]);
});

test("tapes of HTTP/2: bodies are masked, and may be anything then", async () => {
  const maskBody = (body: Uint8Array): Uint8Array => body.fill(0x2a);
  const { tape, url, outcomes } = await record("memory", { maskBody });
  const read = Tape.parse(tape.text());
  const written = read.connections.flatMap(({ events }) =>
    events.map((one) => JSON.stringify(one))
  );
  assert.doesNotMatch(written.join(), /largelarge|xxxx/);
  assert.match(written.join(), /\*{1000}/);
  const transport = replaying(read);
  const requests = requestsTo(url, SECRET);
  requests[3] = requests[3].with({ body: "y".repeat(100_000) });
  assert.deepEqual(await outcomesOf(transport, requests), outcomes);
});

for (const secrets of ["mask", "keep"] as const) {
  test(`tapes of HTTP/2 by requests: in another order, at once, each once; secrets: ${secrets}`, async () => {
    const { tape, url, outcomes } = await record("memory", { secrets, maskBody: asIs });
    const read = Tape.parse(tape.text());
    const matching = (options: TransportOptions = {}): Transport =>
      new Transport({
        dialer: replayDialer(read, { match: "requests" }),
        http2: { priorKnowledge: true },
        ...options,
      });
    const transport = matching();
    // One that was cut off ends its connection.
    const whole = [0, 1, 2, 3, 4];
    const requests = requestsTo(url, SECRET);
    const seen = await Promise.all(
      whole.toReversed().map((i) => outcome(transport, requests[i])),
    );
    assert.deepEqual(seen.toReversed(), outcomes.slice(0, 5));
    assert.deepEqual(await outcome(transport, requests[5]), outcomes[5]);
    // Each was played once.
    assert.deepEqual(await outcome(transport, requests[0]), ["ERR_CONNECTION_LOST"]);
    transport.destroy();
    const many = matching({ maxRequestsPerConn: 1 });
    const again = requestsTo(url, SECRET);
    for (const i of [5, 3, 1, 4, 0, 2]) {
      assert.deepEqual(await outcome(many, again[i]), outcomes[i], `${i}`);
    }
    many.destroy();
    const other = matching();
    await assert.rejects(other.roundTrip(new HttpRequest(`${url}/other`)), (error: Error) => {
      assert.match(
        `${(error.cause as Error)?.message}`,
        /Other fields are written than on the tape/,
      );
      return true;
    });
    other.destroy();
  });
}

test("tapes of HTTP/2 by requests: windows are opened as this client needs them", async () => {
  const { tape, url, outcomes } = await record("memory", { maskBody: asIs });
  for (const streamWindowBytes of [16 * 1024, 1024 * 1024]) {
    const transport = new Transport({
      dialer: replayDialer(tape, { match: "requests" }),
      http2: { priorKnowledge: true, streamWindowBytes },
    });
    const requests = requestsTo(url, SECRET);
    for (const i of [2, 3]) {
      assert.deepEqual(await outcome(transport, requests[i]), outcomes[i]);
    }
    transport.destroy();
  }
});

test("tapes by requests: both versions with one address are refused at once", async () => {
  await using server = await testServer(() => new Response("a"), { http2: true });
  const tape = new Tape();
  for (const http2 of [false, { priorKnowledge: true }]) {
    const transport = new Transport({
      dialer: recordingDialer(server.dialer, tape, { maskBody: asIs }),
      http2,
    });
    await (await transport.roundTrip(new HttpRequest(server.url))).text();
    transport.destroy();
  }
  assert.throws(
    () => replayDialer(tape, { match: "requests" }),
    (error: Error) =>
      error instanceof TapeError && /HTTP\/1\.1 and HTTP\/2 with/.test(error.message),
  );
});

test("tapes of HTTP/2: what is not on the tape is refused", async () => {
  const { tape, url } = await record("memory", { maskBody: asIs });
  const failure = async (change: (requests: HttpRequest[]) => HttpRequest[]): Promise<string> => {
    const transport = replaying(tape);
    let told = "";
    for (const request of change(requestsTo(url, SECRET))) {
      await transport.roundTrip(request).then((response) => response.text()).catch((error) => {
        for (let at = error; at instanceof Error; at = at.cause as Error) told += `${at.message}\n`;
      });
      if (told !== "") break;
    }
    transport.destroy();
    return told;
  };
  assert.match(
    await failure(
      () => [new HttpRequest(`${url}/b`, { headers: { Authorization: "any", Cookie: "any" } })],
    ),
    /Other fields are written than on the tape\n.*:path: \/a, .*\n.*:path: \/b, /,
  );
  assert.match(
    await failure((all) => [...all.slice(0, 3), all[3].with({ body: "y".repeat(100_000) })]),
    /Other bytes are written than on the tape\n.*xxx.*\n.*yyy/,
  );
  assert.match(
    await failure((all) => [...all.slice(0, 4), all[4].with({ body: new Blob(["str"]).stream() })]),
    /ends before that on the tape/,
  );
  assert.match(
    await failure((all) => [
      ...all.slice(0, 4),
      all[4].with({ body: new Blob(["streamed and more"]).stream() }),
    ]),
    /More is written than on the tape: " and more"/,
  );
});

test("tapes of HTTP/2: what cannot be masked is not written", async () => {
  const [here, there] = pipe();
  const dialer = { dial: () => Promise.resolve(here), startTls: () => Promise.reject() };
  const tape = new Tape();
  const transport = new Transport({
    dialer: recordingDialer(dialer, tape, { maskBody: asIs }),
    http2: { priorKnowledge: true },
  });
  const server = new Http2ServerConnection(there);
  const serving = server.accept().then(async (stream) => {
    stream!.respond({ statusCode: 200, headers: [], content: "in a tunnel" });
    await stream!.sent;
  });
  const request = new HttpRequest("http://a.test/", { method: "POST" });
  await (await transport.roundTrip(request)).text();
  await serving;
  assert.ok(tape.text().length > 0);
  // Frames that are none, behind those that are.
  await there.write(Uint8Array.of(0, 0, 1, 6, 0, 0, 0, 0, 0, 7));
  await transport.close();
  assert.throws(() => tape.text(), (error: Error) => {
    assert.ok(error instanceof TapeError);
    assert.match(error.message, /a\.test:80: It carried frames that cannot be read \(.*PING/);
    return true;
  });
  there.close();
});
