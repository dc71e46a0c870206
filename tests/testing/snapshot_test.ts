/**
 * Snapshots: recorded, replayed, updated.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../mod.ts";
import { mockTransport, snapshotTransport, TapeError } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import "../support/no_network.ts";

test("snapshotTransport() records, replays without a transport, and updates", async () => {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  const file = join(folder, "a.json");
  try {
    const mock = mockTransport();
    mock.expect("GET", "/json").reply(200, { a: [1] }, { "Set-Cookie": "id=secret" });
    mock.expect("GET", "/bytes").reply(200, new Uint8Array([0, 255]));
    mock.expect("POST", "/text", { body: "one" }).reply(201, "first");
    mock.expect("POST", "/text", { body: "two" }).reply(201, "second");
    const ask = async (client: Client): Promise<unknown[]> => [
      await (await client.get("https://a.test/json", { headers: { Authorization: "secret" } }))
        .json(),
      [...await (await client.get("https://a.test/bytes")).bytes()],
      await (await client.post("https://a.test/text", "two")).text(),
      await (await client.post("https://a.test/text", "one")).text(),
    ];
    const recording = snapshotTransport(file, { mode: "record", transport: mock });
    const answers = await ask(new Client({ transport: recording }));
    assert.deepEqual(answers, [{ a: [1] }, [0, 255], "second", "first"]);
    await recording.save();
    const text = await readFile(file, "utf8");
    assert.doesNotMatch(text, /secret/);
    assert.match(text, /"json": \{\n\s+"a": \[\n\s+1\n/);
    assert.match(text, /"base64": "AP8="/);

    const replaying = snapshotTransport(file, { mode: "replay" });
    const client = new Client({ transport: replaying });
    assert.deepEqual(await ask(client), answers);
    await assert.rejects(
      client.get("https://a.test/json"),
      (error) =>
        error instanceof TapeError &&
        /no further answer to GET https:\/\/a\.test\/json/.test(error.message),
    );

    mock.expect("GET", "/new").reply(200, "new");
    const updating = snapshotTransport(file, { mode: "update", transport: mock });
    const updated = new Client({ transport: updating });
    assert.deepEqual(await ask(updated), answers);
    assert.equal(await (await updated.get("https://a.test/new")).text(), "new");
    await updating.save();
    mock.assertDone();
    assert.equal(JSON.parse(await readFile(file, "utf8")).exchanges.length, 5);
    const missing = snapshotTransport(join(folder, "none.json"), { mode: "replay" });
    await assert.rejects(new Client({ transport: missing }).get("https://a.test/"), TapeError);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("snapshotTransport() refuses options that make no sense", () => {
  const refused = { code: "ERR_INVALID_REQUEST" };
  assert.throws(() => snapshotTransport("a", { mode: "record" }), refused);
  assert.throws(() => snapshotTransport("a", { mode: "play" } as never), refused);
  assert.throws(() => snapshotTransport("a", { mode: "replay", file: 1 } as never), refused);
});
