/**
 * Content that must fail is handed out by no way of reading it, and closed content neither.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import {
  createFetch,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  jsonLines,
  type RoundTripper,
  serverSentEvents,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, latin1, type RawHandler, withRawServer } from "../../support/raw_server.ts";
import { pause } from "../../support/waiting.ts";

/** A response whose content comes with its head, or (in parts) behind it. */
interface Answer {
  readonly lines: readonly string[];
  readonly content: Uint8Array;
  readonly inParts: boolean;
}

function serving({ lines, content, inParts }: Answer): RawHandler {
  const head = ["HTTP/1.1 200 OK", ...lines, `Content-Length: ${content.length}`].join("\r\n") +
    "\r\n\r\n";
  return async (connection) => {
    for (;;) {
      await connection.readHead();
      if (inParts) {
        await connection.send(head);
        await pause(2);
        await connection.send(content);
      } else {
        await connection.send(bytesOf(head + latin1(content)));
      }
    }
  };
}

async function all(pieces: AsyncIterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const piece of pieces) list.push(piece);
  return list;
}

async function readAll(response: HttpResponse): Promise<void> {
  const p = new Uint8Array(4096);
  while (await response.body.read(p) !== null);
}

/** Every way to read a response of a transport. */
const ways: Record<string, (response: HttpResponse) => Promise<unknown>> = {
  "read()": readAll,
  "bytes()": (response) => response.bytes(),
  "text()": (response) => response.text(),
  "json()": (response) => response.json(),
  "arrayBuffer()": (response) => response.arrayBuffer(),
  "blob()": (response) => response.blob(),
  "formData()": (response) => response.formData(),
  "iteration": (response) => all(response.body),
  "stream": (response) => new Response(response.body.stream).text(),
  "toWeb()": (response) => response.toWeb().text(),
  "jsonLines()": (response) => all(jsonLines(response)),
  "serverSentEvents()": (response) => all(serverSentEvents(response)),
};

/** The same for the platform's response. */
const webWays: Record<string, (response: Response) => Promise<unknown>> = {
  "text()": (response) => response.text(),
  "json()": (response) => response.json(),
  "arrayBuffer()": (response) => response.arrayBuffer(),
  "blob()": (response) => response.blob(),
  "body": (response) => all(response.body as unknown as AsyncIterable<unknown>),
  "clone()": (response) => response.clone().text(),
};

/** Content that must not be read, and by what request. */
const bad: Record<string, Omit<Answer, "inParts"> & { init: HttpRequestInit }> = {
  "six codings": {
    lines: [
      "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip",
      "Content-Type: text/event-stream",
    ],
    content: bytesOf("[1]"),
    init: {},
  },
  "a wrong Content-Digest": {
    lines: [`Content-Digest: sha-256=:${"A".repeat(43)}=:`, "Content-Type: text/event-stream"],
    content: bytesOf("[1]"),
    init: { digest: "require" },
  },
  "no digest where one is required": {
    lines: ["Content-Type: text/event-stream"],
    content: bytesOf("[1]"),
    init: { digest: "require" },
  },
  "a wrong integrity": {
    lines: ["Content-Type: text/event-stream"],
    content: bytesOf("[1]"),
    init: { integrity: `sha256-${"A".repeat(43)}=` },
  },
  "a wrong integrity of nothing": {
    lines: ["Content-Type: text/event-stream"],
    content: new Uint8Array(0),
    init: { integrity: `sha256-${"A".repeat(43)}=` },
  },
  "no gzip": {
    lines: ["Content-Encoding: gzip", "Content-Type: text/event-stream"],
    content: bytesOf("[1]"),
    init: { decompress: "known" },
  },
};

for (const [name, { init, ...answer }] of Object.entries(bad)) {
  test(`M3 content that must fail is not handed out: ${name}`, async () => {
    for (const inParts of [false, true]) {
      await withRawServer(serving({ ...answer, inParts }), async ({ origin }) => {
        const transport = new Transport();
        for (const [way, read] of Object.entries(ways)) {
          const response = await transport.roundTrip(new HttpRequest(origin, init));
          await assert.rejects(read(response), { code: "ERR_DECODE" }, way);
        }
        // What asks for the check is the caller's own transport.
        const asking: RoundTripper = {
          roundTrip: (request) => transport.roundTrip(request.with(init)),
        };
        const fetch = createFetch({ transport: asking });
        for (const [way, read] of Object.entries(webWays)) {
          const response = await fetch(origin);
          await assert.rejects(read(response), TypeError, `fetch: ${way}`);
        }
        // Each of them has told its exchange that it is over.
        await transport.close();
      });
    }
  });
}

test("M3 what is asked for and holds is handed out, and the exchange is over with it", async () => {
  const digest = createHash("sha256").update("[1]").digest("base64");
  const answer = { lines: [`Content-Digest: sha-256=:${digest}:`], content: bytesOf("[1]") };
  for (const inParts of [false, true]) {
    await withRawServer(serving({ ...answer, inParts }), async ({ origin }) => {
      const transport = new Transport();
      const seen: number[] = [];
      const fetch = createFetch({
        transport: {
          roundTrip: (request) =>
            transport.roundTrip(request.with({
              digest: "require",
              onDownloadProgress: ({ bytes }) => void seen.push(bytes),
            })),
        },
      });
      assert.equal(await (await fetch(origin)).text(), "[1]");
      assert.equal(seen.at(-1), 3);
      await transport.close();
    });
  }
});

const lines = ["Content-Type: text/event-stream"];

/** Contents and how they come: none of it may matter once a body was closed. */
const closed: Record<string, Answer> = {
  "with its head": { lines, content: bytesOf("[1]"), inParts: false },
  "behind its head": { lines, content: bytesOf("[1]"), inParts: true },
  "with its head, coded": {
    lines: [...lines, "Content-Encoding: gzip"],
    content: gzipSync("[1]"),
    inParts: false,
  },
  "not at all": { lines, content: new Uint8Array(0), inParts: false },
};

for (const [name, answer] of Object.entries(closed)) {
  test(`M9 a body that was closed is not read: it came ${name}`, async () => {
    await withRawServer(serving(answer), async ({ origin }) => {
      const transport = new Transport();
      for (const [way, read] of Object.entries(ways)) {
        // The platform's response to nothing has no body to read.
        if (way === "toWeb()" && answer.content.length === 0) continue;
        const response = await transport.roundTrip(new HttpRequest(origin));
        await response.body.close();
        await assert.rejects(
          read(response),
          { code: "ERR_BODY_CLOSED" },
          way,
        );
        await response.body.close();
      }
      await transport.close();
    });
  });
}

test("M9 a body that was closed when a part of it was read gives no more of it", async () => {
  await withRawServer(serving(closed["with its head"]), async ({ origin }) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(origin));
    const p = new Uint8Array(2);
    assert.equal(await response.body.read(p), 2);
    await response.body.close();
    await assert.rejects(response.body.read(p), { code: "ERR_BODY_CLOSED" });
    // What was read to its end has nothing left to close.
    const read = await transport.roundTrip(new HttpRequest(origin));
    assert.equal(await read.text(), "[1]");
    await read.body.close();
    assert.equal(await read.body.read(p), null);
    await transport.close();
  });
});
