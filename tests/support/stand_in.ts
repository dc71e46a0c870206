/**
 * A stand-in for public services: whatever host and path it is asked for, it gives the answers that it is
 * told, and keeps what it was asked.
 *
 * @module
 */
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CurlLine, StandInAnswer } from "../vectors/curl_lines.ts";
import { RawConnection, type RawHandler, withRawServer } from "./raw_server.ts";

/** What came of a line. */
export interface LineResult {
  readonly code: number | null;
  /** Each character is one byte. */
  readonly stdout: string;
  /** Files that are there afterwards and were not there before, `heads` among them. */
  readonly files: Readonly<Record<string, string>>;
  /** What the stand-in was asked, without what names the program, and boundaries. */
  readonly requests: readonly StandInRequest[];
}

/** One request. */
export interface StandInRequest {
  readonly line: string;
  /** In the order of the alphabet. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** Runs a program in a folder, with the text of a line and an environment. */
export type RunLine = (
  line: string,
  folder: string,
  env: Readonly<Record<string, string>>,
) => Promise<{ code: number | null; stdout: string }>;

const SMALL: StandInAnswer = { headers: ["Content-Type: application/json"], body: '{"ok":true}\n' };

/** Seconds since 1970. When files are written that a line speaks of: `-z FILE` tells. */
const WRITTEN_AT = 1_700_000_000;

/** Plain and TLS servers on loopback, and one on a Unix socket. */
export class StandIn {
  readonly #ports: { readonly http: number; readonly https: number };
  readonly #socket: string;
  #answers: readonly StandInAnswer[] = [];
  #requests: StandInRequest[] = [];

  private constructor(ports: { http: number; https: number }, socket: string) {
    this.#ports = ports;
    this.#socket = socket;
  }

  /** Calls `use` with a stand-in, and closes it. */
  static async with(use: (standIn: StandIn) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "roundtrip-stand-in-"));
    const path = join(folder, "socket");
    let standIn: StandIn;
    const handler: RawHandler = (connection) => standIn.#serve(connection);
    const unix = createServer((socket) => {
      // It ends by the client's leaving, whenever that is.
      Promise.resolve(handler(new RawConnection(socket, 0))).catch(() => {});
    });
    unix.listen(path);
    await once(unix, "listening");
    try {
      await withRawServer(handler, (http) =>
        withRawServer(handler, async (https) => {
          standIn = new StandIn({ http: http.port, https: https.port }, path);
          await use(standIn);
        }, { tls: true }));
    } finally {
      const closed = once(unix, "close");
      unix.close();
      await closed;
      await rm(folder, { recursive: true });
    }
  }

  /** Runs a line in a folder of its own, with a file of options behind it that leads it here. */
  async run(line: CurlLine, program: RunLine): Promise<LineResult> {
    this.#answers = line.answers ?? [SMALL];
    this.#requests = [];
    const folder = await mkdtemp(join(tmpdir(), "roundtrip-line-"));
    const config = await mkdtemp(join(tmpdir(), "roundtrip-config-"));
    try {
      const given = line.files ?? {};
      for (const [name, text] of Object.entries(given)) {
        await writeFile(join(folder, name), text, "latin1");
        await utimes(join(folder, name), WRITTEN_AT, WRITTEN_AT);
      }
      const path = join(config, "curlrc");
      await writeFile(path, this.#config(line));
      const env = { HOME: config, ...line.env };
      const { code, stdout } = await program(`${line.line} --config ${path}`, folder, env);
      const files = await filesIn(folder, Object.keys(given));
      return { code, stdout, files, requests: this.#requests };
    } finally {
      await rm(folder, { recursive: true });
      await rm(config, { recursive: true });
    }
  }

  #config({ line, env = {} }: CurlLine): string {
    const isSecure = [line, ...Object.values(env)].some((text) => text.includes("https://"));
    const port = isSecure ? this.#ports.https : this.#ports.http;
    const place = line.includes("--unix-socket")
      ? `unix-socket = "${this.#socket}"`
      : `connect-to = "::127.0.0.1:${port}"`;
    return `silent\ninsecure\ndump-header = "heads"\n${place}\n`;
  }

  async #serve(connection: RawConnection): Promise<void> {
    for (;;) {
      const head = await connection.readHead();
      const [line, ...headers] = head.trimEnd().split("\r\n");
      const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
      const body = length === 0 ? "" : await connection.readBytes(length);
      this.#requests.push(requestOf(line, headers, body));
      const answer = this.#answers[Math.min(this.#requests.length, this.#answers.length) - 1];
      await connection.send(responseOf(answer, line.startsWith("HEAD ")));
    }
  }
}

function responseOf(
  { status = "200 OK", headers = [], body = "" }: StandInAnswer,
  isHead: boolean,
): string {
  const length = status.startsWith("204") ? [] : [`Content-Length: ${body.length}`];
  const head = [`HTTP/1.1 ${status}`, ...headers, ...length, "", ""].join("\r\n");
  return isHead ? head : head + body;
}

/**
 * What two programs may say differently is left out: who they are, boundaries, whether they ask before they
 * send content, the order of cookies, which braces and quotes are escaped and how, and that
 * there is no content, which RFC 9110 section 8.6 wants said of a POST.
 */
function requestOf(line: string, fields: readonly string[], body: string): StandInRequest {
  const boundary = /^content-type: *multipart\/form-data; *boundary=(.*)$/im.exec(fields.join("\n"))
    ?.[1];
  const same = (text: string): string =>
    boundary === undefined ? text : text.replaceAll(boundary, "BOUNDARY");
  const headers = fields
    .map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase()))
    .filter((field) =>
      !/^(?:user-agent: (?:curl|roundtrip)|accept-encoding:|expect:|content-length: 0$)/.test(field)
    )
    .filter((field) => boundary === undefined || !field.startsWith("content-length:"))
    .map((field) => field.replace(/^authorization: Digest .*$/, "authorization: Digest"))
    .map((field) => field.trimEnd().replace(/^host:.*/, (host) => host.toLowerCase()))
    .map((field) => field.startsWith("cookie: ") ? cookiesOf(field) : field)
    .map(same)
    .sort();
  const target = line.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase())
    .replace(/%(?:7B|7D|22)/g, decodeURIComponent);
  return { line: target, headers, body: same(body) };
}

function cookiesOf(field: string): string {
  return `cookie: ${field.slice("cookie: ".length).split(/; ?/).sort().join("; ")}`;
}

async function filesIn(folder: string, given: readonly string[]): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !given.includes(path))
    .sort();
  const files: Record<string, string> = {};
  for (const path of paths) files[path] = await readFile(join(folder, path), "latin1");
  return files;
}
