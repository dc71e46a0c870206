/**
 * Responses that have no content, whatever their fields say: the fields are looked at all the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type HttpError, HttpRequest, type ParserMode } from "../../mod.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";

interface Outcome {
  readonly deviations?: readonly string[];
  readonly contentLength?: number | null;
  readonly error?: string;
  readonly reused: boolean;
}

const REFUSED: Outcome = { error: "ERR_MALFORMED_RESPONSE", reused: false };

/** What becomes of a response to HEAD with these fields, and of the request behind it. */
async function answerToHead(fields: string[], parser: ParserMode): Promise<Outcome> {
  return await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(["HTTP/1.1 200 OK", ...fields, "", ""].join("\r\n"));
    }
  }, async (server) => {
    const transport = steadyTransport({ parser });
    const send = () => transport.roundTrip(new HttpRequest(server.origin, { method: "HEAD" }));
    try {
      const { deviations, contentLength } = await send();
      const again = await send();
      return { deviations, contentLength, reused: again.connection.reused };
    } catch (error) {
      await server.connections[0].closed;
      return { error: (error as HttpError).code, reused: false };
    } finally {
      assert.equal(transport.stats().active, 0);
      transport.destroy();
    }
  });
}

const rows: [string[], Outcome, Outcome?][] = [
  [["Content-Length: 5"], { deviations: [], contentLength: 5, reused: true }],
  [["Transfer-Encoding: chunked"], { deviations: [], contentLength: null, reused: true }],
  [
    ["Content-Length: 5, 5"],
    { deviations: ["duplicate-content-length"], contentLength: 5, reused: false },
  ],
  [["Content-Length: 5", "Content-Length: 6"], REFUSED],
  [["Content-Length: 5", "Content-Length: x"], REFUSED],
  [["Content-Length: 030, 30"], REFUSED],
  [["Transfer-Encoding: xchunked"], REFUSED],
  [
    ["Transfer-Encoding: chunked, chunked"],
    REFUSED,
    { deviations: ["chunked-twice"], contentLength: null, reused: false },
  ],
  [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    REFUSED,
    {
      deviations: ["content-length-with-transfer-encoding"],
      contentLength: 5,
      reused: false,
    },
  ],
];

for (const [fields, strict, lenient = strict] of rows) {
  test(`M13 to HEAD: ${fields.join(", ")}`, async () => {
    assert.deepEqual(await answerToHead(fields, "strict"), strict);
    assert.deepEqual(await answerToHead(fields, "lenient"), lenient);
  });
}
