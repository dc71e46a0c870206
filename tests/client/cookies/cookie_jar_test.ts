/**
 * The cookie jar: what it takes, what it refuses, what it gives to whom.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError, MemoryCookieJar, type MemoryCookieJarOptions } from "../../../mod.ts";
import { test } from "../../support/harness.ts";

/** What a jar gives to `to` after `from` has set cookies. */
async function given(
  from: string,
  setCookies: string[],
  to: string = from,
  options: MemoryCookieJarOptions = {},
): Promise<string> {
  const jar = new MemoryCookieJar(options);
  for (const setCookie of setCookies) await jar.setCookie(new URL(from), setCookie);
  return await jar.getCookieHeader(new URL(to));
}

test("cookie jar: host, domain and path decide who gets a cookie", async () => {
  const rows: [string, string, string, boolean][] = [
    ["http://a.test/", "n=v", "http://a.test/x", true],
    ["http://a.test/", "n=v", "https://a.test:8443/x", true],
    ["http://a.test/", "n=v", "http://b.a.test/", false],
    ["http://b.a.test/", "n=v; Domain=a.test", "http://c.a.test/", true],
    ["http://b.a.test/", "n=v; Domain=.A.TEST", "http://a.test/", true],
    ["http://b.a.test/", "n=v; Domain=a.test", "http://ba.test/", false],
    ["http://a.test/", "n=v; Domain=b.a.test", "http://b.a.test/", false],
    ["http://a.test/", "n=v; Domain=b.test", "http://b.test/", false],
    ["http://a.test/x/y", "n=v", "http://a.test/x/z", true],
    ["http://a.test/x/y", "n=v", "http://a.test/xy", false],
    ["http://a.test/x/y", "n=v", "http://a.test/", false],
    ["http://a.test/x/y", "n=v; Path=/", "http://a.test/", true],
    ["http://a.test/", "n=v; Path=/admin", "http://a.test/admin/", true],
    ["http://a.test/", "n=v; Path=/admin", "http://a.test/administrator", false],
    ["http://127.0.0.1/", "n=v; Domain=127.0.0.1", "http://127.0.0.1/", true],
    ["http://127.0.0.1/", "n=v; Domain=0.0.1", "http://127.0.0.1/", false],
    ["http://[::1]/", "n=v", "http://[::1]:81/", true],
    ["http://localhost/", "n=v", "http://localhost/", true],
    ["http://a.test./", "n=v", "http://a.test/", false],
    ["http://a.test/", "n=v", "http://a.test./", false],
  ];
  for (const [from, setCookie, to, gets] of rows) {
    assert.equal(
      await given(from, [setCookie], to),
      gets ? "n=v" : "",
      `${from} ${setCookie} ${to}`,
    );
  }
});

test("cookie jar: Secure cookies are set, sent and replaced only by https", async () => {
  const rows: [string, string[], string, string][] = [
    ["https://a.test/", ["n=v; Secure"], "https://a.test/", "n=v"],
    ["https://a.test/", ["n=v; Secure"], "http://a.test/", ""],
    ["http://a.test/", ["n=v; Secure"], "https://a.test/", ""],
    ["https://127.0.0.1/", ["n=v; Secure"], "http://127.0.0.1/", ""],
    ["http://localhost/", ["n=v; Secure"], "https://localhost/", ""],
    ["https://a.test/", ["__Secure-n=v"], "https://a.test/", ""],
    ["https://a.test/", ["__Secure-n=v; Secure"], "https://a.test/", "__Secure-n=v"],
    ["https://a.test/", ["__Host-n=v; Secure; Path=/"], "https://a.test/", "__Host-n=v"],
    ["https://a.test/", ["__Host-n=v; Secure; Path=/; Domain=a.test"], "https://a.test/", ""],
    ["https://a.test/", ["__host-n=v; Secure; Path=/; Domain=a.test"], "https://a.test/", ""],
    ["https://a.test/", ["__SECURE-n=v"], "https://a.test/", ""],
  ];
  for (const [from, setCookies, to, expected] of rows) {
    assert.equal(await given(from, setCookies, to), expected, `${from} ${setCookies} ${to}`);
  }
  const jar = new MemoryCookieJar();
  await jar.setCookie(new URL("https://a.test/x/y"), "n=safe; Secure; Path=/x");
  await jar.setCookie(new URL("http://a.test/"), "n=evil; Path=/x");
  await jar.setCookie(new URL("http://b.a.test/"), "n=evil; Domain=a.test; Path=/x/y");
  await jar.setCookie(new URL("http://a.test/"), "other=1; Path=/x");
  assert.equal(await jar.getCookieHeader(new URL("https://a.test/x/y")), "n=safe; other=1");
});

test("cookie jar: the longest path comes first, then the oldest; a new value keeps its place", async () => {
  const setCookies = ["a=1; Path=/", "b=1; Path=/x", "c=1; Path=/", "a=2; Path=/"];
  assert.equal(await given("http://a.test/x/y", setCookies), "b=1; a=2; c=1");
});

test("cookie jar: expiry by Max-Age, Expires and a past date; none is longer than 400 days", async () => {
  const rows: [string, boolean][] = [
    ["n=v; Max-Age=60", true],
    ["n=v; Max-Age=0", false],
    ["n=v; Max-Age=-1", false],
    ["n=v; Max-Age=0; Expires=Wed, 01 Jan 2200 00:00:00 GMT", false],
    ["n=v; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", true],
    ["n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false],
    ["n=v; Expires=Wed, 01 Jan 2200 00:00:00 GMT", true],
    ["n=v; Max-Age=99999999999999999999", true],
    ["n=v; Max-Age=1e9", true],
  ];
  for (const [setCookie, kept] of rows) {
    const jar = new MemoryCookieJar();
    await jar.setCookie(new URL("http://a.test/"), "n=old");
    await jar.setCookie(new URL("http://a.test/"), setCookie);
    assert.equal(
      await jar.getCookieHeader(new URL("http://a.test/")),
      kept ? "n=v" : "",
      setCookie,
    );
    const [cookie] = jar.toJSON().cookies;
    if (!kept) assert.equal(cookie, undefined);
    if (kept && cookie.expires !== null) {
      const days = (Date.parse(cookie.expires) - Date.now()) / 86_400_000;
      assert.ok(days > 0 && days <= 400, `${setCookie}: ${days}`);
    }
  }
});

test("cookie jar: a cookie without a date ends with the session, and its JSON says so", async () => {
  for (const setCookie of ["n=v", "n=v; Max-Age=1e9", "n=v; Expires=soon"]) {
    const jar = new MemoryCookieJar();
    await jar.setCookie(new URL("http://a.test/"), setCookie);
    assert.equal(jar.toJSON().cookies[0].expires, null, setCookie);
  }
});

/** Runs at a later time, for whoever asks for the date. */
async function later<T>(ms: number, run: () => Promise<T>): Promise<T> {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(date?: number) {
      super(date ?? RealDate.now() + ms);
    }
    static override now(): number {
      return RealDate.now() + ms;
    }
  } as DateConstructor;
  try {
    return await run();
  } finally {
    globalThis.Date = RealDate;
  }
}

test("cookie jar: using a cookie does not begin its Max-Age anew", async () => {
  const jar = new MemoryCookieJar();
  const url = new URL("http://a.test/");
  await jar.setCookie(url, "n=v; Max-Age=60");
  for (const [ms, expected] of [[0, "n=v"], [40_000, "n=v"], [59_000, "n=v"], [61_000, ""]]) {
    const header = await later(ms as number, () => jar.getCookieHeader(url));
    assert.equal(header, expected, `after ${ms} ms`);
  }
});

test("T38 a Domain that is a public suffix, or ends in a dot, is refused in any case", async () => {
  const rows: [string, string][] = [
    ["http://a.co.uk/", "co.UK"],
    ["http://a.co.uk/", "CO.uk"],
    ["http://a.co.uk/", ".co.uk"],
    ["http://a.co.uk/", "co.uk."],
    ["http://a.co.uk/", "a.co.uk."],
    ["http://a.co.uk./", "co.uk."],
    ["http://b.a.co.uk./", "a.co.uk."],
    ["http://a.com/", "com"],
    ["http://a.com/", "com."],
    ["http://a.com./", "com."],
    ["http://a.com/", "COM"],
    ["http://a.com/", ".."],
    ["http://a.github.io/", "github.io"],
    ["http://a.com/", "\xfc@com"],
    ["http://a.test/", "test"],
    ["http://a.localhost/", "localhost."],
  ];
  for (const [url, domain] of rows) {
    assert.equal(await given(url, [`n=v; Domain=${domain}`]), "", `${url} ${domain}`);
  }
  // Of nothing but a dot, nothing is left: the cookie is for its host alone.
  assert.equal(await given("http://a.com/", ["n=v; Domain=."]), "n=v");
  assert.equal(await given("http://a.com/", ["n=v; Domain=."], "http://b.com/"), "");
  assert.equal(await given("http://a.com/", ["n=v; Domain=."], "http://b.a.com/"), "");
});

test("T39 cookies are limited each, per site, in all, and per request", async () => {
  const url = "http://a.test/";
  assert.equal(await given(url, ["n=" + "v".repeat(4095)]), "n=" + "v".repeat(4095));
  assert.equal(await given(url, ["n=" + "v".repeat(4096)]), "");
  assert.equal(await given(url, ["n=v; Path=/" + "x".repeat(1024)], url + "x".repeat(1024)), "");
  assert.equal(await given(url, ["n=v; Comment=" + "x".repeat(20_000)]), "");

  const many = Array.from({ length: 10 }, (_, n) => `n${n}=v`);
  assert.equal(await given(url, many, url, { maxCookiesPerSite: 2 }), "n8=v; n9=v");
  assert.equal(await given(url, many, url, { maxCookies: 2 }), "n8=v; n9=v");
  assert.equal(await given(url, many, url, { maxHeaderBytes: 15 }), "n0=v; n1=v");
  const big = ["a=" + "v".repeat(20), ...many];
  assert.equal(await given(url, big, url, { maxHeaderBytes: 15 }), "n0=v; n1=v");

  // Hosts of one site share its limit, and cost another site nothing.
  const jar = new MemoryCookieJar({ maxCookiesPerSite: 3, maxCookies: 100 });
  await jar.setCookie(new URL("http://b.test/"), "kept=1");
  for (let n = 0; n < 10; n++) await jar.setCookie(new URL(`http://h${n}.a.test/`), "n=v");
  assert.equal(jar.toJSON().cookies.length, 4);
  assert.equal(await jar.getCookieHeader(new URL("http://b.test/")), "kept=1");

  const defaults = new MemoryCookieJar();
  for (let n = 0; n < 300; n++) await defaults.setCookie(new URL(url), `n${n}=${"v".repeat(100)}`);
  assert.equal(defaults.toJSON().cookies.length, 180);
  const header = await defaults.getCookieHeader(new URL(url));
  assert.ok(header.length <= 8190 && header.length > 8000, `${header.length}`);
});

test("T40 control characters, and characters that are no bytes, make a cookie void", async () => {
  for (let code = 0; code < 0x20; code++) {
    const c = String.fromCharCode(code);
    for (const cookie of [`n${c}m=v`, `n=v${c}w`, `n=v; Path=/a${c}`]) {
      const isTab = c === "\t" && cookie.startsWith("n=v;");
      assert.equal(await given("http://a.test/a", [cookie]), isTab ? "n=v" : "", `${code}`);
    }
  }
  for (
    const cookie of [
      "n=\x7f",
      "n\x7f=v",
      "n=\u010a",
      "n=\u010dx",
      "=v",
      "v",
      "",
      ";",
      "=",
      "n\u0000",
    ]
  ) {
    assert.equal(await given("http://a.test/", [cookie]), "", JSON.stringify(cookie));
  }
});

test("T41 SameSite is matched whole, values are kept as they are, and checked on their way out", async () => {
  const rows: [string, string | null][] = [
    ["Strict", "strict"],
    ["lax", "lax"],
    ["NONE", "none"],
    ["Strictly", null],
    ["NotNone", null],
    ["lax strict", null],
    ["", null],
  ];
  for (const [value, expected] of rows) {
    const jar = new MemoryCookieJar();
    await jar.setCookie(new URL("http://a.test/"), `n=v; SameSite=${value}`);
    assert.equal(jar.toJSON().cookies[0].sameSite, expected, value);
  }
  const value = '%0d%0aX: y%3b "q" \xe9 a=b, c';
  assert.equal(await given("http://a.test/", [`n%3d=${value}`]), `n%3d=${value}`);
  // Paths too: %61 is not a.
  assert.equal(await given("http://a.test/", ["n=v; Path=/admin"], "http://a.test/%61dmin"), "");
  assert.equal(await given("http://a.test/%61/", ["n=v"], "http://a.test/a/"), "");
  assert.equal(await given("http://a.test/%61/", ["n=v"], "http://a.test/%61/x"), "n=v");

  const good = {
    name: "n",
    value: "v",
    domain: "a.test",
    hostOnly: true,
    path: "/",
    secure: false,
    httpOnly: false,
    sameSite: null,
    expires: null,
  };
  const wrong = [
    { name: "n;x" },
    { name: "n=" },
    { name: "" },
    { value: "v\r\nX: y" },
    { value: "v; x=y" },
    { value: 1 },
    { domain: "a.test; x" },
    { path: "x" },
    { path: "/\nx" },
    { secure: 1 },
    { sameSite: "Strict" },
    { expires: "never" },
    { hostOnly: undefined },
  ];
  for (const change of wrong) {
    assert.throws(
      () => MemoryCookieJar.fromJSON({ version: 1, cookies: [{ ...good, ...change }] }),
      {
        code: "ERR_INVALID_REQUEST",
      },
    );
  }
  const jar = MemoryCookieJar.fromJSON({ version: 1, cookies: [good] });
  assert.equal(await jar.getCookieHeader(new URL("http://a.test/")), "n=v");
});

test("T43 __proto__ is a name like any other", async () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const setCookies = [`${name}=v; polluted=1`, `n=v; Path=/${name}`, `m=v; Domain=${name}`];
    const jar = new MemoryCookieJar();
    for (const setCookie of setCookies) await jar.setCookie(new URL("http://a.test/"), setCookie);
    await jar.setCookie(new URL(`http://${name.toLowerCase()}/`), "n=v");
    assert.equal(await jar.getCookieHeader(new URL("http://a.test/")), `${name}=v`);
    const again = MemoryCookieJar.fromJSON(JSON.parse(JSON.stringify(jar)));
    assert.equal(await again.getCookieHeader(new URL("http://a.test/")), `${name}=v`);
    assert.equal(
      await again.getCookieHeader(new URL(`http://a.test/${name}`)),
      `n=v; ${name}=v`,
    );
  }
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  assert.equal(({} as Record<string, unknown>)["v"], undefined);
});

test("cookie jar: toJSON() and fromJSON() keep everything, before and after the library is loaded", async () => {
  const jar = new MemoryCookieJar();
  const url = new URL("https://b.a.test/x/y");
  await jar.setCookie(url, "a=1; Secure; HttpOnly; SameSite=Lax; Max-Age=3600; Domain=a.test");
  await jar.setCookie(url, "b=2");
  await jar.setCookie(url, "gone=1; Max-Age=0");
  const json = JSON.parse(JSON.stringify(jar));
  assert.deepEqual(json.cookies.map(({ name }: { name: string }) => name), ["a", "b"]);
  const again = MemoryCookieJar.fromJSON(json);
  assert.deepEqual(JSON.parse(JSON.stringify(again)), json);
  assert.equal(await again.getCookieHeader(url), "a=1; b=2");
  assert.equal(await again.getCookieHeader(new URL("https://c.a.test/x/")), "a=1");
  assert.deepEqual(JSON.parse(JSON.stringify(again)), json);

  const old = { ...json, cookies: [{ ...json.cookies[0], expires: "2001-01-01T00:00:00.000Z" }] };
  assert.equal(await MemoryCookieJar.fromJSON(old).getCookieHeader(url), "");
  for (
    const bad of [null, undefined, "x", 1, [], {}, { version: 2, cookies: [] }, { version: 1 }]
  ) {
    assert.throws(
      () => MemoryCookieJar.fromJSON(bad),
      (error) => error instanceof HttpError && error.code === "ERR_INVALID_REQUEST",
    );
  }
});

test("cookie jar: refuses options it does not know, and limits below 1", () => {
  for (const options of [{ max: 1 }, { maxCookies: 0 }, { maxCookies: 1.5 }, { maxCookies: "9" }]) {
    assert.throws(() => new MemoryCookieJar(options as MemoryCookieJarOptions), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});

test("cookie jar: calls that overlap while the library is loaded keep their order", async () => {
  const jar = new MemoryCookieJar();
  const url = new URL("http://a.test/");
  const all = [jar.setCookie(url, "n=1"), jar.setCookie(url, "n=2"), jar.setCookie(url, "m=1")];
  assert.equal(await jar.getCookieHeader(url), "n=2; m=1");
  await Promise.all(all);
});

test("cookie jar: a semicolon in the path of a URL does not spoil what is kept", async () => {
  const url = new URL("http://a.test/a;b/c");
  const jar = new MemoryCookieJar();
  await jar.setCookie(url, "n=v");
  const again = MemoryCookieJar.fromJSON(JSON.parse(JSON.stringify(jar)));
  assert.equal(await again.getCookieHeader(url), "n=v");
  assert.equal(await again.getCookieHeader(new URL("http://a.test/a")), "");
});

test("cookie jar: a cookie without an end is kept without one", async () => {
  const jar = new MemoryCookieJar();
  const url = new URL("http://a.test/");
  for (const end of ["", "; Expires=never", "; Max-Age=soon"]) {
    await jar.setCookie(url, `n=v${end}`);
  }
  assert.deepEqual(jar.toJSON().cookies.map(({ expires }) => expires), [null]);
});

test("cookie jar: what has no host has no cookies", async () => {
  const jar = new MemoryCookieJar();
  for (const text of ["http+unix://%2Fa.sock/", "data:,x", "file:///a", "blob:http://a.test/b"]) {
    await jar.setCookie(new URL(text), "n=v");
    assert.equal(await jar.getCookieHeader(new URL(text)), "", text);
  }
  assert.deepEqual(jar.toJSON().cookies, []);
});
