/**
 * Bodies that cannot be opened, were read before, never give anything or give nonsense: the request
 * ends with an error that says so, and nothing is left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import {
  type BodySource,
  Client,
  createFetch,
  HttpRequest,
  type HttpRequestInit,
  Transport,
} from "../../../mod.ts";
import { withBodyServer } from "../../support/body_server.ts";
import { test } from "../../support/harness.ts";
import { bytesOf } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

/** What is not of the type of a body, as programs without types give it. */
function odd(body: unknown): BodySource {
  return body as BodySource;
}

function iterable(open: () => unknown): BodySource {
  return odd({ [Symbol.asyncIterator]: open });
}

function iterator(next: () => unknown, more: object = {}): BodySource {
  return iterable(() => ({ next, ...more }));
}

/** A source that gives one piece, and counts how often it is let go. */
function giving(value: unknown): { body: BodySource; letGo: () => number } {
  let letGo = 0;
  const body = iterator(() => Promise.resolve({ done: false, value }), {
    return: () => {
      letGo++;
      return Promise.resolve({ done: true, value: undefined });
    },
  });
  return { body, letGo: () => letGo };
}

/** The ways in which content is sent. */
const WAYS: readonly [string, HttpRequestInit][] = [
  ["plain", {}],
  ["with Expect", { headers: { Expect: "100-continue" } }],
  ["with progress", { onUploadProgress: () => {} }],
  ["with trailers", { trailers: [["X-End", "1"]] }],
  ["with a length", { contentLength: 10 }],
];

/** Sends bodies that fail in every way, directly and by a function. */
async function assertFails(
  make: () => BodySource,
  expected: object,
  meanwhile: (body: BodySource) => void = () => {},
): Promise<void> {
  await withBodyServer(async (server, requests) => {
    const transport = new Transport();
    for (const [way, init] of WAYS) {
      for (const isMade of [false, true]) {
        const source = make();
        const body = isMade ? (): BodySource => source : source;
        const going = transport.roundTrip(
          new HttpRequest(server.url, { method: "POST", body, ...init }),
        );
        meanwhile(source);
        await assert.rejects(going, expected, `${way}, by a function: ${isMade}`);
        await until("nothing is left", () => transport.stats().total === 0);
      }
    }
    await until("all are closed", () => server.openCount === 0);
    assert.equal(requests.length, 0, "a body that failed must not look complete");
    await transport.close();
  });
}

test("M4 an iterable that cannot be iterated ends its request", async () => {
  const own = new RangeError("mine");
  await assertFails(() =>
    iterable(() => {
      throw own;
    }), own);
  for (const made of [null, undefined, 1, {}, { next: 1 }]) {
    await assertFails(() => iterable(() => made), {
      code: "ERR_INVALID_REQUEST",
      message: /iterator/,
    });
  }
});

test("M4 a stream that is locked while its request dials ends the request", async () => {
  await assertFails(
    () => new ReadableStream({ pull: () => assert.fail("read") }, { highWaterMark: 0 }),
    { code: "ERR_INVALID_REQUEST", message: /locked/ },
    (body) => void (body as ReadableStream).getReader(),
  );
});

test("M4 a stream that is read or cancelled while its request dials ends the request", async () => {
  const stream = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start: (controller) => {
        controller.enqueue(bytesOf("first"));
        controller.enqueue(bytesOf("rest"));
        controller.close();
      },
    });
  const expected = { code: "ERR_INVALID_REQUEST", message: /read from or cancelled/ };
  await assertFails(stream, expected, (body) => void (body as ReadableStream).cancel());
  await assertFails(stream, expected, (body) => {
    const reader = (body as ReadableStream).getReader();
    void reader.read().then(() => reader.releaseLock());
  });
});

test("M4 an iterable that aborts its request when it is opened is let go", async () => {
  await withBodyServer(async (server) => {
    const transport = new Transport();
    for (const [, { headers }] of WAYS.slice(0, 2)) {
      const controller = new AbortController();
      const reason = new Error("mine");
      let letGo = 0;
      const body = iterable(() => {
        controller.abort(reason);
        return { next: () => assert.fail("asked"), return: () => void letGo++ };
      });
      const { signal } = controller;
      const init = { method: "POST", body, signal, headers };
      await assert.rejects(transport.roundTrip(new HttpRequest(server.url, init)), reason);
      await until("it was let go", () => letGo === 1);
      assert.equal(transport.stats().total, 0);
    }
    await until("all are closed", () => server.openCount === 0);
    await transport.close();
  });
});

/** Sources that can be read once. */
const ONCE: readonly [string, () => BodySource][] = [
  ["stream", () =>
    new ReadableStream({
      start: (controller) => {
        controller.enqueue(bytesOf("content"));
        controller.close();
      },
    })],
  ["stream of a Blob", () => new Blob(["content"]).stream()],
  [
    "generator",
    odd(async function* () {
      yield bytesOf("content");
    }) as () => BodySource,
  ],
  ["stream of Node", () => odd(Readable.from([bytesOf("content")]))],
];

for (const [name, make] of ONCE) {
  test(`M4 of two requests on one source one is sent, the other refused: ${name}`, async () => {
    await withBodyServer(async (server, requests) => {
      const transport = new Transport();
      const client = new Client({ transport });
      const send = createFetch({ transport });
      const code = "ERR_INVALID_REQUEST";
      // Both wait for a connection at the same time.
      const body = make();
      const both = await Promise.allSettled([
        client.post(server.url, body),
        client.post(server.url, body),
      ]);
      const refusals = both.filter(({ status }) => status === "rejected");
      assert.deepEqual(refusals.map((it) => (it as PromiseRejectedResult).reason.code), [code]);
      for (const one of both) if (one.status === "fulfilled") await one.value.bytes();
      await assert.rejects(client.post(server.url, body), { code });
      await assert.rejects(
        send(server.url, { method: "POST", body, duplex: "half" } as RequestInit),
        TypeError,
      );
      assert.deepEqual(requests.map((request) => request.text()), ["content"]);
      // One that waits does not send what another has let go.
      const shared = make();
      const waiting = client.post(server.url, shared, { headers: { Expect: "100-continue" } });
      const signal = AbortSignal.abort(new Error("mine"));
      await assert.rejects(client.post(server.url, shared, { signal }), /mine/);
      await waiting.then(async (response) => {
        assert.equal(await response.text(), "7");
      }, (error) => assert.equal(error.code, code));
      assert.ok(requests.every((request) => request.text() === "content"));
      await transport.close();
    });
  });
}

test("M4 what was read before is refused before anything is sent", async () => {
  const used: readonly (() => BodySource | Promise<BodySource>)[] = [
    async () => {
      const stream = new Blob(["content"]).stream();
      const reader = stream.getReader();
      while (!(await reader.read()).done);
      reader.releaseLock();
      return stream;
    },
    async () => {
      const stream = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(bytesOf("a")),
      });
      const reader = stream.getReader();
      await reader.read();
      reader.releaseLock();
      return stream;
    },
    async () => {
      const stream = new Blob(["content"]).stream();
      await stream.cancel();
      return stream;
    },
    () => {
      const stream = new Blob(["content"]).stream();
      stream.getReader();
      return stream;
    },
    async () => {
      const stream = Readable.from([bytesOf("content")]);
      for await (const _ of stream);
      return odd(stream);
    },
    () => odd(Readable.from([bytesOf("content")]).destroy()),
  ];
  await withBodyServer(async (server) => {
    const transport = new Transport();
    const client = new Client({ transport });
    const send = createFetch({ transport });
    const init = { method: "POST" };
    for (const make of used) {
      const body = await make();
      for (const given of [body, () => body]) {
        await assert.rejects(
          transport.roundTrip(new HttpRequest(server.url, { ...init, body: given })),
          { code: "ERR_INVALID_REQUEST" },
        );
        await assert.rejects(client.post(server.url, given), { code: "ERR_INVALID_REQUEST" });
      }
      await assert.rejects(
        send(server.url, { ...init, body, duplex: "half" } as RequestInit),
        TypeError,
      );
    }
    assert.equal(server.connectionCount, 0);
    await transport.close();
  });
});

test("M4 a Reader that gives no count ends its request", async () => {
  const counts: unknown[] = [0.5, NaN, -1, Infinity, 64 * 1024 + 1, "7", undefined, {}, 7n];
  for (const count of counts) {
    await assertFails(() => odd({ read: () => Promise.resolve(count) }), {
      code: "ERR_INVALID_REQUEST",
      message: /read\(\)/,
    });
  }
  // The array is ours only as long as it is not given away.
  await assertFails(() => ({
    read: (p) => {
      structuredClone(p, { transfer: [p.buffer as ArrayBuffer] });
      return Promise.resolve(10);
    },
  }), { code: "ERR_INVALID_REQUEST" });
});

test("M4 a source that gives nothing for ever ends its request, and the event loop lives", async () => {
  const nothing = new Uint8Array(0);
  const sources: (() => BodySource)[] = [
    () => ({ read: () => Promise.resolve(0) }),
    odd(async function* () {
      for (;;) yield nothing;
    }) as () => BodySource,
    () => iterator(() => ({ done: false, value: nothing })),
    () => new ReadableStream({ pull: (controller) => controller.enqueue(nothing) }),
  ];
  for (const make of sources) {
    await assertFails(make, { code: "ERR_INVALID_REQUEST", message: /empty pieces/ });
  }
  await withBodyServer(async (server, requests) => {
    await using transport = new Transport();
    const send = createFetch({ transport });
    const body = new ReadableStream({ pull: (controller) => controller.enqueue(nothing) });
    const request = new Request(server.url, { method: "POST", body, duplex: "half" } as object);
    await assert.rejects(send(request), TypeError);
    assert.equal(requests.length, 0);
  });
});

test("M4 a source may give nothing now and then", async () => {
  await withBodyServer(async (server, requests) => {
    await using transport = new Transport();
    for (const [, init] of WAYS) {
      const body = odd((async function* () {
        for (let i = 0; i < 10; i++) {
          for (let empty = 0; empty < 500; empty++) yield new Uint8Array(0);
          yield bytesOf(String(i));
        }
      })());
      const request = new HttpRequest(server.url, { method: "POST", body, ...init });
      assert.equal(await (await transport.roundTrip(request)).text(), "10");
      assert.equal(requests.at(-1)!.text(), "0123456789");
    }
  });
});

test("M4 a function that gives no body is refused before anything is sent", async () => {
  const own = new RangeError("mine");
  const self = (): unknown => self;
  const endless = (): unknown => () => endless();
  const pingPong = [(): unknown => pingPong[1], (): unknown => pingPong[0]];
  const rows: [unknown, object][] = [
    [self, { code: "ERR_INVALID_REQUEST", message: /functions without end/ }],
    [endless, { code: "ERR_INVALID_REQUEST", message: /functions without end/ }],
    [pingPong[0], { code: "ERR_INVALID_REQUEST", message: /functions without end/ }],
    [() => Promise.reject(own), { code: "ERR_INVALID_REQUEST", message: /promise/ }],
    [Promise.reject(own), { code: "ERR_INVALID_REQUEST", message: /promise/ }],
    [() => null, { code: "ERR_INVALID_REQUEST" }],
    [() => {
      throw own;
    }, own],
  ];
  await withBodyServer(async (server) => {
    const transport = new Transport();
    for (const [body, expected] of rows) {
      const request = new HttpRequest(server.url, { method: "POST", body: odd(body) });
      await assert.rejects(transport.roundTrip(request), expected);
    }
    assert.equal(server.connectionCount, 0);
    const nested = (): BodySource => (): BodySource => "text";
    const request = new HttpRequest(server.url, { method: "POST", body: nested });
    assert.equal(await (await transport.roundTrip(request)).text(), "4");
    await transport.close();
  });
});

test("M4 a source that gives what is no piece ends its request and is let go", async () => {
  for (const value of [1, null, undefined, {}, [65]]) {
    const sources: ReturnType<typeof giving>[] = [];
    await assertFails(() => {
      sources.push(giving(value));
      return sources.at(-1)!.body;
    }, { code: "ERR_INVALID_REQUEST", message: /neither bytes nor text/ });
    assert.deepEqual(sources.map(({ letGo }) => letGo()), sources.map(() => 1));
  }
  for (const value of ["text", new ArrayBuffer(2), new Uint16Array(2), 1, null, undefined, {}]) {
    let cancelled = 0;
    let made = 0;
    await assertFails(
      () => {
        made++;
        return new ReadableStream({
          pull: (controller) => controller.enqueue(value as Uint8Array),
          cancel: () => void cancelled++,
        }, { highWaterMark: 0 });
      },
      { code: "ERR_INVALID_REQUEST", message: /Uint8Array/ },
    );
    assert.ok(made > 0);
    assert.equal(cancelled, made);
  }
});

test("M4 an iterator whose next() is odd ends its request", async () => {
  const own = new RangeError("mine");
  const fail = (): never => {
    throw own;
  };
  await assertFails(() => iterator(fail), own);
  await assertFails(() => iterator(() => Promise.reject(own)), own);
  await assertFails(() =>
    iterator(() => ({
      get done(): never {
        return fail();
      },
    })), own);
  await assertFails(() =>
    iterator(() => ({
      done: false,
      get value(): never {
        return fail();
      },
    })), own);
  for (const result of [undefined, null, 1, "done"]) {
    await assertFails(() => iterator(() => result), {
      code: "ERR_INVALID_REQUEST",
      message: /next\(\)/,
    });
  }
});

test("M4 a request whose body hangs can be aborted, however its iterator ends", async () => {
  const ends: object[] = [
    {},
    { return: () => new Promise(() => {}) },
    { return: () => Promise.reject(new Error("return")) },
    {
      return: () => {
        throw new Error("return");
      },
    },
  ];
  await withBodyServer(async (server) => {
    const transport = new Transport();
    for (const [way, init] of WAYS) {
      for (const end of ends) {
        const controller = new AbortController();
        const asked = Promise.withResolvers<void>();
        const body = iterator(() => {
          asked.resolve();
          return new Promise(() => {});
        }, end);
        const { signal } = controller;
        const going = transport.roundTrip(
          new HttpRequest(server.url, { method: "POST", body, signal, ...init }),
        );
        going.catch(() => {});
        await asked.promise;
        controller.abort(new Error("mine"));
        await assert.rejects(going, /^Error: mine$/, way);
        await until("nothing is left", () => transport.stats().total === 0);
      }
    }
    await until("all are closed", () => server.openCount === 0);
    await transport.close();
  });
});

test("M4 a source that fails while its request waits fails the request alone", async () => {
  const own = new RangeError("mine");
  const held = Promise.withResolvers<void>();
  await withBodyServer(async (server, requests) => {
    const transport = new Transport({ maxConnsPerHost: 1 });
    const post = (body: BodySource): Promise<string> =>
      transport.roundTrip(new HttpRequest(server.url, { method: "POST", body }))
        .then((response) => response.text());
    const first = post("first");
    await until("the first is there", () => requests.length === 1);
    let fail: (error: unknown) => void = () => {};
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (fail = (error) => controller.error(error)),
    });
    const nodes = new Readable({ read: () => {} });
    const failing = [post(stream), post(odd(nodes))].map((going) =>
      assert.rejects(going, /^RangeError: mine$/)
    );
    const last = post("last");
    fail(own);
    nodes.destroy(own);
    // A failure that nobody hears of would be told now.
    await pause(20);
    held.resolve();
    assert.equal(await first, "5");
    await Promise.all(failing);
    assert.equal(await last, "4");
    await until("nothing is in use", () => transport.stats().active === 0);
    await transport.close();
  }, async (_, { recorded }) => {
    await held.promise;
    return new Response(String(recorded.body.length));
  });
});

test("M4 a stream of Node's that fails when it is let go does no harm", async () => {
  await using transport = new Transport();
  const body = new Readable({
    read: () => {},
    destroy: (_error, done) => void setTimeout(() => done(new Error("destroy"))),
  });
  const signal = AbortSignal.abort(new Error("mine"));
  const request = new HttpRequest("http://127.0.0.1:9/", {
    method: "POST",
    body: odd(body),
    signal,
  });
  await assert.rejects(transport.roundTrip(request), /mine/);
  assert.equal(body.destroyed, true);
  await pause(20);
});

test("M4 trailers that are no list of fields end the exchange, those that hang can be aborted", async () => {
  const own = new RangeError("mine");
  const rows: [() => unknown, object][] = [
    [() => {
      throw own;
    }, own],
    [() => Promise.reject(own), own],
  ];
  for (const junk of [undefined, null, 1, "ab", {}, [1], [["a"]], ["ab"], [["a", "b", "c"]]]) {
    rows.push([() => junk, { code: "ERR_INVALID_REQUEST", message: /trailers\(\)/ }]);
  }
  rows.push([() => [["a b", "c"]], { code: "ERR_INVALID_REQUEST" }]);
  await withBodyServer(async (server, requests) => {
    const transport = new Transport();
    const post = (trailers: unknown, init: HttpRequestInit = {}): Promise<unknown> => {
      const given = trailers as HttpRequestInit["trailers"];
      const request = { method: "POST", body: "text", trailers: given, ...init };
      return transport.roundTrip(new HttpRequest(server.url, request));
    };
    for (const [trailers, expected] of rows) {
      await assert.rejects(post(trailers), expected);
      await until("nothing is left", () => transport.stats().total === 0);
    }
    const controller = new AbortController();
    const asked = Promise.withResolvers<void>();
    const hanging = (): Promise<never> => {
      asked.resolve();
      return new Promise(() => {});
    };
    const going = post(hanging, { signal: controller.signal });
    going.catch(() => {});
    await asked.promise;
    controller.abort(own);
    await assert.rejects(going, own);
    await until("all are closed", () => server.openCount === 0);
    assert.equal(requests.length, 0);
    await transport.close();
  });
});
