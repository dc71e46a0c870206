/**
 * Answers that are thrown: which, what the error tells and what it does not, and what becomes of the body.
 *
 * @module
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import {
  Client,
  type ClientOptions,
  HttpError,
  HttpRequest,
  type HttpResponse,
  type RoundTripper,
  StatusError,
  Transport,
} from "../../mod.ts";
import { fakeResponse } from "../../testing/mod.ts";
import { watched } from "../support/console_errors.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { bytesOf, type RawHandler, withRawServer } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";

const URL_A = "http://a.test/";

function always(status: number, body = "", headers: [string, string][] = []): RoundTripper {
  return {
    roundTrip: (request) => Promise.resolve(fakeResponse(body, { status, headers, request })),
  };
}

/** What a client throws. */
async function thrown(sent: Promise<HttpResponse>): Promise<StatusError> {
  try {
    await sent;
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return error;
  }
  throw new Error("Nothing was thrown");
}

/** Uses a client of a server that answers with `answer` and goes on as `then` does. */
async function withAnswer(
  answer: string | Uint8Array,
  use: (
    client: (options: ClientOptions) => Client,
    origin: string,
    transport: Transport,
  ) => Promise<void>,
  then: RawHandler = (connection) => connection.readToEnd().then(() => {}),
): Promise<void> {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(answer);
    await then(connection);
  }, async (server) => {
    const transport = new Transport();
    await use(
      (options) => new Client({ transport, throwOnError: true, ...options }),
      server.origin,
      transport,
    );
    await until("nothing is active", () => transport.stats().active === 0);
    await transport.close();
  });
}

test("throwOnError: true throws from 400 on, by every method", async () => {
  const calls: ((client: Client) => Promise<HttpResponse>)[] = [
    (client) => client.get(URL_A),
    (client) => client.head(URL_A),
    (client) => client.post(URL_A, "body"),
    (client) => client.postForm(URL_A, { a: "b" }),
    (client) => client.delete(URL_A),
    (client) => client.do(new HttpRequest(URL_A)),
  ];
  for (const status of [200, 204, 299, 304, 399]) {
    for (const call of calls) {
      const response = await call(new Client({ transport: always(status), throwOnError: true }));
      assert.equal(response.status, status);
    }
  }
  for (const status of [400, 404, 500, 599, 999]) {
    for (const call of calls) {
      const client = new Client({ transport: always(status), throwOnError: true });
      assert.equal((await thrown(call(client))).status, status);
    }
    for (const throwOnError of [false, undefined]) {
      const client = new Client({ transport: always(status), throwOnError });
      assert.equal((await client.get(URL_A)).status, status);
    }
  }
  // The redirect itself was asked for.
  const redirect = always(302, "", [["Location", "/"]]);
  const options = { transport: redirect, throwOnError: true, maxRedirects: 0 };
  assert.equal((await new Client(options).get(URL_A)).status, 302);
});

test("a StatusError tells head, request and the beginning of the body, and no secret", async () => {
  const body = '{"code":"no"}';
  const lines: [string, string][] = [["Set-Cookie", "id=hidden1"], ["X-Plain", "shown"]];
  const transport = always(403, body, lines);
  const client = new Client({ transport, throwOnError: true });
  const error = await thrown(client.get("http://me:hidden2@a.test/b?key=hidden3#hidden4", {
    headers: { "Authorization": "hidden5", "X-Api-Key": "hidden6" },
  }));
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.status], ["StatusError", 403]);
  assert.equal(error.message, "GET http://a.test/b?… was answered with 403");
  assert.deepEqual(error.request, { method: "GET", url: "http://a.test/b?…" });
  assert.equal(error.response.headers.get("x-plain"), "shown");
  assert.deepEqual(error.excerpt, { text: body, isWhole: true });
  for (const shown of [inspect(error, { depth: 9 }), JSON.stringify(error), error.stack!]) {
    assert.doesNotMatch(shown, /hidden/);
  }
  assert.match(inspect(error, { depth: 9 }), /shown/);
  await withAnswer(
    "HTTP/1.1 404 Not\tFound \x80\r\nContent-Length: 0\r\n\r\n",
    async (make, origin) => {
      const { message, response } = await thrown(make({}).get(origin));
      assert.equal(message, `GET ${origin}/ was answered with 404 Not\\u0009Found \\u0080`);
      assert.deepEqual([response.statusText, response.httpVersion], ["Not\tFound \x80", "1.1"]);
    },
  );
});

test("throwOnError by a function: it decides, and must", async () => {
  const asked: number[] = [];
  const throwOnError = (response: HttpResponse): boolean => asked.push(response.status) > 1;
  const client = new Client({ transport: always(200, "ok"), throwOnError });
  assert.equal(await (await client.get(URL_A)).text(), "ok");
  assert.equal((await thrown(client.get(URL_A))).status, 200);
  assert.deepEqual(asked, [200, 200]);
  const mine = new Error("mine");
  const rows: [() => unknown, (error: unknown) => boolean][] = [
    [() => {
      throw mine;
    }, (error) => error === mine],
    [() => undefined, isUndecided],
    [() => 1, isUndecided],
    [() => Promise.resolve(true), isUndecided],
  ];
  for (const [decide, expected] of rows) {
    await withAnswer("HTTP/1.1 500 X\r\nContent-Length: 99999\r\n\r\n", async (make, origin) => {
      await assert.rejects(make({ throwOnError: decide as () => boolean }).get(origin), expected);
    });
  }
  const rejecting = (() => Promise.reject(mine)) as unknown as () => boolean;
  const { told, unhandled } = await watched(async () => {
    const faulty = new Client({ transport: always(500), throwOnError: rejecting });
    await assert.rejects(faulty.get(URL_A), isUndecided);
  });
  assert.deepEqual([told.length, unhandled.length], [1, 0]);
  const nonsense = { throwOnError: 400 } as unknown as ClientOptions;
  assert.throws(() => new Client(nonsense), { code: "ERR_INVALID_REQUEST" });
});

function isUndecided(error: unknown): boolean {
  assert.ok(error instanceof HttpError);
  assert.match(error.message, /throwOnError returned neither/);
  assert.equal(error.attempts.length, 1);
  return error.code === "ERR_INVALID_REQUEST" && error.attempt?.verdict === "answered";
}

test("of a body at most 16 KiB are read, decoded, and the rest is closed", async () => {
  const most = 16 * 1024;
  const rows: [number, boolean][] = [[most - 1, true], [most, true], [most + 1, false], [
    2_000_000,
    false,
  ]];
  for (const [length, isWhole] of rows) {
    const answer = `HTTP/1.1 500 X\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(length)}`;
    await withAnswer(answer, async (make, origin) => {
      const { excerpt } = await thrown(make({}).get(origin));
      assert.deepEqual([excerpt.text.length, excerpt.isWhole], [Math.min(length, most), isWhole]);
    });
  }
  const text = "ä".repeat(100);
  const coded = gzipSync(text);
  const head =
    `HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\nContent-Length: ${coded.length}\r\n\r\n`;
  await withAnswer(Buffer.concat([bytesOf(head), coded]), async (make, origin) => {
    assert.deepEqual((await thrown(make({}).get(origin))).excerpt, { text, isWhole: true });
  });
  const latin =
    "HTTP/1.1 500 X\r\nContent-Type: text/plain; charset=latin1\r\nContent-Length: 1\r\n\r\n\xe4";
  await withAnswer(latin, async (make, origin) => {
    assert.equal((await thrown(make({}).get(origin))).excerpt.text, "ä");
  });
});

test("a body that never ends holds no error back: 5 seconds, timeoutMs and the signal do", async () => {
  const answer = "HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nabc";
  const startedAt = async (clock: ManualClock, count: number): Promise<void> =>
    await until("the body is read", () => clock.startedCount >= count);
  await withAnswer(answer, async (make, origin) => {
    const clock = new ManualClock();
    let cameBytes = 0;
    const onDownloadProgress = ({ bytes }: { bytes: number }): void => void (cameBytes = bytes);
    const error = thrown(make({ clock }).get(origin, { onDownloadProgress }));
    await until("the first bytes are read", () => cameBytes === 3);
    clock.advance(4_999);
    assert.equal(clock.runningCount, 1);
    clock.advance(1);
    const { excerpt, cause, status } = await error;
    assert.deepEqual(excerpt, { text: "abc", isWhole: false });
    assert.deepEqual([status, cause], [500, undefined]);
    assert.equal(clock.runningCount, 0);
  });
  await withAnswer(answer, async (make, origin) => {
    const clock = new ManualClock();
    const error = thrown(make({ clock, timeoutMs: 1_000 }).get(origin));
    // One for the excerpt, and one for each read.
    await startedAt(clock, 3);
    clock.advance(1_000);
    const { excerpt, cause } = await error;
    assert.deepEqual(excerpt, { text: "abc", isWhole: false });
    assert.equal((cause as HttpError).code, "ERR_TIMEOUT");
    assert.equal(clock.runningCount, 0);
  });
  await withAnswer(answer, async (make, origin) => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const sent = make({ clock }).get(origin, { signal: controller.signal });
    sent.catch(() => {});
    await startedAt(clock, 1);
    const reason = new Error("mine");
    controller.abort(reason);
    await assert.rejects(sent, reason);
    assert.equal(clock.runningCount, 0);
  });
});

test("a body that breaks is the cause, and so is one that is none", async () => {
  const answer = "HTTP/1.1 502 X\r\nContent-Length: 9\r\n\r\nabc";
  await withAnswer(answer, async (make, origin) => {
    const { excerpt, cause } = await thrown(make({}).get(origin));
    assert.deepEqual(excerpt, { text: "abc", isWhole: false });
    assert.equal((cause as HttpError).code, "ERR_INCOMPLETE_BODY");
  }, (connection) => connection.end());
  for (const n of [0, -1, NaN, 1e9, "1"]) {
    const answered = fakeResponse("abc", { status: 500, request: new HttpRequest(URL_A) });
    const read = (): Promise<number> => Promise.resolve(n as number);
    Object.defineProperty(answered, "body", { value: { read, close: () => Promise.resolve() } });
    const transport = { roundTrip: () => Promise.resolve(answered) };
    const { excerpt, cause } = await thrown(
      new Client({ transport, throwOnError: true }).get(URL_A),
    );
    assert.deepEqual(excerpt, { text: "", isWhole: false });
    assert.equal((cause as HttpError).code, "ERR_INVALID_REQUEST");
  }
});

test("it is asked behind retries and redirects", async () => {
  const answers: [number, [string, string][]][] = [
    [503, []],
    [302, [["Location", "/next"]]],
    [503, []],
    [404, []],
  ];
  const transport: RoundTripper = {
    roundTrip: (request) => {
      const [status, headers] = answers.shift()!;
      return Promise.resolve(fakeResponse("", { status, headers, request }));
    },
  };
  const retried: number[] = [];
  const client = new Client({
    transport,
    throwOnError: true,
    retry: { random: () => 0, onRetry: ({ status }) => void retried.push(status!) },
  });
  const { request, status } = await thrown(client.get(URL_A));
  assert.deepEqual([status, request.url, retried], [404, `${URL_A}next`, [503, 503]]);
});
