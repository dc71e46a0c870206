/**
 * Content codings that the transport takes off, asked for by itself or by the caller.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import {
  brotliCompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import {
  decodableCodings,
  type HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { ConnectionEndedError, latin1, withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

const TEXT = "some text, some text, some text";

interface Coded {
  readonly lines: readonly string[];
  readonly content: Uint8Array;
  readonly init?: HttpRequestInit;
  readonly options?: TransportOptions;
  /** Called with the head of the request. */
  readonly onHead?: (head: string) => void;
  /** Send content in pieces of this many bytes, chunked. Default: whole, with its length. */
  readonly pieceBytes?: number;
}

/** One response with coded content; the connection must be free at the end, or gone. */
async function withCoded<T>(
  { lines, content, init, options, onHead, pieceBytes }: Coded,
  run: (response: HttpResponse) => Promise<T>,
): Promise<T> {
  return await withRawServer(async (connection) => {
    const head = await connection.readHead();
    onHead?.(head);
    const framing = pieceBytes === undefined
      ? `Content-Length: ${content.length}`
      : "Transfer-Encoding: chunked";
    await connection.send(["HTTP/1.1 200 OK", ...lines, framing, "", ""].join("\r\n"));
    if (init?.method === "HEAD") return;
    if (pieceBytes === undefined) return await connection.send(content);
    for (let at = 0; at < content.length; at += pieceBytes) {
      const piece = latin1(content.subarray(at, at + pieceBytes));
      await connection.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await connection.send("0\r\n\r\n");
  }, async (server) => {
    const transport = new Transport(options);
    const response = await transport.roundTrip(new HttpRequest(server.origin, init));
    const result = await run(response);
    await until("nothing is active", () => transport.stats().active === 0);
    transport.destroy();
    await server.allClosed();
    return result;
  });
}

test("decoding: gzip that was asked for by the transport", async () => {
  for (const pieceBytes of [undefined, 1, 7]) {
    await withCoded({
      lines: ["content-encoding: GZip", "X-A: 1"],
      content: gzipSync(TEXT),
      pieceBytes,
    }, async (response) => {
      assert.equal(response.uncompressed, true);
      assert.equal(response.headers.has("Content-Encoding"), false);
      assert.equal(response.headers.has("Content-Length"), false);
      assert.equal(response.headers.get("X-A"), "1");
      assert.equal(response.contentLength, null);
      assert.equal(await response.text(), TEXT);
    });
  }
});

test("decoding: x-gzip, deflate with and without its wrapper, br, zstd, two codings", async () => {
  const rows: [string[], Uint8Array][] = [
    [["Content-Encoding: x-gzip"], gzipSync(TEXT)],
    [["Content-Encoding: deflate"], deflateSync(TEXT)],
    [["Content-Encoding: deflate"], deflateRawSync(TEXT)],
    [["Content-Encoding: deflate, gzip"], gzipSync(deflateSync(TEXT))],
    [["Content-Encoding: br"], brotliCompressSync(TEXT)],
    [["Content-Encoding: zstd"], zstdCompressSync(TEXT)],
    [["Content-Encoding: zstd, br"], brotliCompressSync(zstdCompressSync(TEXT))],
    [
      ["Content-Encoding: gzip", "Content-Encoding: identity, deflate"],
      deflateSync(gzipSync(TEXT)),
    ],
  ];
  for (const [lines, content] of rows) {
    await withCoded({ lines, content }, async (response) => {
      assert.equal(response.uncompressed, true);
      assert.equal(await response.text(), TEXT);
    });
  }
});

test("decoding: what cannot be taken off is left as it is", async () => {
  const rows: [string, Uint8Array][] = [
    ["aws-chunked", new TextEncoder().encode(TEXT)],
    ["gzip, unknown", gzipSync(TEXT)],
    ["identity", new TextEncoder().encode(TEXT)],
    ["", new TextEncoder().encode(TEXT)],
  ];
  for (const [codings, content] of rows) {
    await withCoded({ lines: [`Content-Encoding: ${codings}`], content }, async (response) => {
      assert.equal(response.uncompressed, false);
      assert.equal(response.headers.get("Content-Encoding"), codings);
      assert.equal(response.contentLength, content.length);
      assert.deepEqual(await response.bytes(), new Uint8Array(content));
    });
  }
});

test("decoding: only where it was undertaken", async () => {
  const lines = ["Content-Encoding: gzip"];
  const content = gzipSync(TEXT);
  const rows: [HttpRequestInit, boolean][] = [
    [{}, true],
    [{ decompress: false }, false],
    [{ headers: { "Accept-Encoding": "gzip" } }, false],
    [{ headers: { "Accept-Encoding": "gzip" }, decompress: true }, true],
    [{ headers: { "Range": "bytes=0-" } }, false],
    [{ headers: { "Range": "bytes=0-" }, decompress: true }, true],
  ];
  for (const [init, decoded] of rows) {
    await withCoded({ lines, content, init }, async (response) => {
      assert.equal(response.uncompressed, decoded);
      const bytes = await response.bytes();
      assert.equal(
        decoded ? new TextDecoder().decode(bytes) : bytes.length,
        decoded ? TEXT : content.length,
      );
    });
  }
});

test("decoding: HEAD keeps the fields of the coded form", async () => {
  await withCoded({
    lines: ["Content-Encoding: gzip"],
    content: gzipSync(TEXT),
    init: { method: "HEAD", decompress: true },
  }, async (response) => {
    assert.equal(response.uncompressed, false);
    assert.equal(response.headers.get("Content-Encoding"), "gzip");
    assert.equal((await response.bytes()).length, 0);
  });
});

test("decoding: empty content has no coded form", async () => {
  await withCoded(
    { lines: ["Content-Encoding: gzip"], content: new Uint8Array(0) },
    async (response) => {
      assert.equal(await response.text(), "");
    },
  );
});

test("T53 after an error of decoding nothing is active and the trailers are told", async () => {
  const whole = gzipSync(TEXT.repeat(1_000));
  const broken = new Uint8Array(whole);
  broken.fill(0xff, 12, 40);
  const rows: [string, Uint8Array, number | undefined][] = [
    ["not gzip", new TextEncoder().encode("this is not gzip at all"), undefined],
    ["not gzip, chunked", new TextEncoder().encode("this is not gzip at all"), 5],
    ["broken inside", broken, undefined],
    ["cut short", whole.subarray(0, whole.length - 9), undefined],
    ["cut short, chunked", whole.subarray(0, whole.length - 9), 16],
  ];
  for (const [name, content, pieceBytes] of rows) {
    await withCoded(
      { lines: ["Content-Encoding: gzip"], content, pieceBytes },
      async (response) => {
        await assert.rejects(response.bytes(), (error) => {
          const { code, phase, attempt } = error as {
            code: string;
            phase: string;
            attempt: object;
          };
          assert.deepEqual([code, phase], ["ERR_DECODE", "body"], name);
          assert.equal((attempt as { verdict: string }).verdict, "answered");
          return true;
        });
        await assert.rejects(response.trailers, { code: "ERR_DECODE" });
        await assert.rejects(response.body.read(new Uint8Array(1)), { code: "ERR_DECODE" });
      },
    );
  }
});

test("T48 a body that expands a thousandfold is made as it is read, and dropped undecoded", async () => {
  const content = gzipSync(new Uint8Array(10_000_000));
  assert.ok(content.length < 20_000);
  await withCoded({ lines: ["Content-Encoding: gzip"], content }, async (response) => {
    const p = new Uint8Array(1_024);
    for (let i = 0; i < 10; i++) assert.equal(await response.body.read(p), 1_024);
    await response.body.close();
    await assert.rejects(response.body.read(p), { code: "ERR_BODY_CLOSED" });
  });
  await withCoded(
    { lines: ["Content-Encoding: gzip"], content, pieceBytes: 4_096 },
    async (response) => {
      await response.body.close();
    },
  );
  await withCoded(
    { lines: ["Content-Encoding: gzip"], content, pieceBytes: 4_096 },
    async (response) => {
      assert.equal((await response.bytes()).length, 10_000_000);
    },
  );
});

test("T47 more than two layers of content coding are an error, counted over all field lines", async () => {
  let six: Uint8Array = new TextEncoder().encode(TEXT);
  for (let i = 0; i < 6; i++) six = gzipSync(six);
  const three = gzipSync(gzipSync(gzipSync(TEXT)));
  const rows: [string[], Uint8Array][] = [
    [["Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip"], six],
    [Array.from({ length: 6 }, () => "Content-Encoding: gzip"), six],
    [["Content-Encoding: gzip, identity", "X-A: 1", "content-encoding: gzip,gzip"], three],
    [["Content-Encoding: gzip, unknown, gzip"], three],
  ];
  for (const [lines, content] of rows) {
    for (const pieceBytes of [undefined, 16]) {
      for (const init of [{}, { decompress: true }]) {
        await withCoded({ lines, content, init, pieceBytes }, async (response) => {
          assert.equal(response.uncompressed, false);
          assert.ok(response.headers.has("Content-Encoding"));
          await assert.rejects(response.bytes(), { code: "ERR_DECODE", phase: "body" });
          await assert.rejects(response.trailers, { code: "ERR_DECODE" });
        });
      }
      await withCoded(
        { lines, content, init: { decompress: false }, pieceBytes },
        async (response) => {
          assert.deepEqual(await response.bytes(), new Uint8Array(content));
        },
      );
    }
  }
  const options = { maxContentCodings: 6 };
  await withCoded({ lines: rows[1][0], content: six, options }, async (response) => {
    assert.equal(await response.text(), TEXT);
  });
});

test("decoding: an unknown coding is an error where the caller counts on decoded content", async () => {
  for (const coding of ["unknown", "gzip, unknown", "compress"]) {
    for (const pieceBytes of [undefined, 16]) {
      await withCoded({
        lines: [`Content-Encoding: ${coding}`],
        content: gzipSync(TEXT),
        init: { decompress: true },
        pieceBytes,
      }, async (response) => {
        assert.equal(response.status, 200);
        await assert.rejects(response.text(), (error: Error) => {
          assert.match(error.message, /unknown|compress/);
          return (error as unknown as { code: string }).code === "ERR_DECODE";
        });
      });
    }
  }
});

test("decoding: what is asked for is what the transport was told to ask for, and can take off", async () => {
  const rows: [TransportOptions, HttpRequestInit, string | null][] = [
    [{}, {}, "gzip"],
    [{ acceptEncoding: decodableCodings() }, {}, "gzip, deflate, br, zstd"],
    [{ acceptEncoding: ["br"] }, {}, "br"],
    [{ acceptEncoding: [] }, {}, null],
    [{ acceptEncoding: ["br"], disableCompression: true }, {}, null],
    [{ acceptEncoding: ["br"] }, { decompress: false }, null],
    [{ acceptEncoding: ["br"] }, { headers: { "Accept-Encoding": "zstd" } }, "zstd"],
  ];
  for (const [options, init, expected] of rows) {
    let head = "";
    const onHead = (text: string): void => void (head = text);
    const content = new TextEncoder().encode(TEXT);
    await withCoded({ lines: [], content, options, init, onHead }, async (response) => {
      assert.equal(await response.text(), TEXT);
    });
    assert.equal(/^Accept-Encoding: (.*)\r$/m.exec(head)?.[1] ?? null, expected);
  }
  for (const acceptEncoding of ["gzip", ["compress"], [1]]) {
    assert.throws(() => new Transport({ acceptEncoding: acceptEncoding as "gzip"[] }), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});

test("T48 a body that expands too far is an error, by each layer and by both together", async () => {
  const zeros = new Uint8Array(6_000_000);
  const rows: [string, Uint8Array, TransportOptions, boolean][] = [
    ["br", brotliCompressSync(zeros), {}, false],
    ["br", brotliCompressSync(zeros), { maxExpansionRatio: 0 }, true],
    ["gzip", gzipSync(zeros), {}, true],
    ["gzip", gzipSync(zeros), { maxExpansionRatio: 100 }, false],
    // Each layer alone stays under it.
    ["gzip, gzip", gzipSync(gzipSync(zeros)), { maxExpansionRatio: 1100 }, false],
    ["gzip, gzip", gzipSync(gzipSync(zeros)), { maxExpansionRatio: 1_000_000 }, true],
  ];
  for (const [codings, content, options, fits] of rows) {
    for (const pieceBytes of [undefined, 4_096]) {
      const lines = [`Content-Encoding: ${codings}`];
      await withCoded({ lines, content, options, pieceBytes }, async (response) => {
        if (fits) assert.equal((await response.bytes()).length, zeros.length, codings);
        else await assert.rejects(response.bytes(), { code: "ERR_DECODE" }, codings);
      });
    }
  }
});

/** What came of reading a body: its length and digest, or the code of the error. */
async function outcome(read: () => Promise<Uint8Array>): Promise<string> {
  try {
    const bytes = await read();
    return `${bytes.length} bytes, ${createHash("sha256").update(bytes).digest("base64")}`;
  } catch (error) {
    const { code, phase } = error as HttpError;
    return `${code} in ${phase}`;
  }
}

async function piecewise(response: HttpResponse, roomBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const p = new Uint8Array(roomBytes);
  for (let n = await response.body.read(p); n !== null; n = await response.body.read(p)) {
    pieces.push(p.slice(0, n));
  }
  return Buffer.concat(pieces);
}

const codecs: Record<string, (content: Uint8Array) => Uint8Array> = {
  gzip: (content) => gzipSync(content),
  deflate: (content) => deflateSync(content),
  br: (content) => brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
  zstd: (content) => zstdCompressSync(content),
};

const codedBodies = fc.record({
  codings: fc.array(fc.constantFrom(...Object.keys(codecs)), { minLength: 1, maxLength: 3 }),
  /** Some compress to nothing, some not at all; some expand too far. */
  size: fc.oneof(fc.nat(40_000), fc.nat(3_000_000)),
  step: fc.nat(2),
  harm: fc.constantFrom("none", "none", "cut", "changed", "followed", "padded"),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  pieceBytes: fc.constantFrom(null, null, 1_000, 20_000),
  maxExpansionRatio: fc.constantFrom(0, 1, 30, 1_000),
  integrity: fc.constantFrom("none", "right", "wrong"),
  roomBytes: fc.integer({ min: 1_000, max: 70_000 }),
});

test("T47 T48 T53 decoding: bytes() comes to what reading piece by piece comes to, whatever is sent", async () => {
  let head = "";
  let content: Uint8Array = new Uint8Array(0);
  let pieceBytes: number | null = null;
  const told: Record<string, number> = {};
  await withRawServer(async (connection) => {
    try {
      for (;;) {
        await connection.readHead();
        await connection.send(head);
        if (pieceBytes === null) await connection.send(content);
        for (let at = 0; pieceBytes !== null && at <= content.length; at += pieceBytes) {
          const piece = latin1(content.subarray(at, at + pieceBytes));
          if (piece !== "") await connection.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
        }
        if (pieceBytes !== null) await connection.send("0\r\n\r\n");
      }
    } catch (error) {
      if (!(error instanceof ConnectionEndedError)) throw error;
    }
  }, async (server) => {
    await fc.assert(
      fc.asyncProperty(codedBodies, async (one) => {
        const original = new Uint8Array(one.size);
        for (let i = 0; i < one.size; i++) original[i] = Math.imul(i, one.step * 2654435) >>> 13;
        content = original;
        for (const coding of one.codings) content = codecs[coding](content);
        const at = Math.floor(one.at * content.length);
        if (one.harm === "cut") content = content.subarray(0, at);
        if (one.harm === "changed" && content.length > 0) {
          content = Uint8Array.from(content);
          content[Math.min(at, content.length - 1)] ^= 0x11;
        }
        if (one.harm === "followed") content = Buffer.concat([content, Buffer.from("more")]);
        if (one.harm === "padded") content = Buffer.concat([content, new Uint8Array(9)]);
        pieceBytes = one.pieceBytes;
        const framing = pieceBytes === null
          ? `Content-Length: ${content.length}`
          : "Transfer-Encoding: chunked";
        head = [
          "HTTP/1.1 200 OK",
          ...one.codings.map((coding) => `Content-Encoding: ${coding}`),
          framing,
          "",
          "",
        ].join("\r\n");
        const stated = createHash("sha256").update(
          one.integrity === "right" ? original : "something else",
        ).digest("base64");
        const transport = new Transport({ maxExpansionRatio: one.maxExpansionRatio });
        const came: number[] = [];
        const get = (): Promise<HttpResponse> => {
          came.unshift(0);
          return transport.roundTrip(
            new HttpRequest(server.origin, {
              onDownloadProgress: ({ bytes }) => void (came[0] = bytes),
              ...one.integrity === "none" ? {} : { integrity: `sha256-${stated}` },
            }),
          );
        };
        try {
          const whole = await get();
          const once = await outcome(() => whole.bytes());
          await until("nothing is active", () => transport.stats().active === 0);
          const other = await get();
          const byPieces = await outcome(() => piecewise(other, one.roomBytes));
          await until("nothing is active", () => transport.stats().active === 0);
          assert.equal(once, byPieces);
          if (!once.startsWith("ERR")) assert.deepEqual(came, [content.length, content.length]);
          const kind = once.startsWith("ERR") ? once : "bytes";
          told[kind] = (told[kind] ?? 0) + 1;
          // Once more: whoever asks again is told that it was asked for.
          await assert.rejects(whole.bytes());
        } finally {
          transport.destroy();
        }
      }),
      { numRuns: 60 },
    );
  });
  assert.deepEqual(Object.keys(told).sort(), ["ERR_DECODE in body", "bytes"]);
});

test("decoding: bytes() behind a read, beside a read, and closed", async () => {
  const content = gzipSync(TEXT);
  const lines = ["Content-Encoding: gzip"];
  for (const pieceBytes of [undefined, 5]) {
    await withCoded({ lines, content, pieceBytes }, async (response) => {
      const p = new Uint8Array(4);
      assert.equal(await response.body.read(p), 4);
      assert.equal(await response.text(), TEXT.slice(4));
    });
  }
  const held = async (run: (response: HttpResponse, goOn: () => void) => Promise<void>) => {
    const rest = Promise.withResolvers<void>();
    await withRawServer(async (connection) => {
      await connection.readHead();
      const head = `HTTP/1.1 200 OK\r\n${lines[0]}\r\nContent-Length: ${content.length}\r\n\r\n`;
      await connection.send(head + latin1(content.subarray(0, 9)));
      await rest.promise;
      await connection.send(content.subarray(9));
    }, async (server) => {
      const transport = new Transport();
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      await run(response, rest.resolve);
      rest.resolve();
      await until("nothing is active", () => transport.stats().active === 0);
      transport.destroy();
      await server.allClosed();
    });
  };
  await held(async (response, goOn) => {
    const reading = response.bytes();
    await assert.rejects(response.body.read(new Uint8Array(4)), { code: "ERR_INVALID_REQUEST" });
    goOn();
    assert.equal(new TextDecoder().decode(await reading), TEXT);
    assert.equal(await response.body.read(new Uint8Array(4)), null);
    await assert.rejects(response.bytes(), { code: "ERR_BODY_CLOSED" });
  });
  await held(async (response, goOn) => {
    const closed = assert.rejects(response.bytes(), { code: "ERR_BODY_CLOSED" });
    const closing = response.body.close();
    goOn();
    await closing;
    await closed;
  });
});

/** Lets time and turns pass. */
async function passes(clock: ManualClock): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(200);
  }
}

test("T53 decoding: what is wrong with content that goes on is told before its end, which may never come", async () => {
  const content = gzipSync(TEXT.repeat(20));
  const broken = Uint8Array.from(content);
  broken.fill(0xff, 12, 30);
  for (const framing of ["Content-Length: 5000", "Transfer-Encoding: chunked"]) {
    for (const [what, code] of [["broken", "ERR_DECODE"], ["cut", "ERR_BODY_CLOSED"]] as const) {
      const clock = new ManualClock();
      await withRawServer(async (connection) => {
        await connection.readHead();
        const sent = what === "broken" ? broken : content.subarray(0, 30);
        const start = framing.startsWith("T") ? "1000\r\n" : "";
        await connection.send(
          `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n${framing}\r\n\r\n${start}${latin1(sent)}`,
        );
        await connection.clientEnded;
      }, async (server) => {
        const transport = new Transport({ clock });
        const response = await transport.roundTrip(new HttpRequest(server.origin));
        const told = assert.rejects(response.bytes(), { code });
        let isTold = false;
        told.then(() => isTold = true, () => isTold = true);
        await passes(clock);
        // It may still go on.
        if (what === "cut") await response.body.close();
        await until("it is told", () => {
          clock.advance(200);
          return isTold;
        });
        await told;
        await until("nothing is active", () => transport.stats().active === 0);
        transport.destroy();
        await server.allClosed();
      });
    }
  }
});

test("decoding: content that comes late is the same", async () => {
  const content = gzipSync(TEXT.repeat(20));
  for (const cut of [0, 1, 10, 40, content.length - 1]) {
    const clock = new ManualClock();
    const rest = Promise.withResolvers<void>();
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" +
          `Content-Length: ${content.length}\r\n\r\n${latin1(content.subarray(0, cut))}`,
      );
      await rest.promise;
      await connection.send(content.subarray(cut));
    }, async (server) => {
      const transport = new Transport({ clock });
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      const reading = response.text();
      await passes(clock);
      rest.resolve();
      assert.equal(await reading, TEXT.repeat(20));
      await until("nothing is active", () => transport.stats().active === 0);
      transport.destroy();
      await server.allClosed();
    });
  }
});
