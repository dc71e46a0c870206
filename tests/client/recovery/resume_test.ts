/**
 * Downloads that break off and go on: when, with what request, and when they must not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type ResumeEvent,
  type ResumeOptions,
  ResumingTransport,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { isPending, until } from "../../support/waiting.ts";

const CONTENT = Array.from({ length: 100 }, (_, n) => String.fromCharCode(33 + n % 90)).join("");

/** Answers one request, whose head it is given; the connection is closed behind it. */
type Part = (connection: RawConnection, head: string) => void | Promise<void>;

/** A whole response that breaks off after some bytes. */
function first(lines: string[], sentBytes: number): Part {
  return (connection) =>
    connection.send(
      ["HTTP/1.1 200 OK", "Content-Length: 100", ...lines, "", CONTENT.slice(0, sentBytes)].join(
        "\r\n",
      ),
    );
}

/** The rest of the content as it was asked for, but for what a test changes. */
function rest(change: (lines: string[], from: number) => string[] = (l) => l, to = 100): Part {
  return (connection, head) => {
    const from = Number(/^range: bytes=([0-9]+)-\r$/im.exec(head)?.[1] ?? 0);
    const lines = change([
      "HTTP/1.1 206 Partial Content",
      `Content-Length: ${100 - from}`,
      `Content-Range: bytes ${from}-99/100`,
      'ETag: "v1"',
    ], from);
    return connection.send([...lines, "", CONTENT.slice(from, to)].join("\r\n"));
  };
}

interface Resumed {
  readonly heads: string[];
  readonly events: ResumeEvent[];
  /** What was read before the end or the error. */
  readonly text: string;
  readonly error: HttpError | null;
  readonly response: HttpResponse;
}

/** Downloads from a server that answers with these parts, one for each connection. */
async function download(
  parts: Part[],
  init: HttpRequestInit = {},
  options: ResumeOptions = {},
): Promise<Resumed> {
  const heads: string[] = [];
  const events: ResumeEvent[] = [];
  return await withRawServer(async (connection) => {
    const head = await connection.readHead();
    heads.push(head);
    await parts[heads.length - 1]?.(connection, head);
    connection.end();
  }, async (server) => {
    const transport = new Transport();
    const resuming = new ResumingTransport(transport, {
      baseDelayMs: 1,
      onResume: (event) => void events.push(event),
      ...options,
    });
    const response = await resuming.roundTrip(new HttpRequest(server.origin + "/f", init));
    let text = "";
    let error: HttpError | null = null;
    try {
      const p = new Uint8Array(30);
      for (let n = await response.body.read(p); n !== null; n = await response.body.read(p)) {
        text += new TextDecoder().decode(p.subarray(0, n));
      }
    } catch (caught) {
      assert.ok(caught instanceof HttpError, String(caught));
      error = caught;
    }
    await response.trailers.catch(() => {});
    assert.equal(transport.stats().active, 0);
    await transport.close();
    return { heads, events, text, error, response };
  });
}

const TAG = ['ETag: "v1"'];

test("resume: a download that breaks goes on where it broke, more than once", async () => {
  const parts = [first(TAG, 40), rest(undefined, 70), rest(undefined, 71), rest()];
  const { heads, events, text, error, response } = await download(parts);
  assert.deepEqual([error, text], [null, CONTENT]);
  assert.equal(response.status, 200);
  assert.deepEqual(events.map(({ attempt, position }) => [attempt, position]), [
    [1, 40],
    [1, 70],
    [1, 71],
  ]);
  assert.ok(events.every((event) => event.error.code === "ERR_INCOMPLETE_BODY"));
  assert.doesNotMatch(heads[0], /^(range|if-range|accept-encoding):/im);
  assert.match(heads[1], /^range: bytes=40-\r$/im);
  assert.match(heads[3], /^range: bytes=71-\r$/im);
  for (const head of heads.slice(1)) assert.match(head, /^if-range: "v1"\r$/im);
});

test("T14 resume: the declared length is the length of what is delivered", async () => {
  const { response, text } = await download([first(TAG, 40), rest()]);
  assert.equal(response.contentLength, text.length);
  assert.equal(response.headers.get("content-length"), `${text.length}`);

  // A part that says it is longer or shorter than what is missing is not taken.
  for (const length of [59, 61, 100]) {
    const wrong = rest((lines) => lines.with(1, `Content-Length: ${length}`));
    const { error, text, heads } = await download([first(TAG, 40), wrong, rest()]);
    assert.deepEqual([error?.code, text, heads.length], [
      "ERR_INCOMPLETE_BODY",
      CONTENT.slice(0, 40),
      2,
    ]);
  }
});

test("T14 resume: a chunked part may hold neither more nor less than what is missing", async () => {
  const chunked = (bytes: string): Part =>
    rest((lines) => [
      ...lines.with(1, "Transfer-Encoding: chunked"),
      "",
      bytes.length.toString(16),
      bytes,
      "0",
    ], 0);
  const exact = await download([first(TAG, 40), chunked(CONTENT.slice(40))]);
  assert.deepEqual([exact.error, exact.text], [null, CONTENT]);
  const more = await download([first(TAG, 40), chunked(CONTENT.slice(40) + "x")]);
  assert.equal(more.error?.code, "ERR_MALFORMED_RESPONSE");
  const less = await download([first(TAG, 40), chunked(CONTENT.slice(40, 50)), rest()]);
  assert.deepEqual([less.error, less.text], [null, CONTENT]);
});

test("resume: a chunked response whose length nobody knew", async () => {
  const chunked: Part = (connection) =>
    connection.send(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "v1"\r\n\r\n28\r\n${
        CONTENT.slice(0, 40)
      }`,
    );
  const { error, text, response } = await download([chunked, rest(undefined, 90), rest()]);
  assert.deepEqual([error, text, response.contentLength], [null, CONTENT, null]);
});

test("resume: anything but exactly the rest of the same content is refused", async () => {
  const swap = (at: number, ...lines: string[]): Part =>
    rest((all) => all.toSpliced(at, 1, ...lines));
  const range = (start: number, end: number): Part =>
    rest((all) => [
      all[0],
      `Content-Length: ${end - start + 1}`,
      `Content-Range: bytes ${start}-${end}/100`,
      all[3],
    ]);
  const answers: [string, Part][] = [
    ["from one later", range(41, 99)],
    ["from one earlier", range(39, 99)],
    ["to one earlier", range(40, 98)],
    ["from the beginning", range(0, 99)],
    ["200", first(TAG, 100)],
    ["200 of other content", first(['ETag: "v2"'], 100)],
    ["404", swap(0, "HTTP/1.1 404 X")],
    ["416", swap(0, "HTTP/1.1 416 X")],
    ["302", swap(0, "HTTP/1.1 302 X", "Location: /other")],
    ["no range", swap(2)],
    ["begins later", swap(2, "Content-Range: bytes 41-99/100")],
    ["begins earlier", swap(2, "Content-Range: bytes 39-99/100")],
    ["ends earlier", swap(2, "Content-Range: bytes 40-98/100")],
    ["other total", swap(2, "Content-Range: bytes 40-100/101")],
    ["unknown total", swap(2, "Content-Range: bytes 40-99/*")],
    ["other unit", swap(2, "Content-Range: items 40-99/100")],
    ["two ranges", swap(2, "Content-Range: bytes 40-99/100", "Content-Range: bytes 40-99/100")],
    ["other tag", swap(3, 'ETag: "v2"')],
    ["weak tag", swap(3, 'ETag: W/"v1"')],
    ["no tag", swap(3)],
    ["coded", swap(3, 'ETag: "v1"', "Content-Encoding: gzip")],
  ];
  for (const [name, answer] of answers) {
    const { error, text, heads } = await download([first(TAG, 40), answer, rest()]);
    assert.deepEqual([error?.code, text, heads.length], [
      "ERR_INCOMPLETE_BODY",
      CONTENT.slice(0, 40),
      2,
    ], name);
    assert.equal((error!.cause as HttpError).code, "ERR_INCOMPLETE_BODY");
  }
});

test("resume: by Last-Modified only if it is a second older than the response", async () => {
  const date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
  const modified = "Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT";
  const rows: [string[], boolean][] = [
    [[date, modified], true],
    [[date, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"], false],
    [[modified], false],
    [[date, "Last-Modified: yesterday"], false],
    [[date, modified, 'ETag: W/"v1"'], false],
    [[date, modified, 'ETag: "v1"', 'ETag: "v2"'], false],
    [['ETag: "v1"', "Accept-Ranges: none"], false],
    [['ETag: "v1"', "Content-Encoding: x-own"], false],
    [[], false],
  ];
  for (const [lines, resumes] of rows) {
    const part = rest((all) => all.slice(0, 3));
    const { error, heads } = await download([first(lines, 40), part]);
    assert.equal(heads.length, resumes ? 2 : 1, lines.join());
    assert.equal(error?.code, resumes ? undefined : "ERR_INCOMPLETE_BODY");
    if (resumes) assert.match(heads[1], /^if-range: Sun, 06 Nov 1994 08:49:36 GMT\r$/im);
  }
  const other = rest((all) => all.toSpliced(3, 1, "Last-Modified: Sun, 06 Nov 1994 08:49:35 GMT"));
  assert.ok((await download([first([date, modified], 40), other])).error !== null);
});

test("resume: only a GET of the whole, without coding", async () => {
  const inits: HttpRequestInit[] = [
    { method: "POST", body: "x" },
    { headers: { "RANGE": "bytes=0-" } },
    { headers: [["if-range", '"v1"']] },
    { headers: { "Accept-Encoding": "identity" } },
    { decompress: true },
  ];
  for (const init of inits) {
    const { error, heads } = await download([first(TAG, 40), rest()], init);
    assert.deepEqual([error?.code, heads.length], ["ERR_INCOMPLETE_BODY", 1]);
  }
});

test("resume: the request for the rest repeats the headers, but not the conditions", async () => {
  const headers = { "Authorization": "secret", "If-None-Match": '"v0"', "X-Own": "1" };
  const { heads } = await download([first(TAG, 40), rest()], { headers });
  assert.match(heads[0], /if-none-match/i);
  assert.match(heads[1], /^GET \/f HTTP\/1\.1\r\n[^]*authorization: secret\r\n[^]*x-own: 1/i);
  assert.doesNotMatch(heads[1], /if-none-match/i);
});

test("resume: answers that say later, and lost requests, count until bytes come", async () => {
  const later: Part = (connection) =>
    connection.send("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
  const reset: Part = (connection) => connection.reset();
  const ok = await download([
    first(TAG, 40),
    later,
    reset,
    rest(undefined, 50),
    reset,
    later,
    rest(),
  ]);
  assert.deepEqual([ok.error, ok.text], [null, CONTENT]);
  assert.deepEqual(ok.events.map(({ attempt }) => attempt), [1, 2, 3, 1, 2, 3]);
  const bad = await download([first(TAG, 40), later, reset, later, rest()]);
  assert.deepEqual([bad.error?.code, bad.heads.length], ["ERR_INCOMPLETE_BODY", 4]);
  const one = await download([first(TAG, 40), later, rest()], {}, { attempts: 1 });
  assert.equal(one.heads.length, 2);
  // A part of which no byte came counts too.
  const empty = await download(
    [first(TAG, 40), rest(undefined, 0), rest(undefined, 0), rest()],
    {},
    {
      attempts: 2,
    },
  );
  assert.equal(empty.error?.code, "ERR_INCOMPLETE_BODY");
});

test("resume: time that has run out ends it", async () => {
  const { error, heads } = await download([first(TAG, 40), rest()], { timeoutMs: 5_000 }, {
    baseDelayMs: 60_000,
    maxDelayMs: 60_000,
    random: () => 0.99,
  });
  assert.deepEqual([error?.code, heads.length], ["ERR_INCOMPLETE_BODY", 1]);
});

test("resume: signal and close() end it in any phase, and leave nothing", async () => {
  for (const phase of ["waiting", "asking", "reading"] as const) {
    for (const by of ["signal", "close"] as const) {
      const clock = new ManualClock();
      let count = 0;
      await withRawServer(async (connection) => {
        const head = await connection.readHead();
        if (++count === 1) await first(TAG, 40)(connection, head);
        else if (phase === "reading") await rest(undefined, 50)(connection, head);
        if (count === 1) connection.end();
      }, async (server) => {
        const transport = new Transport();
        const resuming = new ResumingTransport(transport, { clock, random: () => 0.5 });
        const controller = new AbortController();
        const request = new HttpRequest(server.origin, { signal: controller.signal });
        const { body } = await resuming.roundTrip(request);
        const p = new Uint8Array(200);
        let position = 0;
        while (position < 40) position += (await body.read(p))!;
        let reading = body.read(p);
        reading.catch(() => {});
        await until("it waits", () => clock.runningCount === 1);
        if (phase !== "waiting") {
          clock.advance(1_000);
          await until("it asks", () => count === 2);
        }
        if (phase === "reading") {
          assert.equal(await reading, 10);
          reading = body.read(p);
          reading.catch(() => {});
        }
        assert.equal(await isPending(reading), true);
        const reason = new Error("enough");
        if (by === "signal") controller.abort(reason);
        else await body.close();
        await assert.rejects(
          reading,
          (error) =>
            by === "signal" ? error === reason : (error as HttpError).code === "ERR_BODY_CLOSED",
        );
        assert.equal(clock.runningCount, 0);
        await server.allClosed();
        assert.equal(transport.stats().active, 0);
        await transport.close();
      });
    }
  }
});

test("resume: text(), stream and iteration read the resumed body", async () => {
  const ways: ((response: HttpResponse) => Promise<string>)[] = [
    (response) => response.text(),
    (response) => response.toWeb().text(),
    async (response) => {
      let text = "";
      for await (const piece of response.body) text += new TextDecoder().decode(piece);
      return text;
    },
  ];
  for (const way of ways) {
    let count = 0;
    await withRawServer(async (connection) => {
      const head = await connection.readHead();
      await (count++ === 0 ? first(TAG, 40) : rest())(connection, head);
      connection.end();
    }, async (server) => {
      const transport = new Transport();
      const resuming = new ResumingTransport(transport, { baseDelayMs: 0 });
      const response = await resuming.roundTrip(new HttpRequest(server.origin));
      assert.equal(await way(response), CONTENT);
      assert.equal((await response.trailers).size, 0);
      await transport.close();
    });
  }
});

test("resume: trailers of a body that did not break, and bodies that are empty", async () => {
  const whole: Part = (connection) =>
    connection.send(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "v1"\r\n\r\n1\r\nx\r\n0\r\nX-T: y\r\n\r\n',
    );
  const { text, response } = await download([whole]);
  assert.deepEqual([text, (await response.trailers).get("x-t")], ["x", "y"]);
  const empty: Part = (connection) =>
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "v1"\r\n\r\n');
  assert.equal((await download([empty])).text, "");
});

test("resume: refuses options it does not know", () => {
  for (const options of [{ retries: 1 }, { attempts: 0 }, { baseDelayMs: -1 }]) {
    assert.throws(() => new ResumingTransport(new Transport(), options as ResumeOptions), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

test("resume: digests and progress are those of the whole, not of its parts", async () => {
  const right = sha256(CONTENT);
  const wrong = sha256("other");
  const stated = (hash: string): string[] => [...TAG, `Repr-Digest: sha-256=:${hash}:`];
  // That of the part, which is checked by nobody.
  const part = (to: number): Part =>
    rest((all, from) => [...all, `Content-Digest: sha-256=:${sha256(CONTENT.slice(from))}:`], to);
  const rows: [string[], HttpRequestInit, boolean][] = [
    [stated(right), {}, true],
    [stated(right), { digest: "verify" }, true],
    [stated(right), { digest: "require" }, true],
    [stated(wrong), { digest: "verify" }, false],
    [TAG, { digest: "verify" }, true],
    [TAG, { digest: "require" }, false],
    [TAG, { integrity: `sha256-${right}` }, true],
    [TAG, { integrity: `sha256-${wrong}` }, false],
    [stated(right), { integrity: `sha256-${right}`, digest: "require" }, true],
    [stated(right), { integrity: `sha256-${wrong}`, digest: "require" }, false],
  ];
  for (const [lines, init, holds] of rows) {
    const counts: number[] = [];
    const totals: Set<number | null> = new Set();
    const { error, text, heads } = await download([first(lines, 40), part(70), part(100)], {
      ...init,
      onDownloadProgress: ({ bytes, totalBytes }) => {
        counts.push(bytes);
        totals.add(totalBytes);
      },
    });
    const name = JSON.stringify([lines, init]);
    assert.equal(heads.length, 3, name);
    assert.equal(error?.code, holds ? undefined : "ERR_DECODE", name);
    assert.equal(text === CONTENT, holds, name);
    assert.equal(counts.at(-1), 100, name);
    assert.deepEqual(counts, counts.toSorted((a, b) => a - b), name);
    assert.equal(new Set(counts).size, counts.length, name);
    assert.deepEqual([...totals], [100], name);
  }
});

test("resume: what cannot be resumed is checked and counted all the same", async () => {
  const right = sha256(CONTENT);
  const chunked = (lines: string[]): Part => (connection) =>
    connection.send([
      "HTTP/1.1 200 OK",
      "Transfer-Encoding: chunked",
      "Trailer: Content-Digest",
      ...["", "64", CONTENT, "0"],
      ...lines,
      ...["", ""],
    ].join("\r\n"));
  const notFound: Part = (connection) =>
    connection.send(`HTTP/1.1 404 X\r\nContent-Length: 100\r\n\r\n${CONTENT}`);
  const rows: [Part, HttpRequestInit, string | undefined][] = [
    [first([], 100), { integrity: `sha256-${right}` }, undefined],
    [first([], 100), { integrity: `sha256-${sha256("other")}` }, "ERR_DECODE"],
    [first([], 40), { integrity: `sha256-${right}` }, "ERR_INCOMPLETE_BODY"],
    [first([], 100), { digest: "require" }, "ERR_DECODE"],
    [first([`Content-Digest: sha-256=:${right}:`], 100), { digest: "require" }, undefined],
    [first([...TAG, "Content-Encoding: own"], 100), { integrity: `sha256-${right}` }, undefined],
    [notFound, { integrity: `sha256-${right}` }, undefined],
    [chunked([`Content-Digest: sha-256=:${right}:`]), { digest: "require" }, undefined],
    [chunked([`Content-Digest: sha-256=:${sha256("x")}:`]), { digest: "verify" }, "ERR_DECODE"],
    // What is no whole of something goes to the transport as it is.
    [first(TAG, 100), { decompress: true, integrity: `sha256-${right}` }, undefined],
    [first(TAG, 100), { decompress: "known", digest: "require" }, "ERR_DECODE"],
  ];
  for (const [part, init, code] of rows) {
    let count = 0;
    const { error, text, heads } = await download([part, rest()], {
      ...init,
      onDownloadProgress: ({ bytes }) => void (count = bytes),
    });
    assert.deepEqual([error?.code, heads.length], [code, 1], JSON.stringify(init));
    if (code === undefined) assert.equal(text, CONTENT);
    assert.equal(count, code === "ERR_INCOMPLETE_BODY" ? 40 : 100);
  }
});

test("resume: where there is no content, what is asked of it does not hold the response up", async () => {
  const heads = [
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 100",
    "HTTP/1.1 304 Not Modified\r\nETag: W/1",
  ];
  for (const head of heads) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(head + "\r\n\r\n");
    }, async (server) => {
      const transport = new Transport();
      const resuming = new ResumingTransport(transport);
      const response = await resuming.roundTrip(
        new HttpRequest(server.origin, { digest: "require", onDownloadProgress: () => {} }),
      );
      // Nothing was read, and it is over.
      assert.equal((await response.trailers).size, 0);
      assert.equal(transport.stats().active, 0);
      assert.equal(await response.text(), "");
      await transport.close();
    });
  }
});

test("resume: a response of another transport can neither be checked nor counted", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  }, async (server) => {
    const transport = new Transport();
    const resuming = new ResumingTransport({
      roundTrip: async (request) => new Proxy(await transport.roundTrip(request), foreign),
    });
    const plain = await resuming.roundTrip(new HttpRequest(server.origin));
    assert.equal(await plain.text(), "ok");
    const inits: HttpRequestInit[] = [
      { digest: "verify" },
      { integrity: `sha256-${sha256("ok")}` },
      { onDownloadProgress: () => {} },
    ];
    for (const init of inits) {
      await assert.rejects(resuming.roundTrip(new HttpRequest(server.origin, init)), {
        code: "ERR_INVALID_REQUEST",
      });
      await until("it is over", () => transport.stats().active === 0);
    }
    await transport.close();
  });
});

/** The same response, but of no class of ours. */
const foreign: ProxyHandler<HttpResponse> = {
  getPrototypeOf: () => Object.prototype,
  get: (response, name) => {
    const value = Reflect.get(response, name);
    return typeof value === "function" ? value.bind(response) : value;
  },
};

test("resume: a large download from a node:http server that breaks every connection", async () => {
  const content = new Uint8Array(3_000_000);
  for (let i = 0; i < content.length; i++) content[i] = (i * 7 + (i >> 8)) & 0xff;
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = `bytes ${from}-${content.length - 1}/${content.length}`;
    response.writeHead(from > 0 ? 206 : 200, {
      "ETag": '"big"',
      "Content-Length": content.length - from,
      ...(from > 0 ? { "Content-Range": range } : {}),
    });
    if (requests > 5) return void response.end(content.subarray(from));
    response.write(content.subarray(from, from + 500_000), () => void response.socket?.end());
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const transport = new Transport();
  const resuming = new ResumingTransport(transport, { baseDelayMs: 0 });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const response = await resuming.roundTrip(new HttpRequest(url));
  const bytes = await response.bytes();
  assert.equal(bytes.length, content.length);
  assert.ok(bytes.every((byte, i) => byte === content[i]));
  assert.ok(requests > 1);
  await transport.close();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});

test("resume: a request whose body cannot be sent again is not sent again", async () => {
  const body = new Blob(["query"]).stream();
  const { heads, text, error } = await download([first(TAG, 40), rest()], { body });
  assert.deepEqual([heads.length, text.length, error?.code], [1, 40, "ERR_INCOMPLETE_BODY"]);
});
