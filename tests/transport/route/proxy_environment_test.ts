/**
 * Proxies from the environment: which variable counts, and what `NO_PROXY` excepts.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import {
  createFetch,
  defaultTransport,
  HttpRequest,
  proxyFromEnvironment,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { type RawHandler, withRawServer } from "../../support/raw_server.ts";

type Environment = Record<string, string | undefined>;

/** The proxy for a URL, as text, or null. */
function proxyFor(env: Environment, url: string): string | null {
  return proxyFromEnvironment(env)(new HttpRequest(url))?.href ?? null;
}

/** Tells whether `NO_PROXY` of this text lets a request go direct; the host may have a port. */
function isDirect(noProxy: string, host: string): boolean {
  const env = { ALL_PROXY: "proxy.test:3128", NO_PROXY: noProxy };
  return proxyFor(env, `http://${host}/`) === null;
}

test("proxy environment: each scheme has its variable, and ALL_PROXY serves both", () => {
  const env = { HTTP_PROXY: "http://a:1", HTTPS_PROXY: "https://b:2" };
  assert.equal(proxyFor(env, "http://example.com/"), "http://a:1/");
  assert.equal(proxyFor(env, "https://example.com/"), "https://b:2/");
  const all = { ALL_PROXY: "socks5h://c:3", HTTP_PROXY: "http://a:1" };
  assert.equal(proxyFor(all, "http://example.com/"), "http://a:1/");
  assert.equal(proxyFor(all, "https://example.com/"), "socks5h://c:3");
  assert.equal(proxyFor({ HTTP_PROXY: "a" }, "https://example.com/"), null);
  assert.equal(proxyFor({}, "https://example.com/"), null);
});

test("proxy environment: other schemes are not proxied", () => {
  const proxy = proxyFromEnvironment({ ALL_PROXY: "proxy.test" });
  for (const url of ["ftp://example.com/", "http+unix://%2Fa/", "data:,a"]) {
    const scheme = url.slice(0, url.indexOf(":") + 1);
    const request = { scheme, hostname: "example.com", port: 80 } as HttpRequest;
    assert.equal(proxy(request), null, url);
  }
});

test("proxy environment: lower case goes first, empty values are none", () => {
  for (const name of ["http_proxy", "https_proxy", "all_proxy"]) {
    const url = name === "https_proxy" ? "https://example.com/" : "http://example.com/";
    const both = { [name]: "lower", [name.toUpperCase()]: "upper" };
    assert.equal(proxyFor(both, url), "http://lower/");
    assert.equal(proxyFor({ ...both, [name]: "" }, url), "http://upper/");
    assert.equal(proxyFor({ ...both, [name]: undefined }, url), "http://upper/");
    assert.equal(proxyFor({ [name]: " " }, url), null);
  }
  const env = { all_proxy: "p", no_proxy: "a.test", NO_PROXY: "b.test" };
  assert.equal(proxyFor(env, "http://a.test/"), null);
  assert.equal(proxyFor(env, "http://b.test/"), "http://p/");
});

test("proxy environment: a value without a scheme is an http: proxy; credentials are kept", () => {
  const rows: [string, string][] = [
    ["proxy.test:3128", "http://proxy.test:3128/"],
    ["proxy.test", "http://proxy.test/"],
    [" 10.0.0.1:8080 ", "http://10.0.0.1:8080/"],
    ["[::1]:8080", "http://[::1]:8080/"],
    ["user:p%40ss@proxy.test:1", "http://user:p%40ss@proxy.test:1/"],
    ["HTTPS://user:secret@proxy.test", "https://user:secret@proxy.test/"],
    ["socks5://user:secret@proxy.test:1080", "socks5://user:secret@proxy.test:1080"],
  ];
  for (const [value, expected] of rows) {
    assert.equal(proxyFor({ HTTP_PROXY: value }, "http://example.com/"), expected);
  }
});

test("proxy environment: what is no URL of a proxy is refused, and its secret is not shown", () => {
  const bad = [
    "http://user:canary@",
    "http://user:canary@proxy.test:99999",
    "user:canary@pro xy",
    "http://user:canary@[::1",
    "socks5://user:canary@",
    "http://user:canary@proxy.test:0",
    "canary:canary:1",
  ];
  for (const name of ["http_proxy", "HTTPS_PROXY", "all_proxy"]) {
    for (const value of bad) {
      assert.throws(() => proxyFromEnvironment({ [name]: value }), (error: Error) => {
        const { code, phase, message, cause, stack } = error as Error & Record<string, unknown>;
        assert.equal(code, "ERR_INVALID_REQUEST", value);
        assert.equal(phase, "proxy");
        assert.match(message, new RegExp(`environment variable ${name}:`));
        assert.doesNotMatch(`${message} ${stack} ${cause}`, /canary/);
        return true;
      });
    }
  }
});

test("proxy environment: the environment is read when the helper is called, from the process", () => {
  const names = ["http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "REQUEST_METHOD"];
  const before = names.map((name) => process.env[name]);
  try {
    for (const name of names) delete process.env[name];
    process.env["http_proxy"] = "first.test";
    const proxy = proxyFromEnvironment();
    process.env["http_proxy"] = "second.test";
    const request = new HttpRequest("http://example.com/");
    assert.equal(proxy(request)?.href, "http://first.test/");
    assert.equal(proxy(request), proxy(request));
  } finally {
    names.forEach((name, index) => {
      if (before[index] === undefined) delete process.env[name];
      else process.env[name] = before[index];
    });
  }
});

test("proxy environment: an environment that may not be read is an error", () => {
  const { env } = process;
  const denied = new Proxy({}, {
    get: () => {
      throw new Error("Requires env access");
    },
  });
  Object.defineProperty(process, "env", { value: denied, configurable: true, writable: true });
  try {
    assert.throws(() => proxyFromEnvironment(), {
      code: "ERR_INVALID_REQUEST",
      message: "Cannot read the environment: not permitted",
    });
  } finally {
    Object.defineProperty(process, "env", { value: env, configurable: true, writable: true });
  }
});

test("T29: NO_PROXY: a name excepts itself and what is below it, at a dot", () => {
  for (const noProxy of ["example.com", "EXAMPLE.com", "example.com.", "example.com,"]) {
    for (const host of ["example.com", "a.example.com", "A.B.EXAMPLE.COM", "example.com."]) {
      assert.ok(isDirect(noProxy, host), `${noProxy}: ${host}`);
    }
    for (const host of ["notexample.com", "example.com.evil.test", "example.co", "com"]) {
      assert.ok(!isDirect(noProxy, host), `${noProxy}: ${host}`);
    }
  }
  assert.ok(isDirect("bücher.example", "xn--bcher-kva.example"));
});

test("T29: NO_PROXY: with a dot before it, only what is below a name", () => {
  for (const noProxy of [".example.com", "*.example.com"]) {
    assert.ok(isDirect(noProxy, "a.example.com"), noProxy);
    assert.ok(isDirect(noProxy, "a.b.example.com."), noProxy);
    for (const host of ["example.com", "notexample.com", "aexample.com"]) {
      assert.ok(!isDirect(noProxy, host), `${noProxy}: ${host}`);
    }
  }
});

test("T29: NO_PROXY: a port counts, also that of the scheme", () => {
  assert.ok(isDirect("example.com:8080", "example.com:8080"));
  assert.ok(isDirect("example.com:8080", "a.example.com:8080"));
  assert.ok(!isDirect("example.com:8080", "example.com"));
  assert.ok(isDirect("example.com:80", "example.com"));
  assert.ok(isDirect("10.0.0.1:81", "10.0.0.1:81"));
  assert.ok(!isDirect("10.0.0.1:81", "10.0.0.1:82"));
  assert.ok(isDirect("10.0.0.0/8:81", "10.9.9.9:81"));
  assert.ok(!isDirect("10.0.0.0/8:81", "10.9.9.9"));
  assert.ok(isDirect("[2001:db8::1]:81", "[2001:db8::1]:81"));
  assert.ok(!isDirect("[2001:db8::1]:81", "[2001:db8::1]"));
  const env = { ALL_PROXY: "p", NO_PROXY: "example.com:443" };
  assert.equal(proxyFor(env, "https://example.com/"), null);
  assert.equal(proxyFor(env, "http://example.com/"), "http://p/");
});

test("T29: NO_PROXY: addresses and blocks, in any form of the address", () => {
  const direct: [string, string][] = [
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0.1", "0xa.1"],
    ["10.0.0.1", "[::ffff:10.0.0.1]"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["10.0.0.0/8", "10.200.0.1"],
    ["10.0.0.0/8", "[::ffff:10.200.0.1]"],
    ["::ffff:10.0.0.0/104", "10.1.1.1"],
    ["2001:DB8:0::1", "[2001:db8::1]"],
    ["[2001:db8::1]", "[2001:db8::1]"],
    ["2001:db8::/32", "[2001:db8:1::1]"],
    ["[2001:db8::/32]", "[2001:db8:1::1]"],
    ["fe80::1%eth0", "[fe80::1]"],
    ["[fe80::1%eth0]:80", "[fe80::1]"],
    ["fe80::%25eth0/10", "[fe81::1]"],
  ];
  for (const [noProxy, host] of direct) assert.ok(isDirect(noProxy, host), `${noProxy}: ${host}`);
  const proxied: [string, string][] = [
    ["10.0.0.1", "10.0.0.10"],
    ["0.0.1", "10.0.0.1"],
    [".0.0.1", "10.0.0.1"],
    ["10.0.0.0/8", "11.0.0.1"],
    ["10.0.0.0/33", "10.0.0.1"],
    ["10.0.0.1", "10.0.0.1.example.com"],
    ["10.0.0.0/8", "ten.example.com"],
    ["0.0.0.0/0", "[2001:db8::1]"],
    ["::/0", "10.0.0.1"],
    ["fe80::1%eth0", "[fe80::2]"],
  ];
  for (const [noProxy, host] of proxied) assert.ok(!isDirect(noProxy, host), `${noProxy}: ${host}`);
});

test("T29: NO_PROXY: a zone does not make a name of an address", () => {
  const proxy = proxyFromEnvironment({ ALL_PROXY: "p", NO_PROXY: "*.example.com,example.com" });
  for (const hostname of ["2001:db8::1%25.example.com", "2001:db8::1%.example.com"]) {
    const request = { scheme: "http:", hostname, port: 80 } as HttpRequest;
    assert.notEqual(proxy(request), null, hostname);
  }
});

test("T29: NO_PROXY: an asterisk excepts everything, alone or in a list", () => {
  for (const noProxy of ["*", " * ", "a.test,*"]) {
    for (const host of ["example.com", "10.0.0.1", "[2001:db8::1]:8080"]) {
      assert.ok(isDirect(noProxy, host), noProxy);
    }
  }
});

test("T29: NO_PROXY: commas and spaces separate, and what is nothing excepts nothing", () => {
  for (
    const noProxy of ["a.test,b.test", "a.test b.test", " a.test ,, b.test\t", "a.test , b.test"]
  ) {
    assert.ok(isDirect(noProxy, "a.test"), noProxy);
    assert.ok(isDirect(noProxy, "b.test"), noProxy);
    assert.ok(!isDirect(noProxy, "c.test"), noProxy);
  }
  const nothing = [
    "",
    ",",
    ".",
    "*.",
    ":",
    ":80",
    "[",
    "[]",
    "[]:80",
    "/8",
    "a/b",
    "example.com:80:80",
    "http://example.com",
    "%",
  ];
  for (const noProxy of nothing) assert.ok(!isDirect(noProxy, "example.com"), noProxy);
});

test("T29: loopback and localhost are never proxied", () => {
  for (
    const host of [
      "localhost",
      "LOCALHOST:8080",
      "localhost.",
      "a.localhost",
      "127.0.0.1",
      "127.9.9.9",
      "2130706433",
      "0.0.0.0",
      "[::1]:81",
      "[::]",
      "[::ffff:127.0.0.1]",
    ]
  ) {
    assert.ok(isDirect("", host), host);
  }
  for (const host of ["localhost.test", "notlocalhost", "128.0.0.1", "127.0.0.1.test"]) {
    assert.ok(!isDirect("", host), host);
  }
});

test("T29: NO_PROXY: no text makes the helper throw, and a name matches only at a dot", () => {
  const entry = fc.string({ unit: fc.constantFrom(..."a1.:/[]%*, \u00fc@"), maxLength: 12 });
  fc.assert(fc.property(entry, (noProxy) => {
    const excepted = isDirect(noProxy, "zzz.test");
    assert.equal(excepted, noProxy.split(/[\s,]+/).includes("*"), noProxy);
  }));
});

test("T30: HTTP_PROXY in upper case is ignored where REQUEST_METHOD is set", () => {
  const cgi = { REQUEST_METHOD: "GET", HTTP_PROXY: "evil.test" };
  assert.equal(proxyFor(cgi, "http://example.com/"), null);
  assert.equal(
    proxyFor({ ...cgi, ALL_PROXY: "all.test" }, "http://example.com/"),
    "http://all.test/",
  );
  assert.equal(
    proxyFor({ ...cgi, http_proxy: "own.test" }, "http://example.com/"),
    "http://own.test/",
  );
  assert.equal(
    proxyFor({ ...cgi, HTTPS_PROXY: "own.test" }, "https://example.com/"),
    "http://own.test/",
  );
  // Not even looked at: a value of an attacker must not make an error.
  assert.equal(proxyFor({ ...cgi, HTTP_PROXY: "http://" }, "http://example.com/"), null);
  assert.equal(
    proxyFor({ ...cgi, REQUEST_METHOD: "" }, "http://example.com/"),
    "http://evil.test/",
  );
});

test("T30: an environment that knows no case does not let HTTP_PROXY in by its other name", () => {
  const written: Environment = { REQUEST_METHOD: "GET", HTTP_PROXY: "evil.test" };
  const windows = new Proxy(written, {
    get: (target, name) => target[String(name).toUpperCase()],
  });
  assert.equal(windows["http_proxy"], "evil.test");
  assert.equal(proxyFor(windows, "http://example.com/"), null);
});

/** Runs with these variables of the process, and with none of the others that name proxies. */
async function withEnvironment(env: Environment, run: () => Promise<void>): Promise<void> {
  const names = ["http", "https", "all", "no"].flatMap((name) => [
    `${name}_proxy`,
    `${name}_proxy`.toUpperCase(),
  ]);
  const before = names.map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const name of names) set(name, env[name]);
  try {
    await run();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

/** A proxy, or a server, that answers with the target that it is asked for. */
const naming: RawHandler = async (connection) => {
  for (;;) {
    const [, target] = (await connection.readHead()).split(" ");
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
  }
};

const hosts = { "direct.test": "127.0.0.1" };

test('M34 proxy: "environment" passes what the environment names, as when the transport was made', async () => {
  await withRawServer(naming, async ({ port }) => {
    const get = async (transport: Transport, url: string) => {
      const response = await transport.roundTrip(new HttpRequest(url));
      return await response.text();
    };
    await withEnvironment(
      { HTTP_PROXY: `127.0.0.1:${port}`, NO_PROXY: "direct.test" },
      async () => {
        const transport = new Transport({ proxy: "environment", hosts });
        process.env["HTTP_PROXY"] = "http://127.0.0.1:1";
        process.env["NO_PROXY"] = "";
        assert.equal(await get(transport, "http://proxied.test/a"), "http://proxied.test/a");
        assert.equal(await get(transport, `http://direct.test:${port}/b`), "/b");
        assert.equal(await get(transport, `http://127.0.0.1:${port}/c`), "/c");
        assert.equal(await get(transport, `http://app.localhost:${port}/d`), "/d");
        transport.destroy();
      },
    );
  });
});

test("M34 the environment's proxies are for those who ask for them, fetch included", async () => {
  await withRawServer(naming, async ({ port }) => {
    await withEnvironment({ ALL_PROXY: `http://127.0.0.1:${port}` }, async () => {
      const url = `http://direct.test:${port}/`;
      const through = createFetch({ proxy: "environment", disableKeepAlives: true });
      assert.equal(await (await through(url)).text(), url);
      const around = createFetch({ hosts, disableKeepAlives: true });
      assert.equal(await (await around(url)).text(), "/");
      const transport = new Transport({ hosts });
      const response = await transport.roundTrip(new HttpRequest(url));
      assert.equal(await response.text(), "/");
      transport.destroy();
      assert.match(defaultTransport.explain(new HttpRequest("http://name.test/")), /^would dial/);
      assert.deepEqual(Object.keys(defaultTransport.stats().perHost), []);
    });
  });
});

test('M34 proxy: "environment" where none is named is as no proxy', async () => {
  await withRawServer(async (connection) => {
    assert.match(await connection.readHead(), /\r\nProxy-Authorization: mine\r\n/);
    await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
  }, async ({ origin }) => {
    await withEnvironment({ NO_PROXY: "a.test", HTTP_PROXY: "" }, async () => {
      const transport = new Transport({ proxy: "environment" });
      const headers = { "Proxy-Authorization": "mine" };
      const response = await transport.roundTrip(new HttpRequest(origin, { headers }));
      assert.equal(response.status, 204);
      transport.destroy();
    });
  });
});

test("M34 an environment that cannot be used is said when the transport is made, without its value", async () => {
  await withEnvironment({ https_proxy: "http://user:canary@:1" }, () => {
    assert.throws(() => new Transport({ proxy: "environment" }), {
      code: "ERR_INVALID_REQUEST",
      phase: "proxy",
      message: "Cannot use environment variable https_proxy: not the URL of a proxy",
    });
    return Promise.resolve();
  });
  for (const proxy of [["environment"], "Environment", "environment "]) {
    assert.throws(() => new Transport({ proxy }), { code: "ERR_INVALID_REQUEST" });
  }
});
