/**
 * What SOCKS servers are sent and what may come from them, byte for byte.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Dialer,
  HttpError,
  HttpRequest,
  proxyDialer,
  type ProxyDialerOptions,
  ProxyError,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { latin1 } from "../../support/raw_server.ts";
import { NO_CONTENT, plainHead } from "../../support/sent_bytes.ts";

const TARGET = { transport: "tcp", hostname: "example.com", port: 443 } as const;
const NAME = "\x03\x0bexample.com\x01\xbb";

/** The greeting without credentials, and the server's choice of no authentication. */
function greeted(conn: ScriptedConn = new ScriptedConn()): ScriptedConn {
  return conn.expect("\x05\x01\x00").send("\x05\x00");
}

/** A success that names the address it connects from. */
const CONNECTED = "\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34";

async function dialled(
  proxy: string | string[],
  conn: ScriptedConn,
  options: ProxyDialerOptions & { hostname?: string } = {},
): Promise<void> {
  const { hostname = "example.com", ...more } = options;
  const dialer: Dialer = proxyDialer(proxy, { ...more, dialer: scriptedDialer(conn) });
  (await dialer.dial({ ...TARGET, hostname })).close();
  conn.assertConsumed();
}

async function refused(
  proxy: string,
  conn: ScriptedConn,
  options: ProxyDialerOptions & { hostname?: string } = {},
): Promise<ProxyError> {
  let error: unknown;
  await assert.rejects(dialled(proxy, conn, options), (thrown) => {
    error = thrown;
    return true;
  });
  assert.ok(error instanceof ProxyError, String(error));
  assert.ok(error.message.includes(error.proxy), error.message);
  assert.equal(conn.closeCount, 1);
  conn.assertConsumed();
  return error;
}

const ipv6Bytes = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";

for (
  const [hostname, bytes] of [
    ["example.com", "\x03\x0bexample.com"],
    ["192.0.2.7", "\x01\xc0\x00\x02\x07"],
    ["2001:db8::1", `\x04${ipv6Bytes}`],
    ["a".repeat(255), `\x03\xff${"a".repeat(255)}`],
  ]
) {
  const shown = hostname.replace(/a{20,}/, "a name of 255 bytes");
  test(`T55 socks5h: ${shown} is sent as it is`, async () => {
    const conn = greeted().expect(`\x05\x01\x00${bytes}\x01\xbb`).send(CONNECTED);
    await dialled("socks5h://socks.test", conn, {
      hostname,
      resolve: () => assert.fail("resolved here"),
    });
  });
}

for (const proxy of ["socks5h://socks.test", "socks4a://socks.test"]) {
  test(`T55 ${proxy}: a name of 256 bytes is an error, and not resolved here`, async () => {
    const error = await refused(proxy, new ScriptedConn(), {
      hostname: "a".repeat(256),
      resolve: () => assert.fail("resolved here"),
    });
    assert.match(error.message, /the name is longer than 255 bytes$/);
  });

  test(`T55 ${proxy}: such a name in a URL is an error too`, async () => {
    const transport = new Transport({
      proxy,
      dialer: scriptedDialer(new ScriptedConn()),
    });
    await assert.rejects(
      transport.roundTrip(new HttpRequest(`https://${"a".repeat(256)}/`)),
      (error) => error instanceof ProxyError && error.attempt?.verdict === "never-sent",
    );
    assert.equal(transport.stats().dialing + transport.stats().total, 0);
    transport.destroy();
  });
}

test("socks5: the name is resolved here, and the address is sent", async () => {
  const asked: string[] = [];
  const resolve = (hostname: string) => {
    asked.push(hostname);
    return Promise.resolve(["2001:db8::1", "192.0.2.7"]);
  };
  const conn = greeted().expect("\x05\x01\x00\x01\xc0\x00\x02\x07\x01\xbb").send(CONNECTED);
  await dialled("socks5://socks.test", conn, { resolve });
  assert.deepEqual(asked, ["example.com"]);
});

test("socks5: a host with IPv6 alone is reached by it", async () => {
  const conn = greeted().expect(`\x05\x01\x00\x04${ipv6Bytes}\x01\xbb`).send(CONNECTED);
  const resolve = () => Promise.resolve(["2001:db8::1"]);
  await dialled("socks5://socks.test", conn, { resolve });
});

test("socks5: an IP address is not resolved", async () => {
  const conn = greeted().expect(`\x05\x01\x00\x04${ipv6Bytes}\x01\xbb`).send(CONNECTED);
  await dialled("socks5://socks.test", conn, {
    hostname: "2001:db8::1",
    resolve: () => assert.fail("resolved here"),
  });
});

test("socks5: a name that cannot be resolved here is ERR_DIAL, and the server is let go", async () => {
  const conn = new ScriptedConn().waitForClose();
  const resolve = () => Promise.reject(new Error("no such name"));
  await assert.rejects(
    dialled("socks5://socks.test", conn, { resolve }),
    (error) => error instanceof HttpError && error.code === "ERR_DIAL",
  );
  conn.assertConsumed();
});

test("socks5: addresses that were found here pass the egress policy", async () => {
  const conn = new ScriptedConn().waitForClose();
  const options: TransportOptions = {
    proxy: "socks5://192.0.2.1",
    dialer: scriptedDialer(conn),
    egress: { deny: ["loopback"] },
    resolve: () => Promise.resolve(["127.0.0.1"]),
  };
  const transport = new Transport(options);
  await assert.rejects(
    transport.roundTrip(new HttpRequest("http://example.com/")),
    (error) => error instanceof HttpError && error.code === "ERR_BLOCKED",
  );
  transport.destroy();
  conn.assertConsumed();
});

test("socks5: user name and password are sent when the server wants them", async () => {
  const conn = new ScriptedConn()
    .expect("\x05\x02\x00\x02").send("\x05\x02")
    .expect("\x01\x03u:x\x04p@ss").send("\x01\x00")
    .expect(`\x05\x01\x00${NAME}`).send(CONNECTED);
  await dialled("socks5h://u%3Ax:p%40ss@socks.test", conn);
});

test("socks5: credentials are UTF-8 of up to 255 bytes", async () => {
  const password = "p".repeat(255);
  const conn = new ScriptedConn()
    .expect("\x05\x02\x00\x02").send("\x05\x02")
    .expect(`\x01\x02\xc3\xbc\xff${password}`).send("\x01\x00")
    .expect(`\x05\x01\x00${NAME}`).send(CONNECTED);
  await dialled(`socks5h://%C3%BC:${password}@socks.test`, conn);
});

test("T27 socks5: credentials are kept when the server wants none", async () => {
  const conn = new ScriptedConn()
    .expect("\x05\x02\x00\x02").send("\x05\x00")
    .expect(`\x05\x01\x00${NAME}`).send(CONNECTED);
  await dialled("socks5h://user:canary@socks.test", conn);
});

for (
  const [what, bound] of [
    ["an IPv6 address", `\x04${ipv6Bytes}\x00\x50`],
    ["a name", "\x03\x05a.com\x00\x50"],
    ["an empty name", "\x03\x00\x00\x50"],
  ]
) {
  test(`socks5: an answer with ${what} is read to its end and no further`, async () => {
    const conn = greeted().expect(`\x05\x01\x00${NAME}`).send(`\x05\x00\x00${bound}SSH-2.0`);
    const dialer = proxyDialer("socks5h://socks.test", { dialer: scriptedDialer(conn) });
    const there = await dialer.dial(TARGET);
    const p = new Uint8Array(100);
    assert.equal(latin1(p.subarray(0, await there.read(p) ?? 0)), "SSH-2.0");
    there.close();
  });
}

const replies = [
  [1, "general failure"],
  [2, "not allowed by its rules"],
  [3, "network unreachable"],
  [4, "host unreachable"],
  [5, "connection refused"],
  [6, "time to live expired"],
  [7, "command not supported"],
  [8, "address type not supported"],
  [99, "no known reason"],
] as const;

for (const [reply, text] of replies) {
  test(`socks5: reply ${reply} is told as "${text}"`, async () => {
    const conn = greeted().expect(`\x05\x01\x00${NAME}`)
      .send(`\x05${String.fromCharCode(reply)}\x00\x01\0\0\0\0\0\0`).waitForClose();
    const error = await refused("socks5h://socks.test", conn);
    assert.equal(error.reply, reply);
    assert.equal(
      error.message,
      `Proxy socks5h://socks.test:1080 cannot connect to example.com:443: ${text}`,
    );
  });
}

for (
  const [what, proxy, script, message] of [
    ["wants credentials that there are not", "socks5h://s.test", [
      ["\x05\x01\x00", "\x05\xff"],
    ], /wants credentials \(method 255\)$/],
    ["chooses what was not offered", "socks5h://s.test", [
      ["\x05\x01\x00", "\x05\x02"],
    ], /wants credentials \(method 2\)$/],
    ["wants another method", "socks5h://u:p@s.test", [
      ["\x05\x02\x00\x02", "\x05\xff"],
    ], /accepts none of our methods \(method 255\)$/],
    ["refuses the credentials", "socks5h://u:p@s.test", [
      ["\x05\x02\x00\x02", "\x05\x02"],
      ["\x01\x01u\x01p", "\x01\x01"],
    ], /does not accept the credentials$/],
    ["speaks HTTP", "socks5h://s.test", [["\x05\x01\x00", "HTTP/1.1 400 No"]], /does not speak/],
    ["speaks version 4", "socks5h://s.test", [["\x05\x01\x00", "\x00\x5b"]], /does not speak/],
    ["answers in another version", "socks5h://s.test", [
      ["\x05\x01\x00", "\x05\x00"],
      [`\x05\x01\x00${NAME}`, "\x04\x00\x00\x01\0\0\0\0\0\0"],
    ], /does not speak/],
    ["answers with an unknown type of address", "socks5h://s.test", [
      ["\x05\x01\x00", "\x05\x00"],
      [`\x05\x01\x00${NAME}`, "\x05\x00\x00\x02\0\0\0\0\0\0"],
    ], /does not speak/],
  ] as const
) {
  test(`socks5: a server that ${what} is ERR_PROXY`, async () => {
    const conn = new ScriptedConn();
    for (const [sent, answer] of script) conn.expect(sent).send(answer);
    assert.match((await refused(proxy, conn.waitForClose())).message, message);
  });
}

test("socks: a server that ends in the middle of any answer is ERR_PROXY", async () => {
  const answer = "\x05\x00" + CONNECTED;
  for (let length = 0; length < answer.length; length++) {
    const conn = new ScriptedConn().expect("\x05\x01\x00").send(
      answer.slice(0, Math.min(2, length)),
    );
    if (length >= 2) conn.expect(`\x05\x01\x00${NAME}`).send(answer.slice(2, length));
    const error = await refused("socks5h://socks.test", conn.end());
    assert.match(error.message, /the connection ended before its answer was complete$/);
  }
  const conn = new ScriptedConn().expect("\x05\x01\x00").reset();
  assert.match((await refused("socks5h://socks.test", conn)).message, /failed: Cannot read/);
});

const REQUEST_4 = "\x04\x01\x01\xbb";
const GRANTED_4 = "\x00\x5a\0\0\0\0\0\0";

for (
  const [what, proxy, hostname, bytes] of [
    ["a name", "socks4a://s.test", "example.com", "\0\0\0\x01\0example.com\0"],
    ["an address", "socks4a://s.test", "192.0.2.7", "\xc0\x00\x02\x07\0"],
    ["a user", "socks4a://me@s.test", "example.com", "\0\0\0\x01me\0example.com\0"],
  ]
) {
  test(`socks4a: ${what} is sent, and exactly the answer is read`, async () => {
    const conn = new ScriptedConn().expect(REQUEST_4 + bytes).send(GRANTED_4 + "hello");
    const dialer = proxyDialer(proxy, { dialer: scriptedDialer(conn) });
    const there = await dialer.dial({ ...TARGET, hostname });
    const p = new Uint8Array(100);
    assert.equal(latin1(p.subarray(0, await there.read(p) ?? 0)), "hello");
    there.close();
  });
}

for (
  const [answer, message] of [
    ["\x00\x5b\0\0\0\0\0\0", /rejected or failed$/],
    ["\x00\x5c\0\0\0\0\0\0", /who its user is$/],
    ["\x00\x5d\0\0\0\0\0\0", /the user is another than this machine says$/],
    ["\x00\x00\0\0\0\0\0\0", /no known reason$/],
    ["\x04\x5a\0\0\0\0\0\0", /does not speak this version of SOCKS$/],
  ] as const
) {
  test(`socks4a: the answer ${JSON.stringify(answer)} is ERR_PROXY`, async () => {
    const conn = new ScriptedConn().expect(`${REQUEST_4}\0\0\0\x01\0example.com\0`).send(answer)
      .waitForClose();
    assert.match((await refused("socks4a://s.test", conn)).message, message);
  });
}

test("socks4a: an IPv6 address cannot be said", async () => {
  const conn = new ScriptedConn().waitForClose();
  const error = await refused("socks4a://s.test", conn, { hostname: "2001:db8::1" });
  assert.match(error.message, /SOCKS4a has no IPv6 addresses$/);
});

test("socks4a: an address that announces a name cannot be said", async () => {
  const conn = new ScriptedConn().waitForClose();
  const error = await refused("socks4a://s.test", conn, { hostname: "0.0.0.7" });
  assert.match(error.message, /the address announces a name$/);
});

test("socks: http: requests go through it as to the server", async () => {
  const conn = greeted().expect("\x05\x01\x00\x03\x0bexample.com\x00\x50").send(CONNECTED)
    .expect(plainHead("GET /", "User-Agent: roundtrip/0.1.0")).send(NO_CONTENT);
  const dialer = scriptedDialer(conn);
  const transport = new Transport({
    dialer,
    proxy: "socks5h://socks.test:1081",
    disableCompression: true,
  });
  const response = await transport.roundTrip(new HttpRequest("http://example.com/"));
  assert.equal(response.status, 204);
  dialer.assertConsumed();
  assert.deepEqual(dialer.dialled, [{ transport: "tcp", hostname: "socks.test", port: 1081 }]);
  transport.destroy();
});

for (
  const [proxy, script] of [
    [["socks5h://s.test", "http://p.test"], [
      ["\x05\x01\x00", "\x05\x00"],
      ["\x05\x01\x00\x03\x06p.test\x00\x50", CONNECTED],
      ["CONNECT", ""],
    ]],
    [["http://p.test", "socks5h://s.test"], [
      ["CONNECT s.test:1080", ""],
      ["\x05\x01\x00", "\x05\x00"],
      [`\x05\x01\x00${NAME}`, CONNECTED],
    ]],
    [["socks4a://s.test", "socks5h://t.test"], [
      ["\x04\x01\x04\x38\0\0\0\x01\0t.test\0", GRANTED_4],
      ["\x05\x01\x00", "\x05\x00"],
      [`\x05\x01\x00${NAME}`, CONNECTED],
    ]],
  ] as const
) {
  test(`socks: the chain ${proxy.join(", ")} is passed in its order`, async () => {
    const conn = new ScriptedConn();
    for (const [sent, answer] of script) {
      if (!sent.startsWith("CONNECT")) {
        conn.expect(sent).send(answer);
        continue;
      }
      const authority = sent.split(" ")[1] ?? "example.com:443";
      conn.expect(
        `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nUser-Agent: roundtrip/0.1.0\r\n\r\n`,
      ).send("HTTP/1.1 200 OK\r\n\r\n");
    }
    await dialled([...proxy], conn);
  });
}

test("proxyDialer: what a server says first behind CONNECT is not lost", async () => {
  const conn = new ScriptedConn()
    .expect("CONNECT a.test:22 HTTP/1.1\r\nHost: a.test:22\r\nUser-Agent: roundtrip/0.1.0\r\n\r\n")
    .send("HTTP/1.1 200 OK\r\n\r\nSSH-2.0").send("-x");
  const dialer = proxyDialer("http://p.test", { dialer: scriptedDialer(conn) });
  const there = await dialer.dial({ transport: "tcp", hostname: "a.test", port: 22 });
  let text = "";
  const p = new Uint8Array(4);
  while (text.length < 9) text += latin1(p.subarray(0, await there.read(p) ?? 0));
  assert.equal(text, "SSH-2.0-x");
  there.close();
});

test("T59 proxyDialer: what came before TLS is refused, whoever starts it", async () => {
  const script = () =>
    new ScriptedConn()
      .expect(
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: roundtrip/0.1.0\r\n\r\n",
      )
      .send("HTTP/1.1 200 OK\r\n\r\n\x16").waitForClose();
  const conns = [script(), script()];
  const dialer = proxyDialer("http://p.test", { dialer: scriptedDialer(...conns) });
  await assert.rejects(dialer.dial(TARGET, { tls: {} }), ProxyError);
  const conn = await dialer.dial(TARGET);
  await assert.rejects(dialer.startTls(conn, { serverName: "example.com" }), ProxyError);
  for (const { closeCount } of conns) assert.equal(closeCount, 1);
});

test("proxyDialer: TLS is for the host that was asked for", async () => {
  const scripted = scriptedDialer(greeted().expect(`\x05\x01\x00${NAME}`).send(CONNECTED));
  const dialer = proxyDialer("socks5h://socks.test", { dialer: scripted });
  (await dialer.dial(TARGET, { tls: { minVersion: "TLSv1.3" } })).close();
  assert.deepEqual(scripted.secured, [{ minVersion: "TLSv1.3", serverName: "example.com" }]);
});

test("proxyDialer: tells when the way is open, before it is secured", async () => {
  const scripted = scriptedDialer(greeted().expect(`\x05\x01\x00${NAME}`).send(CONNECTED));
  const dialer = proxyDialer("socks5h://socks.test", { dialer: scripted });
  const told: number[] = [];
  const onConnect = () => void told.push(scripted.secured.length);
  (await dialer.dial(TARGET, { tls: {}, onConnect })).close();
  assert.deepEqual([told, scripted.secured.length], [[0], 1]);
});

test("proxyDialer: refuses what it cannot do", async () => {
  const isInvalid = (error: unknown) =>
    error instanceof HttpError && error.code === "ERR_INVALID_REQUEST";
  assert.throws(() => proxyDialer([]), isInvalid);
  assert.throws(() => proxyDialer("gopher://a"), isInvalid);
  const dialer = proxyDialer("http://p.test", { dialer: scriptedDialer() });
  await assert.rejects(dialer.dial({ transport: "unix", path: "/tmp/a" }), isInvalid);
  await assert.rejects(dialer.dial({ ...TARGET, port: 0 }), isInvalid);
});

test("proxyDialer: composes with a transport's own proxies", async () => {
  const conn = greeted()
    .expect("\x05\x01\x00\x03\x06p.test\x00\x50").send(CONNECTED)
    .expect("GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n").send(NO_CONTENT);
  const transport = new Transport({
    dialer: proxyDialer("socks5h://socks.test", { dialer: scriptedDialer(conn) }),
    proxy: "http://p.test",
    disableCompression: true,
  });
  const init = { headers: { "User-Agent": "" } };
  const response = await transport.roundTrip(new HttpRequest("http://example.com/", init));
  assert.equal(response.status, 204);
  transport.destroy();
  conn.assertConsumed();
});
