/**
 * Programs that call `fetch` and know nothing of us, with `createFetch()` in its place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { EventSource } from "eventsource";
import ky, { HTTPError } from "ky";
import { createFetch, httpErrorOf, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { type RawConnection, withRawServer } from "../../support/raw_server.ts";

/** Runs with `globalThis.fetch` replaced, and puts it back. */
async function withOurFetch(run: () => Promise<void>): Promise<void> {
  const transport = new Transport();
  const own = globalThis.fetch;
  globalThis.fetch = createFetch({ transport });
  try {
    await run();
  } finally {
    globalThis.fetch = own;
    await transport.close();
  }
}

interface Heard {
  readonly line: string;
  readonly head: string;
  readonly body: string;
}

async function hear(connection: RawConnection): Promise<Heard> {
  const head = await connection.readHead();
  const length = /content-length: *(\d+)/i.exec(head)?.[1] ?? "0";
  return {
    line: head.slice(0, head.indexOf("\r\n")),
    head,
    body: await connection.readBytes(Number(length)),
  };
}

function answer(status: string, body: string, ...fields: string[]): string {
  const lines = [
    `HTTP/1.1 ${status}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    ...fields,
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

test("fetch: ky sends JSON, repeats what was refused for a while, and reads the answer", async () => {
  const heard: Heard[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      heard.push(await hear(connection));
      await connection.send(
        heard.length === 1
          ? answer("503 Busy", '{"no":1}', "Retry-After: 0")
          : answer("200 OK", '{"yes":[1,2]}'),
      );
    }
  }, async (server) => {
    await withOurFetch(async () => {
      const result = await ky.put("items/7", {
        prefix: server.origin,
        json: { name: "value" },
        searchParams: { q: "a b" },
        retry: { limit: 2, delay: () => 1, jitter: false },
      }).json();
      assert.deepEqual(result, { yes: [1, 2] });
    });
    assert.equal(heard.length, 2);
    for (const { line, head, body } of heard) {
      assert.equal(line, "PUT /items/7?q=a+b HTTP/1.1");
      assert.match(head, /^content-type: application\/json/im);
      assert.doesNotMatch(head, /transfer-encoding/i);
      assert.equal(body, '{"name":"value"}');
    }
    assert.equal(server.connections.length, 1);
  });
});

test("fetch: ky tells of an error with its body, and of a time that ran out", async () => {
  await withRawServer(async (connection) => {
    const { line } = await hear(connection);
    if (line.startsWith("GET /slow")) await connection.clientEnded;
    else await connection.send(answer("404 Not Found", '{"why":"gone"}'));
  }, async (server) => {
    await withOurFetch(async () => {
      const refused = await ky.get(server.origin).then(() => null, (error: unknown) => error);
      assert.ok(refused instanceof HTTPError, String(refused));
      assert.equal(refused.response.status, 404);
      assert.deepEqual(refused.data, { why: "gone" });
      await assert.rejects(
        ky.get(server.origin + "/slow", { timeout: 50, retry: 0 }),
        { name: "TimeoutError" },
      );
    });
  });
});

test("M15 ky tries again where the network broke, and tells of it as of a network error", async () => {
  let requests = 0;
  await withRawServer(async (connection) => {
    const { line } = await hear(connection);
    requests++;
    if (line.startsWith("GET /never") || requests < 3) connection.reset();
    else await connection.send(answer("200 OK", '{"yes":1}', "Connection: close"));
  }, async (server) => {
    await withOurFetch(async () => {
      const retry = { limit: 2, delay: () => 1, jitter: false };
      const result = await ky.put(server.origin, { json: { a: 1 }, retry }).json();
      assert.deepEqual([result, requests], [{ yes: 1 }, 3]);
      requests = 0;
      await assert.rejects(
        ky.get(server.origin + "/never", { retry }),
        (error: Error) => error.name === "NetworkError" && httpErrorOf(error) !== null,
      );
      assert.equal(requests, 3);
    });
  });
});

test("fetch: eventsource reads events as they come, and asks again from the last one", async () => {
  const heads: string[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      heads.push(await connection.readHead());
      await connection.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
      );
      const event = `retry: 1\nid: ${heads.length}\ndata: event ${heads.length}\n\n`;
      await connection.send(`${event.length.toString(16)}\r\n${event}\r\n`);
      if (heads.length === 1) await connection.send("0\r\n\r\n");
    }
  }, async (server) => {
    await withOurFetch(async () => {
      const source = new EventSource(server.origin);
      const events: string[] = [];
      await new Promise<void>((resolve) => {
        source.addEventListener("message", (event) => {
          events.push(`${event.lastEventId} ${event.data}`);
          if (events.length === 2) resolve();
        });
      });
      source.close();
      assert.deepEqual(events, ["1 event 1", "2 event 2"]);
      assert.match(heads[0], /^accept: text\/event-stream/im);
      assert.match(heads[1], /^last-event-id: 1/im);
    });
  });
});
