/**
 * The demonstration: exchanges with a server of its own, one line for each.
 *
 * @module
 */
import type { HttpResponse } from "../transport/message/http_response.ts";
import { Transport } from "../transport/transport.ts";
import { msText } from "./amounts.ts";
import type { CliIo } from "./cli_io.ts";
import { type Paint, paintFor } from "./colours.ts";
import { startDemoServer } from "./demo_server.ts";
import { type Shown, steps } from "./demo_steps.ts";
import { runtimeName, VERSION } from "./version.ts";

/** Characters of each column. A line is shorter than 80. */
const WIDTHS = { what: 43, status: 4, connection: 11, ms: 5 };

const encoder = new TextEncoder();

/**
 * Runs the demonstration.
 *
 * Cancel: `signal` rejects with its reason.
 *
 * @throws {Error} Something did not go as it should.
 */
export async function demo(io: CliIo, signal: AbortSignal): Promise<void> {
  const paint = paintFor(io.stdout.isTerminal, io.env);
  const print = (line: string = ""): Promise<void> => io.stdout.write(encoder.encode(line + "\n"));
  const server = await startDemoServer();
  const connections: Set<number> = new Set();
  const transport = new Transport({ trace: { gotConn: ({ id }) => connections.add(id) } });
  try {
    await print(`${paint("bold", `Roundtrip ${VERSION}`)} on ${runtimeName()}`);
    await print(`with a server of its own at ${server.url}; times in milliseconds`);
    await print();
    await print(paint("dim", header()));
    const stage = { transport, url: server.url, signal };
    const responses: HttpResponse[] = [];
    for (const step of steps) {
      for (const shown of await step(stage)) {
        await print(row(shown, paint));
        responses.push(shown.response);
      }
    }
    const reused = responses.filter(({ connection }) => connection.reused).length;
    const { idle, active, dialing, waiting } = transport.stats();
    await print();
    await print(
      `${responses.length} exchanges over ${connections.size} connections, ${reused} without dialling`,
    );
    await print(`stats(): idle ${idle}, active ${active}, dialing ${dialing}, waiting ${waiting}`);
    await print(`Next: ${paint("bold", "roundtrip -v URL")}, or roundtrip --help`);
  } finally {
    transport.destroy();
    await server.close();
  }
}

function header(): string {
  return [
    "exchange".padEnd(WIDTHS.what + WIDTHS.status),
    "connection".padEnd(WIDTHS.connection),
    ...["dial", "send", "wait", "body"].map((name) => name.padStart(WIDTHS.ms)),
  ].join("");
}

function row({ what, response }: Shown, paint: Paint): string {
  const { status, connection, timings } = response;
  const { dialMs, requestMs, continueMs, waitMs, bodyMs } = timings;
  const waitedMs = waitMs === null ? null : waitMs + (continueMs ?? 0);
  const times = [dialMs, requestMs, waitedMs, bodyMs];
  return [
    what.padEnd(WIDTHS.what),
    paint(status < 400 ? "green" : "yellow", String(status).padEnd(WIDTHS.status)),
    paint(
      connection.reused ? "dim" : "cyan",
      `#${connection.id} ${connection.reused ? "reused" : "new"}`.padEnd(WIDTHS.connection),
    ),
    ...times.map((ms) => paint("dim", msText(ms).padStart(WIDTHS.ms))),
  ].join("");
}
