/**
 * M1: whether an idle connection holds nothing is judged at the write, by the clock. A proof that has become old is made
 * again, so many times, and then a connection is made instead. In memory, with a clock that the test moves.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Conn,
  type Dialer,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { AnsweringDialer } from "../../support/answering_conn.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { assertQuiet } from "../../support/watched_signal.ts";

/** Milliseconds. Within this a proof is good. */
const FRESH_MS = 1;

const URL = "http://example.com/";

class World {
  readonly clock: ManualClock = new ManualClock();
  readonly dialed: Conn[] = [];
  /** What each poll of the kernel does, given what it may call; the last one goes on. */
  polls: ((sure: (() => void) | undefined) => void)[] = [() => {}];
  pollCount = 0;
  /** What connections see of the kernel. */
  kernelIsEmpty: (() => boolean | null) | undefined = undefined;
  readonly transport: Transport;

  constructor(options: TransportOptions = {}) {
    const inner = new AnsweringDialer("\n");
    const dialer: Dialer = {
      dial: async () => {
        const conn = await inner.dial();
        if (this.kernelIsEmpty !== undefined) conn.kernelIsEmpty = () => this.kernelIsEmpty!();
        this.dialed.push(conn);
        return conn;
      },
      startTls: (conn) => inner.startTls(conn),
      pollBarrier: (sure) => {
        const poll = this.polls[Math.min(this.pollCount++, this.polls.length - 1)];
        poll(sure);
        return Promise.resolve();
      },
    };
    this.transport = new Transport({ dialer, clock: this.clock, idleConnTimeoutMs: 0, ...options });
  }

  async get(init: HttpRequestInit = {}): Promise<void> {
    await (await this.transport.roundTrip(new HttpRequest(URL, init))).text();
  }

  /** A connection that has served and has been idle for long. */
  async rest(): Promise<void> {
    await this.get();
    this.clock.jump(100);
  }

  /** A long turn. */
  readonly busy = (): void => this.clock.jump(5);

  get open(): number {
    return this.transport.stats().total;
  }
}

test("M1 a proof in time is enough", async () => {
  const world = new World();
  await world.rest();
  world.polls = [() => world.clock.jump(FRESH_MS)];
  await world.get();
  assert.deepEqual([world.pollCount, world.dialed.length], [1, 1]);
  world.transport.destroy();
});

test("M1 a proof that is old is made again", async () => {
  const world = new World();
  await world.rest();
  world.polls = [world.busy, world.busy, () => {}];
  await world.get();
  assert.deepEqual([world.pollCount, world.dialed.length], [3, 1]);
  // Each request has its tries.
  world.clock.jump(100);
  await world.get();
  assert.deepEqual([world.pollCount, world.dialed.length], [4, 1]);
  world.transport.destroy();
});

test("M1 a connection that cannot be proven is replaced, after so many tries", async () => {
  const world = new World({ maxConnsPerHost: 1 });
  await world.rest();
  world.polls = [world.busy];
  await world.get();
  assert.deepEqual([world.pollCount, world.dialed.length, world.open], [4, 2, 1]);
  assertQuiet(world.transport);
  world.transport.destroy();
});

test("M1 where turns are very long, after fewer", async () => {
  const world = new World({ maxConnsPerHost: 1 });
  await world.rest();
  world.polls = [() => world.clock.jump(100)];
  await world.get();
  assert.deepEqual([world.pollCount, world.dialed.length, world.open], [2, 2, 1]);
  world.transport.destroy();
});

test("M1 the poll may be known to be younger than the call", async () => {
  const world = new World();
  await world.rest();
  world.polls = [(sure) => {
    world.busy();
    sure!();
  }];
  await world.get();
  assert.deepEqual([world.pollCount, world.dialed.length], [1, 1]);
  world.transport.destroy();
});

test("M1 a look at the kernel makes an old proof good, or ends the connection", async () => {
  const rows: [sees: () => boolean | null, polls: number, dials: number][] = [
    [() => true, 1, 1],
    [() => false, 1, 2],
    [() => null, 4, 2],
    [
      () => {
        throw new Error("cannot see");
      },
      4,
      2,
    ],
  ];
  for (const [sees, polls, dials] of rows) {
    const world = new World();
    world.kernelIsEmpty = sees;
    await world.rest();
    world.polls = [world.busy];
    await world.get();
    assert.deepEqual([world.pollCount, world.dialed.length, world.open], [polls, dials, 1]);
    assertQuiet(world.transport);
    world.transport.destroy();
  }
});

test("M1 hooks that take their time between the proof and the write", async () => {
  for (const name of ["getConn", "gotConn"] as const) {
    const world = new World();
    await world.get();
    const told: string[] = [];
    let isBusy = true;
    const hook = (): void => {
      told.push(name);
      if (isBusy) world.busy();
      isBusy = false;
    };
    await world.get({ trace: { [name]: hook } });
    // Told once, of the same connection.
    assert.deepEqual(told, [name]);
    assert.deepEqual([world.pollCount, world.dialed.length], [1, 1], name);
    world.transport.destroy();
  }
});

test("M1 a hook that takes its time whenever a connection is got: a new one is used", async () => {
  const world = new World();
  await world.rest();
  world.polls = [world.busy];
  const told: boolean[] = [];
  await world.get({
    trace: {
      gotConn: ({ reused }) => {
        told.push(reused);
        world.busy();
      },
    },
  });
  assert.deepEqual(told, [false]);
  assert.deepEqual([world.pollCount, world.dialed.length, world.open], [4, 2, 1]);
  world.transport.destroy();
});

test("M1 what ends the request in gotConn leaves nothing behind", async () => {
  const world = new World();
  await world.rest();
  const controller = new AbortController();
  const going = world.get({
    signal: controller.signal,
    trace: {
      gotConn: () => {
        world.busy();
        controller.abort();
      },
    },
  });
  await assert.rejects(going, { name: "AbortError" });
  assert.equal(world.transport.stats().idle, 1);
  assertQuiet(world.transport);
  world.transport.destroy();
});

test("M1 a body that takes its time to be made", async () => {
  const world = new World();
  await world.get();
  const body = (): string => {
    world.busy();
    return "content\n";
  };
  await world.get({ method: "POST", body });
  assert.deepEqual([world.pollCount, world.dialed.length], [1, 1]);
  world.transport.destroy();
});

test("M1 an abort while a proof is made again gives the connection back", async () => {
  const world = new World();
  await world.rest();
  const controller = new AbortController();
  world.polls = [world.busy, () => controller.abort(), () => {}];
  await assert.rejects(world.get({ signal: controller.signal }), { name: "AbortError" });
  assert.equal(world.transport.stats().idle, 1);
  assertQuiet(world.transport);
  await world.get();
  assert.equal(world.dialed.length, 1);
  world.transport.destroy();
});

test("M1 requests of one turn: each is judged when it is its turn", async () => {
  let ends: (() => void)[] = [];
  const clock = Object.assign(new ManualClock(), {
    atEndOfTurn: (end: () => void) => void ends.push(end),
  });
  const world = new World({ clock });
  const endTurns = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) {
      const now = ends;
      ends = [];
      for (const end of now) end();
      for (let n = 0; n < 50; n++) await null;
    }
  };
  // So many that are not answered that others go together.
  const hanging = Array.from(
    { length: 30 },
    () => world.get({ method: "POST", body: "not answered" }).catch(() => "ended"),
  );
  const served = Array.from({ length: 2 }, () => world.get());
  await endTurns();
  await Promise.all(served);
  const dials = world.dialed.length;
  assert.equal(world.pollCount, 0);
  const slow = world.get({ trace: { wroteHeaders: () => void clock.jump(5) } });
  const behind = world.get();
  await endTurns();
  await Promise.all([slow, behind]);
  assert.deepEqual([world.pollCount, world.dialed.length], [1, dials]);
  world.transport.destroy();
  assert.deepEqual(new Set(await Promise.all(hanging)), new Set(["ended"]));
  await endTurns();
});

test("M1 many at once: a proof that grows old while they are sent is made again, and nothing is dialled", async () => {
  const world = new World({ maxIdleConns: 0 });
  const atOnce = 400;
  const wave = (): Promise<unknown> =>
    Promise.all(Array.from({ length: atOnce }, () =>
      world.get({
        // What it costs to send one: ten have a proof.
        trace: { wroteHeaders: () => world.clock.jump(FRESH_MS / 10) },
      })));
  await wave();
  assert.equal(world.dialed.length, atOnce);
  for (let i = 1; i <= 2; i++) {
    world.clock.jump(100);
    await wave();
    assert.equal(world.dialed.length, atOnce, "nothing is dialled");
  }
  assert.equal(world.open, atOnce);
  world.transport.destroy();
});

test("M1 a leased connection is tried more often, and then lost; nothing was sent", async () => {
  const world = new World();
  const leased = await world.transport.connect(URL);
  await (await leased.roundTrip(new HttpRequest(URL))).text();
  world.clock.jump(100);
  world.polls = [...Array.from({ length: 10 }, () => world.busy), () => {}];
  await (await leased.roundTrip(new HttpRequest(URL))).text();
  assert.equal(world.pollCount, 11);
  world.clock.jump(100);
  world.polls = [world.busy];
  const error = await leased.roundTrip(new HttpRequest(URL)).catch((reason: unknown) => reason);
  assert.ok(error instanceof HttpError, String(error));
  assert.deepEqual([error.code, error.attempt?.verdict], ["ERR_CONNECTION_LOST", "never-sent"]);
  assert.equal(world.dialed.length, 1);
  assert.equal(world.open, 0);
  leased.release();
  world.transport.destroy();
});

test("M1 a request that waits is given a connection that was held for long: it is proven", async () => {
  const world = new World({ maxConnsPerHost: 1 });
  const leased = await world.transport.connect(URL);
  const waiting = world.get();
  world.clock.jump(100);
  world.polls = [world.busy, () => {}];
  leased.release();
  await waiting;
  assert.deepEqual([world.pollCount, world.dialed.length], [2, 1]);
  world.transport.destroy();
});
