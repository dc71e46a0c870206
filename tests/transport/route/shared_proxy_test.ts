/**
 * Requests to many servers over the same connections to one forwarding proxy: what they share, what
 * ends that, and that the limits stay exact.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import {
  type RawConnection,
  type RawHandler,
  type RawServer,
  withRawServer,
} from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { until } from "../../support/waiting.ts";
import { assertQuiet } from "../../support/watched_signal.ts";

function answer(text: string, ...fields: string[]): string {
  const head = ["HTTP/1.1 200 OK", ...fields, `Content-Length: ${text.length}`, "", ""];
  return head.join("\r\n") + text;
}

/** A proxy that answers by itself, with the target that it was given. */
const naming: RawHandler = async (connection) => {
  for (;;) {
    const [, target] = (await connection.readHead()).split(" ");
    await connection.send(answer(target));
  }
};

/** Runs with a transport through a proxy of ours. */
async function withProxy(
  handler: RawHandler,
  options: TransportOptions,
  run: (transport: Transport, proxy: RawServer) => Promise<void>,
): Promise<void> {
  await withRawServer(handler, async (proxy) => {
    const transport = steadyTransport({ proxy: proxy.origin, ...options });
    try {
      await run(transport, proxy);
      assertQuiet(transport);
    } finally {
      transport.destroy();
    }
    assert.equal(transport.stats().total, 0);
    await proxy.allClosed();
  });
}

async function get(
  transport: Transport,
  url: string,
  init?: HttpRequestInit,
): Promise<{ text: string; id: number }> {
  const response = await transport.roundTrip(new HttpRequest(url, init));
  return { text: await response.text(), id: response.connection.id };
}

function hosts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `http://host${i}.test/`);
}

test("M33 forty servers behind one proxy take one connection, one after the other", async () => {
  for (const chosen of [false, true]) {
    await withProxy(naming, {}, async (through, proxy) => {
      const transport = chosen ? steadyTransport({ proxy: () => proxy.origin }) : through;
      for (const url of hosts(40)) assert.equal((await get(transport, url)).text, url);
      assert.equal(proxy.connections.length, 1);
      transport.destroy();
    });
  }
});

test("M33 what is told of shared connections names the proxy, and no credentials", async () => {
  await withRawServer(naming, async (proxy) => {
    const login = proxy.origin.replace("//", "//user:canary@");
    const keys: string[] = [];
    const transport = steadyTransport({
      proxy: login,
      trace: { getConn: ({ key }) => void keys.push(key) },
    });
    const headers = { "Proxy-Authorization": "Basic canary@ //" };
    await get(transport, "http://a.test/");
    await get(transport, "http://b.test/", { headers });
    const masked = proxy.origin.replace("//", "//***@");
    assert.deepEqual(keys, [`${masked} > http://*`, `${masked} > http://***@*`]);
    assert.deepEqual(Object.keys(transport.stats().perHost), keys);
    assert.deepEqual(transport.inspect().connections.map(({ key }) => key), keys);
    assert.match(transport.explain(new HttpRequest("http://c.test/")), /^would reuse #1/);
    transport.destroy();
  });
});

/** Holds each answer until it is let go, and counts what is under way. */
class CountingProxy {
  readonly underWay: Map<string, number> = new Map();
  readonly most: Map<string, number> = new Map();
  readonly order: string[] = [];
  readonly #waiting: (() => void)[] = [];

  readonly handler: RawHandler = async (connection) => {
    for (;;) {
      const [, target] = (await connection.readHead()).split(" ");
      this.order.push(target);
      const count = (this.underWay.get(target) ?? 0) + 1;
      this.underWay.set(target, count);
      this.most.set(target, Math.max(count, this.most.get(target) ?? 0));
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.underWay.set(target, this.underWay.get(target)! - 1);
      await connection.send(answer(target));
    }
  };

  get held(): number {
    return this.#waiting.length;
  }

  letGo(): void {
    this.#waiting.shift()!();
  }
}

test("M33 maxConnsPerHost counts the connections to the proxy, and with them each server's requests", async () => {
  const counting = new CountingProxy();
  await withProxy(counting.handler, { maxConnsPerHost: 3 }, async (transport, proxy) => {
    const urls = hosts(4).flatMap((url) => [url, url, url, url]);
    const getting = urls.map((url) => get(transport, url));
    const tunnels = ["https://a.test/", "https://b.test/"].map((url) =>
      transport.explain(new HttpRequest(url))
    );
    assert.deepEqual(tunnels, ["would dial: no idle connection", "would dial: no idle connection"]);
    for (let done = 0; done < urls.length; done++) {
      await until(
        "the proxy is as busy as it may be",
        () => counting.held === Math.min(3, urls.length - done),
      );
      const { active, waiting, dialing } = transport.stats();
      const busy = Math.min(3, urls.length - done);
      assert.deepEqual([active, waiting, dialing], [busy, urls.length - done - busy, 0]);
      counting.letGo();
      await until(
        "its answer has come",
        () => transport.stats().active + transport.stats().waiting === urls.length - done - 1,
      );
    }
    const texts = (await Promise.all(getting)).map(({ text }) => text);
    assert.deepEqual(texts, urls);
    assert.deepEqual(counting.order.toSorted(), urls.toSorted());
    for (const [target, most] of counting.most) assert.ok(most <= 3, `${most} to ${target}`);
    assert.equal(proxy.connections.length, 3);
  });
});

test("M33 the limits of waiting and of dials count per proxy", async () => {
  const counting = new CountingProxy();
  const options = { maxConnsPerHost: 1, maxWaitersPerHost: 1 };
  await withProxy(counting.handler, options, async (transport) => {
    const first = get(transport, "http://a.test/");
    const second = get(transport, "http://b.test/");
    await assert.rejects(get(transport, "http://c.test/"), { code: "ERR_QUEUE_FULL" });
    for (let n = 0; n < 2; n++) {
      await until("one is asked for", () => counting.held === 1);
      counting.letGo();
    }
    assert.equal((await first).id, (await second).id);
  });
});

/** How a request may go wrong, or only its answer. */
const failures: Readonly<
  Record<string, { serve: (connection: RawConnection) => unknown; code?: string }>
> = {
  "reset before the head": { serve: (c) => c.reset(), code: "ERR_CONNECTION_LOST" },
  "end before the head": { serve: (c) => c.end(), code: "ERR_CONNECTION_LOST" },
  "no HTTP": { serve: (c) => c.send("SSH-2.0\r\n\r\n"), code: "ERR_MALFORMED_RESPONSE" },
  "end in the body": {
    serve: async (c) => {
      await c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12");
      c.end();
    },
    code: "ERR_INCOMPLETE_BODY",
  },
  "a proxy's refusal": { serve: (c) => c.send(answer("no").replace("200 OK", "502 X")) },
  "a connection that ends": { serve: (c) => c.send(answer("no", "Connection: close")) },
};

for (const [what, { serve, code }] of Object.entries(failures)) {
  test(`M33 after ${what} another server's request has the connection's place`, async () => {
    await withProxy(
      async (connection) => {
        for (;;) {
          const [, target] = (await connection.readHead()).split(" ");
          if (target.includes("bad")) await serve(connection);
          else await connection.send(answer(target));
        }
      },
      { maxConnsPerHost: 1 },
      async (transport) => {
        for (const before of [false, true]) {
          if (before) await get(transport, "http://a.test/");
          const init = { method: "POST", body: "x" };
          const bad = get(transport, "http://bad.test/", init);
          const good = get(transport, "http://b.test/");
          if (code === undefined) assert.equal((await bad).text, "no");
          else await assert.rejects(bad, { code });
          assert.equal((await good).text, "http://b.test/");
          assert.equal(transport.stats().total, 1);
        }
      },
    );
  });
}

test("M33 who is aborted, in the queue or in use, leaves its place to another server's request", async () => {
  const counting = new CountingProxy();
  await withProxy(counting.handler, { maxConnsPerHost: 1 }, async (transport, proxy) => {
    const controllers = [new AbortController(), new AbortController()];
    const [inUse, queued] = controllers.map(({ signal }, i) =>
      get(transport, `http://${i}.test/`, { signal })
    );
    const last = get(transport, "http://c.test/");
    await until("one is under way", () => counting.held === 1);
    for (const controller of controllers.reverse()) controller.abort(new Error("enough"));
    await assert.rejects(inUse, { message: "enough" });
    await assert.rejects(queued, { message: "enough" });
    await until("the last is under way", () => counting.held === 2);
    counting.letGo();
    counting.letGo();
    assert.equal((await last).text, "http://c.test/");
    assert.deepEqual([proxy.connections.length, transport.stats().total], [2, 1]);
  });
});

const binding = [
  "WWW-Authenticate: Negotiate",
  "WWW-Authenticate: NTLM",
  "www-authenticate: negotiate YII=",
  'WWW-Authenticate: Basic realm="a", NTLM',
  'WWW-Authenticate: Basic realm="a"\r\nWWW-Authenticate: ntlm',
  "WWW-Authenticate: Negotiate, Basic",
  "Proxy-Authenticate: Negotiate",
  "Proxy-Authenticate: NTLM TlRM",
];
const harmless = [
  'WWW-Authenticate: Basic realm="NTLM"',
  "WWW-Authenticate: Bearer",
  "WWW-Authenticate: Digest nonce=a",
  "WWW-Authenticate: X-Negotiate",
  "WWW-Authenticate: NTLMv3",
  "Proxy-Authenticate: Basic",
];

test("M33 a connection on which somebody may authenticate serves nobody else", async () => {
  for (const [isBinding, fields] of [[true, binding], [false, harmless]] as const) {
    for (const field of fields) {
      for (const status of ["401 X", "407 X", "200 OK"]) {
        await withProxy(
          async (connection) => {
            for (;;) {
              const [, target] = (await connection.readHead()).split(" ");
              const isChallenge = target.includes("bad");
              await connection.send(
                isChallenge ? answer("no", field).replace("200 OK", status) : answer(target),
              );
            }
          },
          {},
          async (transport) => {
            const { id } = await get(transport, "http://a.test/");
            assert.equal((await get(transport, "http://bad.test/")).id, id);
            const next = await get(transport, "http://a.test/");
            assert.equal(next.id !== id, isBinding, `${field} ${status}`);
          },
        );
      }
    }
  }
});

test("M33 a caller's Proxy-Authorization for a connection has one of its own, for one request", async () => {
  for (const scheme of ["Negotiate", "NTLM", "negotiate", "Digest"]) {
    await withProxy(naming, { maxConnsPerHost: 1 }, async (transport, proxy) => {
      const headers = { "Proxy-Authorization": `${scheme} canary` };
      const shared = await get(transport, "http://a.test/");
      const ids = new Set([shared.id]);
      for (const url of ["http://a.test/", "http://a.test/", "http://b.test/"]) {
        ids.add((await get(transport, url, { headers })).id);
        assert.equal(transport.stats().total, 1);
      }
      assert.equal(ids.size, 4);
      assert.equal((await get(transport, "http://b.test/")).id, shared.id);
      assert.equal(proxy.connections.length, 4);
      assert.doesNotMatch(JSON.stringify([transport.stats(), transport.inspect()]), /canary/);
    });
  }
});

test("M33 a caller's Authorization for a connection shares with its server alone", async () => {
  await withProxy(
    async (connection) => {
      for (let legs = 0;; legs++) {
        const head = await connection.readHead();
        const [, target] = head.split(" ");
        const isAsked = target.includes("guarded");
        const leg = isAsked && /\r\nauthorization: NTLM /i.test(head) ? legs : -1;
        if (!isAsked) await connection.send(answer(target));
        else if (leg === 1) await connection.send(answer("welcome"));
        else {
          const challenge = `WWW-Authenticate: NTLM${leg === 0 ? " challenge" : ""}`;
          await connection.send(answer("", challenge).replace("200 OK", "401 X"));
        }
      }
    },
    {},
    async (transport) => {
      const url = "http://guarded.test/";
      const other = await get(transport, "http://a.test/");
      assert.equal((await get(transport, url)).id, other.id);
      const one = await get(transport, url, { headers: { "Authorization": "NTLM one" } });
      const two = await get(transport, url, { headers: { "authorization": "NTLM two" } });
      assert.deepEqual([two.text, two.id], ["welcome", one.id]);
      assert.notEqual((await get(transport, "http://a.test/")).id, one.id);
      const elsewhere = { headers: { "Authorization": "Negotiate x" } };
      assert.notEqual((await get(transport, "http://b.test/", elsewhere)).id, one.id);
    },
  );
});

test("M33 a lease of a shared connection leads to its server, and what it did is not left to others", async () => {
  await withProxy(naming, {}, async (transport) => {
    const send = async (
      lease: { roundTrip(request: HttpRequest): Promise<HttpResponse> },
      url: string,
      init?: HttpRequestInit,
    ) => await (await lease.roundTrip(new HttpRequest(url, init))).text();
    const { id } = await get(transport, "http://a.test/");

    const plain = await transport.connect("http://b.test/");
    assert.equal(plain.id, id);
    assert.equal(await send(plain, "http://b.test/x"), "http://b.test/x");
    for (const url of ["http://a.test/", "http://b.test:81/", "https://b.test/"]) {
      await assert.rejects(send(plain, url), {
        code: "ERR_INVALID_REQUEST",
        message: /b\.test:80$/,
      });
    }
    plain.release();
    assert.equal((await get(transport, "http://a.test/")).id, id);

    const logins: Record<string, string>[] = [
      { "Proxy-Authorization": "NTLM one" },
      { "Proxy-Authorization": "Basic other" },
      { "Authorization": "Negotiate one" },
    ];
    for (const headers of logins) {
      const before = (await get(transport, "http://a.test/")).id;
      const lease = await transport.connect("http://b.test/");
      assert.equal(lease.id, before);
      // As many steps as the handshake takes.
      for (let leg = 0; leg < 3; leg++) await send(lease, "http://b.test/", { headers });
      lease.release();
      assert.notEqual((await get(transport, "http://a.test/")).id, before);
    }
  });
});

test("M33 an upgrade and a caller's own CONNECT take a shared connection out of the pool", async () => {
  await withProxy(
    async (connection) => {
      for (;;) {
        const [method, target] = (await connection.readHead()).split(" ");
        if (method === "CONNECT") await connection.send("HTTP/1.1 200 OK\r\n\r\n");
        else if (!target.includes("upgrade")) await connection.send(answer(target));
        else await connection.send("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
      }
    },
    { maxConnsPerHost: 1 },
    async (transport) => {
      const upgrade = { headers: { "Connection": "upgrade", "Upgrade": "x" } };
      const inits: readonly HttpRequestInit[] = [upgrade, { method: "CONNECT", host: "b.test:22" }];
      for (const init of inits) {
        const { id } = await get(transport, "http://a.test/");
        const request = new HttpRequest("http://upgrade.test/", init);
        const response = await transport.roundTrip(request);
        assert.equal(response.connection.id, id);
        assert.equal(transport.stats().total, 0);
        const conn = response.upgrade();
        assert.notEqual((await get(transport, "http://a.test/")).id, id);
        conn.close();
      }
    },
  );
});

test("M33 T54 the egress policy judges each request, also where the connection is there", async () => {
  const dials: RawHandler = naming;
  for (const chosen of ["always", "at once", "later"]) {
    await withRawServer(dials, async (proxy) => {
      const choices = {
        "always": proxy.origin,
        "at once": () => proxy.origin,
        "later": () => Promise.resolve(proxy.origin),
      };
      const transport = steadyTransport({
        proxy: choices[chosen as keyof typeof choices],
        egress: { deny: ["private", "metadata"] },
      });
      await get(transport, "http://a.test/");
      const lease = await transport.connect("http://a.test/");
      const blocked = (promise: Promise<unknown>) =>
        assert.rejects(promise, (error: HttpError) => {
          assert.deepEqual([error.code, error.phase], ["ERR_BLOCKED", "dial"]);
          assert.equal(error.attempt?.verdict, "never-sent");
          return true;
        });
      const connect = { method: "CONNECT", host: "10.0.0.1:22" };
      await blocked(lease.roundTrip(new HttpRequest("http://a.test/", connect)));
      lease.release();
      for (const url of ["http://10.0.0.1/", "http://169.254.169.254/", "http://0xa.1/"]) {
        await blocked(transport.roundTrip(new HttpRequest(url)));
        await blocked(transport.connect(url));
      }
      await blocked(transport.roundTrip(new HttpRequest("http://a.test/", connect)));
      await get(transport, "http://b.test/");
      assert.equal(proxy.connections.length, 1);
      assert.doesNotMatch(proxy.connections[0].received, /10\.0\.0\.1|169\.254|CONNECT/);
      assert.deepEqual([transport.stats().active, transport.stats().waiting], [0, 0]);
      transport.destroy();
    });
  }
});

test("M33 T1 what one server has sent too much answers no other server's request", async () => {
  await withProxy(
    async (connection) => {
      for (;;) {
        const [, target] = (await connection.readHead()).split(" ");
        await connection.send(answer(target) + (target.includes("evil") ? answer("EVIL") : ""));
      }
    },
    {},
    async (transport) => {
      for (let round = 0; round < 5; round++) {
        const evil = await get(transport, "http://evil.test/");
        const good = await get(transport, "http://good.test/");
        assert.equal(good.text, "http://good.test/");
        assert.notEqual(good.id, evil.id);
      }
    },
  );
});
