/**
 * Every kind of route to a server, through proxies that others wrote.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type ClientTrace,
  HttpError,
  HttpRequest,
  type HttpResponse,
  ProxyError,
  type Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import {
  type PeerPorts,
  type PeerRoute,
  peerRoutes,
  startPeerProxies,
} from "../../support/peer_proxies.ts";
import {
  latin1,
  type RawHandler,
  rawServer,
  testAuthority,
  withRawServer,
} from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";

const ports = await startPeerProxies();

const trusting: TransportOptions = {
  tls: { caCerts: [testAuthority] },
  proxyTls: { caCerts: [testAuthority] },
};

/** Answers every request with its path, `/close` on a connection that it closes. */
const answering: RawHandler = async (connection) => {
  for (;;) {
    const [, path] = (await connection.readHead()).split(" ");
    const answer = path.replace(/^https?:\/\/[^/]*/, "");
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
  }
};

async function get(transport: Transport, url: string, trace?: ClientTrace): Promise<HttpResponse> {
  const response = await transport.roundTrip(new HttpRequest(url, { trace }));
  assert.equal(response.status, 200);
  assert.equal(await response.text(), new URL(url).pathname);
  return response;
}

/** Runs a test with a transport, and looks for what it leaves. */
async function withTransport(
  options: TransportOptions,
  run: (transport: Transport) => Promise<void>,
): Promise<void> {
  const transport = steadyTransport({ ...trusting, ...options });
  try {
    await run(transport);
    assert.equal(transport.stats().active + transport.stats().dialing, 0);
  } finally {
    transport.destroy();
  }
}

const large: Uint8Array<ArrayBuffer> = Uint8Array.from(
  { length: 1_000_000 },
  (_, i) => (i * 7) % 251,
);

/** Sends the body back. */
const echoing: RawHandler = async (connection) => {
  await connection.readHead();
  const body = await connection.readBytes(large.length);
  await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
};

/** Two requests, which share their connection; checks what they tell of it. */
async function assertServes(
  { proxy, steps, forwards }: PeerRoute,
  ports: PeerPorts,
  tls: boolean,
): Promise<void> {
  await withRawServer(answering, async (server) => {
    await withTransport({ proxy: proxy(ports) }, async (transport) => {
      const first = await get(transport, `${server.origin}/first`);
      const second = await get(transport, `${server.origin}/second`);
      assert.deepEqual([first.connection.reused, second.connection.reused], [false, true]);
      assert.equal(first.connection.tls !== null, tls);
      const { dialMs, proxyMs, tlsMs } = first.timings;
      assert.ok(dialMs !== null && dialMs >= 0);
      const stepsHere = forwards && !tls ? steps - 1 : steps;
      assert.equal(proxyMs !== null, stepsHere > 0, `proxyMs is ${proxyMs}`);
      assert.equal(tlsMs !== null, tls, `tlsMs is ${tlsMs}`);
      assert.deepEqual(
        [second.timings.dialMs, second.timings.proxyMs, second.timings.tlsMs],
        [null, null, null],
      );
      assert.equal(server.connections.length, 1);
      assert.doesNotMatch(server.connections[0].received, /proxy-authorization:|CONNECT /i);
    });
  }, { tls });
}

for (const route of peerRoutes) {
  test(`T23 route ${route.name}: serves http and https, is kept alive, tells its times`, async () => {
    await assertServes(route, ports, false);
    await assertServes(route, ports, true);
    await withRawServer(echoing, async (server) => {
      await withTransport({ proxy: route.proxy(ports) }, async (transport) => {
        const request = new HttpRequest(server.origin, { method: "POST", body: large });
        const response = await transport.roundTrip(request);
        assert.equal(latin1(await response.bytes()), latin1(large));
      });
    }, { tls: true });
  });
}

test("route: the trace tells of each step and of whom", async () => {
  const events: string[] = [];
  const note = (name: string) => (event: { proxy?: string; target?: string; status?: number }) =>
    void events.push(
      [name, event.proxy, event.target, event.status].filter((part) => part !== undefined)
        .join(" "),
    );
  const trace: ClientTrace = {
    connectStart: ({ address }) =>
      void events.push(`connectStart ${address.transport === "tcp" ? address.port : ""}`),
    connectDone: () => void events.push("connectDone"),
    proxyConnectStart: note("proxyConnectStart"),
    proxyConnectDone: note("proxyConnectDone"),
    tlsHandshakeStart: note("tlsHandshakeStart"),
    tlsHandshakeDone: (event) => {
      assert.ok(event.tls !== undefined);
      note("tlsHandshakeDone")(event);
    },
  };
  await withRawServer(answering, async (server) => {
    const proxy = [
      `https://localhost:${ports.https}`,
      `socks5h://user:p%40ss%3Aword@127.0.0.1:${ports.socks5WithPassword}`,
    ];
    await withTransport({ proxy }, async (transport) => {
      await get(transport, `${server.origin}/`, trace);
      const first = proxy[0];
      const second = `socks5h://127.0.0.1:${ports.socks5WithPassword}`;
      const target = `127.0.0.1:${ports.socks5WithPassword}`;
      assert.deepEqual(events, [
        `connectStart ${ports.https}`,
        "connectDone",
        `tlsHandshakeStart ${first}`,
        `tlsHandshakeDone ${first}`,
        `proxyConnectStart ${first} ${target}`,
        `proxyConnectDone ${first} ${target} 200`,
        `proxyConnectStart ${second} localhost:${server.port}`,
        `proxyConnectDone ${second} localhost:${server.port}`,
        "tlsHandshakeStart",
        "tlsHandshakeDone",
      ]);
    });
  }, { tls: true });
});

/** A port at which nobody listens. */
async function closedPort(): Promise<number> {
  const server = await rawServer(() => {});
  const { port } = server;
  await server.close();
  return port;
}

async function failure(proxy: string | string[], url: string): Promise<HttpError> {
  let failed: unknown;
  await withTransport({ proxy }, async (transport) => {
    try {
      await transport.roundTrip(new HttpRequest(url));
    } catch (error) {
      failed = error;
    }
    assert.equal(transport.stats().total, 0);
  });
  assert.ok(failed instanceof HttpError, String(failed));
  assert.equal(failed.attempt?.verdict, "never-sent");
  return failed;
}

const withoutPassword: Readonly<Record<string, (ports: PeerPorts) => string | string[]>> = {
  "http": ({ httpWithPassword }) => `http://127.0.0.1:${httpWithPassword}`,
  "http, wrong": ({ httpWithPassword }) => `http://user:canary@127.0.0.1:${httpWithPassword}`,
  "https": ({ httpsWithPassword }) => `https://localhost:${httpsWithPassword}`,
  "socks5h": ({ socks5WithPassword }) => `socks5h://127.0.0.1:${socks5WithPassword}`,
  "socks5, wrong": ({ socks5WithPassword }) =>
    `socks5://user:canary@127.0.0.1:${socks5WithPassword}`,
  "http, http": ({ http, httpWithPassword }) => [
    `http://127.0.0.1:${http}`,
    `http://127.0.0.1:${httpWithPassword}`,
  ],
};

test("route: a proxy that wants a password refuses with ERR_PROXY", async () => {
  for (const [name, proxy] of Object.entries(withoutPassword)) {
    const error = await failure(proxy(ports), "https://localhost:1/");
    assert.ok(error instanceof ProxyError, `${name}: ${error}`);
    assert.deepEqual([error.code, error.phase], ["ERR_PROXY", "proxy"], name);
    assert.doesNotMatch(error.message, /canary/);
    if (name.startsWith("socks")) assert.equal(error.response, null, name);
    else {
      assert.equal(error.response?.status, 407, name);
      assert.match(error.response.headers.get("proxy-authenticate") ?? "", /basic/i);
      assert.match(new TextDecoder().decode(error.response.bodyStart), /./);
    }
  }
});

test("route http: the answer of a forwarding proxy is a response like any other", async () => {
  await withTransport(
    { proxy: `http://127.0.0.1:${ports.httpWithPassword}` },
    async (transport) => {
      const response = await transport.roundTrip(new HttpRequest("http://127.0.0.1:1/"));
      assert.equal(response.status, 407);
      await response.bytes();
    },
  );
});

const kinds = ["http", "https", "socks5", "socks5h"] as const;

test("route: a server that a proxy cannot reach is ERR_PROXY", async () => {
  const closed = await closedPort();
  for (const kind of kinds) {
    const port = kind === "socks5h" ? ports.socks5 : ports[kind];
    const error = await failure(`${kind}://localhost:${port}`, `https://127.0.0.1:${closed}/`);
    // These proxies say nothing; they end the connection.
    assert.ok(error instanceof ProxyError, `${kind}: ${error}`);
  }
});

for (const kind of kinds) {
  test(`T28 route ${kind}: a proxy that cannot be reached is ERR_DIAL and is named`, async () => {
    const port = await closedPort();
    const error = await failure(`${kind}://user:canary@127.0.0.1:${port}`, "https://localhost:1/");
    assert.deepEqual([error.code, error.phase], ["ERR_DIAL", "dial"]);
    assert.equal(
      error.message,
      `Proxy ${kind}://127.0.0.1:${port}: Cannot connect to 127.0.0.1:${port}: refused`,
    );
  });
}
