/**
 * The client besides its redirects: URLs, default headers, times; the ready-made one.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  type ClientOptions,
  defaultClient,
  defaultTransport,
  get,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type RoundTripper,
  Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { isPending, pause } from "../support/waiting.ts";

/** A transport that only notes what it is given. */
class Notes implements RoundTripper {
  readonly requests: HttpRequest[] = [];

  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    this.requests.push(request);
    return Promise.reject(new Error("noted"));
  }
}

async function noted(
  options: ConstructorParameters<typeof Client>[0],
  ...args: Parameters<Client["get"]>
): Promise<HttpRequest> {
  const transport = new Notes();
  await assert.rejects(new Client({ ...options, transport }).get(...args), /noted/);
  return transport.requests[0];
}

const answering: RawHandler = async (connection) => {
  for (;;) {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }
};

test("client: get() is GET with the options of a request", async () => {
  const { signal } = new AbortController();
  const request = await noted({}, "http://a.test/b?c#d", {
    signal,
    decompress: false,
    close: true,
  });
  assert.deepEqual([request.method, request.href], ["GET", "http://a.test/b?c"]);
  assert.deepEqual([request.signal, request.decompress, request.close], [signal, false, true]);
  assert.equal(request.timeoutMs, 0);
});

test("client: get() refuses another method", async () => {
  const client = new Client({ transport: new Notes() });
  await assert.rejects(client.get("http://a.test/", { method: "POST" }), (error) => {
    assert.ok(error instanceof HttpError);
    assert.equal(error.code, "ERR_INVALID_REQUEST");
    return true;
  });
});

test("client: URLs are relative to baseUrl", async () => {
  const rows: [string, string, string][] = [
    ["http://a.test/x/", "y", "http://a.test/x/y"],
    ["http://a.test/x", "y", "http://a.test/y"],
    ["http://a.test/x/", "/y", "http://a.test/y"],
    ["http://a.test/x/?q", "?z", "http://a.test/x/?z"],
    ["http://a.test/x/", "http://b.test/", "http://b.test/"],
    ["http://a.test/x/", "", "http://a.test/x/"],
  ];
  for (const [baseUrl, url, expected] of rows) {
    for (const base of [baseUrl, new URL(baseUrl)]) {
      assert.equal((await noted({ baseUrl: base }, url)).href, expected);
    }
  }
  await assert.rejects(new Client({ transport: new Notes() }).get("/y"), {
    code: "ERR_INVALID_REQUEST",
  });
  await assert.rejects(
    new Client({ transport: new Notes(), baseUrl: "http://a.test" }).get("http://["),
    {
      code: "ERR_INVALID_REQUEST",
    },
  );
});

test("client: default headers stand in front, and give way to the request's", async () => {
  const headers = { "Accept": "a", "X-Tag": ["1", "2"] };
  assert.deepEqual([...(await noted({ headers }, "http://a.test/")).headers], [
    ["Accept", "a"],
    ["X-Tag", "1"],
    ["X-Tag", "2"],
  ]);
  const own = { "x-tag": "own", "X-More": "m" };
  assert.deepEqual([...(await noted({ headers }, "http://a.test/", { headers: own })).headers], [
    ["Accept", "a"],
    ["x-tag", "own"],
    ["X-More", "m"],
  ]);
});

test("client: do() sends the request as it is", async () => {
  const transport = new Notes();
  const client = new Client({ transport, headers: { "X": "default" }, baseUrl: "http://b.test/" });
  const request = new HttpRequest("http://a.test/", { method: "PUT", body: "x" });
  await assert.rejects(client.do(request), /noted/);
  assert.deepEqual(transport.requests, [request]);
});

test("client: the request's own time wins, also when it is 0", async () => {
  assert.equal((await noted({ timeoutMs: 5_000 }, "http://a.test/")).timeoutMs, 5_000);
  assert.equal(
    (await noted({ timeoutMs: 5_000 }, "http://a.test/", { timeoutMs: 70 })).timeoutMs,
    70,
  );
  assert.equal(
    (await noted({ timeoutMs: 5_000 }, "http://a.test/", { timeoutMs: 0 })).timeoutMs,
    0,
  );
  await withRawServer(async (connection) => {
    await connection.readHead();
    await pause(40);
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }, async (server) => {
    const transport = steadyTransport();
    const client = new Client({ transport, timeoutMs: 5 });
    assert.equal(await (await client.get(server.origin, { timeoutMs: 0 })).text(), "ok");
    transport.closeIdleConnections();
    await assert.rejects(client.get(server.origin), { code: "ERR_TIMEOUT" });
    transport.destroy();
  });
});

test("client: do() with a client's time keeps everything else of the request", async () => {
  const transport = new Notes();
  const client = new Client({ transport, timeoutMs: 9_000 });
  const init = {
    method: "PUT",
    headers: { "X": "y" },
    body: "x",
    host: "h.test",
    close: true,
    decompress: true,
    signal: new AbortController().signal,
    trace: {},
  };
  const request = new HttpRequest("http://a.test/b", init);
  await assert.rejects(client.do(request), /noted/);
  const [sent] = transport.requests;
  for (const key of Object.keys(request) as (keyof HttpRequest)[]) {
    if (key === "timeoutMs") assert.equal(sent.timeoutMs, 9_000);
    else if (key === "headers") assert.deepEqual([...sent.headers], [...request.headers]);
    else assert.equal(sent[key], request[key], key);
  }
});

test("client: the ready-made ones share one transport", async () => {
  await withRawServer(answering, async (server) => {
    const first = await get(server.origin, { headers: { "X": "y" } });
    assert.equal(await first.text(), "ok");
    const second = await defaultClient.get(server.origin);
    assert.equal(await second.text(), "ok");
    const third = await defaultTransport.roundTrip(new HttpRequest(server.origin));
    assert.equal(await third.text(), "ok");
    assert.deepEqual([second.connection.reused, third.connection.reused], [true, true]);
    assert.match(server.connections[0].received, /\r\nX: y\r\n/);
    defaultTransport.closeIdleConnections();
    await server.allClosed();
  });
});

test("client: without a transport it has one of its own", async () => {
  await withRawServer(answering, async (server) => {
    const response = await new Client().get(server.origin, { close: true });
    assert.equal(await response.text(), "ok");
    assert.equal(defaultTransport.stats().total, 0);
    await server.allClosed();
  });
});

test("client: each verb sends its method, its body and the options of a request", async () => {
  const transport = new Notes();
  const client = new Client({ transport, headers: { "X": "y" } });
  const url = "http://a.test/";
  const init = { headers: { "Z": "z" } };
  const calls: [Promise<HttpResponse>, string, unknown][] = [
    [client.get(url, init), "GET", null],
    [client.head(url, init), "HEAD", null],
    [client.post(url, "b", init), "POST", "b"],
    [client.post(url, null, init), "POST", null],
    [client.post(url, undefined, { ...init, body: "b" }), "POST", "b"],
    [client.put(url, "b", init), "PUT", "b"],
    [client.patch(url, "b", init), "PATCH", "b"],
    [client.delete(url, init), "DELETE", null],
    [client.delete(url, { ...init, body: "b" }), "DELETE", "b"],
  ];
  for (const [call] of calls) await assert.rejects(call, /noted/);
  assert.equal(transport.requests.length, calls.length);
  for (const [i, [, method, body]] of calls.entries()) {
    const sent = transport.requests[i];
    assert.deepEqual([sent.method, sent.body], [method, body]);
    assert.deepEqual([...sent.headers], [["X", "y"], ["Z", "z"]]);
  }
  const wrong = [
    client.post(url, "b", { method: "PUT" }),
    client.put(url, "b", { body: "c" }),
    client.head(url, { method: "GET" }),
  ];
  for (const call of wrong) await assert.rejects(call, { code: "ERR_INVALID_REQUEST" });
});

test("client: postForm() encodes fields for a URL, and FormData as multipart", async () => {
  const heads: string[] = [];
  const bodies: string[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      heads.push(await connection.readHead());
      const length = Number(/content-length: (\d+)/i.exec(heads.at(-1)!)![1]);
      bodies.push(await connection.readBytes(length));
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  }, async (server) => {
    const transport = steadyTransport();
    const client = new Client({ transport, baseUrl: server.origin });
    const form = new FormData();
    form.append("a", "1 2");
    const data = [
      { a: "1 2", b: ["x&y", "\u00e9"], __proto__x: "p" },
      [["a", "1"], ["a", "2"]] as [string, string][],
      new Map([["a", "1"]]),
      new URLSearchParams("a=1&a=2"),
      form,
    ];
    for (const one of data) await client.postForm("/", one);
    for (const bad of [null, "a=1", 1]) {
      await assert.rejects(client.postForm("/", bad as unknown as URLSearchParams), {
        code: "ERR_INVALID_REQUEST",
      });
    }
    await transport.close();
  });
  assert.deepEqual(bodies.slice(0, 4), [
    "a=1+2&b=x%26y&b=%C3%A9&__proto__x=p",
    "a=1&a=2",
    "a=1",
    "a=1&a=2",
  ]);
  assert.match(bodies[4], /name="a"\r\n\r\n1 2\r\n/);
  for (const head of heads) assert.match(head, /^POST \/ HTTP/);
  assert.match(heads[0], /content-type: application\/x-www-form-urlencoded/i);
  assert.match(heads[4], /content-type: multipart\/form-data; boundary=/i);
});

test("client: credentials of a URL become Authorization, and are seen nowhere else", async () => {
  const basic = (text: string): string => "Basic " + btoa(text);
  const rows: [string | undefined, string, string | null][] = [
    [undefined, "http://user:pw@a.test/x", basic("user:pw")],
    [undefined, "http://user@a.test/x", basic("user:")],
    [undefined, "http://:pw@a.test/x", basic(":pw")],
    [undefined, "http://a%20b:p%40%3a%2F@a.test/x", basic("a b:p@:/")],
    [undefined, "http://caf\u00e9:%C3%A9@a.test/x", basic("caf\xc3\xa9:\xc3\xa9")],
    [undefined, "http://u:50%25@a.test/x", basic("u:50%")],
    [undefined, "http://u:50%zz@a.test/x", basic("u:50%zz")],
    [undefined, "http://@a.test/x", null],
    ["http://user:pw@a.test/", "/x", basic("user:pw")],
    ["http://user:pw@a.test/", "http://a.test/x", null],
    ["http://user:pw@a.test/", "http://b.test/x", null],
    ["http://user:pw@a.test/", "//b.test/x", null],
    ["http://user:pw@a.test/", "http://own:one@b.test/x", basic("own:one")],
  ];
  for (const [baseUrl, url, expected] of rows) {
    for (const given of [url, URL.canParse(url) ? new URL(url) : url]) {
      const request = await noted({ baseUrl }, given);
      assert.equal(request.headers.get("authorization"), expected, url);
      assert.match(request.href, /^http:\/\/[ab]\.test\/x$/);
      if (given instanceof URL) assert.equal(given.href, new URL(url).href);
    }
  }
  // The request's own wins over them, and they win over the client's default.
  const url = "http://user:pw@a.test/";
  const own = await noted({}, url, { headers: { "AUTHORIZATION": "own" } });
  assert.deepEqual(own.headers.getAll("authorization"), ["own"]);
  const over = await noted({ headers: { "authorization": "default" } }, url);
  assert.deepEqual(over.headers.getAll("authorization"), [basic("user:pw")]);

  for (const bad of ["http://a%3Ab:x@a.test/", "http://a:%0d@a.test/", "http://%00@a.test/"]) {
    const client = new Client({ transport: new Notes() });
    await assert.rejects(client.get(bad), { code: "ERR_INVALID_REQUEST" });
  }
  assert.throws(() => new HttpRequest(url), { code: "ERR_INVALID_REQUEST" });
});

test("T28 no error shows the credentials of a URL", async () => {
  const shown = (error: unknown): string => {
    const { message, stack, cause } = error as Error;
    return JSON.stringify([message, stack, error, cause, String(cause)]);
  };
  const client = new Client({ transport: new Notes(), baseUrl: "http://u:canary@a.test/" });
  const bad = ["http://u:canary@[", "http://u:canary@a.test:0/", "http://u:canary%00@a.test/"];
  for (const url of [...bad, "http://[", "http://u:canary@a.test:99999/"]) {
    const error = await client.get(url).catch((error) => error);
    assert.equal(error.code, "ERR_INVALID_REQUEST", url);
    assert.doesNotMatch(shown(error), /canary/, url);
  }
  for (const baseUrl of bad.slice(0, 2)) {
    assert.throws(() => new Client({ baseUrl }), (error) => !shown(error).includes("canary"));
  }
});

test("T21 credentials of a URL are sent to its origin only", async () => {
  const seen: string[] = [];
  const handler = (target: () => string): RawHandler => async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const [, path, authorization] = /^GET (\S+)[^]*?(?:authorization: (.*)\r\n|$)/i.exec(head)!;
      seen.push(`${path} ${authorization ?? "none"}`);
      const location = path === "/1" ? "/2" : path === "/2" ? target() : null;
      const lines = location === null ? "200 OK" : `302 X\r\nLocation: ${location}`;
      await connection.send(`HTTP/1.1 ${lines}\r\nContent-Length: 0\r\n\r\n`);
    }
  };
  await withRawServer(handler(() => ""), async (b) => {
    await withRawServer(handler(() => b.origin + "/3"), async (a) => {
      const transport = steadyTransport();
      const response = await new Client({ transport }).get(
        a.origin.replace("//", "//user:pw@") + "/1",
      );
      assert.equal(response.url, b.origin + "/3");
      await transport.close();
    });
  });
  const authorization = "Basic " + btoa("user:pw");
  assert.deepEqual(seen, [`/1 ${authorization}`, `/2 ${authorization}`, "/3 none"]);
});

test("client: refuses options it does not know, and values they cannot have", () => {
  const bad = [
    { retries: 1 },
    { jar: {} },
    { timeoutMs: -1 },
    { timeoutMs: "5" },
    { baseUrl: "/x" },
    { sensitiveHeaders: "x" },
    { maxRedirects: -1 },
    { maxRedirects: 1.5 },
    { checkRedirect: "stop" },
    { referer: "no" },
  ];
  for (const options of bad) {
    assert.throws(() => new Client(options as ClientOptions), { code: "ERR_INVALID_REQUEST" });
  }
});

test("request: with() changes what it is told, and keeps the URL with its fragment", () => {
  const request = new HttpRequest("http://a.test/b?c#d", {
    method: "PUT",
    body: "x",
    headers: { "X": "y" },
  });
  assert.deepEqual([request.href, request.fragment], ["http://a.test/b?c", "#d"]);
  const changed = request.with({ method: "POST", timeoutMs: 5 });
  assert.deepEqual([changed.method, changed.timeoutMs, changed.body], ["POST", 5, "x"]);
  assert.deepEqual([changed.href, changed.fragment], ["http://a.test/b?c", "#d"]);
  assert.equal(changed.headers.get("x"), "y");
  assert.equal(request.with({}, "http://b.test/").href, "http://b.test/");
  assert.equal(request.with({ body: undefined }).body, null);
  assert.throws(() => request.with({ unknown: 1 } as HttpRequestInit), {
    code: "ERR_INVALID_REQUEST",
  });
  for (const url of ["http://a.test/#", "http://a.test/?#", "http://a.test/?#x"]) {
    const { href, requestTarget } = new HttpRequest(url);
    assert.equal(href.includes("#"), false, url);
    assert.equal(requestTarget, url.includes("?") ? "/?" : "/");
  }
});

test("client: one time for all hops and the body", async () => {
  const clock = new ManualClock();
  await withRawServer(async (connection) => {
    for (;;) {
      const path = (await connection.readHead()).split(" ")[1];
      const next = Number(path.slice(1)) + 1;
      clock.advance(80);
      if (next > 3) {
        await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        return;
      }
      await connection.send(`HTTP/1.1 302 X\r\nLocation: /${next}\r\nContent-Length: 0\r\n\r\n`);
    }
  }, async (server) => {
    const timeouts: number[] = [];
    const transport = new Transport({ clock });
    const client = new Client({
      transport: {
        roundTrip: (request) => {
          timeouts.push(request.timeoutMs);
          return transport.roundTrip(request);
        },
      },
      timeoutMs: 300,
      clock,
    });
    const response = await client.get(server.origin + "/1");
    assert.deepEqual(timeouts, [300, 220, 140]);
    const text = response.text();
    clock.advance(59);
    assert.equal(await isPending(text), true);
    clock.advance(1);
    await assert.rejects(text, { code: "ERR_TIMEOUT" });
    assert.equal(transport.stats().active, 0);
    await transport.close();
  });
});
