/**
 * The ways to read a response body, and to stop reading it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { HttpError, HttpRequest, type HttpResponse } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { type RawConnection, type RawServer, withRawServer } from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { pause, until } from "../../support/waiting.ts";

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

function sized(body: string, ...lines: string[]): string {
  return ["HTTP/1.1 200 OK", ...lines, `Content-Length: ${body.length}`, "", body].join("\r\n");
}

/** Gets one response, and a second one to see whether the connection was reused. */
async function withResponse(
  answer: string | ((connection: RawConnection) => Promise<void>),
  run: (response: HttpResponse, server: RawServer) => Promise<void>,
): Promise<{ reused: boolean }> {
  return await withRawServer(async (connection) => {
    for (let n = 0;; n++) {
      await connection.readHead();
      if (n > 0 || connection.index > 0) await connection.send(sized("next"));
      else if (typeof answer === "string") await connection.send(answer);
      else await answer(connection);
    }
  }, async (server) => {
    const transport = steadyTransport();
    await run(await transport.roundTrip(new HttpRequest(server.origin)), server);
    await until("nothing is active", () => transport.stats().active === 0);
    const next = await transport.roundTrip(new HttpRequest(server.origin));
    assert.equal(await next.text(), "next");
    if (!next.connection.reused) await server.connections[0].closed;
    await transport.close();
    return { reused: next.connection.reused };
  });
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HttpError && error.code === code;
}

/** The same content, whole with the head, in two parts, and chunked. */
const answers: [string, string | ((connection: RawConnection) => Promise<void>)][] = [
  ["whole", sized("hello, body")],
  ["in parts", async (connection) => {
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhel");
    await pause(5);
    await connection.send("lo, body");
  }],
  ["chunked", async (connection) => {
    await connection.send(CHUNKED + "\r\n");
    await pause(5);
    await connection.send("3\r\nhel\r\n8\r\nlo, b");
    await pause(5);
    await connection.send("ody\r\n0\r\n\r\n");
  }],
];

for (const [name, answer] of answers) {
  test(`body, ${name}: read(p) in small steps to its end`, async () => {
    const { reused } = await withResponse(answer, async ({ body }) => {
      const p = new Uint8Array(4);
      let text = "";
      for (;;) {
        const n = await body.read(p);
        if (n === null) break;
        assert.ok(n >= 1 && n <= 4);
        text += new TextDecoder().decode(p.subarray(0, n));
      }
      assert.equal(text, "hello, body");
      assert.equal(await body.read(p), null);
      assert.equal(await body.read(new Uint8Array(0)) ?? 0, 0);
    });
    assert.equal(reused, true);
  });

  test(`body, ${name}: bytes, text, arrayBuffer, blob, stream, iteration`, async () => {
    const ways: ((response: HttpResponse) => Promise<string>)[] = [
      async (response) => new TextDecoder().decode(await response.bytes()),
      (response) => response.text(),
      async (response) => new TextDecoder().decode(await response.arrayBuffer()),
      async (response) => await (await response.blob()).text(),
      async (response) => await new Response(response.body.stream).text(),
      async (response) => await response.toWeb().text(),
      async (response) => {
        let text = "";
        for await (const piece of response.body) text += new TextDecoder().decode(piece);
        return text;
      },
      async (response) => {
        const reader = response.body.stream.getReader({ mode: "byob" });
        let text = "";
        let view = new Uint8Array(4);
        for (;;) {
          const { done, value } = await reader.read(view);
          if (done) return text;
          text += new TextDecoder().decode(value);
          view = new Uint8Array(value.buffer);
        }
      },
    ];
    for (const way of ways) {
      const { reused } = await withResponse(answer, async (response) => {
        assert.equal(await way(response), "hello, body");
      });
      assert.equal(reused, true, String(way));
    }
  });
}

test("body: what read(p) has left is what the others give", async () => {
  for (const [, answer] of answers) {
    await withResponse(answer, async (response) => {
      const p = new Uint8Array(2);
      const n = (await response.body.read(p))!;
      assert.equal(await response.text(), "hello, body".slice(n));
    });
  }
});

test("body: text drops a byte order mark, json parses, both say what is wrong", async () => {
  await withResponse(sized("\xef\xbb\xbfa\xff"), async (response) => {
    assert.equal(await response.text(), "a\ufffd");
  });
  await withResponse(sized('{"a":[1,null]}'), async (response) => {
    assert.deepEqual(await response.json(), { a: [1, null] });
  });
  const { reused } = await withResponse(sized("{"), async (response) => {
    await assert.rejects(response.json(), hasCode("ERR_DECODE"));
  });
  assert.equal(reused, true);
});

test("body: blob has the type of the response", async () => {
  await withResponse(sized("x", "Content-Type: image/png"), async (response) => {
    assert.equal((await response.blob()).type, "image/png");
  });
});

test("body: forms, and what is none", async () => {
  await withResponse(
    sized("a=1&b=%C3%A9", "Content-Type: application/x-www-form-urlencoded"),
    async (response) => {
      assert.deepEqual([...await response.formData()], [["a", "1"], ["b", "\u00e9"]]);
    },
  );
  const part = '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n';
  await withResponse(
    sized(part, "Content-Type: multipart/form-data; boundary=B"),
    async (response) => {
      assert.deepEqual([...await response.formData()], [["a", "1"]]);
    },
  );
  await withResponse(sized("a=1", "Content-Type: text/plain"), async (response) => {
    await assert.rejects(response.formData(), hasCode("ERR_DECODE"));
  });
});

test("body: asking a second time is an error", async () => {
  const ways: ((response: HttpResponse) => unknown)[] = [
    (response) => response.bytes(),
    (response) => response.text(),
    (response) => response.json(),
    (response) => response.formData(),
    (response) => response.blob(),
    (response) => response.arrayBuffer(),
    (response) => response.body[Symbol.asyncIterator]().next(),
  ];
  for (const [, answer] of answers) {
    for (const again of ways) {
      await withResponse(answer, async (response) => {
        await response.text();
        await assert.rejects(async () => await again(response), hasCode("ERR_BODY_CLOSED"));
      });
    }
  }
  await withResponse(sized("x"), async (response) => {
    const { stream } = response.body;
    assert.equal(response.body.stream, stream);
    await assert.rejects(response.text(), hasCode("ERR_BODY_CLOSED"));
    assert.equal(await new Response(stream).text(), "x");
  });
});

test("body: a second read beside the first is refused and disturbs nothing", async () => {
  await withResponse(answers[2][1], async ({ body }) => {
    const p = new Uint8Array(16);
    const first = body.read(p);
    await assert.rejects(body.read(new Uint8Array(1)), hasCode("ERR_INVALID_REQUEST"));
    assert.equal(await first, 8);
    await body.close();
  });
});

test("body: close() with a small rest keeps the connection, with a large one not", async () => {
  const rows: [string, string, boolean][] = [
    ["whole", sized("abc"), true],
    ["100 KB", sized("x".repeat(100_000)), true],
    ["256 KiB", sized("x".repeat(262_144)), true],
    ["a megabyte", sized("x".repeat(1_000_000)), false],
    ["100 KB chunked", CHUNKED + `\r\n186a0\r\n${"x".repeat(100_000)}\r\n0\r\nX: 1\r\n\r\n`, true],
    ["a megabyte chunked", CHUNKED + `\r\nf4240\r\n${"x".repeat(1_000_000)}\r\n0\r\n\r\n`, false],
  ];
  for (const [name, answer, expected] of rows) {
    for (const readFirst of [false, true]) {
      const { reused } = await withResponse(answer, async (response) => {
        if (readFirst) await response.body.read(new Uint8Array(2));
        await response.body.close();
        await response.body.close();
        if (name !== "whole") {
          await assert.rejects(response.bytes(), hasCode("ERR_BODY_CLOSED"));
          await assert.rejects(response.trailers, hasCode("ERR_BODY_CLOSED"));
        }
      });
      assert.equal(reused, expected, name);
    }
  }
});

test("body: close() does not wait for a rest that does not come", async () => {
  const { reused } = await withResponse(async (connection) => {
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  }, async (response, server) => {
    await response.body.close();
    await server.connections[0].closed;
  });
  assert.equal(reused, false);
});

test("body: close() beside a read ends the read", async () => {
  const { reused } = await withResponse(async (connection) => {
    await connection.send(CHUNKED + "\r\n");
  }, async ({ body }) => {
    const reading = body.read(new Uint8Array(8));
    reading.catch(() => {});
    await body.close();
    await assert.rejects(reading, hasCode("ERR_BODY_CLOSED"));
    await assert.rejects(body.read(new Uint8Array(8)), hasCode("ERR_BODY_CLOSED"));
  });
  assert.equal(reused, false);
});

test("body: leaving an iteration, cancelling a stream and disposing close it", async () => {
  const ways: ((response: HttpResponse) => Promise<void>)[] = [
    async (response) => {
      for await (const piece of response.body) {
        assert.equal(piece.length > 0, true);
        break;
      }
    },
    async (response) => {
      const reader = response.body.stream.getReader();
      assert.equal((await reader.read()).done, false);
      await reader.cancel();
    },
    async (response) => await response.toWeb().body!.cancel(),
    async (response) => await response[Symbol.asyncDispose](),
  ];
  for (const way of ways) {
    for (const [size, expected] of [[100_000, true], [1_000_000, false]] as const) {
      const { reused } = await withResponse(sized("x".repeat(size)), way);
      assert.equal(reused, expected, String(way));
    }
  }
});

test("body: toWeb() is the platform's response over the same bytes", async () => {
  await withResponse(
    "HTTP/1.1 404 Nope\r\nSet-Cookie: a\r\nset-cookie: b\r\nX: \xe9\r\nContent-Length: 4\r\n\r\nbody",
    async (response) => {
      const web = response.toWeb();
      assert.ok(web instanceof Response);
      assert.deepEqual([web.status, web.statusText, web.ok], [404, "Nope", false]);
      assert.deepEqual(web.headers.getSetCookie(), ["a", "b"]);
      assert.equal(web.headers.get("x"), "\xe9");
      assert.equal(await web.text(), "body");
    },
  );
  for (const status of ["204 No Content", "304 Not Modified"]) {
    await withResponse(`HTTP/1.1 ${status}\r\n\r\n`, async (response) => {
      const web = response.toWeb();
      assert.equal(web.body, null);
      assert.equal(await web.text(), "");
    });
  }
  await withResponse("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", (response) => {
    assert.throws(() => response.toWeb(), hasCode("ERR_INVALID_REQUEST"));
    return Promise.resolve();
  });
});

test("body: trailers settle with the body, and nobody need wait for them", async () => {
  const trailers = CHUNKED + "\r\n2\r\nok\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n";
  await withResponse(trailers, async (response) => {
    const promise = response.trailers;
    assert.equal(response.trailers, promise);
    assert.equal(await response.text(), "ok");
    assert.deepEqual([...await promise], [["X-A", "1"], ["X-B", "2"]]);
  });
  // Asked for and failing, waited for by nobody: the runtimes end a process for less.
  await withResponse(async (connection) => {
    await connection.send(CHUNKED + "\r\n2\r\nok");
    connection.end();
  }, async (response) => {
    void response.trailers;
    await assert.rejects(response.text(), hasCode("ERR_INCOMPLETE_BODY"));
    await pause(5);
  });
});

test("body: an error of the wire is the same each time, with phase and attempt", async () => {
  await withResponse(async (connection) => {
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    connection.end();
  }, async ({ body }) => {
    const p = new Uint8Array(16);
    assert.equal(await body.read(p), 3);
    const error = await body.read(p).catch((reason: unknown) => reason);
    assert.ok(error instanceof HttpError);
    assert.deepEqual([error.code, error.phase], ["ERR_INCOMPLETE_BODY", "body"]);
    assert.equal(error.attempt?.verdict, "answered");
    await assert.rejects(body.read(p), (again) => again === error);
    await body.close();
    await assert.rejects(body.stream.getReader().read(), (again) => again === error);
  });
});

/** A reader of a byte stream, with an option that not all type libraries have. */
interface ViewReader {
  read(view: Uint8Array, options: { min: number }): Promise<{ done: boolean; value: Uint8Array }>;
}

/** Sends content in chunks of a length that fits nothing. */
function inChunks(content: Uint8Array): (connection: RawConnection) => Promise<void> {
  return async (connection) => {
    await connection.send(CHUNKED + "\r\n");
    for (let at = 0; at < content.length; at += 99_999) {
      const piece = content.subarray(at, at + 99_999);
      await connection.send(`${piece.length.toString(16)}\r\n`);
      await connection.send(piece);
      await connection.send("\r\n");
    }
    await connection.send("0\r\n\r\n");
  };
}

test("body: large content arrives whole, however it is read", async () => {
  const size = 3_000_000;
  const content = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 0xff);
  const send = inChunks(content);
  for (const pieceBytes of [1_000, 5_000, 200_000]) {
    await withResponse(send, async ({ body }) => {
      const p = new Uint8Array(pieceBytes);
      let at = 0;
      for (;;) {
        const n = await body.read(p);
        if (n === null) break;
        for (let i = 0; i < n; i++) if (p[i] !== content[at + i]) assert.fail(`byte ${at + i}`);
        at += n;
      }
      assert.equal(at, size);
    });
  }
  await withResponse(send, async (response) => {
    assert.equal(Buffer.compare(await response.bytes(), content), 0);
  });
});

test("body: a stream gives every byte to whoever reads it, each in its own way in turn", async () => {
  const size = 2_000_000;
  const content = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 9)) & 0xff);
  const sizedBody = async (connection: RawConnection): Promise<void> => {
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    await connection.send(content);
  };
  for (const send of [sizedBody, inChunks(content)]) {
    const { reused } = await withResponse(send, async ({ body }) => {
      const pieces: Uint8Array[] = [];
      const { stream } = body;
      for (let n = 0;; n++) {
        let piece: Uint8Array;
        if (n % 3 === 2) {
          // The stream reads nothing ahead: the body itself goes on where it stands.
          const p = new Uint8Array(3_000);
          const got = await body.read(p);
          if (got === null) break;
          piece = p.subarray(0, got);
        } else {
          const mode = n % 3 === 0;
          const reader = mode ? stream.getReader({ mode: "byob" }) : stream.getReader();
          const read = mode
            ? (reader as ReadableStreamBYOBReader).read(new Uint8Array(40_000))
            : (reader as ReadableStreamDefaultReader<Uint8Array>).read();
          const { done, value } = await read;
          reader.releaseLock();
          if (done) break;
          piece = value!;
        }
        assert.ok(piece.length >= 1);
        pieces.push(piece);
      }
      assert.equal(Buffer.compare(Buffer.concat(pieces), content), 0);
    });
    assert.ok(reused);
  }
});

test("body: a reader that wants more than is left is given what is left", async () => {
  for (const [name, answer] of answers) {
    await withResponse(answer, async ({ body }) => {
      const reader = body.stream.getReader({ mode: "byob" }) as unknown as ViewReader;
      let text = "";
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(64), { min: 64 });
        text += Buffer.from(value ?? []).toString();
        if (done) break;
      }
      assert.equal(text, "hello, body", name);
    });
  }
});

test("body: a reader that takes over while the stream is fed is given what is left", async () => {
  let go = (): void => {};
  const mayEnd = new Promise<void>((resolve) => go = resolve);
  const answer = async (connection: RawConnection): Promise<void> => {
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");
    await mayEnd;
    await connection.send("hello, body");
  };
  await withResponse(answer, async ({ body }) => {
    const first = body.stream.getReader();
    const given = first.read().catch(() => null);
    // The body is being read for it by now.
    await pause(1);
    first.releaseLock();
    assert.equal(await given, null);
    const second = body.stream.getReader({ mode: "byob" }) as unknown as ViewReader;
    const reading = second.read(new Uint8Array(64), { min: 64 });
    go();
    const { value } = await reading;
    assert.equal(Buffer.from(value).toString(), "hello, body");
  });
});

test("toWeb() of a response whose body the platform does not show lets its connection go", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nab");
    await connection.clientEnded;
  }, async (server) => {
    const transport = steadyTransport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    assert.equal(response.toWeb().body, null);
    await until("its connection is free", () => transport.stats().active === 0);
    await transport.close();
  });
});
