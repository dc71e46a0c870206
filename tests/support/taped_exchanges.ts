/**
 * Exchanges that are recorded by each runtime and played back on all: those of the demonstration, TLS,
 * HTTP/2, uploads, broken downloads.
 *
 * @module
 */
import { startDemoServer } from "../../cli/demo_server.ts";
import {
  type Dialer,
  type HttpError,
  HttpRequest,
  systemDialer,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { faults, recordingDialer, replayDialer, Tape, testServer } from "../../testing/mod.ts";

/** What came of an exchange, as its caller sees it. */
export type TapedOutcome = readonly (string | number | readonly (readonly string[])[])[];

/** What stands in `tests/vectors/tapes/`, a file for each runtime. */
export interface TapedRuntime {
  readonly tape: string;
  readonly outcomes: readonly TapedOutcome[];
}

const HOSTS = ["demo.test", "tls.test", "h2.test"] as const;

function requests(): HttpRequest[] {
  const headers = { Authorization: "Bearer very-secret", "User-Agent": "tapes" };
  const at = (url: string): HttpRequest => new HttpRequest(url, { headers });
  const upload = (url: string): HttpRequest[] => [
    new HttpRequest(url, { method: "POST", body: "x".repeat(3_000), headers }),
    new HttpRequest(url, { method: "PUT", body: new Blob(["streamed"]).stream(), headers }),
  ];
  return [
    ...["hello", "chunked", "gzip", "hints", "missing"].map((path) =>
      at(`http://demo.test/${path}`)
    ),
    ...upload("http://demo.test/upload"),
    ...["https://tls.test", "https://h2.test"].flatMap((origin) => [
      at(`${origin}/a`),
      ...upload(`${origin}/upload`),
      at(`${origin}/broken`),
    ]),
  ];
}

async function outcomeOf(transport: Transport, request: HttpRequest): Promise<TapedOutcome> {
  try {
    const response = await transport.roundTrip(request);
    const { status, httpVersion } = response;
    const text = await response.text();
    const headers = [...response.headers].filter(([name]) => name !== "set-cookie");
    return [httpVersion, status, headers, text.length, [...await response.trailers]];
  } catch (error) {
    return [(error as HttpError).code];
  }
}

async function outcomes(dialer: Dialer): Promise<TapedOutcome[]> {
  const options: TransportOptions = { dialer, http2: true, disableCompression: false };
  const transport = new Transport(options);
  const found: TapedOutcome[] = [];
  for (const request of requests()) found.push(await outcomeOf(transport, request));
  transport.destroy();
  return found;
}

/** Records them on this runtime. */
export async function record(): Promise<TapedRuntime> {
  const handler = async (request: Request): Promise<Response> =>
    new Response(`${(await request.bytes()).length} bytes`, {
      headers: { "Set-Cookie": "id=very-secret", "Content-Type": "text/plain" },
    });
  const demo = await startDemoServer();
  await using tls = await testServer(
    (request) => request.url.endsWith("/broken") ? faults.wrongLength(5) : handler(request),
    { listen: "tls" },
  );
  await using h2 = await testServer(
    (request) => request.url.endsWith("/broken") ? faults.wrongLength(5) : handler(request),
    { listen: "tls", http2: true },
  );
  const servers = [{ url: demo.url, caCert: null }, tls, h2];
  const tape = new Tape();
  const system = systemDialer();
  const dialer: Dialer = {
    securesDials: true,
    dial: (address, options = {}) => {
      const host = address.transport === "tcp" ? address.hostname : "";
      const { url, caCert } = servers[HOSTS.findIndex((one) => one === host)];
      const port = Number(new URL(url).port);
      const there = { transport: "tcp", hostname: "127.0.0.1", port } as const;
      if (options.tls === undefined) return system.dial(there, options);
      const secured = { ...options.tls, caCerts: [caCert!], serverName: "localhost" };
      return system.dial(there, { ...options, tls: secured });
    },
    startTls: (conn, options, signal) => system.startTls(conn, options, signal),
  };
  try {
    const recording = recordingDialer(dialer, tape, { maskBody: (body) => body });
    const found = await outcomes(recording);
    return { tape: tape.text(), outcomes: found };
  } finally {
    await demo.close();
  }
}

/** Plays a tape back on this runtime. */
export async function replay(tape: string): Promise<TapedOutcome[]> {
  return await outcomes(replayDialer(Tape.parse(tape)));
}
