/**
 * Options are those that a caller states: nothing that stands on `Object.prototype` is one, and what a class has is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Client,
  createFetch,
  fileProtocol,
  HttpHeaders,
  HttpRequest,
  MemoryCookieJar,
  ResumingTransport,
  RetryingTransport,
  type RoundTripper,
  Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";

/** Runs while properties stand on `Object.prototype`, enumerable, as some libraries put them there. */
async function withPolluted<T>(
  properties: Record<string, unknown>,
  run: () => T | Promise<T>,
): Promise<T> {
  const names = Object.keys(properties);
  for (const name of names) {
    Object.defineProperty(Object.prototype, name, {
      value: properties[name],
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  try {
    return await run();
  } finally {
    for (const name of names) delete (Object.prototype as Record<string, unknown>)[name];
  }
}

test("M18 an enumerable property on Object.prototype breaks nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  await writeFile(join(folder, "a.txt"), "file");
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      await connection.readBytes(Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0));
      await connection.send(
        head.includes(" /from ")
          ? "HTTP/1.1 302 X\r\nLocation: /to\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
          : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
      );
    }
  }, async (server) => {
    await withPolluted({ polluted: "value", pollutedCall: () => 7 }, async () => {
      const transport = new Transport({ tls: {}, hosts: { "a.test": "127.0.0.1" } });
      transport.registerProtocol("file", fileProtocol({ root: folder }));
      const url = server.origin + "/from";
      const direct = await transport.roundTrip(new HttpRequest(url, { headers: { "X-A": "1" } }));
      assert.equal(direct.status, 302);
      assert.equal(await direct.text(), "");
      for (
        const above of [
          transport,
          new RetryingTransport(transport, { attempts: 2 }),
          new ResumingTransport(transport, {}),
        ]
      ) {
        const client = new Client({
          transport: above,
          jar: new MemoryCookieJar({}),
          headers: { "X-B": "2" },
        });
        assert.equal(await (await client.get(url)).text(), "ok");
        assert.equal(await (await client.post(url, "x", { timeoutMs: 5_000 })).text(), "ok");
        assert.equal(await (await client.postForm(url, { a: "b" })).text(), "ok");
        const fetch = createFetch({ transport: above });
        assert.equal(await (await fetch(url)).text(), "ok");
        const response = await fetch(url, { method: "POST", body: "x", headers: { "X-C": "3" } });
        assert.equal(await response.text(), "ok");
        assert.equal(await (await fetch("data:,hi")).text(), "hi");
      }
      const file = await transport.roundTrip(new HttpRequest("file:///a.txt"));
      assert.equal(await file.text(), "file");
      assert.deepEqual([...new HttpHeaders({ a: "b" })], [["a", "b"]]);
      assert.throws(() => new HttpRequest(url, { unknown: 1 } as object), /"unknown"/);
      await transport.close();
      const own = createFetch({ maxConnsPerHost: 2, baseUrl: server.origin });
      assert.equal(await (await own("/", { headers: { Connection: "close" } })).text(), "ok");
    });
  });
  await rm(folder, { recursive: true });
});

test("M18 options on Object.prototype are options of nobody's", async () => {
  const properties = {
    method: "POST",
    headers: 7,
    body: "polluted",
    contentLength: -1,
    decompress: "yes",
    timeoutMs: "soon",
    close: "yes",
    integrity: "sha256-",
    transport: 7,
    jar: 7,
    baseUrl: "nonsense",
    maxRedirects: -1,
    referer: "yes",
    proxy: "http://evil.test:1",
    maxIdleConns: -1,
    dialer: 7,
    attempts: -1,
    baseDelayMs: -1,
    contentTypes: 7,
    maxCookies: -1,
  };
  const seen: HttpRequest[] = [];
  const other: RoundTripper = {
    roundTrip: (request) => {
      seen.push(request);
      return Promise.reject(new Error("far enough"));
    },
  };
  await withPolluted(properties, async () => {
    const request = new HttpRequest("http://a.test/", {});
    const { method, body, contentLength, decompress, timeoutMs, close, integrity } = request;
    assert.deepEqual(
      { method, body, contentLength, decompress, timeoutMs, close, integrity },
      {
        method: "GET",
        body: null,
        contentLength: null,
        decompress: null,
        timeoutMs: 0,
        close: false,
        integrity: null,
      },
    );
    assert.equal(new HttpRequest("http://a.test/").with({ close: true }).method, "GET");
    const transport = new Transport({});
    assert.equal(transport.explain(request), new Transport().explain(request));
    assert.doesNotMatch(transport.explain(request), /evil/);
    fileProtocol({ root: "." });
    for (
      const above of [
        other,
        new RetryingTransport(other, {}),
        new ResumingTransport(other, {}),
      ]
    ) {
      const client = new Client({ transport: above });
      await assert.rejects(client.get("http://a.test/"), /far enough/);
      await assert.rejects(client.get("http://a.test/", {}), /far enough/);
    }
    assert.deepEqual(seen.map(({ method, body }) => [method, body]), seen.map(() => ["GET", null]));
    assert.equal(seen.length, 6);
    createFetch({});
    new Client({ transport: transport });
    new MemoryCookieJar({});
  });
});

test("M18 options of classes and of other objects above are read, getters too", async () => {
  class Defaults {
    readonly closes = true;
    get headers(): Record<string, string> {
      return { "X-Class": "1" };
    }
    get timeoutMs(): number {
      return 7;
    }
  }
  class Mine extends Defaults {
    // Not an option, but no own property either.
    describe(): string {
      return "mine";
    }
    get method(): string {
      return "PUT";
    }
  }
  const seen: HttpRequest[] = [];
  const other: RoundTripper = {
    roundTrip: (request) => {
      seen.push(request);
      return Promise.reject(new Error("far enough"));
    },
  };
  const options = new Mine();
  // What is its own must be known.
  assert.throws(() => new HttpRequest("http://a.test/", options), /"closes"/);
  delete (options as { closes?: boolean }).closes;
  const client = new Client({ transport: other });
  const requests = [
    new HttpRequest("http://a.test/", options),
    new HttpRequest(
      "http://a.test/",
      Object.create({ method: "PUT", timeoutMs: 7, headers: { "X-Class": "1" } }),
    ),
  ];
  await assert.rejects(client.put("http://a.test/", null, options), /far enough/);
  for (const { method, timeoutMs, headers } of [...requests, ...seen]) {
    assert.deepEqual([method, timeoutMs, headers.get("x-class")], ["PUT", 7, "1"]);
  }
  assert.throws(
    () => new HttpRequest("http://a.test/", Object.create({ unknown: 1 })),
    /"unknown"/,
  );

  class ClientDefaults {
    get maxRedirects(): number {
      return -1;
    }
  }
  class TransportDefaults {
    get maxIdleConns(): number {
      return -1;
    }
  }
  assert.throws(() => new Client(new ClientDefaults()), /maxRedirects/);
  assert.throws(() => createFetch(new ClientDefaults()), /maxRedirects/);
  assert.throws(() => new Transport(new TransportDefaults()), /maxIdleConns/);
  assert.throws(() => createFetch(new TransportDefaults()), /maxIdleConns/);
});
