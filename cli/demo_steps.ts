/**
 * The exchanges of the demonstration, in their order. Each checks what it shows.
 *
 * @module
 */
import { HttpRequest, type HttpRequestInit } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import type { Transport } from "../transport/transport.ts";
import { bytesText } from "./amounts.ts";
import { LARGE_BYTES } from "./demo_server.ts";

/** Where the exchanges take place. */
export interface Stage {
  readonly transport: Transport;
  /** Of the server, without a `/` at the end. */
  readonly url: string;
  readonly signal: AbortSignal;
}

/** An exchange that is over. */
export interface Shown {
  /** What was to be seen. */
  readonly what: string;
  readonly response: HttpResponse;
}

/** Shows one thing; several exchanges where they belong together. */
export type Step = (stage: Stage) => Promise<Shown[]>;

/** Bytes. Body of the uploads. */
const UPLOAD_BYTES = 1_000_000;

/** Bytes. Pieces in which the uploads are sent. */
const PIECE_BYTES = 50_000;

/** Bytes. Read of the large body before it is closed. */
const GLIMPSE_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The demonstration. */
export const steps: readonly Step[] = [
  ...["first", "second", "third"].map((nth) => keepAlive(nth)),
  trailers,
  gzip,
  earlyHints,
  continueAccepted,
  continueRefused,
  continueNotUnderstood,
  earlyClose,
  upgrade,
  atOnce,
];

function keepAlive(nth: string): Step {
  return async (stage) => {
    const response = await send(stage, "/hello");
    expect(await response.text() === "Hello, world!\n", "hello");
    return [{ what: `keep-alive: ${nth} of three`, response }];
  };
}

async function trailers(stage: Stage): Promise<Shown[]> {
  const response = await send(stage, "/chunked");
  const lines = (await response.text()).trimEnd().split("\n");
  const fields = await response.trailers;
  expect(fields.get("X-Lines") === String(lines.length), "trailers");
  const names = [...fields].map(([name, value]) => `${name}: ${value}`);
  return [{ what: `chunked, trailers ${names.join(", ")}`, response }];
}

async function gzip(stage: Stage): Promise<Shown[]> {
  let wireBytes = 0;
  const response = await send(stage, "/gzip", {
    trace: { bodyDone: ({ bytes }) => wireBytes = bytes },
  });
  const { length } = await response.bytes();
  expect(response.uncompressed && length > wireBytes, "gzip");
  return [{ what: `gzip: ${bytesText(wireBytes)} became ${bytesText(length)}`, response }];
}

async function earlyHints(stage: Stage): Promise<Shown[]> {
  const seen: string[] = [];
  const response = await send(stage, "/hints", {
    trace: {
      got1xxResponse: (status, headers) => seen.push(`${status} ${headers.get("link")}`),
    },
  });
  await response.text();
  expect(seen.length === 1, "early hints");
  return [{ what: `early hints: ${seen[0].split(";")[0]}`, response }];
}

async function continueAccepted(stage: Stage): Promise<Shown[]> {
  let asked = 0;
  const { body, sentBytes } = upload();
  const response = await send(stage, "/upload", {
    ...expectContinue(body),
    trace: { got100Continue: () => asked++ },
  });
  const { bytes } = await response.json() as { bytes: number };
  expect(asked === 1 && bytes === UPLOAD_BYTES, "100-continue, accepted");
  return [{ what: `100-continue: accepted, ${bytesText(sentBytes())} sent`, response }];
}

async function continueRefused(stage: Stage): Promise<Shown[]> {
  const { body, sentBytes } = upload();
  const response = await send(stage, "/full", expectContinue(body));
  await response.text();
  expect(response.status === 413 && sentBytes() === 0, "100-continue, refused");
  return [{ what: `100-continue: refused, ${bytesText(sentBytes())} sent`, response }];
}

async function continueNotUnderstood(stage: Stage): Promise<Shown[]> {
  let retries = 0;
  const { body, sentBytes } = upload();
  const response = await send(stage, "/unasked", {
    ...expectContinue(body),
    trace: { retry: () => retries++ },
  });
  await response.text();
  expect(response.status === 200 && retries === 1, "100-continue, 417");
  return [{ what: `100-continue: 417, then ${bytesText(sentBytes())} unasked`, response }];
}

async function earlyClose(stage: Stage): Promise<Shown[]> {
  const response = await send(stage, "/large");
  const glimpse = new Uint8Array(GLIMPSE_BYTES);
  let seen = 0;
  while (seen < GLIMPSE_BYTES) seen += await response.body.read(glimpse.subarray(seen)) ?? NaN;
  await response.body.close();
  expect(seen === GLIMPSE_BYTES, "early close");
  return [{ what: `early close: ${bytesText(seen)} of ${bytesText(LARGE_BYTES)} read`, response }];
}

async function upgrade(stage: Stage): Promise<Shown[]> {
  const response = await send(stage, "/echo", {
    headers: [["Connection", "upgrade"], ["Upgrade", "echo"]],
  });
  const conn = response.upgrade();
  const buffer = new Uint8Array(64);
  let echoed = 0;
  for (const word of ["over", "and", "out"]) {
    await conn.write(encoder.encode(word));
    let answer = "";
    while (answer.length < word.length) {
      const n = await conn.read(buffer);
      expect(n !== null, "upgrade");
      answer += decoder.decode(buffer.subarray(0, n));
    }
    expect(answer === word, "upgrade");
    echoed++;
  }
  conn.close();
  return [{ what: `upgrade: ${echoed} messages echoed`, response }];
}

async function atOnce(stage: Stage): Promise<Shown[]> {
  const responses = await Promise.all([1, 2, 3].map(() => send(stage, "/hello")));
  await Promise.all(responses.map((response) => response.text()));
  return responses.map((response, i) => ({ what: `three at once: number ${i + 1}`, response }));
}

function send(stage: Stage, path: string, init: HttpRequestInit = {}): Promise<HttpResponse> {
  const { transport, url, signal } = stage;
  return transport.roundTrip(new HttpRequest(url + path, { ...init, signal }));
}

/** A body that counts what is asked of it, anew for each attempt. */
function upload(): { body: () => AsyncIterable<Uint8Array>; sentBytes: () => number } {
  let sent = 0;
  return {
    sentBytes: () => sent,
    body: async function* () {
      for (sent = 0; sent < UPLOAD_BYTES;) {
        sent += PIECE_BYTES;
        yield new Uint8Array(PIECE_BYTES);
      }
    },
  };
}

function expectContinue(body: HttpRequestInit["body"]): HttpRequestInit {
  return {
    method: "POST",
    headers: [["Expect", "100-continue"]],
    body,
    contentLength: UPLOAD_BYTES,
  };
}

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`The demonstration went wrong: ${what}`);
}
