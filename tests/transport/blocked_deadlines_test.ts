/**
 * M24: a deadline that passes while the program blocks its event loop is not declared before what the kernel holds has
 * been seen. Each kind of deadline, with and without a blocked loop, and with and without an answer in time.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Dialer,
  HttpError,
  HttpRequest,
  type HttpResponse,
  systemDialer,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { root, runtimePath } from "../../scripts/run_program.ts";
import { test } from "../support/harness.ts";
import { testAuthority } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";

const fixture = fileURLToPath(new URL("../fixtures/prompt_server.ts", import.meta.url));

/** Milliseconds. Of the deadline that is tried; all others are off. */
const LIMIT_MS = 200;

interface Server {
  /** Of what answers a little later than it is asked. */
  readonly prompt: number;
  /** Of what never answers. */
  readonly silent: number;
  /** How often they were asked, and have answered. */
  readonly asked: number;
  readonly answered: number;
}

async function withServer(run: (server: Server) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "roundtrip-"));
  for (const name of ["asked", "answered"]) writeFileSync(join(folder, name), "");
  const child = spawn(runtimePath("node"), [fixture, folder], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const [line] = await once(child.stdout, "data") as [Uint8Array];
    const [prompt, silent] = new TextDecoder().decode(line).split(" ").map(Number);
    const size = (name: string): number => statSync(join(folder, name)).size;
    await run({
      prompt,
      silent,
      get asked() {
        return size("asked");
      },
      get answered() {
        return size("answered");
      },
    });
  } finally {
    child.stdin.end();
    await exited;
    rmSync(folder, { recursive: true });
  }
}

/** What a row has to do with. */
interface Stand {
  readonly transport: Transport;
  readonly server: Server;
  /** Whether there is an answer in time. */
  readonly answers: boolean;
  /** The port of the server that answers, or does not. */
  readonly port: number;
  /** Lets the server be asked so many questions; then, where it is to be, blocks the event loop. */
  step(questions: number): Promise<void>;
}

interface Row {
  readonly name: string;
  options(port: number): TransportOptions;
  ask(stand: Stand): Promise<unknown>;
  /** What `ask` gives without an answer; `phase …`: it times out in that phase. */
  readonly unanswered: unknown;
  readonly answered: unknown;
}

async function get({ transport }: Stand, url: string): Promise<string> {
  return await (await transport.roundTrip(new HttpRequest(url))).text();
}

/** Sends a request to where `url` says, and steps when so many questions have been understood. */
function plain(url: (stand: Stand) => string, questions: number = 1): Row["ask"] {
  return async (stand) => {
    const going = get(stand, url(stand));
    going.catch(() => {});
    await stand.step(questions);
    return await going;
  };
}

/** Reads half a body, which comes at once. */
async function readHalf({ transport, port }: Stand): Promise<HttpResponse["body"]> {
  const url = `http://127.0.0.1:${port}/half`;
  const { body } = await transport.roundTrip(new HttpRequest(url));
  assert.equal(await body.read(new Uint8Array(4)), 2);
  return body;
}

const ROWS: Row[] = [
  {
    name: "tlsHandshakeTimeoutMs",
    options: () => ({ tlsHandshakeTimeoutMs: LIMIT_MS }),
    ask: plain(({ port }) => `https://localhost:${port}/`),
    unanswered: "phase tls",
    answered: "okok",
  },
  {
    name: "dialTimeoutMs, a tunnel by CONNECT",
    options: (port) => ({ dialTimeoutMs: LIMIT_MS, proxy: `http://127.0.0.1:${port}` }),
    ask: plain(() => "https://localhost/"),
    unanswered: "phase proxy",
    answered: "okok",
  },
  {
    name: "dialTimeoutMs, a tunnel by SOCKS",
    options: (port) => ({ dialTimeoutMs: LIMIT_MS, proxy: `socks5h://127.0.0.1:${port}` }),
    // The first of two questions: when that is answered, the other one has not been asked.
    ask: plain(() => "http://target.test/"),
    unanswered: "phase proxy",
    answered: "okok",
  },
  {
    name: "poolWaitTimeoutMs",
    options: () => ({ maxConnsPerHost: 1, poolWaitTimeoutMs: LIMIT_MS }),
    ask: async (stand) => {
      const { transport, server, answers } = stand;
      const url = `http://127.0.0.1:${server.prompt}/${answers ? "" : "never"}`;
      const first = get(stand, url);
      first.catch(() => {});
      const second = get(stand, url);
      second.catch(() => {});
      await stand.step(1);
      try {
        return await second;
      } finally {
        if (!answers) transport.destroy();
        await first.catch(() => {});
      }
    },
    unanswered: "phase queue",
    answered: "okok",
  },
  {
    name: "expectContinueTimeoutMs",
    options: () => ({ expectContinueTimeoutMs: LIMIT_MS }),
    ask: async ({ transport, port, step }) => {
      const told: string[] = [];
      const request = new HttpRequest(`http://127.0.0.1:${port}/`, {
        method: "POST",
        headers: { "Expect": "100-continue" },
        body: "content",
        trace: {
          got100Continue: () => void told.push("100"),
          wroteRequest: () => void told.push("content"),
        },
      });
      const going = transport.roundTrip(request).then((response) => response.text());
      going.catch(() => {});
      await step(1);
      await until("the content is sent", () => told.includes("content"));
      const order = told.slice(0, told.indexOf("content") + 1).join();
      transport.destroy();
      await going.catch(() => {});
      return order;
    },
    unanswered: "content",
    answered: "100,content",
  },
  {
    name: "responseHeaderTimeoutMs",
    options: () => ({ responseHeaderTimeoutMs: LIMIT_MS }),
    ask: plain(({ port }) => `http://127.0.0.1:${port}/`),
    unanswered: "phase response-header",
    answered: "okok",
  },
  {
    name: "responseHeaderTimeoutMs over TLS",
    options: () => ({ responseHeaderTimeoutMs: LIMIT_MS }),
    ask: plain(
      ({ server, answers }) => `https://localhost:${server.prompt}/${answers ? "" : "never"}`,
      2,
    ),
    unanswered: "phase response-header",
    answered: "okok",
  },
  {
    name: "bodyIdleTimeoutMs",
    options: () => ({ bodyIdleTimeoutMs: LIMIT_MS }),
    ask: async (stand) => {
      const going = (await readHalf(stand)).read(new Uint8Array(4));
      going.catch(() => {});
      await stand.step(1);
      return await going;
    },
    unanswered: "phase body",
    answered: 2,
  },
  {
    name: "the time to drain a body",
    options: () => ({}),
    ask: async (stand) => {
      const closing = (await readHalf(stand)).close();
      await stand.step(1);
      await closing;
      const { transport } = stand;
      await until("it is decided", () => transport.stats().active === 0);
      return transport.stats().idle;
    },
    unanswered: 0,
    answered: 1,
  },
];

const OFF: TransportOptions = {
  dialTimeoutMs: 0,
  tlsHandshakeTimeoutMs: 0,
  expectContinueTimeoutMs: 0,
  tls: { caCerts: [testAuthority] },
  proxy: null,
};

/** Blocks the event loop until the time of every deadline is over, and longer if `done` takes longer. */
function block(done: () => boolean): void {
  const startedAt = performance.now();
  while (performance.now() < startedAt + 2 * LIMIT_MS || !done()) {
    assert.ok(performance.now() < startedAt + 10_000, "the server does not answer");
  }
}

/** What came of it: a value, or the phase of a deadline. */
async function outcome(going: Promise<unknown>): Promise<unknown> {
  try {
    return await going;
  } catch (error) {
    assert.ok(error instanceof HttpError && error.code === "ERR_TIMEOUT", String(error));
    return `phase ${error.phase}`;
  }
}

for (const { name, options, ask, unanswered, answered } of ROWS) {
  for (const blocks of [false, true]) {
    for (const answers of [false, true]) {
      const what = `${answers ? "answered" : "not answered"}, ${
        blocks ? "blocked" : "not blocked"
      }`;
      test(`M24 ${name}: ${what}`, () =>
        withServer(async (server) => {
          const port = answers ? server.prompt : server.silent;
          const transport = new Transport({ ...OFF, ...options(port) });
          const step = async (questions: number): Promise<void> => {
            await until("the server is asked", () => server.asked >= questions);
            if (blocks) block(() => !answers || server.answered >= questions);
          };
          const going = ask({ transport, server, answers, port, step });
          assert.equal(await outcome(going), answers ? answered : unanswered);
          const { active, waiting, dialing } = transport.stats();
          assert.deepEqual({ active, waiting, dialing }, { active: 0, waiting: 0, dialing: 0 });
          transport.destroy();
        }));
    }
  }
}

for (const answers of [false, true]) {
  test(`M24 dialTimeoutMs: ${answers ? "answered" : "not answered"}, blocked`, () =>
    withServer(async (server) => {
      const system = systemDialer();
      // Its adapter is there.
      (await system.dial({ transport: "tcp", hostname: "127.0.0.1", port: server.prompt })).close();
      const dialer: Dialer = {
        dial: (address, dialOptions) => {
          const dialling = answers
            ? system.dial(address, dialOptions)
            : new Promise<never>((_resolve, reject) => {
              const { signal } = dialOptions!;
              signal!.addEventListener("abort", () => reject(signal!.reason));
            });
          queueMicrotask(() => block(() => true));
          return dialling;
        },
        startTls: () => Promise.reject(new Error("not asked for")),
        pollBarrier: (sure) => system.pollBarrier!(sure),
      };
      const transport = new Transport({ ...OFF, dialTimeoutMs: LIMIT_MS, dialer });
      const going = get({ transport } as Stand, `http://127.0.0.1:${server.prompt}/`);
      assert.equal(await outcome(going), answers ? "okok" : "phase dial");
      assert.equal(transport.stats().dialing, 0);
      transport.destroy();
    }));
}

test("M24 timeoutMs is the caller's own: it does not wait for a look", () =>
  withServer(async (server) => {
    const transport = new Transport(OFF);
    const url = `http://127.0.0.1:${server.prompt}/`;
    const going = transport.roundTrip(new HttpRequest(url, { timeoutMs: LIMIT_MS }));
    going.catch(() => {});
    await until("the server is asked", () => server.asked === 1);
    block(() => server.answered === 1);
    // Whichever the runtime tells first.
    const result = await outcome(going.then(() => "answered"));
    assert.ok(result === "answered" || result === "phase response-header", String(result));
    transport.destroy();
  }));
