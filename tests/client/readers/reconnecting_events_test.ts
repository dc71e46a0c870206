/**
 * Events of a stream that is asked for again: what is said to the server, when, for how long, what
 * ends it, and what is left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  EventSourceError,
  HttpError,
  type HttpErrorCode,
  HttpRequest,
  type HttpRequestInit,
  ProxyError,
  type ReconnectEvent,
  reconnectingEvents,
  type ReconnectingEventsOptions,
  type RoundTripper,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import {
  latin1,
  type RawConnection,
  type RawHandler,
  type RawServer,
  withRawServer,
} from "../../support/raw_server.ts";
import { isPending, until } from "../../support/waiting.ts";
import { assertQuiet, heldDialer, WatchedSignal } from "../../support/watched_signal.ts";

const HEAD =
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const END = "0\r\n\r\n";
const GONE = "HTTP/1.1 204 No Content\r\n\r\n";

/** Waits of no time. */
const AT_ONCE: ReconnectingEventsOptions = { baseDelayMs: 0 };

function chunk(text: string): string {
  const bytes = latin1(new TextEncoder().encode(text));
  return `${bytes.length.toString(16)}\r\n${bytes}\r\n`;
}

/** Answers the requests, on whatever connection they come, one after the other; the last for ever. */
function answering(
  ...answers: ((connection: RawConnection, head: string) => unknown)[]
): RawHandler {
  let next = 0;
  return async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      await answers[Math.min(next++, answers.length - 1)](connection, head);
    }
  };
}

const sends = (text: string) => (connection: RawConnection) => connection.send(text);
const sendsAndEnds = (text: string) => async (connection: RawConnection) => {
  await connection.send(text);
  connection.end();
};

/** Reads until the events end; says what they were. */
async function read(
  server: RawServer,
  init: HttpRequestInit = {},
  options: ReconnectingEventsOptions = {},
): Promise<string[]> {
  const transport = new Transport();
  const seen: string[] = [];
  try {
    const request = new HttpRequest(server.origin, init);
    const events = reconnectingEvents(request, { client: transport, ...AT_ONCE, ...options });
    for await (const { data } of events) seen.push(data);
    assertQuiet(transport);
  } finally {
    transport.destroy();
  }
  return seen;
}

function lastEventIds(server: RawServer): (string | null)[] {
  return server.connections.flatMap(({ received }) =>
    received.split("\r\n\r\n").slice(0, -1).map((head) =>
      /\r\nLast-Event-ID: (.*?)(?:\r\n|$)/.exec(head)?.[1] ?? null
    )
  );
}

const EVENTS = ["one", "two", "three"];

/** From the event behind the one that the request names, and only that. */
function streamFrom(head: string): string {
  const last = /\r\nLast-Event-ID: ([0-9]+)\r\n/.exec(head);
  const from = last === null ? 0 : Number(last[1]) + 1;
  return HEAD +
    EVENTS.slice(from).map((data, i) => chunk(`id: ${from + i}\ndata: ${data}\n\n`)).join("") +
    END;
}

for (const how of ["ends", "is reset"] as const) {
  test(`M29 no event is lost or told twice where the connection ${how} behind any byte`, async () => {
    const whole = streamFrom("");
    let cutAt = 0;
    await withRawServer(async (connection) => {
      for (;;) {
        const head = await connection.readHead();
        const stream = streamFrom(head);
        if (stream === HEAD + END) {
          await connection.send(GONE);
        } else if (cutAt >= 0) {
          await connection.send(stream.slice(0, cutAt));
          cutAt = -1;
          if (how === "ends") connection.end();
          else connection.reset();
        } else {
          await connection.send(stream);
        }
      }
    }, async (server) => {
      // A reset may overtake what was sent before it: then the server is asked for it again.
      for (let at = 0; at <= whole.length; at += how === "ends" ? 1 : 5) {
        cutAt = at;
        assert.deepEqual(await read(server), EVENTS, `cut at ${at}`);
      }
    });
  });
}

test("M29 ids, types and retry go on over connections, and an event that was cut off does not count", async () => {
  const streams = [
    chunk("id: a\nretry: 1\ndata: 1\n\nid: b\n\n") + END,
    chunk("data: 2\n\nid: c\ndata: 3\n"),
    chunk("retry: 0\nid: \u00e9\u20ac\n\n") + END,
    chunk("event: x\ndata: 4\n\nid\n\n") + END,
    chunk("data: 5\n\n") + END,
  ];
  await withRawServer(
    answering(
      ...streams.map((stream) => (stream.endsWith(END) ? sends : sendsAndEnds)(HEAD + stream)),
      sends(GONE),
    ),
    async (server) => {
      const transport = new Transport();
      const seen: unknown[] = [];
      const request = new HttpRequest(server.origin, { headers: { "last-event-id": "first" } });
      const positions: unknown[] = [];
      const events = reconnectingEvents(request, {
        client: transport,
        baseDelayMs: 0,
        onReconnect: ({ lastEventId, retryMs }) => void positions.push([lastEventId, retryMs]),
      });
      for await (const { type, data, lastEventId, retryMs } of events) {
        seen.push([type, data, lastEventId, retryMs]);
      }
      assert.deepEqual(seen, [
        ["message", "1", "a", 1],
        ["message", "2", "b", 1],
        ["x", "4", "\u00e9\u20ac", 0],
        ["message", "5", "", 0],
      ]);
      assert.deepEqual(positions, [["b", 1], ["b", 1], ["\u00e9\u20ac", 0], ["", 0], ["", 0]]);
      const utf8 = "\xc3\xa9\xe2\x82\xac";
      assert.deepEqual(lastEventIds(server), ["first", "b", "b", utf8, null, null]);
      transport.destroy();
    },
  );
});

test("M29 each request says what it accepts, unless the caller does, and sends its body anew", async () => {
  let made = 0;
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    assert.match(head, /^POST \/ HTTP/);
    assert.match(head, /\r\nAccept: (text\/event-stream|application\/x)\r\n/);
    assert.match(head, /\r\nCache-Control: (no-cache|x)\r\n/i);
    assert.equal(
      head.match(/\r\n(?:accept|cache-control|last-event-id):/gi)!.length,
      made > 1 ? 3 : 2,
    );
    const body = await connection.readBytes(1);
    await connection.send(body === "3" ? GONE : HEAD + chunk(`id: ${body}\ndata: ${body}\n\n`));
    connection.end();
  }, async (server) => {
    const own: [string, string][] = [["Accept", "application/x"], ["CACHE-CONTROL", "x"]];
    for (const headers of [[], own]) {
      made = 0;
      const init = { method: "POST", headers, body: () => String(++made), contentLength: 1 };
      assert.deepEqual(await read(server, init), ["1", "2"]);
      assert.equal(made, 3);
    }
  });
});

test("M29 waits are what the stream asks for and a random time that grows until an event comes", async () => {
  const streams = ["", "", "data: 1\n\n", ": nothing\n\n", "retry: 700\n\n", "", "", "", ""];
  let next = 0;
  const clock = new ManualClock();
  const told: ReconnectEvent[] = [];
  const client: RoundTripper = {
    roundTrip: () => {
      const stream = streams[next++];
      const headers = { "Content-Type": "text/event-stream" };
      return Promise.resolve(
        new Response(stream, { headers }) as unknown as Awaited<
          ReturnType<RoundTripper["roundTrip"]>
        >,
      );
    },
  };
  const events = reconnectingEvents("http://a.test/", {
    client,
    clock,
    random: () => 0.5,
    baseDelayMs: 100,
    maxDelayMs: 400,
    attempts: 6,
    onReconnect: (event) => void told.push(event),
  });
  const reading = (async () => {
    for await (const { data } of events) assert.equal(data, "1");
  })();
  const ended = assert.rejects(reading, {
    code: "ERR_CONNECTION_LOST",
    message: "The event stream ended 6 times in a row without an event",
  });
  for (let wait = 1; wait < streams.length; wait++) {
    await until("it waits", () => told.length === wait && clock.runningCount === 1);
    clock.advance(told[wait - 1].delayMs - 1);
    assert.equal(next, wait);
    clock.advance(1);
  }
  await ended;
  assert.deepEqual(told.map(({ failures, delayMs }) => [failures, delayMs]), [
    [1, 50],
    [2, 100],
    [0, 50],
    [1, 50],
    [2, 800],
    [3, 900],
    [4, 900],
    [5, 900],
  ]);
  assert.equal(clock.runningCount, 0);
});

const OTHERS: readonly (readonly [status: number, type: string, message: RegExp])[] = [
  [200, "text/plain", /the content type is "text\/plain"$/],
  [200, "", /the content type is not stated$/],
  [200, "text/event-streams", /the content type/],
  [201, "text/event-stream", /the status is 201$/],
  [205, "text/event-stream", /the status is 205$/],
  [307, "text/event-stream", /the status is 307$/],
  [401, "text/plain", /the status is 401$/],
  [404, "text/event-stream", /the status is 404$/],
  [503, "text/event-stream", /the status is 503$/],
];

test("M29 what is no event stream ends it, is told, and is not asked for again", async () => {
  for (const [status, type, message] of OTHERS) {
    const fields = type === "" ? "" : `Content-Type: ${type}\r\n`;
    const body = status === 205 ? "" : "no!";
    await withRawServer(
      answering(
        sendsAndEnds(HEAD + chunk("data: 1\n\n")),
        sends(`HTTP/1.1 ${status} X\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`),
      ),
      async (server) => {
        await assert.rejects(read(server), (error) => {
          assert.ok(error instanceof EventSourceError, String(error));
          assert.deepEqual([error.code, error.response.status], ["ERR_DECODE", status]);
          assert.match(error.message, message);
          return true;
        });
        assert.equal(lastEventIds(server).length, 2);
      },
    );
  }
});

test("M29 a Client follows redirects, also to the next connection", async () => {
  const redirect = "HTTP/1.1 307 X\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
  await withRawServer(
    answering(
      sends(redirect),
      sendsAndEnds(HEAD + chunk("data: 1\n\n")),
      sends(redirect),
      sends(GONE),
    ),
    async (server) => {
      const transport = new Transport();
      const client = new Client({ transport });
      const seen: string[] = [];
      for await (const { data } of reconnectingEvents(server.origin, { ...AT_ONCE, client })) {
        seen.push(data);
      }
      assert.deepEqual(seen, ["1"]);
      assertQuiet(transport);
      transport.destroy();
    },
  );
});

/** One that always fails, after a stream or at once. */
function failing(error: unknown, streamFirst: boolean): RoundTripper & { calls: number } {
  const client = {
    calls: 0,
    roundTrip: () => {
      client.calls++;
      if (!streamFirst || client.calls > 1) return Promise.reject(error);
      const headers = { "Content-Type": "text/event-stream" };
      return Promise.resolve(new Response("data: 1\n\n", { headers })) as unknown as ReturnType<
        RoundTripper["roundTrip"]
      >;
    },
  };
  return client;
}

test("M29 errors that may pass are tried again, others are thrown", async () => {
  const error = (code: HttpErrorCode, phase: HttpError["phase"] = "dial") =>
    new HttpError(code, "x", { phase });
  const refusal = (status: number) =>
    new ProxyError("x", {
      proxy: "",
      response: {
        status,
        headers: new HttpRequest("http://a/").headers,
        bodyStart: new Uint8Array(),
      },
    });
  const rows: readonly (readonly [error: unknown, passes: boolean, afterStream: boolean])[] = [
    [error("ERR_DIAL"), true, true],
    [error("ERR_CONNECTION_LOST"), true, true],
    [error("ERR_INCOMPLETE_BODY"), true, true],
    [error("ERR_TIMEOUT"), true, true],
    [error("ERR_PROXY"), true, true],
    [refusal(503), true, true],
    [refusal(407), false, false],
    [error("ERR_TLS"), false, true],
    [error("ERR_MALFORMED_RESPONSE", "body"), true, true],
    [error("ERR_MALFORMED_RESPONSE", "response-header"), false, false],
    [error("ERR_INVALID_REQUEST"), false, false],
    [error("ERR_UNSUPPORTED_SCHEME"), false, false],
    [error("ERR_BLOCKED"), false, false],
    [error("ERR_CLOSED"), false, false],
    [error("ERR_DECODE"), false, false],
    [error("ERR_REDIRECT"), false, false],
    [new TypeError("the caller's own"), false, false],
  ];
  for (const [failure, passes, afterStream] of rows) {
    for (const streamFirst of [false, true]) {
      const client = failing(failure, streamFirst);
      const events = reconnectingEvents("http://a.test/", { ...AT_ONCE, client, attempts: 3 });
      let count = 0;
      const reading = (async () => {
        for await (const { data } of events) count += data.length;
      })();
      await assert.rejects(reading, (thrown) => thrown === failure);
      const mayPass = streamFirst ? afterStream : passes;
      const shown = `${failure} ${streamFirst}`;
      assert.equal(client.calls, (streamFirst ? 1 : 0) + (mayPass ? 3 : 1), shown);
      assert.equal(count, streamFirst ? 1 : 0);
    }
  }
});

test("M29 what the caller's own hooks and body throw is thrown", async () => {
  const mine = new Error("mine");
  await withRawServer(answering(sends(HEAD + END)), async (server) => {
    const body = () => {
      throw mine;
    };
    const own = (error: unknown) => error === mine;
    await assert.rejects(read(server, { method: "POST", body }), own);
    await assert.rejects(read(server, {}, { onReconnect: body }), own);
  });
});

test("M29 what cannot be is refused before anything is sent", () => {
  const url = "http://a.test/";
  const bad: readonly (readonly [HttpRequest | string, Record<string, unknown>])[] = [
    ["a.test", {}],
    [url, { attempt: 1 }],
    [url, { attempts: -1 }],
    [url, { attempts: 1.5 }],
    [url, { maxEventBytes: -1 }],
    [url, { baseDelayMs: -1 }],
    [url, { maxDelayMs: "1" }],
    [url, { onReconnect: 1 }],
    [url, { client: {} }],
    [url, { client: null }],
    [new HttpRequest(url, { method: "POST", body: new Blob(["a"]).stream() }), {}],
  ];
  for (const [request, options] of bad) {
    const make = () => reconnectingEvents(request, options as ReconnectingEventsOptions);
    assert.throws(make, { code: "ERR_INVALID_REQUEST" }, JSON.stringify(options));
  }
});

/** Where a reader may be when it is ended, and what ends it. */
const phases = ["dialling", "waiting for the head", "in the stream", "behind an event", "waiting"];
const endings = ["return()", "throw()", "abort"];

for (const phase of phases) {
  for (const ending of endings) {
    test(`M29 ${ending} while ${phase} leaves nothing behind`, async () => {
      const dial = heldDialer();
      const clock = new ManualClock();
      const watched = new WatchedSignal();
      await withRawServer(async (connection) => {
        await connection.readHead();
        if (phase === "waiting for the head") return;
        await connection.send(
          HEAD + (phase === "behind an event" ? chunk("data: 1\n\ndata: 2\n\n") : ""),
        );
        if (phase === "waiting") await connection.send(END);
      }, async (server) => {
        const transport = new Transport(phase === "dialling" ? { dialer: dial.dialer } : {});
        const request = new HttpRequest(server.origin, { signal: watched.signal });
        const events = reconnectingEvents(request, { client: transport, clock })
          [Symbol.asyncIterator]();
        assert.equal(watched.listenerCount, 0);
        const first = events.next();
        if (phase === "dialling") {
          await until("it dials", () => transport.stats().dialing === 1);
        } else {
          await until("it is asked", () => server.connections.length === 1);
          await until("it has the request", () => server.connections[0].receivedBytes > 0);
        }
        if (phase === "waiting") await until("it waits", () => clock.runningCount === 1);
        if (phase === "behind an event") assert.equal((await first).value?.data, "1");
        else assert.ok(await isPending(first));
        assert.equal(watched.listenerCount, 1);

        const mine = new Error("thrown in");
        const done = { done: true, value: undefined };
        const own = (reason: unknown) => (error: unknown) => error === reason;
        if (ending === "abort") {
          watched.abort();
          const rejected = phase === "behind an event" ? events.next() : first;
          await assert.rejects(rejected, own(watched.reason));
          assert.deepEqual(await events.next(), done);
        } else {
          // A read that is under way ends with it.
          if (ending === "return()") assert.deepEqual(await events.return!(), done);
          else await assert.rejects(events.throw!(mine), own(mine));
          if (phase !== "behind an event") assert.deepEqual(await first, done);
          assert.deepEqual(await events.next(), done);
        }
        assert.deepEqual([watched.listenerCount, clock.runningCount], [0, 0]);
        // A dial goes on for others.
        const { active, waiting } = transport.stats();
        assert.deepEqual([active, waiting], [0, 0]);
        transport.destroy();
        await server.allClosed();
      });
    });
  }
}

test("M29 leaving the loop closes the connection, and each loop is a reader of its own", async () => {
  await withRawServer(answering(sends(HEAD + chunk("id: 1\ndata: 1\n\n"))), async (server) => {
    const transport = new Transport();
    const watched = new WatchedSignal();
    const request = new HttpRequest(server.origin, { signal: watched.signal });
    const events = reconnectingEvents(request, { client: transport });
    for (let round = 0; round < 3; round++) {
      for await (const { data } of events) {
        assert.equal(data, "1");
        break;
      }
      await until("nothing is in use", () => transport.stats().active === 0);
      assert.equal(watched.listenerCount, 0);
    }
    await assert.rejects(async () => {
      for await (const { data } of events) throw new Error(`thrown at ${data}`);
    }, { message: "thrown at 1" });
    assert.equal(watched.listenerCount, 0);
    await until("nothing is in use", () => transport.stats().active === 0);
    assert.deepEqual(lastEventIds(server), [null, null, null, null]);
    transport.destroy();
    await server.allClosed();
  });
});

test("M29 a signal that was aborted before, and a reader that was never read, send nothing", async () => {
  await withRawServer(() => {}, async (server) => {
    const reason = new Error("before");
    await assert.rejects(
      read(server, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    const events = reconnectingEvents(server.origin)[Symbol.asyncIterator]();
    assert.deepEqual(await events.return!(), { done: true, value: undefined });
    assert.deepEqual(await events.next(), { done: true, value: undefined });
    assert.equal(server.connections.length, 0);
  });
});

test("M29 an id that may not be sent is said, and not left out", async () => {
  await withRawServer(
    answering(sendsAndEnds(HEAD + chunk("id: \x01\ndata: 1\n\n"))),
    async (server) => {
      await assert.rejects(read(server), { code: "ERR_INVALID_REQUEST", message: /Last-Event-ID/ });
      assert.equal(lastEventIds(server).length, 1);
    },
  );
});
