/**
 * Closed loops of each client that speaks HTTP. Each loop has its exchange in its own body: a call
 * in between would be one promise more than a program has.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { Readable } from "node:stream";
import * as roundtrip from "../mod.ts";
import type { Lap } from "./meter.ts";
import { PIECE_BYTES, READ_BYTES } from "./raw.ts";
import type { Task } from "./task.ts";

/** A closed loop. */
export type Loop = (lap: Lap) => Promise<void>;

/** A client that this tree does not have yet, or that cannot do the work. */
export class NotMeasurable extends Error {}

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

function check(status: number): void {
  if (status !== 200) throw new Error(`Status ${status}`);
}

/** Every deadline, each long enough never to fire. */
const deadlines: roundtrip.TransportOptions = {
  poolWaitTimeoutMs: 60_000,
  dialTimeoutMs: 60_000,
  tlsHandshakeTimeoutMs: 60_000,
  expectContinueTimeoutMs: 60_000,
  responseHeaderTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 60_000,
};

/** Every hook, each counting only. */
function wholeTrace(): roundtrip.ClientTrace {
  let count = 0;
  const hook = (): void => void count++;
  return {
    getConn: hook,
    gotConn: hook,
    putIdleConn: hook,
    connectStart: hook,
    connectDone: hook,
    tlsHandshakeStart: hook,
    tlsHandshakeDone: hook,
    wroteHeaders: hook,
    wait100Continue: hook,
    got100Continue: hook,
    got1xxResponse: hook,
    wroteRequest: hook,
    gotFirstResponseByte: hook,
    retry: hook,
    bodyDone: hook,
    bodyLeaked: hook,
  };
}

function transportOptions(task: Task): roundtrip.TransportOptions {
  return {
    maxIdleConns: 0,
    http2: task.http2,
    disableKeepAlives: task.close,
    ...(task.url.startsWith("https:")
      ? { tls: { caCerts: [readFileSync(task.caFile, "utf8")] } }
      : {}),
    ...(task.client === "roundtrip-trace" ? { trace: wholeTrace() } : {}),
    ...(task.client === "roundtrip-deadlines" ? deadlines : {}),
  };
}

/** `Transport.roundTrip()`, and the body in the style of the task. */
export function roundtripLoop(task: Task): Loop {
  const transport = new roundtrip.Transport(transportOptions(task));
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
        const response = await transport.roundTrip(new roundtrip.HttpRequest(url, init()));
        check(response.status);
        while (await response.body.read(p) !== null);
      } while (lap.next());
    };
  }
  if (read === "stream") {
    return async (lap) => {
      do {
        const response = await transport.roundTrip(new roundtrip.HttpRequest(url, init()));
        check(response.status);
        await drain(response.body.stream);
      } while (lap.next());
    };
  }
  return async (lap) => {
    do {
      const response = await transport.roundTrip(new roundtrip.HttpRequest(url, init()));
      if (read === "json") await response.json();
      else await response.bytes();
      check(response.status);
    } while (lap.next());
  };
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  while (!(await reader.read()).done);
}

/** The runtime's `fetch`, or the one of `createFetch()`. */
export function fetchLoop(task: Task): Loop {
  const fetch = task.client === "createFetch"
    ? createFetch(task)
    : task.http2
    ? http2Fetch()
    : globalThis.fetch;
  const { url, read, postBytes, streamed } = task;
  const bytes = new Uint8Array(streamed ? 0 : postBytes).fill(0x61);
  const init: () => RequestInit | undefined = streamed
    ? () => ({ method: "POST", body: pieceStream(postBytes), duplex: "half" } as RequestInit)
    : postBytes > 0
    ? () => ({ method: "POST", body: bytes })
    : task.close
    ? () => closing()
    : () => undefined;
  return async (lap) => {
    do {
      const response = await fetch(url, init());
      if (read === "json") await response.json();
      else if (read === "stream") await drain(response.body as ReadableStream<Uint8Array>);
      else await response.arrayBuffer();
      check(response.status);
    } while (lap.next());
  };
}

function createFetch(task: Task): typeof globalThis.fetch {
  const { createFetch } = roundtrip as unknown as {
    createFetch?: (options: roundtrip.TransportOptions) => typeof globalThis.fetch;
  };
  if (createFetch === undefined) throw new NotMeasurable("mod.ts has no createFetch yet");
  return createFetch(transportOptions(task));
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
  createHttpClient(options: { poolMaxIdlePerHost: number }): unknown;
}

let closingInit: RequestInit | null = null;

/** What makes `fetch` use a connection once. */
function closing(): RequestInit {
  if (closingInit !== null) return closingInit;
  const { Deno: deno, Bun: bun } = globalThis as { Deno?: DenoClients; Bun?: unknown };
  if (deno) {
    closingInit = { client: deno.createHttpClient({ poolMaxIdlePerHost: 0 }) } as RequestInit;
  } else if (bun) {
    closingInit = { keepalive: false };
  } else {
    throw new NotMeasurable("fetch on Node always keeps its connections");
  }
  return closingInit;
}

/** `request()` of undici with its own agent. */
export async function undiciLoop(task: Task): Promise<Loop> {
  const { Agent, request } = await import("undici");
  const dispatcher = new Agent({
    connections: task.http2 ? 1 : task.atOnce,
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
      const response = await request(
        task.url,
        task.streamed ? { ...options, ...streaming() } : options,
      );
      if (task.read === "json") await response.body.json();
      else if (task.read === "stream") {
        for await (const _ of response.body);
      } else await response.body.arrayBuffer();
      check(response.statusCode);
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
      stream.on("response", (head) => {
        if (head[":status"] !== 200) reject(new Error(`Status ${head[":status"]}`));
      });
      stream.on("data", (chunk: Uint8Array) => void (keep && chunks.push(chunk)));
      stream.on("error", reject).on("end", () => {
        Buffer.concat(chunks);
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

/** `node:http` with an agent that keeps connections, in its own style: callbacks. */
export function httpLoop(task: Task): Loop {
  const tls = task.url.startsWith("https:");
  const settings = { keepAlive: !task.close, maxSockets: task.atOnce };
  const agent = tls
    ? new https.Agent({ ...settings, ca: readFileSync(task.caFile, "utf8") })
    : new http.Agent(settings);
  const { hostname, port, pathname } = new URL(task.url);
  const body = task.postBytes > 0 ? new Uint8Array(task.postBytes).fill(0x61) : null;
  const options: http.RequestOptions = {
    agent,
    hostname,
    port,
    path: pathname,
    method: body ? "POST" : "GET",
    headers: body ? { "Content-Length": body.length } : {},
  };
  const { request } = tls ? https : http;
  const keep = task.read !== "stream";
  return (lap) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const once = (): void => {
      const sent = request(options, (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => void (keep && chunks.push(chunk)));
        response.on("error", reject).on("end", () => {
          const all = Buffer.concat(chunks);
          if (task.read === "json") JSON.parse(all.toString());
          if (response.statusCode !== 200) reject(new Error(`Status ${response.statusCode}`));
          else if (lap.next()) once();
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
