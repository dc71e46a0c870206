/**
 * Who asks: what is said to whom, how often, and what never is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type Authenticator,
  AuthTransport,
  basicAuth,
  bearerAuth,
  Client,
  createFetch,
  digestAuth,
  type DigestAuthOptions,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  Transport,
} from "../../../mod.ts";
import { type TestHandler, type TestServer, testServer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { type RawHandler, withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

const HOME = "http://home.test";
const ME = { origins: HOME, username: "me", password: "pw" };

function hash(name: string, text: string): string {
  return createHash(name).update(text).digest("hex");
}

/** The parameter of an `Authorization`, without quotes. */
function param(value: string | null, name: string): string {
  return new RegExp(`[ ,]${name}="?([^",]*)`).exec(value ?? "")?.[1] ?? "";
}

interface Proving {
  readonly hash?: string;
  readonly realm?: string;
  readonly password?: string;
}

/** Whether credentials prove what they should, judged without any code of ours. */
function proves(method: string, value: string | null, options: Proving = {}): boolean {
  const { hash: name = "sha256", realm = "r", password = "pw" } = options;
  const first = hash(name, `me:${realm}:${password}`);
  const second = hash(name, `${method}:${param(value, "uri")}`);
  const parts = ["nonce", "nc", "cnonce", "qop"].map((part) => param(value, part));
  return param(value, "response") === hash(name, [first, ...parts, second].join(":"));
}

const challenge = (nonce: string, more = ""): Record<string, string> => ({
  "WWW-Authenticate": `Digest realm="r", nonce="${nonce}", qop="auth", algorithm=SHA-256${more}`,
});

function refuse(headers: Record<string, string>): Response {
  return new Response("who asks?", { status: 401, headers });
}

interface Rig {
  readonly server: TestServer;
  readonly client: Client;
  readonly transport: Transport;
  /** Host, path and credentials of each request, oldest first. */
  readonly seen: [host: string, path: string, credentials: string | null][];
}

/** A client that says who asks, and a server in memory that every host leads to. */
async function withRig(
  auth: Authenticator,
  handler: TestHandler,
  run: (rig: Rig) => Promise<void>,
  clock?: ManualClock,
): Promise<void> {
  const seen: Rig["seen"] = [];
  await using server = await testServer((request, info) => {
    const { host, pathname } = new URL(request.url);
    seen.push([host, pathname, request.headers.get("authorization")]);
    return handler(request, info);
  });
  const transport = server.transport({ maxConnsPerHost: 4 });
  const client = new Client({ transport: new AuthTransport(transport, auth, { clock }) });
  await run({ server, client, transport, seen });
  assert.deepEqual(server.errors, []);
  await until("no request is under way", () => transport.stats().active === 0);
}

async function statusOf(client: Client, url: string, init?: HttpRequestInit): Promise<number> {
  const response = await client.do(new HttpRequest(url, init));
  await response.bytes();
  return response.status;
}

async function thrown(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}

test("auth: digest asks once, and counts from then on", async () => {
  await withRig(digestAuth(ME), (request) => {
    const value = request.headers.get("authorization");
    return proves(request.method, value) ? new Response("in") : refuse(challenge("n1"));
  }, async ({ client, transport, seen }) => {
    assert.equal(await statusOf(client, `${HOME}/a?b=c`), 200);
    assert.equal(await statusOf(client, `${HOME}/b`, { method: "POST", body: "x" }), 200);
    assert.deepEqual(seen.map(([, path, value]) => [path, param(value, "nc")]), [
      ["/a", ""],
      ["/a", "00000001"],
      ["/b", "00000002"],
    ]);
    assert.equal(param(seen[1][2], "uri"), "/a?b=c");
    const authenticated = new AuthTransport(transport, digestAuth(ME));
    const fetch = createFetch({ transport: authenticated, baseUrl: HOME });
    const response = await fetch("/fetched", { method: "POST", body: new Blob(["x"]) });
    assert.deepEqual([response.status, await response.text()], [200, "in"]);
  });
});

test("auth: many digest requests at once have each a count of their own", async () => {
  const counts = new Set<string>();
  let refused = 0;
  await withRig(digestAuth(ME), (request) => {
    const value = request.headers.get("authorization");
    if (value === null) {
      refused++;
      return refuse(challenge("n1"));
    }
    assert.ok(proves(request.method, value));
    const nc = param(value, "nc");
    assert.ok(!counts.has(nc), nc);
    counts.add(nc);
    return new Response("in");
  }, async ({ client }) => {
    const all = Array.from({ length: 30 }, (_, i) => statusOf(client, `${HOME}/${i}`));
    assert.deepEqual(new Set(await Promise.all(all)), new Set([200]));
    assert.equal(counts.size, 30);
    assert.ok(refused >= 1);
  });
});

test("auth: nonces that are good once, old, or named ahead", async () => {
  // One nonce for one request: each is answered with that of its own refusal.
  const made = new Set<string>();
  await withRig(digestAuth(ME), (request) => {
    const value = request.headers.get("authorization");
    if (proves(request.method, value) && made.delete(param(value, "nonce"))) {
      return new Response("in");
    }
    const nonce = `n${made.size}-${Math.random()}`;
    made.add(nonce);
    return refuse(challenge(nonce, value === null ? "" : ", stale=true"));
  }, async ({ client }) => {
    const all = Array.from({ length: 8 }, (_, i) => statusOf(client, `${HOME}/${i}`));
    assert.deepEqual(new Set(await Promise.all(all)), new Set([200]));
    assert.equal(await statusOf(client, `${HOME}/again`), 200);
  });
  // A nonce that is named ahead saves the refusal.
  let next = 1;
  await withRig(digestAuth(ME), (request) => {
    const value = request.headers.get("authorization");
    if (!proves(request.method, value) || param(value, "nonce") !== `n${next}`) {
      return refuse(challenge(`n${next}`));
    }
    return new Response("in", { headers: { "Authentication-Info": `nextnonce="n${++next}"` } });
  }, async ({ client, seen }) => {
    for (let i = 0; i < 3; i++) assert.equal(await statusOf(client, `${HOME}/`), 200);
    assert.deepEqual(seen.map(([, , value]) => [param(value, "nonce"), param(value, "nc")]), [
      ["", ""],
      ["n1", "00000001"],
      ["n2", "00000001"],
      ["n3", "00000001"],
    ]);
  });
  // A server that was started anew, and does not call the old nonce old.
  let nonce = "before";
  await withRig(digestAuth(ME), (request) => {
    const value = request.headers.get("authorization");
    const isGood = proves(request.method, value) && param(value, "nonce") === nonce;
    return isGood ? new Response("in") : refuse(challenge(nonce));
  }, async ({ client, seen }) => {
    assert.equal(await statusOf(client, `${HOME}/`), 200);
    nonce = "after";
    assert.equal(await statusOf(client, `${HOME}/`), 200);
    assert.equal(seen.length, 4);
  });
});

test("auth: a refusal ends: wrong password, old for ever, the same nonce again", async () => {
  const rows: [string, (asked: number) => Record<string, string>, number][] = [
    ["a wrong password", () => challenge("n1"), 2],
    ["a wrong password, new nonces", (asked) => challenge(`n${asked}`), 2],
    ["old for ever", (asked) => challenge(`n${asked}`, ", stale=true"), 4],
    ["the same nonce, old for ever", () => challenge("n1", ", stale=true"), 4],
    ["no challenge", () => ({}), 1],
    ["Basic only", () => ({ "WWW-Authenticate": 'Basic realm="r"' }), 1],
    ["something else", () => ({ "WWW-Authenticate": "Negotiate" }), 1],
  ];
  for (const [what, headers, asked] of rows) {
    let count = 0;
    await withRig(digestAuth(ME), () => refuse(headers(++count)), async ({ client }) => {
      const response = await client.get(`${HOME}/`);
      assert.deepEqual([response.status, await response.text()], [401, "who asks?"], what);
      assert.equal(count, asked, what);
    });
  }
});

test("auth: digest shows the password only where that is allowed, and never after a proof", async () => {
  const basic = { "WWW-Authenticate": 'Basic realm="r"' };
  const allowing: DigestAuthOptions = { ...ME, allowBasic: true };
  await withRig(
    digestAuth(allowing),
    (request) => request.headers.has("authorization") ? new Response("in") : refuse(basic),
    async ({ client, seen }) => {
      assert.equal(await statusOf(client, `${HOME}/`), 200);
      assert.equal(await statusOf(client, `${HOME}/`), 200);
      const login = `Basic ${btoa("me:pw")}`;
      assert.deepEqual(seen.map(([, , value]) => value), [null, login, login]);
    },
  );
  // Both are offered: a proof it is. Then it is no longer asked for, nor is the password shown.
  let offersBoth = true;
  await withRig(digestAuth(allowing), (request) => {
    if (!offersBoth) return refuse(basic);
    if (proves(request.method, request.headers.get("authorization"))) return new Response("in");
    const both = new Headers(basic);
    both.append("WWW-Authenticate", challenge("n1")["WWW-Authenticate"]);
    return new Response("", { status: 401, headers: both });
  }, async ({ client, seen }) => {
    assert.equal(await statusOf(client, `${HOME}/`), 200);
    offersBoth = false;
    assert.equal(await statusOf(client, `${HOME}/`), 401);
    assert.equal(await statusOf(client, `${HOME}/`), 401);
    assert.ok(seen.every(([, , value]) => value?.startsWith("Basic ") !== true));
  });
});

test("auth: nobody is told but the origins, whoever sends there", async () => {
  const secrets: Authenticator[] = [
    basicAuth(ME),
    digestAuth({ ...ME, allowBasic: true }),
    bearerAuth({ origins: HOME, token: "tok" }),
  ];
  for (const auth of secrets) {
    await withRig(auth, (request) => {
      const url = new URL(request.url);
      const to = url.searchParams.get("to");
      if (to !== null) return new Response("", { status: 307, headers: { Location: to } });
      if (url.host === "home.test" && request.headers.has("authorization")) {
        return new Response("in");
      }
      const both = new Headers(challenge("n1", ', domain="/ http://away.test/"'));
      both.append("WWW-Authenticate", 'Basic realm="r"');
      return new Response("", { status: 401, headers: both });
    }, async ({ client, seen }) => {
      assert.equal(await statusOf(client, `${HOME}/`), 200);
      // Straight there, by a redirect, to another port or scheme of the same host.
      for (const other of ["http://away.test", "http://home.test:81", "https://home.test"]) {
        assert.equal(await statusOf(client, `${other}/`), 401);
        assert.equal(await statusOf(client, `${HOME}/?to=${other}/`), 401);
      }
      // From there back: whoever is elsewhere does not choose what is asked.
      const back = encodeURIComponent(`${HOME}/back`);
      assert.equal(await statusOf(client, `http://away.test/?to=${back}`), 401);
      const there = encodeURIComponent(`http://away.test/?to=${back}`);
      assert.equal(await statusOf(client, `${HOME}/?to=${there}`), 401);
      // Within, it goes along.
      assert.equal(await statusOf(client, `${HOME}/?to=/within`), 200);
      for (const [host, path, value] of seen) {
        if (host !== "home.test" || path === "/back") assert.equal(value, null, host + path);
      }
      // What the caller says himself is sent as it is.
      const headers = { "Authorization": "Mine abc" };
      assert.equal(await statusOf(client, `${HOME}/own`, { headers }), 200);
      assert.equal(seen.at(-1)![2], "Mine abc");
    });
  }
});

test("auth: several origins, several realms, and what a challenge is about", async () => {
  const auth = digestAuth({ ...ME, origins: [HOME, "http://two.test"] });
  await withRig(auth, (request) => {
    const { pathname } = new URL(request.url);
    const value = request.headers.get("authorization");
    const [area] = /^\/[ab]/.exec(pathname) ?? [];
    if (area === undefined) return new Response("open");
    const realm = area.slice(1);
    if (proves(request.method, value, { realm }) && param(value, "realm") === realm) {
      return new Response("in");
    }
    const domain = `${area} http://two.test${area}`;
    return refuse({
      "WWW-Authenticate":
        `Digest realm="${realm}", nonce="n${realm}", qop="auth", algorithm=SHA-256, domain="${domain}"`,
    });
  }, async ({ client, seen }) => {
    for (const path of ["/a", "/b", "/a/1", "/b/1", "/open"]) {
      assert.equal(await statusOf(client, `${HOME}${path}`), 200);
    }
    assert.equal(await statusOf(client, "http://two.test/a"), 200);
    assert.deepEqual(seen.map(([host, path, value]) => `${host}${path} ${param(value, "realm")}`), [
      "home.test/a ",
      "home.test/a a",
      "home.test/b ",
      "home.test/b b",
      "home.test/a/1 a",
      "home.test/b/1 b",
      "home.test/open ",
      "two.test/a a",
    ]);
  });
});

test("auth: auth-int covers bodies that are known, and no others are sent with it", async () => {
  const headers = { "WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth-int"' };
  await withRig(digestAuth(ME), async (request) => {
    const value = request.headers.get("authorization");
    const body = await request.text();
    const second = hash("md5", `PUT:${param(value, "uri")}:${hash("md5", body)}`);
    const parts = ["nonce", "nc", "cnonce", "qop"].map((part) => param(value, part));
    const proof = hash("md5", [hash("md5", "me:r:pw"), ...parts, second].join(":"));
    return param(value, "response") === proof ? new Response("in") : refuse(headers);
  }, async ({ client, seen }) => {
    const bytes = new TextEncoder().encode("bytes");
    const known = ["text", bytes, bytes.buffer, new URLSearchParams("a=b"), null];
    for (const body of known) {
      assert.equal(await statusOf(client, `${HOME}/`, { method: "PUT", body }), 200);
    }
    assert.equal(seen.length, known.length + 1);
    const form = new FormData();
    form.append("a", "b");
    for (const body of [form, new Blob(["x"]), () => "x"]) {
      assert.equal(await statusOf(client, `${HOME}/`, { method: "PUT", body }), 401);
    }
    assert.deepEqual(seen.slice(-3).map(([, , value]) => value), [null, null, null]);
  });
  // One that is another by the time it is asked for: the answer is not left open.
  const gone = new ArrayBuffer(8, { maxByteLength: 8 });
  const refuseAndResize = (): Response => {
    gone.resize(4);
    return new Response("x".repeat(1_000_000), { status: 401, headers });
  };
  await withRig(digestAuth(ME), refuseAndResize, async ({ client, transport, seen }) => {
    const error = await thrown(client.put(`${HOME}/`, gone));
    assert.ok(error instanceof HttpError && error.code === "ERR_BODY_LENGTH", String(error));
    assert.deepEqual([seen.length, transport.stats().active], [1, 0]);
  });
});

/** Refuses heads without credentials: before it asks for the body, or only behind it. */
function refusing(asksFirst: boolean, heads: string[]): RawHandler {
  return async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      heads.push(head);
      const isIn = /^authorization: /im.test(head);
      const expects = /^expect: 100-continue/im.test(head);
      if (isIn && expects) await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
      if (isIn || !asksFirst) await connection.readUntil("0\r\n\r\n");
      const connectionLine = isIn || !asksFirst ? "" : "Connection: close\r\n";
      const line = isIn
        ? "HTTP/1.1 200 OK"
        : `HTTP/1.1 401 No\r\nWWW-Authenticate: ${challenge("n1")["WWW-Authenticate"]}`;
      await connection.send(`${line}\r\n${connectionLine}Content-Length: 0\r\n\r\n`);
      if (connectionLine !== "") return;
    }
  };
}

test("auth: a body that can be sent once is held back, and sent once or not at all", async () => {
  for (const asksFirst of [true, false]) {
    const heads: string[] = [];
    await withRawServer(refusing(asksFirst, heads), async ({ origin }) => {
      // It is not asked for in time where the server does not ask first.
      await using transport = new Transport({ expectContinueTimeoutMs: asksFirst ? 0 : 1 });
      const auth = digestAuth({ ...ME, origins: origin });
      const client = new Client({ transport: new AuthTransport(transport, auth) });
      let begun = 0;
      async function* body(): AsyncGenerator<string> {
        begun++;
        yield "once";
      }
      const response = await client.put(origin, body());
      assert.equal(response.status, asksFirst ? 200 : 401);
      await response.bytes();
      assert.equal(begun, 1);
      assert.equal(heads.length, asksFirst ? 2 : 1);
      for (const head of heads) assert.match(head, /^expect: 100-continue\r$/im);
    });
  }
});

test("auth: a body that nothing was read of is let go", async () => {
  const failure = new Error("no way");
  for (const auth of [digestAuth(ME), bearerAuth({ ...tokenOf(() => Promise.reject(failure)) })]) {
    let cancelled = 0;
    const body = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ });
    const inner = { roundTrip: () => Promise.reject(failure) };
    const request = new HttpRequest(HOME, { method: "PUT", body });
    const error = await thrown(new AuthTransport(inner, auth).roundTrip(request));
    assert.ok(error === failure || (error as Error).cause === failure, String(error));
    assert.equal(cancelled, 1);
  }
});

test("auth: basic says name and password in UTF-8, and a 401 is the answer", async () => {
  await withRig(
    basicAuth({ ...ME, username: "J\u00e4", password: "a:\u2713" }),
    () => refuse({ "WWW-Authenticate": "Basic" }),
    async ({ client, seen }) => {
      assert.equal(await statusOf(client, `${HOME}/`), 401);
      assert.deepEqual(seen.map(([, , value]) => value), ["Basic SsOkOmE64pyT"]);
    },
  );
});

function tokenOf(token: (refused: string | null) => string | Promise<string>) {
  return { origins: HOME, token };
}

test("auth: many refused tokens are one call for the next", async () => {
  let good = "t1";
  const asked: (string | null)[] = [];
  const held = Promise.withResolvers<void>();
  const auth = bearerAuth(tokenOf(async (refused) => {
    asked.push(refused);
    if (refused !== null) await held.promise;
    return good;
  }));
  let refusals = 0;
  await withRig(auth, (request) => {
    if (request.headers.get("authorization") === `Bearer ${good}`) return new Response("in");
    if (++refusals === 8) held.resolve();
    return refuse({ "WWW-Authenticate": "Bearer" });
  }, async ({ client }) => {
    const all = (count: number): Promise<number[]> =>
      Promise.all(Array.from({ length: count }, (_, i) => statusOf(client, `${HOME}/${i}`)));
    assert.deepEqual(new Set(await all(8)), new Set([200]));
    assert.deepEqual(asked, [null]);
    good = "t2";
    assert.deepEqual(new Set(await all(8)), new Set([200]));
    assert.deepEqual(asked, [null, "t1"]);
    assert.equal(refusals, 8);
  });
});

test("auth: a token is asked for over the only connection there may be", async () => {
  await using server = await testServer((request) => {
    if (new URL(request.url).pathname === "/token") {
      return new Response(`t${server.requests.length}`);
    }
    const isFirst = request.headers.get("authorization") === "Bearer t1";
    return isFirst ? refuse({ "WWW-Authenticate": "Bearer" }) : new Response("in");
  });
  const transport = server.transport({ maxConnsPerHost: 1 });
  const plain = new Client({ transport });
  const auth = bearerAuth(tokenOf(async () => await (await plain.get(`${HOME}/token`)).text()));
  const client = new Client({ transport: new AuthTransport(transport, auth) });
  assert.equal(await (await client.get(`${HOME}/`)).text(), "in");
  assert.deepEqual(server.requests.map(({ target }) => target), ["/token", "/", "/token", "/"]);
});

test("auth: tokens that are refused again, fixed, or for a body that is gone", async () => {
  const no = (): Response => refuse({ "WWW-Authenticate": "Bearer" });
  let calls = 0;
  await withRig(bearerAuth(tokenOf(() => `t${++calls}`)), no, async ({ client, seen }) => {
    assert.equal(await statusOf(client, `${HOME}/`), 401);
    assert.deepEqual(seen.splice(0).map(([, , value]) => value), ["Bearer t1", "Bearer t2"]);
    // The next request does not try what was refused.
    assert.equal(await statusOf(client, `${HOME}/`), 401);
    assert.equal(seen.splice(0)[0][2], "Bearer t3");
    async function* body(): AsyncGenerator<string> {
      yield "once";
    }
    assert.equal(await statusOf(client, `${HOME}/`, { method: "PUT", body: body() }), 401);
    assert.equal(seen.length, 1);
  });
  await withRig(bearerAuth({ origins: HOME, token: "fixed" }), no, async ({ client, seen }) => {
    assert.equal(await statusOf(client, `${HOME}/`), 401);
    assert.deepEqual(seen.map(([, , value]) => value), ["Bearer fixed"]);
  });
});

test("auth: where no token is to be had, all who wait are told so, and the next asks again", async () => {
  const failure = new Error("no token today");
  let calls = 0;
  let next: () => string | Promise<string> = () => Promise.reject(failure);
  const source = (): string | Promise<string> => {
    calls++;
    return next();
  };
  await withRig(
    bearerAuth(tokenOf(source)),
    (request) =>
      request.headers.get("authorization") === "Bearer good"
        ? new Response("in")
        : refuse({ "WWW-Authenticate": "Bearer" }),
    async ({ client, seen }) => {
      const errors = await Promise.all(
        Array.from({ length: 4 }, () => thrown(client.get(`${HOME}/`))),
      );
      for (const error of errors) {
        assert.ok(error instanceof HttpError && error.cause === failure, String(error));
        assert.deepEqual([error.code, error.phase, error.attempt], ["ERR_AUTH", "client", null]);
      }
      assert.deepEqual([calls, seen.length], [1, 0]);
      const nonsense: unknown[] = ["", "two words", "line\r\nX: y", 7, null, undefined, {}];
      for (const token of nonsense) {
        next = () => token as string;
        const error = await thrown(client.get(`${HOME}/`));
        assert.ok(error instanceof HttpError && error.code === "ERR_AUTH", String(error));
      }
      next = () => {
        throw failure;
      };
      assert.equal((await thrown(client.get(`${HOME}/`)) as Error).cause, failure);
      assert.equal(seen.length, 0);
      // One that was answered before tells of it.
      next = () => {
        next = () => Promise.reject(failure);
        return "bad";
      };
      const error = await thrown(client.get(`${HOME}/`));
      assert.ok(error instanceof HttpError && error.code === "ERR_AUTH", String(error));
      assert.equal(error.attempt?.verdict, "answered");
      next = () => "good";
      assert.equal(await statusOf(client, `${HOME}/`), 200);
    },
  );
});

test("auth: who waits for a token that does not come leaves when he wants, or when it is time", async () => {
  const clock = new ManualClock();
  const hanging: PromiseWithResolvers<string>[] = [];
  const source = (): Promise<string> => {
    hanging.push(Promise.withResolvers<string>());
    return hanging.at(-1)!.promise;
  };
  const auth = bearerAuth({ ...tokenOf(source), tokenTimeoutMs: 500, clock });
  await withRig(auth, () => new Response("in"), async ({ client, seen }) => {
    const controller = new AbortController();
    const aborted = thrown(client.get(`${HOME}/`, { signal: controller.signal }));
    const short = thrown(client.get(`${HOME}/`, { timeoutMs: 100 }));
    const long = [1, 2].map(() => thrown(client.get(`${HOME}/`)));
    await until("a token is asked for", () => hanging.length === 1 && clock.runningCount === 2);
    const reason = new Error("enough");
    controller.abort(reason);
    assert.equal(await aborted, reason);
    clock.advance(100);
    const tooShort = await short;
    assert.ok(tooShort instanceof HttpError && tooShort.code === "ERR_TIMEOUT", String(tooShort));
    clock.advance(400);
    for (const error of await Promise.all(long)) {
      assert.ok(error instanceof HttpError && error.code === "ERR_TIMEOUT", String(error));
      assert.match(error.message, /token/);
    }
    // What comes too late is nobody's; the next asks again.
    hanging[0].resolve("late");
    const asking = statusOf(client, `${HOME}/`);
    await until("it is asked for again", () => hanging.length === 2);
    hanging[1].resolve("good");
    assert.equal(await asking, 200);
    assert.deepEqual(seen.map(([, , value]) => value), ["Bearer good"]);
    assert.equal(clock.runningCount, 0);
  }, clock);
});

test("auth: the time of a request is for all its tries, and their attempts are told", async () => {
  const clock = new ManualClock();
  await withRig(digestAuth(ME), () => {
    clock.advance(60_000);
    return refuse(challenge(`n${clock.now()}`, ", stale=true"));
  }, async ({ client, seen }) => {
    const error = await thrown(client.get(`${HOME}/`, { timeoutMs: 100_000 }));
    assert.ok(error instanceof HttpError && error.code === "ERR_TIMEOUT", String(error));
    assert.deepEqual([error.attempts.length, error.attempt?.verdict, seen.length], [
      2,
      "answered",
      2,
    ]);
  }, clock);
});

test("auth: options that cannot be are refused, and no error shows a secret", () => {
  const bad: (() => unknown)[] = [
    () => basicAuth({ ...ME, origins: [] }),
    () => basicAuth({ ...ME, origins: undefined! }),
    () => basicAuth({ ...ME, origins: "http://a.test/path" }),
    () => basicAuth({ ...ME, origins: "http://me:pw@a.test" }),
    () => basicAuth({ ...ME, origins: "a.test" }),
    () => basicAuth({ ...ME, username: "a:b" }),
    () => basicAuth({ ...ME, password: "a\r\nX: pw" }),
    () => basicAuth({ ...ME, password: undefined! }),
    () => basicAuth({ ...ME, realm: "r" } as typeof ME),
    () => digestAuth({ ...ME, username: 7 as unknown as string }),
    () => digestAuth({ ...ME, allowBasic: "yes" as unknown as boolean }),
    () => digestAuth({ ...ME, allowBasic: true, username: "a:b" }),
    () => digestAuth({ ...ME, algorithm: "MD5" } as typeof ME),
    () => bearerAuth({ origins: HOME, token: "" }),
    () => bearerAuth({ origins: HOME, token: "pw two" }),
    () => bearerAuth({ origins: HOME, token: null! }),
    () => bearerAuth({ origins: HOME, token: "t", tokenTimeoutMs: -1 }),
    () =>
      bearerAuth({ origins: HOME, token: "t", refresh: 1 } as { origins: string; token: string }),
    () => new AuthTransport(new Transport(), undefined!),
    () => new AuthTransport({} as Transport, basicAuth(ME)),
    () =>
      new AuthTransport(new Transport(), basicAuth(ME), { retries: 1 } as { clock?: undefined }),
  ];
  for (const make of bad) {
    assert.throws(make, (error) => {
      assert.ok(error instanceof HttpError, String(error));
      assert.equal(error.code, "ERR_INVALID_REQUEST", String(make));
      assert.doesNotMatch(error.message, /pw/);
      return true;
    }, String(make));
  }
  digestAuth({ ...ME, username: "a:b" });
});
