/**
 * The client besides its redirects: URLs, default headers, times; the ready-made one.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  defaultClient,
  defaultTransport,
  get,
  HttpError,
  HttpRequest,
  type HttpResponse,
  type RoundTripper,
  Transport,
} from "../mod.ts";
import { test } from "./harness.ts";
import { type RawHandler, withRawServer } from "./raw_server.ts";
import { pause } from "./waiting.ts";

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
    const transport = new Transport();
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
