/**
 * Every place where callers' code is called, and what it may do there: it throws, rejects, returns
 * nonsense, hangs, aborts the request or destroys the transport. The request ends, the pool's counts
 * are right, nothing is left open, and the process lives.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  type ClientTrace,
  compose,
  type Conn,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  ResumingTransport,
  RetryingTransport,
  type RoundTripper,
  systemDialer,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { connWith } from "../support/conn_with.ts";
import { watched } from "../support/console_errors.ts";
import { test } from "../support/harness.ts";
import { type MemoryServer, memoryServer } from "../support/memory_server.ts";
import { testAuthority, withRawServer } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";

/** What the code does, once. */
const FAULTS = ["throws", "rejects", "returns nonsense", "hangs", "aborts", "destroys"] as const;

type Fault = typeof FAULTS[number];

/**
 * How a request ends: with the answer, with what was thrown, with the reason of the signal or of
 * `destroy()`, or with an `HttpError` of that code.
 */
type End = "answer" | "thrown" | "reason" | "destroyed" | HttpError["code"];

/** One run of one fault at one place. */
class Run {
  readonly thrown: Error = new Error("thrown");
  readonly reason: Error = new Error("reason");
  readonly destroyed: Error = new Error("destroyed");
  readonly server: MemoryServer = memoryServer();
  readonly #controller: AbortController = new AbortController();
  readonly #fault: Fault;
  transport!: Transport;
  /** How often the place was reached. */
  calls = 0;
  /** Whether the fault is done where it is reached; only the first time is. */
  isArmed = true;
  /** Nobody has a use for it where it is returned. */
  nonsense: unknown = 5;

  constructor(fault: Fault) {
    this.#fault = fault;
  }

  /** The place: the fault, else, and behind one that is not about the result, what `normally` does. */
  at<T>(normally: () => T): T {
    if (!this.isArmed) return normally();
    this.calls++;
    this.isArmed = false;
    switch (this.#fault) {
      case "throws":
        throw this.thrown;
      case "rejects":
        return Promise.reject(this.thrown) as T;
      case "returns nonsense":
        return this.nonsense as T;
      case "hangs":
        setTimeout(() => this.#controller.abort(this.reason), 5);
        return new Promise(() => {}) as T;
      case "aborts":
        this.#controller.abort(this.reason);
        return normally();
      case "destroys":
        this.transport.destroy(this.destroyed);
        return normally();
    }
  }

  use(options: TransportOptions = {}): Transport {
    return this.transport = new Transport({
      dialer: this.server.dialer,
      // What of a dial hangs in callers' code, and keeps no process alive, ends by its own time.
      dialTimeoutMs: 500,
      ...options,
    });
  }

  request(path = "/", init: HttpRequestInit = {}, origin = "http://a.test"): HttpRequest {
    return new HttpRequest(origin + path, { signal: this.#controller.signal, ...init });
  }

  endOf(error: unknown): End {
    if (error === this.thrown) return "thrown";
    if (error === this.reason) return "reason";
    if (error === this.destroyed) return "destroyed";
    assert.ok(error instanceof HttpError, `${error}`);
    return error.code;
  }
}

/** Sends a request and reads its answer. */
async function exchange(by: RoundTripper, request: HttpRequest): Promise<void> {
  const response = await by.roundTrip(request);
  assert.equal(await response.text(), "ok");
}

/** A place where callers' code is called, and how requests end by what it does there. */
interface Place {
  readonly run: (run: Run) => Promise<void>;
  readonly ends: Partial<Record<Fault, End | readonly End[]>>;
  /** Whether what is thrown there, or rejected with, is told on the console. */
  readonly tells?: boolean;
  /** Default: 5. */
  readonly nonsense?: unknown;
  /** Whether the transport is of no use after it, whatever happens. */
  readonly isLast?: boolean;
}

/** Requests over a connection of which one member is the place. */
function member(
  name: keyof Conn,
  normally: (conn: Conn, ...args: never[]) => unknown,
  isGetter = false,
  first: (conn: Conn) => void = () => {},
): Place["run"] {
  return async (run) => {
    const { dialer } = run.server;
    const transport = run.use({
      dialer: {
        // Without a barrier: a request goes with what it was given.
        startTls: dialer.startTls,
        dial: async () => {
          const conn = await dialer.dial({ transport: "unix", path: "x" });
          const value = (...args: never[]): unknown => {
            first(conn);
            return run.at(() => normally(conn, ...args));
          };
          return connWith(conn, { [name]: isGetter ? { get: value } : { value } });
        },
      },
    });
    await exchange(transport, run.request());
    // Whatever is called when a connection closes.
    if (name !== "whenClosed") transport.closeIdleConnections();
    else await transport.close();
  };
}

const PROXY = "http://p.test:3128";

/** Where a hook of a trace is called: in an exchange of this kind. */
const HOOKS: Readonly<
  Record<string, (run: Run, by: Transport, trace: ClientTrace) => Promise<void>>
> = {
  plain: (run, by, trace) => exchange(by, run.request("/", { trace })),
  secure: (run, by, trace) => exchange(by, run.request("/", { trace }, "https://a.test")),
  early: (run, by, trace) => exchange(by, run.request("/early", { trace })),
  waiting: (run, by, trace) =>
    exchange(
      by,
      run.request("/", {
        trace,
        method: "POST",
        headers: { Expect: "100-continue" },
        body: "hello!",
      }),
    ),
  repeated: async (run, by, trace) => {
    await exchange(by, new HttpRequest("http://a.test/"));
    await exchange(by, run.request("/drop", { trace }));
  },
};

const hooks: readonly [keyof ClientTrace, keyof typeof HOOKS][] = [
  ["getConn", "plain"],
  ["gotConn", "plain"],
  ["putIdleConn", "plain"],
  ["connectStart", "plain"],
  ["connectDone", "plain"],
  ["proxyConnectStart", "secure"],
  ["proxyConnectDone", "secure"],
  ["tlsHandshakeStart", "secure"],
  ["tlsHandshakeDone", "secure"],
  ["wroteHeaders", "plain"],
  ["wait100Continue", "waiting"],
  ["got100Continue", "waiting"],
  ["got1xxResponse", "early"],
  ["wroteRequest", "plain"],
  ["gotFirstResponseByte", "plain"],
  ["retry", "repeated"],
  ["bodyDone", "plain"],
];

const places: Record<string, Place> = {};

for (const [name, kind] of hooks) {
  const isAbout1xx = name === "got1xxResponse";
  // The answer is there already, or about to be.
  const isLate = name === "bodyDone";
  for (const whose of ["transport", "request"] as const) {
    if (whose === "request" && name === "putIdleConn") continue;
    places[`hook ${name} of the ${whose}`] = {
      run: async (run) => {
        const trace: ClientTrace = { [name]: () => run.at(() => {}) };
        const proxy = name.startsWith("proxy") ? { proxy: PROXY } : {};
        const transport = run.use(whose === "transport" ? { ...proxy, trace } : proxy);
        await HOOKS[kind](run, transport, whose === "request" ? trace : {});
      },
      ends: {
        "throws": isAbout1xx ? "thrown" : "answer",
        "rejects": isAbout1xx ? "thrown" : "answer",
        "returns nonsense": "answer",
        // It is not waited for.
        "hangs": "answer",
        "aborts": isLate ? "answer" : "reason",
        "destroys": isLate ? "answer" : "destroyed",
      },
      tells: !isAbout1xx,
    };
  }
}

Object.assign(
  places,
  {
    "dialer.dial": {
      run: async (run) => {
        const { dialer } = run.server;
        const dial = (): Promise<Conn> =>
          run.at(() => dialer.dial({ transport: "unix", path: "x" }));
        await exchange(run.use({ dialer: { ...dialer, dial } }), run.request());
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "dialer.startTls": {
      run: async (run) => {
        const { dialer } = run.server;
        const startTls = (conn: Conn): Promise<Conn> => run.at(() => dialer.startTls(conn, {}));
        const transport = run.use({ dialer: { ...dialer, startTls } });
        await exchange(transport, run.request("/", {}, "https://a.test"));
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "dialer.startTls, to a proxy": {
      run: async (run) => {
        const { dialer } = run.server;
        const startTls = (conn: Conn): Promise<Conn> => run.at(() => dialer.startTls(conn, {}));
        const transport = run.use({
          dialer: { ...dialer, startTls },
          proxy: "https://p.test:3129",
        });
        await exchange(transport, run.request());
      },
      ends: {
        "throws": "ERR_PROXY",
        "rejects": "ERR_PROXY",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "dialer.dial, with TLS": {
      run: async (run) => {
        const { dialer } = run.server;
        const dial = (): Promise<Conn> =>
          run.at(() => dialer.dial({ transport: "unix", path: "x" }));
        const transport = run.use({ dialer: { ...dialer, dial, securesDials: true } });
        await exchange(transport, run.request("/", {}, "https://a.test"));
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "dialer.securesDials": {
      run: async (run) => {
        const dialer = Object.defineProperty({ ...run.server.dialer }, "securesDials", {
          get: () => run.at(() => false),
        });
        await exchange(run.use({ dialer }), run.request("/", {}, "https://a.test"));
      },
      ends: {
        "throws": "thrown",
        "returns nonsense": "answer",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "dialer.pollBarrier": {
      run: async (run) => {
        const pollBarrier = (): Promise<void> => run.at(() => Promise.resolve());
        const transport = run.use({ dialer: { ...run.server.dialer, pollBarrier } });
        await exchange(transport, new HttpRequest("http://a.test/"));
        await new Promise((resolve) => setTimeout(resolve, 5));
        await exchange(transport, run.request());
      },
      ends: {
        // Nothing is proven: another connection serves.
        "throws": "answer",
        "rejects": "answer",
        "returns nonsense": "answer",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "proxy": {
      run: async (run) => {
        await exchange(run.use({ proxy: () => run.at(() => null) }), run.request());
      },
      ends: {
        "throws": "ERR_PROXY",
        "rejects": "ERR_PROXY",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "proxyConnectHeaders": {
      run: async (run) => {
        const proxyConnectHeaders = () => run.at(() => ({ "X-A": "b" }));
        const transport = run.use({ proxy: PROXY, proxyConnectHeaders });
        await exchange(transport, run.request("/", {}, "https://a.test"));
      },
      ends: {
        "throws": "ERR_PROXY",
        "rejects": "ERR_INVALID_REQUEST",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "onProxyConnectResponse": {
      run: async (run) => {
        const onProxyConnectResponse = () => run.at(() => {});
        const transport = run.use({ proxy: PROXY, onProxyConnectResponse });
        await exchange(transport, run.request("/", {}, "https://a.test"));
      },
      ends: {
        "throws": "ERR_PROXY",
        "rejects": "ERR_PROXY",
        "returns nonsense": "answer",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "resolve": {
      run: async (run) => {
        const resolve = () => run.at(() => Promise.resolve(["127.0.0.1"]));
        await exchange(run.use({ resolve }), run.request());
      },
      ends: {
        "throws": "ERR_DIAL",
        "rejects": "ERR_DIAL",
        "returns nonsense": "ERR_DIAL",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "resolve, for socks5:": {
      run: async (run) => {
        const resolve = (hostname: string) => {
          if (hostname !== "a.test") return Promise.resolve(["127.0.0.1"]);
          return run.at(() => Promise.reject(new Error("not to be found")));
        };
        const transport = run.use({ resolve, proxy: "socks5://p.test" });
        await exchange(transport, run.request());
      },
      ends: {
        "throws": "ERR_DIAL",
        "rejects": "ERR_DIAL",
        "returns nonsense": "ERR_DIAL",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
      isLast: true,
    },
    "onUploadProgress": {
      run: async (run) => {
        const init: HttpRequestInit = {
          method: "POST",
          body: "hello!",
          onUploadProgress: () => run.at(() => {}),
        };
        await exchange(run.use(), run.request("/", init));
      },
      ends: {
        "throws": "answer",
        "rejects": "answer",
        "returns nonsense": "answer",
        "hangs": "answer",
        // The server may have answered by then.
        "aborts": ["answer", "reason"],
        "destroys": ["answer", "destroyed"],
      },
      tells: true,
    },
    "onDownloadProgress": {
      run: async (run) => {
        const onDownloadProgress = () => run.at(() => {});
        await exchange(run.use(), run.request("/pieces", { onDownloadProgress }));
      },
      ends: {
        "throws": "answer",
        "rejects": "answer",
        "returns nonsense": "answer",
        "hangs": "answer",
        "aborts": "reason",
        "destroys": "destroyed",
      },
      tells: true,
    },
    "trailers": {
      run: async (run) => {
        const trailers = () => run.at((): [string, string][] => []);
        const init: HttpRequestInit = { method: "POST", body: "hello!", trailers };
        await exchange(run.use(), run.request("/", init));
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "a registered protocol": {
      run: async (run) => {
        const other: RoundTripper = {
          roundTrip: () => run.at(() => transport.roundTrip(new HttpRequest("http://a.test/"))),
        };
        const transport = run.use();
        transport.registerProtocol("other", other);
        await exchange(transport, run.request("/", {}, "other://a.test"));
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "jar.getCookieHeader": {
      run: async (run) => {
        const jar = { getCookieHeader: () => run.at(() => ""), setCookie: () => {} };
        await followed(run, new Client({ transport: run.use(), jar }));
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "jar.setCookie": {
      run: async (run) => {
        const jar = { getCookieHeader: () => "", setCookie: () => run.at(() => {}) };
        await followed(run, new Client({ transport: run.use(), jar }), "/cookie");
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "answer",
        "hangs": "reason",
        "aborts": "reason",
        // The answer came whole before.
        "destroys": "answer",
      },
    },
    "checkRedirect": {
      run: async (run) => {
        const checkRedirect = () => run.at(() => {});
        await followed(run, new Client({ transport: run.use(), checkRedirect }), "/redirect");
      },
      ends: {
        "throws": "ERR_REDIRECT",
        "rejects": "ERR_REDIRECT",
        "returns nonsense": "ERR_REDIRECT",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "throwOnError": {
      run: async (run) => {
        const throwOnError = (): boolean => run.at(() => false);
        await followed(run, new Client({ transport: run.use(), throwOnError }), "/pieces");
      },
      ends: {
        "throws": "thrown",
        "rejects": "ERR_INVALID_REQUEST",
        "returns nonsense": "ERR_INVALID_REQUEST",
        // It has to decide at once.
        "hangs": "ERR_INVALID_REQUEST",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "a layer": {
      run: async (run) => {
        const transport = run.use();
        const layered = compose(transport, (request, next) => run.at(() => next(request)));
        await exchange(layered, run.request());
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "a layer that has an answer": {
      run: async (run) => {
        const transport = run.use();
        const layered = compose(transport, async (request, next) => {
          const response = await next(request);
          return await run.at(() => response);
        });
        await exchange(layered, run.request("/pieces"));
      },
      ends: {
        "throws": "thrown",
        "rejects": "thrown",
        "returns nonsense": "ERR_INVALID_REQUEST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "onRetry": {
      run: async (run) => {
        const onRetry = () => run.at(() => {});
        const retrying = new RetryingTransport(run.use(), { onRetry, attempts: 2, baseDelayMs: 1 });
        await answeredWith503(run, retrying);
      },
      ends: {
        "throws": "thrown",
        "rejects": "answer",
        "returns nonsense": "answer",
        "hangs": ["answer", "reason"],
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "random": {
      run: async (run) => {
        const random = () => run.at(() => 0.5);
        const retrying = new RetryingTransport(run.use(), { random, attempts: 2, baseDelayMs: 1 });
        await answeredWith503(run, retrying);
      },
      ends: {
        "throws": "answer",
        "returns nonsense": "answer",
        "aborts": "reason",
        "destroys": "destroyed",
      },
      tells: true,
    },
    "onResume": {
      run: async (run) => {
        const onResume = () => run.at(() => {});
        const resuming = new ResumingTransport(run.use(), { onResume, baseDelayMs: 1 });
        await exchange(resuming, run.request("/broken"));
      },
      ends: {
        "throws": "thrown",
        "rejects": "answer",
        "returns nonsense": "answer",
        "hangs": ["answer", "reason"],
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "clock.now": clockPlace("now", () => performance.now()),
    "clock.startTimer": clockPlace("startTimer", (callback: () => void, delayMs: number) => {
      const timer = setTimeout(callback, delayMs);
      return timer;
    }),
    "clock.stopTimer": clockPlace("stopTimer", () => {}),
    "signal.addEventListener": signalPlace("addEventListener", "thrown"),
    // It has been told of the end by then.
    "signal.removeEventListener": { ...signalPlace("removeEventListener", "answer"), tells: true },
  } satisfies Record<string, Place>,
);

async function followed(run: Run, client: Client, path = "/"): Promise<void> {
  const response = await client.do(run.request(path));
  assert.equal(await response.text(), "ok");
}

async function answeredWith503(run: Run, by: RoundTripper): Promise<void> {
  const response = await by.roundTrip(run.request("/busy"));
  assert.equal(response.status, 503);
  await response.body.close();
}

/** A method of the transport's clock; `timeoutMs` makes it set timers. */
function clockPlace(
  name: "now" | "startTimer" | "stopTimer",
  normally: (...args: never[]) => unknown,
): Place {
  return {
    run: async (run) => {
      const clock = {
        now: () => performance.now(),
        startTimer: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs),
        stopTimer: (timer: unknown) => clearTimeout(timer as ReturnType<typeof setTimeout>),
      };
      run.isArmed = false;
      const transport = run.use({
        clock: {
          ...clock,
          [name]: (...args: never[]) => {
            // Stopped is what it is all the same.
            if (name === "stopTimer") clock.stopTimer(args[0]);
            return run.at(() => normally(...args));
          },
        },
      });
      run.isArmed = true;
      await exchange(transport, run.request("/", { timeoutMs: 60_000 }));
    },
    ends: {
      "throws": "answer",
      "aborts": name === "stopTimer" ? ["answer", "reason"] : "reason",
      "destroys": name === "stopTimer" ? ["answer", "destroyed"] : "destroyed",
    },
    tells: true,
  };
}

/** A signal that is none of the platform's. */
function signalPlace(name: "addEventListener" | "removeEventListener", thrown: End): Place {
  return {
    run: async (run) => {
      const { signal } = new AbortController();
      const own = signal[name].bind(signal);
      Object.defineProperty(signal, name, {
        value: (...args: Parameters<typeof signal.addEventListener>) => run.at(() => own(...args)),
      });
      await exchange(run.use(), run.request("/", { signal }));
    },
    ends: { "throws": thrown, "returns nonsense": "answer" },
  };
}

places["verifyPeer"] = {
  run: (run) =>
    withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }, async ({ origin }) => {
      const verifyPeer = () => run.at(() => {});
      const transport = run.use({
        dialer: systemDialer(),
        dialTimeoutMs: 30_000,
        tls: { caCerts: [testAuthority], verifyPeer },
      });
      try {
        await exchange(transport, run.request("/", {}, origin));
      } finally {
        // A dial goes on for others.
        transport.destroy();
      }
    }, { tls: true }),
  ends: {
    "throws": "ERR_TLS",
    "rejects": "ERR_TLS",
    "returns nonsense": "answer",
    // It has to decide at once.
    "hangs": "ERR_TLS",
    "aborts": "reason",
    "destroys": "destroyed",
  },
  isLast: true,
};

const lost: Place["ends"] = {
  "throws": "ERR_CONNECTION_LOST",
  "rejects": "ERR_CONNECTION_LOST",
  "returns nonsense": "ERR_INVALID_REQUEST",
  "hangs": "reason",
  "aborts": "reason",
  "destroys": "destroyed",
};

/** What a connection must not do there, and what it does not matter for. */
const harmless: Place["ends"] = {
  "throws": "answer",
  "rejects": "answer",
  "returns nonsense": "answer",
  "hangs": "answer",
  "aborts": ["answer", "reason"],
  "destroys": ["answer", "destroyed"],
};

/** Without it a connection is none. */
const needed: Place["ends"] = {
  "throws": "ERR_INVALID_REQUEST",
  "returns nonsense": "ERR_INVALID_REQUEST",
  "aborts": "reason",
  "destroys": "destroyed",
};

Object.assign(
  places,
  {
    "conn.read": {
      run: member("read", (conn, p: Uint8Array) => conn.read(p)),
      ends: lost,
      nonsense: -1,
    },
    "conn.startRead": {
      run: member("startRead", (conn, p, done, failed) => void conn.read(p).then(done, failed)),
      // What it returns is nothing.
      ends: {
        "throws": "ERR_CONNECTION_LOST",
        "hangs": "reason",
        "aborts": "reason",
        "destroys": "destroyed",
      },
    },
    "conn.readChunk": {
      run: async (run) => {
        const { dialer } = run.server;
        const dial = async (): Promise<Conn> => {
          const conn = await dialer.dial({ transport: "unix", path: "x" });
          const readChunk = (maxBytes: number) =>
            run.at(async () => {
              const p = new Uint8Array(Math.min(maxBytes, 64));
              const count = await conn.read(p);
              return count === null ? null : p.slice(0, count);
            });
          return connWith(conn, { readChunk: { value: readChunk } });
        };
        const transport = run.use({ dialer: { ...dialer, dial } });
        const response = await transport.roundTrip(run.request("/pieces"));
        let text = "";
        for await (const piece of response.body.stream) text += new TextDecoder().decode(piece);
        assert.equal(text, "ok");
      },
      ends: lost,
    },
    "conn.write": {
      run: member("write", (conn, p: Uint8Array) => conn.write(p)),
      // What it hangs in may have been sent.
      ends: { "hangs": "reason", "aborts": "reason", "destroys": "destroyed" },
    },
    "conn.close": {
      // Closed is what it is all the same.
      run: member("close", () => {}, false, (conn) => conn.close()),
      ends: harmless,
      tells: true,
    },
    "conn.unref": { run: member("unref", (conn) => conn.unref()), ends: harmless, tells: true },
    "conn.whenClosed": {
      run: member("whenClosed", () => Promise.resolve()),
      ends: harmless,
      tells: true,
      isLast: true,
    },
    "conn.readsInParts": {
      run: member("readsInParts", () => false, true),
      tells: true,
      ends: harmless,
    },
    "conn.tellsLate": {
      run: member("tellsLate", () => false, true),
      tells: true,
      ends: harmless,
    },
    "conn.kernelIsEmpty": {
      run: async (run) => {
        const { dialer } = run.server;
        let isBusy = true;
        const transport = run.use({
          dialer: {
            startTls: dialer.startTls,
            dial: async () => {
              const conn = await dialer.dial({ transport: "unix", path: "x" });
              return connWith(conn, { kernelIsEmpty: { value: () => run.at(() => true) } });
            },
            // Each proof is old when it is there.
            pollBarrier: async () => {
              await Promise.resolve();
              const until = performance.now() + 3;
              while (isBusy && performance.now() < until);
            },
          },
        });
        await exchange(transport, new HttpRequest("http://a.test/"));
        await new Promise((resolve) => setTimeout(resolve, 5));
        try {
          await exchange(transport, run.request());
        } finally {
          isBusy = false;
        }
      },
      tells: true,
      ends: harmless,
    },
    "conn.bytesRead": {
      run: member("bytesRead", (conn) => conn.bytesRead, true),
      tells: true,
      ends: { ...harmless, "aborts": "reason", "destroys": "destroyed" },
    },
    "conn.bytesWritten": {
      run: member("bytesWritten", (conn) => conn.bytesWritten, true),
      tells: true,
      ends: { ...harmless, "aborts": "reason", "destroys": "destroyed" },
    },
    "conn.localAddr": { run: member("localAddr", (conn) => conn.localAddr, true), ends: needed },
    "conn.remoteAddr": { run: member("remoteAddr", (conn) => conn.remoteAddr, true), ends: needed },
    "conn.tls": { run: member("tls", (conn) => conn.tls, true), ends: needed },
  } satisfies Record<string, Place>,
);

/** Nothing of the request is left. */
function isQuiet(transport: Transport): boolean {
  const { active, dialing, waiting } = transport.stats();
  return active + dialing + waiting === 0;
}

async function assertEnds(place: Place, fault: Fault, ends: readonly End[]): Promise<void> {
  const run = new Run(fault);
  if (place.nonsense !== undefined) run.nonsense = place.nonsense;
  const { result, told, unhandled } = await watched(async (): Promise<End> => {
    const end = await place.run(run).then((): End => "answer", (error) => run.endOf(error));
    // A dial that nobody waits for goes on for a second.
    await until("nothing is left", () => isQuiet(run.transport));
    run.isArmed = false;
    if (fault !== "destroys" && place.isLast !== true) {
      await exchange(run.transport, new HttpRequest("http://b.test/"));
    }
    await run.transport.close();
    await until("the server's connections end", () => run.server.openCount === 0);
    return end;
  });
  assert.equal(run.calls, 1, `${fault}: the place is reached`);
  assert.ok(ends.includes(result), `${fault}: ended with ${result}, not ${ends.join(" or ")}`);
  assert.deepEqual(unhandled, [], fault);
  const { idle, active, dialing, waiting, total } = run.transport.stats();
  assert.deepEqual({ idle, active, dialing, waiting, total }, {
    idle: 0,
    active: 0,
    dialing: 0,
    waiting: 0,
    total: 0,
  }, fault);
  if (place.tells !== true || (fault !== "throws" && fault !== "rejects")) return;
  assert.ok(told.some((values) => values.at(-1) === run.thrown), `${fault}: it is told`);
}

for (const [name, place] of Object.entries(places)) {
  test(`M6 callers' code: ${name}, whatever it does`, async () => {
    for (const [fault, ends] of Object.entries(place.ends) as [Fault, End | End[]][]) {
      if (ends !== undefined) await assertEnds(place, fault, [ends].flat());
    }
  });
}
