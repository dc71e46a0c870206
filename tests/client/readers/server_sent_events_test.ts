/**
 * Events of `text/event-stream`: the parsing of the standard, bounds, and what is left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Reader } from "../../../conn/conn.ts";
import {
  type BodyInput,
  HttpRequest,
  type ServerSentEvent,
  serverSentEvents,
  Transport,
} from "../../../mod.ts";
import { bytesOf, feed } from "../../support/feed.ts";
import { test } from "../../support/harness.ts";
import { withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

type Row = [type: string, data: string, lastEventId?: string, retryMs?: number | null];

async function* pieces(reader: Reader, roomBytes: number): AsyncGenerator<Uint8Array> {
  // The same array each time, as a body may do.
  const p = new Uint8Array(roomBytes);
  for (let n = await reader.read(p); n !== null; n = await reader.read(p)) yield p.subarray(0, n);
}

async function collected(input: BodyInput, maxEventBytes?: number): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  for await (const event of serverSentEvents(input, { maxEventBytes })) events.push(event);
  return events;
}

function events(...rows: Row[]): ServerSentEvent[] {
  return rows.map(([type, data, lastEventId = "", retryMs = null]) => ({
    type,
    data,
    lastEventId,
    retryMs,
  }));
}

const UTF8 = (text: string): Uint8Array => new TextEncoder().encode(text);

for (
  const [name, stream, expected] of [
    ["nothing", "", []],
    ["one line of data", "data: a\n\n", [["message", "a"]]],
    ["several lines of data", "data: a\ndata: b\ndata:\n\n", [["message", "a\nb\n"]]],
    ["CR, LF and CRLF", "data: a\r\rdata: b\n\ndata: c\r\n\r\n", [
      ["message", "a"],
      ["message", "b"],
      ["message", "c"],
    ]],
    ["CRLF then LF is one empty line more", "data: a\r\n\ndata: b\n\n", [
      ["message", "a"],
      ["message", "b"],
    ]],
    ["only one space is taken off", "data:a\n\ndata:  b\n\n", [["message", "a"], [
      "message",
      " b",
    ]]],
    ["data without a colon is an empty line", "data\n\ndata\ndata\n\n", [
      ["message", ""],
      ["message", "\n"],
    ]],
    ["a type holds for one event", "event: x\ndata: 1\n\ndata: 2\n\n", [["x", "1"], [
      "message",
      "2",
    ]]],
    ["a type without data is no event", "event: x\n\ndata: 2\n\n", [["message", "2"]]],
    ["an id stays", "id: 7\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n", [
      ["message", "1", "7"],
      ["message", "2", "7"],
      ["message", "3", ""],
    ]],
    ["an id without data counts", "id: 7\n\ndata: 2\n\n", [["message", "2", "7"]]],
    ["an id with NUL is ignored", "id: 7\nid: 8\0\ndata: 1\n\n", [["message", "1", "7"]]],
    ["retry is digits only", "retry: 10\ndata: 1\n\nretry: 1s\nretry: -1\nretry:\ndata: 2\n\n", [
      ["message", "1", "", 10],
      ["message", "2", "", 10],
    ]],
    ["comments and unknown fields", ": hello\n:\nfoo: bar\nDATA: no\n data: no\ndata: 1\n\n", [
      ["message", "1"],
    ]],
    ["a byte order mark at the beginning", "\ufeffdata: 1\n\n", [["message", "1"]]],
    ["a byte order mark later belongs to the name", "data: 0\n\n\ufeffdata: 1\n\n", [
      ["message", "0"],
    ]],
    ["two marks", "\ufeff\ufeffdata: 1\n\n", []],
    ["an event that the end cuts off", "data: 1\n\ndata: 2\n", [["message", "1"]]],
    ["a line that the end cuts off", "data: 1\n\ndata: 2", [["message", "1"]]],
    ["letters of several bytes", "data: \u00e9\u{1f600}\nevent: \u00e9\n\n", [
      ["\u00e9", "\u00e9\u{1f600}"],
    ]],
    ["colons in the value", "data: a: b:c\n\n", [["message", "a: b:c"]]],
  ] as [string, string, Row[]][]
) {
  test(`serverSentEvents(): ${name}`, async () => {
    const outcome = await feed(
      UTF8(stream),
      ({ input, roomBytes }) => collected(pieces(input, roomBytes)),
      false,
    );
    assert.deepEqual(outcome, { value: events(...expected) });
  });
}

for (
  const [name, stream, lastEventId, retryMs] of [
    ["nothing", "", "", null],
    ["the last event", "id: 7\nretry: 20\ndata: 1\n\n", "7", 20],
    ["behind the last event", "id: 7\ndata: 1\n\nid: 8\nretry: 30\n\n", "8", 30],
    ["without any event", "id: 7\n\nretry: 5\n\n", "7", 5],
    ["without an empty line", "id: 7\ndata: 1\n\nretry: 5\nid: 8\ndata: 2\n", "7", 5],
    ["an id that is taken back", "id: 7\n\nid\n\n", "", null],
    ["a line that the end cuts off", "id: 7\n\nretry: 5", "7", null],
  ] as [string, string, string, number | null][]
) {
  test(`M29 serverSentEvents() returns what was said last: ${name}`, async () => {
    const outcome = await feed(
      UTF8(stream),
      async ({ input, roomBytes }) => {
        const events = serverSentEvents(pieces(input, roomBytes));
        for (;;) {
          const { done, value } = await events.next();
          if (done) return value;
        }
      },
      false,
    );
    assert.deepEqual(outcome, { value: { lastEventId, retryMs } });
  });
}

test("M29 an event may have 16 MiB unless the caller says otherwise", async () => {
  const stream = (bytes: number) => new Blob(["data:", "x".repeat(bytes - 5), "\n\n"]).stream();
  const [{ data }] = await collected(stream(16 * 1024 * 1024));
  assert.equal(data.length, 16 * 1024 * 1024 - 5);
  await assert.rejects(collected(stream(16 * 1024 * 1024 + 1)), { code: "ERR_DECODE" });
});

test("serverSentEvents(): lines and events are bounded, comments are not summed", async () => {
  const over = (stream: string): Promise<unknown> =>
    feed(
      bytesOf(stream),
      ({ input, roomBytes }) => collected(pieces(input, roomBytes), 20),
      false,
    );
  const error = { error: "ERR_DECODE" };
  assert.deepEqual(await over("data: 901234567890123\n\n"), error);
  assert.deepEqual(await over("data: 901234567890123"), error);
  assert.deepEqual(await over("data: 89\ndata: 6\ndata: 23\n\n"), error);
  assert.deepEqual(await over("x".repeat(21)), error);
  const fits = "data: 9012345678901\n\n" + ": 34567890123\n".repeat(9) + "data: 9012345678901\n\n";
  assert.deepEqual(await over(fits), {
    value: events(["message", "9012345678901"], ["message", "9012345678901"]),
  });
});

test("T52 serverSentEvents(): a megabyte of line ends takes no time to speak of", async () => {
  for (const end of ["\r", "\n", "\r\n"]) {
    const bytes = bytesOf(end.repeat(1_000_000));
    assert.deepEqual(await collected(new Blob([bytes]).stream()), []);
  }
});

test("serverSentEvents(): refuses what holds no events", async () => {
  await assert.rejects(collected(5 as unknown as BodyInput), { code: "ERR_INVALID_REQUEST" });
  await assert.rejects(collected(new Blob(["data: 1\n\n"]).stream(), -1), {
    code: "ERR_INVALID_REQUEST",
  });
  await assert.rejects(collected(new Response("data: 1\n\n")), { code: "ERR_DECODE" });
  const headers = { "Content-Type": "Text/Event-Stream; charset=utf-8" };
  const response = new Response("data: 1\n\n", { headers });
  assert.deepEqual(await collected(response), events(["message", "1"]));
  await assert.rejects(collected(response), { code: "ERR_INVALID_REQUEST" });
});

test("serverSentEvents(): of a live response, each as it comes; leaving closes the connection", async () => {
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    const type = head.includes("/text") ? "text/plain" : "text/event-stream";
    await connection.send(
      `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    for (let n = 0; !connection.ended; n++) {
      const event = `data: ${n}\n\n`;
      await connection.send(`${event.length.toString(16)}\r\n${event}\r\n`);
      await connection.readBytes(1).catch(() => {});
    }
  }, async (server) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    for await (const { data } of serverSentEvents(response)) {
      // The server sends one, and waits: had it to come with the next, this would hang.
      assert.equal(data, "0");
      break;
    }
    await until("nothing is active", () => transport.stats().active === 0);
    const other = await transport.roundTrip(new HttpRequest(server.origin + "/text"));
    await assert.rejects(collected(other), { code: "ERR_DECODE" });
    await until("nothing is active", () => transport.stats().active === 0);
    const web = (await transport.roundTrip(new HttpRequest(server.origin))).toWeb();
    for await (const { data } of serverSentEvents(web)) {
      assert.equal(data, "0");
      break;
    }
    await until("nothing is active", () => transport.stats().active === 0);
    transport.destroy();
    await server.allClosed();
  });
});
