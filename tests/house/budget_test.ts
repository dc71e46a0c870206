/**
 * Guards of the speed that do not depend on the machine: what a request may cost in promises, bytes,
 * writes, timers and listeners. The budgets are in `budget.json`; what they are compared with is in
 * the message when one is passed.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../conn/clock.ts";
import { HttpRequest, type HttpRequestInit, Transport, type TransportOptions } from "../../mod.ts";
import { AnsweringDialer } from "../support/answering_conn.ts";
import { startScript } from "../support/child.ts";
import { collect } from "../support/collector.ts";
import {
  bytesPerRequest,
  promisesPerRequest,
  type Requests,
  whatIsAsked,
} from "../support/cost_of_requests.ts";
import { seededRandom } from "../support/feed.ts";
import { runtime, test } from "../support/harness.ts";
import { testFile } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { pause } from "../support/waiting.ts";

/** What one request may cost. */
interface Budget {
  readonly promises: number;
  /** Null where it cannot be counted. */
  readonly bytes: number | null;
}

type Place =
  | "in memory, GET"
  | "in memory, GET of 4 KiB in gzip"
  | "in memory, POST of 1 KiB"
  | "over a socket, GET"
  | "over a socket, 16 KiB chunked"
  | "over a socket, 1,000 tiny chunks"
  | "over a socket, 64 KiB";

const budgets: Record<Place, Record<typeof runtime, Budget>> = JSON.parse(
  testFile("../house/budget.json"),
);

/** Share. Runs differ by up to 4 %: what the compilers have done by then. */
const BYTES_MARGIN = 0.1;

const post: HttpRequestInit = { method: "POST", body: new Uint8Array(1024).fill(0x21) };

function requests(transport: Transport, url: string, init?: HttpRequestInit): Requests {
  return async (count) => {
    for (let n = 0; n < count; n++) {
      const response = await transport.roundTrip(new HttpRequest(url, init));
      await response.bytes();
    }
  };
}

async function inMemory(
  use: (run: Requests, dialer: AnsweringDialer) => Promise<void>,
  init?: HttpRequestInit,
  options: TransportOptions = {},
  packed: Uint8Array | null = null,
): Promise<void> {
  const lastByte = init === undefined ? "\n" : "!";
  const dialer = packed === null
    ? new AnsweringDialer(lastByte)
    : new AnsweringDialer(lastByte, packed, "gzip");
  const transport = new Transport({ ...options, dialer });
  try {
    await use(requests(transport, "http://127.0.0.1/", init), dialer);
  } finally {
    transport.destroy();
  }
}

/** Prose as it is packed by servers: to a third. */
function packedProse(bytes: number): Uint8Array {
  const random = seededRandom(11);
  let text = "";
  while (text.length < bytes) text += `word ${Math.floor(random() * 4_000)} of `;
  return gzipSync(text.slice(0, bytes));
}

async function overSocket(
  use: (run: Requests) => Promise<void>,
  path: string = "/",
): Promise<void> {
  const child = startScript("answering_child.ts");
  // Where others are at work, a request may find its connection old and have the kernel polled.
  const transport = new Transport({ clock: { ...systemClock, now: () => 0 } });
  try {
    await use(requests(transport, `http://127.0.0.1:${await child.line()}${path}`));
  } finally {
    transport.destroy();
    await child.kill();
  }
}

const places: Record<Place, (use: (run: Requests) => Promise<void>) => Promise<void>> = {
  "in memory, GET": (use) => inMemory(use),
  "in memory, GET of 4 KiB in gzip": (use) =>
    inMemory(use, undefined, undefined, packedProse(4 * 1024)),
  "in memory, POST of 1 KiB": (use) => inMemory(use, post),
  "over a socket, GET": overSocket,
  "over a socket, 16 KiB chunked": (use) => overSocket(use, "/chunked"),
  "over a socket, 1,000 tiny chunks": (use) => overSocket(use, "/tiny"),
  "over a socket, 64 KiB": (use) => overSocket(use, "/64k"),
};

/** A budget far above what is used guards nothing. */
function assertWithin(what: string, used: number, budget: number, most: number): void {
  const text = `${what}: ${used} for each request, budget ${budget}`;
  assert.ok(used <= most, `${text}: make it cheaper, or say why it costs more`);
  assert.ok(used >= budget / 2, `${text}: lower the budget in tests/house/budget.json`);
}

for (const [place, inPlace] of Object.entries(places) as [Place, typeof overSocket][]) {
  const { promises, bytes } = budgets[place][runtime];

  test(`budget: promises of one request: ${place}`, () =>
    inPlace(async (run) => {
      assertWithin("promises", await promisesPerRequest(run), promises, promises + 0.5);
    }));

  if (bytes !== null) {
    test(`budget: bytes allocated by one request: ${place}`, () =>
      inPlace(async (run) => {
        const used = Math.round(await bytesPerRequest(run));
        assertWithin("bytes", used, bytes, bytes * (1 + BYTES_MARGIN));
      }));
  }
}

for (const [name, init] of Object.entries({ GET: undefined, "POST of 1 KiB": post })) {
  test(`budget: one write and one read for one request: ${name}`, () =>
    inMemory(async (run, dialer) => {
      await run(1);
      const { reads, writes } = dialer;
      await run(1_000);
      assert.equal(dialer.dials, 1);
      assert.equal(dialer.writes - writes, 1_000, "writes");
      assert.equal(dialer.reads - reads, 1_000, "reads");
    }, init));
}

/** Bytes. Most that an idle connection may hold in arrays, whatever it has brought. */
const MAX_IDLE_BYTES = 22 * 1024;

test("budget: arrays of idle connections after bodies of 64 KiB", async () => {
  const child = startScript("answering_child.ts");
  const transport = steadyTransport({ maxIdleConns: 0 });
  const url = `http://127.0.0.1:${await child.line()}/64k`;
  const arrayBytes = async (): Promise<number> => {
    // Arrays are freed beside the program, and late where others are at work.
    let least = Infinity;
    for (let unchanged = 0; unchanged < 15; unchanged++) {
      collect();
      await pause(20);
      const { arrayBuffers, external } = process.memoryUsage();
      // Deno counts them among what is outside of the heap.
      const bytes = runtime === "deno" ? external : arrayBuffers;
      if (bytes < least) unchanged = 0;
      least = Math.min(least, bytes);
    }
    return least;
  };
  const open = async (count: number): Promise<void> => {
    // Together, as often as a buffer grows, and some more.
    for (let round = 0; round < 8; round++) {
      const responses = await Promise.all(
        Array.from({ length: count }, () => transport.roundTrip(new HttpRequest(url))),
      );
      await Promise.all(responses.map((response) => response.bytes()));
    }
  };
  try {
    await open(20);
    const [before, few] = [await arrayBytes(), transport.stats().idle];
    await open(120);
    const many = transport.stats().idle;
    assert.ok(many > few + 50, `${few} and ${many} connections`);
    const each = (await arrayBytes() - before) / (many - few);
    assert.ok(each <= MAX_IDLE_BYTES, `${each} bytes for each idle connection`);
  } finally {
    transport.destroy();
    await child.kill();
  }
});

test("budget: a request without deadline and signal asks for no timer and no listener", () =>
  inMemory(async (run) => {
    await run(1);
    const asked = await whatIsAsked(() => run(1_000));
    assert.deepEqual(asked, { timers: 0, listeners: 0, controllers: 0 });
  }));

test("budget: what is asked for is counted", async () => {
  await inMemory(
    async (run) => {
      const asked = await whatIsAsked(() => run(10));
      assert.ok(asked.timers > 0, `${asked.timers} timers`);
    },
    undefined,
    { responseHeaderTimeoutMs: 10_000 },
  );
  const { signal } = new AbortController();
  await inMemory(
    async (run) => {
      const asked = await whatIsAsked(() => run(10));
      assert.ok(asked.listeners > 0, `${asked.listeners} listeners`);
    },
    { ...post, signal },
  );
});
