/**
 * A server that refuses a large upload by its head and closes at once, from a process of its own: the
 * refusal is what the caller gets, not that the upload broke.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type BodySource, HttpRequest, type TlsOptions, Transport } from "../../mod.ts";
import { ca } from "../support/certs.ts";
import { startProgram } from "../fixtures/cli_run.ts";
import { test } from "../support/harness.ts";

const TRIES = 20;

const bodies: Readonly<Record<string, () => BodySource>> = {
  "bytes": () => new Uint8Array(16 * 1024 * 1024),
  "a stream": async function* () {
    for (let n = 0; n < 256; n++) yield new Uint8Array(64 * 1024);
  } as unknown as () => BodySource,
};

/** By the word that ends the test's name: how to get there. */
const routes: Readonly<Record<string, TlsOptions | null>> = {
  "plain": null,
  "over TLS": { caCerts: [ca] },
  "over the second engine": { caCerts: [ca], verifyPeer: () => {} },
};

for (const [kind, body] of Object.entries(bodies)) {
  for (const [route, tls] of Object.entries(routes)) {
    test(`upload: an early refusal is heard although writing fails, with ${kind}, ${route}`, async () => {
      const server = startProgram("tests/fixtures/refusing_server.ts", tls === null ? [] : ["tls"]);
      const exited = once(server, "exit");
      try {
        const [line] = await once(server.stdout!, "data") as [Uint8Array];
        const port = new TextDecoder().decode(line).trim();
        const url = `${tls === null ? "http" : "https"}://127.0.0.1:${port}/`;
        for (let n = 0; n < TRIES; n++) {
          const transport = new Transport({ tls: tls ?? {} });
          const request = new HttpRequest(url, { method: "POST", body: body() });
          const response = await transport.roundTrip(request);
          assert.deepEqual([response.status, await response.text()], [403, "no"]);
          await transport.close();
          assert.equal(transport.stats().total, 0);
        }
      } finally {
        server.stdin!.end();
        await exited;
      }
    });
  }
}
