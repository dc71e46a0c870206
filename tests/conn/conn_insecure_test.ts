/**
 * `insecureSkipVerify` is loud, in a file of its own: it is told once in a process.
 *
 * @module
 */
import assert from "node:assert/strict";
import { systemDialer } from "../../conn/mod.ts";
import * as certs from "../support/certs.ts";
import { socketPeer } from "../support/conn_links.ts";
import { listen } from "../support/conn_servers.ts";
import { test } from "../support/harness.ts";

test("tls: the first connection that checks nothing is told, by the option's name", async () => {
  const said: unknown[][] = [];
  const { warn } = console;
  console.warn = (...words: unknown[]) => void said.push(words);
  const server = await listen({ tls: { ...certs.localhost } });
  try {
    const counts: number[] = [];
    for (const insecureSkipVerify of [false, true, true]) {
      const tls = { caCerts: [certs.ca], insecureSkipVerify };
      const conn = await systemDialer().dial(server.address, { tls });
      const peer = socketPeer(await server.accept());
      conn.close();
      await peer.receive(1);
      counts.push(said.length);
    }
    assert.deepEqual(counts, [0, 1, 1]);
    assert.match(String(said[0]), /insecureSkipVerify/);
  } finally {
    console.warn = warn;
    await server.close();
  }
});
