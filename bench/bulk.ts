/**
 * Large bodies, down and up, with their progress told: how fast, and whether memory stays flat. Run
 * it by hand on each runtime; it is bounded by its size.
 *
 * `node bench/bulk.ts [GiB] [transport|client|web]`; defaults 4, client. `web` reads and sends
 * web streams.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import process from "node:process";
import { Client, HttpRequest, type HttpRequestInit, type HttpResponse, Transport } from "../mod.ts";

const sizeBytes = Number(process.argv[2] ?? 4) * 2 ** 30;
const way = process.argv[3] ?? "client";
const here = new URL(".", import.meta.url).pathname;
const node = createRequire(import.meta.url).resolve("node/bin/node");
const server = spawn(node, [`${here}bulk_server.ts`], { stdio: ["pipe", "pipe", "inherit"] });
const [line] = await once(server.stdout, "data") as [Uint8Array];
const origin = `http://127.0.0.1:${new TextDecoder().decode(line).trim()}`;

const transport = new Transport();
const client = new Client({ transport });
const MIB = 2 ** 20;

function send(url: string, init: HttpRequestInit): Promise<HttpResponse> {
  const request = new HttpRequest(url, init);
  return way === "transport" ? transport.roundTrip(request) : client.do(request);
}

/** Memory when a tenth was there, and the most after that; seconds; what was told. */
class Watch {
  readonly #startedAt = performance.now();
  readonly #cpu = process.cpuUsage();
  #calls = 0;
  #bytes = 0;
  #warmBytes = 0;
  #mostBytes = 0;
  #nextLook = sizeBytes / 10;

  readonly hook = ({ bytes }: { bytes: number }): void => {
    this.#calls++;
    this.#bytes = bytes;
    if (bytes < this.#nextLook) return;
    this.#nextLook = bytes + 64 * MIB;
    const { rss } = process.memoryUsage();
    if (this.#warmBytes === 0) this.#warmBytes = rss;
    this.#mostBytes = Math.max(this.#mostBytes, rss);
  };

  report(what: string, countedBytes: number): boolean {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    console.log(what, {
      GiB: countedBytes / 2 ** 30,
      seconds: Number(seconds.toFixed(2)),
      GBPerSecond: Number((countedBytes / 1e9 / seconds).toFixed(2)),
      cpuSeconds: Number(((user + system) / 1e6).toFixed(2)),
      rssAtATenthMiB: Math.round(this.#warmBytes / MIB),
      mostRssAfterwardsMiB: Math.round(this.#mostBytes / MIB),
      progressCalls: this.#calls,
    });
    return countedBytes === sizeBytes && this.#bytes === sizeBytes;
  }
}

async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(256 * 1024).fill(0x78);
  for (let sent = 0; sent < sizeBytes; sent += piece.length) yield piece;
}

function piecesAsStream(): ReadableStream<Uint8Array> {
  const source = pieces();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

const down = new Watch();
const response = await send(`${origin}/${sizeBytes}`, { onDownloadProgress: down.hook });
let readBytes = 0;
if (way === "web") {
  const reader = response.toWeb().body!.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    readBytes += next.value.length;
  }
} else {
  const p = new Uint8Array(256 * 1024);
  for (let n = await response.body.read(p); n !== null; n = await response.body.read(p)) {
    readBytes += n;
  }
}
let well = down.report("down", readBytes);

const up = new Watch();
const answer = await send(origin, {
  method: "PUT",
  body: way === "web" ? piecesAsStream() : pieces(),
  contentLength: sizeBytes,
  onUploadProgress: up.hook,
});
well = up.report("up", Number(await answer.text())) && well;

await transport.close();
server.stdin.end();
process.exit(well ? 0 : 1);
