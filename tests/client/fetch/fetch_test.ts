/**
 * What `createFetch()` does that the runtimes' own `fetch` does not, or where they differ among themselves.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  createFetch,
  exchangeOf,
  fetch as defaultFetch,
  type FetchOptions,
  HttpError,
  httpErrorOf,
  MemoryCookieJar,
  Transport,
} from "../../../mod.ts";
import { refererFor, type ReferrerPolicy } from "../../../client/referrer_policy.ts";
import { test } from "../../support/harness.ts";
import { type RawHandler, type RawServer, withRawServer } from "../../support/raw_server.ts";
import { settled } from "../../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Answers each request of each connection with what `answer` says, and keeps the heads. */
function answering(heads: string[], answer: (head: string) => string): RawHandler {
  return async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      heads.push(head);
      await connection.readBytes(Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0));
      await connection.send(answer(head));
    }
  };
}

/** Runs with a server and a `fetch` of its own. */
async function withFetch(
  handler: RawHandler,
  run: (fetch: typeof globalThis.fetch, server: RawServer) => Promise<void>,
  options: (server: RawServer) => FetchOptions = () => ({}),
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const transport = new Transport();
    try {
      await run(createFetch({ ...options(server), transport }), server);
      assert.equal(transport.stats().active, 0);
    } finally {
      await transport.close();
    }
  });
}

async function failure(promise: Promise<unknown>): Promise<{ name: string; cause: unknown }> {
  const error = await promise.then(() => assert.fail("it did not fail"), (error) => error);
  return { name: error.name, cause: error.cause };
}

function codeOf(error: unknown): string {
  assert.ok(error instanceof HttpError, String(error));
  return error.code;
}

test("fetch: a failure is a TypeError whose cause tells code, phase and attempt", async () => {
  await withFetch(async (connection) => {
    await connection.readHead();
    connection.close();
  }, async (fetch, server) => {
    const error = await failure(fetch(server.origin, { method: "POST", body: "x" }));
    assert.equal(error.name, "TypeError");
    const ours = httpErrorOf(error);
    assert.equal(codeOf(ours), "ERR_CONNECTION_LOST");
    assert.equal(ours?.attempt?.verdict, "sent-no-answer");
  });
});

test("fetch: a body that breaks off fails with a TypeError that has a cause", async () => {
  await withFetch(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    connection.end();
  }, async (fetch, server) => {
    const response = await fetch(server.origin);
    const error = await failure(response.text());
    assert.equal(error.name, "TypeError");
    assert.equal(codeOf(httpErrorOf(error)), "ERR_INCOMPLETE_BODY");
  });
});

test("fetch: trailers, timings and field lines are reached from a response and its clone", async () => {
  await withFetch(
    answering(
      [],
      () =>
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    ),
    async (fetch, server) => {
      const response = await fetch(server.origin);
      const clone = response.clone();
      const exchange = exchangeOf(response)!;
      assert.equal(exchangeOf(clone), exchange);
      assert.deepEqual([await response.text(), await clone.text()], ["ok", "ok"]);
      assert.equal((await exchange.trailers).get("x-sum"), "7");
      assert.deepEqual([...exchange.headers].slice(0, 2), [["X-A", "1"], ["x-a", "2"]]);
      assert.ok(exchange.timings.waitMs! >= 0);
      assert.equal(exchange.connection.reused, false);
      assert.equal(exchangeOf(new Response("")), null);
    },
  );
});

test("fetch: 1xx responses are told to the trace of the options", async () => {
  const seen: number[] = [];
  await withRawServer(
    answering([], () => "HTTP/1.1 103 Early Hints\r\n\r\n" + OK),
    async (server) => {
      const transport = new Transport({
        trace: { got1xxResponse: (status) => void seen.push(status) },
      });
      assert.equal(await (await createFetch({ transport })(server.origin)).text(), "ok");
      await transport.close();
      assert.deepEqual(seen, [103]);
    },
  );
});

test("fetch: after 101 the connection is the caller's", async () => {
  await withFetch(async (connection) => {
    await connection.readHead();
    await connection.send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhi",
    );
    await connection.clientEnded;
  }, async (fetch, server) => {
    const response = await fetch(server.origin, {
      headers: { Connection: "upgrade", Upgrade: "x" },
    });
    assert.deepEqual([response.status, response.body, response.ok], [101, null, false]);
    const conn = exchangeOf(response)!.upgrade();
    const p = new Uint8Array(8);
    assert.equal(await conn.read(p), 2);
    conn.close();
  });
});

test("fetch: a response is not read ahead of its reader", async () => {
  await withFetch(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 134217728\r\n\r\n");
    const piece = new Uint8Array(64 * 1024);
    for (let i = 0; i < 2048 && !connection.ended; i++) await connection.send(piece);
  }, async (fetch, server) => {
    const response = await fetch(server.origin);
    const reader = response.body!.getReader();
    await reader.read();
    const [connection] = server.connections;
    const sent = await settled(() => connection.sentBytes, 64 * 1024 * 1024);
    assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes`);
    await reader.cancel();
  });
});

test("fetch: a signal that is aborted later does not reach a body that was read", async () => {
  await withFetch(answering([], () => OK), async (fetch, server) => {
    const controller = new AbortController();
    const response = await fetch(server.origin, { signal: controller.signal });
    assert.equal(await response.text(), "ok");
    controller.abort();
    assert.equal(await (await fetch(server.origin)).text(), "ok");
    assert.equal(server.connections.length, 1);
  });
});

test("T21: fetch shows secrets to the first origin only", async () => {
  const there: string[] = [];
  await withRawServer(answering(there, () => OK), async (other) => {
    const here: string[] = [];
    await withFetch(
      answering(
        here,
        (head) =>
          head.startsWith("GET /back")
            ? OK
            : `HTTP/1.1 302 Found\r\nLocation: ${other.origin}/\r\nContent-Length: 0\r\n\r\n`,
      ),
      async (fetch, server) => {
        const secrets = {
          authorization: "a",
          COOKIE: "c",
          "proxy-Authorization": "p",
          "X-Key": "k",
        };
        for (
          const headers of [
            secrets,
            Object.entries(secrets),
            new Headers(secrets),
          ] as RequestInit["headers"][]
        ) {
          await (await fetch(server.origin, { headers })).text();
          await (await fetch(new Request(server.origin, { headers }))).text();
        }
      },
      () => ({ sensitiveHeaders: ["x-key"] }),
    );
    assert.equal(here.length, 6);
    assert.equal(there.length, 6);
    for (const head of here) assert.match(head, /^authorization: a\r$[^]*^x-key: k\r$/im);
    for (const head of there) assert.doesNotMatch(head, /authorization|cookie|x-key/i);
  });
});

test("T21: fetch sends default secrets to the origin of baseUrl only", async () => {
  const there: string[] = [];
  await withRawServer(answering(there, () => OK), async (other) => {
    const here: string[] = [];
    await withFetch(answering(here, () => OK), async (fetch) => {
      await (await fetch("path")).text();
      await (await fetch(other.origin)).text();
    }, (server) => ({
      baseUrl: server.origin + "/api/",
      headers: { Authorization: "a", "X-Open": "1" },
    }));
    assert.match(here[0], /^GET \/api\/path [^]*^Authorization: a\r$/m);
    assert.doesNotMatch(there[0], /authorization/i);
    assert.match(there[0], /^X-Open: 1\r$/m);
  });
});

test("fetch: cookies of the jar are sent and kept, and left out where credentials are omitted", async () => {
  const heads: string[] = [];
  const jar = new MemoryCookieJar();
  await withFetch(
    answering(heads, () => "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\nok"),
    async (fetch, server) => {
      for (const credentials of ["omit", "include", "include", "omit"] as const) {
        await (await fetch(server.origin, { credentials })).text();
      }
    },
    () => ({ jar }),
  );
  assert.deepEqual(heads.map((head) => /^cookie: a=1/im.test(head)), [false, false, true, false]);
});

test("fetch: twenty redirects are followed, and no more; options may say fewer", async () => {
  const heads: string[] = [];
  const answer = (head: string): string => {
    const left = Number(/^GET \/(\d+)/.exec(head)![1]);
    return left === 0
      ? OK
      : `HTTP/1.1 302 Found\r\nLocation: /${left - 1}\r\nContent-Length: 0\r\n\r\n`;
  };
  await withFetch(answering(heads, answer), async (fetch, server) => {
    assert.equal((await fetch(server.origin + "/20")).status, 200);
    const { cause } = await failure(fetch(server.origin + "/21"));
    assert.equal(codeOf(cause), "ERR_REDIRECT");
    assert.doesNotMatch(heads.join(""), /^referer/im);
  });
  await withFetch(answering(heads, answer), async (fetch, server) => {
    assert.equal(codeOf((await failure(fetch(server.origin + "/3"))).cause), "ERR_REDIRECT");
  }, () => ({ maxRedirects: 2 }));
});

test("T25: fetch with maxRedirects 0 returns the redirect, and asks nobody else", async () => {
  const heads: string[] = [];
  const answer = (): string => "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nno";
  await withFetch(answering(heads, answer), async (fetch, server) => {
    for (const redirect of ["follow", "manual"] as const) {
      const response = await fetch(server.origin, { redirect });
      assert.deepEqual([response.status, response.redirected, await response.text()], [
        302,
        false,
        "no",
      ]);
    }
    assert.equal(
      codeOf((await failure(fetch(server.origin, { redirect: "error" }))).cause),
      "ERR_REDIRECT",
    );
    assert.equal(heads.length, 3);
  }, () => ({ maxRedirects: 0 }));
});

test("fetch: a redirect does not lead to a bad port", async () => {
  await withFetch(
    answering(
      [],
      () => "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:25/\r\nContent-Length: 0\r\n\r\n",
    ),
    async (fetch, server) => {
      assert.equal(codeOf((await failure(fetch(server.origin))).cause), "ERR_BLOCKED");
    },
  );
});

test("fetch: the body of a Request that takes its time is streamed, and not sent again", async () => {
  const heads: string[] = [];
  let bodies = "";
  let heardOf = Promise.withResolvers<void>();
  await withFetch(async (connection) => {
    for (;;) {
      heads.push(await connection.readHead());
      heardOf.resolve();
      bodies += await connection.readUntil("0\r\n\r\n");
      await connection.send(
        heads.length === 1
          ? OK
          : "HTTP/1.1 307 Again\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
      );
    }
  }, async (fetch, server) => {
    const slow = (): Request => {
      heardOf = Promise.withResolvers<void>();
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: async (controller) => {
          await heardOf.promise;
          controller.enqueue(new TextEncoder().encode("late"));
          controller.close();
        },
      });
      return new Request(server.origin, { method: "POST", body, duplex: "half" } as RequestInit);
    };
    assert.equal(await (await fetch(slow())).text(), "ok");
    assert.match(heads[0], /^Transfer-Encoding: chunked\r$/m);
    assert.equal(bodies, "4\r\nlate\r\n0\r\n\r\n");
    assert.equal(codeOf((await failure(fetch(slow()))).cause), "ERR_REDIRECT");
    assert.equal(heads.length, 2);
  });
});

test("fetch: a Request of more than is read ahead arrives whole", async () => {
  let received = "";
  await withFetch(async (connection) => {
    await connection.readHead();
    received = await connection.readUntil("0\r\n\r\n");
    await connection.send(OK);
  }, async (fetch, server) => {
    const body = new Uint8Array(3 * 1024 * 1024).fill(0x7a);
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (at === body.length) return controller.close();
        controller.enqueue(body.slice(at, at += 64 * 1024));
      },
    });
    const init = { method: "POST", body: stream, duplex: "half" } as RequestInit;
    assert.equal(await (await fetch(new Request(server.origin, init))).text(), "ok");
    assert.equal(received.replace(/[^z]/g, "").length, body.length);
  });
});

test("fetch: members of init that would route elsewhere are refused", async () => {
  for (const name of ["client", "dispatcher", "agent", "proxy", "tls", "unix"]) {
    const { name: kind, cause } = await failure(
      defaultFetch("http://127.0.0.1:9/", { [name]: {} } as RequestInit),
    );
    assert.deepEqual([kind, cause], ["TypeError", undefined]);
  }
});

test("fetch: options that are not known or contradict each other are refused", () => {
  const code = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      return codeOf(error);
    }
    return "none";
  };
  const transport = new Transport();
  assert.equal(code(() => createFetch({ bogus: 1 } as FetchOptions)), "ERR_INVALID_REQUEST");
  assert.equal(code(() => createFetch({ transport, maxIdleConns: 1 })), "ERR_INVALID_REQUEST");
  assert.equal(code(() => createFetch({ baseUrl: "http://u:p@a/" })), "ERR_INVALID_REQUEST");
  assert.equal(code(() => createFetch({ maxIdleConns: 1, timeoutMs: 1 })), "none");
});

test("fetch: a time of the options covers the body", async () => {
  await withFetch(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    await connection.clientEnded;
  }, async (fetch, server) => {
    const response = await fetch(server.origin);
    assert.equal(codeOf((await failure(response.text())).cause), "ERR_TIMEOUT");
  }, () => ({ timeoutMs: 1_000 }));
});

test("fetch: a referrer is told as far as its policy goes", () => {
  const from = "https://u:p@a.example/page?q#part";
  const all = "https://a.example/page?q";
  const origin = "https://a.example/";
  const same = "https://a.example/x";
  const cross = "https://b.example/";
  const down = "http://a.example/";
  const table: Record<string, (string | null)[]> = {
    "": [all, origin, null],
    "no-referrer": [null, null, null],
    "no-referrer-when-downgrade": [all, all, null],
    "origin": [origin, origin, origin],
    "origin-when-cross-origin": [all, origin, origin],
    "same-origin": [all, null, null],
    "strict-origin": [origin, origin, null],
    "strict-origin-when-cross-origin": [all, origin, null],
    "unsafe-url": [all, all, all],
  };
  for (const [policy, expected] of Object.entries(table)) {
    assert.deepEqual(
      [same, cross, down].map((to) => refererFor(from, policy as "", to)),
      expected,
      policy,
    );
  }
  assert.equal(refererFor("about:client", "", same), null);
  assert.equal(refererFor(`https://a.example/${"x".repeat(5000)}`, "", same), origin);
});

/** One request of a chain: which of two servers gets it, and the policy that its redirect states. */
interface Hop {
  readonly at: "a" | "b";
  readonly policy?: string;
}

/** What each hop was told as the `Referer`; the page is of `a`. */
async function referersTold(
  chain: readonly Hop[],
  init: RequestInit,
  options: FetchOptions = {},
): Promise<string[]> {
  const heads: string[] = [];
  const origins: Record<Hop["at"], string> = { a: "", b: "" };
  const answer = (): string => {
    const { policy } = chain[heads.length - 1];
    const next = chain[heads.length];
    if (next === undefined) return OK;
    const field = policy === undefined ? "" : `Referrer-Policy: ${policy}\r\n`;
    const location = `Location: ${origins[next.at]}/${heads.length}?to\r\n`;
    return `HTTP/1.1 302 X\r\n${location}${field}Content-Length: 0\r\n\r\n`;
  };
  await withRawServer(answering(heads, answer), async (b) => {
    origins.b = b.origin;
    await withFetch(answering(heads, answer), async (fetch, a) => {
      origins.a = a.origin;
      const referrer = init.referrer ?? `${a.origin}/page?secret`;
      await (await fetch(`${origins[chain[0].at]}/0`, { ...init, referrer })).text();
    }, () => options);
  });
  return heads.map((head) => {
    const told = /^referer: (.*)\r$/im.exec(head)?.[1] ?? "none";
    return told.replace(origins.a, "a").replace(origins.b, "b");
  });
}

test("M10 a referrer is told within its policy at each hop, and what was cut stays cut", async () => {
  const page = "a/page?secret";
  const back: Hop[] = [{ at: "a" }, { at: "a" }, { at: "b" }, { at: "b" }, { at: "a" }];
  const cases: [string | undefined, string[]][] = [
    [undefined, [page, page, "a/", "a/", "a/"]],
    ["strict-origin-when-cross-origin", [page, page, "a/", "a/", "a/"]],
    ["origin-when-cross-origin", [page, page, "a/", "a/", "a/"]],
    ["origin", ["a/", "a/", "a/", "a/", "a/"]],
    ["same-origin", [page, page, "none", "none", "none"]],
    ["no-referrer", ["none", "none", "none", "none", "none"]],
    ["unsafe-url", [page, page, page, page, page]],
    ["no-referrer-when-downgrade", [page, page, page, page, page]],
  ];
  for (const [referrerPolicy, told] of cases) {
    const init = { referrerPolicy } as RequestInit;
    assert.deepEqual(await referersTold(back, init), told, referrerPolicy);
  }
  // A header field is the caller's own.
  const headers = { Referer: "https://own.test/?q" };
  assert.deepEqual(
    await referersTold(back.slice(1, 3), { headers, referrerPolicy: "origin" }),
    ["https://own.test/?q", "https://own.test/?q"],
  );
});

test("M10 the Referrer-Policy of a redirect holds from there on", async () => {
  const page = "a/page?secret";
  const cases: [string, ReferrerPolicy, string[]][] = [
    ["no-referrer", "unsafe-url", [page, "none", "none"]],
    ["origin", "unsafe-url", [page, "a/", "a/"]],
    ["same-origin", "", [page, page, "none"]],
    ["unsafe-url", "", [page, page, page]],
    // The last that is known.
    ["origin, nonsense", "", [page, "a/", "a/"]],
    ["unsafe-url , no-referrer,", "", [page, "none", "none"]],
    ["NO-REFERRER", "", [page, "none", "none"]],
    ["nonsense", "", [page, page, "a/"]],
    ["constructor", "", [page, page, "a/"]],
    ["unsafe-url", "no-referrer", ["none", "none", "none"]],
  ];
  for (const [policy, referrerPolicy, told] of cases) {
    const chain: Hop[] = [{ at: "a", policy }, { at: "a" }, { at: "b" }];
    assert.deepEqual(
      await referersTold(chain, { referrerPolicy }),
      told,
      `${policy} ${referrerPolicy}`,
    );
  }
});

test("M10 a client's own Referer is never more than its policy, a redirect's and the caller's", async () => {
  const chain = (
    policy?: string,
  ): Hop[] => [{ at: "a", policy }, { at: "a" }, { at: "b", policy }, {
    at: "b",
  }];
  const cases: [string | undefined, ReferrerPolicy, string[]][] = [
    [undefined, "", ["none", "a/0", "a/", "b/2?to"]],
    ["unsafe-url", "", ["none", "a/0", "a/", "b/2?to"]],
    ["no-referrer", "", ["none", "none", "a/", "none"]],
    ["origin", "", ["none", "a/", "a/", "b/"]],
    [undefined, "no-referrer", ["none", "none", "none", "none"]],
    [undefined, "origin", ["none", "a/", "a/", "b/"]],
    ["unsafe-url", "no-referrer", ["none", "none", "none", "none"]],
  ];
  for (const [policy, referrerPolicy, told] of cases) {
    const init: RequestInit = { referrer: "about:client", referrerPolicy };
    assert.deepEqual(
      await referersTold(chain(policy), init, { referer: true }),
      told,
      `${policy} ${referrerPolicy}`,
    );
  }
});

test("fetch: options of a request of ours are not read from init", async () => {
  const called: string[] = [];
  const heads: string[] = [];
  await withFetch(answering(heads, () => OK), async (fetch, server) => {
    const init = {
      method: "POST",
      body: "x",
      onUploadProgress: () => void called.push("up"),
      onDownloadProgress: () => void called.push("down"),
      trace: { gotConn: () => void called.push("trace") },
      digest: "require",
      decompress: "bogus",
      timeoutMs: -1,
      trailers: [["X-T", "1"]],
      close: true,
      host: "other.test",
    };
    assert.equal(await (await fetch(server.origin, init as RequestInit)).text(), "ok");
  });
  assert.deepEqual(called, []);
  assert.doesNotMatch(heads[0], /other\.test|trailer|connection: close|chunked/i);
});

/** The runtime's own server, where it has one that takes a `Response`; else what frameworks do with one. */
async function answeredBy(answer: () => Promise<Response>): Promise<Response> {
  const { Deno: deno, Bun: bun } = globalThis as unknown as {
    Deno?: {
      serve(options: unknown, answer: () => Promise<Response>): {
        addr: { port: number };
        shutdown(): Promise<void>;
      };
    };
    Bun?: { serve(options: unknown): { port: number; stop(): Promise<void> } };
  };
  const ask = async (port: number): Promise<Response> => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: "close" } });
    const { status, headers } = response;
    return new Response(await response.arrayBuffer(), { status, headers });
  };
  if (deno !== undefined) {
    const server = deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answer);
    return await ask(server.addr.port).finally(() => server.shutdown());
  }
  if (bun !== undefined) {
    const server = bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
    return await ask(server.port).finally(() => server.stop());
  }
  const response = await answer();
  return new Response(response.body, response);
}

test("fetch: a server can answer with a response, whole or streamed", async () => {
  await withFetch(
    answering(
      [],
      (head) =>
        head.startsWith("GET /whole")
          ? "HTTP/1.1 418 Odd\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nwhole"
          : "HTTP/1.1 201 Made\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n",
    ),
    async (fetch, server) => {
      const whole = await answeredBy(() => fetch(server.origin + "/whole"));
      assert.deepEqual([whole.status, whole.headers.get("x-a"), await whole.text()], [
        418,
        "1",
        "whole",
      ]);
      const streamed = await answeredBy(() => fetch(server.origin + "/streamed"));
      assert.deepEqual([streamed.status, streamed.headers.get("x-a"), await streamed.text()], [
        201,
        "2",
        "all",
      ]);
    },
  );
});

test("fetch: what was read of a response stays read, and what was not does not", async () => {
  await withFetch(answering([], () => OK), async (fetch, server) => {
    const read = await fetch(server.origin);
    assert.deepEqual([read.bodyUsed, await read.text(), read.bodyUsed], [false, "ok", true]);
    for (const again of [read.text(), read.bytes(), read.blob(), read.formData(), read.json()]) {
      await assert.rejects(again, TypeError);
    }
    assert.throws(() => read.clone(), TypeError);
    const unread = await fetch(server.origin);
    const stream = unread.body!;
    assert.equal(unread.body, stream);
    assert.equal(await unread.clone().text(), "ok");
    assert.deepEqual([unread.bodyUsed, (await unread.blob()).size, unread.bodyUsed], [
      false,
      2,
      true,
    ]);
  });
});

test("T52 fetch: a megabyte of spaces costs what it is long", async () => {
  // Its square is minutes.
  const spaces = " ".repeat(1_000_000);
  const fetch = createFetch();
  const response = await fetch(`data:text/plain;a${spaces}=b,c`, {
    headers: { "A": `b${spaces}c` },
  });
  assert.equal(await response.text(), "c");
});
