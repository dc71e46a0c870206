/**
 * Proxies that want a proof of who asks: how often they are told, over which connection, and what is
 * left when they are not satisfied.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type HttpError,
  HttpRequest,
  type HttpRequestInit,
  proxyDialer,
  ProxyError,
  systemDialer,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import {
  ConnectionEndedError,
  type RawConnection,
  type RawServer,
  withRawServer,
} from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const BASIC = `Basic ${btoa("me:pw")}`;

/** The parameter of a `Proxy-Authorization`, without quotes. */
function param(value: string, name: string): string {
  return new RegExp(`[ ,]${name}="?([^",]*)`).exec(value)?.[1] ?? "";
}

/** Whether it proves what it should, of the target that was really asked for. */
function proves(requestLine: string, value: string): boolean {
  const [method, target] = requestLine.split(" ");
  const parts = ["nonce", "nc", "cnonce", "qop"].map((part) => param(value, part));
  const proof = sha256([sha256("me:r:pw"), ...parts, sha256(`${method}:${target}`)].join(":"));
  return param(value, "uri") === target && param(value, "response") === proof;
}

/** What a proxy saw: the index of the connection, the request line, the credentials. */
type Asked = readonly [connection: number, requestLine: string, credentials: string];

interface ProxyRules {
  /** The nonce that is good now. */
  nonce?: () => string;
  /** Said with each refusal. */
  refusal?: string;
  /** The body of a refusal. */
  body?: string;
  /** Whether it closes behind a refusal. */
  closes?: boolean;
  /** Whether it refuses what proves the password too. */
  refusesAll?: boolean;
  /** Fields of an answer that is not a refusal. */
  fields?: string;
  /** Whether it refuses before it has read the body. */
  isHasty?: boolean;
}

/** A proxy that answers itself, in the place of every server. */
async function withProxy(
  rules: ProxyRules,
  run: (proxy: { url: string; asked: Asked[]; server: RawServer }) => Promise<void>,
): Promise<void> {
  const { nonce = () => "n1", refusal = "", body = "who asks?", fields = "" } = rules;
  const asked: Asked[] = [];
  const serve = async (connection: RawConnection): Promise<void> => {
    for (let isInTunnel = false;;) {
      const head = await connection.readHead();
      const [requestLine] = head.split("\r\n", 1);
      const value = /^proxy-authorization: (.*)\r$/im.exec(head)?.[1] ?? "";
      if (!isInTunnel) asked.push([connection.index, requestLine, value]);
      const isIn = isInTunnel || rules.refusesAll !== true && proves(requestLine, value) &&
          param(value, "nonce") === nonce();
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      const isRead = isIn || rules.isHasty !== true;
      if (isRead) await connection.readBytes(length);
      if (!isIn) {
        const challenge = `Digest realm="r", nonce="${nonce()}", qop="auth", algorithm=SHA-256`;
        const closing = rules.closes === true || !isRead ? "Connection: close\r\n" : "";
        await connection.send(
          'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="r"\r\n' +
            `Proxy-Authenticate: ${challenge}${refusal}\r\n${closing}` +
            `Content-Length: ${body.length}\r\n\r\n${body}`,
        );
        if (closing !== "") return;
        continue;
      }
      isInTunnel = isInTunnel || requestLine.startsWith("CONNECT ");
      await connection.send(
        requestLine.startsWith("CONNECT ")
          ? `HTTP/1.1 200 OK\r\n${fields}\r\n`
          : `HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`,
      );
    }
  };
  const handler = async (connection: RawConnection): Promise<void> => {
    try {
      await serve(connection);
    } catch (error) {
      if (!(error instanceof ConnectionEndedError)) throw error;
    }
  };
  await withRawServer(handler, async (server) => {
    await run({ url: `http://me:pw@127.0.0.1:${server.port}`, asked, server });
  });
}

/** Tunnels without TLS, so that they can be read; refusals have all the time to come to their end. */
function plainTls(): TransportOptions {
  const system = systemDialer();
  return {
    clock: new ManualClock(),
    dialer: {
      dial: (address, options) => system.dial(address, options),
      startTls: (conn) => Promise.resolve(conn),
      pollBarrier: () => system.pollBarrier!(),
    },
  };
}

async function answerOf(
  transport: Transport,
  url: string,
  init?: HttpRequestInit,
): Promise<[number, string]> {
  const response = await transport.roundTrip(new HttpRequest(url, init));
  return [response.status, await response.text()];
}

async function assertQuiet(transport: Transport): Promise<void> {
  await until("nothing is under way", () => transport.stats().active === 0);
  const { waiting, dialing } = transport.stats();
  assert.deepEqual({ waiting, dialing }, { waiting: 0, dialing: 0 });
}

/** The ways to a server through an HTTP proxy. */
const WAYS = ["http://a.test/x?y", "https://a.test/x?y"];

test("proxy login: a proof is given on the same connection, and at once from then on", async () => {
  for (const url of WAYS) {
    await withProxy({ body: "x".repeat(9_000) }, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy });
      assert.deepEqual(await answerOf(transport, url), [200, "ok"]);
      assert.equal(asked.length, 2);
      assert.deepEqual(asked.map(([connection]) => connection), [0, 0]);
      assert.equal(asked[0][2], BASIC);
      assert.equal(param(asked[1][2], "nc"), "00000001");
      transport.closeIdleConnections();
      // The next tunnel, or request, knows: nothing is shown any more.
      assert.deepEqual(await answerOf(transport, url), [200, "ok"]);
      assert.equal(asked.length, 3);
      assert.deepEqual([param(asked[2][2], "nc"), asked[2][0]], ["00000002", 1]);
      await assertQuiet(transport);
    });
  }
});

test("proxy login: one that closes behind its question is asked anew on another connection", async () => {
  for (const url of WAYS) {
    await withProxy({ closes: true }, async ({ url: proxy, asked }) => {
      const dials: string[] = [];
      await using transport = new Transport({ ...plainTls(), proxy, maxConnsPerHost: 1 });
      const trace = {
        connectStart: () => void dials.push("dial"),
        proxyConnectDone: ({ status }: { status?: number }) => void dials.push(`${status}`),
        retry: ({ error }: { error: HttpError }) => void dials.push(error.code),
      };
      assert.deepEqual(await answerOf(transport, url, { trace }), [200, "ok"]);
      assert.deepEqual(asked.map(([connection]) => connection), [0, 1]);
      assert.deepEqual(
        dials,
        url.startsWith("https:") ? ["dial", "407", "dial", "200"] : ["dial", "ERR_PROXY", "dial"],
      );
      await assertQuiet(transport);
    });
  }
});

test("proxy login: proxyAuth digest shows the password to nobody", async () => {
  for (const url of WAYS) {
    await withProxy({}, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy, proxyAuth: "digest" });
      assert.deepEqual(await answerOf(transport, url), [200, "ok"]);
      assert.deepEqual(asked.map(([, , value]) => value.split(" ")[0]), ["", "Digest"]);
    });
  }
  const proxyAuth = "ntlm" as "basic";
  assert.throws(() => new Transport({ proxyAuth }), { code: "ERR_INVALID_REQUEST" });
});

test("proxy login: a refusal ends, and nothing is left", async () => {
  let made = 0;
  const rows: [string, ProxyRules, number][] = [
    ["a wrong password", { refusesAll: true }, 2],
    ["a wrong password, new nonces", { refusesAll: true, nonce: () => `n${++made}` }, 2],
    ["old for ever", { refusesAll: true, refusal: ", stale=true" }, 4],
  ];
  for (const url of WAYS) {
    for (const [what, rules, count] of rows) {
      await withProxy(rules, async ({ url: proxy, asked }) => {
        await using transport = new Transport({ ...plainTls(), proxy });
        const answered = answerOf(transport, url);
        if (url.startsWith("http:")) {
          assert.deepEqual(await answered, [407, "who asks?"], what);
        } else {
          await assert.rejects(answered, (error) => {
            assert.ok(error instanceof ProxyError, String(error));
            assert.equal(error.response?.status, 407, what);
            assert.equal(new TextDecoder().decode(error.response.bodyStart), "who asks?");
            assert.equal(error.attempt?.verdict, "never-sent");
            return true;
          });
        }
        assert.equal(asked.length, count, what);
        await assertQuiet(transport);
      });
    }
  }
  // One that closes each time is not asked for ever.
  await withProxy({ refusesAll: true, closes: true, nonce: () => `n${++made}` }, async (rig) => {
    await using transport = new Transport({ ...plainTls(), proxy: rig.url });
    await assert.rejects(answerOf(transport, "https://a.test/"), ProxyError);
    assert.equal(rig.asked.length, 4);
    await assertQuiet(transport);
  });
});

test("proxy login: who has taken a proof is not shown the password, and others are", async () => {
  for (const url of WAYS) {
    const rules: ProxyRules = {};
    await withProxy(rules, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy });
      await answerOf(transport, url);
      rules.refusesAll = true;
      for (let i = 0; i < 2; i++) {
        transport.closeIdleConnections();
        await answerOf(transport, url).catch(() => {});
      }
      assert.deepEqual(asked.map(([, , value]) => value.split(" ")[0]), [
        "Basic",
        "Digest",
        "Digest",
        "",
        "Digest",
      ]);
    });
  }
  // A question that was not the proxy's own, of a server behind it: it takes the password alone.
  const shown: string[] = [];
  const handler = async (connection: RawConnection): Promise<void> => {
    for (;;) {
      const head = await connection.readHead();
      const value = /^proxy-authorization: (.*)\r$/im.exec(head)?.[1] ?? "";
      shown.push(value.split(" ")[0]);
      const isIn = value === BASIC && !head.includes("/evil");
      const scheme = value === BASIC ? "Digest nonce=n, qop=auth" : "Basic";
      const line = isIn ? "200 OK" : `407 No\r\nProxy-Authenticate: ${scheme}`;
      await connection.send(`HTTP/1.1 ${line}\r\nContent-Length: 0\r\n\r\n`);
    }
  };
  await withRawServer(handler, async ({ port }) => {
    await using transport = new Transport({ proxy: `http://me:pw@127.0.0.1:${port}` });
    assert.equal((await answerOf(transport, "http://a.test/evil"))[0], 407);
    assert.equal((await answerOf(transport, "http://a.test/"))[0], 200);
    assert.deepEqual(shown.splice(0), ["Basic", "Digest", "Basic"]);
    const proxy = `http://me:pw@127.0.0.1:${port}`;
    await using silent = new Transport({ proxy, proxyAuth: "digest" });
    assert.equal((await answerOf(silent, "http://a.test/"))[0], 407);
    assert.deepEqual(shown, [""]);
  });
});

test("proxy login: nonces grow old, and are named ahead", async () => {
  for (const url of WAYS) {
    let nonce = "n1";
    const rules = { nonce: () => nonce, refusal: ", stale=true" };
    await withProxy(rules, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy });
      await answerOf(transport, url);
      nonce = "n2";
      transport.closeIdleConnections();
      assert.deepEqual(await answerOf(transport, url), [200, "ok"]);
      assert.deepEqual(asked.map(([, , value]) => param(value, "nonce")), ["", "n1", "n1", "n2"]);
    });
    let good = "n1";
    const fields = 'Proxy-Authentication-Info: nextnonce="n2"\r\n';
    await withProxy({ nonce: () => good, fields }, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy });
      await answerOf(transport, url);
      good = "n2";
      transport.closeIdleConnections();
      assert.deepEqual(await answerOf(transport, url), [200, "ok"]);
      assert.deepEqual(asked.map(([, , value]) => param(value, "nonce")), ["", "n1", "n2"]);
    });
  }
});

test("proxy login: many at once have each a count of their own", async () => {
  for (const url of WAYS) {
    await withProxy({}, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy, maxConnsPerHost: 6 });
      const all = Array.from({ length: 12 }, () => answerOf(transport, url));
      for (const answer of await Promise.all(all)) assert.deepEqual(answer, [200, "ok"]);
      const counts = asked.map(([, , value]) => param(value, "nc")).filter((nc) => nc !== "");
      assert.equal(new Set(counts).size, counts.length);
      await assertQuiet(transport);
      assert.ok(transport.stats().total <= 6);
    });
  }
});

test("proxy login: bodies are sent again where they can be, and else the 407 is the answer", async () => {
  async function* once(): AsyncGenerator<string> {
    yield "once";
  }
  const large = new Uint8Array(4 * 1024 * 1024);
  for (const isHasty of [false, true]) {
    await withProxy({ isHasty }, async ({ url: proxy, asked }) => {
      await using transport = new Transport({ ...plainTls(), proxy });
      const put = (body: HttpRequestInit["body"], more: HttpRequestInit = {}) =>
        answerOf(transport, "http://a.test/", { method: "PUT", body, ...more });
      if (!isHasty) assert.equal((await put(once(), { contentLength: 4 }))[0], 407);
      const before = asked.length;
      assert.deepEqual(await put(isHasty ? large : "text"), [200, "ok"]);
      assert.equal(asked.length, before + 2);
      await assertQuiet(transport);
    });
  }
  for (const body of [() => once(), new Blob([large])]) {
    await withProxy({ isHasty: true }, async ({ url: proxy }) => {
      await using transport = new Transport({ ...plainTls(), proxy });
      const init = {
        method: "PUT",
        body,
        ...typeof body === "function" ? { contentLength: 4 } : {},
      };
      assert.deepEqual(await answerOf(transport, "http://a.test/", init), [200, "ok"]);
      await assertQuiet(transport);
    });
  }
});

test("proxy login: what the caller says himself is what is said", async () => {
  await withProxy({}, async ({ url: proxy, asked }) => {
    const headers = { "Proxy-Authorization": "Mine abc" };
    await using transport = new Transport({ ...plainTls(), proxy, proxyConnectHeaders: headers });
    assert.equal((await answerOf(transport, "http://a.test/", { headers }))[0], 407);
    await assert.rejects(answerOf(transport, "https://a.test/"), ProxyError);
    assert.deepEqual(asked.map(([, , value]) => value), ["Mine abc", "Mine abc"]);
  });
});

test("proxy login: one proxy's proof is no other's, in a chain and beside it", async () => {
  const rules = { nonce: () => "n1" };
  await withProxy(rules, async (first) => {
    await withProxy({ refusesAll: true }, async (second) => {
      // The first one's user is not told to the second, which has none.
      const bare = second.url.replace("me:pw@", "");
      await using transport = new Transport({
        ...plainTls(),
        proxy: ({ hostname }) => hostname === "a.test" ? first.url : bare,
      });
      assert.deepEqual(await answerOf(transport, "http://a.test/"), [200, "ok"]);
      assert.equal((await answerOf(transport, "http://b.test/"))[0], 407);
      assert.deepEqual(second.asked.map(([, , value]) => value), [""]);
      await assert.rejects(answerOf(transport, "https://b.test/"), ProxyError);
      assert.deepEqual(second.asked.map(([, , value]) => value), ["", ""]);
    });
  });
});

test("proxy login: proxyDialer gives proofs too, and takes another connection for them", async () => {
  for (const closes of [false, true]) {
    await withProxy({ closes }, async ({ url, asked, server }) => {
      const conn = await proxyDialer(url).dial({ transport: "tcp", hostname: "a.test", port: 80 });
      conn.close();
      assert.deepEqual(asked.map(([connection]) => connection), [0, closes ? 1 : 0]);
      await Promise.all(server.connections.map(({ closed }) => closed));
    });
  }
});

test("proxy login: giving up while the proxy asks leaves nothing", async () => {
  for (const url of WAYS) {
    for (const at of [1, 2]) {
      const controller = new AbortController();
      const reason = new Error("enough");
      let count = 0;
      const rules: ProxyRules = {
        nonce: () => {
          if (++count === at) controller.abort(reason);
          return "n1";
        },
      };
      await withProxy(rules, async ({ url: proxy }) => {
        await using transport = new Transport({ ...plainTls(), proxy });
        const { signal } = controller;
        await assert.rejects(answerOf(transport, url, { signal }), (error) => error === reason);
        await until("no dial is under way", () => transport.stats().dialing === 0);
        await assertQuiet(transport);
      });
    }
  }
});
