/**
 * Requests while fakes of time stand in the place of the platform's timers: the table of docs/testing.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mock } from "node:test";
import { createFetch, HttpRequest, RetryingTransport, Transport } from "../../mod.ts";
import { mockTransport, testServer, VirtualClock } from "../../testing/mod.ts";
import type { FakeTimeServer } from "../fixtures/fake_time_server.ts";
import { startScript } from "../support/child.ts";
import { runtime, test } from "../support/harness.ts";

interface FakeTimers {
  install(options: { toNotFake?: string[] }): { uninstall(): void };
}

const sinon = createRequire(import.meta.url)("@sinonjs/fake-timers") as FakeTimers;

/** Puts fakes in place. @returns Takes them away. */
type Install = () => () => void;

const withSinon = (...toNotFake: string[]): Install => () => {
  const clock = sinon.install({ toNotFake });
  return () => clock.uninstall();
};

const fakes: Record<string, Install> = {
  // Sockets of Node go on by `process.nextTick`.
  "all of @sinonjs/fake-timers, as in jest": withSinon(...runtime === "node" ? ["nextTick"] : []),
  "@sinonjs/fake-timers as in vitest": withSinon("nextTick", "queueMicrotask"),
  "mock.timers of node:test": () => {
    mock.timers.enable(runtime === "deno" ? { apis: ["Date"] } : undefined);
    return () => mock.timers.reset();
  },
};

interface BunTest {
  setSystemTime(time?: Date): void;
  jest: {
    useFakeTimers(): void;
    useRealTimers(): void;
    advanceTimersByTime(ms: number): void;
  };
}

if (runtime === "bun") {
  fakes["setSystemTime of bun:test"] = () => {
    bun!.setSystemTime(new Date(0));
    return () => bun!.setSystemTime();
  };
}

/** By a name that other runtimes do not look for. */
const bun = runtime === "bun" ? await import("bun:test" as string) as BunTest : null;

async function withServers(run: (server: FakeTimeServer) => Promise<void>): Promise<void> {
  const child = startScript("fake_time_server.ts");
  try {
    const servers = JSON.parse((await child.line())!) as FakeTimeServer[];
    assert.equal(servers.length, 4);
    for (const server of servers) await run(server);
  } finally {
    await child.kill();
  }
}

function transportTo({ caCert, http2 }: FakeTimeServer): Transport {
  return new Transport({
    http2: http2 ? { priorKnowledge: true } : false,
    ...(caCert === null ? {} : { tls: { caCerts: [caCert] } }),
  });
}

test("fakes of time: requests go on, and time-outs are real", async () => {
  await withServers(async (server) => {
    for (const [name, install] of Object.entries(fakes)) {
      const uninstall = install();
      const transport = transportTo(server);
      try {
        await requestsGoOn(transport, server.url, name !== "setSystemTime of bun:test");
      } catch (error) {
        throw new Error(`With ${name}, at ${server.url}`, { cause: error });
      } finally {
        uninstall();
        transport.destroy();
      }
    }
  });
}, { timeoutMs: 240_000 });

async function requestsGoOn(
  transport: Transport,
  url: string,
  standsStill: boolean,
): Promise<void> {
  const fakeNow = Date.now();
  const request = new HttpRequest(url, { method: "POST", body: "x".repeat(100_000) });
  assert.equal(await (await transport.roundTrip(request)).text(), "100000 bytes");
  const fetch = createFetch({ transport });
  const fetched = await fetch(url, { method: "POST", body: new Blob(["abc"]) });
  assert.equal(await fetched.text(), "3 bytes");
  // Back-off between attempts, and a deadline.
  const retrying = new RetryingTransport(transport, { baseDelayMs: 1, attempts: 3 });
  const refused = retrying.roundTrip(new HttpRequest("http://127.0.0.1:1/"));
  await assert.rejects(refused, { code: "ERR_DIAL" });
  const never = new HttpRequest(`${url}/never`, { timeoutMs: 20 });
  await assert.rejects(transport.roundTrip(never), { code: "ERR_TIMEOUT" });
  // All that time has not passed by the fakes.
  if (standsStill) assert.equal(Date.now(), fakeNow);
}

test("fakes of time, as in vitest: mocks and servers in memory go on, also with delays", async () => {
  await using server = await testServer(async (request) => new Response(await request.text()));
  const transport = server.transport();
  const uninstall = withSinon("nextTick", "queueMicrotask")();
  try {
    const request = new HttpRequest(server.url, { method: "POST", body: "in memory" });
    assert.equal(await (await transport.roundTrip(request)).text(), "in memory");
    const mocked = mockTransport();
    mocked.expect("GET", "http://a.test/").delay(5).reply(200, "late");
    const response = await mocked.roundTrip(new HttpRequest("http://a.test/"));
    assert.equal(await response.text(), "late");
  } finally {
    uninstall();
  }
});

test("fakes of time: a clock of the test's own is what fakes ours", async () => {
  await using server = await testServer(() => new Promise<Response>(() => {}));
  const clock = new VirtualClock();
  const transport = server.transport({ clock, responseHeaderTimeoutMs: 3_600_000 });
  const uninstall = withSinon("nextTick", "queueMicrotask")();
  try {
    let outcome = "";
    const asked = transport.roundTrip(new HttpRequest(server.url));
    asked.catch((error) => outcome = error.code);
    while (outcome === "") {
      await new Promise<void>((resolve) => void immediate(resolve));
      clock.advance();
    }
    assert.equal(outcome, "ERR_TIMEOUT");
    assert.ok(clock.now() >= 3_600_000, `${clock.now()} ms`);
  } finally {
    uninstall();
  }
});

/** The one of the platform. */
const immediate = globalThis.setImmediate;

if (bun !== null) {
  test("fakes of time, jest of bun:test: requests go on, and time-outs go by the fake time", async () => {
    await withServers(async (server) => {
      const transport = transportTo(server);
      bun.jest.useFakeTimers();
      try {
        const request = new HttpRequest(server.url, { method: "POST", body: "abc" });
        assert.equal(await (await transport.roundTrip(request)).text(), "3 bytes");
        const never = new HttpRequest(`${server.url}/never`, { timeoutMs: 3_600_000 });
        let outcome = "";
        transport.roundTrip(never).catch((error) => outcome = error.code);
        while (outcome === "") {
          bun.jest.advanceTimersByTime(600_000);
          await new Promise<void>((resolve) => void immediate(resolve));
        }
        assert.equal(outcome, "ERR_TIMEOUT");
      } finally {
        bun.jest.useRealTimers();
        transport.destroy();
      }
    });
  });
}
