/**
 * Which requests may share a connection, that nobody can change that afterwards, and that nothing
 * tells of credentials.
 *
 * @module
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { BufferedReader, type Conn, type Dialer, pipe } from "../../../conn/mod.ts";
import {
  type ClientTrace,
  type EgressPolicy,
  HttpError,
  HttpRequest,
  proxyDialer,
  type TlsOptions,
  type TransportOptions,
} from "../../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../../testing/mod.ts";
import * as certs from "../../support/certs.ts";
import { test } from "../../support/harness.ts";
import { startPeerProxies } from "../../support/peer_proxies.ts";
import {
  bytesOf,
  latin1,
  type RawConnection,
  type RawHandler,
  testAuthority,
  withRawServer,
} from "../../support/raw_server.ts";
import { NO_CONTENT } from "../../support/sent_bytes.ts";
import { steadyTransport } from "../../support/steady_transport.ts";

const ports = await startPeerProxies();

const ESTABLISHED = "HTTP/1.1 200 OK\r\n\r\n";

/** Answers every request, and says on which connection. */
const numbering: RawHandler = async (connection) => {
  for (;;) {
    await connection.readHead();
    const answer = String(connection.index);
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
  }
};

for (const kind of ["http", "https", "socks5", "socks5h"] as const) {
  for (const tls of [false, true]) {
    const isForwarded = !tls && (kind === "http" || kind === "https");
    const shares = isForwarded ? "share their connection to it" : "share no connection";
    test(`M33 T34 two ${tls ? "https" : "http"} servers behind one ${kind} proxy ${shares}`, async () => {
      await withRawServer(numbering, (first) =>
        withRawServer(numbering, async (second) => {
          const port = kind === "socks5h" ? ports.socks5 : ports[kind];
          const transport = steadyTransport({
            proxy: `${kind}://localhost:${port}`,
            tls: { caCerts: [testAuthority] },
            proxyTls: { caCerts: [testAuthority] },
          });
          const get = async (origin: string) => {
            const response = await transport.roundTrip(new HttpRequest(origin));
            await response.bytes();
            return response.connection.id;
          };
          const one = await get(first.origin);
          const two = await get(second.origin);
          assert.equal(one === two, isForwarded);
          assert.equal(await get(first.origin), one);
          assert.equal(await get(second.origin), two);
          assert.deepEqual([first.connections.length, second.connections.length], [1, 1]);
          transport.destroy();
        }, { tls }), { tls });
    });
  }
}

/** One way to a server, and which others share its connections: those of the same name. */
interface Way {
  readonly url: string;
  readonly proxy: string | string[] | null;
  readonly login?: string;
}

/** Requests that are given to the same proxy share; all else is the URL's own. */
function shareOf({ url, proxy, login }: Way): string {
  const last = typeof proxy === "string" ? proxy : proxy?.at(-1);
  const isForwarded = /^https?:/.test(last ?? "") && url.startsWith("http:");
  return JSON.stringify([proxy, login, isForwarded ? null : url]);
}

/** What a proxy's URL is made of. */
interface ProxyParts {
  readonly scheme: string;
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
}

const one: ProxyParts = { scheme: "http", user: "u", password: "p", host: "one.test", port: 81 };
const two: ProxyParts = { ...one, host: "two.test" };

const mutations: Readonly<Record<keyof ProxyParts, readonly unknown[]>> = {
  scheme: ["https", "socks5", "socks5h"],
  user: ["v", "U", "p"],
  password: ["q", "P", "u"],
  host: ["three.test", "192.0.2.7", "[2001:db8::1]"],
  port: [80, 443, 1080],
};

function urlOf({ scheme, user, password, host, port }: ProxyParts): string {
  return `${scheme}://${user}:${password}@${host}:${port}`;
}

/** Every one of them differs from the first in one thing, and from each other. */
function mutatedWays(): Way[] {
  const ways: Way[] = [];
  const chains: ProxyParts[][] = [[one], [one, two]];
  for (const [key, values] of Object.entries(mutations)) {
    for (const value of values) {
      const other = { ...one, [key]: value };
      chains.push([other], [other, two], [one, { ...two, [key]: value }]);
    }
  }
  chains.push([two], [two, one], [one, one], [one, two, one], [one, one, two]);
  const seen = new Set<string>();
  for (const chain of chains) {
    const proxy = chain.map(urlOf);
    if (seen.has(proxy.join())) continue;
    seen.add(proxy.join());
    ways.push({ url: "http://a.test/", proxy }, { url: "https://a.test/", proxy });
  }
  for (
    const proxy of [
      null,
      "http://one.test:81",
      "http://u@one.test:81",
      "http://:p@one.test:81",
      "socks4a://one.test:81",
      "socks4a://u@one.test:81",
      "socks5h://one.test:81",
    ]
  ) {
    for (
      const url of [
        "http://a.test/",
        "http://a.test:81/",
        "http://b.test/",
        "https://a.test/",
        "https://a.test:80/",
        "https://a.test:81/",
      ]
    ) ways.push({ url, proxy });
  }
  for (
    const login of ["", "Basic dTpw", "basic dTpw", "Basic dTpx", "Bearer dTpw", "a@b > c", "*"]
  ) {
    for (const url of ["http://a.test/", "http://b.test/"]) {
      for (const proxy of ["http://one.test:81", "http://u:p@one.test:81"]) {
        ways.push({ url, proxy, login });
      }
    }
  }
  for (const path of ["%2Ftmp%2Fa", "%2Ftmp%2Fb", "%2Ftmp%2FA"]) {
    ways.push({ url: `http+unix://${path}/`, proxy: null });
  }
  return ways;
}

/** The other end of any way: grants what a proxy is asked for, and answers requests. */
async function oblige(conn: Conn): Promise<void> {
  const input = new BufferedReader(conn);
  const send = (text: string) => conn.write(bytesOf(text));
  const need = async (count: number) => {
    while (input.buffered < count) if (await input.fill() === null) throw new Error("ended");
    return input.bytes.subarray(input.start, input.start + count);
  };
  const take = async (count: number) => {
    await need(count);
    input.consume(count);
  };
  try {
    for (;;) {
      const [first] = await need(1);
      if (first === 5) {
        // A greeting, the credentials, a request.
        const methods = (await need(2))[1];
        await take(2 + methods);
        await send(methods === 1 ? "\x05\x00" : "\x05\x02");
        if (methods === 2) {
          const userBytes = (await need(2))[1];
          await take(3 + userBytes + (await need(3 + userBytes))[2 + userBytes]);
          await send("\x01\x00");
        }
        const head = await need(5);
        await take(4 + (head[3] === 1 ? 4 : head[3] === 4 ? 16 : 1 + head[4]) + 2);
        await send("\x05\x00\x00\x01\0\0\0\0\0\0");
      } else if (first === 4) {
        await take(8);
        for (let ends = 0; ends < 2; await take(1)) if ((await need(1))[0] === 0) ends++;
        await send("\x00\x5a\0\0\0\0\0\0");
      } else {
        let head = "";
        while (!head.endsWith("\r\n\r\n")) {
          head += latin1(await need(1));
          await take(1);
        }
        await send(head.startsWith("CONNECT ") ? ESTABLISHED : NO_CONTENT);
      }
    }
  } catch {
    conn.close();
  }
}

test("M33 T35 ways that differ in anything share no connection, but for the server that a proxy is told", async () => {
  const ways = mutatedWays();
  assert.ok(ways.length > 80, String(ways.length));
  let dials = 0;
  const dialer: Dialer = {
    dial: () => {
      dials++;
      const [here, there] = pipe();
      void oblige(there);
      return Promise.resolve(here);
    },
    startTls: (conn) => Promise.resolve(conn),
  };
  let current = ways[0];
  const transport = steadyTransport({
    dialer,
    proxy: () => current.proxy,
    maxIdleConns: 1_000,
    // The same for all: it is not the address that keeps them apart.
    resolve: () => Promise.resolve(["192.0.2.1"]),
  });
  const get = async (way: Way) => {
    current = way;
    const headers: Record<string, string> = way.login === undefined
      ? {}
      : { "Proxy-Authorization": way.login };
    const response = await transport.roundTrip(new HttpRequest(way.url, { headers }));
    await response.bytes();
    return response.connection;
  };
  const ids = new Map<string, number>();
  for (const way of ways) {
    const { id, reused } = await get(way);
    const known = ids.get(shareOf(way));
    assert.equal(reused, known !== undefined, `reused ${reused}: ${JSON.stringify(way)}`);
    if (known === undefined) assert.ok(![...ids.values()].includes(id), JSON.stringify(way));
    else assert.equal(id, known, JSON.stringify(way));
    ids.set(shareOf(way), id);
  }
  assert.ok(ids.size > 80 && ids.size < ways.length, `${ids.size} of ${ways.length}`);
  // Each is found again.
  const dialsBefore = dials;
  for (const way of ways) assert.ok((await get(way)).reused, `lost: ${JSON.stringify(way)}`);
  assert.equal(dials, dialsBefore);
  transport.destroy();
});

const head = (authority: string, ...lines: string[]) =>
  [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`, "User-Agent: roundtrip/0.1.0", ...lines]
    .join("\r\n") + "\r\n\r\n";

test("T35 options that are changed after the transport was made have no effect", async () => {
  const tls: TlsOptions = { caCerts: [certs.ca], alpnProtocols: ["http/1.1"] };
  const proxyTls: TlsOptions = { caCerts: [certs.ca], serverName: "proxy.test" };
  const first = new URL("https://user:one@first.test");
  const proxy = [first, "http://second.test"];
  const proxyConnectHeaders: Record<string, string> = { "X-A": "1" };
  const hosts: Record<string, string | string[]> = { "first.test": ["192.0.2.1"] };
  const egress: EgressPolicy = { deny: ["10.0.0.0/8"], allow: ["10.0.0.1"] };
  const options: TransportOptions = {
    tls,
    proxyTls,
    proxy,
    proxyConnectHeaders,
    hosts,
    egress,
    disableCompression: true,
    maxIdleConns: 5,
  };
  const conn = new ScriptedConn()
    .expect(head("second.test:80", "Proxy-Authorization: Basic dXNlcjpvbmU=", "X-A: 1"))
    .send(ESTABLISHED)
    .expect(head("10.0.0.1:443", "X-A: 1")).send(ESTABLISHED)
    .expect("GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n").send(NO_CONTENT);
  const dialer = scriptedDialer(conn);
  options.dialer = dialer;
  const transport = steadyTransport(options);

  tls.caCerts!.push(certs.otherCa);
  tls.alpnProtocols!.pop();
  tls.insecureSkipVerify = true;
  proxyTls.caCerts![0] = certs.otherCa;
  proxyTls.serverName = "evil.test";
  first.username = "evil";
  first.hostname = "evil.test";
  proxy.reverse();
  proxy.push("http://evil.test");
  proxyConnectHeaders["X-A"] = "2";
  (hosts["first.test"] as string[])[0] = "203.0.113.1";
  hosts["second.test"] = "203.0.113.1";
  egress.allow!.pop();
  egress.deny!.push("192.0.2.0/24");
  for (const key of Object.keys(options)) delete options[key as keyof TransportOptions];

  const init = { headers: { "User-Agent": "" } };
  const response = await transport.roundTrip(new HttpRequest("https://10.0.0.1/", init));
  assert.equal(response.status, 204);
  dialer.assertConsumed();
  assert.deepEqual(dialer.dialled.map((address) => "hostname" in address && address.hostname), [
    "192.0.2.1",
  ]);
  const [toProxy, toServer] = dialer.secured.map((secured) =>
    Object.fromEntries(Object.entries(secured).filter(([, value]) => value !== undefined))
  );
  assert.deepEqual(toProxy, { caCerts: [certs.ca], serverName: "proxy.test" });
  assert.deepEqual(toServer, {
    caCerts: [certs.ca],
    alpnProtocols: ["http/1.1"],
    serverName: "10.0.0.1",
  });
  transport.destroy();
});

test("T54 the target of a caller's own CONNECT passes the egress policy too", async () => {
  const egress: EgressPolicy = { deny: ["loopback", "metadata"] };
  for (const proxy of [null, "http://192.0.2.1"]) {
    for (
      const host of ["127.0.0.2:22", "localhost:22", "[::1]:22", "169.254.169.254", "2130706433:80"]
    ) {
      const dialer = scriptedDialer();
      const transport = steadyTransport({ dialer, proxy, egress });
      const request = new HttpRequest("http://192.0.2.2/", { method: "CONNECT", host });
      await assert.rejects(transport.roundTrip(request), { code: "ERR_BLOCKED" }, host);
      assert.deepEqual(dialer.dialled, []);
      transport.destroy();
    }
  }
});

test("T54 what a proxy is asked to connect to passes the egress policy, each hop of it", async () => {
  const egress: EgressPolicy = { deny: ["loopback", "private", "link-local", "metadata"] };
  const chains: readonly (readonly [proxy: string | string[], url: string])[] = [
    ["http://127.0.0.1:3128", "http://192.0.2.1/"],
    ["http://192.0.2.1", "http://127.0.0.1/"],
    ["http://192.0.2.1", "https://localhost/"],
    ["http://192.0.2.1", "https://2130706433/"],
    ["http://192.0.2.1", "https://[::ffff:10.0.0.1]/"],
    ["socks5h://192.0.2.1", "http://169.254.169.254/"],
    ["socks4a://192.0.2.1", "http://0177.0.0.1/"],
    ["socks5://192.0.2.1", "http://0.0.0.0/"],
    [["http://192.0.2.1", "http://10.0.0.1"], "http://192.0.2.2/"],
    [["socks5h://192.0.2.1", "https://localhost", "http://192.0.2.3"], "http://192.0.2.2/"],
  ];
  for (const [proxy, url] of chains) {
    const dialer = scriptedDialer();
    const transport = steadyTransport({ dialer, proxy, egress });
    await assert.rejects(transport.roundTrip(new HttpRequest(url)), (error) => {
      assert.ok(error instanceof HttpError, String(error));
      assert.equal(error.code, "ERR_BLOCKED", `${proxy} ${url}: ${error.message}`);
      return true;
    });
    assert.deepEqual(dialer.dialled, []);
    transport.destroy();
  }
});

/** Everything that anybody could print of a request that takes this way. */
async function toldOf(options: TransportOptions, url: string): Promise<string> {
  const told: unknown[] = [];
  const tell = (...events: unknown[]) => void told.push(...events);
  const trace = new Proxy({}, { get: () => tell }) as ClientTrace;
  const transport = steadyTransport({ ...options, trace, responseHeaderTimeoutMs: 20_000 });
  const request = new HttpRequest(url);
  const pending = transport.roundTrip(request);
  await Promise.resolve();
  told.push(transport.inspect(), transport.stats(), transport.explain(request), transport);
  try {
    const response = await pending;
    told.push(transport.inspect(), transport.stats(), transport.explain(request), response);
    await response.bytes();
    told.push(response, response.connection, response.timings, transport.inspect());
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      told.push(cause, cause.message, cause.stack, String(cause), JSON.stringify(cause));
    }
  }
  told.push(transport.inspect(), transport.stats(), transport.explain(request));
  transport.destroy();
  return told.map((item) => typeof item === "string" ? item : inspect(item, { depth: 12 }))
    .join("\n");
}

const USER = "canary-user";
const PASSWORD = "canary%3Apassword";
/** In every form that it takes on its way. */
const canaries = ["canary", btoa("canary-user:canary:password"), "Y2FuYXJ5"];

/** Waits for a request, or for the first byte of anything else. */
async function hear(connection: RawConnection): Promise<void> {
  if (/[A-Z]/.test(await connection.readBytes(1))) await connection.readHead();
}

test("T28 nothing that is told holds the credentials of a proxy", async () => {
  const answers: readonly (readonly [name: string, url: string, handler: RawHandler])[] = [
    ["forwards", "http://a.test/", async (connection) => {
      for (;;) {
        await hear(connection);
        await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
      }
    }],
    ["refuses", "https://a.test/", async (connection) => {
      await hear(connection);
      await connection.send("HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nno!");
    }],
    ["speaks no HTTP", "https://a.test/", async (connection) => {
      await hear(connection);
      await connection.send("SSH-2.0\r\n\r\n");
    }],
    ["ends", "https://a.test/", async (connection) => {
      await hear(connection);
      connection.end();
    }],
    ["resets", "https://a.test/", async (connection) => {
      await hear(connection);
      connection.reset();
    }],
    ["speaks first", "https://a.test/", async (connection) => {
      await hear(connection);
      await connection.send(ESTABLISHED + "x");
    }],
    ["opens the way to no TLS", "https://a.test/", async (connection) => {
      await hear(connection);
      await connection.send(ESTABLISHED);
      await connection.readBytes(1);
      await connection.send("HTTP/1.1 400 No\r\n\r\n");
      connection.end();
    }],
    ["says nothing", "https://a.test/", async (connection) => {
      await connection.readToEnd();
    }],
  ];
  for (const [name, url, handler] of answers) {
    await withRawServer(handler, async ({ port }) => {
      const login = `${USER}:${PASSWORD}@127.0.0.1:${port}`;
      for (
        const proxy of [
          `http://${login}`,
          `socks5h://${login}`,
          `https://${login}`,
          `socks4a://${USER}@127.0.0.1:${port}`,
          [`http://${login}`, `http://${login}`],
        ]
      ) {
        const told = await toldOf({
          proxy,
          dialTimeoutMs: name === "says nothing" ? 60 : 20_000,
          tlsHandshakeTimeoutMs: name === "says nothing" ? 60 : 500,
        }, url);
        for (const canary of canaries) {
          const at = told.indexOf(canary);
          assert.equal(at, -1, `${name}, ${proxy}: …${told.slice(Math.max(0, at - 80), at + 80)}`);
        }
      }
    });
  }
});

test("T28 proxies that cannot be used are refused without their credentials", () => {
  for (
    const proxy of [
      `http://${USER}:${PASSWORD}@`,
      `http://${USER}:${PASSWORD}@p.test/path`,
      `ftp://${USER}:${PASSWORD}@p.test`,
      `http://${USER}:${PASSWORD}%zz@p.test`,
      `http://canary%3A:${PASSWORD}@p.test`,
      `socks5://${USER}@p.test`,
      `socks4a://${USER}:${PASSWORD}@p.test`,
      `${USER}:${PASSWORD}@p.test`,
    ]
  ) {
    for (const make of [() => steadyTransport({ proxy }), () => proxyDialer(proxy)]) {
      assert.throws(make, (error) => {
        assert.doesNotMatch(inspect(error, { depth: 9 }), /canary/);
        return true;
      });
    }
  }
});
