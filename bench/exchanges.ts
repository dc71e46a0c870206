/**
 * Closed loops of each client that speaks HTTP. Each loop has its exchange in its own body: a call
 * in between would be one promise more than a program has.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import type * as roundtrip from "../mod.ts";
import type { Lap } from "./meter.ts";
import { NotMeasurable } from "./not_measurable.ts";
import { importOurs, transportOptions } from "./ours.ts";
import { PIECE_BYTES, READ_BYTES } from "./raw.ts";
import type { Task } from "./task.ts";

/** A closed loop. */
export type Loop = (lap: Lap) => Promise<void>;

const piece = new Uint8Array(PIECE_BYTES);

async function* pieces(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= PIECE_BYTES) {
    yield left < PIECE_BYTES ? piece.subarray(0, left) : piece;
  }
}

function pieceStream(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(left < PIECE_BYTES ? piece.subarray(0, left) : piece);
      left -= PIECE_BYTES;
      if (left <= 0) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** An answer that is not the right one ends the measurement. */
function check(task: Task, status: number, found: number): void {
  if (status !== 200) throw new Error(`Status ${status}`);
  if (found !== task.expected) throw new Error(`${found} instead of ${task.expected}`);
}

/** How many things are in parsed JSON. */
function count(value: unknown): number {
  return (value as unknown[]).length;
}

/** `Transport.roundTrip()`, and the body in the style of the task. */
export async function roundtripLoop(task: Task): Promise<Loop> {
  const ours = await importOurs(task);
  const { HttpRequest } = ours;
  const transport = new ours.Transport(transportOptions(task));
  const { url, read, postBytes, streamed } = task;
  const bytes = new Uint8Array(streamed ? 0 : postBytes).fill(0x61);
  const init: () => roundtrip.HttpRequestInit | undefined = streamed
    ? () => ({
      method: "POST",
      contentLength: postBytes,
      body: task.client === "roundtrip-stream" ? pieceStream(postBytes) : pieces(postBytes),
    })
    : postBytes > 0
    ? () => ({ method: "POST", body: bytes })
    : task.client === "roundtrip-deadlines"
    ? () => ({ timeoutMs: 60_000 })
    : () => undefined;
  if (read === "read") {
    const p = new Uint8Array(READ_BYTES);
    return async (lap) => {
      do {
        const response = await transport.roundTrip(new HttpRequest(url, init()));
        let found = 0;
        for (let n; (n = await response.body.read(p)) !== null;) found += n;
        check(task, response.status, found);
      } while (lap.next());
    };
  }
  if (read === "stream" || read === "events") {
    return async (lap) => {
      do {
        const response = await transport.roundTrip(new HttpRequest(url, init()));
        const found = read === "stream" ? drain(response.body.stream) : countEvents(task, response);
        check(task, response.status, await found);
      } while (lap.next());
    };
  }
  if (task.tickets) {
    return async (lap) => {
      let resumed: boolean | undefined;
      do {
        const response = await transport.roundTrip(new HttpRequest(url));
        resumed = response.connection.tls?.sessionReused ?? undefined;
        check(task, response.status, (await response.bytes()).length);
      } while (lap.next(resumed));
    };
  }
  return async (lap) => {
    do {
      const response = await transport.roundTrip(new HttpRequest(url, init()));
      const found = read === "json"
        ? count(await response.json())
        : (await response.bytes()).length;
      check(task, response.status, found);
    } while (lap.next());
  };
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stream.getReader();
  let found = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return found;
    found += value.length;
  }
}

/** The same parser for everybody: what differs is what brings the bytes. */
async function countEvents(task: Task, input: roundtrip.BodyInput): Promise<number> {
  const { serverSentEvents } = await importOurs(task);
  let found = 0;
  for await (const _ of serverSentEvents(input)) found++;
  return found;
}

/** The runtime's `fetch`, or the one of `createFetch()`. */
export async function fetchLoop(task: Task): Promise<Loop> {
  const fetch = task.client === "createFetch"
    ? (await importOurs(task)).createFetch(transportOptions(task))
    : task.http2
    ? http2Fetch()
    : globalThis.fetch;
  const { url, read, postBytes, streamed } = task;
  const bytes = new Uint8Array(streamed ? 0 : postBytes).fill(0x61);
  const dialling = task.client === "createFetch" ? undefined : dialInit(task);
  const init: () => RequestInit | undefined = streamed
    ? () => ({ method: "POST", body: pieceStream(postBytes), duplex: "half" } as RequestInit)
    : postBytes > 0
    ? () => ({ method: "POST", body: bytes })
    : () => dialling;
  return async (lap) => {
    do {
      const response = await fetch(url, init());
      const found = read === "json"
        ? count(await response.json())
        : read === "stream"
        ? await drain(response.body as ReadableStream<Uint8Array>)
        : read === "events"
        ? await countEvents(task, response)
        : (await response.arrayBuffer()).byteLength;
      check(task, response.status, found);
    } while (lap.next());
  };
}

/** The runtime's `fetch`, where it speaks HTTP/2. */
function http2Fetch(): typeof globalThis.fetch {
  const { Deno: deno, Bun: bun } = globalThis as { Deno?: unknown; Bun?: unknown };
  if (deno) return globalThis.fetch;
  if (!bun) throw new NotMeasurable("fetch on Node speaks HTTP/1.1");
  const protocol = { protocol: "http2" } as RequestInit;
  const speaking = (url: string | URL | Request, init?: RequestInit): Promise<Response> =>
    globalThis.fetch(url, { ...init, ...protocol });
  return speaking as typeof globalThis.fetch;
}

interface DenoClients {
  createHttpClient(
    options: { poolMaxIdlePerHost?: number; proxy?: { url: string } },
  ): unknown;
}

/** What makes `fetch` use a connection once, or a proxy. */
export function dialInit({ close, proxy }: Task): RequestInit | undefined {
  if (!close && proxy === "") return undefined;
  const { Deno: deno, Bun: bun } = globalThis as { Deno?: DenoClients; Bun?: unknown };
  if (deno) {
    const client = deno.createHttpClient(
      close ? { poolMaxIdlePerHost: 0 } : { proxy: { url: proxy } },
    );
    return { client } as RequestInit;
  }
  if (bun) return (close ? { keepalive: false } : { proxy }) as RequestInit;
  throw new NotMeasurable(
    close ? "fetch on Node always keeps its connections" : "fetch on Node takes no proxy",
  );
}

/** `request()` of undici with its own agent. */
export async function undiciLoop(task: Task): Promise<Loop> {
  const { Agent, ProxyAgent, request } = await import("undici");
  const connections = task.http2 ? 1 : task.atOnce;
  const dispatcher = task.proxy !== ""
    ? new ProxyAgent({ uri: task.proxy, proxyTunnel: false, connections })
    : new Agent({
      connections,
      pipelining: task.close ? 0 : task.http2 ? 100 : 1,
      allowH2: task.http2,
      connect: task.url.startsWith("https:") ? { ca: readFileSync(task.caFile, "utf8") } : {},
    });
  const body = new Uint8Array(task.streamed ? 0 : task.postBytes).fill(0x61);
  const options = task.postBytes > 0
    ? { dispatcher, method: "POST" as const, body }
    : { dispatcher, reset: task.close };
  const streaming = (): { body: Readable } => ({ body: Readable.from(pieces(task.postBytes)) });
  return async (lap) => {
    do {
      const { body, statusCode } = await request(
        task.url,
        task.streamed ? { ...options, ...streaming() } : options,
      );
      let found = 0;
      if (task.read === "json") found = count(await body.json());
      else if (task.read === "events") found = await countEvents(task, body);
      else if (task.read === "stream") {
        for await (const chunk of body) found += chunk.length;
      } else found = (await body.arrayBuffer()).byteLength;
      check(task, statusCode, found);
    } while (lap.next());
  };
}

/** `node:http2` with one session, in its own style: events. */
export async function http2Loop(task: Task): Promise<Loop> {
  const { connect } = await import("node:http2");
  const { origin, pathname } = new URL(task.url);
  const session = connect(origin, { ca: readFileSync(task.caFile, "utf8") });
  const isPost = task.postBytes > 0;
  const body = isPost && !task.streamed ? new Uint8Array(task.postBytes).fill(0x61) : null;
  return (lap) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const once = (): void => {
      const stream = session.request({ ":path": pathname, ":method": isPost ? "POST" : "GET" });
      const chunks: Uint8Array[] = [];
      const keep = task.read !== "stream";
      let status = 0;
      let found = 0;
      stream.on("response", (head) => void (status = head[":status"] ?? 0));
      stream.on("data", (chunk: Uint8Array) => {
        found += chunk.length;
        if (keep) chunks.push(chunk);
      });
      stream.on("error", reject).on("end", () => {
        Buffer.concat(chunks);
        try {
          check(task, status, found);
        } catch (error) {
          return reject(error);
        }
        if (lap.next()) once();
        else resolve();
      });
      if (task.streamed) Readable.from(pieces(task.postBytes)).pipe(stream);
      else stream.end(body ?? undefined);
    };
    once();
    return promise;
  };
}

/**
 * `node:http` with an agent that keeps connections, in its own style: callbacks. An agent with a limit
 * of sockets keeps them whatever it is told, for those that wait.
 */
export function httpLoop(task: Task): Loop {
  const tls = task.url.startsWith("https:");
  const settings = task.close
    ? { keepAlive: false, maxSockets: Infinity }
    : { keepAlive: true, maxSockets: task.atOnce };
  const agent = tls
    ? new https.Agent({ ...settings, ca: readFileSync(task.caFile, "utf8") })
    : new http.Agent(settings);
  const { hostname, port, pathname, host } = new URL(task.url);
  const proxy = task.proxy === "" ? null : new URL(task.proxy);
  const body = task.postBytes > 0 ? new Uint8Array(task.postBytes).fill(0x61) : null;
  const options: http.RequestOptions = {
    agent,
    hostname: proxy?.hostname ?? hostname,
    port: proxy?.port ?? port,
    path: proxy ? task.url : pathname,
    method: body ? "POST" : "GET",
    headers: { Host: host, ...(body ? { "Content-Length": body.length } : {}) },
  };
  const { request } = tls ? https : http;
  const keep = task.read !== "stream";
  return (lap) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const once = (): void => {
      const sent = request(options, (response) => {
        const chunks: Uint8Array[] = [];
        const resumed = task.tickets ? isResumed(response.socket) : undefined;
        let found = 0;
        response.on("data", (chunk: Uint8Array) => {
          found += chunk.length;
          if (keep) chunks.push(chunk);
        });
        response.on("error", reject).on("end", () => {
          const all = Buffer.concat(chunks);
          try {
            if (task.read === "json") found = count(JSON.parse(all.toString()));
            check(task, response.statusCode ?? 0, found);
          } catch (error) {
            return reject(error);
          }
          if (lap.next(resumed)) once();
          else resolve();
        });
      });
      sent.on("error", reject);
      sent.end(body ?? undefined);
    };
    once();
    return promise;
  };
}

function isResumed(socket: Socket): boolean {
  return (socket as TLSSocket).isSessionReused();
}

/** A closed loop of exchanges that are functions: where a promise more does not matter. */
export function exchangeLoop(task: Task, exchange: () => Promise<number>): Loop {
  return async (lap) => {
    do {
      check(task, 200, await exchange());
    } while (lap.next());
  };
}
