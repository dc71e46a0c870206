/**
 * The retry policy: what is tried again, when, how often, and what never is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  Client,
  HttpError,
  type HttpErrorCode,
  HttpHeaders,
  HttpRequest,
  type HttpRequestInit,
  type RetryEvent,
  RetryingTransport,
  type RetryOptions,
  type RoundTripper,
  Transport,
} from "../../../mod.ts";
import { httpDateMs, retryAfterMs } from "../../../client/recovery/retry_after.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

/** A response with a status and header lines; null: the connection is reset. */
type Answer = [number, ...string[]] | null;

interface Tried {
  /** Bodies of the requests that came. */
  readonly bodies: string[];
  readonly outcome: number | HttpError;
  readonly events: RetryEvent[];
  readonly connections: number;
}

/** More than comes with the head, so that somebody has to read it. */
const BODY = "body".repeat(10_000);

/** Gives the answers one by one, the last one for ever. */
async function tried(
  answers: Answer[],
  init: HttpRequestInit = {},
  options: RetryOptions = {},
): Promise<Tried> {
  const bodies: string[] = [];
  const events: RetryEvent[] = [];
  return await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      bodies.push(
        await connection.readBytes(Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)),
      );
      const answer = answers[Math.min(bodies.length, answers.length) - 1];
      if (answer === null) return connection.reset();
      const [status, ...lines] = answer;
      await connection.send(
        [`HTTP/1.1 ${status} X`, ...lines, `Content-Length: ${BODY.length}`, "", BODY].join("\r\n"),
      );
    }
  }, async (server) => {
    const transport = new Transport();
    const retrying = new RetryingTransport(transport, {
      baseDelayMs: 1,
      onRetry: (event) => void events.push(event),
      ...options,
    });
    let outcome: number | HttpError;
    try {
      const response = await retrying.roundTrip(new HttpRequest(server.origin, init));
      assert.equal(await response.text(), BODY);
      outcome = response.status;
    } catch (error) {
      assert.ok(error instanceof HttpError, String(error));
      outcome = error;
    }
    assert.equal(transport.stats().active, 0);
    await transport.close();
    return { bodies, outcome, events, connections: server.connections.length };
  });
}

function code(outcome: number | HttpError): string | number {
  return typeof outcome === "number" ? outcome : outcome.code;
}

test("retry: answers that say later are tried again over the same connection", async () => {
  for (const status of [429, 502, 503, 504]) {
    const { bodies, outcome, events, connections } = await tried([[status], [status], [200]]);
    assert.deepEqual([bodies.length, outcome, connections], [3, 200, 1]);
    assert.deepEqual(events.map((event) => [event.attempt, event.status, event.error]), [
      [1, status, null],
      [2, status, null],
    ]);
  }
});

test("retry: other answers, and the last one, are returned", async () => {
  for (const status of [200, 400, 404, 408, 500, 501]) {
    assert.equal((await tried([[status], [200]])).outcome, status);
  }
  const { bodies, outcome } = await tried([[503]]);
  assert.deepEqual([bodies.length, outcome], [3, 503]);
  assert.equal((await tried([[503]], {}, { attempts: 1 })).bodies.length, 1);
  assert.equal((await tried([[503]], {}, { attempts: 5 })).bodies.length, 5);
  assert.equal((await tried([[500], [200]], {}, { statuses: [500] })).outcome, 200);
  assert.equal((await tried([[503], [200]], {}, { statuses: [] })).outcome, 503);
});

test("retry: a lost connection is tried again, and the last error is thrown", async () => {
  const { bodies, outcome, events } = await tried([null, null, [200]]);
  assert.deepEqual([bodies.length, outcome], [3, 200]);
  assert.equal(events[0].error?.code, "ERR_CONNECTION_LOST");
  const lost = await tried([null]);
  assert.deepEqual([lost.bodies.length, code(lost.outcome)], [3, "ERR_CONNECTION_LOST"]);
});

test("retry: by method, unless there is an Idempotency-Key", async () => {
  const rows: [HttpRequestInit, number][] = [
    [{ method: "PUT", body: "x" }, 2],
    [{ method: "DELETE" }, 2],
    [{ method: "OPTIONS" }, 2],
    [{ method: "POST", body: "x" }, 1],
    [{ method: "PATCH", body: "x" }, 1],
    [{ method: "get" }, 1],
    [{ method: "POST", body: "x", headers: { "idempotency-KEY": "1" } }, 2],
    [{ method: "POST", body: "x", headers: [["X-Idempotency-Key", "1"]] }, 2],
  ];
  for (const [init, requests] of rows) {
    for (const first of [[503], null] as Answer[]) {
      const { bodies } = await tried([first, [200]], init, { attempts: 2 });
      assert.equal(bodies.length, requests, `${init.method} ${first}`);
      assert.equal(bodies.at(-1), init.body ?? "");
    }
  }
  const { bodies } = await tried([[503], [200]], { method: "POST", body: "x" }, {
    methods: ["POST"],
  });
  assert.deepEqual(bodies, ["x", "x"]);
});

test("retry: never a body that cannot be produced twice", async () => {
  const stream = (): ReadableStream<Uint8Array> => new Blob(["body"]).stream();
  const init = { method: "PUT", contentLength: 4 };
  for (const first of [[503], null] as Answer[]) {
    const once = await tried([first, [200]], { ...init, body: stream() });
    assert.deepEqual(once.bodies, ["body"]);
    assert.equal(code(once.outcome), first === null ? "ERR_CONNECTION_LOST" : 503);
    const twice = await tried([first, [200]], { ...init, body: stream });
    assert.deepEqual([twice.bodies, twice.outcome], [["body", "body"], 200]);
  }
});

/** Fails as told, one after the other, and notes how often it was asked. */
class Failing implements RoundTripper {
  count = 0;
  readonly #errors: unknown[];

  constructor(...errors: unknown[]) {
    this.#errors = errors;
  }

  roundTrip(): Promise<never> {
    return Promise.reject(this.#errors[Math.min(this.count++, this.#errors.length - 1)]);
  }
}

function failure(code: HttpError["code"], verdict: "never-sent" | "partly-sent"): HttpError {
  return new HttpError(code, "failed", {
    phase: "dial",
    attempt: { reused: false, bytesWritten: 0, responseBytes: 0, verdict },
  });
}

test("retry: what was never sent is sent again whatever the method; what cannot help is not", async () => {
  const rows: [unknown, string, number][] = [
    [failure("ERR_DIAL", "never-sent"), "POST", 3],
    [failure("ERR_PROXY", "never-sent"), "POST", 3],
    [failure("ERR_TIMEOUT", "never-sent"), "POST", 3],
    [failure("ERR_CONNECTION_LOST", "never-sent"), "POST", 3],
    [failure("ERR_CONNECTION_LOST", "partly-sent"), "POST", 1],
    [failure("ERR_CONNECTION_LOST", "partly-sent"), "PUT", 3],
    [failure("ERR_TIMEOUT", "partly-sent"), "POST", 1],
    [failure("ERR_TLS", "never-sent"), "GET", 1],
    [failure("ERR_CLOSED", "never-sent"), "GET", 1],
    [failure("ERR_BLOCKED", "never-sent"), "GET", 1],
    [failure("ERR_QUEUE_FULL", "never-sent"), "GET", 1],
    [failure("ERR_INVALID_REQUEST", "never-sent"), "GET", 1],
    [failure("ERR_MALFORMED_RESPONSE", "partly-sent"), "GET", 1],
    [new Error("the signal's reason"), "GET", 1],
  ];
  for (const [error, method, count] of rows) {
    const failing = new Failing(error);
    const retrying = new RetryingTransport(failing, { baseDelayMs: 0 });
    const going = retrying.roundTrip(new HttpRequest("http://a.test/", { method }));
    await assert.rejects(going, (thrown) => {
      if (count === 1) return thrown === error;
      assert.ok(thrown instanceof HttpError && error instanceof HttpError);
      assert.deepEqual(thrown.attempts, Array(count).fill(error.attempt));
      return thrown.code === error.code && thrown.message === error.message;
    });
    assert.equal(failing.count, count, `${(error as HttpError).code} ${method}`);
  }
});

test("retry: waits double up to a limit, and are spread over their length", async () => {
  const clock = new ManualClock();
  const delays: number[] = [];
  const retrying = new RetryingTransport(new Failing(failure("ERR_DIAL", "never-sent")), {
    attempts: 6,
    baseDelayMs: 100,
    maxDelayMs: 500,
    clock,
    random: () => 0.5,
    onRetry: ({ delayMs }) => void delays.push(delayMs),
  });
  const going = retrying.roundTrip(new HttpRequest("http://a.test/"));
  going.catch(() => {});
  for (const ms of [50, 100, 200, 250, 250]) {
    await until("it waits", () => clock.runningCount === 1);
    clock.advance(ms - 1);
    assert.equal(clock.runningCount, 1);
    clock.advance(1);
  }
  await assert.rejects(going, { code: "ERR_DIAL" });
  assert.deepEqual(delays, [50, 100, 200, 250, 250]);
});

test("retry: Retry-After makes the wait longer, and one that is too long ends it", async () => {
  const clock = new ManualClock();
  const at = "Sun, 06 Nov 1994 08:49:37 GMT";
  const rows: [string[], number | null][] = [
    [["Retry-After: 7"], 7_000],
    [["Retry-After: 0"], 1],
    [["Retry-After: 60"], 60_000],
    [["Retry-After: 61"], null],
    [["Retry-After: 99999999999999999999"], null],
    [["Retry-After: Sun, 06 Nov 1994 08:49:40 GMT", `Date: ${at}`], 3_000],
    [["Retry-After: Sunday, 06-Nov-94 08:49:40 GMT", `Date: ${at}`], 3_000],
    [["Retry-After: Sun Nov  6 08:49:40 1994", `Date: ${at}`], 3_000],
    [["Retry-After: Sun, 06 Nov 1994 08:49:30 GMT", `Date: ${at}`], 1],
    [["Retry-After: -1"], 1],
    [["Retry-After: 1.5"], 1],
    [["Retry-After: soon"], 1],
    [["Retry-After: 7", "Retry-After: 9"], 1],
  ];
  for (const [lines, expected] of rows) {
    const running = tried([[503, ...lines], [200]], {}, { clock, random: () => 1 - 2 ** -53 });
    if (expected !== null) {
      await until("it waits", () => clock.runningCount === 1);
      clock.advance(expected);
    }
    const { outcome, events } = await running;
    assert.equal(outcome, expected === null ? 503 : 200, lines.join());
    if (expected !== null) assert.equal(Math.round(events[0].delayMs), expected, lines.join());
  }
});

test("retry: HTTP dates in their three forms, and nothing else", () => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
  const good = [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
  ];
  for (const date of good) assert.equal(httpDateMs(date), ms, date);
  for (const date of [null, "", "1994", "784111777", "x".repeat(40), "Sun, soon and late GMT"]) {
    assert.equal(httpDateMs(date), null, `${date}`);
  }
  const headers = new HttpHeaders({ "Retry-After": good[0] });
  assert.equal(retryAfterMs(headers, ms - 5_000), 5_000);
});

test("M31 retry: retry-after-ms is more exact than Retry-After, where it is a number", () => {
  const rows: [[string, string][], number | null][] = [
    [[["retry-after-ms", "250"]], 250],
    [[["Retry-After-MS", "250"], ["Retry-After", "7"]], 250],
    [[["Retry-After", "7"], ["retry-after-ms", "12.5"]], 12.5],
    [[["retry-after-ms", "0"], ["Retry-After", "7"]], 0],
    [[["retry-after-ms", "soon"], ["Retry-After", "7"]], 7_000],
    [[["retry-after-ms", "-1"], ["Retry-After", "7"]], 7_000],
    [[["retry-after-ms", "1e3"], ["Retry-After", "7"]], 7_000],
    [[["retry-after-ms", "0x10"], ["Retry-After", "7"]], 7_000],
    [[["retry-after-ms", ""], ["Retry-After", "7"]], 7_000],
    [[["retry-after-ms", "1"], ["retry-after-ms", "2"], ["Retry-After", "7"]], 7_000],
    [[["retry-after-ms", "Infinity"]], null],
    [[["retry-after-ms", "9".repeat(400)]], Infinity],
  ];
  for (const [headers, ms] of rows) {
    assert.equal(retryAfterMs(new HttpHeaders(headers), 0), ms, JSON.stringify(headers));
  }
});

test("M31 retry: retry-after-ms is waited for, up to maxRetryAfterMs", async () => {
  const { bodies, events } = await tried([[429, "retry-after-ms: 37"], [200]]);
  assert.deepEqual([bodies.length, events[0].delayMs], [2, 37]);
  for (const value of ["60001", "9".repeat(400)]) {
    const long = await tried([[429, `retry-after-ms: ${value}`], [200]]);
    assert.deepEqual([long.bodies.length, long.outcome], [1, 429]);
  }
});

test("retry: the budget ends retries until other requests have succeeded", async () => {
  const later = failure("ERR_DIAL", "never-sent");
  const failing = new Failing(later);
  const ok: RoundTripper = new Transport();
  let down = true;
  const count = { sent: 0 };
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  }, async (server) => {
    const retrying = new RetryingTransport({
      roundTrip: (request) => {
        count.sent++;
        return down ? failing.roundTrip() : ok.roundTrip(request);
      },
    }, { attempts: 3, budget: 3, budgetRefill: 0.5, baseDelayMs: 0 });
    const request = new HttpRequest(server.origin);
    for (const sent of [3, 2, 1, 1]) {
      count.sent = 0;
      await assert.rejects(retrying.roundTrip(request));
      assert.equal(count.sent, sent);
    }
    down = false;
    for (let i = 0; i < 2; i++) await retrying.roundTrip(request);
    down = true;
    count.sent = 0;
    await assert.rejects(retrying.roundTrip(request));
    assert.equal(count.sent, 2);
    await (ok as Transport).close();
  });
});

test("retry: the signal ends a wait, and leaves no timer and no listener", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const retrying = new RetryingTransport(new Failing(failure("ERR_DIAL", "never-sent")), { clock });
  const going = retrying.roundTrip(
    new HttpRequest("http://a.test/", { signal: controller.signal }),
  );
  going.catch(() => {});
  await until("it waits", () => clock.runningCount === 1);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(going, (error) => error === reason);
  assert.equal(clock.runningCount, 0);
});

test("retry: timeoutMs is for all tries, and no wait is begun that it would cut", async () => {
  const { bodies, outcome } = await tried([[503, "Retry-After: 30"]], { timeoutMs: 5_000 });
  assert.deepEqual([bodies.length, outcome], [1, 503]);
  const timeouts: number[] = [];
  const error = failure("ERR_DIAL", "never-sent");
  const retrying = new RetryingTransport({
    roundTrip: (request) => {
      timeouts.push(request.timeoutMs);
      return Promise.reject(error);
    },
  }, { baseDelayMs: 2, random: () => 0.9 });
  await assert.rejects(retrying.roundTrip(new HttpRequest("http://a.test/", { timeoutMs: 9_000 })));
  assert.equal(timeouts[0], 9_000);
  assert.ok(timeouts[2] < timeouts[1] && timeouts[1] < 9_000, timeouts.join());
});

test("retry: errors says after which codes, and maxElapsedMs until when", async () => {
  const fails = (code: HttpErrorCode) => {
    let tries = 0;
    const transport: RoundTripper = {
      roundTrip: () => {
        tries++;
        return Promise.reject(new HttpError(code, "", { phase: "tls" }));
      },
    };
    return { transport, tries: () => tries };
  };
  const request = new HttpRequest("http://a.test/");
  const triesOf = async (code: HttpErrorCode, options: RetryOptions): Promise<number> => {
    const { transport, tries } = fails(code);
    const retrying = new RetryingTransport(transport, { baseDelayMs: 1, ...options });
    await assert.rejects(retrying.roundTrip(request), { code });
    return tries();
  };
  assert.equal(await triesOf("ERR_TLS", {}), 1);
  assert.equal(await triesOf("ERR_TLS", { errors: ["ERR_TLS"] }), 3);
  assert.equal(await triesOf("ERR_DIAL", { errors: ["ERR_TLS"] }), 1);
  const long = { baseDelayMs: 60_000, maxDelayMs: 60_000, random: () => 0.5 };
  assert.equal(await triesOf("ERR_DIAL", { ...long, maxElapsedMs: 10_000 }), 1);
  assert.equal(await triesOf("ERR_DIAL", { maxElapsedMs: 60_000 }), 3);
});

test("retry: refuses options it does not know, and values they cannot have", () => {
  const bad = [
    { retries: 1 },
    { attempts: 0 },
    { attempts: 1.5 },
    { baseDelayMs: -1 },
    { maxDelayMs: NaN },
    { maxRetryAfterMs: "1" },
    { budget: -1 },
  ];
  for (const options of bad) {
    assert.throws(() => new RetryingTransport(new Transport(), options as RetryOptions), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});

test("retry: under a client, with a node:http server that comes up late", async () => {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests++;
    if (requests < 3) response.writeHead(503, { "Retry-After": "0" }).end("later");
    else response.end("here");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const transport = new Transport();
  const client = new Client({ transport: new RetryingTransport(transport, { baseDelayMs: 1 }) });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  assert.equal(await (await client.get(url)).text(), "here");
  assert.equal(requests, 3);
  await transport.close();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});

test("retry: what a proxy refuses is tried again by its status, as what a server answers", async () => {
  for (const [status, count] of [[407, 1], [403, 1], [503, 3]]) {
    let asked = 0;
    await withRawServer(async (connection) => {
      await connection.readHead();
      asked++;
      await connection.send(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`);
    }, async (server) => {
      await using transport = new Transport({ proxy: server.origin });
      const retrying = new RetryingTransport(transport, { baseDelayMs: 0 });
      const going = retrying.roundTrip(new HttpRequest("https://a.test/"));
      await assert.rejects(going, { code: "ERR_PROXY" });
    });
    assert.equal(asked, count, `${status}`);
  }
});
