/**
 * `http+unix:` URLs: a socket's path in the place of the host.
 *
 * @module
 */
import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import {
  Client,
  type ClientOptions,
  createFetch,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  MemoryCookieJar,
  type Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { type RawConnection, type RawServer, withRawServer } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { withUnixServer } from "../support/unix_socket.ts";

test("an http+unix URL names a socket, and localhost is its host", () => {
  const request = new HttpRequest("http+unix://%2Fvar%2Frun%2Fdocker.sock/v1.43/info?a=%2F&b#c");
  assert.equal(request.scheme, "http+unix:");
  assert.equal(request.socketPath, "/var/run/docker.sock");
  assert.equal(request.authority, "localhost");
  assert.equal(request.hostname, "localhost");
  assert.equal(request.requestTarget, "/v1.43/info?a=%2F&b");
  assert.equal(request.href, "http+unix://%2Fvar%2Frun%2Fdocker.sock/v1.43/info?a=%2F&b");
  assert.equal(request.host, null);
});

test("the path of a socket is decoded once, as UTF-8, and keeps its case", () => {
  const rows: [string, string][] = [
    ["%2FA%2Fb.sock", "/A/b.sock"],
    ["%2fa%2525b", "/a%25b"],
    ["%2Ftmp%2Fa%20b%3A80", "/tmp/a b:80"],
    ["%2Ftmp%2F%C3%A9", "/tmp/\u00e9"],
    ["%2Ftmp%2F\u00e9", "/tmp/\u00e9"],
    ["%2Ftmp%2F..%2Fa", "/tmp/../a"],
    ["%2Ftmp%2Fa:", "/tmp/a"],
  ];
  for (const [host, path] of rows) {
    assert.equal(new HttpRequest(`http+unix://${host}/`).socketPath, path, host);
  }
});

test("an http+unix URL without a path asks for the root", () => {
  const rows: [string, string][] = [
    ["http+unix://%2Fa.sock", "/"],
    ["http+unix://%2Fa.sock?b", "/?b"],
    ["http+unix://%2Fa.sock?", "/?"],
    ["http+unix://%2Fa.sock/", "/"],
    ["http+unix://%2Fa.sock/b/../c", "/c"],
  ];
  for (const [url, target] of rows) {
    assert.equal(new HttpRequest(url).requestTarget, target, url);
  }
});

test("an http+unix URL that names no absolute path is refused", () => {
  const urls = [
    "http+unix:",
    "http+unix:/a.sock",
    "http+unix:a.sock",
    "http+unix:///a.sock",
    "http+unix://a.sock/",
    "http+unix://localhost/",
    "http+unix://127.0.0.1/",
    "http+unix://[::1]/",
    "http+unix://.%2Fa.sock/",
    "http+unix://~%2Fa.sock/",
    "http+unix://%00abstract/",
    "http+unix://%2Fa%00b/",
    "http+unix://%2Fa%FFb/",
    "http+unix://%2Fa%zz/",
    "http+unix://%2Fa.sock:80/",
    "http+unix://%2Fa.sock:0/",
    "http+unix://user:password@%2Fa.sock/",
    "http+unix://%2Fa.sock/\r\nX: y",
  ];
  for (const url of urls) {
    const isRefusal = (error: unknown) =>
      error instanceof HttpError && error.code === "ERR_INVALID_REQUEST" &&
      !error.message.includes("password");
    assert.throws(() => new HttpRequest(url), isRefusal, url);
  }
});

test("other URLs have no socket path", () => {
  for (const url of ["http://localhost/", "https://a.test/", "data:,a", "file:///a"]) {
    assert.equal(new HttpRequest(url).socketPath, null, url);
  }
});

test("a fragment is dropped from every URL, also an empty one", () => {
  const rows: [string, string][] = [
    ["http://a.test/b#c", "http://a.test/b"],
    ["http://a.test/b#", "http://a.test/b"],
    ["http://a.test/b?#", "http://a.test/b?"],
    ["data:text/plain,a%23b#c", "data:text/plain,a%23b"],
    ["data:,a?b#", "data:,a?b"],
    ["file:///a#b", "file:///a"],
  ];
  for (const [url, href] of rows) assert.equal(new HttpRequest(url).href, href);
  assert.equal(new HttpRequest("http://a.test/b?#").requestTarget, "/b?");
});

/** Answers with the target and the host of each request. */
async function answering(connection: RawConnection): Promise<void> {
  for (;;) {
    const head = await connection.readHead();
    const text = `${head.split(" ")[1]} ${/^Host: (.*)\r$/m.exec(head)![1]}`;
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
  }
}

function urlOf(path: string): string {
  return `http+unix://${encodeURIComponent(path)}`;
}

/** Sends one request; tells what was answered, and whether the connection had served before. */
async function get(transport: Transport, url: string, host?: string): Promise<string> {
  const response = await transport.roundTrip(new HttpRequest(url, { host }));
  return `${await response.text()} ${response.connection.reused ? "reused" : "new"}`;
}

test("http+unix: requests go to the socket that the URL names, and its connection is kept", async () => {
  await withUnixServer(answering, async (path) => {
    const transport = steadyTransport();
    assert.equal(
      await get(transport, `${urlOf(path)}/v1.43/info?a=b#c`),
      "/v1.43/info?a=b localhost new",
    );
    assert.equal(await get(transport, urlOf(path)), "/ localhost reused");
    assert.equal(await get(transport, urlOf(path), "docker"), "/ docker reused");
    const { total, idle } = transport.stats();
    assert.deepEqual([total, idle], [1, 1]);
    await transport.close();
  });
});

test("T34: http+unix: two sockets, and a host of the same name, never share a connection", async () => {
  const servers: RawServer[] = [];
  await withUnixServer(answering, async (one, first) => {
    await withUnixServer(answering, async (two, second) => {
      servers.push(first, second);
      const transport = steadyTransport();
      for (const path of [one, two, one, two]) await get(transport, `${urlOf(path)}/`);
      assert.deepEqual(servers.map((server) => server.connections.length), [1, 1]);
      assert.equal(transport.stats().idle, 2);
      // Another spelling of the same path is the same key.
      assert.match(await get(transport, urlOf(one).replaceAll("%2F", "%2f")), /reused$/);
      // Another path to the same socket is not: what it leads to may change.
      await symlink(one, `${one}2`);
      assert.match(await get(transport, `${urlOf(`${one}2`)}/`), /new$/);
      await transport.close();
    });
  });
});

test("http+unix: a proxy is not asked, and localhost is not dialled", async () => {
  await withUnixServer(answering, async (path) => {
    const transport = steadyTransport({
      resolve: () => assert.fail("a name was looked up"),
      proxy: () => "http://127.0.0.1:1",
    });
    assert.equal(await get(transport, `${urlOf(path)}/a`), "/a localhost new");
    await transport.close();
  });
});

test("http+unix: a socket that is not there is ERR_DIAL, and never sent", async () => {
  const transport = steadyTransport();
  await assert.rejects(get(transport, "http+unix://%2Fno%2Fsuch%2Fsocket/"), (error) => {
    assert.ok(error instanceof HttpError);
    assert.deepEqual([error.code, error.phase, error.attempt?.verdict], [
      "ERR_DIAL",
      "dial",
      "never-sent",
    ]);
    return true;
  });
  assert.equal(transport.stats().total, 0);
  await transport.close();
});

test("http+unix: an abort closes the connection", async () => {
  const controller = new AbortController();
  const reason = new Error("no more");
  await withUnixServer(async (connection) => {
    await connection.readHead();
    controller.abort(reason);
  }, async (path, server) => {
    const transport = steadyTransport();
    await assert.rejects(
      transport.roundTrip(new HttpRequest(urlOf(path), { signal: controller.signal })),
      (error) => error === reason,
    );
    await server.allClosed();
    assert.equal(transport.stats().total, 0);
    await transport.close();
  });
});

test("http+unix: the response to CONNECT and to an upgrade is the caller's connection", async () => {
  await withUnixServer(async (connection) => {
    await connection.readHead();
    await connection.send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello",
    );
    await connection.readToEnd();
  }, async (path) => {
    const transport = steadyTransport();
    const headers = { "Connection": "Upgrade", "Upgrade": "tcp" };
    const response = await transport.roundTrip(
      new HttpRequest(`${urlOf(path)}/attach`, { headers }),
    );
    const conn = response.upgrade();
    const p = new Uint8Array(5);
    assert.equal(await conn.read(p), 5);
    assert.equal(new TextDecoder().decode(p), "hello");
    assert.equal(transport.stats().total, 0);
    conn.close();
    await transport.close();
  });
});

test("http+unix: connect() leases a connection to the socket", async () => {
  await withUnixServer(answering, async (path) => {
    const transport = steadyTransport();
    const leased = await transport.connect(urlOf(path));
    const response = await leased.roundTrip(new HttpRequest(`${urlOf(path)}/leased`));
    assert.equal(await response.text(), "/leased localhost");
    leased.release();
    await transport.close();
  });
});

test("http+unix: explain() names the socket", async () => {
  await withUnixServer(answering, async (path) => {
    const transport = steadyTransport();
    assert.match(transport.explain(new HttpRequest(urlOf(path))), /dial/);
    await get(transport, urlOf(path));
    assert.match(transport.explain(new HttpRequest(urlOf(path))), /reuse/);
    await transport.close();
  });
});

/** Answers `/to?LOCATION` with a redirect, everything else with the head of the request. */
async function redirecting(connection: RawConnection): Promise<void> {
  for (;;) {
    const head = await connection.readHead();
    const location = /^[A-Z]+ \/to\?(\S+)/.exec(head)?.[1];
    await connection.send(
      location === undefined
        ? `HTTP/1.1 200 OK\r\nContent-Length: ${head.length}\r\n\r\n${head}`
        : `HTTP/1.1 307 X\r\nLocation: ${
          decodeURIComponent(location)
        }\r\nContent-Length: 0\r\n\r\n`,
    );
  }
}

/** Requests from `origin` what redirects to `location`; tells the head that arrived there. */
async function redirected(
  origin: string,
  location: string,
  init: HttpRequestInit = {},
  options: ClientOptions = {},
): Promise<string> {
  const transport = steadyTransport();
  try {
    const client = new Client({ ...options, transport });
    return await (await client.get(`${origin}/to?${encodeURIComponent(location)}`, init)).text();
  } finally {
    await transport.close();
  }
}

test("http+unix: a redirect is followed within its socket, secrets go with it", async () => {
  await withUnixServer(redirecting, async (path, server) => {
    const headers = { Authorization: "canary", Cookie: "a=canary" };
    const spelled = urlOf(path).replaceAll("%2F", "%2f");
    for (const location of ["/b?c", "b?c", `${urlOf(path)}/b?c`, `${spelled}/b?c`]) {
      const head = await redirected(urlOf(path), location, { headers });
      assert.match(head, /^GET \/b\?c HTTP\/1\.1\r\nHost: localhost\r\n/, location);
      assert.match(head, /^authorization: canary\r$/im);
      assert.match(head, /^cookie: a=canary\r$/im);
      // The path of a socket is nobody's business.
      assert.doesNotMatch(head, /^referer/im);
    }
    assert.equal(server.connections.length, 4);
  });
});

test("T26: http+unix: no redirect leads to a socket but the one that it comes from", async () => {
  await withUnixServer(redirecting, async (path, server) => {
    await withUnixServer(redirecting, async (other, otherServer) => {
      await withRawServer(redirecting, async (web) => {
        const rows: [string, string][] = [
          [web.origin, urlOf(path)],
          [web.origin, `${urlOf(path)}/x`],
          [urlOf(other), urlOf(path)],
          [urlOf(other), "http+unix://%2Fno%2Fsuch"],
          [urlOf(other), "http+unix://localhost/"],
          [urlOf(other), "http+unix:/x"],
          [urlOf(other), "http+unix://%FF/"],
          [urlOf(other), "//%2Fno%2Fsuch/"],
          [urlOf(other), `http+unix://u:p@${urlOf(other).slice("http+unix://".length)}/`],
          [urlOf(other), "file:///etc/passwd"],
        ];
        for (const [from, location] of rows) {
          await assert.rejects(redirected(from, location), { code: "ERR_REDIRECT" }, location);
        }
        assert.equal(server.connections.length, 0);
        // Each asked one socket or server once, and nothing came back.
        assert.equal(otherServer.connections.length + web.connections.length, rows.length);
      });
    });
  });
});

test("T21: http+unix: secrets are dropped where a redirect leaves the socket", async () => {
  await withUnixServer(redirecting, async (path) => {
    await withRawServer(redirecting, async (web) => {
      const headers = {
        "Authorization": "canary",
        "Cookie": "canary",
        "X-Key": "canary",
        "X-A": "1",
      };
      const head = await redirected(urlOf(path), `${web.origin}/x`, { headers }, {
        sensitiveHeaders: ["x-key"],
      });
      assert.match(head, /^GET \/x /);
      assert.match(head, /^x-a: 1\r$/im);
      assert.doesNotMatch(head, /canary|referer|unix/i);
    });
  });
});

test("T21: http+unix: a client's default secrets are for the socket of its base only", async () => {
  await withUnixServer(redirecting, async (path) => {
    await withUnixServer(redirecting, async (other) => {
      const transport = steadyTransport();
      const client = new Client({
        transport,
        baseUrl: `${urlOf(path)}/v1/`,
        headers: { "Authorization": "canary", "X-A": "1" },
      });
      const own = await (await client.get("info")).text();
      assert.match(own, /^GET \/v1\/info /);
      assert.match(own, /^authorization: canary\r$/im);
      const foreign = await (await client.get(`${urlOf(other)}/`)).text();
      assert.match(foreign, /^x-a: 1\r$/im);
      assert.doesNotMatch(foreign, /canary/);
      await transport.close();
    });
  });
});

test("http+unix: a jar keeps no cookies of a socket, and gives it none", async () => {
  const heads: string[] = [];
  await withUnixServer(async (connection) => {
    for (;;) {
      heads.push(await connection.readHead());
      await connection.send("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n");
    }
  }, async (path) => {
    const transport = steadyTransport();
    const jar = new MemoryCookieJar();
    const client = new Client({ transport, jar });
    for (let i = 0; i < 2; i++) assert.equal((await client.get(urlOf(path))).status, 200);
    assert.equal(heads.length, 2);
    assert.doesNotMatch(heads.join(""), /cookie/i);
    assert.equal(jar.toJSON().cookies.length, 0);
    await transport.close();
  });
});

test("http+unix: fetch asks the socket of its baseUrl, and no other", async () => {
  await withUnixServer(redirecting, async (path, server) => {
    const transport = steadyTransport();
    const fetch = createFetch({ transport, baseUrl: `${urlOf(path)}/v1/` });
    const response = await fetch("info?a#b");
    assert.match(await response.text(), /^GET \/v1\/info\?a HTTP\/1\.1\r\nHost: localhost\r\n/);
    assert.equal(response.url, `${urlOf(path)}/v1/info?a`);
    const followed = await fetch(new Request(`${urlOf(path)}/to?b`));
    assert.equal(followed.redirected, true);
    assert.match(await followed.text(), /^GET \/b /);
    const before = server.connections.length;

    const fetches = [
      fetch,
      createFetch({ transport }),
      createFetch({
        transport,
        baseUrl: "http://localhost/",
      }),
    ];
    for (const [i, one] of fetches.entries()) {
      const url = i === 0 ? "http+unix://%2Fno%2Fsuch/" : urlOf(path);
      await assert.rejects(one(url), (error: TypeError) => {
        assert.equal(error.name, "TypeError");
        assert.equal((error.cause as HttpError).code, "ERR_BLOCKED");
        return true;
      });
    }
    assert.equal(server.connections.length, before);
    await transport.close();
  });
});
