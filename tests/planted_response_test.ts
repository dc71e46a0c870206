/**
 * T1: a response that nobody asked for never answers the next request, wherever it waits: behind the first answer,
 * in the idle connection, or in the kernel while the client's event loop is blocked.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HttpRequest, Transport } from "../mod.ts";
import { root, runtimePath } from "../scripts/run_program.ts";
import { test } from "./harness.ts";
import { testAuthority } from "./raw_server.ts";
import { until } from "./waiting.ts";

const fixture = fileURLToPath(new URL("./fixtures/planting_server.ts", import.meta.url));

/** From an address, Deno and Bun use other sockets than otherwise. */
type Kind = "plain" | "tls" | "from an address";

/** Runs a test against a planting server in another process. */
async function withPlantingServer(
  kind: Kind,
  run: (
    get: (path: string) => Promise<string>,
    transport: Transport,
    plant: (count: number) => Planting,
  ) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "roundtrip-"));
  for (const name of ["wanted", "planted"]) writeFileSync(join(folder, name), "");
  const child = spawn(runtimePath("node"), [fixture, kind === "tls" ? "tls" : "plain", folder], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const transport = new Transport({
    tls: { caCerts: [testAuthority] },
    localAddress: kind === "from an address" ? "127.0.0.1" : undefined,
  });
  try {
    const [line] = await once(child.stdout, "data") as [Uint8Array];
    const port = Number(new TextDecoder().decode(line));
    const origin = `${kind === "tls" ? "https://localhost" : "http://127.0.0.1"}:${port}`;
    await run(
      async (path) => {
        const response = await transport.roundTrip(new HttpRequest(origin + path));
        return await response.text();
      },
      transport,
      (count) => new Planting(folder, count),
    );
  } finally {
    transport.destroy();
    child.stdin.end();
    await exited;
    rmSync(folder, { recursive: true });
  }
}

/** Responses that the server was told to plant behind its answers. */
class Planting {
  readonly #ledger: string;
  readonly #expected: number;

  constructor(folder: string, count: number) {
    this.#ledger = join(folder, "planted");
    this.#expected = this.#planted + count;
    appendFileSync(join(folder, "wanted"), ".".repeat(count));
  }

  get #planted(): number {
    return statSync(this.#ledger).size;
  }

  /** Blocks the event loop until all of them wait in the kernel. */
  block(): void {
    const startedAt = performance.now();
    // Within a millisecond after its last read a connection needs no proof.
    while (this.#planted < this.#expected || performance.now() < startedAt + 2) {
      assert.ok(performance.now() < startedAt + 10_000, `${this.#expected - this.#planted} lack`);
    }
  }
}

for (const kind of ["plain", "tls", "from an address"] as const) {
  test(`T1 ${kind}: planted in the packet of the first answer, 100 of 100`, async () => {
    await withPlantingServer(kind, async (get, transport) => {
      for (let n = 0; n < 100; n++) {
        const first = n % 2 === 0 ? await get("/same") : (await get("/same-large")).slice(0, 1);
        assert.equal(first, n % 2 === 0 ? "good /same" : "x");
        assert.equal(await get(`/next/${n}`), `good /next/${n}`);
      }
      assert.equal(transport.stats().active, 0);
    });
  });

  test(`T1 ${kind}: planted while the connection is idle, 100 of 100`, async () => {
    await withPlantingServer(kind, async (get, transport, plant) => {
      for (let n = 0; n < 10; n++) {
        const paths = Array.from({ length: 10 }, () => "/told");
        assert.deepEqual(await Promise.all(paths.map(get)), paths.map(() => "good /told"));
        plant(10);
        // A connection that was made for nobody in the end has nothing planted on it.
        const served = () => transport.inspect().connections.filter(({ requests }) => requests > 0);
        await until("no connection that served is left", () => served().length === 0);
        assert.equal(await get(`/next/${n}`), `good /next/${n}`);
        transport.closeIdleConnections();
      }
    });
  });

  test(`T1 ${kind}: planted while the event loop is blocked, 100 of 100`, async () => {
    await withPlantingServer(kind, async (get, _transport, plant) => {
      for (let n = 0; n < 40; n++) {
        assert.equal(await get("/told"), "good /told");
        plant(1).block();
        assert.equal(await get(`/next/${n}`), `good /next/${n}`);
      }
      for (let n = 0; n < 6; n++) {
        const all = Array.from({ length: 10 }, (_, i) => `/next/${n}/${i}`);
        assert.deepEqual(
          await Promise.all(all.map(() => get("/told"))),
          all.map(() => "good /told"),
        );
        plant(10).block();
        assert.deepEqual(await Promise.all(all.map(get)), all.map((path) => `good ${path}`));
      }
    });
  });

  test(`T1 ${kind}: planted while requests wait for the end of their turn, 40 of 40`, async () => {
    await withPlantingServer(kind, async (get, transport, plant) => {
      // So many under way that requests go together.
      const unanswered = Array.from(
        { length: 8 },
        () => get("/never").then(() => "answered", () => "ended"),
      );
      for (let n = 0; n < 40; n++) {
        assert.equal(await get("/told"), "good /told");
        const answer = get(`/next/${n}`);
        plant(1).block();
        assert.equal(await answer, `good /next/${n}`);
      }
      transport.destroy();
      assert.deepEqual(await Promise.all(unanswered), unanswered.map(() => "ended"));
    });
  });
}
