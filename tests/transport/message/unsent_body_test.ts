/**
 * Bodies of requests that end before a transport has taken them: their sources are let go.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Client, type CookieJar, createFetch, HttpRequest, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";

/** Sends a stream in a way that fails; how often the stream was cancelled. */
async function cancellations(
  send: (body: ReadableStream<Uint8Array>, transport: Transport) => Promise<unknown>,
): Promise<number> {
  let cancelled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: () => assert.fail("It was asked for"),
    cancel: () => void cancelled++,
  }, { highWaterMark: 0 });
  await using transport = new Transport();
  await assert.rejects(send(body, transport));
  return cancelled;
}

const NOWHERE = "http://127.0.0.1:9/";

test("an aborted fetch lets the stream of its body go", async () => {
  const signal = AbortSignal.abort();
  const init = { method: "POST", duplex: "half" } as const;
  const count = cancellations((body, transport) =>
    createFetch({ transport })(NOWHERE, { ...init, body, signal })
  );
  assert.equal(await count, 1);
});

test("a client whose jar fails, or whose signal is aborted, lets the stream go", async () => {
  const failing: CookieJar = {
    getCookieHeader: () => Promise.reject(new Error("jar")),
    setCookie: () => {},
  };
  const working: CookieJar = { getCookieHeader: () => "", setCookie: () => {} };
  const signal = AbortSignal.abort();
  for (const [jar, init] of [[failing, {}], [working, { signal }], [null, { signal }]] as const) {
    const count = cancellations((body, transport) =>
      new Client({ transport, jar }).post(NOWHERE, body, init)
    );
    assert.equal(await count, 1);
  }
});

test("a transport that knows no such scheme lets the stream go", async () => {
  const count = cancellations((body, transport) =>
    transport.roundTrip(new HttpRequest("no-such-scheme://a/", { method: "POST", body }))
  );
  assert.equal(await count, 1);
});
