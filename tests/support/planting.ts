/**
 * A server in another process that plants responses nobody asked for, and the telling when.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HttpRequest, Transport, type TransportOptions } from "../../mod.ts";
import { root, runtimePath } from "../../scripts/run_program.ts";
import { testAuthority } from "./raw_server.ts";
import { until } from "./waiting.ts";

const fixture = fileURLToPath(new URL("../fixtures/planting_server.ts", import.meta.url));

/** What a test has of a planting server. */
export interface PlantingServer {
  readonly transport: Transport;
  /** Sends a request to it and reads the answer to its end. */
  get(path: string): Promise<string>;
  /** Tells it to take steps. */
  take(count: number): Steps;
  /** How many steps it has taken so far, but for those whose connection was closed before. */
  readonly planted: number;
  /** Waits until it has so many steps to take. */
  offers(count: number): Promise<void>;
}

/** Steps that a server was told to take, such as to plant a response. */
export class Steps {
  readonly #ledger: string;
  readonly #expected: number;

  constructor(folder: string, count: number) {
    this.#ledger = join(folder, "planted");
    const wanted = join(folder, "wanted");
    appendFileSync(wanted, ".".repeat(count));
    this.#expected = statSync(wanted).size;
  }

  get #taken(): number {
    return statSync(this.#ledger).size;
  }

  /**
   * Blocks the event loop until what was sent in all of them waits in the kernel, but for those whose connection was
   * closed before: a busy program cannot always prove one in time, and gives it up.
   */
  block(): void {
    const startedAt = performance.now();
    // Within a millisecond after its last read a connection needs no proof.
    while (this.#taken < this.#expected || performance.now() < startedAt + 2) {
      assert.ok(performance.now() < startedAt + 10_000, `${this.#expected - this.#taken} lack`);
    }
  }
}

/** Runs a test with a planting server in another process. */
export async function withPlantingServer(
  tls: boolean,
  options: TransportOptions,
  run: (server: PlantingServer) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "roundtrip-"));
  for (const name of ["asked", "wanted", "planted"]) writeFileSync(join(folder, name), "");
  const child = spawn(runtimePath("node"), [fixture, tls ? "tls" : "plain", folder], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const transport = new Transport({ tls: { caCerts: [testAuthority] }, ...options });
  try {
    const [line] = await once(child.stdout, "data") as [Uint8Array];
    const port = Number(new TextDecoder().decode(line));
    const origin = `${tls ? "https://localhost" : "http://127.0.0.1"}:${port}`;
    const asked = join(folder, "asked");
    await run({
      transport,
      async get(path) {
        const response = await transport.roundTrip(new HttpRequest(origin + path));
        return await response.text();
      },
      take: (count) => new Steps(folder, count),
      get planted() {
        return readFileSync(join(folder, "planted"), "utf8").replaceAll("-", "").length;
      },
      offers: (count) => until(`${count} steps are there`, () => statSync(asked).size >= count),
    });
  } finally {
    transport.destroy();
    child.stdin.end();
    await exited;
    rmSync(folder, { recursive: true });
  }
}
