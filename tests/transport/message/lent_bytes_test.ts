/**
 * Answers are taken from arrays that all connections share: each must be whole, and its own, however it
 * comes and however it is read.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createFetch, HttpRequest, type HttpResponse, Transport } from "../../../mod.ts";
import { bytesOf, seededRandom } from "../../support/feed.ts";
import { test } from "../../support/harness.ts";
import { latin1, type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

type Random = () => number;

const SIZES = [0, 1, 13, 900, 5_000, 16_384, 20_300, 65_536, 66_000, 140_000, 300_000];

/** Content whose every part names its request. */
function contentOf(path: string): string {
  const size = SIZES[Number(path.split("-")[1])];
  return `${path}|`.repeat(Math.ceil(size / (path.length + 1))).slice(0, size);
}

function answerTo(path: string, random: Random): string {
  const content = contentOf(path);
  const framing = path.split("-")[2];
  if (framing === "close") return `HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${content}`;
  if (framing === "length") {
    return `HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n${content}`;
  }
  let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const most = [content.length, 20_000, 700][Math.floor(random() * 3)];
  for (let at = 0; at < content.length;) {
    const data = content.slice(at, at + 1 + Math.floor(random() * most));
    text += `${data.length.toString(16)}\r\n${data}\r\n`;
    at += data.length;
  }
  return text + (random() < 0.3 ? "0\r\nX-After: yes\r\n\r\n" : "0\r\n\r\n");
}

/** Answers in one piece or in some, with turns of the event loop in between. */
async function serve(connection: RawConnection, random: Random): Promise<void> {
  for (;;) {
    const path = (await connection.readHead()).split(" ")[1];
    const answer = bytesOf(answerTo(path, random));
    const pieces = Math.floor(random() * 4);
    let at = 0;
    for (let n = 0; n < pieces; n++) {
      const to = at + Math.floor(random() ** 3 * (answer.length - at));
      await connection.send(answer.subarray(at, to));
      at = to;
      await pause(random() < 0.5 ? 0 : 1);
    }
    await connection.send(answer.subarray(at));
    if (path.includes("close")) return connection.end();
  }
}

async function byReads(response: HttpResponse, roomBytes: number): Promise<string> {
  const p = new Uint8Array(roomBytes);
  let text = "";
  for (let n = await response.body.read(p); n !== null; n = await response.body.read(p)) {
    text += latin1(p.subarray(0, n));
  }
  return text;
}

async function byPieces(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += latin1(piece);
  return text;
}

const MANNERS: Readonly<Record<string, (response: HttpResponse) => Promise<string>>> = {
  bytes: async (response) => {
    const bytes = await response.bytes();
    assert.equal(bytes.buffer.byteLength, bytes.length, "nothing else is in its buffer");
    return latin1(bytes);
  },
  text: (response) => response.text(),
  reads: (response) => byReads(response, 70_000),
  "small reads": (response) => byReads(response, 3_000),
  iteration: (response) => byPieces(response.body),
  stream: (response) => byPieces(response.body.stream),
  "a read, then the rest": async (response) => {
    const p = new Uint8Array(100);
    const n = await response.body.read(p) ?? 0;
    return latin1(p.subarray(0, n)) + latin1(await response.bytes());
  },
  "late": async (response) => {
    await pause(2);
    return latin1(await response.bytes());
  },
};

for (const framing of ["length", "chunked", "close"]) {
  test(`lent bytes: every answer is whole and its own, ${framing}`, async () => {
    const random = seededRandom(framing.length);
    await withRawServer((connection) => serve(connection, random), async (server) => {
      await using transport = new Transport();
      const names = Object.keys(MANNERS);
      const kept: [path: string, bytes: Uint8Array][] = [];
      await Promise.all(Array.from({ length: 10 }, async (_, loop) => {
        for (let n = 0; n < 22; n++) {
          const path = `/${loop}.${n}-${Math.floor(random() * SIZES.length)}-${framing}`;
          const response = await transport.roundTrip(new HttpRequest(server.origin + path));
          const name = names[Math.floor(random() * names.length)];
          if (name === "bytes") {
            const bytes = await response.bytes();
            kept.push([path, bytes]);
            continue;
          }
          const text = await MANNERS[name](response);
          assert.ok(text === contentOf(path), `${path} by ${name}: ${text.slice(0, 80)}`);
        }
      }));
      // What was given is not written into afterwards.
      for (const [path, bytes] of kept) assert.ok(latin1(bytes) === contentOf(path), path);
      assert.ok(kept.length > 10);
    });
  });
}

test("lent bytes: fetch gives every answer whole", async () => {
  const random = seededRandom(77);
  await withRawServer((connection) => serve(connection, random), async (server) => {
    await using transport = new Transport();
    const send = createFetch({ transport });
    await Promise.all(Array.from({ length: 6 }, async (_, loop) => {
      for (let n = 0; n < 15; n++) {
        const framing = random() < 0.5 ? "length" : "chunked";
        const path = `/${loop}.${n}-${Math.floor(random() * SIZES.length)}-${framing}`;
        const response = await send(server.origin + path);
        const text = random() < 0.5
          ? await response.text()
          : latin1(new Uint8Array(await response.arrayBuffer()));
        assert.ok(text === contentOf(path), `${path}: ${text.slice(0, 80)}`);
      }
    }));
  });
});

test("lent bytes: bytes behind an answer are no other's answer, and end the connection", async () => {
  const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
  for (const size of [13, 16_384, 65_536]) {
    const body = "x".repeat(size);
    for (const head of [`Content-Length: ${size}\r\n\r\n`, "Transfer-Encoding: chunked\r\n\r\n"]) {
      const chunks = `${size.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const answer = `HTTP/1.1 200 OK\r\n${head}${head.startsWith("C") ? body : chunks}`;
      await withRawServer(async (connection) => {
        for (;;) {
          await connection.readHead();
          await connection.send(answer + evil);
        }
      }, async (server) => {
        await using transport = new Transport();
        for (let n = 0; n < 3; n++) {
          const response = await transport.roundTrip(new HttpRequest(server.origin));
          assert.ok(await response.text() === body);
        }
        assert.equal(server.connections.length, 3);
      });
    }
  }
});

test("lent bytes: where memory is all gone, who reads is told and the connection is given up", async () => {
  const Given = globalThis.Uint8Array;
  const bytes = bytesOf("x".repeat(400_000));
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\n\r\n");
    await connection.send(bytes);
  }, async (server) => {
    await using transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    globalThis.Uint8Array = new Proxy(Given, {
      construct: (target, args, newTarget) => {
        const isLarge = typeof args[0] === "number" && args[0] > 200_000;
        if (isLarge) throw new RangeError("Array buffer allocation failed");
        return Reflect.construct(target, args, newTarget);
      },
    });
    try {
      await assert.rejects(response.bytes(), /allocation failed/);
    } finally {
      globalThis.Uint8Array = Given;
    }
    await until("the connection is closed", () => transport.stats().active === 0);
    assert.equal(transport.stats().idle, 0);
  });
});
