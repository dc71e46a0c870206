/**
 * What HTTP proxies are sent and what may come from them, byte for byte. TLS changes nothing on
 * these scripted connections.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  ProxyError,
  proxyFromEnvironment,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { ScriptedConn, type ScriptedDialer, scriptedDialer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { NO_CONTENT } from "../../support/sent_bytes.ts";

const PROXY = "http://proxy.test:3128";
const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";

/** `CONNECT` as we send it, with these lines of its own. */
function connectHead(authority: string, ...lines: string[]): string {
  const head = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  return [...head, "User-Agent: roundtrip/0.1.0", ...lines, "", ""].join("\r\n");
}

/** A request without anything in it that is not the matter of a test. */
function getHead(target: string, host: string, ...lines: string[]): string {
  return [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...lines, "", ""].join("\r\n");
}

const plain: HttpRequestInit = { headers: { "User-Agent": "" }, decompress: false };

interface Sent {
  readonly url?: string;
  readonly init?: HttpRequestInit;
  readonly options: TransportOptions;
}

/** Sends one request over scripted connections, and returns the error or null. */
async function send(
  sent: Sent,
  ...conns: ScriptedConn[]
): Promise<{ error: HttpError | null; dialer: ScriptedDialer }> {
  const { url = "https://example.com/", init, options } = sent;
  const dialer = scriptedDialer(...conns);
  const transport = new Transport({ dialer, disableCompression: true, ...options });
  let error: HttpError | null = null;
  try {
    const response = await transport.roundTrip(new HttpRequest(url, { ...plain, ...init }));
    await response.bytes();
  } catch (thrown) {
    assert.ok(thrown instanceof HttpError, String(thrown));
    error = thrown;
    const { active, dialing, total, waiting } = transport.stats();
    assert.deepEqual({ active, dialing, total, waiting }, {
      active: 0,
      dialing: 0,
      total: 0,
      waiting: 0,
    });
  }
  dialer.assertConsumed();
  transport.destroy();
  return { error, dialer };
}

async function assertSent(sent: Sent, ...conns: ScriptedConn[]): Promise<ScriptedDialer> {
  const { error, dialer } = await send(sent, ...conns);
  assert.equal(error, null);
  return dialer;
}

async function assertRefused(sent: Sent, conn: ScriptedConn): Promise<ProxyError> {
  const { error } = await send(sent, conn);
  assert.ok(error instanceof ProxyError, String(error));
  assert.deepEqual([error.code, error.phase, error.attempt?.verdict], [
    "ERR_PROXY",
    "proxy",
    "never-sent",
  ]);
  assert.ok(error.message.includes(error.proxy), error.message);
  return error;
}

function answering(answer: string): ScriptedConn {
  return new ScriptedConn().expect(connectHead("example.com:443")).send(answer);
}

const tunnelled: readonly (readonly [url: string, authority: string, host: string])[] = [
  ["https://example.com/", "example.com:443", "example.com"],
  ["https://example.com:8443/", "example.com:8443", "example.com:8443"],
  ["https://[2001:db8::1]/", "[2001:db8::1]:443", "[2001:db8::1]"],
  ["https://192.0.2.7:444/", "192.0.2.7:444", "192.0.2.7:444"],
  ["https://B%C3%BCcher.Example/", "xn--bcher-kva.example:443", "xn--bcher-kva.example"],
];

for (const [url, authority, host] of tunnelled) {
  test(`proxy: ${url} goes through a tunnel to ${authority}`, async () => {
    const conn = new ScriptedConn()
      .expect(connectHead(authority)).send(ESTABLISHED)
      .expect(getHead("/", host)).send(NO_CONTENT);
    const dialer = await assertSent({ url, options: { proxy: PROXY } }, conn);
    assert.deepEqual(dialer.dialled, [{ transport: "tcp", hostname: "proxy.test", port: 3128 }]);
    const { hostname } = new URL(url);
    assert.deepEqual(dialer.secured.map(({ serverName }) => serverName), [
      hostname.replace(/^\[|\]$/g, ""),
    ]);
  });
}

test("proxy: http: requests are given to it in absolute form, with its credentials", async () => {
  const conn = new ScriptedConn()
    .expect(getHead(
      "http://example.com:81/a?b",
      "example.com:81",
      // "us er:p@ss%", in UTF-8
      "Proxy-Authorization: Basic dXMgZXI6cEBzcyU=",
    )).send(NO_CONTENT);
  const proxy = "http://us%20er:p%40ss%25@proxy.test:3128";
  await assertSent({ url: "http://example.com:81/a?b#c", options: { proxy } }, conn);
});

test("proxy: one over TLS is secured for its own name with its own options", async () => {
  const conn = new ScriptedConn()
    .expect(connectHead("example.com:443")).send(ESTABLISHED)
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  const dialer = await assertSent({
    options: {
      proxy: "https://proxy.test",
      tls: { minVersion: "TLSv1.3" },
      proxyTls: { alpnProtocols: ["http/1.1"] },
    },
  }, conn);
  assert.deepEqual(dialer.dialled, [{ transport: "tcp", hostname: "proxy.test", port: 443 }]);
  assert.deepEqual(
    dialer.secured.map(({ serverName, minVersion, alpnProtocols }) => [
      serverName,
      minVersion,
      alpnProtocols,
    ]),
    [["proxy.test", undefined, ["http/1.1"]], ["example.com", "TLSv1.3", ["h2", "http/1.1"]]],
  );
});

test("T27 proxy: each proxy of a chain gets its own credentials and no others", async () => {
  const conn = new ScriptedConn()
    .expect(connectHead("second.test:8080", "Proxy-Authorization: Basic YTpvbmU=")).send(
      ESTABLISHED,
    )
    .expect(connectHead("third.test:80")).send(ESTABLISHED)
    .expect(connectHead("example.com:443", "Proxy-Authorization: Basic Yzp0aHJlZQ=="))
    .send(ESTABLISHED)
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  const proxy = ["http://a:one@first.test", "http://second.test:8080", "http://c:three@third.test"];
  // second.test asks third.test, which has the credentials of the third proxy.
  await assertSent({ options: { proxy } }, conn);
});

test("proxy: in a chain, http: requests are given to the last proxy", async () => {
  const conn = new ScriptedConn()
    .expect(connectHead("second.test:80", "Proxy-Authorization: Basic YTpvbmU=")).send(ESTABLISHED)
    .expect(getHead("http://example.com/", "example.com")).send(NO_CONTENT);
  const proxy = ["http://a:one@first.test", new URL("http://second.test")];
  await assertSent({ url: "http://example.com/", options: { proxy } }, conn);
});

test("T23 proxy: what is for a proxy is not sent to the server behind the tunnel", async () => {
  const credentials = "Proxy-Authorization: Basic dTpw";
  const headers = { "User-Agent": "", "pRoXy-AuThOrIzAtIoN": "Basic Y2Fub255" };
  const conn = new ScriptedConn()
    .expect(connectHead("example.com:443", credentials)).send(ESTABLISHED)
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  await assertSent({ init: { headers }, options: { proxy: "http://u:p@proxy.test" } }, conn);
});

test("T23 proxy: a request that takes no proxy loses its Proxy-Authorization", async () => {
  const headers = { "User-Agent": "", "Proxy-Authorization": "Basic Y2FuYXJ5" };
  const conn = new ScriptedConn().expect(getHead("/", "example.com")).send(NO_CONTENT);
  await assertSent({ init: { headers }, options: { proxy: () => null } }, conn);
});

test("T23 proxy: a redirect to a host without a proxy takes no credentials along", async () => {
  const credentials = "Proxy-Authorization: Basic Y2FuYXJ5";
  const through = new ScriptedConn()
    .expect(getHead("http://a.test/", "a.test", credentials))
    .send("HTTP/1.1 302 Found\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n");
  const direct = new ScriptedConn()
    .expect(getHead("/", "b.test", "Referer: http://a.test/")).send(NO_CONTENT);
  const dialer = scriptedDialer(through, direct);
  const transport = new Transport({
    dialer,
    disableCompression: true,
    proxy: proxyFromEnvironment({ http_proxy: "http://u:p@proxy.test", no_proxy: "b.test" }),
  });
  const headers = { "User-Agent": "", "Proxy-Authorization": "Basic Y2FuYXJ5" };
  const response = await new Client({ transport }).get("http://a.test/", { headers });
  assert.equal(response.status, 204);
  dialer.assertConsumed();
  transport.destroy();
});

test("proxy: proxyConnectHeaders are sent with CONNECT alone, before the credentials", async () => {
  const conn = new ScriptedConn()
    .expect(connectHead("example.com:443", "Proxy-Authorization: Basic dTpw", "X-Tenant: 7"))
    .send(ESTABLISHED)
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  const proxyConnectHeaders = { "X-Tenant": "7" };
  const proxy = "http://u:p@proxy.test";
  await assertSent({ options: { proxy, proxyConnectHeaders } }, conn);
});

test("proxy: proxyConnectHeaders can be made for each proxy and target", async () => {
  const seen: string[] = [];
  const conn = new ScriptedConn()
    .expect(
      "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n" +
        "Proxy-Authorization: Bearer t\r\n\r\n",
    ).send(ESTABLISHED)
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  await assertSent({
    options: {
      proxy: "http://u:p@proxy.test",
      proxyConnectHeaders: (proxy, target) => {
        seen.push(proxy.href, target);
        return [["User-Agent", ""], ["Proxy-Authorization", "Bearer t"]];
      },
    },
  }, conn);
  assert.deepEqual(seen, ["http://proxy.test/", "example.com:443"]);
});

test("proxy: proxyConnectHeaders that promise fields are refused, not left out", async () => {
  const { error } = await send({
    options: {
      proxy: PROXY,
      proxyConnectHeaders: (() => Promise.resolve({ "X-Tenant": "7" })) as never,
    },
  }, new ScriptedConn());
  assert.deepEqual([error?.code, error?.phase], ["ERR_INVALID_REQUEST", "proxy"]);
});

test("T27 proxy: one Proxy-Authorization for several proxies is refused", async () => {
  const { error } = await send({
    options: {
      proxy: ["http://first.test", "http://second.test"],
      proxyConnectHeaders: { "proxy-authorization": "Bearer t" },
    },
  }, new ScriptedConn());
  assert.deepEqual([error?.code, error?.phase], ["ERR_INVALID_REQUEST", "proxy"]);
});

const unusable: readonly TransportOptions[] = [
  { proxyConnectHeaders: { "Host": "other.test" } },
  { proxyConnectHeaders: { "content-length": "1" } },
  { proxyConnectHeaders: [["Transfer-Encoding", "chunked"]] },
  { proxyConnectHeaders: { "X-A": "b\r\nc: d" } },
  { proxyTls: { caCerts: ["no PEM"] } },
  { proxy: "ftp://proxy.test" },
  { proxy: "proxy.test:80" },
  { proxy: ["http://proxy.test", "http://proxy.test/path"] },
  { proxy: 7 as unknown as string },
  { proxy: "http://" },
  { proxy: "socks5://user@proxy.test" },
  { proxy: `socks5h://user:${"p".repeat(256)}@proxy.test` },
  { proxy: "socks4a://user:password@proxy.test" },
  { onProxyConnectResponse: {} as () => void },
];

for (const options of unusable) {
  const name = JSON.stringify(options).replace(/p{20,}/, "p…");
  test(`proxy: ${name} is refused before anything is dialled`, () => {
    assert.throws(() => new Transport(options), (error) => {
      assert.ok(error instanceof HttpError, String(error));
      assert.equal(error.code, "ERR_INVALID_REQUEST");
      return true;
    });
  });
}

test("T15 proxy: fields that cannot be sent are refused when a function gives them", async () => {
  const proxyConnectHeaders = () => ({ "X-A": "b\r\nc: d" });
  const { error } = await send(
    { options: { proxy: PROXY, proxyConnectHeaders } },
    new ScriptedConn(),
  );
  assert.equal(error?.code, "ERR_INVALID_REQUEST");
});

test("proxy: a refusal tells its status, fields and the first part of its body", async () => {
  const body = "x".repeat(5000);
  const conn = answering(
    'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="a"\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  const error = await assertRefused({ options: { proxy: PROXY } }, conn);
  assert.equal(
    error.message,
    "Proxy http://proxy.test:3128 refused a tunnel to example.com:443: " +
      "407 Proxy Authentication Required",
  );
  const { status, headers, bodyStart } = error.response!;
  assert.equal(status, 407);
  assert.equal(headers.get("proxy-authenticate"), 'Basic realm="a"');
  assert.equal(new TextDecoder().decode(bodyStart), body.slice(0, 4096));
});

for (
  const [what, answer, status, body] of [
    [
      "chunked",
      "HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
      502,
      "no",
    ],
    ["of an older proxy", "HTTP/1.0 403 Forbidden\r\n\r\nnot you", 403, "not you"],
    ["a redirect", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302, ""],
    ["with a body cut short", "HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nhalf", 503, "half"],
    [
      "with two lengths",
      "HTTP/1.1 503\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\nx",
      503,
      "",
    ],
  ] as const
) {
  test(`proxy: a refusal ${what} is told as it came`, async () => {
    const error = await assertRefused({ options: { proxy: PROXY } }, answering(answer).end());
    assert.equal(error.response?.status, status);
    assert.equal(new TextDecoder().decode(error.response?.bodyStart), body);
  });
}

test("T57 proxy: the text of a refusal is escaped and cut", async () => {
  const conn = answering(`HTTP/1.1 500 \x9b31m${"a".repeat(300)}\r\n\r\n`).end();
  const { message } = await assertRefused({ options: { proxy: PROXY } }, conn);
  assert.match(message, /500 \\u009b31ma+…$/);
  assert.ok(message.length < 260, message);
});

test("proxy: what comes before the answer to CONNECT is passed over", async () => {
  const conn = new ScriptedConn().expect(connectHead("example.com:443"))
    .send(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + ESTABLISHED,
    )
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  await assertSent({ options: { proxy: PROXY } }, conn);
});

for (
  const answer of [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 299\r\n\r\n",
  ]
) {
  test(`proxy: ${JSON.stringify(answer)} opens a tunnel`, async () => {
    const conn = answering(answer).expect(getHead("/", "example.com")).send(NO_CONTENT);
    await assertSent({ options: { proxy: PROXY } }, conn);
  });
}

for (
  const [what, answer] of [
    ["a server's hello", ESTABLISHED + "\x16\x03\x03"],
    ["a body that was declared", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ["another response", ESTABLISHED + NO_CONTENT],
  ] as const
) {
  test(`T59 proxy: ${what} right behind the answer to CONNECT is an error`, async () => {
    await assertRefused({ options: { proxy: PROXY } }, answering(answer).waitForClose());
  });
}

test("T59 proxy: bytes behind an answer inside of a chain are an error", async () => {
  const conn = new ScriptedConn().expect(connectHead("second.test:80")).send(ESTABLISHED + "x")
    .waitForClose();
  const proxy = ["http://first.test", "http://second.test"];
  const error = await assertRefused({ url: "http://example.com/", options: { proxy } }, conn);
  assert.equal(error.proxy, "http://first.test:80");
});

for (
  const [what, answer] of [
    ["no HTTP", "SSH-2.0-x\r\n"],
    ["HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"],
    ["a space before a colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"],
    ["another protocol", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ["nothing", ""],
    ["half a head", "HTTP/1.1 200 OK\r\nA: b\r\n"],
  ] as const
) {
  test(`proxy: ${what} for an answer to CONNECT is its error`, async () => {
    const conn = new ScriptedConn().expect(connectHead("example.com:443"));
    if (answer !== "") conn.send(answer);
    const error = await assertRefused({ options: { proxy: PROXY } }, conn.end());
    assert.equal(error.response, null);
    assert.ok(error.cause instanceof HttpError);
  });
}

for (
  const [what, answer] of [
    ["one endless line", `HTTP/1.1 200 OK\r\nA: ${"a".repeat(70_000)}`],
    ["endless lines", `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(2_000)}`],
    ["a large head", `HTTP/1.1 200 OK\r\nA: ${"a".repeat(66_000)}\r\n\r\n`],
    ["many early heads", "HTTP/1.1 103 Early\r\n\r\n".repeat(3_000)],
    ["large early heads", `HTTP/1.1 103 Early\r\nA: ${"a".repeat(30_000)}\r\n\r\n`.repeat(3)],
  ] as const
) {
  test(`T44 proxy: ${what} in the answer to CONNECT are bounded`, async () => {
    const error = await assertRefused(
      { options: { proxy: PROXY } },
      answering(answer).waitForClose(),
    );
    assert.equal((error.cause as HttpError).code, "ERR_HEADERS_TOO_LARGE");
  });
}

test("M28 proxy: early heads before the answer to CONNECT are not counted", async () => {
  const early = "HTTP/1.1 103 Early\r\n\r\n".repeat(2_000);
  const conn = new ScriptedConn()
    .expect(connectHead("example.com:443")).send(early + "HTTP/1.1 200 OK\r\n\r\n")
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  await assertSent({ options: { proxy: PROXY } }, conn);
});

test("proxy: a connection that breaks in the middle of CONNECT is the proxy's error", async () => {
  const conn = new ScriptedConn().expect(connectHead("example.com:443")).reset();
  const error = await assertRefused({ options: { proxy: PROXY } }, conn);
  assert.equal((error.cause as HttpError).code, "ERR_CONNECTION_LOST");
});

test("proxy: onProxyConnectResponse sees the answer, and refuses by throwing", async () => {
  const seen: unknown[] = [];
  const options: TransportOptions = {
    proxy: "http://u:p@proxy.test:3128",
    onProxyConnectResponse: (proxy, { status, headers }) => {
      seen.push(proxy.href, status, headers.get("Via"));
      if (seen.length > 3) throw new Error("not through there");
    },
  };
  const answer = "HTTP/1.1 200 OK\r\nVia: 1.1 x\r\n\r\n";
  const head = connectHead("example.com:443", "Proxy-Authorization: Basic dTpw");
  const first = new ScriptedConn().expect(head).send(answer)
    .expect(getHead("/", "example.com")).send(NO_CONTENT);
  await assertSent({ options }, first);
  assert.deepEqual(seen, ["http://proxy.test:3128/", 200, "1.1 x"]);
  const second = new ScriptedConn().expect(head).send(answer).waitForClose();
  const error = await assertRefused({ options }, second);
  assert.equal((error.cause as Error).message, "not through there");
});

test("proxy: onProxyConnectResponse may refuse later, and nothing is sent before", async () => {
  const reason = new Error("not through there");
  const options: TransportOptions = {
    proxy: PROXY,
    onProxyConnectResponse: () => Promise.reject(reason),
  };
  const conn = new ScriptedConn().expect(connectHead("example.com:443"))
    .send("HTTP/1.1 200 OK\r\n\r\n").waitForClose();
  assert.equal((await assertRefused({ options }, conn)).cause, reason);
});

test("proxy: the choice can be made for each request, and later", async () => {
  const conn = new ScriptedConn()
    .expect(getHead("http://example.com/", "example.com")).send(NO_CONTENT);
  const proxy = (request: HttpRequest) => Promise.resolve(`http://${request.url.hostname}:8080`);
  const dialer = await assertSent({ url: "http://example.com/", options: { proxy } }, conn);
  assert.deepEqual(dialer.dialled, [{ transport: "tcp", hostname: "example.com", port: 8080 }]);
});

test("proxy: a choice that fails is ERR_PROXY, one that cannot be used is the caller's", async () => {
  const thrown = new Error("no");
  for (
    const [proxy, code, cause] of [
      [
        () => {
          throw thrown;
        },
        "ERR_PROXY",
        thrown,
      ],
      [() => Promise.reject(thrown), "ERR_PROXY", thrown],
      [() => "ftp://proxy.test", "ERR_INVALID_REQUEST", undefined],
      [() => Promise.resolve("ftp://proxy.test"), "ERR_INVALID_REQUEST", undefined],
    ] as const
  ) {
    const { error } = await send({ options: { proxy } });
    assert.deepEqual([error?.code, error?.cause], [code, cause]);
  }
});

test("proxy: a Unix socket is not looked for behind it", async () => {
  const conn = new ScriptedConn().expect(getHead("/", "localhost")).send(NO_CONTENT);
  const url = "http+unix://%2Ftmp%2Fa.sock/";
  const dialer = await assertSent({ url, options: { proxy: PROXY } }, conn);
  assert.deepEqual(dialer.dialled, [{ transport: "unix", path: "/tmp/a.sock" }]);
});
