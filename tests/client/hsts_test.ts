/**
 * Hosts that are asked by https only, because they said so.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Client, createFetch, HstsStore, type HstsStoreOptions, HttpRequest } from "../../mod.ts";
import { testServer } from "../../testing/mod.ts";
import { watched } from "../support/console_errors.ts";
import { test } from "../support/harness.ts";
import "../support/no_network.ts";

const YEAR = "max-age=31536000";

/** A store and the time that it goes by. */
function storeAt(options: HstsStoreOptions = {}): { store: HstsStore; pass: (ms: number) => void } {
  let nowMs = Date.UTC(2026, 0, 1);
  const store = new HstsStore({ now: () => nowMs, ...options });
  return { store, pass: (ms) => nowMs += ms };
}

test("hsts: what a field may look like, and what of it counts", () => {
  const good = [
    YEAR,
    "MAX-AGE=1",
    'max-age="10"',
    " max-age = 5 ; preload",
    "; max-age=5;;",
    "max-age=99999999999999999999",
    'x="a;b"; max-age=1; y',
  ];
  const bad = [
    "",
    "includeSubDomains",
    "max-age",
    "max-age=",
    "max-age=-1",
    "max-age=1.5",
    "max-age=0x10",
    "max-age=1; max-age=1",
    "max-age=1; includeSubDomains=yes",
    "max-age=1; includeSubDomains; INCLUDESUBDOMAINS",
    'max-age=1; x="open',
    "max-age=1, max-age=2",
    "max-age=1 2",
    "max-age=0",
  ];
  for (const [values, isKnown] of [[good, true], [bad, false]] as const) {
    for (const value of values) {
      const { store } = storeAt();
      store.note("https://a.test/", value);
      assert.equal(store.isKnown("a.test"), isKnown, value);
      assert.ok(!store.isKnown("www.a.test"), value);
    }
  }
});

test("hsts: hosts below, time, and who may say it", () => {
  const { store, pass } = storeAt();
  store.note("https://a.test/", "max-age=10; includeSubDomains");
  store.note("https://b.test/", "max-age=10");
  const known = (...hosts: string[]): boolean[] => hosts.map((host) => store.isKnown(host));
  assert.deepEqual(
    known("a.test", "A.TEST", "a.test.", "x.a.test", "y.x.a.test"),
    Array(5).fill(true),
  );
  assert.deepEqual(known("xa.test", "test", "b.test", "x.b.test", ""), [
    false,
    false,
    true,
    false,
    false,
  ]);
  pass(9_999);
  assert.deepEqual(known("x.a.test", "b.test"), [true, true]);
  // Told again, it counts from now; 0 ends it.
  store.note("https://b.test/", "max-age=10");
  store.note("https://x.a.test/", "max-age=100");
  pass(1);
  assert.deepEqual(known("a.test", "x.a.test", "b.test"), [false, true, true]);
  store.note("https://b.test/", "max-age=0");
  assert.deepEqual(known("b.test"), [false]);
  // Neither without https nor of an address.
  store.note("http://c.test/", YEAR);
  for (const address of ["127.0.0.1", "[::1]", "2130706433"]) {
    store.note(`https://${address}/`, `${YEAR}; includeSubDomains`);
    assert.deepEqual(known(address, "127.0.0.1", "::1"), [false, false, false]);
  }
  assert.deepEqual(known("c.test"), [false]);
});

test("hsts: a store is bounded, and what it knows is not pushed out", () => {
  const { store, pass } = storeAt({ maxHosts: 2 });
  store.note("https://a.test/", "max-age=10");
  store.note("https://b.test/", "max-age=20");
  store.note("https://c.test/", "max-age=30");
  const known = (): string[] =>
    ["a.test", "b.test", "c.test"].filter((host) => store.isKnown(host));
  assert.deepEqual(known(), ["a.test", "b.test"]);
  store.note("https://b.test/", "max-age=20; includeSubDomains");
  pass(10_000);
  store.note("https://c.test/", "max-age=30");
  assert.deepEqual(known(), ["b.test", "c.test"]);
});

test("hsts: as JSON and back", () => {
  const { store, pass } = storeAt();
  store.note("https://a.test/", "max-age=10");
  store.note("https://b.test/", "max-age=20; includeSubDomains");
  const json = JSON.parse(JSON.stringify(store));
  assert.deepEqual(json, {
    version: 1,
    hosts: [
      { host: "a.test", includeSubDomains: false, expires: "2026-01-01T00:00:10.000Z" },
      { host: "b.test", includeSubDomains: true, expires: "2026-01-01T00:00:20.000Z" },
    ],
  });
  const now = (): number => Date.UTC(2026, 0, 1, 0, 0, 10);
  const again = HstsStore.fromJSON(json, { now });
  assert.deepEqual(["a.test", "b.test", "x.b.test"].map((host) => again.isKnown(host)), [
    false,
    true,
    true,
  ]);
  assert.deepEqual(again.toJSON().hosts.map(({ host }) => host), ["b.test"]);
  pass(10_000);
  assert.deepEqual(store.toJSON(), again.toJSON());
  const host = { host: "a.test", includeSubDomains: false, expires: "2026-01-01T00:00:10.000Z" };
  const bad: unknown[] = [
    null,
    {},
    { version: 2, hosts: [] },
    { version: 1, hosts: {} },
    { version: 1, hosts: [null] },
    { version: 1, hosts: [{ ...host, host: "127.0.0.1" }] },
    { version: 1, hosts: [{ ...host, host: "A.test" }] },
    { version: 1, hosts: [{ ...host, includeSubDomains: 1 }] },
    { version: 1, hosts: [{ ...host, expires: "soon" }] },
  ];
  for (const value of bad) {
    assert.throws(() => HstsStore.fromJSON(value), { code: "ERR_INVALID_REQUEST" });
  }
  const options: unknown[] = [{ maxHosts: 0 }, { now: 1 }, { preload: true }];
  for (const value of options) {
    assert.throws(() => new HstsStore(value as HstsStoreOptions), { code: "ERR_INVALID_REQUEST" });
  }
  assert.throws(() => new Client({ hsts: {} as HstsStore }), { code: "ERR_INVALID_REQUEST" });
});

test("hsts: requests and redirects are changed before anything is sent", async () => {
  await using server = await testServer((request) => {
    const url = new URL(request.url);
    const to = url.searchParams.get("to");
    const headers: Record<string, string> = to === null ? {} : { Location: to };
    // Not the first field does not count, nor do those without https.
    const field = url.searchParams.get("hsts");
    if (field !== null) headers["Strict-Transport-Security"] = field;
    return new Response("ok", { status: to === null ? 200 : 302, headers });
  });
  const transport = server.transport();
  const hsts = new HstsStore();
  const client = new Client({ transport, hsts });
  const asked = async (url: string): Promise<string> => {
    const response = await client.get(url);
    await response.bytes();
    return response.url;
  };
  const field = encodeURIComponent(`${YEAR}; includeSubDomains`);
  assert.equal(await asked(`http://a.test/?hsts=${field}`), `http://a.test/?hsts=${field}`);
  assert.equal(await asked("http://a.test/"), "http://a.test/");
  // Also what leads elsewhere says it.
  await asked(`https://a.test/?hsts=${field}&to=http://b.test/`);
  assert.equal(await asked("http://a.test/x?y"), "https://a.test/x?y");
  assert.equal(await asked("http://www.a.test:80/"), "https://www.a.test/");
  assert.equal(await asked("http://a.test:8080/"), "https://a.test:8080/");
  assert.equal(await asked("http://b.test/?to=http://a.test/there"), "https://a.test/there");
  const next: string[] = [];
  const checking = new Client({
    transport,
    hsts,
    checkRedirect: ({ href }) => void next.push(href),
  });
  await (await checking.get("http://b.test/?to=http://a.test/there")).bytes();
  assert.deepEqual(next, ["https://a.test/there"]);
  // A target of the caller's is asked for as it is.
  const request = new HttpRequest("http://a.test/", {
    target: "/a/../b",
    method: "PUT",
    body: "x",
  });
  const response = await client.do(request);
  await response.bytes();
  const { target, method } = server.requests.at(-1)!;
  assert.deepEqual([response.url, target, method], ["https://a.test/", "/a/../b", "PUT"]);
  const fetch = createFetch({ transport, hsts });
  assert.equal((await fetch("http://a.test/fetched")).url, "https://a.test/fetched");
  assert.equal((await fetch("http://b.test/fetched")).url, "http://b.test/fetched");
});

test("hsts: a clock that fails loses no answer", async () => {
  const hsts = new HstsStore({
    now: () => {
      throw new Error("no time");
    },
  });
  await using server = await testServer(() =>
    new Response("ok", { headers: { "Strict-Transport-Security": YEAR } })
  );
  const client = new Client({ transport: server.transport(), hsts });
  const { told } = await watched(async () => {
    assert.equal(await (await client.get("https://a.test/")).text(), "ok");
    assert.ok(hsts.isKnown("a.test"));
  });
  assert.match(String(told[0][0]), /now\(\) of an HstsStore failed/);
});
