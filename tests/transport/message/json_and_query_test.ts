/**
 * What becomes part of a request: values as JSON, and names and values behind its query.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  defaultTransport,
  get,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type SearchParamsInit,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { withRawServer } from "../../support/raw_server.ts";

function invalidWith(pattern: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.code, "ERR_INVALID_REQUEST");
    assert.match(error.message, pattern);
    return true;
  };
}

/** What each request of `send` looks like on the wire: request line, `Content-Type`, body. */
async function onTheWire(send: (origin: string) => Promise<HttpResponse>[]): Promise<string[]> {
  const seen: string[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      const types = [...head.matchAll(/^content-type: (.*)$/gim)].map(([, type]) => type.trim());
      const body = await connection.readBytes(length);
      seen.push([head.split("\r\n", 1)[0], ...types, body].join(" | "));
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  }, async (server) => {
    for (const sent of send(server.origin)) assert.equal(await (await sent).text(), "ok");
  });
  return seen.sort();
}

test("searchParams: each shape is added behind the query that is there", () => {
  const rows: [string, SearchParamsInit, string][] = [
    ["http://a.test/b", { c: 1, d: "e f", g: true, h: 2n }, "http://a.test/b?c=1&d=e+f&g=true&h=2"],
    ["http://a.test/b?x=%2f&y#z", { c: "&=#?" }, "http://a.test/b?x=%2f&y&c=%26%3D%23%3F#z"],
    ["http://a.test/b?", [["c", "d"]], "http://a.test/b?c=d"],
    [
      "http://a.test/b",
      [["c", ["d", undefined, null, 0]], ["c", "e"]],
      "http://a.test/b?c=d&c=&c=0&c=e",
    ],
    ["http://a.test/b", new Map([["c", "ü"]]), "http://a.test/b?c=%C3%BC"],
    ["http://a.test/b?c", new URLSearchParams("d=e&d=f"), "http://a.test/b?c&d=e&d=f"],
    ["http://a.test/b?c", "?d=e f&g=%20", "http://a.test/b?c&d=e%20f&g=%20"],
    ["http://a.test/b?c", "d#e", "http://a.test/b?c&d%23e"],
    ["http://a.test/b?c", { d: undefined }, "http://a.test/b?c"],
    ["http://a.test/b?", {}, "http://a.test/b?"],
    ["http://a.test/b", { c: [] }, "http://a.test/b"],
    ["http+unix://%2Fa/b", { c: "d" }, "http+unix://%2Fa/b?c=d"],
  ];
  for (const [url, searchParams, expected] of rows) {
    for (const given of [url, new URL(url)]) {
      const { href, fragment, requestTarget } = new HttpRequest(given, { searchParams });
      assert.equal(href + fragment, expected);
      assert.ok(href.endsWith(requestTarget), requestTarget);
    }
  }
});

test("searchParams: what is no text, number or boolean is refused by its name", () => {
  const rows: [unknown, RegExp][] = [
    [null, /searchParams is null/],
    [5, /searchParams is a number/],
    [{ page: NaN }, /"page" is NaN/],
    [{ when: new Date(0) }, /"when" is neither/],
    [{ list: [["nested"]] }, /"list" is neither/],
    [{ do: () => {} }, /"do" is neither/],
    [["ab"], /no pair/],
    [[["a"]], /no pair/],
    [[[1, "a"]], /a name that is no text/],
  ];
  for (const [searchParams, pattern] of rows) {
    const init = { searchParams } as HttpRequestInit;
    assert.throws(() => new HttpRequest("http://a.test/", init), invalidWith(pattern));
  }
  const beside = { target: "/b", searchParams: { c: 1 } };
  assert.throws(() => new HttpRequest("http://a.test/", beside), invalidWith(/beside target/));
});

test("json: the text is made at once, and nothing that has none is sent", () => {
  const value = { a: [1, null, "ü"], left: undefined };
  const request = new HttpRequest("http://a.test/", { method: "POST", json: value });
  value.a.push(2);
  assert.equal(request.body, '{"a":[1,null,"ü"]}');
  assert.equal(new HttpRequest("http://a.test/", { json: null }).body, "null");
  const circle: Record<string, unknown> = { a: { b: {} } };
  (circle.a as Record<string, unknown>).b = { c: circle };
  const twice = {};
  assert.equal(new HttpRequest("http://a.test/", { json: [twice, twice] }).body, "[{},{}]");
  const thrown = new Error("mine");
  const rows: [unknown, RegExp][] = [
    [undefined, /json is undefined, which/],
    [() => {}, /json is a function, which/],
    [Symbol("s"), /json is a symbol, which/],
    [5n, /json holds a BigInt, which/],
    [{ a: [{ total: 5n }] }, /json holds a BigInt at "total"/],
    [[1n], /json holds a BigInt at "0"/],
    [circle, /json holds a circle at "c"/],
    [{
      toJSON: () => {
        throw thrown;
      },
    }, /json holds something that throws/],
  ];
  for (const [json, pattern] of rows) {
    assert.throws(() => new HttpRequest("http://a.test/", { json }), (error: Error) => {
      if (pattern.source.includes("throws")) assert.equal(error.cause, thrown);
      return invalidWith(pattern)(error);
    });
  }
  const both = { json: 1, body: "1" };
  assert.throws(() => new HttpRequest("http://a.test/", both), invalidWith(/two bodies/));
  assert.throws(
    () => new HttpRequest("http://a.test/", { method: "CONNECT", json: 1 }),
    invalidWith(/has no body/),
  );
});

test("with(): searchParams are added, json takes the body's place, and a body that of json", async () => {
  const first = new HttpRequest("http://a.test/?a=1#b", { method: "POST", json: { n: 1 } });
  const second = first.with({ searchParams: { c: 2 }, json: { n: 2 } });
  assert.deepEqual([second.href, second.fragment], ["http://a.test/?a=1&c=2", "#b"]);
  assert.equal(second.body, '{"n":2}');
  assert.equal(second.with({}).body, '{"n":2}');
  const bytes = new Uint8Array([1]);
  const withBytes = new HttpRequest("http://a.test/", { method: "POST", body: bytes });
  assert.equal(withBytes.with({ json: 1 }).body, "1");
  assert.equal(withBytes.with({ json: 1 }).arrayBytes, null);
  assert.throws(() => withBytes.with({ json: 1, body: bytes }), invalidWith(/two bodies/));
  // Once it is made, what it is made of is no part of it.
  const target = first.with({ method: "GET", body: null, target: "/x" });
  assert.equal(target.with({}).target, "/x");
  const transport = new Transport();
  const client = new Client({ transport });
  const seen = await onTheWire((origin) => {
    const json = new HttpRequest(origin, { method: "POST", json: 1 });
    return [
      client.do(json),
      client.do(json.with({ headers: { "X-A": "1" } })),
      client.do(json.with({ body: "text" })),
      client.do(json.with({ body: new URLSearchParams("a=b") })),
      client.do(json.with({ body: "text" }).with({ json: 2 })),
    ];
  });
  await transport.close();
  assert.deepEqual(seen, [
    "POST / HTTP/1.1 | application/json | 1",
    "POST / HTTP/1.1 | application/json | 1",
    "POST / HTTP/1.1 | application/json | 2",
    "POST / HTTP/1.1 | application/x-www-form-urlencoded;charset=UTF-8 | a=b",
    "POST / HTTP/1.1 | text/plain;charset=UTF-8 | text",
  ]);
});

test("json and searchParams go the same way by Transport, Client and get()", async () => {
  const transport = new Transport();
  const client = new Client({ transport, headers: { "X-A": "1" } });
  const own = new Client({ transport, headers: { "Content-Type": "application/x-own" } });
  const seen = await onTheWire((origin) => {
    const init = { json: { a: 1 }, searchParams: { q: "x y" } };
    const typed = { ...init, headers: { "content-type": "application/vnd.x+json" } };
    return [
      transport.roundTrip(new HttpRequest(origin + "/t", { method: "POST", ...init })),
      get(origin + "/g", { searchParams: init.searchParams }),
      client.post(origin + "/init", init),
      client.post(origin + "/third", undefined, init),
      client.post(origin + "/typed", typed),
      client.put(origin + "/put", { body: "text", searchParams: "q" }),
      client.patch(origin + "/patch", Object.assign(Object.create(null), init)),
      client.delete(origin + "/delete", init),
      own.post(origin + "/own", init),
    ];
  });
  await transport.close();
  defaultTransport.closeIdleConnections();
  assert.deepEqual(seen, [
    'DELETE /delete?q=x+y HTTP/1.1 | application/json | {"a":1}',
    "GET /g?q=x+y HTTP/1.1 | ",
    'PATCH /patch?q=x+y HTTP/1.1 | application/json | {"a":1}',
    'POST /init?q=x+y HTTP/1.1 | application/json | {"a":1}',
    'POST /own?q=x+y HTTP/1.1 | application/x-own | {"a":1}',
    'POST /t?q=x+y HTTP/1.1 | application/json | {"a":1}',
    'POST /third?q=x+y HTTP/1.1 | application/json | {"a":1}',
    'POST /typed?q=x+y HTTP/1.1 | application/vnd.x+json | {"a":1}',
    "PUT /put?q HTTP/1.1 | text/plain;charset=UTF-8 | text",
  ]);
});

test("a client takes no object for a body but by { json }, and no two bodies", async () => {
  const client = new Client({
    transport: { roundTrip: () => Promise.reject(new Error("sent")) },
  });
  const url = "http://a.test/";
  const rows: [Promise<unknown>, RegExp][] = [
    [
      client.post(url, { item: 7 } as HttpRequestInit),
      /"item": post\(\) sends .* \{ json: object \}/,
    ],
    [client.put(url, "text", { json: 1 }), /two bodies/],
    [client.patch(url, null, { json: 1 }), /two bodies/],
    [client.post(url, { json: undefined }), /json is undefined/],
    [client.post(url, { method: "PUT", json: 1 }), /cannot send a PUT request/],
  ];
  for (const [sent, pattern] of rows) await assert.rejects(sent, invalidWith(pattern));
  // Those are bodies.
  const read = { read: () => Promise.resolve(null) };
  const iterable = { async *[Symbol.asyncIterator]() {} };
  for (const body of [read, iterable]) await assert.rejects(client.post(url, body), /sent/);
});

test("json<T>() of a response is typed, and looks at nothing", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"id": 7}');
  }, async (server) => {
    const response = await new Client().get(server.origin, { close: true });
    const { id } = await response.json<{ id: number }>();
    assert.equal(id + 1, 8);
  });
});
