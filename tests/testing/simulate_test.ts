/**
 * Programs in simulated worlds: bugs that are found, shrunk, written down, and gone with their fix.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { root, runProgram, runtimePath } from "../../scripts/run_program.ts";
import { HttpRequest } from "../../mod.ts";
import {
  faults,
  type ProgramSimulationOptions,
  simulate,
  type SimulatedProgram,
  type SimulatedWorld,
  SimulationFailure,
  type SimulationSchedule,
} from "../../testing/mod.ts";
import {
  hanging,
  payAgain,
  payOnce,
  pollAndClose,
  pollAndForget,
  priceKept,
  priceOverwritten,
} from "../fixtures/simulated_programs.ts";
import { test } from "../support/harness.ts";
import "../support/no_network.ts";

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Three runtimes start at once, on a machine that may be busy with others. */
const PATIENCE_MS = 240_000;

function onEachRuntime(path: string): Promise<{ code: number | null; output: string }[]> {
  return Promise.all([
    runProgram(runtimePath("deno"), ["run", "-A", "--no-check", path], { timeoutMs: PATIENCE_MS }),
    runProgram(runtimePath("bun"), [path], { timeoutMs: PATIENCE_MS }),
    runProgram(runtimePath("node"), [path], { timeoutMs: PATIENCE_MS }),
  ]);
}

async function failureOf(
  from: number | SimulationSchedule,
  options: ProgramSimulationOptions,
  program: SimulatedProgram,
): Promise<SimulationFailure> {
  const error = await simulate(from, options, program).then(
    () => assert.fail("nothing was found"),
    (error) => error,
  );
  assert.ok(error instanceof SimulationFailure, error.stack);
  return error;
}

const late = ["responseLate"] as const;

test("simulate: a retry loop that repeats a POST is found, shrunk, and gone with the fix", async () => {
  const failure = await failureOf(1, { faults: ["reset", "dialRefused"] }, payAgain);
  assert.equal(failure.kind, "program");
  assert.match(failure.message, /paid 2 times/);
  // The least that is needed: the server has done its work, and its answer is lost.
  assert.deepEqual(failure.schedule.faults, [{ nth: 1, kind: "reset", bytes: 0 }]);
  const result = await simulate(1, { runs: 50, faults: ["reset", "dialRefused"] }, payOnce);
  assert.ok(result.faults > 10, `${result.faults} faults`);
  assert.equal((await simulate(failure.schedule, {}, payOnce)).faults, 1);
});

test("simulate: responses that are not closed are found, and the fix is right whatever goes wrong", async () => {
  const failure = await failureOf(1, {}, pollAndForget);
  assert.equal(failure.kind, "hang");
  assert.match(failure.message, /The program hangs.*2 in use .*1 waited for/);
  // It needs nothing to go wrong.
  assert.deepEqual(failure.schedule.faults, []);
  const { runs, requests, faults } = await simulate(1, { runs: 20 }, pollAndClose);
  assert.equal(runs, 20);
  assert.ok(requests > 100 && faults > 100, `${requests} requests, ${faults} faults`);
});

test("simulate: a race with a time-out is found, shrunk, and gone with the fix", async () => {
  const failure = await failureOf(1, { faults: late }, priceOverwritten);
  assert.equal(failure.kind, "program");
  assert.match(failure.message, /version \d is shown after version \d/);
  // To the millisecond: the answer comes when the next one is there already.
  assert.deepEqual(failure.schedule.faults, [{ nth: 2, kind: "responseLate", ms: 1_002 }]);
  const result = await simulate(1, { runs: 50, faults: late }, priceKept);
  assert.ok(result.faults > 30, `${result.faults} faults`);
});

test("simulate: what hangs and what is left is told of as such", async () => {
  const hangs = await failureOf(1, { faults: ["stall"] }, hanging);
  assert.equal(hangs.kind, "hang");
  assert.deepEqual(hangs.schedule.faults, [{ nth: 1, kind: "stall", bytes: 0 }]);
  const leaks = await failureOf(1, { faults: [] }, async (world) => {
    world.serve(() => new Response("x".repeat(200_000)));
    await world.transport().roundTrip(new HttpRequest("http://a.test/"));
  });
  assert.equal(leaks.kind, "leak");
  assert.match(leaks.message, /has ended and left connections: 1 in use/);
  const leaves = await failureOf(1, { faults: ["dialLost"] }, async (world) => {
    world.transport().roundTrip(new HttpRequest("http://a.test/")).catch(() => {});
    await world.sleep(1);
  });
  assert.match(leaves.message, /1 waited for, 1 being dialled/);
  const waits = await failureOf(1, { runs: 1 }, () => new Promise(() => {}));
  assert.match(waits.message, /The program hangs: nothing is to come/);
  const endless = await failureOf(1, { runs: 1, faults: [], maxSteps: 200 }, async (world) => {
    for (;;) await world.sleep(1);
  });
  assert.match(endless.message, /has not ended after 200 steps/);
});

test("simulate: what a handler throws is found, although the program sees a 500", async () => {
  const failure = await failureOf(3, {}, async (world) => {
    world.serve(() => {
      throw new RangeError("out of stock");
    });
    await (await world.transport().roundTrip(new HttpRequest("http://a.test/"))).text();
  });
  assert.equal(failure.kind, "server");
  assert.ok(failure.cause instanceof RangeError);
  assert.match(failure.message, /^The server threw RangeError: out of stock \(seed 3\)\n/);
});

test("simulate: a failure stays the same one while its schedule shrinks", async () => {
  // Without the first of the two faults there is another failure, which must not take its place.
  const program = async (world: SimulatedWorld): Promise<void> => {
    const transport = world.transport();
    const outcomes: string[] = [];
    for (let i = 0; i < 2; i++) {
      const asked = transport.roundTrip(new HttpRequest("http://a.test/"));
      outcomes.push(
        await asked.then(async (response) => {
          await response.text();
          return String(response.status);
        }, (error) => error.code),
      );
    }
    if (outcomes.join() === "503,503") throw new RangeError("both");
    if (outcomes[1] === "503") throw new TypeError("the second");
  };
  const failure = await failureOf(1, { faults: ["unavailable"], runs: 500 }, async (world) => {
    await program(world).catch((error) => {
      if (error instanceof RangeError) throw error;
    });
  });
  const seed = failure.schedule.seed;
  const both = await failureOf(seed, { faults: ["unavailable"] }, program);
  assert.ok(both.cause instanceof RangeError);
  assert.deepEqual(both.schedule.faults, [1, 2].map((nth) => ({ nth, kind: "unavailable" })));
});

test("simulate: the script of a failure makes it happen again, on Deno, Bun and Node", async () => {
  const module = pathToFileURL(fixture("simulated_programs.ts")).href;
  const script = { module, program: "payAgain" };
  const failure = await failureOf(1, { faults: ["wrongLength", "requestLate"], script }, payAgain);
  assert.match(failure.message, /\nawait simulate\(\{\n {2}seed: \d+,\n {2}faults: \[\n/);
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  try {
    const path = join(folder, "script.mts");
    const entry = JSON.stringify(pathToFileURL(join(root, "testing/mod.ts")).href);
    await writeFile(path, failure.script.replace('"@roundtrip/http/testing"', entry));
    const before = failure.message.slice(0, failure.message.indexOf("This makes"));
    const runs = await onEachRuntime(path);
    for (const { code, output } of runs) {
      assert.equal(code, 1, output);
      assert.ok(output.includes(before), output);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}, { timeoutMs: PATIENCE_MS + 30_000 });

test("simulate: seeds take the same course on Deno, Bun and Node", async () => {
  const runs = await onEachRuntime(fixture("simulated_course.ts"));
  for (const { code, output } of runs) assert.equal(code, 0, output);
  const [deno, bun, node] = runs.map(({ output }) => output.match(/^[\d.]+ \d \w+$/gm));
  assert.equal(deno?.length, 40);
  assert.deepEqual(bun, deno);
  assert.deepEqual(node, deno);
}, { timeoutMs: PATIENCE_MS + 30_000 });

test("simulate: HTTP/2 has faults of its own, and their programs go on", async () => {
  const seen = new Set<string>();
  const result = await simulate(1, {
    runs: 40,
    http2: true,
    faults: ["goAway", "rstStream", "reset"],
  }, async (world) => {
    const transport = world.transport();
    for (let i = 0; i < 6; i++) {
      const asked = transport.roundTrip(new HttpRequest(`https://a.test/${i}`, { method: "POST" }));
      const response = await asked.catch((error) => void seen.add(error.code));
      if (response) {
        assert.equal(response.httpVersion, "2");
        await response.text().catch((error) => seen.add(error.code));
      }
    }
  });
  assert.ok(result.faults > 20, `${result.faults} faults`);
  assert.ok(seen.has("ERR_CONNECTION_LOST"), [...seen].join());
});

test("simulate: a handler may return a fault, and each kind can be written in a schedule", async () => {
  const seen: Record<string, string> = {};
  const kinds = [
    { nth: 1, kind: "dialRefused" },
    { nth: 1, kind: "dialLost" },
    { nth: 1, kind: "dialLate", ms: 7 },
    { nth: 1, kind: "requestLost" },
    { nth: 1, kind: "requestLate", ms: 5 },
    { nth: 1, kind: "responseLate", ms: 9 },
    { nth: 1, kind: "unavailable" },
    { nth: 1, kind: "reset", bytes: 20 },
    { nth: 1, kind: "halfClose", bytes: 20 },
    { nth: 1, kind: "stall", bytes: 20 },
    { nth: 1, kind: "slow", bytesPerSecond: 100 },
    { nth: 1, kind: "wrongLength", bytes: 2 },
    { nth: 1, kind: "badChunk" },
    { nth: 1, kind: "garbage" },
  ] as const;
  for (const fault of kinds) {
    await simulate({ seed: 1, faults: [fault] }, {}, async (world) => {
      const transport = world.transport({ responseHeaderTimeoutMs: 10_000, dialTimeoutMs: 2_000 });
      const request = new HttpRequest("http://a.test/", { method: "POST" });
      const outcome = await transport.roundTrip(request).then(async (response) => {
        await response.text();
        return String(response.status);
      }).catch((error) => error.code);
      seen[fault.kind] = fault.kind === "stall" ? outcome : `${outcome} ${world.clock.now()}`;
    });
  }
  assert.deepEqual(seen, {
    dialRefused: "ERR_DIAL 1",
    dialLost: "ERR_TIMEOUT 2000",
    dialLate: "200 10",
    requestLost: "ERR_CONNECTION_LOST 2",
    requestLate: "200 8",
    responseLate: "200 12",
    unavailable: "503 3",
    reset: "ERR_CONNECTION_LOST 3",
    halfClose: "ERR_CONNECTION_LOST 3",
    stall: "ERR_TIMEOUT",
    slow: "200 413",
    wrongLength: "ERR_INCOMPLETE_BODY 3",
    badChunk: "ERR_MALFORMED_RESPONSE 3",
    garbage: "ERR_MALFORMED_RESPONSE 3",
  });
  const pieces = { nth: 1, kind: "slow", bytesPerSecond: 1_000 } as const;
  await simulate({ seed: 1, faults: [pieces] }, {}, async (world) => {
    // A runtime may cut it as it likes: on the wire it is the same.
    world.serve(() =>
      new Response(
        new ReadableStream({
          async start(controller) {
            for (const text of ["one", "two", "three"]) {
              controller.enqueue(new TextEncoder().encode(text));
              if (text === "two") await world.sleep(500);
            }
            controller.close();
          },
        }),
      )
    );
    const response = await world.transport().roundTrip(new HttpRequest("http://a.test/"));
    assert.equal(await response.text(), "onetwothree");
    assert.equal(world.clock.now(), 517);
  });
  const own = await failureOf({ seed: 1, faults: [] }, {}, async (world) => {
    world.serve(() => faults.reset(0));
    await world.transport().roundTrip(new HttpRequest("http://a.test/", { method: "POST" }));
  });
  assert.equal((own.cause as { code: string }).code, "ERR_CONNECTION_LOST");
});

test("simulate: what cannot be simulated is refused", async () => {
  const program = (): void => {};
  const refused: [number | SimulationSchedule, unknown, unknown, RegExp][] = [
    [1.5, {}, program, /seed 1\.5 is no integer/],
    [1, { seeds: 3 }, program, /Unknown option of simulate "seeds"/],
    [1, { runs: 0 }, program, /runs is not an integer from 1 on/],
    [1, { faults: ["goAway"] }, program, /HTTP\/1\.1 has no simulated fault "goAway"/],
    [
      1,
      { faults: ["badChunk"], http2: true },
      program,
      /HTTP\/2 has no simulated fault "badChunk"/,
    ],
    [1, {}, undefined, /no program/],
    [{ seed: 1 } as SimulationSchedule, {}, program, /no list of faults/],
    [{ seed: 1, faults: [{ nth: 0, kind: "reset", bytes: 0 }] }, {}, program, /nth, an integer/],
    [{ seed: 1, faults: [{ nth: 1, kind: "reset" }] }, {}, program, /and bytes, an integer from 0/],
    [{ seed: 1, faults: [{ nth: 1, kind: "slow", bytesPerSecond: 0 }] }, {}, program, /from 1 on/],
  ];
  for (const [from, options, given, message] of refused) {
    await assert.rejects(
      simulate(from, options as ProgramSimulationOptions, given as SimulatedProgram),
      { code: "ERR_INVALID_REQUEST", message },
    );
  }
});

test("simulate: a world of a run is its own", async () => {
  const numbers: number[] = [];
  await simulate(1, { runs: 2, faults: [] }, async (world) => {
    assert.equal(world.clock.now(), 0);
    numbers.push(world.random());
    await assert.rejects(world.sleep(10, AbortSignal.abort(new RangeError("stop"))), RangeError);
    await assert.rejects(world.sleep(10, world.timeout(5)), { name: "TimeoutError" });
    assert.equal(world.clock.now(), 5);
    const response = await world.transport().roundTrip(new HttpRequest("https://a.test/"));
    assert.equal(await response.text(), "hello");
  });
  assert.notEqual(numbers[0], numbers[1]);
});
