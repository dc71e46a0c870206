/**
 * M1 with sockets: a program whose turns of the event loop are long, and a server in another process that plants a
 * response nobody asked for while an idle connection is being proven. None is taken that was there before the write.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate, setTimeout } from "node:timers";
import type { TransportOptions } from "../../../mod.ts";
import { runtime, test } from "../../support/harness.ts";
import { type PlantingServer, withPlantingServer } from "../../support/planting.ts";
import { pause } from "../../support/waiting.ts";

/** What a program does between turns. */
type Kind = "timers" | "immediates";

/** Milliseconds. A proof is good for one. */
const LONG_AGO_MS = 1;

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** A program whose every turn takes some time, and in one of them has the server plant. */
class BusyProgram {
  readonly #kind: Kind;
  readonly #ms: number;
  readonly #server: PlantingServer;
  #turnsToPlant = 0;
  #isOn = true;
  /** When the planted response was in the kernel; Infinity: it is not. */
  plantedAt = Infinity;

  constructor(kind: Kind, ms: number, server: PlantingServer) {
    this.#kind = kind;
    this.#ms = ms;
    this.#server = server;
    this.#turn();
  }

  /** Plants in the n-th turn from now. */
  plantIn(turns: number): void {
    this.plantedAt = Infinity;
    this.#turnsToPlant = turns;
  }

  /** Whether it still has to plant. */
  get hasToPlant(): boolean {
    return this.#turnsToPlant > 0;
  }

  end(): void {
    this.#isOn = false;
  }

  readonly #turn = (): void => {
    if (!this.#isOn) return;
    if (this.#turnsToPlant > 0 && --this.#turnsToPlant === 0) this.#plant();
    spin(this.#ms);
    if (this.#kind === "timers") setTimeout(this.#turn, 0);
    else setImmediate(this.#turn);
  };

  #plant(): void {
    const { planted } = this.#server;
    this.#server.take(1);
    // Where the connection has been replaced, nothing is planted any more.
    for (const until = performance.now() + 300; performance.now() < until;) {
      if (this.#server.planted === planted) continue;
      this.plantedAt = performance.now();
      break;
    }
    spin(2 * LONG_AGO_MS);
  }
}

/**
 * Count. Under Deno a program that always has immediates sees its sockets every 61 turns, whoever asks: a request takes
 * seconds there.
 */
function leaseCount(kind: Kind, ms: number): number {
  if (kind === "immediates" && runtime === "deno") return 1;
  return ms > 4 ? 4 : 8;
}

for (const secure of [false, true]) {
  for (const kind of ["timers", "immediates"] as const) {
    for (const ms of [2, 3, 4, 8, 20]) {
      const what = `turns of ${ms} ms by ${kind}${secure ? ", TLS" : ""}`;
      test(`M1 ${what}: nothing is taken that was planted before the write`, async () => {
        let usedAt = 0;
        const options: TransportOptions = {
          trace: { gotConn: () => void (usedAt = performance.now()) },
        };
        await withPlantingServer(secure, options, async (server) => {
          const program = new BusyProgram(kind, ms, server);
          try {
            for (let n = 0; n < leaseCount(kind, ms); n++) {
              assert.equal(await server.get("/told"), "good /told");
              await pause(ms);
              program.plantIn(1 + n % 4);
              const answer = await server.get(`/next/${n}`);
              if (answer !== `good /next/${n}`) {
                assert.equal(answer, "evil");
                const age = usedAt - program.plantedAt;
                assert.ok(age <= LONG_AGO_MS, `planted ${age} ms before the write`);
              }
              while (program.hasToPlant) await pause(ms);
              // Whatever came of it, the next round has a connection of its own.
              await pause(ms);
              server.transport.closeIdleConnections();
            }
          } finally {
            program.end();
          }
        });
      }, { timeoutMs: 120_000 });
    }
  }
}

for (const kind of ["timers", "immediates"] as const) {
  test(`M1 turns of 8 ms by ${kind}: connections are still used again`, async () => {
    let dials = 0;
    const options: TransportOptions = { trace: { connectStart: () => void dials++ } };
    await withPlantingServer(false, options, async (server) => {
      const program = new BusyProgram(kind, 8, server);
      const count = leaseCount(kind, 8);
      try {
        for (let n = 0; n < count; n++) {
          assert.equal(await server.get(`/${n}`), `good /${n}`);
          await pause(10);
        }
      } finally {
        program.end();
      }
      // Deno cannot look at the kernel without a turn of the event loop.
      if (runtime !== "deno") assert.equal(dials, 1);
      assert.ok(dials <= count);
    });
  });
}
