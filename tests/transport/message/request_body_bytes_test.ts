/**
 * The bodies that a transport writes, byte for byte, for every kind of source.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type BodySource, HttpRequest, type HttpRequestInit, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, withRawServer } from "../../support/raw_server.ts";
import { assertSent, NO_CONTENT, plain, plainHead } from "../../support/sent_bytes.ts";

const encoder = new TextEncoder();

function stream(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(encoder.encode(piece));
      controller.close();
    },
  });
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield encoder.encode(text);
  }
}

function reader(...texts: string[]): { read(p: Uint8Array): Promise<number | null> } {
  const left = texts.map((text) => encoder.encode(text));
  return {
    read: (p) => {
      const next = left.shift();
      if (next === undefined) return Promise.resolve(null);
      p.set(next);
      return Promise.resolve(next.length);
    },
  };
}

/** Sends a body and expects these header lines and this message body. */
async function assertBody(
  source: BodySource,
  lines: string[],
  messageBody: string,
  more: { init?: HttpRequestInit; writes?: number } = {},
): Promise<void> {
  await assertSent({
    options: plain.options,
    init: { method: "POST", headers: plain.headers, body: source, ...more.init },
    sent: plainHead("POST /", ...lines) + messageBody,
    writes: more.writes,
  });
}

test("body: string, as UTF-8 with its type, in one write with the head", async () => {
  await assertBody(
    "h\u00e9",
    ["Content-Type: text/plain;charset=UTF-8", "Content-Length: 3"],
    "h\xc3\xa9",
    { writes: 1 },
  );
  await assertBody("", ["Content-Type: text/plain;charset=UTF-8", "Content-Length: 0"], "", {
    writes: 1,
  });
});

test("body: Uint8Array, ArrayBuffer and DataView, without a type, in one write", async () => {
  const bytes = bytesOf("\x00\xff\r\nabc");
  const sources = [
    bytes,
    bytes.buffer,
    new DataView(bytes.buffer),
    new Uint8Array(bytesOf("xx\x00\xff\r\nabcyy").buffer, 2, 7),
    new DataView(bytesOf("xx\x00\xff\r\nabcyy").buffer, 2, 7) as unknown as Uint8Array,
  ];
  for (const source of sources) {
    await assertBody(source as BodySource, ["Content-Length: 7"], "\x00\xff\r\nabc", { writes: 1 });
  }
});

test("body: what does not fit the write buffer goes behind the head, uncopied", async () => {
  const bytes = new Uint8Array(100_000).fill(0x61);
  await assertBody(bytes, ["Content-Length: 100000"], "a".repeat(100_000), { writes: 2 });
});

test("body: Blob, with its type and size", async () => {
  await assertBody(
    new Blob(["ab", "cd"], { type: "image/png" }),
    ["Content-Type: image/png", "Content-Length: 4"],
    "abcd",
  );
  await assertBody(new Blob(["ab"]), ["Content-Length: 2"], "ab");
  await assertBody(new Blob([]), ["Content-Length: 0"], "");
});

test("body: URLSearchParams, with its type", async () => {
  await assertBody(
    new URLSearchParams([["a b", "c&d"], ["\u00e9", "="]]),
    ["Content-Type: application/x-www-form-urlencoded;charset=UTF-8", "Content-Length: 20"],
    "a+b=c%26d&%C3%A9=%3D",
  );
  await assertBody(
    new URLSearchParams("a=1&b=2"),
    ["Content-Type: application/x-www-form-urlencoded;charset=UTF-8", "Content-Length: 7"],
    "a=1&b=2",
    { writes: 1 },
  );
});

test("body: ReadableStream is chunked, a chunk for each piece, empty pieces left out", async () => {
  await assertBody(
    stream("hello", "", "0123456789abcdef"),
    ["Transfer-Encoding: chunked"],
    "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
  );
  await assertBody(stream(), ["Transfer-Encoding: chunked"], "0\r\n\r\n");
});

test("body: AsyncIterable is chunked", async () => {
  await assertBody(
    pieces("a", "bc"),
    ["Transfer-Encoding: chunked"],
    "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
  );
});

test("body: Reader is chunked", async () => {
  await assertBody(
    reader("a", "", "bc"),
    ["Transfer-Encoding: chunked"],
    "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
  );
});

test("body: a function is called for what to send", async () => {
  let calls = 0;
  const factory = (): BodySource => {
    calls++;
    return stream("a");
  };
  await assertBody(factory, ["Transfer-Encoding: chunked"], "1\r\na\r\n0\r\n\r\n");
  assert.equal(calls, 1);
  await assertBody(() => () => bytesOf("a"), ["Content-Length: 1"], "a");
});

test("body: contentLength of a stream is declared, and nothing is chunked", async () => {
  for (const source of [stream("ab", "c"), pieces("ab", "c"), reader("ab", "c")]) {
    await assertBody(source, ["Content-Length: 3"], "abc", { init: { contentLength: 3 } });
  }
  await assertBody(stream(), ["Content-Length: 0"], "", { init: { contentLength: 0 } });
});

test("body: the caller's Content-Length, Content-Type and Transfer-Encoding stay in their place", async () => {
  await assertBody(stream("abc"), ["content-LENGTH: 3", "X-A: 1"], "abc", {
    init: { headers: [["content-LENGTH", "3"], ...plain.headers, ["X-A", "1"]] },
  });
  await assertBody("abc", ["content-type: a/b", "Content-Length: 3"], "abc", {
    init: { headers: [["content-type", "a/b"], ...plain.headers] },
  });
  await assertBody(
    "abc",
    ["Transfer-encoding: CHUNKED", "Content-Type: a/b"],
    "3\r\nabc\r\n0\r\n\r\n",
    {
      init: {
        headers: [["Transfer-encoding", "CHUNKED"], ["Content-Type", "a/b"], ...plain.headers],
      },
    },
  );
});

test("body: trailers stand behind it, which is chunked then", async () => {
  await assertBody(
    bytesOf("abc"),
    ["Transfer-Encoding: chunked", "Trailer: X-Sum, X-Other"],
    "3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n",
    { init: { trailers: [["X-Sum", "1"], ["X-Other", "2"]] } },
  );
  await assertBody(
    stream("abc"),
    ["trailer: x-sum", "Transfer-Encoding: chunked"],
    "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    { init: { headers: [["trailer", "x-sum"], ...plain.headers], trailers: [["X-Sum", "1"]] } },
  );
  await assertBody(bytesOf("a"), ["Transfer-Encoding: chunked"], "1\r\na\r\n0\r\n\r\n", {
    init: { trailers: [] },
  });
});

test("body: a trailer function is called when the body has been read, and may be slow", async () => {
  const order: string[] = [];
  async function* source(): AsyncGenerator<Uint8Array> {
    yield bytesOf("a");
    order.push("body");
  }
  await assertBody(source(), ["Transfer-Encoding: chunked"], "1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n", {
    init: {
      trailers: async () => {
        order.push("trailers");
        await Promise.resolve();
        return [["X-Sum", "9"]];
      },
    },
  });
  assert.deepEqual(order, ["body", "trailers"]);
});

test("T7 GET with a body says how long it is", async () => {
  for (
    const [method, source, line, messageBody] of [
      ["GET", bytesOf("abc"), "Content-Length: 3", "abc"],
      ["GET", stream("abc"), "Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"],
      ["DELETE", bytesOf("abc"), "Content-Length: 3", "abc"],
      ["HEAD", bytesOf(""), "Content-Length: 0", ""],
    ] as const
  ) {
    await assertSent({
      options: plain.options,
      init: { method, headers: plain.headers, body: source },
      sent: plainHead(`${method} /`, line) + messageBody,
    });
  }
});

test("body: a second use of a byte source sends the same bytes", async () => {
  const request = new HttpRequest("http://example.com/", { method: "PUT", body: "same" });
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      assert.equal(await connection.readBytes(4), "same");
      await connection.send(NO_CONTENT);
    }
  }, async (server) => {
    const transport = new Transport();
    for (let i = 0; i < 2; i++) {
      const again = new HttpRequest(server.origin, { method: "PUT", body: request.body });
      assert.equal((await transport.roundTrip(again)).status, 204);
    }
    await transport.close();
  });
});

/** What a form is sent as, with its boundary made `B`. */
async function sentForm(form: FormData): Promise<string> {
  let sent = "";
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    const length = Number(/^Content-Length: ([0-9]+)\r$/m.exec(head)![1]);
    const boundary = /^Content-Type: multipart\/form-data; boundary=(\S+)\r$/m.exec(head)![1];
    sent = (await connection.readBytes(length)).replaceAll(boundary, "B");
    await connection.send(NO_CONTENT);
  }, async (server) => {
    const transport = new Transport();
    await transport.roundTrip(new HttpRequest(server.origin, { method: "POST", body: form }));
    await transport.close();
  });
  return sent;
}

test("body: FormData with fields and files, streamed with its length", async () => {
  const form = new FormData();
  form.append("a", "1\n2\r3\r\n4");
  form.append("file", new File(["<&>"], "na\u00efve.txt", { type: "image/png" }));
  form.append("blob", new Blob(["\x00"]));
  form.append("a", "again");
  assert.equal(
    await sentForm(form),
    '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n2\r\n3\r\n4\r\n' +
      '--B\r\nContent-Disposition: form-data; name="file"; filename="na\xc3\xafve.txt"\r\n' +
      "Content-Type: image/png\r\n\r\n<&>\r\n" +
      '--B\r\nContent-Disposition: form-data; name="blob"; filename="blob"\r\n' +
      "Content-Type: application/octet-stream\r\n\r\n\x00\r\n" +
      '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nagain\r\n' +
      "--B--\r\n",
  );
  assert.equal(await sentForm(new FormData()), "--B--\r\n");
});

test("T15 names of forms, file names and types cannot break out of their line", async () => {
  const form = new FormData();
  form.append('a"\r\nX: y', "1");
  form.append("b", new File(["2"], 'f"\r\n\nX: y\r'));
  const sent = await sentForm(form);
  assert.match(sent, /name="a%22%0D%0AX: y"\r\n/);
  assert.match(sent, /filename="f%22%0D%0A(?:%0D)?%0AX: y(?:%0D|%0D%0A)"\r\n/);
  assert.doesNotMatch(sent, /\nX: y/);
  const typed = new Blob(["3"], { type: "a/b" });
  Object.defineProperty(typed, "type", { value: "a/b\r\nX: y" });
  const direct = new FormData();
  direct.append("c", typed);
  assert.doesNotMatch(await sentForm(direct), /\nX: y/);
});

test("T15 the type of a blob that is the body cannot break out of its line", async () => {
  for (const type of ["a/b\r\nX: y", "a/b\nX: y", "a/b\0", "a/\u4e2d"]) {
    const body = new Blob(["3"]);
    Object.defineProperty(body, "type", { value: type });
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }, async (server) => {
      await using transport = new Transport();
      const request = new HttpRequest(server.origin, { method: "POST", body });
      await (await transport.roundTrip(request)).bytes();
      assert.doesNotMatch(server.connections[0].received, /^X: y|content-type/im);
    });
  }
});
