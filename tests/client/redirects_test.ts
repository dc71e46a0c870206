/**
 * Redirects: which are followed, with which method, body and headers, and who must never see a secret.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  type ClientOptions,
  HttpError,
  HttpHeaders,
  HttpRequest,
  type HttpRequestInit,
  Transport,
} from "../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type RawHandler, type RawServer, withRawServer } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";

/** One request as a server saw it. */
interface Seen {
  readonly line: string;
  readonly headers: Headers;
  readonly body: string;
}

/** More than comes with the head, so that somebody has to read it. */
const REDIRECT_BODY = "b".repeat(20_000);

/** Answers by path: a redirect `[status, location]`, or else 200 with what was seen. */
function redirecting(targets: Record<string, [number, string]>, seen: Seen[] = []): RawHandler {
  return async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const [line, ...lines] = head.trimEnd().split("\r\n");
      const headers = new Headers(lines.map((text): [string, string] => {
        const at = text.indexOf(":");
        return [text.slice(0, at), text.slice(at + 1)];
      }));
      const body = await connection.readBytes(Number(headers.get("content-length") ?? 0));
      seen.push({ line, headers, body });
      const target = targets[line.split(" ")[1]];
      await connection.send(
        target === undefined
          ? "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend"
          : `HTTP/1.1 ${target[0]} Moved\r\nLocation: ${
            target[1]
          }\r\nContent-Length: ${REDIRECT_BODY.length}\r\n\r\n${REDIRECT_BODY}`,
      );
    }
  };
}

/** Follows redirects on one server. */
async function follow(
  targets: Record<string, [number, string]>,
  init: HttpRequestInit = {},
  options: ClientOptions = {},
): Promise<{ seen: Seen[]; outcome: number | HttpError; url: string; connections: number }> {
  const seen: Seen[] = [];
  return await withRawServer(redirecting(targets, seen), async (server) => {
    const transport = steadyTransport();
    const client = new Client({ transport, ...options });
    let outcome: number | HttpError;
    let url = "";
    try {
      const response = await client.do(new HttpRequest(server.origin + "/start", init));
      await response.bytes();
      outcome = response.status;
      url = response.url.slice(server.origin.length);
      assert.equal(response.redirected, seen.length > 1);
    } catch (error) {
      assert.ok(error instanceof HttpError, String(error));
      outcome = error;
    }
    assert.equal(transport.stats().active, 0);
    await transport.close();
    return { seen, outcome, url, connections: server.connections.length };
  });
}

function code(outcome: number | HttpError): string | number {
  return typeof outcome === "number" ? outcome : outcome.code;
}

test("redirect: method and body by status, T22 what describes a body goes with it", async () => {
  const rows: [number, string, string, boolean][] = [
    [301, "GET", "GET", false],
    [301, "HEAD", "HEAD", false],
    [301, "POST", "GET", false],
    [301, "PUT", "PUT", true],
    [302, "POST", "GET", false],
    [302, "PATCH", "PATCH", true],
    [302, "DELETE", "DELETE", false],
    [303, "POST", "GET", false],
    [303, "PUT", "GET", false],
    [303, "DELETE", "GET", false],
    [303, "HEAD", "HEAD", false],
    [307, "POST", "POST", true],
    [307, "GET", "GET", false],
    [308, "POST", "POST", true],
    [308, "PUT", "PUT", true],
  ];
  for (const [status, method, next, keepsBody] of rows) {
    const hasBody = ["POST", "PUT", "PATCH"].includes(method);
    const { seen, outcome } = await follow({ "/start": [status, "/end"] }, {
      method,
      body: hasBody ? "body" : null,
      headers: hasBody
        ? { "Content-Type": "a/b", "content-language": "en", "Content-MD5": "x", "X-Own": "1" }
        : { "X-Own": "1" },
    }).catch((error) => assert.fail(`${status} ${method}: ${error}`));
    if (method === "HEAD") continue;
    assert.equal(outcome, 200, `${status} ${method}`);
    assert.equal(seen[1].line, `${next} /end HTTP/1.1`, `${status} ${method}`);
    assert.equal(seen[1].body, keepsBody ? "body" : "", `${status} ${method}`);
    const about = [...seen[1].headers.keys()].filter((name) => name.startsWith("content-"));
    assert.deepEqual(
      about,
      keepsBody ? ["content-language", "content-length", "content-md5", "content-type"] : [],
    );
    assert.equal(seen[1].headers.get("x-own"), "1");
  }
});

test("redirect: other statuses, and none without Location, are the answer", async () => {
  for (const status of [200, 201, 300, 304, 305, 306, 400]) {
    const { seen, outcome } = await follow({ "/start": [status, "/end"] }).catch(() => ({
      seen: [],
      outcome: 0,
    }));
    assert.equal(seen.length <= 1, true);
    assert.equal(outcome === status || status === 304, true, `${status}`);
  }
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
  }, async (server) => {
    const transport = steadyTransport();
    assert.equal((await new Client({ transport }).get(server.origin)).status, 302);
    await transport.close();
  });
});

test("redirect: Location is relative to the request, and its fragment stays here", async () => {
  const rows: [string, string][] = [
    ["/end", "/end"],
    ["end", "/end"],
    ["?q=1", "/start?q=1"],
    ["../../end", "/end"],
    ["./a/b?c#d", "/a/b?c"],
    ["", "/start"],
  ];
  for (const [location, target] of rows) {
    const { seen } = await follow({ "/start": [302, location] }, {}, { maxRedirects: 1 });
    assert.equal(seen[1].line, `GET ${target} HTTP/1.1`, location);
  }
  const { outcome, url } = await follow({ "/start": [302, "/a?x#y"] });
  assert.deepEqual([outcome, url], [200, "/a?x"]);
});

test("redirect: the connection is used again, bodies of redirects are dropped", async () => {
  const { seen, connections } = await follow({
    "/start": [302, "/a"],
    "/a": [302, "/b"],
    "/b": [307, "/c"],
  });
  assert.equal(seen.length, 4);
  assert.equal(connections, 1);
});

test("redirect: as many as allowed, T25 none with maxRedirects 0", async () => {
  const targets: Record<string, [number, string]> = { "/start": [302, "/1"] };
  for (let n = 1; n < 20; n++) targets[`/${n}`] = [302, `/${n + 1}`];
  const rows: [ClientOptions, number, string | number][] = [
    [{}, 11, "ERR_REDIRECT"],
    [{ maxRedirects: 20 }, 21, 200],
    [{ maxRedirects: 19 }, 20, "ERR_REDIRECT"],
    [{ maxRedirects: 1 }, 2, "ERR_REDIRECT"],
    [{ maxRedirects: 0 }, 1, 302],
  ];
  for (const [options, requests, expected] of rows) {
    const { seen, outcome } = await follow(targets, {}, options);
    assert.deepEqual([seen.length, code(outcome)], [requests, expected]);
  }
  const { outcome } = await follow({ "/start": [302, "/start"] });
  assert.equal(code(outcome), "ERR_REDIRECT");
  assert.equal((outcome as HttpError).phase, "redirect");
});

test("T26 redirect: only to http and https, to one target, without credentials", async () => {
  const bad = [
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "data:,x",
    "unix:/run/x",
    "javascript:1",
    "//",
    "http://[",
    "http://user:canary@127.0.0.1/",
    "http://127.0.0.1:0/",
    "mailto:a@b",
  ];
  for (const location of bad) {
    const { seen, outcome } = await follow({ "/start": [302, location] });
    assert.deepEqual([seen.length, code(outcome)], [1, "ERR_REDIRECT"], location);
    assert.doesNotMatch((outcome as HttpError).message, /canary/);
  }
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(
      "HTTP/1.1 302 X\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
    );
  }, async (server) => {
    const transport = steadyTransport();
    await assert.rejects(new Client({ transport }).get(server.origin), { code: "ERR_REDIRECT" });
    await transport.close();
  });
});

test("redirect: a body that cannot be sent again is an error, a function makes it one that can", async () => {
  const stream = (): ReadableStream<Uint8Array> => new Blob(["body"]).stream();
  const init = { method: "POST", contentLength: 4 };
  const used = await follow({ "/start": [307, "/end"] }, { ...init, body: stream() });
  assert.deepEqual([used.seen.length, code(used.outcome)], [1, "ERR_REDIRECT"]);
  const made = await follow({ "/start": [307, "/end"] }, { ...init, body: stream });
  assert.deepEqual([made.outcome, made.seen[1].body], [200, "body"]);
  const dropped = await follow({ "/start": [303, "/end"] }, { ...init, body: stream() });
  assert.deepEqual([dropped.outcome, dropped.seen[1].body], [200, ""]);
});

const SECRET_NAMES = [
  "Authorization",
  "COOKIE",
  "proxy-authorization",
  "www-Authenticate",
  "X-Api-Key",
];

/** Two servers that send each other on; returns what each saw. */
async function withTwo(
  targets: (
    a: RawServer,
    b: RawServer,
  ) => [Record<string, [number, string]>, Record<string, [number, string]>],
  headers: HttpRequestInit["headers"],
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const tables: [Record<string, [number, string]>, Record<string, [number, string]>] = [{}, {}];
  await withRawServer(redirecting(tables[0], seen), async (a) => {
    await withRawServer(redirecting(tables[1], seen), async (b) => {
      const [forA, forB] = targets(a, b);
      Object.assign(tables[0], forA);
      Object.assign(tables[1], forB);
      const transport = steadyTransport();
      const client = new Client({ transport, sensitiveHeaders: ["x-api-KEY"] });
      await (await client.get(a.origin + "/start", { headers })).bytes();
      await transport.close();
    });
  });
  return seen;
}

test("T21 secrets are sent only while every hop so far is the first origin", async () => {
  const containers: HttpRequestInit["headers"][] = [
    Object.fromEntries(SECRET_NAMES.map((name) => [name, "canary"])),
    Object.fromEntries(SECRET_NAMES.map((name) => [name, ["canary", "canary"]])),
    SECRET_NAMES.map((name): [string, string] => [name, "canary"]),
    new HttpHeaders(SECRET_NAMES.map((name) => [name, "canary"] as const)),
    new Headers(SECRET_NAMES.map((name): [string, string] => [name, "canary"])),
    new Map(SECRET_NAMES.map((name) => [name, "canary"])),
  ];
  for (const headers of containers) {
    const seen = await withTwo((a, b) => [
      { "/start": [302, "/2"], "/2": [302, `${b.origin}/3`] },
      { "/3": [302, "/4"], "/4": [307, `${a.origin}/5`] },
    ], headers);
    assert.deepEqual(seen.map(({ line }) => line.split(" ")[1]), [
      "/start",
      "/2",
      "/3",
      "/4",
      "/5",
    ]);
    const secrets = seen.map(({ headers: had }) =>
      SECRET_NAMES.filter((name) => (had.get(name) ?? "").includes("canary")).length
    );
    assert.deepEqual(secrets, [5, 5, 0, 0, 0]);
  }
});

test("T21 another scheme or port is another origin, another path is not", async () => {
  const rows: [string, string, boolean][] = [
    ["https://a.test/", "http://a.test/", false],
    ["http://a.test/", "https://a.test/", false],
    ["http://a.test/", "http://a.test:81/", false],
    ["http://a.test/", "http://sub.a.test/", false],
    ["http://sub.a.test/", "http://a.test/", false],
    ["http://a.test/", "http://a.test./", false],
    ["http://a.test/x", "http://A.test:80/y", true],
    ["https://a.test/x", "https://a.test:443/y", true],
  ];
  for (const [from, to, keeps] of rows) {
    const authorization = "Authorization: canary\r\n";
    const head = (url: string, secret: boolean): string => {
      const { host, pathname } = new URL(url);
      return `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${secret ? authorization : ""}\r\n`;
    };
    const redirect = `HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`;
    const first = new ScriptedConn().expect(head(from, true)).send(redirect);
    const second = keeps ? first : new ScriptedConn();
    second.expect(head(to, keeps)).send("HTTP/1.1 204 No Content\r\n\r\n");
    const dialer = keeps ? scriptedDialer(first) : scriptedDialer(first, second);
    const transport = steadyTransport({ dialer, disableCompression: true });
    const client = new Client({ transport, referer: false });
    const headers = { "User-Agent": "", "Authorization": "canary" };
    assert.equal((await client.get(from, { headers })).status, 204, `${from} ${to}`);
    dialer.assertConsumed();
    transport.destroy();
  }
});

test("redirect: a Host of the caller's is not sent to where the redirect leads", async () => {
  for (const init of [{ host: "own.test" }, { headers: { "Host": "own.test" } }]) {
    const { seen } = await follow({ "/start": [302, "/end"] }, init);
    assert.equal(seen[0].headers.get("host"), "own.test");
    assert.match(seen[1].headers.get("host")!, /^127\.0\.0\.1:/);
  }
});

test("redirect: the signal ends it at any hop, and timeoutMs counts over all of them", async () => {
  for (const kind of ["signal", "request", "client", "client of do()"] as const) {
    const clock = new ManualClock();
    const controller = new AbortController();
    const slow = Promise.withResolvers<void>();
    await withRawServer(async (connection) => {
      await connection.readHead();
      clock.advance(30);
      await connection.send("HTTP/1.1 302 X\r\nLocation: /slow\r\nContent-Length: 0\r\n\r\n");
      assert.match(await connection.readHead(), /^GET \/slow /);
      slow.resolve();
      await connection.readToEnd();
    }, async (server) => {
      const transport = new Transport({ clock });
      const timeoutMs = 40;
      const client = new Client({
        transport,
        timeoutMs: kind.startsWith("client") ? timeoutMs : 0,
        clock,
      });
      const url = server.origin + "/start";
      const going = kind === "signal"
        ? client.get(url, { signal: controller.signal })
        : kind === "request"
        ? client.get(url, { timeoutMs })
        : kind === "client"
        ? client.get(url)
        : client.do(new HttpRequest(url));
      going.catch(() => {});
      await slow.promise;
      if (kind === "signal") controller.abort(new DOMException("mine", "TimeoutError"));
      // Thirty have gone already.
      clock.advance(10);
      await assert.rejects(
        going,
        kind === "signal" ? { name: "TimeoutError" } : { code: "ERR_TIMEOUT" },
      );
      assert.equal(transport.stats().active, 0);
      await server.allClosed();
      await transport.close();
    });
  }
});

test("redirect: odd targets are taken byte by byte, as they were sent", async () => {
  const rows: [string, string][] = [
    ["/caf\xc3\xa9?\xff#\xe9", "/caf%C3%A9?%FF"],
    ["/a b", "/a%20b"],
    ["  /a  ", "/a"],
    ["/%zz%", "/%zz%"],
    ["\\a", "/a"],
    ["/a?", "/a?"],
    ["#f", "/start"],
    [";x", "/;x"],
    ["/a\xa0", "/a%A0"],
  ];
  for (const [location, target] of rows) {
    const { seen } = await follow({ "/start": [302, location] }, {}, { maxRedirects: 1 });
    assert.equal(seen[1].line, `GET ${target} HTTP/1.1`, JSON.stringify(location));
  }
  for (const slashes of ["//", "\\\\", "/\\"]) {
    const seen = await withTwo((_a, b) => [
      { "/start": [302, `${slashes}127.0.0.1:${b.port}/x`] },
      {},
    ], { "Authorization": "canary" });
    assert.equal(seen[1].line, "GET /x HTTP/1.1", slashes);
    assert.equal(seen[1].headers.get("authorization"), null);
  }
});

test("redirect: a target without a fragment inherits that of the request", async () => {
  const rows: [string, string, string][] = [
    ["#one", "/end", "#one"],
    ["#one", "/end#two", "#two"],
    ["#one", "/end#", ""],
    ["", "/end#two", "#two"],
    ["", "/end", ""],
  ];
  for (const [fragment, location, expected] of rows) {
    await withRawServer(redirecting({ "/start": [302, location] }), async (server) => {
      const transport = steadyTransport();
      const client = new Client({ transport });
      const response = await client.get(server.origin + "/start" + fragment);
      assert.equal(response.request.fragment, expected, `${fragment} ${location}`);
      assert.equal(response.url, server.origin + "/end");
      assert.ok(server.connections.every(({ received }) => !received.includes("#")));
      await transport.close();
    });
  }
});

test("redirect: Referer tells the own origin the URL, another the origin, without fragment", async () => {
  const targets = { "/start?q=1": [302, "/2?r=2"], "/2?r=2": [302, "/3"] } as Record<
    string,
    [number, string]
  >;
  const referers = async (options: ClientOptions, headers: HttpRequestInit["headers"]) => {
    const seen: Seen[] = [];
    return await withRawServer(redirecting(targets, seen), async (server) => {
      const transport = steadyTransport();
      const client = new Client({ transport, ...options });
      await client.get(server.origin + "/start?q=1#f", { headers });
      await transport.close();
      return seen.map(({ headers }) => headers.get("referer")?.replace(server.origin, "") ?? null);
    });
  };
  assert.deepEqual(await referers({}, {}), [null, "/start?q=1", "/2?r=2"]);
  assert.deepEqual(await referers({}, { "referer": "own" }), ["own", "own", "own"]);
  assert.deepEqual(await referers({ referer: false }, {}), [null, null, null]);

  const seen = await withTwo((a, b) => [
    { "/start": [302, `${b.origin}/3?secret`] },
    { "/3?secret": [302, `${b.origin}/4`], "/4": [302, `${a.origin}/5`] },
  ], {});
  const [, third, fourth, fifth] = seen.map(({ headers }) => headers.get("referer"));
  assert.match(third!, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  assert.match(fourth!, /:\d+\/3\?secret$/);
  assert.match(fifth!, /^http:\/\/127\.0\.0\.1:\d+\/$/);
});

test("redirect: no Referer goes from https to http, not even the caller's", async () => {
  for (const own of [{}, { "Referer": "https://own.test/" }] as Record<string, string>[]) {
    const first = new ScriptedConn()
      .expect(
        `GET / HTTP/1.1\r\nHost: a.test\r\n${
          "Referer" in own ? "Referer: https://own.test/\r\n" : ""
        }\r\n`,
      )
      .send("HTTP/1.1 302 X\r\nLocation: http://a.test/\r\nContent-Length: 0\r\n\r\n");
    const second = new ScriptedConn().expect("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
      .send("HTTP/1.1 302 X\r\nLocation: /2\r\nContent-Length: 0\r\n\r\n")
      .expect(
        `GET /2 HTTP/1.1\r\nHost: a.test\r\n${
          "Referer" in own ? "" : "Referer: http://a.test/\r\n"
        }\r\n`,
      ).send("HTTP/1.1 204 X\r\n\r\n");
    const dialer = scriptedDialer(first, second);
    const transport = steadyTransport({ dialer, disableCompression: true });
    const client = new Client({ transport });
    const headers = { "User-Agent": "", ...own };
    assert.equal((await client.get("https://a.test/", { headers })).status, 204);
    dialer.assertConsumed();
    transport.destroy();
  }
});

test("redirect: checkRedirect sees what comes next and what was, and may stop or refuse", async () => {
  const targets: Record<string, [number, string]> = {
    "/start": [302, "/2"],
    "/2": [307, "/3"],
    "/3": [302, "/4"],
  };
  const asked: [string, string[]][] = [];
  const path = (request: HttpRequest): string => request.requestTarget;
  const all = await follow(targets, {}, {
    checkRedirect: (next, via) => void asked.push([path(next), via.map(path)]),
  });
  assert.equal(all.outcome, 200);
  assert.deepEqual(asked, [
    ["/2", ["/start"]],
    ["/3", ["/start", "/2"]],
    ["/4", ["/start", "/2", "/3"]],
  ]);

  for (const stop of ["stop" as const, Promise.resolve("stop" as const)]) {
    const { seen, outcome, url } = await follow(targets, {}, {
      checkRedirect: (_next, via) => via.length === 2 ? stop : undefined,
    });
    assert.deepEqual([seen.length, outcome, url], [2, 307, "/2"]);
  }
  const no = new Error("no");
  const refusals = [() => {
    throw no;
  }, () => Promise.reject(no)];
  for (const checkRedirect of refusals) {
    const { seen, outcome, connections } = await follow(targets, {}, { checkRedirect });
    assert.deepEqual([seen.length, code(outcome), connections], [1, "ERR_REDIRECT", 1]);
    assert.equal((outcome as HttpError).cause, no);
  }
  // It is not asked where nothing is followed.
  let count = 0;
  await follow(targets, {}, { maxRedirects: 0, checkRedirect: () => void count++ });
  assert.equal(count, 0);
  await follow(targets, {}, { maxRedirects: 1, checkRedirect: () => void count++ });
  assert.equal(count, 1);
});

test("redirect: a checkRedirect that never answers ends with the signal and with the time", async () => {
  const checkRedirect = (): Promise<void> => new Promise(() => {});
  const targets: Record<string, [number, string]> = { "/start": [302, "/2"] };
  const { outcome } = await follow(targets, { timeoutMs: 40 }, { checkRedirect });
  assert.equal(code(outcome), "ERR_TIMEOUT");
  await withRawServer(redirecting(targets), async (server) => {
    const transport = steadyTransport();
    const client = new Client({ transport, checkRedirect });
    const signal = AbortSignal.timeout(40);
    await assert.rejects(client.get(server.origin + "/start", { signal }), {
      name: "TimeoutError",
    });
    assert.equal(transport.stats().active, 0);
    await transport.close();
  });
});

test("T48 redirect: the body of a redirect is dropped as it came, not decoded", async () => {
  const sizes = [10, 100_000];
  for (const size of sizes) {
    const body = "x".repeat(size);
    const done: { bytes: number; error?: unknown }[] = [];
    await withRawServer(async (connection) => {
      await connection.readHead();
      // Nothing that gzip could decode: trying would break the connection.
      await connection.send(
        `HTTP/1.1 302 X\r\nLocation: /2\r\nContent-Encoding: gzip\r\nContent-Length: ${size}\r\n\r\n${body}`,
      );
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }, async (server) => {
      const transport = steadyTransport({ trace: { bodyDone: (event) => void done.push(event) } });
      const response = await new Client({ transport }).get(server.origin);
      assert.deepEqual([response.status, response.connection.reused], [200, true]);
      assert.equal(server.connections.length, 1);
      await transport.close();
    });
    assert.equal((done[0].error as HttpError).code, "ERR_BODY_CLOSED");
  }
});

test("redirect: a body that never ends costs its connection, not the answer", async () => {
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    if (head.startsWith("GET /2")) {
      return await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    await connection.send(
      "HTTP/1.1 302 X\r\nLocation: /2\r\nContent-Length: 100000000\r\n\r\nx",
    );
  }, async (server) => {
    const transport = steadyTransport();
    assert.equal((await new Client({ transport }).get(server.origin)).status, 200);
    assert.equal(server.connections.length, 2);
    await server.connections[0].closed;
    await transport.close();
  });
});

test("T21 a client's default secrets leave neither by a redirect nor to another base", async () => {
  const seen: Seen[] = [];
  await withRawServer(redirecting({}, seen), async (b) => {
    await withRawServer(redirecting({ "/start": [302, `${b.origin}/end`] }, seen), async (a) => {
      const transport = steadyTransport();
      const headers = { "AUTHORIZATION": "canary", "x-api-key": "canary", "X-Own": "1" };
      const options = { transport, headers, sensitiveHeaders: ["X-Api-Key"] };
      await new Client(options).get(a.origin + "/start");
      const based = new Client({ ...options, baseUrl: a.origin });
      await based.get("/own");
      await based.get(b.origin + "/foreign");
      await based.get(b.origin + "/foreign", { headers: { "Authorization": "given" } });
      await transport.close();
    });
  });
  assert.deepEqual(
    seen.map(({ line, headers }) => [
      line.split(" ")[1],
      headers.get("authorization"),
      headers.get("x-api-key"),
      headers.get("x-own"),
    ]),
    [
      ["/start", "canary", "canary", "1"],
      ["/end", null, null, "1"],
      ["/own", "canary", "canary", "1"],
      ["/foreign", null, null, "1"],
      ["/foreign", "given", null, "1"],
    ],
  );
});

test("T23 Proxy-Authorization is not sent to where a redirect leads", async () => {
  const seen = await withTwo((_a, b) => [
    { "/start": [307, `${b.origin.replace("127.0.0.1", "localhost")}/end`] },
    {},
  ], [["pROXY-authorization", "Basic canary"], ["Proxy-Authorization", "Basic canary"]]);
  assert.equal(seen[0].headers.get("proxy-authorization"), "Basic canary, Basic canary");
  assert.equal(seen[1].line, "GET /end HTTP/1.1");
  assert.equal(seen[1].headers.get("proxy-authorization"), null);
});

test("T26 redirect: the dialer stays that of the transport", async () => {
  const first = new ScriptedConn().expect("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    .send("HTTP/1.1 302 X\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n");
  const second = new ScriptedConn().expect("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n")
    .send("HTTP/1.1 204 X\r\n\r\n");
  const dialer = scriptedDialer(first, second);
  const transport = steadyTransport({ dialer, disableCompression: true });
  transport.registerProtocol("data", { roundTrip: () => Promise.reject(new Error("data: asked")) });
  transport.registerProtocol("file", { roundTrip: () => Promise.reject(new Error("file: asked")) });
  const client = new Client({ transport, referer: false });
  const response = await client.get("http://a.test/", { headers: { "User-Agent": "" } });
  assert.equal(response.status, 204);
  dialer.assertConsumed();
  for (const location of ["data:,x", "file:///etc/passwd", "http+unix://%2Frun%2Fx/"]) {
    const conn = new ScriptedConn().expect("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
      .send(`HTTP/1.1 302 X\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    const own = steadyTransport({ dialer: scriptedDialer(conn), disableCompression: true });
    own.registerProtocol("data", { roundTrip: () => Promise.reject(new Error("data: asked")) });
    const going = new Client({ transport: own }).get("http://a.test/", {
      headers: { "User-Agent": "" },
    });
    await assert.rejects(going, { code: "ERR_REDIRECT" });
    own.destroy();
  }
  transport.destroy();
});
