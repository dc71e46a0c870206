/**
 * Bodies that are checked against what the server, or the caller, says that they hash to.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import {
  Client,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { latin1, type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

const TEXT = "what is stated, ".repeat(1_000);
const OTHER = TEXT.slice(0, -1) + "!";

function hash(algorithm: string, content: string | Uint8Array): string {
  return createHash(algorithm).update(content).digest("base64");
}

function field(name: string, key: string, content: string | Uint8Array): string {
  return `${name}: ${key}=:${hash(key.replace("-", ""), content)}:`;
}

interface Answer {
  readonly status?: string;
  readonly lines?: readonly string[];
  /** Sent chunked if there are any. */
  readonly trailers?: readonly string[];
  readonly content: string | Uint8Array;
}

/** The answer all at once, in one write, and in many. */
async function send(connection: RawConnection, answer: Answer, pieceBytes: number): Promise<void> {
  const { status = "200 OK", lines = [], trailers } = answer;
  const content = typeof answer.content === "string" ? answer.content : latin1(answer.content);
  const framing = trailers === undefined
    ? `Content-Length: ${content.length}`
    : "Transfer-Encoding: chunked";
  const head = [`HTTP/1.1 ${status}`, ...lines, framing, "", ""].join("\r\n");
  const body = trailers === undefined
    ? content
    : `${content.length.toString(16)}\r\n${content}\r\n${["0", ...trailers, "", ""].join("\r\n")}`;
  const message = head + body;
  for (let at = 0; at < message.length; at += pieceBytes) {
    await connection.send(message.slice(at, at + pieceBytes));
    if (at < 3 * pieceBytes) await pause(1);
  }
}

const ways: [string, (response: HttpResponse) => Promise<string>][] = [
  ["text()", (response) => response.text()],
  ["toWeb()", (response) => response.toWeb().text()],
  ["read(p)", async ({ body }) => {
    const p = new Uint8Array(1_000);
    let text = "";
    for (let n = await body.read(p); n !== null; n = await body.read(p)) {
      text += latin1(p.subarray(0, n));
    }
    assert.equal(await body.read(p), null);
    return text;
  }],
];

/** Whether the content is given, in every way of sending and reading it. */
async function accepts(answer: Answer, init: HttpRequestInit, expected = TEXT): Promise<boolean> {
  const results = new Set<boolean>();
  for (const pieceBytes of [100_000, 5_000]) {
    for (const [name, read] of ways) {
      await withRawServer(async (connection) => {
        await connection.readHead();
        await send(connection, answer, pieceBytes);
      }, async (server) => {
        const transport = new Transport();
        const response = await transport.roundTrip(new HttpRequest(server.origin, init));
        try {
          assert.equal(await read(response), expected, name);
          results.add(true);
        } catch (error) {
          const told = error as { code?: string; message: string };
          if (told.code !== "ERR_DECODE") throw error;
          assert.match(told.message, /^The body is not what was stated: /);
          results.add(false);
          await assert.rejects(response.body.read(new Uint8Array(1)), { code: "ERR_DECODE" });
          await assert.rejects(response.trailers, { code: "ERR_DECODE" });
        }
        await until("nothing is active", () => transport.stats().active === 0);
        await transport.close();
        await server.allClosed();
      });
    }
  }
  assert.equal(results.size, 1, "the same in every way");
  return results.has(true);
}

const verify: HttpRequestInit = { digest: "verify" };
const required: HttpRequestInit = { digest: "require" };
const content256 = field("Content-Digest", "sha-256", TEXT);
const wrong512 = field("Content-Digest", "sha-512", OTHER);
const coded = gzipSync(TEXT);

for (
  const [name, answer, init, expected] of [
    ["sha-256", { lines: [content256] }, verify, true],
    ["sha-512", { lines: [field("Repr-Digest", "sha-512", TEXT)] }, verify, true],
    ["another content", { lines: [content256], content: OTHER }, verify, false],
    ["another content, not checked", { lines: [content256], content: OTHER }, {}, true],
    ["one right, one wrong", { lines: [content256, wrong512] }, verify, false],
    ["one line with both", { lines: [`${content256},${wrong512.slice(15)}`] }, verify, false],
    ["unknown and weak kinds", { lines: ["Content-Digest: md5=:AAAA:, a=1"] }, verify, true],
    ["unknown kinds, required", { lines: ["Content-Digest: md5=:AAAA:"] }, required, false],
    ["none", {}, verify, true],
    ["none, required", {}, required, false],
    ["required and there", { lines: [content256] }, required, true],
    ["parameters", { lines: [`${content256};a=1, b=?1`] }, verify, true],
    ["not a byte sequence", { lines: ['Content-Digest: sha-256="x"'] }, verify, false],
    ["too short", { lines: ["Content-Digest: sha-256=:AAAA:"] }, verify, false],
    ["not base64", { lines: ["Repr-Digest: sha-256=:A:"] }, verify, false],
    ["a trailer", { trailers: [content256] }, verify, true],
    ["a trailer, required", { trailers: [content256] }, required, true],
    ["a wrong trailer", { trailers: [wrong512] }, verify, false],
    ["a malformed trailer", { trailers: ["Content-Digest: sha-256=x"] }, verify, false],
    ["no trailer, required", { trailers: [] }, required, false],
    [
      "a part: the digest of all of it is not looked at",
      {
        status: "206 Partial Content",
        lines: [content256, field("Repr-Digest", "sha-256", "all")],
      },
      required,
      true,
    ],
    [
      "the coded content is what counts",
      {
        lines: ["Content-Encoding: gzip", field("Repr-Digest", "sha-256", coded)],
        content: coded,
      },
      verify,
      true,
    ],
    [
      "not the decoded content",
      { lines: ["Content-Encoding: gzip", content256], content: coded },
      verify,
      false,
    ],
    ["integrity", {}, { integrity: `sha384-${hash("sha384", TEXT)}` }, true],
    ["integrity of another content", {}, { integrity: `sha256-${hash("sha256", OTHER)}` }, false],
    [
      "integrity: one of several",
      {},
      { integrity: `sha512-${hash("sha512", OTHER)} sha512-${hash("sha512", TEXT)}?x=y` },
      true,
    ],
    [
      "integrity: the strongest kind counts",
      {},
      { integrity: `sha256-${hash("sha256", TEXT)}\n sha512-${hash("sha512", OTHER)} md5-AAAA` },
      false,
    ],
    [
      "integrity is of the decoded content",
      { lines: ["Content-Encoding: gzip"], content: coded },
      { integrity: `sha256-${hash("sha256", TEXT)}` },
      true,
    ],
    [
      "both",
      {
        lines: ["Content-Encoding: gzip", field("Content-Digest", "sha-512", coded)],
        content: coded,
      },
      { integrity: `sha256-${hash("sha256", TEXT)}`, digest: "require" },
      true,
    ],
  ] as [string, Partial<Answer>, HttpRequestInit, boolean][]
) {
  test(`digest: ${name}`, async () => {
    const whole = { content: TEXT, ...answer };
    const read = whole.content === OTHER && expected ? OTHER : TEXT;
    assert.equal(await accepts(whole, init, read), expected);
  });
}

test("digest: a wrong body is not given up to its last byte", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await send(connection, { lines: [content256], content: OTHER }, 100_000);
  }, async (server) => {
    const transport = new Transport();
    const { body } = await transport.roundTrip(new HttpRequest(server.origin, verify));
    // All of it in one read, whose bytes are not told to be any.
    await assert.rejects(async () => {
      let given = 0;
      for (;;) given += (await body.read(new Uint8Array(100_000)))!;
    }, { code: "ERR_DECODE" });
    transport.destroy();
    await server.allClosed();
  });
});

test("digest: HEAD, 304 and early close have nothing to check", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const status = head.startsWith("GET /304") ? "304 Not Modified" : "200 OK";
      await connection.send(
        `HTTP/1.1 ${status}\r\n${wrong512}\r\nContent-Length: ${TEXT.length}\r\n\r\n`,
      );
      if (head.startsWith("GET /200")) await connection.send(TEXT);
    }
  }, async (server) => {
    const transport = new Transport();
    const integrity = `sha256-${hash("sha256", TEXT)}`;
    for (const [method, path] of [["HEAD", "/"], ["GET", "/304"]]) {
      const init: HttpRequestInit = { method, digest: "require", integrity };
      const response = await transport.roundTrip(new HttpRequest(server.origin + path, init));
      assert.equal(await response.text(), "");
    }
    const response = await transport.roundTrip(new HttpRequest(`${server.origin}/200`, verify));
    await response.body.close();
    await until("nothing is active", () => transport.stats().active === 0);
    transport.destroy();
    await server.allClosed();
  });
});

test("digest: where integrity is stated, no content is not that content", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
  }, async (server) => {
    const transport = new Transport();
    const integrity = `sha256-${hash("sha256", TEXT)}`;
    const response = await transport.roundTrip(new HttpRequest(server.origin, { integrity }));
    await assert.rejects(response.bytes(), { code: "ERR_DECODE" });
    transport.destroy();
    await server.allClosed();
  });
});

test("digest: it holds behind a redirect too", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    await connection.readHead();
    await send(connection, { lines: [content256], content: OTHER }, 100_000);
  }, async (server) => {
    const transport = new Transport();
    const response = await new Client({ transport }).get(server.origin, verify);
    await assert.rejects(response.text(), { code: "ERR_DECODE" });
    transport.destroy();
    await server.allClosed();
  });
});

test("digest: options that say nothing are refused", () => {
  for (
    const init of [
      { digest: "sha-256" },
      { digest: true },
      { integrity: "" },
      { integrity: "md5-AAAA" },
      { integrity: "sha256-AAAA" },
    ] as unknown as HttpRequestInit[]
  ) {
    assert.throws(() => new HttpRequest("http://a.test/", init), { code: "ERR_INVALID_REQUEST" });
  }
});
