/**
 * What `fetch` and its bodies reject with, as programs and libraries that know nothing of us look at it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import isNetworkError from "is-network-error";
import pRetry from "p-retry";
import {
  Client,
  createFetch,
  type FetchOptions,
  HttpError,
  httpErrorOf,
  HttpRequest,
  type RoundTripper,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import {
  type RawHandler,
  type RawServer,
  rawServer,
  withRawServer,
} from "../../support/raw_server.ts";

/** The error, with what Node's errors of the system carry. */
interface Told extends Error {
  readonly cause?: Told;
  readonly code?: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

async function withFetch(
  run: (fetch: typeof globalThis.fetch, transport: Transport) => Promise<void>,
  options: TransportOptions = {},
  more: FetchOptions = {},
): Promise<void> {
  const transport = new Transport(options);
  try {
    await run(createFetch({ ...more, transport }), transport);
    assert.equal(transport.stats().active, 0);
  } finally {
    await transport.close();
  }
}

async function failure(promise: Promise<unknown>): Promise<Told> {
  return await promise.then(() => assert.fail("it did not fail"), (error) => error);
}

/** A port of the loopback interface that nobody listens at. */
async function closedPort(): Promise<number> {
  const server = await rawServer(() => {});
  const { port } = server;
  await server.close();
  return port;
}

/** Asserts the shape of a network error under which the system spoke, and returns its cause. */
function assertSystem(error: Told, text: string, code: string): Told {
  assert.equal(Object.getPrototypeOf(error), TypeError.prototype);
  assert.equal(error.message, text);
  assert.equal(error.code, undefined);
  const cause = error.cause!;
  assert.equal(Object.getPrototypeOf(cause), Error.prototype);
  assert.equal(cause.code, code);
  assert.ok(cause.cause instanceof HttpError, String(cause.cause));
  assert.equal(cause.message, cause.cause.message);
  assert.equal(httpErrorOf(error), cause.cause);
  return cause;
}

/** Reads a head, sends what there is to send, and breaks the connection. */
function breaking(answer: string): RawHandler {
  return async (connection) => {
    await connection.readHead();
    await connection.send(answer);
    if (answer !== "") await connection.readBytes(1);
    connection.reset();
  };
}

const HALF = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";

test("M15 a refused connection is told as Node tells it", async () => {
  const port = await closedPort();
  await withFetch(async (fetch) => {
    const error = await failure(fetch(`http://127.0.0.1:${port}/`));
    const cause = assertSystem(error, "fetch failed", "ECONNREFUSED");
    assert.deepEqual(
      [cause.syscall, cause.address, cause.port],
      ["connect", "127.0.0.1", port],
    );
    assert.equal(httpErrorOf(error)!.attempt?.verdict, "never-sent");
  });
  await withFetch(async (fetch) => {
    const error = await failure(fetch("http://proxied.test/"));
    const cause = assertSystem(error, "fetch failed", "ECONNREFUSED");
    assert.deepEqual([cause.address, cause.port], ["127.0.0.1", port]);
    assert.match(cause.message, /^Proxy /);
  }, { proxy: `http://127.0.0.1:${port}` });
  await withFetch(async (fetch) => {
    const cause = assertSystem(
      await failure(fetch(`http://both.test:${port}/`)),
      "fetch failed",
      "ECONNREFUSED",
    );
    assert.ok(cause.address === "127.0.0.1" || cause.address === "127.0.0.2", cause.address);
  }, { hosts: { "both.test": ["127.0.0.1", "127.0.0.2"] } });
});

test("M15 an unknown host is told as Node tells it, however it is looked up", async () => {
  const { code } = await failure(lookup("no-such-host.invalid"));
  for (const options of [{}, { dnsCacheTtlMs: 1 }]) {
    await withFetch(async (fetch) => {
      const error = await failure(fetch("http://no-such-host.invalid/"));
      const cause = assertSystem(error, "fetch failed", code!);
      assert.deepEqual(
        [cause.syscall, cause.hostname, cause.address],
        ["getaddrinfo", "no-such-host.invalid", undefined],
      );
    }, options);
  }
});

test("M15 a socket that is not there is told with its path", async () => {
  const baseUrl = "http+unix://%2Fno-such-folder%2Fsocket";
  await withFetch(
    async (fetch) => {
      const cause = assertSystem(await failure(fetch(`${baseUrl}/`)), "fetch failed", "ENOENT");
      assert.deepEqual([cause.syscall, cause.address], ["connect", "/no-such-folder/socket"]);
    },
    {},
    { baseUrl },
  );
});

test("M15 a reset is told in the head, in the body and in the handshake", async () => {
  await withRawServer(breaking(""), async (server) => {
    await withFetch(async (fetch) => {
      for (const init of [{}, { method: "POST", body: "x" }]) {
        const cause = assertSystem(
          await failure(fetch(server.origin, init)),
          "fetch failed",
          "ECONNRESET",
        );
        assert.equal(cause.syscall, "read");
      }
    });
  });
  // The rest of a body that is streamed, one that is read whole, one with a signal.
  await withRawServer(breaking(HALF), async (server) => {
    await withFetch(async (fetch) => {
      for (const signal of [undefined, new AbortController().signal]) {
        const response = await fetch(server.origin, { signal, method: "POST", body: "x" });
        assertSystem(await failure(response.text()), "terminated", "ECONNRESET");
      }
      const response = await fetch(server.origin, { method: "POST", body: "x" });
      const reader = response.body!.getReader();
      await reader.read();
      assertSystem(await failure(reader.read()), "terminated", "ECONNRESET");
    });
  });
  await withRawServer(async (connection) => {
    await connection.readBytes(1);
    connection.reset();
  }, async (server) => {
    await withFetch(async (fetch) => {
      const error = await failure(fetch(`https://127.0.0.1:${server.port}/`));
      assertSystem(error, "fetch failed", "ECONNRESET");
      assert.equal(httpErrorOf(error)!.code, "ERR_TLS");
    });
  });
});

test("M15 a connection that is ended early is told as a reset, in the head and in the body", async () => {
  const integrity = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf";
  const ended: [string, RequestInit, string, string][] = [
    ["", {}, "fetch failed", "ERR_CONNECTION_LOST"],
    ["", { method: "POST", body: "x" }, "fetch failed", "ERR_CONNECTION_LOST"],
    ["HTTP/1.1 200", {}, "fetch failed", "ERR_CONNECTION_LOST"],
    [HALF, { integrity }, "fetch failed", "ERR_INCOMPLETE_BODY"],
    [HALF, {}, "terminated", "ERR_INCOMPLETE_BODY"],
    [chunked, {}, "terminated", "ERR_INCOMPLETE_BODY"],
  ];
  for (const [answer, init, text, code] of ended) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(answer);
      connection.end();
    }, async (server) => {
      await withFetch(async (fetch) => {
        const error = await failure(fetch(server.origin, init).then((it) => it.text()));
        const cause = assertSystem(error, text, "ECONNRESET");
        assert.equal(cause.syscall, undefined);
        assert.equal(httpErrorOf(error)!.code, code);
        assert.ok(isNetworkError(error));
      });
    });
  }
});

test("M15 where the system gave no code, the cause is the HttpError", async () => {
  const integrity = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const found: [string, RequestInit, string][] = [
    ["nonsense\r\n\r\n", {}, "ERR_MALFORMED_RESPONSE"],
    ["HTTP/1.1 302 X\r\nLocation: ftp://a/\r\nContent-Length: 0\r\n\r\n", {}, "ERR_REDIRECT"],
    ["HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", { redirect: "error" }, "ERR_REDIRECT"],
    ["HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok", { integrity }, "ERR_DECODE"],
  ];
  for (const [answer, init, code] of found) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(answer);
      connection.end();
    }, async (server) => {
      await withFetch(async (fetch) => {
        const error = await failure(fetch(server.origin, init));
        assert.deepEqual([error.name, error.message], ["TypeError", "fetch failed"], code);
        assert.ok(error.cause instanceof HttpError, code);
        assert.equal(error.cause.code, code);
        assert.ok(isNetworkError(error));
      });
    });
  }
  const broken: [string, string][] = [
    ["HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokno", "ERR_MALFORMED_RESPONSE"],
    ["HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "ERR_DECODE"],
  ];
  for (const [answer, code] of broken) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(answer);
      connection.end();
    }, async (server) => {
      await withFetch(async (fetch) => {
        const error = await failure((await fetch(server.origin)).text());
        assert.deepEqual([error.name, error.message], ["TypeError", "terminated"], code);
        assert.ok(error.cause instanceof HttpError, code);
        assert.equal(error.cause.code, code);
        assert.ok(isNetworkError(error));
      });
    });
  }
});

test("M15 what the caller got wrong is no network error", async () => {
  const gone = URL.createObjectURL(new Blob(["x"]));
  URL.revokeObjectURL(gone);
  const calls: [string, RequestInit?][] = [
    ["nonsense"],
    ["http://"],
    ["http://user:secret@127.0.0.1/"],
    ["unknown:thing"],
    ["file:///etc/passwd"],
    ["data:no-comma"],
    [gone],
    ["http://127.0.0.1/", { method: "B AD" }],
    ["http://127.0.0.1/", { method: "GET", body: "x" }],
    ["http://127.0.0.1/", { headers: { "b ad": "1" } }],
    ["http://127.0.0.1/", { headers: { "bad": "\0" } }],
    ["http://127.0.0.1/", { method: "POST", body: "x", headers: { "Content-Length": "2" } }],
  ];
  await withFetch(async (fetch) => {
    for (const [url, init] of calls) {
      const error = await failure(fetch(url, init));
      assert.equal(error.name, "TypeError", url);
      assert.equal(isNetworkError(error), false, `${url}: ${error.message}`);
      assert.doesNotMatch(error.message, /failed|secret/i);
    }
  });
});

test("M15 an abort is told by its reason, also one that is an HttpError", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(HALF);
    await connection.clientEnded;
  }, async (server) => {
    await withFetch(async (fetch) => {
      const reasons = [new Error("own"), new HttpError("ERR_DIAL", "own", { phase: "client" })];
      for (const reason of reasons) {
        const controller = new AbortController();
        const response = await fetch(server.origin, { signal: controller.signal });
        const text = failure(response.text());
        controller.abort(reason);
        assert.equal(await text, reason);
        assert.equal(await failure(fetch(server.origin, { signal: controller.signal })), reason);
      }
    });
  });
});

test("M15 p-retry tries again what the network broke, and not what the caller did wrong", async () => {
  let requests = 0;
  await withRawServer(async (connection) => {
    await connection.readHead();
    const nth = requests++;
    if (nth === 0) return connection.reset();
    await connection.send(nth === 1 ? HALF : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (nth === 1) connection.reset();
  }, async (server) => {
    await withFetch(async (fetch) => {
      const options = { retries: 3, minTimeout: 1, factor: 1 };
      const text = await pRetry(async () => {
        const response = await fetch(server.origin, { method: "POST", body: "x" });
        return await response.text();
      }, options);
      assert.deepEqual([text, requests], ["ok", 3]);
      let tries = 0;
      await failure(pRetry(() => {
        tries++;
        return fetch("unknown:thing");
      }, options));
      assert.equal(tries, 1);
    });
  });
});

test("M15 httpErrorOf() finds the error of ours wherever it hangs, and ends", () => {
  const ours = new HttpError("ERR_DIAL", "ours", { phase: "dial" });
  const deeper = new HttpError("ERR_TLS", "deeper", { phase: "tls", cause: ours });
  const loop = new Error("loop");
  loop.cause = new Error("back", { cause: loop });
  const hostile = {
    get cause(): unknown {
      throw new Error("no");
    },
    errors: [ours],
  };
  let long: unknown = ours;
  for (let i = 0; i < 5000; i++) long = new Error("link", { cause: long });
  const endless = {
    get cause(): unknown {
      return { __proto__: endless };
    },
  };
  const cases: [unknown, HttpError | null][] = [
    [ours, ours],
    [deeper, deeper],
    [new TypeError("fetch failed", { cause: new Error("system", { cause: deeper }) }), deeper],
    [new AggregateError([new Error("a"), new Error("b", { cause: ours })]), ours],
    [new Error("x", { cause: new AggregateError([loop, ours]) }), ours],
    // The nearest.
    [new AggregateError([new Error("a", { cause: ours })], "b", { cause: deeper }), deeper],
    [{ error: new Error("suppressing"), suppressed: ours }, ours],
    [hostile, ours],
    [loop, null],
    [long, null],
    [endless, null],
    [{ errors: Array.from({ length: 100_000 }, (_, i) => new Error(`${i}`)) }, null],
    [new Error("plain"), null],
    ...[undefined, null, "text", 7, Symbol("s"), () => {}].map((one): [unknown, null] => [
      one,
      null,
    ]),
  ];
  for (const [error, expected] of cases) assert.equal(httpErrorOf(error), expected);
});

test("M15 a time-out names method and URL, and no secret", async () => {
  const told = async (send: (server: RawServer) => Promise<unknown>): Promise<string> => {
    return await withRawServer(async (connection) => {
      await connection.clientEnded;
    }, async (server) => {
      const error = await failure(send(server));
      const ours = httpErrorOf(error)!;
      assert.equal(ours.code, "ERR_TIMEOUT");
      return ours.message.replace(server.origin, "origin");
    });
  };
  const path = "/a%20path?token=secret#secret";
  const shown = /^POST origin\/a%20path\?…: [A-Z].* took more than \d/;
  const withSecrets = ({ origin }: RawServer): string =>
    origin.replace("//", "//user:secret@") + path;
  for (const options of [{ responseHeaderTimeoutMs: 20 }, {}]) {
    const transport = new Transport(options);
    const timeoutMs = options.responseHeaderTimeoutMs === undefined ? 20 : 0;
    const init = { method: "POST", timeoutMs };
    const texts = [
      await told(({ origin }) =>
        transport.roundTrip(new HttpRequest(origin + path, { ...init, body: "secret" }))
      ),
      await told((server) =>
        new Client({ transport }).post(withSecrets(server), "x", { timeoutMs })
      ),
      await told(({ origin }) =>
        createFetch({ transport, timeoutMs })(origin + path, {
          method: "POST",
          headers: { Authorization: "secret" },
        })
      ),
    ];
    for (const text of texts) {
      assert.match(text, shown);
      assert.doesNotMatch(text, /secret|user/);
    }
    await transport.close();
  }
  // Those of the rooms above, which no connection is behind.
  const never: RoundTripper = { roundTrip: () => new Promise(() => {}) };
  const jar = { getCookieHeader: () => new Promise<string>(() => {}), setCookie: () => {} };
  const client = new Client({ transport: never, jar, timeoutMs: 5 });
  assert.match(
    (await failure(client.get("http://a.test/x?q"))).message,
    /^GET http:\/\/a\.test\/x\?…: /,
  );
});
