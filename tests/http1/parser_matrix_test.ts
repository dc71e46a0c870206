/**
 * The parser matrix over real sockets: the outcome, the fate of the connection, and that nothing stays behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type HttpError,
  HttpRequest,
  type HttpResponse,
  type ParserMode,
  type Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { MATRIX, type MatrixRow, type Outcome } from "../support/parser_matrix.ts";
import { withRawServer } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";

const NEXT = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";

function expected(row: MatrixRow, mode: ParserMode): Outcome {
  if (mode === "strict") return row.strict;
  if (row.lenient !== undefined) return row.lenient;
  const { strict } = row;
  return "error" in strict || strict.deviations === undefined
    ? strict
    : { ...strict, reused: false };
}

async function observed(transport: Transport, url: string): Promise<Outcome> {
  let response: HttpResponse;
  try {
    response = await transport.roundTrip(new HttpRequest(url));
  } catch (error) {
    return { error: (error as HttpError).code };
  }
  const { status, deviations } = response;
  try {
    const body = await response.text();
    return { status, body, deviations: [...deviations], reused: false };
  } catch (error) {
    await assert.rejects(response.trailers, (again) => again === error);
    return { error: (error as HttpError).code, at: "body" };
  }
}

async function check(row: MatrixRow, mode: ParserMode): Promise<void> {
  const outcome = expected(row, mode);
  await withRawServer(async (connection) => {
    for (let n = 0;; n++) {
      await connection.readHead();
      if (connection.index > 0 || n > 0) {
        await connection.send(NEXT);
        continue;
      }
      await connection.send(row.sends);
      if (row.ends) connection.end();
    }
  }, async (server) => {
    const transport = steadyTransport({ parser: mode });
    const seen = await observed(transport, server.origin);
    const first = server.connections[0];
    const keeps = "reused" in outcome && outcome.reused;
    assert.deepEqual(
      seen,
      "error" in outcome ? outcome : {
        status: 200,
        deviations: [],
        ...outcome,
        reused: false,
      },
    );
    assert.equal(transport.stats().active, 0);
    // Whoever closes: the client must, when the server has said that it goes on.
    if (!keeps) await first.closed;
    const next = await transport.roundTrip(new HttpRequest(server.origin));
    assert.equal(await next.text(), "next");
    assert.equal(next.connection.reused, keeps);
    assert.equal(server.connections.length, keeps ? 1 : 2);
    transport.destroy();
    assert.equal(transport.stats().total, 0);
    await server.allClosed();
  });
}

for (const row of MATRIX) {
  for (const mode of ["strict", "lenient"] as const) {
    const name = /^M\d/.test(row.name)
      ? `${row.name}, matrix, ${mode}`
      : `matrix, ${mode}: ${row.name}`;
    test(name, () => check(row, mode));
  }
}

test("matrix: names are unique", () => {
  assert.equal(new Set(MATRIX.map(({ name }) => name)).size, MATRIX.length);
});
