/**
 * What `fetch` is called with: when it is looked at, what is taken and what is refused, and what a server sees of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as vm from "node:vm";
import {
  type BodySource,
  Client,
  createFetch,
  exchangeOf,
  HttpRequest,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import {
  type RawConnection,
  type RawHandler,
  type RawServer,
  withRawServer,
} from "../../support/raw_server.ts";

/** One request as a server saw it, its body out of its chunks. */
interface Seen {
  readonly line: string;
  readonly head: string;
  readonly body: string;
  readonly connection: number;
}

async function see(connection: RawConnection): Promise<Seen> {
  const head = await connection.readHead();
  let body = "";
  if (/^transfer-encoding: chunked/im.test(head)) {
    for (let size = -1; size !== 0;) {
      size = parseInt(await connection.readUntil("\r\n"), 16);
      body += await connection.readBytes(size);
      await connection.readUntil("\r\n");
    }
  } else {
    body = await connection.readBytes(Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0));
  }
  const line = head.slice(0, head.indexOf("\r\n"));
  return { line, head, body, connection: connection.index };
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function answering(seen: Seen[], answer: (one: Seen) => string = () => OK): RawHandler {
  return async (connection) => {
    for (;;) {
      const one = await see(connection);
      seen.push(one);
      const all = answer(one);
      const head = all.slice(0, all.indexOf("\r\n\r\n") + 4);
      await connection.send(one.line.startsWith("HEAD ") ? head : all);
    }
  };
}

async function withFetch(
  handler: RawHandler,
  run: (fetch: typeof globalThis.fetch, server: RawServer, transport: Transport) => Promise<void>,
  options: TransportOptions = {},
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const transport = new Transport(options);
    try {
      await run(createFetch({ transport }), server, transport);
      assert.equal(transport.stats().active, 0);
    } finally {
      await transport.close();
    }
  });
}

test("M17 a blob: URL that is revoked after the call is read all the same", async () => {
  const transport = new Transport();
  const fetch = createFetch({ transport });
  for (const init of [undefined, { headers: { Range: "bytes=1-2" } }]) {
    for (const input of [(url: string) => url, (url: string) => new URL(url)]) {
      const url = URL.createObjectURL(new Blob(["kept"]));
      const response = fetch(input(url), init);
      URL.revokeObjectURL(url);
      assert.equal(await (await response).text(), init === undefined ? "kept" : "ep");
      await assert.rejects(fetch(url, init), TypeError);
    }
  }
  await transport.close();
});

test("M17 headers, a form, bytes and the members of init are taken as they were at the call", async () => {
  const seen: Seen[] = [];
  await withFetch(answering(seen), async (fetch, server) => {
    const form = new FormData();
    form.append("first", "1");
    form.append("file", new File(["content"], "name.txt", { type: "text/plain" }));
    form.append("blob", new Blob(["bare"]));
    const headers = new Headers({ "X-When": "before" });
    const init: RequestInit = {
      method: "POST",
      body: form,
      headers,
      redirect: "follow",
      referrer: "http://before.test/",
    };
    const sent = fetch(server.origin, init);
    form.append("late", "2");
    form.delete("first");
    headers.set("X-When", "after");
    Object.assign(init, {
      redirect: "error",
      method: "PUT",
      signal: AbortSignal.abort(),
      integrity: "sha256-",
      referrer: "nonsense",
    });
    assert.equal((await sent).status, 200);
    const [{ line, head, body }] = seen;
    assert.match(line, /^POST /);
    assert.match(head, /^x-when: before\r$/im);
    assert.match(head, /^referer: http:\/\/before\.test\/\r$/im);
    assert.match(body, /name="first"\r\n\r\n1\r\n/);
    assert.match(
      body,
      /name="file"; filename="name.txt"\r\nContent-Type: text\/plain.*\r\n\r\ncontent\r\n/,
    );
    assert.match(body, /name="blob"; filename="blob"\r\n.*\r\n\r\nbare\r\n/);
    assert.doesNotMatch(body, /late/);

    const bytes = new Uint8Array([65, 66]);
    const second = fetch(server.origin, { method: "POST", body: bytes });
    bytes.fill(0);
    await second;
    assert.equal(seen[1].body, "AB");
  });
});

test("M17 buffers of another realm are bytes, whole and as pieces", async () => {
  const context = vm.createContext({});
  const foreign = (code: string): unknown => vm.runInContext(code, context);
  const array = "new Uint8Array([65, 66, 67]).subarray(0, 2)";
  assert.ok(!(foreign(array) instanceof Uint8Array));
  async function* one(piece: unknown): AsyncGenerator<unknown> {
    yield piece;
  }
  const stream = (piece: unknown): unknown =>
    new ReadableStream({
      start: (controller) => {
        controller.enqueue(piece);
        controller.close();
      },
    });
  const bodies: unknown[] = [
    foreign(array),
    foreign("new Uint8Array([65, 66]).buffer"),
    foreign("new DataView(new Uint8Array([65, 66, 67]).buffer, 0, 2)"),
    one(foreign(array)),
    one(foreign("new Uint8Array([65, 66]).buffer")),
    stream(foreign(array)),
    foreign("(async function* () { yield new Uint8Array([65]); yield new Uint8Array([66]); })()"),
  ];
  const seen: Seen[] = [];
  await withFetch(answering(seen), async (fetch, server, transport) => {
    const shared = foreign(
      "(() => { const b = new SharedArrayBuffer(2); new Uint8Array(b).set([65, 66]); return b; })()",
    );
    const sharedBody = { method: "POST", body: shared } as unknown as RequestInit;
    assert.equal((await fetch(server.origin, sharedBody)).status, 200);
    for (const body of bodies) {
      const init = { method: "POST", body, duplex: "half" } as unknown as RequestInit;
      assert.equal((await fetch(server.origin, init)).status, 200);
    }
    for (const body of bodies.slice(0, 3) as BodySource[]) {
      const request = new HttpRequest(server.origin, { method: "POST", body });
      await (await transport.roundTrip(request)).text();
    }
    assert.deepEqual(seen.map(({ body }) => body), seen.map(() => "AB"));
    assert.equal(seen.length, bodies.length + 4);
    // With a length, not chunked: they are whole.
    for (const { head } of seen.slice(0, 4)) assert.match(head, /^content-length: 2\r$/im);
    // What only says that it is one, is none.
    const forged = { [Symbol.toStringTag]: "ArrayBuffer", byteLength: 2 };
    await fetch(server.origin, { method: "POST", body: forged as unknown as string });
    assert.equal(seen.at(-1)!.body, "[object ArrayBuffer]");
  });
});

test("M17 an iterable gives text and buffers too, a stream only Uint8Arrays", async () => {
  async function* pieces(...all: unknown[]): AsyncGenerator<unknown> {
    yield* all;
  }
  const AB = new Uint8Array([65, 66]);
  const taken: [unknown[], string][] = [
    [["aä", "", "b"], "a\u00c3\u00a4b"],
    [[AB.buffer, "c"], "ABc"],
    [[new DataView(AB.buffer, 1)], "B"],
    [[new Uint16Array(AB.buffer)], "AB"],
  ];
  const seen: Seen[] = [];
  await withFetch(answering(seen), async (fetch, server, transport) => {
    for (const [all, text] of taken) {
      const init = { method: "POST", body: pieces(...all), duplex: "half" };
      assert.equal((await fetch(server.origin, init as unknown as RequestInit)).status, 200);
      assert.equal(seen.at(-1)!.body, text);
      const body = pieces(...all) as AsyncIterable<string>;
      const request = new HttpRequest(server.origin, { method: "POST", body });
      await (await transport.roundTrip(request)).text();
      assert.equal(seen.at(-1)!.body, text);
    }
  });
  await withFetch(async (connection) => {
    await see(connection);
  }, async (fetch, server) => {
    for (const piece of [7, null, undefined, [65, 66], {}, new Blob(["x"])]) {
      const init = { method: "POST", body: pieces(piece), duplex: "half" };
      await assert.rejects(fetch(server.origin, init as unknown as RequestInit), TypeError);
    }
    for (const piece of ["text", AB.buffer, new DataView(AB.buffer)]) {
      const body = new ReadableStream({ start: (controller) => controller.enqueue(piece) });
      const init = { method: "POST", body, duplex: "half" };
      await assert.rejects(fetch(server.origin, init as unknown as RequestInit), TypeError);
    }
  });
});

test("M19 what is wrong with a call is told although its signal is aborted", async () => {
  const transport = new Transport();
  const fetch = createFetch({ transport });
  const signal = AbortSignal.abort();
  const wrong: [string, RequestInit][] = [
    ["http://a.test/", { method: "B AD" }],
    ["http://a.test/", { method: "" }],
    ["http://a.test/", { method: "TRACE" }],
    ["http://a.test/", { headers: { "b ad": "1" } }],
    ["nonsense", {}],
  ];
  for (const [url, init] of wrong) {
    await assert.rejects(fetch(url, { ...init, signal }), TypeError);
    await assert.rejects(fetch(url, init), TypeError);
  }
  await assert.rejects(fetch("http://a.test/", { signal }), { name: "AbortError" });
  await transport.close();
});

test("M19 303 leaves a GET as it is, and takes what describes a body from others", async () => {
  const seen: Seen[] = [];
  const redirect = "HTTP/1.1 303 X\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n";
  const answer = ({ line }: Seen): string => line.includes(" /to ") ? OK : redirect;
  await withFetch(answering(seen, answer), async (fetch, server, transport) => {
    const headers = { "Content-Type": "text/x", "Content-Language": "en", "X-Own": "1" };
    const client = new Client({ transport });
    const cases: [string, string, BodySource | null, boolean][] = [
      ["GET", "GET", null, true],
      ["HEAD", "HEAD", null, true],
      ["POST", "GET", null, false],
      ["POST", "GET", "x", false],
      ["DELETE", "GET", null, false],
      // Not by fetch, which knows no such request.
      ["GET", "GET", "x", false],
    ];
    for (const [method, then, body, kept] of cases) {
      const byFetch = method === "GET" && body !== null ? [false] : [true, false];
      for (const isFetch of byFetch) {
        seen.length = 0;
        const response = isFetch
          ? await fetch(server.origin, { method, headers, body: body as string })
          : await client.do(new HttpRequest(server.origin, { method, headers, body }));
        await response.text();
        const [, { line, head, body: sent }] = seen;
        assert.ok(line.startsWith(`${then} /to `), line);
        assert.equal(/^content-type: text\/x\r$/im.test(head), kept, `${method} ${isFetch}`);
        assert.equal(/^content-language: en\r$/im.test(head), kept);
        assert.match(head, /^x-own: 1\r$/im);
        assert.equal(sent, "");
      }
    }
  });
});

const MISDIRECTED = "HTTP/1.1 421 X\r\nContent-Length: 2\r\n\r\nno";

test("M19 421 is tried once more on a new connection, where the body can be sent again", async () => {
  const seen: Seen[] = [];
  // The first connection is to the wrong server.
  const answer = ({ connection }: Seen): string => connection === 0 ? MISDIRECTED : OK;
  async function* once(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array([66]);
  }
  const form = new FormData();
  form.append("a", "b");
  const calls: [string, () => unknown, boolean][] = [
    ["GET", () => undefined, true],
    ["HEAD", () => undefined, true],
    ["POST", () => "B", true],
    ["POST", () => new Blob(["B"]), true],
    ["POST", () => form, true],
    ["POST", () => new Uint8Array([66]), true],
    ["POST", () => once(), false],
  ];
  for (const [method, make, again] of calls) {
    for (const options of [{}, { maxConnsPerHost: 1 }]) {
      seen.length = 0;
      await withFetch(answering(seen, answer), async (fetch, server, transport) => {
        const init = { method, body: make(), duplex: "half" } as unknown as RequestInit;
        const response = await fetch(server.origin, init);
        const text = await response.text();
        assert.deepEqual(
          [response.status, text, seen.length],
          again ? [200, method === "HEAD" ? "" : "ok", 2] : [421, "no", 1],
        );
        if (again) {
          assert.deepEqual(seen.map(({ connection }) => connection), [0, 1]);
          assert.equal(seen[0].body.length, seen[1].body.length);
          assert.equal(exchangeOf(response)!.connection.reused, false);
          // It is not used again.
          await server.connections[0].closed;
          await (await fetch(server.origin)).text();
          assert.equal(seen.at(-1)!.connection, 1);
          assert.equal(transport.stats().total, 1);
        }
      }, options);
    }
  }
});

test("M19 a second 421 is the answer, and to Transport and Client the first one is", async () => {
  const seen: Seen[] = [];
  await withFetch(answering(seen, () => MISDIRECTED), async (fetch, server, transport) => {
    const response = await fetch(server.origin);
    assert.deepEqual([response.status, await response.text(), seen.length], [421, "no", 2]);
    const ours = await transport.roundTrip(new HttpRequest(server.origin));
    assert.deepEqual([ours.status, await ours.text(), seen.length], [421, "no", 3]);
    const clients = await new Client({ transport }).get(server.origin);
    assert.deepEqual([clients.status, await clients.text(), seen.length], [421, "no", 4]);
  });
});

test("M19 421 passes over connections that have served, also where they come free meanwhile", async () => {
  const seen: Seen[] = [];
  let free: () => void = () => {};
  const freed = new Promise<void>((resolve) => free = resolve);
  await withFetch(async (connection) => {
    for (;;) {
      const one = await see(connection);
      seen.push(one);
      if (one.line.startsWith("GET /held")) await freed;
      await connection.send(connection.index < 2 && one.line.includes(" / ") ? MISDIRECTED : OK);
    }
  }, async (fetch, server, transport) => {
    const held = fetch(server.origin + "/held");
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const response = fetch(server.origin);
    while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    free();
    assert.equal((await response).status, 200);
    await (await held).text();
    await (await response).text();
    assert.deepEqual(
      seen.map(({ line, connection }) => `${line.split(" ")[1]} ${connection}`),
      ["/held 0", "/ 1", "/ 2"],
    );
    assert.equal(transport.stats().waiting, 0);
  }, { maxConnsPerHost: 2 });
});

test("M19 a PATCH of fetch without a body states no length, POST and PUT state 0", async () => {
  const seen: Seen[] = [];
  await withFetch(answering(seen), async (fetch, server, transport) => {
    const lengthOf = (): string =>
      /^content-length: *(\d+)\r$/im.exec(seen.at(-1)!.head)?.[1] ?? "none";
    const stated: Record<string, string> = { POST: "0", PUT: "0", PATCH: "none", DELETE: "none" };
    for (const [method, length] of Object.entries(stated)) {
      await (await fetch(server.origin, { method })).text();
      assert.equal(lengthOf(), length, method);
      await (await fetch(server.origin, { method, body: "" })).text();
      assert.equal(lengthOf(), "0", method);
    }
    // RFC 9110 section 8.6 asks for it.
    const request = new HttpRequest(server.origin, { method: "PATCH" });
    await (await transport.roundTrip(request)).text();
    assert.equal(lengthOf(), "0");
  });
});

test("M19 a blob: URL with a query stands for nothing", async () => {
  const url = URL.createObjectURL(new Blob(["x"]));
  const transport = new Transport();
  const fetch = createFetch({ transport });
  assert.equal(await (await fetch(`${url}#part?`)).text(), "x");
  for (const wrong of [`${url}?`, `${url}?q`, `${url}?q#part`]) {
    await assert.rejects(fetch(wrong), TypeError, wrong);
  }
  URL.revokeObjectURL(url);
  await transport.close();
});
