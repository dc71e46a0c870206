/**
 * Where the time of a request goes: every millisecond is in one phase, 1xx responses or not.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type ClientTrace,
  type Dialer,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type Timings,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { Narrator } from "../../cli/narrator.ts";
import { shownVoice } from "../../cli/voice.ts";
import { ScriptedConn } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { plain, plainHead } from "../support/sent_bytes.ts";
import { pause, until } from "../support/waiting.ts";

const EARLY = "HTTP/1.1 103 Early Hints\r\n\r\n";
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

/** A request, and the head that must be written for it. */
type Sent = HttpRequestInit & { readonly sent: string };

const getting: Sent = { sent: plainHead("GET /") };

const expecting: Sent = {
  method: "POST",
  body: "body",
  headers: [...plain.headers, ["Content-Type", "text/plain"], ["Expect", "100-continue"]],
  sent: plainHead(
    "POST /",
    "Content-Type: text/plain",
    "Expect: 100-continue",
    "Content-Length: 4",
  ),
};

interface Timed {
  readonly clock: ManualClock;
  readonly conn: ScriptedConn;
  /** Settles when the head of the response is there. */
  readonly going: Promise<HttpResponse>;
  /** Lets time pass, and then the server send; what that lets the client write. */
  after(ms: number, bytes: string, sent?: string): Promise<void>;
}

/** Sends one request over a scripted connection, by a clock that the test moves. */
async function timed(
  { sent, ...init }: Sent,
  run: (timed: Timed) => Promise<void>,
  options: TransportOptions = {},
  conn: ScriptedConn = new ScriptedConn(),
): Promise<void> {
  const clock = new ManualClock();
  conn.expect(sent);
  const dialer: Dialer = {
    dial: () => Promise.resolve(conn),
    startTls: (conn) => Promise.resolve(conn),
  };
  const transport = new Transport({ ...plain.options, clock, dialer, ...options });
  const going = transport.roundTrip(
    new HttpRequest("http://example.com/", { headers: plain.headers, ...init }),
  );
  going.catch(() => {});
  try {
    await until("it is written", () => conn.writes.length > 0);
    await pause(2);
    await run({
      clock,
      conn,
      going,
      after: async (ms, bytes, sent = "") => {
        clock.jump(ms);
        conn.send(bytes).expect(sent);
        await pause(2);
      },
    });
    conn.assertConsumed();
  } finally {
    transport.destroy();
  }
}

function assertTimes(timings: Timings, expected: Partial<Timings>): void {
  assert.deepEqual(timings, {
    queueMs: 0,
    dialMs: 0,
    proxyMs: null,
    tlsMs: null,
    requestMs: 0,
    continueMs: null,
    waitMs: 0,
    bodyMs: null,
    ...expected,
  });
}

test("M23 waitMs runs to the first byte of the final head, however the heads come", async () => {
  const rows: [string, [number, string][], number, number][] = [
    ["on its own", [[20, EARLY], [50, HEAD]], 70, 0],
    ["after two of them", [[20, EARLY], [30, EARLY], [50, HEAD]], 100, 0],
    ["behind two in one read", [[20, EARLY + EARLY], [50, HEAD]], 70, 0],
    ["with it in one read", [[20, EARLY + HEAD]], 20, 0],
    ["begun with it", [[20, EARLY + HEAD.slice(0, 1)], [50, HEAD.slice(1)]], 20, 50],
    ["in parts", [[20, EARLY], [5, HEAD.slice(0, 9)], [50, HEAD.slice(9)]], 25, 50],
    ["cut inside the first", [[20, EARLY.slice(0, 9)], [5, EARLY.slice(9)], [50, HEAD]], 75, 0],
    [
      "cut, and begun with it",
      [
        [20, EARLY.slice(0, 9)],
        [5, EARLY.slice(9) + HEAD.slice(0, 9)],
        [50, HEAD.slice(9)],
      ],
      25,
      50,
    ],
    ["without one", [[20, HEAD]], 20, 0],
    ["without one, in parts", [[20, HEAD.slice(0, 9)], [50, HEAD.slice(9)]], 20, 50],
  ];
  for (const [name, sends, waitMs, headMs] of rows) {
    const first: number[] = [];
    let clock: ManualClock | null = null;
    const trace: ClientTrace = { gotFirstResponseByte: () => void first.push(clock!.now()) };
    await timed(
      { ...getting, trace },
      async (at) => {
        ({ clock } = at);
        const since = clock.now();
        for (const [ms, bytes] of sends) await at.after(ms, bytes);
        const response = await at.going;
        assertTimes(response.timings, { waitMs });
        await at.after(7, "ok");
        assert.equal(await response.text(), "ok");
        assertTimes(response.timings, { waitMs, bodyMs: headMs + 7 });
        // Nothing is lost between the phases.
        assert.equal(clock.now() - since, waitMs + headMs + 7, name);
        // Once, and of an informational response too.
        assert.deepEqual(first, [since + 20], name);
      },
      {},
      new ScriptedConn(),
    );
  }
});

test("M23 continueMs: what holding the content back takes is neither sending nor waiting", async () => {
  // The server asks.
  await timed(expecting, async ({ after, going }) => {
    await after(40, CONTINUE, "body");
    await after(30, HEAD + "ok");
    assertTimes((await going).timings, { continueMs: 40, waitMs: 30, bodyMs: 0 });
  });
  // Another informational response does not end it.
  await timed(expecting, async ({ after, going }) => {
    await after(40, EARLY);
    await after(2, CONTINUE, "body");
    await after(30, HEAD + "ok");
    assertTimes((await going).timings, { continueMs: 42, waitMs: 30, bodyMs: 0 });
  });
  // It refuses.
  await timed(expecting, async ({ after, going }) => {
    await after(40, HEAD.slice(0, 9));
    await after(5, HEAD.slice(9) + "ok");
    assertTimes((await going).timings, { continueMs: 40, waitMs: 0, bodyMs: 5 });
  });
  // It says nothing.
  await timed(expecting, async ({ after, conn, going, clock }) => {
    conn.expect("body");
    clock.advance(105);
    await pause(2);
    await after(30, HEAD + "ok");
    const { timings } = await going;
    const { continueMs } = timings;
    // Deadlines are up to 5 ms late.
    assert.ok(continueMs! >= 100 && continueMs! <= 105, `${continueMs}`);
    assertTimes(timings, { continueMs, requestMs: 105 - continueMs!, waitMs: 30, bodyMs: 0 });
  }, { expectContinueTimeoutMs: 100 });
});

/** Takes what is written at once; that it has is said when the test says so. */
class LateWord extends ScriptedConn {
  #said: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  override async write(p: Uint8Array): Promise<number> {
    const n = await super.write(p);
    await this.#said.promise;
    return n;
  }

  say(): void {
    this.#said.resolve();
    this.#said = Promise.withResolvers<void>();
  }
}

test("M23 requestMs is there when the head is, and stays: the runtime's word is late", async () => {
  const conn = new LateWord();
  await timed(
    getting,
    async ({ after, clock, going }) => {
      await after(20, HEAD);
      const response = await going;
      assertTimes(response.timings, { requestMs: 20 });
      clock.jump(30);
      conn.say();
      await pause(2);
      assertTimes(response.timings, { requestMs: 20 });
      await after(5, "ok");
      await response.text();
      assertTimes(response.timings, { requestMs: 20, bodyMs: 35 });
    },
    {},
    conn,
  );
});

test("M23 the server asks, or refuses, before the runtime has said that the head was written", async () => {
  const asked = new LateWord();
  await timed(
    expecting,
    async ({ after, clock, going }) => {
      await after(20, CONTINUE, "body");
      clock.jump(5);
      asked.say();
      await until("the content is written", () => asked.writes.length === 2);
      asked.say();
      await pause(2);
      await after(30, HEAD + "ok");
      assertTimes((await going).timings, { requestMs: 25, continueMs: 0, waitMs: 30, bodyMs: 0 });
    },
    {},
    asked,
  );
  const refused = new LateWord();
  await timed(
    expecting,
    async ({ after, going }) => {
      await after(20, HEAD + "ok");
      assertTimes((await going).timings, { requestMs: 20, continueMs: 0, bodyMs: 0 });
      refused.say();
    },
    {},
    refused,
  );
});

test("M23 requestMs is there when the head is, and stays: an upload goes on beside the response", async () => {
  let give: (bytes: string | null) => void = () => {};
  const pieces = new ReadableStream<Uint8Array>({
    start: (controller) => {
      give = (text) =>
        text === null ? controller.close() : controller.enqueue(new TextEncoder().encode(text));
    },
  });
  const sent = plainHead("POST /", "Transfer-Encoding: chunked");
  await timed({ sent, method: "POST", body: pieces }, async ({ after, clock, conn, going }) => {
    conn.expect("4\r\nbody\r\n");
    give("body");
    await until("it goes", () => conn.written.endsWith("body\r\n"));
    await after(20, EARLY);
    await after(5, HEAD);
    const response = await going;
    assertTimes(response.timings, { requestMs: 25 });
    clock.jump(30);
    conn.expect("0\r\n\r\n");
    give(null);
    await until("it is sent", () => conn.written.endsWith("0\r\n\r\n"));
    await pause(2);
    assertTimes(response.timings, { requestMs: 25 });
    await after(5, "ok");
    await response.text();
    assertTimes(response.timings, { requestMs: 25, bodyMs: 35 });
  });
});

async function messageOf(going: Promise<unknown>): Promise<string> {
  const error = await going.then(() => assert.fail("resolved"), (reason: unknown) => reason);
  assert.ok(error instanceof HttpError && error.code === "ERR_TIMEOUT", String(error));
  // Deadlines are up to 5 ms late.
  return error.message.replace(/(\d)\d ms/g, "$1x ms");
}

test("M23 time-outs tell of every phase, the one under way to this moment", async () => {
  const rows: [string, Sent, [number, string][], string][] = [
    ["nothing came", getting, [], "request 0 ms, wait 10x ms"],
    ["only an informational one", getting, [[20, EARLY]], "request 0 ms, wait 10x ms"],
    ["the beginning of a head", getting, [[20, EARLY], [20, "HTTP"]], "wait 4x ms, head 6x ms"],
    ["half of the body", getting, [[40, HEAD + "o"]], "wait 4x ms, body 6x ms"],
    ["it does not ask", expecting, [[20, EARLY]], "request 0 ms, continue 10x ms"],
    [
      "it begins to answer",
      expecting,
      [[40, "HTTP"]],
      "continue 4x ms, wait 0 ms, head 6x ms",
    ],
  ];
  for (const [name, init, sends, spent] of rows) {
    await timed({ timeoutMs: 100, ...init }, async ({ after, clock, going }) => {
      for (const [ms, bytes] of sends) await after(ms, bytes);
      const message = messageOf(going.then((response) => response.bytes()));
      await pause(2);
      clock.advance(106 - sends.reduce((sum, [ms]) => sum + ms, 0));
      assert.ok((await message).endsWith(`${spent})`), `${name}: ${await message}`);
    }, { expectContinueTimeoutMs: 0 });
  }
});

test("M23 a request that is sent again: the lost attempt is waiting for a connection", async () => {
  const clock = new ManualClock();
  const { sent } = getting;
  const stale = new ScriptedConn().expect(sent).send(HEAD + "ok");
  const fresh = new ScriptedConn().expect(sent);
  const conns = [stale, fresh];
  const dialer: Dialer = {
    dial: () => Promise.resolve(conns.shift()!),
    startTls: (conn) => Promise.resolve(conn),
  };
  const transport = new Transport({ ...plain.options, clock, dialer });
  const request = new HttpRequest("http://example.com/", { headers: plain.headers });
  await (await transport.roundTrip(request)).bytes();
  stale.expect(sent);
  const going = transport.roundTrip(request);
  await until("it is written", () => stale.writes.length === 2);
  await pause(2);
  clock.jump(20);
  stale.end();
  await until("it is written again", () => fresh.writes.length === 1);
  await pause(2);
  clock.jump(30);
  fresh.send(HEAD + "ok");
  assertTimes((await going).timings, { queueMs: 20, waitMs: 30, bodyMs: 0 });
  stale.assertConsumed();
  fresh.assertConsumed();
  transport.destroy();
});

test("M23 the command line tells of the phase if there was one", () => {
  const timings: Timings = {
    queueMs: 1,
    dialMs: 2,
    proxyMs: null,
    tlsMs: null,
    requestMs: 3,
    continueMs: null,
    waitMs: 4,
    bodyMs: 5,
  };
  const told = (more: Partial<Timings>): string => {
    let text = "";
    const voice = shownVoice((written) => void (text += written), (_style, text) => text);
    new Narrator([voice]).timings({ ...timings, ...more });
    return text;
  };
  assert.doesNotMatch(told({}), /continue/);
  assert.match(told({ continueMs: 70 }), /request 3\S*, continue 70\S*, wait 4/);
  assert.match(told({ continueMs: 70 }), /together 85/);
});
