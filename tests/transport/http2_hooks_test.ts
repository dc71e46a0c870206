/**
 * HTTP/2 through the transport: code of the caller's that is called on the way of an exchange, in
 * whose context, and what happens when it ends things; what happens while a connection is proven.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as asyncHooks from "node:async_hooks";
import type { ClientTrace, HttpRequestInit } from "../../mod.ts";
import { watched as watchedConsole } from "../support/console_errors.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import type { FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";
import { WatchedSignal } from "../support/watched_signal.ts";

const MAX_CONCURRENT_STREAMS = 3;
const REFUSED_STREAM = 7;

/** Serves every request so that each hook is called: refuses one, then answers in steps. */
function serveInSteps(server: FrameServer): void {
  server.answersPings = true;
  void (async () => {
    for (let refused = false;;) {
      const { streamId } = await server.sent("HEADERS");
      const fields = server.requestOn(streamId);
      if (fields.get(":path") === "/refused" && !refused) {
        refused = true;
        server.reset(streamId, REFUSED_STREAM);
        continue;
      }
      server.headers(streamId, [[":status", "103"]]);
      if (fields.has("expect")) server.headers(streamId, [[":status", "100"]]);
      server.headers(streamId, [[":status", "200"]]);
      server.data(streamId, "abc");
      server.data(streamId, "def", true);
    }
  })().catch(() => {});
}

/** Hooks that may be called of an exchange over HTTP/2. */
const HOOKS: readonly (keyof ClientTrace)[] = [
  "getConn",
  "gotConn",
  "connectStart",
  "connectDone",
  "streamOpened",
  "streamReset",
  "settingsReceived",
  "wroteHeaders",
  "wait100Continue",
  "got100Continue",
  "got1xxResponse",
  "wroteRequest",
  "gotFirstResponseByte",
  "retry",
  "bodyDone",
  "putIdleConn",
  "goAway",
];

/** What is called in the place of a hook, once it is called for the n-th time. */
function hookOnce(
  name: keyof ClientTrace,
  at: number,
  call: () => void,
): ClientTrace & { hits: number } {
  let count = 0;
  const trace = {
    hits: 0,
    [name]: () => {
      if (++count !== at) return;
      trace.hits++;
      call();
    },
  };
  return trace as ClientTrace & { hits: number };
}

const CALLS: Record<string, (network: FrameNetwork, watched: WatchedSignal) => void> = {
  "throws": () => {
    throw new Error("of a hook");
  },
  "aborts its request": (_network, watched) => watched.abort(),
  "destroys the transport": (network) => network.transport.destroy(),
  "closes the transport": (network) => void network.transport.close(),
  "closes idle connections": (network) => network.transport.closeIdleConnections(),
  "sends another request": (network) =>
    void network.get("/inner").then((one) => one.bytes(), () => {}),
};

for (const [what, call] of Object.entries(CALLS)) {
  test(`a hook that ${what}, in each event: every exchange has one end, nothing is left`, async () => {
    const { unhandled } = await watchedConsole(async () => {
      for (const name of HOOKS) {
        // Of the first exchange, and of one on a connection that is there already.
        for (const at of [1, 2]) await exchanges(name, at, call);
      }
    });
    assert.deepEqual(unhandled, []);
  });
}

async function exchanges(
  name: keyof ClientTrace,
  at: number,
  call: (network: FrameNetwork, watched: WatchedSignal) => void,
): Promise<void> {
  const clock = new ManualClock();
  const watched = new WatchedSignal();
  let network: FrameNetwork | null = null;
  const trace = hookOnce(name, at, () => call(network!, watched));
  await withFrameNetwork({ clock, trace, serve: serveInSteps }, async (made) => {
    network = made;
    const { signal } = watched;
    const inits: [string, HttpRequestInit][] = [
      ["/", { signal }],
      ["/", { signal, method: "POST", body: "abc", headers: { Expect: "100-continue" } }],
      ["/refused", { signal }],
    ];
    const ends = inits.map(async ([path, init]) => {
      try {
        return await (await made.get(path, init)).text();
      } catch (error) {
        return error;
      }
    });
    for (const end of await Promise.all(ends)) {
      assert.ok(end === "abcdef" || end instanceof Error, `${name}: ${end}`);
    }
    if (name === "goAway") made.servers[0]?.goaway(101, 0);
    if (name !== "settingsReceived" && name !== "connectStart" && name !== "connectDone") {
      if (name === "goAway") await until("it is told", () => trace.hits > 0 || at > 1);
      else if (at === 1) assert.equal(trace.hits, 1, `${name} was not called`);
    }
    await until(`nothing is under way after ${name}`, () => {
      const { active, dialing, waiting } = made.transport.stats();
      return active + dialing + waiting === 0;
    });
    assert.equal(watched.listenerCount, 0);
  });
}

test("hooks and callbacks of each stream run in the context of its caller", async () => {
  const store = new asyncHooks.AsyncLocalStorage<string>();
  await withFrameNetwork({ serve: serveInSteps }, async (network) => {
    const strange: string[] = [];
    const seen: Map<string, Set<string>> = new Map();
    const send = (caller: string): Promise<void> =>
      store.run(caller, async () => {
        const names = new Set<string>();
        seen.set(caller, names);
        const note = (name: string): void => {
          names.add(name);
          if (store.getStore() !== caller) {
            strange.push(`${name} of ${caller}: ${store.getStore()}`);
          }
        };
        const trace: ClientTrace = new Proxy({}, { get: (_, name) => () => note(String(name)) });
        const response = await network.get("/refused", {
          method: "POST",
          headers: { Expect: "100-continue" },
          body: () => ({
            async *[Symbol.asyncIterator]() {
              note("body");
              await Promise.resolve();
              yield Uint8Array.of(1);
              note("body, later");
            },
          }),
          trace,
          onUploadProgress: () => note("onUploadProgress"),
          onDownloadProgress: () => note("onDownloadProgress"),
        });
        await response.text();
        note("text");
      });
    await Promise.all(["a", "b", "c"].map(send));
    assert.deepEqual(strange, []);
    for (const names of seen.values()) {
      for (
        const name of [
          "getConn",
          "gotConn",
          "streamOpened",
          "wroteHeaders",
          "wait100Continue",
          "got100Continue",
          "got1xxResponse",
          "wroteRequest",
          "gotFirstResponseByte",
          "bodyDone",
          "body",
          "body, later",
          "onUploadProgress",
          "onDownloadProgress",
        ]
      ) assert.ok(names.has(name), `${name}: ${[...names]}`);
    }
  });
});

test("H110 the events of one exchange, in their order", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const told: string[] = [];
    const trace: ClientTrace = new Proxy({}, {
      get: (_, name) => (event: object) => {
        const { protocol, streamId, reused } = event as Record<string, unknown>;
        const shown = [protocol, streamId, reused].filter((value) => value !== undefined);
        told.push([String(name), ...shown].join(" "));
      },
    });
    const response = network.get("/", { trace });
    await server.sent("HEADERS", 3);
    server.headers(3, [[":status", "103"]]);
    await server.settled();
    server.answer(3, "ok");
    await (await response).text();
    assert.deepEqual(told, [
      "getConn",
      "gotConn h2 true",
      "streamOpened 3",
      "wroteHeaders",
      "wroteRequest",
      "gotFirstResponseByte",
      "got1xxResponse",
      "bodyDone",
    ]);
  });
});

test("an informational hook that throws ends its own exchange alone", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const unharmed = network.get("/unharmed");
    await server.sent("HEADERS", 3);
    const trace: ClientTrace = {
      got1xxResponse: () => {
        throw new Error("not that");
      },
    };
    const going = failure(network.get("/", { trace }));
    await server.sent("HEADERS", 5);
    server.headers(5, [[":status", "103"]]);
    assert.equal((await going as Error).message, "not that");
    await server.sent("RST_STREAM", 5);
    server.answer(3, "ok");
    assert.equal(await (await unharmed).text(), "ok");
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

/** A barrier that a test opens. */
class Barrier {
  readonly #waiting: (() => void)[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  readonly poll = (): Promise<void> => new Promise((resolve) => void this.#waiting.push(resolve));

  open(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Runs a test with a request whose connection, idle till now, is just being proven. */
async function whileProven(
  run: (
    network: FrameNetwork,
    server: FrameServer,
    going: ReturnType<FrameNetwork["get"]>,
    barrier: Barrier,
    watched: WatchedSignal,
  ) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const barrier = new Barrier();
  await withFrameNetwork({ clock, poll: barrier.poll }, async (network) => {
    const server = await network.served();
    clock.advance(1_000);
    const watched = new WatchedSignal();
    const going = network.get("/proven", { method: "POST", body: "once", signal: watched.signal });
    await until("it is being proven", () => barrier.count > 0);
    assert.deepEqual(network.counts, [0, 1, 0, 0]);
    await run(network, server, going, barrier, watched);
    assert.equal(watched.listenerCount, 0);
    assert.ok(!server.saw("RST_STREAM"));
  });
}

test("while a connection is proven: it is good", async () => {
  await whileProven(async (network, server, going, barrier) => {
    barrier.open();
    await network.answered(going, server, 3);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("while a connection is proven: GOAWAY, its end, a break: the request goes elsewhere, once", async () => {
  for (const how of ["goaway", "end", "break"]) {
    await whileProven(async (network, server, going, barrier) => {
      if (how === "goaway") server.goaway(1, 0);
      else if (how === "end") await server.end();
      else server.break();
      await until("it is gone", () => network.transport.stats().total === 0);
      barrier.open();
      await network.answered(going, await network.server(2), 1);
      assert.equal(server.saw("HEADERS", 3), false);
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    });
  }
});

test("while a connection is proven: it takes no more streams: the request goes elsewhere", async () => {
  await whileProven(async (network, server, going, barrier) => {
    server.settings([[MAX_CONCURRENT_STREAMS, 0]]);
    await server.settled();
    barrier.open();
    await network.answered(going, await network.server(2), 1);
    server.settings([[MAX_CONCURRENT_STREAMS, 1]]);
    await until("it is idle again", () => network.transport.stats().idle === 2);
    assert.equal(server.saw("HEADERS", 3), false);
  });
});

test("while a connection is proven: others share it, and find it proven by what comes", async () => {
  await whileProven(async (network, server, going, barrier) => {
    server.settings([[MAX_CONCURRENT_STREAMS, 50]]);
    await server.settled();
    await network.answered(network.get("/other"), server, 3);
    barrier.open();
    await network.answered(going, server, 5);
    assert.equal(network.dialCount, 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("while a connection is proven: aborted, destroyed: its place is given back", async () => {
  for (const how of ["abort", "destroy", "close"]) {
    await whileProven(async (network, server, going, barrier, watched) => {
      const ended = how === "close" ? null : failure(going);
      if (how === "abort") {
        watched.abort();
        assert.equal(await ended as unknown, watched.reason);
        assert.deepEqual(network.counts, [1, 0, 0, 0]);
      } else if (how === "destroy") {
        network.transport.destroy();
        assert.equal((await ended)!.code, "ERR_CLOSED");
        assert.deepEqual(network.counts, [0, 0, 0, 0]);
      } else {
        const closing = network.transport.close();
        barrier.open();
        await network.answered(going, server, 3);
        await closing;
        assert.deepEqual(network.counts, [0, 0, 0, 0]);
      }
      barrier.open();
      if (how !== "close") assert.equal(server.saw("HEADERS", 3), false);
    });
  }
});

test("a signal that throws when it is left ends nothing else", async () => {
  const { told } = await watchedConsole(async () => {
    await withFrameNetwork({ serve: serveInSteps }, async (network) => {
      const { signal } = new AbortController();
      signal.removeEventListener = () => {
        throw new Error("of a signal");
      };
      assert.equal(await (await network.get("/", { signal })).text(), "abcdef");
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    });
  });
  assert.equal(told.length, 1);
});
