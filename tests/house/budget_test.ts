/**
 * Guards of the speed that do not depend on the machine: what a request may cost in promises, bytes,
 * writes, timers and listeners. The budgets are in `budget.json`; what they are compared with is in
 * the message when one is passed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpRequest, type HttpRequestInit, Transport, type TransportOptions } from "../../mod.ts";
import { AnsweringDialer } from "../support/answering_conn.ts";
import { startScript } from "../support/child.ts";
import {
  bytesPerRequest,
  promisesPerRequest,
  type Requests,
  whatIsAsked,
} from "../support/cost_of_requests.ts";
import { runtime, test } from "../support/harness.ts";
import { testFile } from "../support/raw_server.ts";

/** What one request may cost. */
interface Budget {
  readonly promises: number;
  /** Null where it cannot be counted. */
  readonly bytes: number | null;
}

type Place = "in memory, GET" | "in memory, POST of 1 KiB" | "over a socket, GET";

const budgets: Record<Place, Record<typeof runtime, Budget>> = JSON.parse(testFile("budget.json"));

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
): Promise<void> {
  const dialer = new AnsweringDialer(init === undefined ? "\n" : "!");
  const transport = new Transport({ ...options, dialer });
  try {
    await use(requests(transport, "http://127.0.0.1/", init), dialer);
  } finally {
    transport.destroy();
  }
}

async function overSocket(use: (run: Requests) => Promise<void>): Promise<void> {
  const child = startScript("answering_child.ts");
  const transport = new Transport();
  try {
    await use(requests(transport, `http://127.0.0.1:${await child.line()}/`));
  } finally {
    transport.destroy();
    await child.kill();
  }
}

const places: Record<Place, (use: (run: Requests) => Promise<void>) => Promise<void>> = {
  "in memory, GET": (use) => inMemory(use),
  "in memory, POST of 1 KiB": (use) => inMemory(use, post),
  "over a socket, GET": overSocket,
};

/** A budget far above what is used guards nothing. */
function assertWithin(what: string, used: number, budget: number, most: number): void {
  const text = `${what}: ${used} for each request, budget ${budget}`;
  assert.ok(used <= most, `${text}: make it cheaper, or say why it costs more`);
  assert.ok(used >= budget / 2, `${text}: lower the budget in tests/budget.json`);
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
