/**
 * Content codings that the transport takes off, asked for by itself or by the caller.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import {
  decodableCodings,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { latin1, withRawServer } from "../../support/raw_server.ts";
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
