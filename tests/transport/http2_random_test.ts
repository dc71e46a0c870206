/**
 * HTTP/2 through the transport, by chance: servers that refuse, leave, break off and change their
 * minds, callers that abort, close and read late. Each request has one end and its own answer, no
 * server is asked for more than it takes, nothing is sent twice that may not be, nothing is left.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { type Conn, HttpError, type HttpResponse } from "../../mod.ts";
import { type FrameNetworkOptions, withFrameNetwork } from "../support/frame_network.ts";
import type { FrameNetwork } from "../support/frame_network.ts";
import type { FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";

const [SETTINGS, ACK] = [4, 1];
const MAX_CONCURRENT_STREAMS = 3;
const ENABLE_CONNECT_PROTOCOL = 8;

/** More than the windows take at once. */
const LARGE = new Uint8Array(70_000);
const [NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, CALM] = [
  0,
  1,
  2,
  7,
  8,
  11,
];

/** Numbers that look like chance and are the same for the same seed. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761 >>> 0 || 1;
  }

  /** Integer 0..n-1. */
  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}

interface OpenStream {
  readonly path: string;
  hasHead: boolean;
  sentBytes: number;
}

/** A server of which chance says what it does. */
class ChanceServer {
  readonly #server: FrameServer;
  readonly #model: Model;
  readonly open: Map<number, OpenStream> = new Map();
  /** What it has said of its limit, in the order of the settings that are not acknowledged. */
  readonly #limits: number[] = [Infinity];
  #seen = 0;
  #lastId = 0;
  #goawayId = Infinity;
  isGone = false;

  readonly #takesProtocols: boolean;

  constructor(server: FrameServer, model: Model) {
    this.#server = server;
    this.#model = model;
    this.#takesProtocols = model.chance.below(3) > 0;
    server.answersPings = true;
  }

  /** Takes note of what has come. */
  look(): void {
    const { frames } = this.#server;
    for (; this.#seen < frames.length; this.#seen++) {
      const { type, flags, streamId } = frames[this.#seen];
      if (type === "SETTINGS" && (flags & ACK) !== 0) this.#limits.shift();
      if (type === "RST_STREAM") {
        assert.ok(streamId <= this.#lastId, "a reset of a stream that was not opened");
        this.open.delete(streamId);
      }
      if (type === "GOAWAY") this.isGone = true;
      if (type !== "HEADERS" || streamId <= this.#lastId) continue;
      this.#lastId = streamId;
      // What crosses a GOAWAY is not looked at.
      if (streamId > this.#goawayId) continue;
      const path = this.#server.requestOn(streamId).get(":path")!;
      this.open.set(streamId, { path, hasHead: false, sentBytes: 0 });
      this.#model.arrived(path, 1);
      assert.ok(
        this.open.size <= Math.max(...this.#limits),
        `${this.open.size} streams of ${this.#limits}`,
      );
    }
  }

  settings(limit: number | null): void {
    this.#limits.push(limit ?? Infinity);
    const entries: [number, number][] = this.#takesProtocols ? [[ENABLE_CONNECT_PROTOCOL, 1]] : [];
    if (limit !== null) entries.push([MAX_CONCURRENT_STREAMS, limit]);
    this.#server.settings(entries);
  }

  hello(limit: number | null): void {
    this.settings(limit);
    this.#server.frame(SETTINGS, ACK, 0, []);
  }

  act(chance: Chance): void {
    if (this.isGone) return;
    const ids = [...this.open.keys()];
    const what = chance.below(100);
    if (ids.length > 0 && what < 70) return this.#advance(chance.of(ids), chance);
    if (ids.length > 0 && what < 80) return this.#reset(chance.of(ids), chance);
    if (what < 88) return this.settings(chance.of([null, 0, 1, 2, 5, 100]));
    if (what < 91) return this.openWindow();
    if (what < 94 && chance.below(3) === 0) this.#goaway(chance);
    else if (what < 97 && chance.below(4) === 0) this.breakOff(chance.below(2) === 0);
  }

  #advance(id: number, chance: Chance): void {
    const stream = this.open.get(id)!;
    const step = chance.below(4);
    const early = chance.of(["100", "103"]);
    if (!stream.hasHead && step === 0) return this.#server.headers(id, [[":status", early]]);
    if (!stream.hasHead) {
      this.#server.headers(id, [[":status", "200"]]);
      stream.hasHead = true;
      return;
    }
    if (step > 0) return this.finish(id);
    if (stream.sentBytes < stream.path.length) {
      this.#server.data(id, stream.path[stream.sentBytes++]);
    }
  }

  /** The whole answer: the path that was asked for. */
  finish(id: number): void {
    const stream = this.open.get(id)!;
    if (!stream.hasHead) this.#server.headers(id, [[":status", "200"]]);
    this.#server.data(id, stream.path.slice(stream.sentBytes), true);
    this.open.delete(id);
  }

  #reset(id: number, chance: Chance): void {
    const stream = this.open.get(id)!;
    const code = stream.hasHead
      ? chance.of([NO_ERROR, CANCEL])
      : chance.of([REFUSED_STREAM, REFUSED_STREAM, INTERNAL_ERROR, PROTOCOL_ERROR]);
    this.#server.reset(id, code);
    if (code === REFUSED_STREAM) this.#model.arrived(stream.path, -1);
    this.open.delete(id);
  }

  #goaway(chance: Chance): void {
    const served = [...this.open].filter(([, { hasHead }]) => hasHead).map(([id]) => id);
    const least = Math.max(0, ...served);
    const last = Math.min(this.#goawayId, chance.of([least, this.#lastId, 2 ** 31 - 1]));
    if (last < least) return;
    this.#goawayId = last;
    this.#server.goaway(last, chance.of([NO_ERROR, NO_ERROR, INTERNAL_ERROR, CALM]));
    for (const [id, { path }] of this.open) {
      if (id <= last) continue;
      this.#model.arrived(path, -1);
      this.open.delete(id);
    }
  }

  breakOff(isOrderly: boolean): void {
    this.isGone = true;
    if (isOrderly) this.#server.end().catch(() => {});
    else this.#server.break();
  }

  openWindow(): void {
    for (const id of [0, ...this.open.keys()]) this.#server.windowUpdate(id, 20_000);
  }

  finishAll(): void {
    if (this.isGone) return;
    for (const id of [...this.open.keys()]) this.finish(id);
  }
}

/** What was asked, and how it ended. */
class Model {
  readonly chance: Chance;
  readonly servers: ChanceServer[] = [];
  /** How often each request has reached a server that did not say that it had not. */
  readonly #reached: Map<string, number> = new Map();
  readonly #unread: HttpResponse[] = [];
  readonly #aborts: (() => void)[] = [];
  readonly ends: Promise<void>[] = [];
  endCount = 0;
  #count = 0;

  constructor(seed: number) {
    this.chance = new Chance(seed);
  }

  arrived(path: string, by: number): void {
    const count = (this.#reached.get(path) ?? 0) + by;
    this.#reached.set(path, count);
    assert.ok(count <= (path.startsWith("/post") ? 1 : 2), `${path} was sent ${count} times`);
  }

  request(network: FrameNetwork): void {
    const { chance } = this;
    const isPost = chance.below(2) === 0;
    const path = `${isPost ? "/post" : "/get"}/${++this.#count}`;
    const controller = new AbortController();
    const aborted = new Error("aborted");
    this.#aborts.push(() => controller.abort(aborted));
    const init = {
      signal: controller.signal,
      timeoutMs: chance.below(4) === 0 ? 1 + chance.below(200) : 0,
      close: chance.below(15) === 0,
      ...isPost && { method: "POST", body: chance.of(["paid", LARGE, LARGE]) },
      ...isPost && chance.below(3) === 0 && { headers: { Expect: "100-continue" } },
      ...!isPost && chance.below(6) === 0 && { method: "CONNECT", protocol: "chance" },
    };
    this.ends.push((async () => {
      try {
        const response = await network.get(path, init);
        const use = chance.below(5);
        if (init.method === "CONNECT") await useTunnel(response.upgrade(), path);
        else if (use === 0) this.#unread.push(response);
        else if (use === 1) await response.body.close();
        else assert.equal(await response.text(), path);
      } catch (error) {
        if (error !== aborted && !(error instanceof HttpError)) throw error;
      }
      this.endCount++;
    })());
  }

  async step(network: FrameNetwork, clock: ManualClock): Promise<void> {
    const { chance } = this;
    const what = chance.below(20);
    if (what < 7) this.request(network);
    else if (what < 8 && this.#aborts.length > 0) chance.of(this.#aborts)();
    else if (what < 9) clock.advance(1 + chance.below(100));
    else if (what < 10 && chance.below(10) === 0) network.transport.closeIdleConnections();
    else if (what < 11 && this.#unread.length > 0) await this.readOne();
    else if (this.servers.length > 0) chance.of(this.servers).act(chance);
    // Sometimes many things happen before anybody has looked.
    for (let turns = chance.below(3); turns > 0; turns--) await turn();
    for (const server of this.servers) server.look();
  }

  /** Reads a response that was left; it may have come to nothing meanwhile. */
  async readOne(): Promise<void> {
    const response = this.#unread.shift()!;
    const path = new URL(response.url).pathname;
    this.ends.push(
      response.text().then((text) => assert.equal(text, path), (error) => {
        assert.ok(error instanceof HttpError || (error as Error).message === "aborted", `${error}`);
      }),
    );
    await turn();
  }

  get hasUnread(): boolean {
    return this.#unread.length > 0;
  }
}

/** Reads what comes through a tunnel. */
async function useTunnel(conn: Conn, expected: string): Promise<void> {
  const p = new Uint8Array(100);
  let text = "";
  try {
    await conn.write(Uint8Array.of(1));
    for (let n = await conn.read(p); n !== null; n = await conn.read(p)) {
      text += new TextDecoder().decode(p.subarray(0, n));
      assert.ok(expected.startsWith(text));
    }
    assert.equal(text, expected);
    await conn.closeWrite();
  } finally {
    conn.close();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function assertSound({ transport }: FrameNetwork, limit: number): void {
  const { idle, active, dialing, waiting, total } = transport.stats();
  const { connections, waiters } = transport.inspect();
  assert.equal(connections.length, total);
  assert.equal(waiters.length, waiting);
  assert.ok(Math.min(idle, active, dialing, waiting) >= 0);
  assert.ok(limit === 0 || total + dialing <= limit, `${total} and ${dialing} of ${limit}`);
  for (const { streams, state } of connections) {
    assert.notEqual(state, "closed");
    assert.ok(streams!.open >= 0);
  }
  assert.ok(connections.filter(({ idleMs }) => idleMs !== null).length === idle);
}

async function run(seed: number): Promise<void> {
  const model = new Model(seed);
  const { chance } = model;
  const clock = new ManualClock();
  const maxConnsPerHost = chance.of([0, 0, 1, 2, 3]);
  const options: FrameNetworkOptions = {
    clock,
    maxConnsPerHost,
    settings: null,
    maxRequestsPerConn: chance.of([0, 0, 7]),
    maxConnAgeMs: chance.of([0, 0, 1_000]),
    responseHeaderTimeoutMs: chance.of([0, 500]),
    http2: { whenFull: chance.of(["dial", "wait"]), maxConcurrentStreams: chance.of([100, 3]) },
    ...chance.below(2) === 0 && { poll: turn },
    beforeDial: () => {
      const what = chance.below(12);
      if (what === 0) throw new HttpError("ERR_DIAL", "Nobody is there", { phase: "dial" });
      return what < 4 ? turn() : undefined;
    },
    serve: (server) => {
      const served = new ChanceServer(server, model);
      model.servers.push(served);
      const limit = chance.of([null, 1, 2, 5, 100]);
      // Before the client has said anything, or when it has.
      if (chance.below(2) === 0) served.hello(limit);
      else void server.sent("SETTINGS").then(() => served.hello(limit), () => {});
    },
  };
  await withFrameNetwork(options, async (network) => {
    for (let n = 0; n < 120; n++) {
      await model.step(network, clock);
      assertSound(network, maxConnsPerHost);
    }
    // From now on everybody is helpful.
    let rounds = 0;
    for (let endings = -1; endings !== model.ends.length || model.hasUnread;) {
      endings = model.ends.length;
      let settled = false;
      const all = Promise.all(model.ends).then(() => void (settled = true));
      while (!settled) {
        assert.ok(++rounds < 2_000, `${model.endCount} of ${model.ends.length} have ended`);
        for (const server of model.servers) {
          server.look();
          server.finishAll();
          if (rounds % 20 === 0 && !server.isGone) server.settings(100), server.openWindow();
        }
        if (rounds % 10 === 0) clock.advance(1_000);
        await turn();
        assertSound(network, maxConnsPerHost);
      }
      await all;
      while (model.hasUnread) await model.readOne();
    }
    // Dials that were put off for the sake of a server end with the time for that.
    for (let n = 0; network.counts.slice(1).some((count) => count > 0); n++) {
      assert.ok(n < 2_000, JSON.stringify(network.transport.inspect().connections));
      for (const server of model.servers) server.look(), server.finishAll();
      clock.advance(100);
      await turn();
    }
    await network.transport.close();
  });
}

const SEEDS = Number(process.env["SEEDS"] ?? 60);
const FIRST = Number(process.env["FIRST"] ?? 1);

test("H112 by chance: each request has one end and its own answer, nothing is left", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      await run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
});
