/**
 * The dialer that resolves: where addresses come from, the race between them, the cache, and what is
 * left when it is given up.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Address,
  type Conn,
  type Dialer,
  type DialOptions,
  HttpError,
  pipe,
  type PipeConn,
  resolvingDialer,
  type ResolvingDialerOptions,
  systemDialer,
  type TlsOptions,
} from "../../../conn/mod.ts";
import { HttpRequest, Transport } from "../../../mod.ts";
import * as certs from "../../support/certs.ts";
import { countedSignal } from "../../support/counted_signal.ts";
import { listen, type TestServer } from "../../support/conn_servers.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { withRawServer } from "../../support/raw_server.ts";
import { isPending, until } from "../../support/waiting.ts";

const address = { transport: "tcp", hostname: "good.test", port: 80 } as const;

/** A dial that the test settles; the connection is one end of a pipe. */
interface HeldDial {
  readonly hostname: string;
  readonly options: DialOptions;
  readonly conn: PipeConn;
  /** Reads until the end of the stream: settles when the connection is closed. */
  readonly closed: Promise<unknown>;
  succeed(): void;
  fail(): void;
}

/** Dials in memory. Like the real ones it rejects when its signal aborts, unless it is deaf. */
function heldDialer(isDeaf = false): { dialer: Dialer; dials: HeldDial[]; secured: TlsOptions[] } {
  const dials: HeldDial[] = [];
  const secured: TlsOptions[] = [];
  return {
    dials,
    secured,
    dialer: {
      dial: (to, options = {}) => {
        const { promise, resolve, reject } = Promise.withResolvers<Conn>();
        const [conn, far] = pipe();
        if (!isDeaf) {
          options.signal?.addEventListener("abort", () => reject(options.signal!.reason));
        }
        dials.push({
          hostname: (to as { hostname: string }).hostname,
          options,
          conn,
          closed: far.read(new Uint8Array(1)),
          succeed: () => resolve(conn),
          fail: () => reject(new HttpError("ERR_DIAL", "Cannot: refused", { phase: "dial" })),
        });
        return promise;
      },
      startTls: (conn, options) => {
        secured.push(options);
        return Promise.resolve(conn);
      },
    },
  };
}

/** A dialer in memory behind one that resolves to these addresses. */
function resolving(
  addresses: string[],
  options: Partial<ResolvingDialerOptions> = {},
): ReturnType<typeof heldDialer> & { resolver: Dialer; clock: ManualClock } {
  const held = heldDialer();
  const clock = new ManualClock();
  const resolver = resolvingDialer({
    dialer: held.dialer,
    clock,
    resolve: () => Promise.resolve(addresses),
    ...options,
  });
  return { ...held, resolver, clock };
}

async function withServer(use: (server: TestServer, port: number) => Promise<void>): Promise<void> {
  const server = await listen();
  try {
    await use(server, (server.address as { port: number }).port);
  } finally {
    await server.close();
  }
}

test("resolving: the dialer itself is given back where nothing is to be resolved", () => {
  const { dialer } = heldDialer();
  assert.equal(resolvingDialer({ dialer }), dialer);
  assert.equal(resolvingDialer({ dialer, dnsCacheTtlMs: 0 }), dialer);
  assert.notEqual(resolvingDialer({ dialer, dnsCacheTtlMs: 1 }), dialer);
  assert.notEqual(resolvingDialer({ dialer, egress: {} }), dialer);
});

test("resolving: over a real socket, past an address that refuses", async () => {
  await withServer(async (server, port) => {
    const resolver = resolvingDialer({
      dialer: systemDialer(),
      resolve: (hostname) =>
        Promise.resolve(hostname === "good.test" ? ["127.0.0.2", "127.0.0.1"] : []),
    });
    const conn = await resolver.dial({ ...address, port });
    const socket = await server.accept();
    assert.deepEqual(conn.remoteAddr, { transport: "tcp", hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode("hello"));
    const [data] = await new Promise<Uint8Array[]>((done) =>
      socket.once("data", (...args: Uint8Array[]) => done(args))
    );
    assert.equal(new TextDecoder().decode(data), "hello");
    conn.close();
  });
});

test("resolving: by the system, where only the policy asks for it", async () => {
  await withServer(async (server, port) => {
    const resolver = resolvingDialer({ dialer: systemDialer(), egress: { allow: ["loopback"] } });
    (await resolver.dial({ transport: "tcp", hostname: "localhost", port })).close();
    (await server.accept()).destroy();
    const unknown = resolver.dial({ transport: "tcp", hostname: "no-such-host.invalid", port });
    await assert.rejects(unknown, {
      code: "ERR_DIAL",
      phase: "dial",
      message: `Cannot connect to no-such-host.invalid:${port}: unknown host`,
    });
  });
});

test("resolving: when every address fails the error names the host and the last reason", async () => {
  const server = await listen();
  const { port } = server.address as { port: number };
  await server.close();
  const resolver = resolvingDialer({
    dialer: systemDialer(),
    hosts: { "good.test": ["127.0.0.1"] },
  });
  await assert.rejects(resolver.dial({ ...address, port }), {
    code: "ERR_DIAL",
    phase: "dial",
    message: `Cannot connect to good.test:${port} at its address: ` +
      `Cannot connect to 127.0.0.1:${port}: refused`,
  });
});

test("resolving: a request is sent to the host's address, in the host's name", async () => {
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    assert.match(head, /\r\nHost: good\.test:[0-9]+\r\n/i);
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }, async (server) => {
    const transport = new Transport({
      dialer: resolvingDialer({ dialer: systemDialer(), hosts: { "good.test": "127.0.0.1" } }),
    });
    const response = await transport.roundTrip(
      new HttpRequest(`http://good.test:${server.port}/`),
    );
    assert.equal(await response.text(), "ok");
    await transport.close();
  });
});

for (const engine of ["native", "node"]) {
  test(`resolving: TLS is for the name of the host, by the ${engine} engine`, async () => {
    const server = await listen({ tls: certs.localhost });
    const { port } = server.address as { port: number };
    const more: TlsOptions = engine === "native" ? {} : { verifyPeer: () => {} };
    const tls: TlsOptions = { caCerts: [certs.ca], ...more };
    const resolver = resolvingDialer({
      dialer: systemDialer(),
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    const dial = (hostname: string) => resolver.dial({ transport: "tcp", hostname, port }, { tls });
    const conn = await dial("localhost");
    assert.notEqual(conn.tls, null);
    conn.close();
    await assert.rejects(dial("other.test"), { code: "ERR_TLS" });
    await server.close();
  });
}

test("resolving: TLS is started on the winner alone", async () => {
  const { resolver, dials, secured } = resolving(["192.0.2.1", "192.0.2.2"]);
  const told: number[] = [];
  const dialing = resolver.dial(address, {
    tls: { alpnProtocols: ["http/1.1"] },
    onConnect: () => void told.push(secured.length),
  });
  await until("the first", () => dials.length === 1);
  dials[0].fail();
  await until("the second", () => dials.length === 2);
  dials[1].succeed();
  assert.equal(await dialing, dials[1].conn);
  assert.equal(dials[1].options.tls, undefined);
  assert.deepEqual(secured, [{ alpnProtocols: ["http/1.1"], serverName: "good.test" }]);
  assert.deepEqual(told, [0]);
});

test("resolving: a literal address is dialled in its canonical form, without a lookup", async () => {
  const rows: [string, string][] = [
    ["127.0.0.1", "127.0.0.1"],
    ["2130706433", "127.0.0.1"],
    ["0177.0.0.1", "127.0.0.1"],
    ["0x7f.1", "127.0.0.1"],
    ["::0001", "::1"],
    ["fe80::1%lo", "fe80::1%lo"],
  ];
  for (const [hostname, expected] of rows) {
    const { resolver, dials } = resolving([], {
      resolve: () => assert.fail("asked for an address"),
    });
    const tls = {};
    const dialing = resolver.dial({ ...address, hostname }, { tls });
    dials[0].succeed();
    assert.equal(await dialing, dials[0].conn);
    assert.equal(dials[0].hostname, expected);
    // The dialer takes the name for TLS from the address.
    assert.equal(dials[0].options.tls, tls);
  }
});

test("resolving: the next address is started after 250 ms, and the first may still win", async () => {
  const { resolver, dials, clock } = resolving(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
  const dialing = resolver.dial(address);
  await until("the first", () => dials.length === 1);
  clock.advance(249);
  assert.equal(dials.length, 1);
  clock.advance(1);
  assert.equal(dials.length, 2);
  assert.equal(dials[0].options.signal!.aborted, false);
  dials[0].succeed();
  assert.equal(await dialing, dials[0].conn);
  assert.equal(dials[1].options.signal!.aborted, true);
  assert.equal(clock.runningCount, 0);
  clock.advance(1_000);
  assert.equal(dials.length, 2);
});

test("resolving: a loser that connects all the same is closed", async () => {
  const held = heldDialer(true);
  const clock = new ManualClock();
  const resolve = () => Promise.resolve(["192.0.2.1", "192.0.2.2"]);
  const resolver = resolvingDialer({ dialer: held.dialer, clock, resolve });
  const dialing = resolver.dial(address);
  await until("the first", () => held.dials.length === 1);
  clock.advance(250);
  held.dials[1].succeed();
  assert.equal(await dialing, held.dials[1].conn);
  held.dials[0].succeed();
  assert.equal(await held.dials[0].closed, null);
});

test("resolving: the families take turns, and an address that comes twice is dialled once", async () => {
  const found = ["2001:db8::1", "2001:DB8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"];
  const { resolver, dials } = resolving(found);
  const dialing = resolver.dial(address);
  for (let n = 1; n <= 4; n++) {
    await until(`dial ${n}`, () => dials.length === n);
    dials[n - 1].fail();
  }
  await assert.rejects(dialing, { code: "ERR_DIAL", message: /any of its 4 addresses/ });
  const order = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"];
  assert.deepEqual(dials.map(({ hostname }) => hostname), order);
});

test("resolving: localAddress goes with addresses of its family", async () => {
  const { resolver, dials } = resolving(["2001:db8::1", "192.0.2.1"]);
  const dialing = resolver.dial(address, { localAddress: "127.0.0.1" });
  await until("the first", () => dials.length === 1);
  dials[0].fail();
  await assert.rejects(dialing, { code: "ERR_DIAL" });
  assert.deepEqual(dials.map(({ hostname, options }) => [hostname, options.localAddress]), [
    ["192.0.2.1", "127.0.0.1"],
  ]);
  const other = resolving(["192.0.2.1"]);
  await assert.rejects(other.resolver.dial(address, { localAddress: "::1" }), {
    code: "ERR_DIAL",
    message: /no IPv6 address/,
  });
});

test("resolving: an answer of no use is ERR_DIAL and says why", async () => {
  const thrown = new Error("resolver is down");
  const rows: [() => unknown, RegExp][] = [
    [() => Promise.resolve([]), /good\.test:80: the host has no address$/],
    [() => Promise.resolve(undefined), /gave no list/],
    [() => Promise.resolve("127.0.0.1"), /gave no list/],
    [() => Promise.resolve(["127.0.0.1", "other.test"]), /gave "other\.test", which is not/],
    [() => Promise.resolve(["0177.0.0.1"]), /gave "0177\.0\.0\.1", which is not/],
    [() => Promise.resolve([1]), /gave "1", which is not/],
    [() => ["192.0.2.1\n"], /gave "192\.0\.2\.1\\u000a", which is not/],
    [() => Promise.reject(thrown), /good\.test:80: resolver is down$/],
    [() => {
      throw thrown;
    }, /good\.test:80: resolver is down$/],
  ];
  for (const [resolve, message] of rows) {
    const { resolver, dials } = resolving([], { resolve: resolve as () => Promise<string[]> });
    const error = await resolver.dial(address).catch((error: unknown) => error);
    assert.ok(error instanceof HttpError && error.code === "ERR_DIAL", String(error));
    assert.match(error.message, message);
    assert.equal(error.phase, "dial");
    if (message.source.includes("down")) assert.equal(error.cause, thrown);
    assert.deepEqual(dials, []);
  }
});

test("resolving: hosts goes before resolve; case and a dot at the end do not count", async () => {
  const { resolver, dials } = resolving([], {
    hosts: { "Fixed.test.": ["192.0.2.9"] },
    resolve: () => assert.fail("asked for an address"),
  });
  for (const hostname of ["fixed.test", "FIXED.test", "fixed.test."]) {
    const dialing = resolver.dial({ ...address, hostname });
    await until("the dial", () => dials.length === 1);
    dials[0].succeed();
    await dialing;
    assert.equal(dials.pop()!.hostname, "192.0.2.9");
  }
});

test("resolving: options that nobody could honour are refused", () => {
  const { dialer } = heldDialer();
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ hosts: { "a.test": [] } }, /hosts: no address for "a\.test"/],
    [{ hosts: { "a.test": "b.test" } }, /hosts: "b\.test" for "a\.test"/],
    [{ hosts: { "127.1": "192.0.2.1" } }, /hosts: "127\.1" is not the name/],
    [{ hosts: { "": "192.0.2.1" } }, /hosts: "" is not the name/],
    [{ dnsCacheTtlMs: -1 }, /dnsCacheTtlMs/],
    [{ dnsCacheTtlMs: NaN }, /dnsCacheTtlMs/],
    [{ dnsCacheTtlMs: "5" }, /dnsCacheTtlMs/],
    [{ dnsCacheTtlMs: 5, maxCachedHosts: 0 }, /maxCachedHosts/],
    [{ resolve: ["127.0.0.1"] }, /resolve: not a function/],
  ];
  for (const [options, message] of bad) {
    assert.throws(
      () => resolvingDialer({ dialer, ...options } as ResolvingDialerOptions),
      { code: "ERR_INVALID_REQUEST", message },
    );
  }
});

test("resolving: what is no address is refused before anybody is asked", async () => {
  const { resolver } = resolving([], { resolve: () => assert.fail("asked for an address") });
  for (const bad of [{ ...address, hostname: "" }, { ...address, port: 0 }]) {
    await assert.rejects(resolver.dial(bad), { code: "ERR_INVALID_REQUEST" });
  }
});

test("resolving: Unix sockets, startTls() and pollBarrier() are passed on", async () => {
  const { resolver, dials, secured } = resolving([]);
  const unix: Address = { transport: "unix", path: "/run/some.sock" };
  const dialing = resolver.dial(unix);
  dials[0].succeed();
  assert.equal(await dialing, dials[0].conn);
  await resolver.startTls(dials[0].conn, { serverName: "a" });
  assert.deepEqual(secured, [{ serverName: "a" }]);
  assert.equal(resolver.pollBarrier, undefined);
  let polled = 0;
  const { dialer } = heldDialer();
  dialer.pollBarrier = () => Promise.resolve(void polled++);
  await resolvingDialer({ dialer, hosts: {} }).pollBarrier!();
  assert.equal(polled, 1);
});

/** Counts lookups, and holds them until the test lets them go. */
function heldResolver(): {
  resolve: (hostname: string) => Promise<string[]>;
  lookups: (PromiseWithResolvers<string[]> & { hostname: string })[];
} {
  const lookups: (PromiseWithResolvers<string[]> & { hostname: string })[] = [];
  return {
    lookups,
    resolve: (hostname) => {
      const held = Promise.withResolvers<string[]>();
      lookups.push({ ...held, hostname });
      return held.promise;
    },
  };
}

/** Dials by name and gives the address that was dialled. */
async function dialledFor(
  { resolver, dials }: Pick<ReturnType<typeof resolving>, "resolver" | "dials">,
  hostname: string,
): Promise<string> {
  const count = dials.length;
  const dialing = resolver.dial({ ...address, hostname });
  await until("the dial", () => dials.length > count);
  dials[count].succeed();
  await dialing;
  return dials[count].hostname;
}

function counting(): { resolve: () => Promise<string[]>; count(): number } {
  let count = 0;
  return { resolve: () => Promise.resolve([`192.0.2.${++count}`]), count: () => count };
}

test("dns cache: off by default, each dial asks again", async () => {
  const { resolve } = counting();
  const world = resolving([], { resolve });
  assert.equal(await dialledFor(world, "a.test"), "192.0.2.1");
  assert.equal(await dialledFor(world, "a.test"), "192.0.2.2");
});

test("dns cache: an answer is used until its time is over, by the clock and without timers", async () => {
  const { resolve } = counting();
  const world = resolving([], { resolve, dnsCacheTtlMs: 1_000 });
  assert.equal(await dialledFor(world, "a.test"), "192.0.2.1");
  const timers = world.clock.startedCount;
  world.clock.jump(999);
  assert.equal(await dialledFor(world, "A.test"), "192.0.2.1");
  world.clock.jump(1);
  assert.equal(await dialledFor(world, "a.test"), "192.0.2.2");
  assert.equal(await dialledFor(world, "b.test"), "192.0.2.3");
  assert.equal(await dialledFor(world, "a.test"), "192.0.2.2");
  assert.equal(world.clock.startedCount, timers);
});

test("dns cache: the oldest name goes when there are too many", async () => {
  const { resolve, count } = counting();
  const world = resolving([], { resolve, dnsCacheTtlMs: 1_000, maxCachedHosts: 2 });
  for (const name of ["a.test", "b.test", "c.test", "b.test", "c.test"]) {
    await dialledFor(world, name);
  }
  assert.equal(count(), 3);
  await dialledFor(world, "a.test");
  assert.equal(count(), 4);
});

test("dns cache: a name that was looked up again is not the oldest any more", async () => {
  const { resolve, count } = counting();
  const world = resolving([], { resolve, dnsCacheTtlMs: 1_000, maxCachedHosts: 2 });
  await dialledFor(world, "a.test");
  world.clock.jump(600);
  await dialledFor(world, "b.test");
  world.clock.jump(400);
  for (const name of ["a.test", "c.test"]) await dialledFor(world, name);
  assert.equal(count(), 4);
  await dialledFor(world, "a.test");
  assert.equal(count(), 4);
});

test("dns cache: dials at the same time share a lookup, and a failed one is forgotten", async () => {
  const { resolve, lookups } = heldResolver();
  const world = resolving([], { resolve, dnsCacheTtlMs: 1_000 });
  const dialing = [1, 2, 3].map(() => world.resolver.dial(address));
  const failures = Promise.allSettled(dialing);
  await until("a lookup", () => lookups.length > 0);
  assert.equal(lookups.length, 1);
  lookups[0].reject(new Error("down"));
  assert.deepEqual((await failures).map(({ status }) => status), Array(3).fill("rejected"));
  const again = world.resolver.dial(address);
  assert.equal(lookups.length, 2);
  lookups[1].resolve(["192.0.2.1"]);
  await until("the dial", () => world.dials.length === 1);
  world.dials[0].succeed();
  await again;
});

test("dns cache: a lookup that never ends does not block the name for ever", async () => {
  const { resolve, lookups } = heldResolver();
  const world = resolving([], { resolve });
  const { signal, abort } = countedSignal();
  const stuck = world.resolver.dial(address, { signal });
  abort(new Error("mine"));
  await assert.rejects(stuck, { message: "mine" });
  world.clock.jump(4_999);
  void world.resolver.dial(address).catch(() => {});
  assert.equal(lookups.length, 1);
  world.clock.jump(1);
  const dialing = world.resolver.dial(address);
  assert.equal(lookups.length, 2);
  lookups[1].resolve(["192.0.2.1"]);
  await until("the dial", () => world.dials.length === 1);
  world.dials[0].succeed();
  assert.equal(await dialing, world.dials[0].conn);
});

test("dns cache: the egress policy judges remembered addresses too", async () => {
  const { resolve, count } = counting();
  const { resolver } = resolving([], {
    resolve,
    dnsCacheTtlMs: 1_000,
    egress: { deny: ["192.0.2.0/24"] },
  });
  for (let n = 0; n < 2; n++) await assert.rejects(resolver.dial(address), { code: "ERR_BLOCKED" });
  assert.equal(count(), 1);
});

test("resolving: aborting before, in the lookup, in the race and in TLS leaves nothing", async () => {
  const reason = new Error("mine");
  for (const phase of ["before", "lookup", "race", "tls"]) {
    const { resolve, lookups } = heldResolver();
    const held = heldDialer();
    const clock = new ManualClock();
    const dialer: Dialer = {
      dial: held.dialer.dial,
      startTls: (conn, _options, signal) =>
        new Promise((_, reject) => {
          const onAbort = () => {
            signal!.removeEventListener("abort", onAbort);
            conn.close();
            reject(signal!.reason);
          };
          signal!.addEventListener("abort", onAbort);
        }),
    };
    const resolver = resolvingDialer({ dialer, resolve, clock });
    const signal = countedSignal();
    if (phase === "before") signal.abort(reason);
    const dialing = resolver.dial(address, { signal: signal.signal, tls: {} });
    const rejected = assert.rejects(dialing, (error) => error === reason, phase);
    if (phase === "race" || phase === "tls") {
      lookups[0].resolve(["192.0.2.1", "192.0.2.2"]);
      await until("the first", () => held.dials.length === 1);
      clock.advance(250);
      assert.equal(held.dials.length, 2);
    }
    if (phase === "tls") {
      held.dials[0].succeed();
      await until("the handshake", () => held.dials[1].options.signal!.aborted);
      await isPending(dialing);
    }
    signal.abort(reason);
    await rejected;
    if (phase === "lookup") lookups[0].resolve(["192.0.2.1"]);
    await isPending(Promise.resolve());
    assert.equal(signal.listenerCount(), 0, phase);
    assert.equal(clock.runningCount, 0, phase);
    assert.equal(lookups.length, phase === "before" ? 0 : 1, phase);
    assert.equal(held.dials.length, phase === "race" || phase === "tls" ? 2 : 0, phase);
    for (const dial of held.dials) {
      const isWinner = phase === "tls" && dial === held.dials[0];
      if (isWinner) assert.equal(await dial.closed, null);
      else assert.equal(dial.options.signal!.aborted, true);
    }
  }
});

test("resolving: a connection that comes after the abort is closed", async () => {
  const held = heldDialer(true);
  const resolve = () => Promise.resolve(["192.0.2.1"]);
  const resolver = resolvingDialer({ dialer: held.dialer, resolve });
  const signal = countedSignal();
  const dialing = resolver.dial(address, { signal: signal.signal });
  await until("the dial", () => held.dials.length === 1);
  signal.abort(new Error("mine"));
  await assert.rejects(dialing, { message: "mine" });
  held.dials[0].succeed();
  assert.equal(await held.dials[0].closed, null);
});

test("resolving: an abort while the winner is on its way to the caller leaves nothing", async () => {
  let rejectedCount = 0;
  for (let turns = 0; turns < 12; turns++) {
    const { resolver, dials } = resolving(["192.0.2.1"]);
    const signal = countedSignal();
    const dialing = resolver.dial(address, { signal: signal.signal });
    await until("the dial", () => dials.length === 1);
    const settled = dialing.then((conn) => conn.close(), () => void rejectedCount++);
    dials[0].succeed();
    for (let turn = 0; turn < turns; turn++) await null;
    signal.abort(new Error("mine"));
    await settled;
    assert.equal(await dials[0].closed, null);
    assert.equal(signal.listenerCount(), 0);
  }
  assert.ok(rejectedCount > 1 && rejectedCount < 12, `${rejectedCount}`);
});

test("resolving: a dialer that throws at once is a failed attempt", async () => {
  let count = 0;
  const dialer: Dialer = {
    dial: () => {
      count++;
      throw new HttpError("ERR_DIAL", "no", { phase: "dial" });
    },
    startTls: (conn) => Promise.resolve(conn),
  };
  const resolve = () => Promise.resolve(["192.0.2.1", "192.0.2.2"]);
  const resolver = resolvingDialer({ dialer, resolve });
  await assert.rejects(resolver.dial(address), { code: "ERR_DIAL" });
  assert.equal(count, 2);
});
