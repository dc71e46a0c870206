/**
 * Sending bodies over real sockets: answers that come early, servers that read slowly, sources that fail.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type BodySource,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import {
  bytesOf,
  latin1,
  type RawHandler,
  type RawServer,
  withRawServer,
} from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { pause, settled, until } from "../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REFUSAL = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";

/** A source that never ends, and tells how much was taken and whether it was let go. */
class Endless {
  takenBytes = 0;
  cancelled = 0;
  readonly #piece: Uint8Array;

  constructor(pieceBytes = 64 * 1024) {
    this.#piece = new Uint8Array(pieceBytes).fill(0x78);
  }

  get stream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: (controller) => {
        this.takenBytes += this.#piece.length;
        controller.enqueue(this.#piece);
      },
      cancel: () => void this.cancelled++,
    }, { highWaterMark: 0 });
  }

  get iterable(): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          await Promise.resolve();
          this.takenBytes += this.#piece.length;
          return { done: false as const, value: this.#piece };
        },
        return: () => {
          this.cancelled++;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
  }
}

async function withUpload(
  handler: RawHandler,
  run: (
    post: (body: BodySource, init?: HttpRequestInit) => ReturnType<Transport["roundTrip"]>,
    context: { transport: Transport; server: RawServer },
  ) => Promise<void>,
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const transport = steadyTransport();
    await run(
      (body, init) =>
        transport.roundTrip(new HttpRequest(server.origin, { method: "POST", body, ...init })),
      { transport, server },
    );
    await until("nothing is active", () => transport.stats().active === 0);
    transport.destroy();
    await server.allClosed();
  });
}

/** Reads a chunked message body from a connection. */
async function readChunked(connection: Parameters<RawHandler>[0]): Promise<string> {
  let body = "";
  for (;;) {
    const size = parseInt(await connection.readUntil("\r\n"), 16);
    const chunk = await connection.readBytes(size + 2);
    if (size === 0) return body;
    body += chunk.slice(0, -2);
  }
}

test("upload: every kind of body arrives, and the connection is used again", async () => {
  const text = "x".repeat(200_000);
  const bytes = bytesOf(text);
  const sources: [() => BodySource, boolean][] = [
    [() => text, true],
    [() => bytes, true],
    [() => new Blob([text]), true],
    [() => new Blob([text]).stream(), false],
    [
      () => {
        let at = 0;
        return {
          read: (p: Uint8Array) => {
            const n = Math.min(p.length, 999, bytes.length - at);
            p.set(bytes.subarray(at, at + n));
            at += n;
            return Promise.resolve(n === 0 ? null : n);
          },
        };
      },
      false,
    ],
  ];
  await withUpload(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const body = /^Content-Length: 200000\r$/m.test(head)
        ? await connection.readBytes(200_000)
        : await readChunked(connection);
      assert.equal(body.length, text.length);
      assert.equal(body === text, true);
      await connection.send(OK);
    }
  }, async (post, { transport, server }) => {
    for (const [source] of sources) {
      assert.equal(await (await post(source())).text(), "ok");
      await until("the connection is free", () => transport.stats().idle === 1);
    }
    assert.equal(server.connections.length, 1);
  });
});

test("upload: 413 while the body is being sent is the answer, the source is let go", async () => {
  for (const kind of ["stream", "iterable"] as const) {
    const source = new Endless();
    await withUpload(async (connection) => {
      await connection.readHead();
      await connection.readBytes(200_000);
      await connection.send(REFUSAL);
      await connection.readToEnd();
    }, async (post, { server }) => {
      const response = await post(source[kind]);
      assert.equal(response.status, 413);
      assert.equal(await response.text(), "no");
      await until("the source was let go", () => source.cancelled === 1);
      await server.connections[0].closed;
    });
  }
});

test("upload: 413 and a reset at once is still the answer, or a lost connection, never EPIPE", async () => {
  let answers = 0;
  for (let n = 0; n < 10; n++) {
    const source = new Endless();
    await withUpload(async (connection) => {
      await connection.readHead();
      await connection.send(REFUSAL);
      // Unread bytes make this a reset.
      connection.pause();
      await pause(5);
      connection.close();
    }, async (post) => {
      try {
        const response = await post(source.stream);
        assert.equal(response.status, 413);
        await response.bytes().catch(() => {});
        answers++;
      } catch (error) {
        assert.ok(error instanceof HttpError);
        assert.equal(error.code, "ERR_CONNECTION_LOST");
      }
      await until("the source was let go", () => source.cancelled === 1);
    });
  }
  assert.ok(answers > 0);
});

test("upload: after a write error the response is still read", async () => {
  await withUpload(async (connection) => {
    await connection.readHead();
    await connection.readBytes(100_000);
    await connection.send(REFUSAL);
    connection.end();
    await connection.readToEnd();
  }, async (post) => {
    const response = await post(new Endless().stream);
    assert.equal(response.status, 413);
    assert.equal(await response.text(), "no");
  });
});

test("upload: an early 200 goes on beside the body, which may depend on it", async () => {
  await withUpload(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (;;) {
        const size = parseInt(await connection.readUntil("\r\n"), 16);
        const chunk = await connection.readBytes(size + 2);
        await connection.send(`${size.toString(16)}\r\n${chunk}`);
        if (size === 0) break;
      }
    }
  }, async (post, { transport }) => {
    for (const reused of [false, true]) {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      const response = await post(readable);
      assert.equal(response.connection.reused, reused);
      for (const text of ["one", "two", "three"]) {
        await writer.write(bytesOf(text));
        const p = new Uint8Array(16);
        const n = (await response.body.read(p))!;
        assert.equal(latin1(p.subarray(0, n)), text);
      }
      await writer.close();
      assert.equal(await response.body.read(new Uint8Array(1)), null);
      await until("the connection is free", () => transport.stats().idle === 1);
    }
  });
});

test("upload: a response that ends before the body stops it", async () => {
  const source = new Endless();
  await withUpload(async (connection) => {
    await connection.readHead();
    await connection.readBytes(100_000);
    await connection.send(OK);
    await connection.readToEnd();
  }, async (post, { server }) => {
    assert.equal(await (await post(source.stream)).text(), "ok");
    await until("the source was let go", () => source.cancelled === 1);
    await server.connections[0].closed;
  });
});

test("upload: a server that reads slowly holds the source back", async () => {
  for (const kind of ["stream", "iterable"] as const) {
    const source = new Endless();
    const controller = new AbortController();
    await withUpload(async (connection) => {
      await connection.readHead();
      connection.pause();
    }, async (post, { server }) => {
      const going = post(source[kind], { signal: controller.signal });
      going.catch(() => {});
      const takenBytes = await settled(() => source.takenBytes, 128 * 1024 * 1024);
      assert.ok(takenBytes < 64 * 1024 * 1024, `${takenBytes}`);
      controller.abort(new Error("enough"));
      await assert.rejects(going, /enough/);
      await until("the source was let go", () => source.cancelled === 1);
      // A paused socket does not see that the client has gone.
      server.connections[0].close();
    });
  }
});

test("upload: a source that fails ends the exchange with its own error", async () => {
  const sources: [string, () => BodySource][] = [
    ["stream", () =>
      new ReadableStream({
        start: (controller) => controller.enqueue(bytesOf("a")),
        pull: () => Promise.reject(new RangeError("mine")),
      })],
    [
      "iterable",
      async function* () {
        yield bytesOf("a");
        throw new RangeError("mine");
      } as unknown as () => BodySource,
    ],
    ["reader", () => ({ read: () => Promise.reject(new RangeError("mine")) })],
    ["function", () => {
      throw new RangeError("mine");
    }],
  ];
  for (const [name, source] of sources) {
    await withUpload(async (connection) => {
      await connection.readToEnd();
      assert.doesNotMatch(
        connection.received,
        /\r\n0\r\n\r\n/,
        "a cut body must not look complete",
      );
    }, async (post, { transport, server }) => {
      await assert.rejects(post(name === "function" ? source : source()), /^RangeError: mine$/);
      await until("nothing is left", () => transport.stats().total === 0);
      await server.allClosed();
    });
  }
});

test("upload: trailers that fail or may not be sent end the exchange", async () => {
  const rows: [HttpRequestInit["trailers"], RegExp][] = [
    [() => Promise.reject(new RangeError("mine")), /^RangeError: mine$/],
    [() => [["Content-Length", "1"]], /Content-Length/],
    [() => [["X", "a\r\nY: b"]], /HttpError/],
  ];
  for (const [trailers, message] of rows) {
    await withUpload(async (connection) => {
      await connection.readToEnd();
      assert.doesNotMatch(connection.received, /\r\n0\r\n/);
    }, async (post, { transport }) => {
      await assert.rejects(post("body", { trailers }), message);
      assert.equal(transport.stats().total, 0);
    });
  }
});

test("upload: more or less than the declared length is an error, never a cut", async () => {
  const stream = (...texts: string[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start: (controller) => {
        for (const text of texts) controller.enqueue(bytesOf(text));
        controller.close();
      },
    });
  const rows: [BodySource, number, string][] = [
    [stream("abc", "d"), 3, "abc"],
    [stream("ab", "cd"), 3, "ab"],
    [stream("abcd"), 3, ""],
    [stream("a"), 0, ""],
    [stream("ab"), 3, "ab"],
    [stream(), 3, ""],
  ];
  for (const [body, contentLength, sent] of rows) {
    await withUpload(async (connection) => {
      await connection.readHead();
      assert.equal(await connection.readToEnd(), sent);
    }, async (post, { server }) => {
      await assert.rejects(post(body, { contentLength }), {
        code: "ERR_BODY_LENGTH",
        phase: "request",
      });
      await server.connections[0].closed;
    });
  }
});

test("upload: a piece that is no Uint8Array is refused", async () => {
  for (const piece of ["text", new Uint16Array(2), null, 1]) {
    await withUpload(
      async (connection) => void await connection.readToEnd(),
      async (post, { transport }) => {
        const body = new ReadableStream({ start: (controller) => controller.enqueue(piece) });
        await assert.rejects(post(body), { code: "ERR_INVALID_REQUEST" });
        assert.equal(transport.stats().total, 0);
      },
    );
  }
});

test("upload: sources with odd ways to be let go do no harm", async () => {
  const returns: (() => unknown)[] = [
    () => Promise.reject(new Error("return failed")),
    () => {
      throw new Error("return threw");
    },
    () => undefined,
  ];
  for (const end of returns) {
    const body = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false as const, value: new Uint8Array(65_536) }),
        return: end,
      }),
    } as AsyncIterable<Uint8Array>;
    await withUpload(async (connection) => {
      await connection.readHead();
      await connection.send(REFUSAL);
      await connection.readToEnd();
    }, async (post) => {
      assert.equal((await post(body)).status, 413);
    });
  }
});
