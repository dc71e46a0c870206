/**
 * A client with a cookie jar: what is stored, what is sent, on each hop.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  Client,
  type ClientOptions,
  type CookieJar,
  HttpRequest,
  type HttpRequestInit,
  MemoryCookieJar,
  Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";

/** What a path answers: a status and header lines. */
type Answers = Record<string, [number, ...string[]]>;

/** Runs a client against a server that answers by path; returns the `Cookie` of each request. */
async function exchange(
  answers: Answers,
  run: (client: Client, origin: string, transport: Transport) => Promise<void>,
  options: ClientOptions = {},
): Promise<(string | null)[]> {
  const seen: (string | null)[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      seen.push(/^cookie: (.*)\r$/im.exec(head)?.[1] ?? null);
      const [status, ...lines] = answers[head.split(" ")[1]] ?? [200];
      const text = ["HTTP/1.1 " + status + " X", ...lines, "Content-Length: 0", "", ""];
      await connection.send(text.join("\r\n"));
    }
  }, async (server) => {
    const transport = new Transport();
    const client = new Client({ transport, jar: new MemoryCookieJar(), ...options });
    await run(client, server.origin, transport);
    assert.equal(transport.stats().active, 0);
    await transport.close();
  });
  return seen;
}

test("client cookies: those of every response are sent from then on, redirects' too", async () => {
  const seen = await exchange({
    "/login": [302, "Location: /next", "Set-Cookie: s=1", "Set-Cookie: t=1; Path=/deep"],
    "/next": [303, "Location: /deep/end", "Set-Cookie: s=2"],
    "/deep/end": [404, "Set-Cookie: u=1; Path=/"],
  }, async (client, origin) => {
    const response = await client.post(origin + "/login", "x");
    assert.equal(response.status, 404);
    await client.do(new HttpRequest(origin + "/"));
    await client.head(origin + "/deep/");
  });
  assert.deepEqual(seen, [null, "s=1", "t=1; s=2", "s=2; u=1", "t=1; s=2; u=1"]);
});

test("client cookies: without a jar none is kept", async () => {
  const answers: Answers = { "/": [200, "Set-Cookie: s=1"] };
  for (const jar of [null, undefined]) {
    const seen = await exchange(answers, async (client, origin) => {
      await client.get(origin);
      await client.get(origin);
    }, { jar });
    assert.deepEqual(seen, [null, null]);
  }
});

test("client cookies: the caller's own come first and win, until a response sets them anew", async () => {
  const seen = await exchange({
    "/set": [200, "Set-Cookie: a=jar; Path=/", "Set-Cookie: b=jar; Path=/"],
    "/start": [302, "Location: /middle", "Set-Cookie: a=anew; Path=/"],
    "/middle": [302, "Location: /end", "Set-Cookie: c=anew; Path=/"],
  }, async (client, origin) => {
    await client.get(origin + "/set");
    const response = await client.get(origin + "/start", {
      headers: { "COOKIE": "c=own; a=own;" },
    });
    assert.equal(response.request.headers.getAll("cookie").length, 1);
  });
  assert.deepEqual(seen, [
    null,
    "c=own; a=own; b=jar",
    "c=own; a=anew; b=jar",
    "a=anew; b=jar; c=anew",
  ]);
});

test("T21 the caller's cookies stay at the first origin, the jar's go where they belong", async () => {
  const there: (string | null)[] = [];
  const jar = new MemoryCookieJar();
  await jar.setCookie(new URL("http://127.0.0.1/"), "here=1");
  await jar.setCookie(new URL("http://localhost/"), "there=1");
  await withRawServer(async (connection) => {
    there.push(/^cookie: (.*)\r$/im.exec(await connection.readHead())?.[1] ?? null);
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }, async (other) => {
    const location = `Location: http://localhost:${other.port}/`;
    const here = await exchange({ "/": [307, location] }, async (client, origin, transport) => {
      await client.get(origin, { headers: { "Cookie": "own=1" } });
      transport.closeIdleConnections();
    }, { jar });
    assert.deepEqual([here, there], [["own=1; here=1"], ["there=1"]]);
  });
});

test("T42 the jar goes by the URL, whatever the Host says", async () => {
  const inits: HttpRequestInit[] = [{ host: "other.test" }, { headers: { "Host": "other.test" } }];
  for (const init of inits) {
    const jar = new MemoryCookieJar();
    await jar.setCookie(new URL("http://other.test/"), "other=1");
    const seen = await exchange({ "/": [200, "Set-Cookie: s=1"] }, async (client, origin) => {
      await client.get(origin, init);
      await client.get(origin, init);
    }, { jar });
    assert.deepEqual(seen, [null, "s=1"]);
    assert.equal(await jar.getCookieHeader(new URL("http://other.test/")), "other=1");
  }
});

test("T39 no more than 50 Set-Cookie lines of one response are looked at", async () => {
  const lines = Array.from({ length: 60 }, (_, n) => `Set-Cookie: n${n}=v`);
  const seen = await exchange({ "/": [200, ...lines] }, async (client, origin) => {
    await client.get(origin);
    await client.get(origin);
  });
  assert.equal(seen[1]!.split("; ").length, 50);
});

test("T15 T41 what a jar gives is checked before it is sent", async () => {
  const jar: CookieJar = { setCookie: () => {}, getCookieHeader: () => "a=1\r\nX: y" };
  const seen = await exchange({}, async (client, origin) => {
    await assert.rejects(client.get(origin), { code: "ERR_INVALID_REQUEST" });
  }, { jar });
  assert.deepEqual(seen, []);
});

test("client cookies: a jar may answer at once or later, and what it throws fails the request", async () => {
  const calls: string[] = [];
  const sync: CookieJar = {
    setCookie: (url, cookie) => void calls.push(`${url.pathname} ${cookie}`),
    getCookieHeader: () => "j=1",
  };
  const seen = await exchange(
    { "/": [200, "Set-Cookie: s=1", "Set-Cookie: t=1"] },
    async (client, origin) => {
      await client.get(origin);
    },
    { jar: sync },
  );
  assert.deepEqual([seen, calls], [["j=1"], ["/ s=1", "/ t=1"]]);

  const broken = new Error("broken jar");
  for (const method of ["setCookie", "getCookieHeader"] as const) {
    for (
      const fails of [() => Promise.reject(broken), () => {
        throw broken;
      }]
    ) {
      await exchange({ "/": [302, "Location: /x", "Set-Cookie: s=1"] }, async (client, origin) => {
        await assert.rejects(client.get(origin), (error) => error === broken);
      }, { jar: { ...sync, [method]: fails } });
    }
  }
});

test("client cookies: a jar that never answers ends with the signal and with the time", async () => {
  const never = (): Promise<never> => new Promise(() => {});
  for (const method of ["setCookie", "getCookieHeader"] as const) {
    const jar = { setCookie: () => {}, getCookieHeader: () => "", [method]: never };
    await exchange({ "/": [200, "Set-Cookie: s=1"] }, async (client, origin) => {
      await assert.rejects(client.get(origin, { timeoutMs: 30 }), { code: "ERR_TIMEOUT" });
      const signal = AbortSignal.timeout(30);
      await assert.rejects(client.get(origin, { signal }), { name: "TimeoutError" });
      const aborted = AbortSignal.abort(new Error("before"));
      await assert.rejects(client.get(origin, { signal: aborted }), /before/);
    }, { jar });
  }
});

test("client cookies: a session with a node:http server", async () => {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.url === "/login") {
      response.setHeader("Set-Cookie", ["sid=abc; HttpOnly; Path=/", "theme=dark; Max-Age=60"]);
      response.writeHead(303, { "Location": "/me" }).end("go on");
    } else response.end(request.headers.cookie ?? "none");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const transport = new Transport();
  const client = new Client({
    transport,
    jar: new MemoryCookieJar(),
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  assert.equal(await (await client.get("/me")).text(), "none");
  assert.equal(
    await (await client.postForm("/login", { user: "u" })).text(),
    "sid=abc; theme=dark",
  );
  await transport.close();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});
