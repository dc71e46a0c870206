/**
 * What an error tells of a request that was sent more than once: the worst of all its attempts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type Attempt,
  Client,
  createFetch,
  type Dialer,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  MemoryCookieJar,
  ProxyError,
  ResumingTransport,
  RetryingTransport,
  systemDialer,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { ScriptedConn } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { bytesOf, type RawHandler, type RawServer, withRawServer } from "../support/raw_server.ts";
import { plain, plainHead } from "../support/sent_bytes.ts";
import { pause, until } from "../support/waiting.ts";
import { assertQuiet } from "../support/watched_signal.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Answers one request, takes the next one with its body of three bytes, and dies. */
const dying: RawHandler = async (connection) => {
  await connection.readHead();
  await connection.send(OK);
  const head = await connection.readHead();
  if (head.startsWith("POST")) await connection.readBytes(3);
  connection.end();
};

const payment: HttpRequestInit = {
  method: "POST",
  body: "pay",
  headers: { "Idempotency-Key": "1" },
};

type Dial = Dialer["dial"];

/** The runtime's first dials, and then the test's. */
function dialerWith(second: Dial, systemDials = 1): Dialer {
  const system = systemDialer();
  let count = 0;
  return {
    dial: (address, options) =>
      count++ < systemDials ? system.dial(address, options) : second(address, options),
    startTls: (conn, options, signal) => system.startTls(conn, options, signal),
    pollBarrier: () => system.pollBarrier!(),
  };
}

/** A dial that nobody answers. */
const held: Dial = (_address, options) =>
  new Promise((_, reject) => {
    options!.signal!.addEventListener("abort", () => reject(options!.signal!.reason));
  });

const refused: Dial = () =>
  Promise.reject(new HttpError("ERR_DIAL", "Cannot connect: refused", { phase: "dial" }));

/** Takes nothing: the first write fails, and then the stream ends. */
class Broken extends ScriptedConn {
  override write(): Promise<number> {
    setTimeout(() => this.end(), 0);
    return Promise.reject(
      new HttpError("ERR_CONNECTION_LOST", "Cannot write: broken pipe", { phase: "request" }),
    );
  }
}

async function failureOf(going: Promise<unknown>): Promise<HttpError> {
  const reason = await going.then(() => assert.fail("resolved"), (reason: unknown) => reason);
  assert.ok(reason instanceof HttpError, String(reason));
  return reason;
}

function verdicts({ attempts }: HttpError): Attempt["verdict"][] {
  return attempts.map(({ verdict }) => verdict);
}

/** What holds for every error that knows of attempts. */
function assertTogether(error: HttpError): void {
  const { attempt, attempts } = error;
  assert.equal(attempt!.reused, attempts.at(-1)!.reused);
  for (const { bytesWritten, responseBytes } of attempts) {
    assert.ok(attempt!.bytesWritten >= bytesWritten && attempt!.responseBytes >= responseBytes);
  }
}

/** The request that was sent in full and then in vain. */
function assertLost(error: HttpError, server: RawServer): void {
  assert.equal(error.attempt?.verdict, "sent-no-answer", error.message);
  assert.deepEqual(verdicts(error), ["sent-no-answer", "never-sent"], error.message);
  const [first, second] = error.attempts;
  const { received } = server.connections[0];
  assert.equal(first.bytesWritten, received.length - received.indexOf("\r\n\r\n") - 4);
  assert.deepEqual([first.reused, first.responseBytes], [true, 0]);
  assert.deepEqual([second.bytesWritten, second.responseBytes], [0, 0]);
  assertTogether(error);
}

interface Lost {
  readonly transport: Transport;
  readonly server: RawServer;
  /** Sends the request that gets lost. */
  send(init?: HttpRequestInit): Promise<unknown>;
  /** Errors that the replays were told of. */
  readonly retries: HttpError[];
}

/** Runs a test with an idle connection whose next request gets lost. */
async function withLost(
  second: Dial,
  run: (lost: Lost) => Promise<void>,
  options: TransportOptions = {},
  handler: RawHandler = dying,
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const retries: HttpError[] = [];
    const transport = new Transport({
      dialer: dialerWith(second),
      trace: { retry: ({ error }) => void retries.push(error) },
      ...options,
    });
    await (await transport.roundTrip(new HttpRequest(server.origin))).bytes();
    try {
      await run({
        transport,
        server,
        retries,
        send: async (init = payment) => {
          const response = await transport.roundTrip(new HttpRequest(server.origin, init));
          return await response.bytes();
        },
      });
      await until("nothing is left", () => {
        const { total, dialing } = transport.stats();
        return total === 0 && dialing === 0;
      });
      assertQuiet(transport);
    } finally {
      transport.destroy();
    }
  });
}

test("M2 the replay cannot connect: the error tells of the attempt before", async () => {
  for (const init of [payment, {}]) {
    await withLost(refused, async ({ send, server, retries }) => {
      const error = await failureOf(send(init));
      assert.deepEqual([error.code, error.phase], ["ERR_DIAL", "dial"]);
      assertLost(error, server);
      assert.deepEqual(retries.map((retry) => [retry.code, ...verdicts(retry)]), [
        ["ERR_CONNECTION_LOST", "sent-no-answer"],
      ]);
      assert.deepEqual(retries[0].attempt, retries[0].attempts[0]);
    });
  }
});

test("M2 the replay's dial takes too long, by its own deadline and by that of the exchange", async () => {
  const rows: [TransportOptions, HttpRequestInit][] = [
    [{ dialTimeoutMs: 50 }, payment],
    [{ dialTimeoutMs: 0 }, { ...payment, timeoutMs: 50 }],
  ];
  for (const [options, init] of rows) {
    const clock = new ManualClock();
    await withLost(held, async ({ send, server, transport }) => {
      const going = failureOf(send(init));
      await until("it dials again", () => transport.stats().dialing === 1);
      clock.advance(60);
      const error = await going;
      assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "dial"]);
      assertLost(error, server);
      transport.destroy();
    }, { clock, ...options });
  }
});

test("M2 the replay waits in the queue for too long, or finds it full", async () => {
  const rows: [TransportOptions, string][] = [
    [{ poolWaitTimeoutMs: 50 }, "ERR_TIMEOUT"],
    [{ maxWaitersPerHost: 1 }, "ERR_QUEUE_FULL"],
  ];
  for (const [options, code] of rows) {
    const clock = new ManualClock();
    await withLost(held, async ({ send, server, transport, retries }) => {
      const going = failureOf(send());
      const { signal, abort } = abortable();
      // Waits for the connection, and gets its place when it is lost.
      const others = [send({ signal })];
      await until("the replay waits", () => retries.length === 1);
      if (code === "ERR_TIMEOUT") clock.advance(60);
      const error = await going;
      assert.deepEqual([error.code, error.phase], [code, "queue"]);
      assertLost(error, server);
      abort();
      await Promise.allSettled(others);
      transport.destroy();
    }, { clock, maxConnsPerHost: 1, ...options });
  }
});

function abortable(): { signal: AbortSignal; abort: () => void; reason: HttpError } {
  const controller = new AbortController();
  const reason = new HttpError("ERR_CLOSED", "mine", { phase: "client" });
  return { signal: controller.signal, abort: () => controller.abort(reason), reason };
}

test("M2 the replay's write fails at once", async () => {
  await withLost(() => Promise.resolve(new Broken()), async ({ send, server }) => {
    const error = await failureOf(send());
    assert.equal(error.code, "ERR_CONNECTION_LOST");
    assertLost(error, server);
    assert.equal(error.attempt!.reused, false);
  });
});

test("M2 the transport is destroyed during the replay; a reason of the caller's is left as it is", async () => {
  for (const reason of [undefined, new HttpError("ERR_CLOSED", "mine", { phase: "client" })]) {
    await withLost(held, async ({ send, server, transport }) => {
      const going = failureOf(send());
      await until("it dials again", () => transport.stats().dialing === 1);
      transport.destroy(reason);
      const error = await going;
      assert.deepEqual([error.code, error.phase], ["ERR_CLOSED", "client"]);
      if (reason === undefined) assertLost(error, server);
      else assert.equal(error, reason);
    });
  }
});

test("M2 the signal's reason is thrown as it is, during the replay too", async () => {
  await withLost(held, async ({ send, transport }) => {
    const { signal, abort, reason } = abortable();
    const going = failureOf(send({ ...payment, signal }));
    await until("it dials again", () => transport.stats().dialing === 1);
    abort();
    assert.equal(await going, reason);
    transport.destroy();
  });
});

test("M2 a request that is destroyed under way says that it was sent", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(OK.slice(0, -1));
  }, async (server) => {
    for (const reason of [undefined, new HttpError("ERR_CLOSED", "mine", { phase: "client" })]) {
      const transport = new Transport();
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      const body = failureOf(response.bytes());
      await pause(5);
      transport.destroy(reason);
      const error = await body;
      if (reason === undefined) assert.deepEqual(verdicts(error), ["answered"]);
      else assert.equal(error, reason);
    }
  });
});

test("M2 the replay is refused by a proxy: the error is still a ProxyError", async () => {
  await withRawServer(async (connection) => {
    await connection.readBytes(3);
    await connection.send(new Uint8Array([5, 0]));
    await connection.readBytes(10);
    const reply = connection.index === 0 ? 0 : 5;
    await connection.send(new Uint8Array([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]));
    if (reply === 0) await dying(connection);
  }, async (server) => {
    const transport = new Transport({ proxy: `socks5://127.0.0.1:${server.port}` });
    const url = "http://192.0.2.1/";
    await (await transport.roundTrip(new HttpRequest(url))).bytes();
    const error = await failureOf(transport.roundTrip(new HttpRequest(url, payment)));
    assert.ok(error instanceof ProxyError);
    assert.deepEqual([error.code, error.phase, error.reply], ["ERR_PROXY", "proxy", 5]);
    assert.equal(error.proxy, `socks5://127.0.0.1:${server.port}`);
    assert.equal(error.attempt?.verdict, "sent-no-answer");
    assert.deepEqual(verdicts(error), ["sent-no-answer", "never-sent"]);
    await transport.close();
  });
});

test("M2 after a 417 the request without Expect cannot connect", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }, async (server) => {
    const retries: HttpError[] = [];
    const transport = new Transport({
      dialer: dialerWith(refused),
      trace: { retry: ({ error }) => void retries.push(error) },
    });
    const headers = { "Expect": "100-continue" };
    const request = new HttpRequest(server.origin, { method: "POST", body: "pay", headers });
    const error = await failureOf(transport.roundTrip(request));
    assert.equal(error.code, "ERR_DIAL");
    assert.equal(error.attempt?.verdict, "answered");
    assert.deepEqual(verdicts(error), ["answered", "never-sent"]);
    assert.ok(error.attempt!.responseBytes > 0 && error.attempt!.bytesWritten > 0);
    assert.deepEqual(retries.map(verdicts), [["answered"]]);
    await transport.close();
  });
});

test("M2 what a body or a dialer brings along of a request of its own is not taken for this one's", async () => {
  const attempt: Attempt = {
    reused: true,
    bytesWritten: 7,
    responseBytes: 0,
    verdict: "never-sent",
  };
  const foreign = new HttpError("ERR_CONNECTION_LOST", "elsewhere", { phase: "dial", attempt });
  // The body cannot be made a second time.
  await withLost(refused, async ({ send, server }) => {
    let made = 0;
    const body = (): string => {
      if (made++ > 0) throw foreign;
      return "pay";
    };
    const error = await failureOf(send({ ...payment, body }));
    assert.equal(error.message, "elsewhere");
    assertLost(error, server);
  });
  // The dialer is a client too.
  await withLost(() => Promise.reject(foreign), async ({ send, server }) => {
    const error = await failureOf(send());
    assert.equal(error.message, "elsewhere");
    assertLost(error, server);
  });
  // The body breaks off: the attempt in hand was the first on its connection, and is not repeated.
  await withRawServer((connection) => void connection.resume(), async (server) => {
    let made = 0;
    const transport = new Transport();
    const body = (): AsyncIterable<Uint8Array> => {
      made++;
      return (async function* () {
        yield bytesOf("pa");
        await until("the head is there", () => server.connections[0].received.includes("pa"));
        throw foreign;
      })();
    };
    const error = await failureOf(
      transport.roundTrip(new HttpRequest(server.origin, { ...payment, body })),
    );
    assert.equal(made, 1);
    assert.equal(error.attempt?.verdict, "partly-sent");
    assert.deepEqual(verdicts(error), ["partly-sent"]);
    await transport.close();
  });
});

test("M2 one attempt, none, and the body of a replay", async () => {
  const transport = new Transport({ dialer: dialerWith(refused, 0) });
  const error = await failureOf(transport.roundTrip(new HttpRequest("http://a.test/")));
  assert.deepEqual(verdicts(error), ["never-sent"]);
  assert.equal(error.attempt, error.attempts[0]);
  transport.destroy();
  const closed = await failureOf(transport.roundTrip(new HttpRequest("http://a.test/")));
  assert.deepEqual([closed.attempt, closed.attempts], [null, []]);

  await withLost(
    (address, options) => systemDialer().dial(address, options),
    async (lost) => {
      const broken = await failureOf(lost.send());
      assert.equal(broken.code, "ERR_INCOMPLETE_BODY");
      assert.deepEqual(verdicts(broken), ["sent-no-answer", "answered"]);
      assertTogether(broken);
    },
    {},
    async (connection) => {
      if (connection.index === 0) return await dying(connection);
      await connection.readHead();
      await connection.send(OK.slice(0, -1));
      connection.end();
    },
  );
});

test("M2 a body that fails its checks tells of its own exchange, whoever has the connection since", async () => {
  const digest = createHash("sha256").update("another").digest("base64");
  const head = plainHead("GET /");
  const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" +
    `Content-Digest: sha-256=:${digest}:\r\n\r\n2\r\nok\r\n`;
  // Without a barrier the next request is written in the step in which the connection becomes free.
  const conn = new ScriptedConn().expect(head).send(answer);
  const dialer: Dialer = {
    dial: () => Promise.resolve(conn),
    startTls: (conn) => Promise.resolve(conn),
  };
  const transport = new Transport({ ...plain.options, dialer, maxConnsPerHost: 1 });
  const { headers } = plain;
  const url = "http://example.com/";
  const response = await transport.roundTrip(new HttpRequest(url, { headers, digest: "require" }));
  const body = failureOf(response.bytes());
  const { signal, abort } = abortable();
  const next = failureOf(transport.roundTrip(new HttpRequest(url, { headers, signal })));
  await until("it waits", () => transport.stats().waiting === 1);
  conn.send("0\r\n\r\n").expect(head);
  const error = await body;
  assert.equal(error.code, "ERR_DECODE");
  assert.deepEqual(error.attempts, [{
    reused: false,
    bytesWritten: head.length,
    responseBytes: answer.length + 5,
    verdict: "answered",
  }]);
  await until("the next is sent", () => conn.written === head + head);
  abort();
  await next;
  transport.destroy();
});

test("M2 a hook that ends the request before it is sent: the last request of the connection is not meant", async () => {
  await withRawServer(dying, async (server) => {
    const transport = new Transport();
    await (await transport.roundTrip(new HttpRequest(server.origin))).bytes();
    const trace = { gotConn: () => transport.destroy() };
    const error = await failureOf(
      transport.roundTrip(new HttpRequest(server.origin, { ...payment, trace })),
    );
    assert.deepEqual(verdicts(error), ["never-sent"]);
    await server.allClosed();
  });
});

test("M2 RetryingTransport: the last error tells of all tries", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.readBytes(3);
    connection.end();
  }, async (server) => {
    const transport = new Transport({ dialer: dialerWith(refused) });
    const events: HttpError[] = [];
    const retrying = new RetryingTransport(transport, {
      baseDelayMs: 1,
      onRetry: ({ error }) => void events.push(error!),
    });
    const error = await failureOf(retrying.roundTrip(new HttpRequest(server.origin, payment)));
    assert.equal(error.code, "ERR_DIAL");
    assert.equal(error.attempt?.verdict, "sent-no-answer");
    assert.deepEqual(verdicts(error), ["sent-no-answer", "never-sent", "never-sent"]);
    assert.equal(error.attempt!.bytesWritten, server.connections[0].receivedBytes);
    assert.deepEqual(events.map(verdicts), [
      ["sent-no-answer"],
      ["sent-no-answer", "never-sent"],
    ]);
    await transport.close();
  });
});

test("M2 RetryingTransport: a try that was answered counts", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }, async (server) => {
    const transport = new Transport({ dialer: dialerWith(refused) });
    const retrying = new RetryingTransport(transport, { baseDelayMs: 1, attempts: 2 });
    const error = await failureOf(retrying.roundTrip(new HttpRequest(server.origin)));
    assert.equal(error.code, "ERR_DIAL");
    assert.deepEqual(verdicts(error), ["answered", "never-sent"]);
    assert.equal(error.attempt!.verdict, "answered");
    assert.equal(error.attempt!.bytesWritten, server.connections[0].receivedBytes);
    assert.equal(error.attempt!.responseBytes, server.connections[0].sentBytes);
    await transport.close();
  });
});

test("M2 RetryingTransport: no time is left for another try, or nothing is told of one", async () => {
  const clock = new ManualClock();
  const transport = new Transport({ dialer: dialerWith(refused, 0) });
  const retrying = new RetryingTransport(transport, { clock, random: () => 0.01 });
  const going = failureOf(
    retrying.roundTrip(new HttpRequest("http://a.test/", { timeoutMs: 20 })),
  );
  await until("it waits", () => clock.runningCount === 1);
  clock.jump(30);
  clock.advance(1_000);
  const late = await going;
  assert.equal(late.code, "ERR_TIMEOUT");
  assert.deepEqual(verdicts(late), ["never-sent"]);
  await transport.close();

  const errors = [
    new HttpError("ERR_CONNECTION_LOST", "of another's making", { phase: "client" }),
    await failureOf(transport.roundTrip(new HttpRequest("http://a.test/"))),
  ];
  const known = errors[1].withAttempts(late.attempts);
  let count = 0;
  const foreign = new RetryingTransport({
    roundTrip: () => Promise.reject(count++ === 0 ? errors[0] : known),
  }, { baseDelayMs: 0 });
  const error = await failureOf(foreign.roundTrip(new HttpRequest("http://a.test/")));
  assert.deepEqual(verdicts(error), ["sent-no-answer", "never-sent"]);
});

test("M2 Client: a redirect is an answer, whatever becomes of the next request", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      if (head.startsWith("POST")) await connection.readBytes(3);
      await connection.send(
        "HTTP/1.1 303 See Other\r\nLocation: /done\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      );
    }
  }, async (server) => {
    const rows: [number, Parameters<typeof clientOf>[1], string, string[]][] = [
      [1, {}, "ERR_DIAL", ["answered", "never-sent"]],
      [2, { maxRedirects: 1 }, "ERR_REDIRECT", ["answered", "answered"]],
      [1, { checkRedirect: () => Promise.reject(new Error("no")) }, "ERR_REDIRECT", ["answered"]],
    ];
    for (const [dials, options, code, expected] of rows) {
      const transport = new Transport({ dialer: dialerWith(refused, dials) });
      const error = await failureOf(clientOf(transport, options).post(server.origin, "pay"));
      assert.equal(error.code, code);
      assert.equal(error.attempt?.verdict, "answered");
      assert.deepEqual(verdicts(error), expected);
      assert.ok(error.attempts[0].bytesWritten > 0 && error.attempts[0].responseBytes > 0);
      await transport.close();
    }
    for (const redirect of ["follow", "error"] as const) {
      const transport = new Transport({ dialer: dialerWith(refused) });
      const fetch = createFetch({ transport });
      const going = fetch(server.origin, { method: "POST", body: "pay", redirect });
      const { cause } = await going.then(() => assert.fail("resolved"), (error: Error) => error);
      assert.ok(cause instanceof HttpError);
      assert.equal(cause.attempt?.verdict, "answered");
      await transport.close();
    }
  });
});

function clientOf(
  transport: Transport,
  options: ConstructorParameters<typeof Client>[0],
): Client {
  return new Client({ transport, ...options });
}

test("M2 Client: no time is left for the cookies of an answer", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n");
  }, async (server) => {
    const clock = new ManualClock();
    // On a clock of its own: none of the timers is the transport's.
    const transport = new Transport({ clock: new ManualClock() });
    const jar = new MemoryCookieJar();
    let isAsked = false;
    jar.setCookie = () => {
      isAsked = true;
      return new Promise(() => {});
    };
    const client = new Client({ transport, jar, timeoutMs: 200, clock });
    const failing = failureOf(client.post(server.origin, null));
    await until("it waits for the jar", () => isAsked && clock.runningCount > 0);
    clock.advance(200);
    const error = await failing;
    assert.equal(error.code, "ERR_TIMEOUT");
    assert.deepEqual(verdicts(error), ["answered"]);
    await transport.close();
  });
});

test("M2 ResumingTransport: what cannot be resumed was answered all the same", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send('HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 9\r\n\r\nhalf');
    connection.end();
  }, async (server) => {
    const transport = new Transport({ dialer: dialerWith(refused) });
    const events: HttpError[] = [];
    const resuming = new ResumingTransport(transport, {
      baseDelayMs: 0,
      attempts: 2,
      onResume: ({ error }) => void events.push(error),
    });
    const response = await resuming.roundTrip(new HttpRequest(server.origin));
    const error = await failureOf(response.bytes());
    assert.equal(error.code, "ERR_INCOMPLETE_BODY");
    assert.equal(error.attempt?.verdict, "answered");
    assert.deepEqual(verdicts(error), ["answered", "never-sent", "never-sent"]);
    assert.deepEqual(events.map(verdicts), [["answered"], ["answered", "never-sent"]]);
    await transport.close();
  });
  // What ends it for good is an error of the next request.
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send('HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 9\r\n\r\nhalf');
    connection.end();
  }, async (server) => {
    const transport = new Transport({
      dialer: dialerWith(() =>
        Promise.reject(new HttpError("ERR_TLS", "Cannot connect", { phase: "tls" }))
      ),
    });
    const resuming = new ResumingTransport(transport, { baseDelayMs: 0 });
    const response = await resuming.roundTrip(new HttpRequest(server.origin));
    const error = await failureOf(response.bytes());
    assert.equal(error.code, "ERR_TLS");
    assert.deepEqual(verdicts(error), ["answered", "never-sent"]);
    await transport.close();
  });
});

test("M2 what is made of a body later tells of its exchange", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(OK);
  }, async (server) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    const error = await failureOf(response.json());
    assert.equal(error.code, "ERR_DECODE");
    const [connection] = server.connections;
    assert.deepEqual(error.attempts, [{
      reused: false,
      bytesWritten: connection.receivedBytes,
      responseBytes: connection.sentBytes,
      verdict: "answered",
    }]);
    await transport.close();
  });
});

test("M2 a leased connection that is lost: one attempt, none on another connection", async () => {
  await withRawServer(dying, async (server) => {
    const transport = new Transport();
    const leased = await transport.connect(server.origin);
    await (await leased.roundTrip(new HttpRequest(server.origin))).bytes();
    const error = await failureOf(leased.roundTrip(new HttpRequest(server.origin, payment)));
    assert.equal(error.code, "ERR_CONNECTION_LOST");
    assert.deepEqual(verdicts(error), ["sent-no-answer"]);
    await transport.close();
  });
});

test("M2 together: the worst verdict and the highest counts, in whatever order", () => {
  const all: Attempt["verdict"][] = ["never-sent", "partly-sent", "sent-no-answer", "answered"];
  for (const one of all) {
    for (const other of all) {
      const attempts: Attempt[] = [
        { reused: true, bytesWritten: 1, responseBytes: 9, verdict: one },
        { reused: false, bytesWritten: 5, responseBytes: 2, verdict: other },
      ];
      const error = new HttpError("ERR_DIAL", "failed", { phase: "dial", attempts });
      assert.deepEqual(error.attempt, {
        reused: false,
        bytesWritten: 5,
        responseBytes: 9,
        verdict: all[Math.max(all.indexOf(one), all.indexOf(other))],
      });
    }
  }
  const cause = new Error("underneath");
  const error = new HttpError("ERR_DIAL", "failed", { phase: "dial", cause });
  const [attempt] = [{ reused: false, bytesWritten: 0, responseBytes: 0, verdict: all[0] }];
  const copy = error.withAttempts([attempt]);
  assert.deepEqual([copy.code, copy.message, copy.phase, copy.cause, copy.stack], [
    "ERR_DIAL",
    "failed",
    "dial",
    cause,
    error.stack,
  ]);
  assert.deepEqual([copy.attempt, copy.attempts], [attempt, [attempt]]);
  assert.deepEqual([error.attempt, error.attempts], [null, []]);
});
