/**
 * Sources of bodies that nothing was read from.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type BodySource,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

test("a source that is not read is let go, whatever the reason", async () => {
  let letGo = 0;
  const sources: (() => BodySource)[] = [
    () => new ReadableStream({ cancel: () => void letGo++ }),
    // As a stream of Node's.
    () => ({
      [Symbol.asyncIterator]: () => assert.fail("not to be read"),
      destroy: () => void letGo++,
    }),
    // As a generator.
    () => ({
      [Symbol.asyncIterator]: () => assert.fail("not to be read"),
      next: () => assert.fail("not to be read"),
      return: () => void letGo++,
    }),
  ];
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    }
  }, async (server) => {
    const closed = new Transport();
    await closed.close();
    const transport = new Transport({ expectContinueTimeoutMs: 0 });
    const post = (
      url: string,
      body: BodySource,
      init: HttpRequestInit = {},
      by: Transport = transport,
    ): Promise<HttpResponse> =>
      by.roundTrip(new HttpRequest(url, { method: "POST", body, ...init }));
    const exits: ((body: BodySource) => Promise<unknown>)[] = [
      (body) => post("http://127.0.0.1:1/", body),
      (body) => post(server.origin, body, { signal: AbortSignal.abort() }),
      (body) => post(server.origin, body, {}, closed),
      async (body) => {
        const headers = { "Expect": "100-continue" };
        const response = await post(server.origin, body, { headers });
        assert.equal(response.status, 403);
        assert.equal(await response.text(), "no");
        throw new Error("not sent");
      },
      // Made by a function, for the attempt that did not come about.
      (body) => post("http://127.0.0.1:1/", () => body),
    ];
    for (const exit of exits) {
      for (const source of sources) {
        const before = letGo;
        await assert.rejects(exit(source()));
        await until("the source was let go", () => letGo === before + 1);
      }
    }
    transport.destroy();
    await server.allClosed();
  });
});
