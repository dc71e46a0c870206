/**
 * The server that two implementations of `fetch` are compared against, and what it saw of them.
 *
 * @module
 */
import * as zlib from "node:zlib";
import { bytesOf, type RawConnection, type RawServer, rawServer } from "./raw_server.ts";

/** One request, as far as a server cares. */
export interface SeenRequest {
  readonly line: string;
  /** By name in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
}

/** What every coded body says. */
export const PLAIN_TEXT: string = "The quick brown fox jumps over the lazy dog. ".repeat(40);

interface Coding {
  /** The value of `Content-Encoding`; null: the field is not sent. */
  readonly field: string | null;
  encode(bytes: Uint8Array): Uint8Array;
}

/** Codings of the plain text. */
export const CODINGS: Record<string, Coding> = {
  "identity": { field: null, encode: (bytes) => bytes },
  "gzip": { field: "gzip", encode: zlib.gzipSync },
  "x-gzip": { field: "X-GZIP", encode: zlib.gzipSync },
  "deflate": { field: "deflate", encode: zlib.deflateSync },
  "raw deflate": { field: "deflate", encode: zlib.deflateRawSync },
  "br": { field: "br", encode: zlib.brotliCompressSync },
  // Node 22 has it from 22.15.
  ...(typeof zlib.zstdCompressSync === "function"
    ? { "zstd": { field: "zstd", encode: zlib.zstdCompressSync } }
    : {}),
  "two codings": {
    field: "deflate, gzip",
    encode: (bytes) => zlib.gzipSync(zlib.deflateSync(bytes)),
  },
  "unknown": { field: "unknown", encode: (bytes) => bytes },
  "gzip below unknown": { field: "gzip, unknown", encode: zlib.gzipSync },
};

/** Answers that are sent as they stand, and the connection closed. */
export const SCRIPTS: Record<string, string> = {
  "nothing": "",
  "not HTTP": "SMTP ready\r\n\r\n",
  "half a head": "HTTP/1.1 200 OK\r\nContent-",
  "body cut short": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
  "chunks cut short": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
  "until close": "HTTP/1.1 200 OK\r\n\r\nto the end",
  "chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  "early hints": "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "not gzip": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
  "cookies": "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
  "repeated field": "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n",
  "bytes above ASCII": "HTTP/1.1 200 Gr\xfc\xdf\r\nX-A: \xe4\r\nContent-Length: 0\r\n\r\n",
  "status 299": "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok",
  "status 999": "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok",
  "empty reason": "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
  "mark before text": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\xef\xbb\xbfok",
  "JSON": 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}',
  "redirect without target": "HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nok",
  "redirect to data:": "HTTP/1.1 302 Found\r\nLocation: data:,x\r\nContent-Length: 0\r\n\r\n",
  "redirect to nowhere": "HTTP/1.1 302 Found\r\nLocation: http://[/\r\nContent-Length: 0\r\n\r\n",
  "redirect with credentials": "HTTP/1.1 302 Found\r\nLocation: http://u:p@127.0.0.1:9/\r\n" +
    "Content-Length: 0\r\n\r\n",
  "redirect to itself": "HTTP/1.1 302 Found\r\nLocation: #again\r\nContent-Length: 0\r\n\r\n",
  "redirect to a fragment": "HTTP/1.1 302 Found\r\nLocation: /echo#part\r\n" +
    "Content-Length: 0\r\n\r\n",
  "304 with a length": "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
  "205 with a body": "HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok",
};

/** A server whose answers stand in the path. */
export class FetchServer {
  /** Since the last {@linkcode reset}. */
  seen: SeenRequest[] = [];
  /** Called where an answer pauses. */
  onPause: () => void = () => {};
  readonly #server: RawServer;

  constructor(server: RawServer) {
    this.#server = server;
  }

  static async start(): Promise<FetchServer> {
    const server: RawServer = await rawServer((connection) => started.#serve(connection));
    const started = new FetchServer(server);
    return started;
  }

  get origin(): string {
    return this.#server.origin;
  }

  reset(): void {
    this.seen = [];
    this.onPause = () => {};
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async #serve(connection: RawConnection): Promise<void> {
    const request = await readRequest(connection);
    this.seen.push(request);
    const [method, path] = request.line.split(" ");
    const [, kind, ...args] = decodeURIComponent(path.split("?")[0]).split("/");
    if (kind === "redirect") {
      await send(connection, args[0], ["Location: /echo", "Content-Length: 2"], "no");
    } else if (kind === "script") {
      await connection.send(withClose(SCRIPTS[args[0]]));
    } else if (kind === "answer") {
      await this.#answer(connection, method, args);
    } else {
      const body = method === "HEAD" ? "" : "arrived";
      await send(connection, "200", ["Content-Length: 7", "Content-Type: text/plain"], body);
    }
    connection.end();
  }

  /** A body in a coding; it pauses where the other side is to abort, and goes on when that is gone. */
  async #answer(connection: RawConnection, method: string, args: string[]): Promise<void> {
    const [status, coding, pause] = args;
    const empty = ["204", "304"].includes(status) || method === "HEAD";
    const { field, encode } = CODINGS[coding];
    const body = encode(bytesOf(PLAIN_TEXT));
    const half = body.length >> 1;
    const fields = [
      ...(field === null ? [] : [`Content-Encoding: ${field}`]),
      ...(status === "204" ? [] : [`Content-Length: ${body.length}`]),
    ];
    if (pause === "before the head") return await this.#pause(connection);
    await send(connection, status, fields, "");
    if (empty) return;
    if (pause === "before the body") return await this.#pause(connection);
    await connection.send(body.subarray(0, half));
    if (pause === "inside the body") return await this.#pause(connection);
    await connection.send(body.subarray(half));
  }

  async #pause(connection: RawConnection): Promise<void> {
    this.onPause();
    await connection.clientEnded;
  }
}

function withClose(answer: string): string {
  return answer.replace(/^(HTTP\/1\.1 [2-9].*\r\n)/m, "$1Connection: close\r\n");
}

async function send(
  connection: RawConnection,
  status: string,
  fields: string[],
  body: string,
): Promise<void> {
  const lines = [`HTTP/1.1 ${status} Reason`, "Connection: close", ...fields];
  await connection.send(lines.join("\r\n") + "\r\n\r\n" + body);
}

async function readRequest(connection: RawConnection): Promise<SeenRequest> {
  const [line, ...lines] = (await connection.readHead()).trimEnd().split("\r\n");
  const fields = new Map<string, string>();
  for (const text of lines) {
    const at = text.indexOf(":");
    const name = text.slice(0, at).toLowerCase();
    const value = text.slice(at + 1).trim();
    fields.set(name, fields.has(name) ? `${fields.get(name)}, ${value}` : value);
  }
  if (fields.get("expect") !== undefined) await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
  if (!/chunked/i.test(fields.get("transfer-encoding") ?? "")) {
    const body = await connection.readBytes(Number(fields.get("content-length") ?? 0));
    return { line, fields, body };
  }
  let body = "";
  for (;;) {
    const bytes = parseInt(await connection.readUntil("\r\n"), 16);
    body += (await connection.readBytes(bytes + 2)).slice(0, -2);
    if (bytes === 0) return { line, fields, body };
  }
}
