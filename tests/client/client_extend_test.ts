/**
 * Clients made of clients, and retries as an option of one.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  type ClientOptions,
  createFetch,
  type HttpRequest,
  type HttpResponse,
  MemoryCookieJar,
  type RetryEvent,
  type RoundTripper,
} from "../../mod.ts";
import { fakeResponse } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";

/** A transport that notes what it is asked. */
class Notes implements RoundTripper {
  readonly requests: HttpRequest[] = [];
  readonly #status: number;

  constructor(status = 200) {
    this.#status = status;
  }

  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    this.requests.push(request);
    const headers: [string, string][] = [["Set-Cookie", "a=b"]];
    return Promise.resolve(fakeResponse("", { request, headers, status: this.#status }));
  }

  get last(): HttpRequest {
    return this.requests[this.requests.length - 1];
  }
}

/** The lines that a client sends to a URL. */
async function sentTo(client: Client, notes: Notes, url: string): Promise<string> {
  await client.get(url);
  return [...notes.last.headers].map(([name, value]) => `${name}: ${value}`).join(", ");
}

test("extend(): transport and jar are shared, the rest is as stated or as it was", async () => {
  const transport = new Notes();
  const jar = new MemoryCookieJar();
  const client = new Client({
    transport,
    jar,
    baseUrl: "http://a.test/v1/",
    timeoutMs: 5_000,
    headers: [["X-App", "mine"], ["Accept", "text/plain"]],
  });
  const child = client.extend({
    headers: { "accept": "text/html", "X-More": "1" },
    timeoutMs: 7_000,
  });
  await client.get("x");
  const lines = await sentTo(child, transport, "y");
  assert.equal(lines, "X-App: mine, accept: text/html, X-More: 1, Cookie: a=b");
  assert.equal(transport.last.href, "http://a.test/v1/y");
  const grandchild = child.extend({ baseUrl: "orders/", timeoutMs: undefined, jar: null });
  assert.equal(
    await sentTo(grandchild, transport, "z"),
    "X-App: mine, accept: text/html, X-More: 1",
  );
  assert.equal(transport.last.href, "http://a.test/v1/orders/z");
  assert.equal(transport.last.timeoutMs, 7_000);
  // Those that are extended stay as they are.
  assert.equal(
    await sentTo(client, transport, "x"),
    "X-App: mine, Accept: text/plain, Cookie: a=b",
  );
  assert.equal(
    await sentTo(client.extend(), transport, "x"),
    "X-App: mine, Accept: text/plain, Cookie: a=b",
  );
  assert.equal(transport.last.href, "http://a.test/v1/x");
  for (const options of [{ nonsense: 1 }, { timeoutMs: -1 }, { baseUrl: "http://" }]) {
    assert.throws(() => client.extend(options as ClientOptions), { code: "ERR_INVALID_REQUEST" });
  }
  assert.throws(() => new Client().extend({ baseUrl: "v1/" }), { code: "ERR_INVALID_REQUEST" });
});

test("extend(): a secret stays with the origin of the baseUrl that it was stated with", async () => {
  const a = "http://a.test/";
  const b = "http://b.test/";
  const secret = { "Authorization": "of a", "X-Key": "of a", "X-Open": "1" };
  const atA = { baseUrl: a, headers: secret, sensitiveHeaders: ["X-Key"] };
  const all = "Authorization: of a, X-Key: of a, X-Open: 1";
  const none = "X-Open: 1";
  /** The clients from the first on, and what the last sends to a and to b. */
  const rows: [ClientOptions[], string, string][] = [
    [[atA], all, none],
    [[atA, {}], all, none],
    [[atA, { baseUrl: b }], all, none],
    [[atA, { baseUrl: b }, { baseUrl: "/path" }], all, none],
    [[atA, { baseUrl: "//b.test/" }], all, none],
    [[atA, { baseUrl: "path/" }], all, none],
    // What is stated anew is for the new origin, and the old one gets neither.
    [
      [atA, { baseUrl: b, headers: { "authorization": "of b" } }],
      "X-Key: of a, X-Open: 1",
      "X-Open: 1, authorization: of b",
    ],
    [
      [atA, { headers: { "authorization": "of a too" } }, { baseUrl: b }],
      "X-Key: of a, X-Open: 1, authorization: of a too",
      none,
    ],
    // For everybody, until there is a baseUrl.
    [[{ headers: secret }], all, all],
    [[{ headers: secret }, {}], all, all],
    [[{ headers: secret }, { baseUrl: a }], all, "X-Key: of a, X-Open: 1"],
    [[{ headers: secret }, { baseUrl: a }, { baseUrl: b }], all, "X-Key: of a, X-Open: 1"],
    [[{ headers: secret }, { baseUrl: a, sensitiveHeaders: ["x-key"] }], all, none],
    [[atA, { baseUrl: b, sensitiveHeaders: ["X-Open"] }], all, ""],
    [[atA, { baseUrl: b, sensitiveHeaders: [] }], all, none],
  ];
  for (const [chain, toA, toB] of rows) {
    const transport = new Notes();
    const [first, ...rest] = chain;
    const client = rest.reduce(
      (extended, options) => extended.extend(options),
      new Client({ ...first, transport }),
    );
    const what = JSON.stringify(chain);
    assert.equal(await sentTo(client, transport, a), toA, what);
    assert.equal(await sentTo(client, transport, b), toB, what);
  }
});

test("extend(): credentials in a baseUrl go with it, and to no other", async () => {
  const transport = new Notes();
  const client = new Client({ transport, baseUrl: "http://me:secret@a.test/v1/" });
  const basic = `Authorization: Basic ${btoa("me:secret")}`;
  assert.equal(await sentTo(client.extend(), transport, "x"), basic);
  assert.equal(await sentTo(client.extend({ baseUrl: "v2/" }), transport, "x"), basic);
  for (const baseUrl of ["http://b.test/", "//b.test/", "https://a.test/", "http://a.test:81/"]) {
    assert.equal(await sentTo(client.extend({ baseUrl }), transport, "x"), "", baseUrl);
  }
  assert.equal(await sentTo(client.extend({ baseUrl: "v2/" }), transport, "http://b.test/"), "");
});

test("retry: each hop is tried again, with the client's clock and its own options", async () => {
  const statuses = [503, 302, 503, 200];
  const hrefs: string[] = [];
  const transport: RoundTripper = {
    roundTrip: (request) => {
      hrefs.push(request.href);
      const headers: [string, string][] = [["Location", "/next"], ["Retry-After", "7"]];
      const status = statuses.shift()!;
      return Promise.resolve(fakeResponse("", { request, headers, status }));
    },
  };
  const clock = new ManualClock();
  const events: RetryEvent[] = [];
  const onRetry = (event: RetryEvent): void => void events.push(event);
  const client = new Client({ transport, clock, retry: { onRetry } });
  const sent = client.get("http://a.test/");
  for (const count of [1, 2]) {
    await until(`wait ${count}`, () => clock.startedCount === count);
    clock.advance(7_000);
  }
  assert.equal((await sent).status, 200);
  assert.deepEqual(events.map(({ status, delayMs }) => [status, delayMs]), [[503, 7_000], [
    503,
    7_000,
  ]]);
  const next = "http://a.test/next";
  assert.deepEqual(hrefs, ["http://a.test/", "http://a.test/", next, next]);
});

test("retry: true, false, and what it cannot be", async () => {
  const options: [ClientOptions["retry"], number][] = [
    [undefined, 1],
    [false, 1],
    [{ attempts: 2, random: () => 0 }, 2],
    [{ random: () => 0 }, 3],
  ];
  for (const [retry, count] of options) {
    const transport = new Notes(503);
    assert.equal((await new Client({ transport, retry }).get("http://a.test/")).status, 503);
    assert.equal(transport.requests.length, count);
  }
  const transport = new Notes(503);
  const clock = new ManualClock();
  const sent = new Client({ transport, clock, retry: true }).get("http://a.test/");
  for (const count of [1, 2]) {
    await until(`wait ${count}`, () => clock.startedCount === count);
    clock.advance(1_000);
  }
  assert.equal((await sent).status, 503);
  assert.equal(transport.requests.length, 3);
  for (const retry of [5, "yes", null, { attemps: 3 }, { attempts: 0 }]) {
    const faulty = { retry } as unknown as ClientOptions;
    assert.throws(() => new Client(faulty), { code: "ERR_INVALID_REQUEST" }, String(retry));
  }
});

test("retry: clients that are extended share one budget, and so do the modes of fetch", async () => {
  const retry = { attempts: 2, budget: 1, budgetRefill: 0, random: () => 0 };
  const sentBy = async (transport: Notes, client: Client): Promise<number> => {
    const before = transport.requests.length;
    await client.get("http://a.test/");
    return transport.requests.length - before;
  };
  const transport = new Notes(503);
  const client = new Client({ transport, retry });
  assert.equal(await sentBy(transport, client.extend({ timeoutMs: 60_000 })), 2);
  assert.equal(await sentBy(transport, client), 1);
  assert.equal(await sentBy(transport, client.extend()), 1);
  assert.equal(await sentBy(transport, client.extend({ retry: { ...retry } })), 2);
  assert.equal(await sentBy(transport, client.extend({ retry: false })), 1);
  const other = new Notes(503);
  assert.equal(await sentBy(other, client.extend({ transport: other })), 2);
  const own = new Notes(503);
  const fetch = createFetch({ transport: own, retry, jar: new MemoryCookieJar() });
  assert.equal((await fetch("http://a.test/")).status, 503);
  assert.equal(own.requests.length, 2);
  await fetch("http://a.test/", { redirect: "manual", credentials: "omit" });
  assert.equal(own.requests.length, 3);
});

test("fetch refuses throwOnError, in words", () => {
  const options = { throwOnError: true } as Parameters<typeof createFetch>[0];
  assert.throws(() => createFetch(options), {
    code: "ERR_INVALID_REQUEST",
    message: /every status is an answer/,
  });
});
