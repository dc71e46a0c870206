/**
 * Which round trip each hook is told that it is about, and which operation of its caller's that belongs to.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  type ClientTrace,
  createFetch,
  dataProtocol,
  HttpRequest,
  type HttpRequestInit,
  MemoryCookieJar,
  ResumingTransport,
  RetryingTransport,
  type RoundTripIds,
  type RoundTripper,
  type TracedRoundTrip,
  Transport,
} from "../../mod.ts";
import { collectUntil } from "../support/collector.ts";
import { HALF, OK, withGate } from "../support/gated_server.ts";
import { test } from "../support/harness.ts";
import { startPeerProxies } from "../support/peer_proxies.ts";
import {
  type RawConnection,
  type RawServer,
  testAuthority,
  withRawServer,
} from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";

const ports = await startPeerProxies();

/** One call of a hook. */
interface Told {
  readonly hook: string;
  readonly event: unknown;
  readonly about: TracedRoundTrip;
}

/** A trace that notes who each hook is about. */
function noting(told: Told[]): ClientTrace {
  return new Proxy({}, {
    get: (_target, hook) => (...args: unknown[]) =>
      told.push({
        hook: String(hook),
        event: args.length > 1 ? args[0] : undefined,
        about: args.at(-1) as TracedRoundTrip,
      }),
  });
}

function hooksOf(told: readonly Told[], requestId: number): string[] {
  return told.filter(({ about }) => about.requestId === requestId).map(({ hook }) => hook);
}

function assertIds({ requestId, operationId }: RoundTripIds): void {
  assert.ok(Number.isSafeInteger(requestId) && requestId > 0, `requestId ${requestId}`);
  assert.ok(Number.isSafeInteger(operationId) && operationId > 0, `operationId ${operationId}`);
}

const IDS_ONLY = ["putIdleConn", "bodyLeaked"];

/** Every hook is told all, but those that must hold nothing. */
function assertComplete(told: readonly Told[]): void {
  for (const { hook, about } of told) {
    assertIds(about);
    const names = IDS_ONLY.includes(hook) ? [] : ["request"];
    assert.deepEqual(Object.keys(about).sort(), ["operationId", ...names, "requestId"], hook);
    if (names.length > 0) assert.ok(about.request instanceof HttpRequest, hook);
  }
}

/** Answers an upload after asking for it, and with early hints. */
async function asking(connection: RawConnection): Promise<void> {
  for (;;) {
    const head = await connection.readHead();
    await connection.send("HTTP/1.1 103 Early Hints\r\n\r\n");
    if (/^expect:/im.test(head)) {
      await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
      await connection.readBytes(4);
    }
    await connection.send(OK);
  }
}

const ASKING: HttpRequestInit = {
  method: "PUT",
  body: "body",
  headers: { "Expect": "100-continue" },
};

test("M22 every hook is told which round trip it is about, through a proxy and TLS", () =>
  withRawServer(asking, async (server) => {
    const told: Told[] = [];
    const own: Told[] = [];
    const transport = new Transport({
      proxy: `http://127.0.0.1:${ports.http}`,
      tls: { caCerts: [testAuthority] },
      trace: noting(told),
    });
    const request = new HttpRequest(server.origin, { ...ASKING, trace: noting(own) });
    await (await transport.roundTrip(request)).text();
    await transport.close();
    assertComplete(told);
    const names = [
      "getConn",
      "connectStart",
      "connectDone",
      "proxyConnectStart",
      "proxyConnectDone",
      "tlsHandshakeStart",
      "tlsHandshakeDone",
      "gotConn",
      "wroteHeaders",
      "wait100Continue",
      "got1xxResponse",
      "got100Continue",
      "got1xxResponse",
      "wroteRequest",
      "gotFirstResponseByte",
    ];
    const [{ about }] = told;
    for (const name of [...names, "putIdleConn", "bodyDone"]) {
      assert.ok(hooksOf(told, about.requestId).includes(name), name);
      if (name !== "putIdleConn") assert.ok(hooksOf(own, about.requestId).includes(name), name);
    }
    for (const { hook, about: { requestId, operationId, request: whose } } of [...told, ...own]) {
      assert.equal(requestId, about.requestId, hook);
      assert.equal(operationId, about.operationId, hook);
      if (!IDS_ONLY.includes(hook)) assert.equal(whose, request, hook);
    }
  }, { tls: true }));

test("M22 a dial tells who started it, the connection who uses it", () =>
  withGate(async (gate) => {
    const told: Told[] = [];
    const transport = new Transport({ trace: noting(told), maxDialsPerHost: 1 });
    const first = gate.request("/first");
    const second = gate.request("/second");
    const going = transport.roundTrip(first).then((response) => response.text());
    const served = await gate.next();
    // The one that waits gets the connection of the first, and the one that it had dialled is left.
    const waiting = transport.roundTrip(second).then((response) => response.text());
    await until("its dial has begun", () => gate.server.connections.length === 2);
    await served.answer();
    await going;
    await (await gate.next()).answer();
    await waiting;
    await until("both are idle", () => transport.stats().idle === 2);
    assertComplete(told);
    const idOf = (request: HttpRequest): number =>
      told.find(({ hook, about }) => hook === "getConn" && about.request === request)!.about
        .requestId;
    const [one, two] = [idOf(first), idOf(second)];
    assert.notEqual(one, two);
    for (const [id, request] of [[one, first], [two, second]] as const) {
      const hooks = hooksOf(told, id);
      assert.ok(hooks.includes("connectStart") && hooks.includes("connectDone"), `${hooks}`);
      assert.ok(told.every(({ hook, about }) =>
        about.requestId !== id || IDS_ONLY.includes(hook) || about.request === request
      ));
    }
    await transport.close();
  }));

test("M22 putIdleConn says whose connection it was: of who used it last, or had it dialled", () =>
  withGate(async (gate) => {
    const told: Told[] = [];
    const transport = new Transport({ trace: noting(told) });
    const controller = new AbortController();
    // A dial that nobody waits for.
    const gone = transport.roundTrip(gate.request("/gone", { signal: controller.signal }));
    controller.abort(new Error("gone"));
    await assert.rejects(gone);
    await until("it is kept", () => transport.stats().idle === 1);
    await gate.exchange(transport, "/one");
    await gate.exchange(transport, "/two");
    gate.server.connections[0].close();
    await until("it is gone", () => transport.stats().total === 0);
    const ids = told.filter(({ hook }) => hook === "getConn").map(({ about }) => about.requestId);
    assert.equal(new Set(ids).size, 3);
    assert.deepEqual(
      told.filter(({ hook }) => hook === "putIdleConn").map(({ about }) => about.requestId),
      ids,
    );
    assertComplete(told);
    await transport.close();
  }));

test("M22 hooks that keep all that they are told keep no response that was dropped", () =>
  withGate(async (gate) => {
    const told: Told[] = [];
    const transport = new Transport({ trace: noting(told) });
    const { warn } = console;
    console.warn = () => {};
    try {
      await (async () => {
        const going = transport.roundTrip(gate.request("/"));
        await (await gate.next()).answer(HALF);
        assert.equal((await going).status, 200);
      })();
      await collectUntil("it is found", () => told.some(({ hook }) => hook === "bodyLeaked"));
    } finally {
      console.warn = warn;
    }
    assertComplete(told);
    const [{ about }] = told;
    assert.equal(told.at(-1)!.about.requestId, about.requestId);
    await transport.close();
  }));

test("M22 what the transport sends again is the same round trip", () =>
  withRawServer(
    async (connection) => {
      await connection.readHead();
      await connection.send(OK);
      await connection.readHead();
      if (connection.index === 0) connection.close();
      else await connection.send(OK);
    },
    async (server) => {
      const told: Told[] = [];
      const transport = new Transport({ trace: noting(told) });
      for (let n = 0; n < 2; n++) {
        await (await transport.roundTrip(new HttpRequest(server.origin))).text();
      }
      const [retry] = told.filter(({ hook }) => hook === "retry");
      const hooks = hooksOf(told, retry.about.requestId);
      assert.equal(hooks.filter((hook) => hook === "gotConn").length, 2);
      assert.deepEqual(new Set(told.map(({ about }) => about.requestId)).size, 2);
      await transport.close();
    },
  ));

/** What a server is asked for, and how it answers: by path, first and later. */
async function misleading(connection: RawConnection): Promise<void> {
  for (;;) {
    const head = await connection.readHead();
    const path = head.split(" ", 2)[1];
    const empty = "Content-Length: 0\r\n\r\n";
    if (path.startsWith("/moved")) {
      await connection.send(`HTTP/1.1 302 Found\r\nLocation: ${path.slice(6)}\r\n${empty}`);
    } else if (path === "/busy") {
      const isFirst = !busySeen.has(connection);
      busySeen.add(connection);
      await connection.send(isFirst ? `HTTP/1.1 503 Later\r\n${empty}` : OK);
    } else if (path === "/broken") {
      if (/^range:/im.test(head)) {
        await connection.send(
          'HTTP/1.1 206 Part\r\nETag: "v"\r\nContent-Length: 2\r\nContent-Range: bytes 2-3/4\r\n\r\nok',
        );
      } else {
        await connection.send('HTTP/1.1 200 OK\r\nETag: "v"\r\nContent-Length: 4\r\n\r\nok');
        return connection.close();
      }
    } else await connection.send(OK);
  }
}

const busySeen: WeakSet<RawConnection> = new WeakSet();

/** The ids of the round trips that began while something ran, in order. */
async function idsOf(
  run: (transport: Transport, server: RawServer) => Promise<void>,
): Promise<RoundTripIds[]> {
  const begun: RoundTripIds[] = [];
  await withRawServer(misleading, async (server) => {
    const transport = new Transport({
      trace: {
        getConn: (_event, { requestId, operationId }) =>
          void begun.push({ requestId, operationId }),
      },
    });
    await run(transport, server);
    await transport.close();
  });
  begun.forEach(assertIds);
  assert.equal(new Set(begun.map(({ requestId }) => requestId)).size, begun.length);
  return begun;
}

function countOperations(ids: readonly RoundTripIds[]): number {
  return new Set(ids.map(({ operationId }) => operationId)).size;
}

async function send(sender: RoundTripper, request: HttpRequest): Promise<void> {
  await (await sender.roundTrip(request)).text();
}

test("M22 redirects, retries and cookies of one call are one operation, calls are several", async () => {
  for (const withJar of [false, true]) {
    const ids = await idsOf(async (transport, { origin }) => {
      const retrying = new RetryingTransport(transport, { baseDelayMs: 1 });
      const jar = withJar ? new MemoryCookieJar() : null;
      const client = new Client({ transport: retrying, jar, timeoutMs: 60_000 });
      await (await client.get(`${origin}/moved/moved/busy`)).text();
      await (await client.get(`${origin}/end`)).text();
    });
    assert.equal(ids.length, 5);
    assert.equal(countOperations(ids.slice(0, 4)), 1);
    assert.equal(countOperations(ids), 2);
  }
});

test("M22 fetch: the redirects of one call are one operation, also at the same time as others", async () => {
  const ids = await idsOf(async (transport, { origin }) => {
    const fetch = createFetch({ transport });
    await Promise.all([1, 2, 3].map(async () => {
      await (await fetch(`${origin}/moved/moved/end`)).text();
    }));
  });
  assert.equal(ids.length, 9);
  const counts = Map.groupBy(ids, ({ operationId }) => operationId);
  assert.deepEqual([...counts.values()].map((group) => group.length), [3, 3, 3]);
});

test("M22 the parts of a resumed download are one operation", async () => {
  for (const asIs of [true, false]) {
    const ids = await idsOf(async (transport, { origin }) => {
      const resuming = new ResumingTransport(transport, { baseDelayMs: 1 });
      const request = new HttpRequest(`${origin}/broken`);
      const sender = asIs
        ? resuming
        : { roundTrip: (one: HttpRequest) => new Client({ transport: resuming }).do(one) };
      await send(sender, request);
    });
    assert.equal(ids.length, 2);
    assert.equal(countOperations(ids), 1);
  }
});

test("M22 the tries of a RetryingTransport that is used as it is are one operation", async () => {
  const ids = await idsOf(async (transport, { origin }) => {
    const retrying = new RetryingTransport(transport, { baseDelayMs: 1 });
    await send(retrying, new HttpRequest(`${origin}/busy`));
    await send(retrying, new HttpRequest(`${origin}/end`));
  });
  assert.equal(ids.length, 3);
  assert.equal(countOperations(ids.slice(0, 2)), 1);
  assert.equal(countOperations(ids), 2);
});

test("M22 a layer of the caller's own, that changes requests, stays within the operation", async () => {
  const ids = await idsOf(async (transport, { origin }) => {
    const layer: RoundTripper = {
      roundTrip: (request) => transport.roundTrip(request.with({ headers: { "X-Added": "1" } })),
    };
    const client = new Client({ transport: layer });
    await (await client.get(`${origin}/moved/end`)).text();
    await (await client.do(new HttpRequest(`${origin}/moved/end`))).text();
  });
  assert.equal(ids.length, 4);
  assert.equal(countOperations(ids.slice(0, 2)), 1);
  assert.equal(countOperations(ids.slice(2)), 1);
  assert.equal(countOperations(ids), 2);
});

test("M22 the same request sent again, or one that others are made of, is another operation", async () => {
  const ids = await idsOf(async (transport, { origin }) => {
    const request = new HttpRequest(`${origin}/end`);
    await send(transport, request);
    await send(transport, request);
    await send(transport, request.with({ headers: { "X": "1" } }));
    const client = new Client({ transport });
    const response = await client.do(request);
    // The caller's own, as it is, as long as it can be.
    assert.equal(response.request, request);
    await response.text();
    await Promise.all([client.do(request), client.do(request)].map(async (going) => {
      await (await going).text();
    }));
  });
  assert.equal(ids.length, 6);
  assert.equal(countOperations(ids), 6);
});

test("M22 a redirect that is followed by hand stays within the operation of the call before", async () => {
  const ids = await idsOf(async (transport, { origin }) => {
    const client = new Client({ transport, maxRedirects: 0 });
    const response = await client.get(`${origin}/moved/end`);
    await response.body.close();
    const redirectedFrom = response.request;
    await send(transport, new HttpRequest(`${origin}/end`, { redirectedFrom }));
  });
  assert.equal(ids.length, 2);
  assert.equal(countOperations(ids), 1);
});

test("M22 a leased connection tells of the wait for it, and of each request on it", () =>
  withGate(async (gate) => {
    const told: Told[] = [];
    const transport = new Transport({ trace: noting(told) });
    const lease = await transport.connect(gate.server.origin);
    const going = send(lease, gate.request("/leased"));
    await (await gate.next()).answer();
    await going;
    lease.release();
    await transport.close();
    assertComplete(told);
    const ids = [...new Set(told.map(({ about }) => about.requestId))];
    assert.equal(ids.length, 2);
    assert.deepEqual(hooksOf(told, ids[0]), ["getConn", "connectStart", "connectDone"]);
    const ofRequest = hooksOf(told, ids[1]);
    for (const hook of ["gotConn", "bodyDone", "putIdleConn"]) {
      assert.ok(ofRequest.includes(hook), `${hook}: ${ofRequest}`);
    }
  }));

test("M22 ids are unique over transports and protocols", async () => {
  const told: Told[] = [];
  const trace = noting(told);
  await withGate(async (gate) => {
    for (let n = 0; n < 2; n++) {
      const transport = new Transport();
      transport.registerProtocol("data", dataProtocol());
      const going = send(transport, gate.request("/", { trace }));
      await (await gate.next()).answer();
      await going;
      await send(transport, new HttpRequest("data:,x", { trace }));
      await transport.close();
    }
  });
  assertComplete(told);
  const done = told.filter(({ hook }) => hook === "bodyDone").map(({ about }) => about);
  assert.equal(done.length, 4);
  assert.equal(new Set(done.map(({ requestId }) => requestId)).size, 4);
  assert.equal(countOperations(done), 4);
});
