/**
 * Layers around a transport: their order, what they may do, and that signal, time, operation and attempts
 * hold whatever they do.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { LayeredTransport } from "../../../client/layers/compose.ts";
import {
  Client,
  compose,
  HttpError,
  HttpRequest,
  type HttpResponse,
  type Layer,
  type RoundTripper,
  type TracedRoundTrip,
  Transport,
} from "../../../mod.ts";
import { fakeResponse } from "../../../testing/mod.ts";
import { watched as watchedErrors } from "../../support/console_errors.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { memoryServer } from "../../support/memory_server.ts";
import { until } from "../../support/waiting.ts";
import { WatchedSignal } from "../../support/watched_signal.ts";

const URL_A = "http://a.test/";

/** A transport that answers with what `answer` makes, and notes what it was asked. */
function answering(
  answer: (request: HttpRequest, call: number) => HttpResponse | Promise<HttpResponse>,
): RoundTripper & { readonly requests: HttpRequest[] } {
  const requests: HttpRequest[] = [];
  return {
    requests,
    roundTrip: async (request) => await answer(request, requests.push(request)),
  };
}

function neverSent(): HttpError {
  const attempt = { reused: false, bytesWritten: 0, responseBytes: 0, verdict: "never-sent" };
  return new HttpError("ERR_DIAL", "refused", { phase: "dial", attempt: attempt as never });
}

function hasCode(code: HttpError["code"], pattern: RegExp = /./): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  };
}

/** Settles where what is tested is to be held back. */
const hung: Promise<never> = new Promise(() => {});

test("compose(): the first layer has the request first and the answer last", async () => {
  const order: string[] = [];
  const named = (name: string): Layer => async (request, next) => {
    order.push(`${name} before`);
    const headers = [...request.headers, [`X-${name}`, "1"] as [string, string]];
    const response = await next(request.with({ headers }));
    order.push(`${name} after ${response.status}`);
    return response;
  };
  const inner = answering((request) => fakeResponse("ok", { request }));
  const client = new Client({ transport: compose(inner, named("A"), named("B")) });
  assert.equal(await (await client.get(URL_A)).text(), "ok");
  assert.deepEqual(order, ["A before", "B before", "B after 200", "A after 200"]);
  assert.deepEqual([...inner.requests[0].headers], [["X-A", "1"], ["X-B", "1"]]);
  assert.equal(compose(inner), inner);
});

test("layers see each hop of a redirect, may answer by themselves, and refuse", async () => {
  const { dialer, heads } = memoryServer();
  const transport = new Transport({ dialer });
  const seen: string[] = [];
  const layer: Layer = (request, next) => {
    seen.push(request.requestTarget);
    if (request.requestTarget === "/made") return fakeResponse("made here", { request });
    if (request.requestTarget === "/refused") throw new Error("mine");
    return next(request);
  };
  const client = new Client({ transport: compose(transport, layer) });
  assert.equal(await (await client.get(URL_A + "redirect")).text(), "ok");
  assert.equal(await (await client.get(URL_A + "made")).text(), "made here");
  await assert.rejects(client.get(URL_A + "refused"), /mine/);
  assert.deepEqual(seen, ["/redirect", "/", "/made", "/refused"]);
  assert.equal(heads.length, 2);
  await transport.close();
});

test("a layer may ask again: it is the same operation, and another round trip", async () => {
  const { dialer } = memoryServer();
  const abouts: TracedRoundTrip[] = [];
  const transport = new Transport({
    dialer,
    trace: { gotConn: (_event, about) => void abouts.push(about) },
  });
  const twice: Layer = async (request, next) => {
    const first = await next(request);
    await first.body.close();
    return await next(request.with({ headers: { "X-Again": "1" } }));
  };
  const layered = compose(transport, twice);
  assert.equal(await (await layered.roundTrip(new HttpRequest(URL_A))).text(), "ok");
  assert.equal(await (await new Client({ transport: layered }).get(URL_A)).text(), "ok");
  const operations = abouts.map(({ operationId }) => operationId);
  assert.equal(new Set(abouts.map(({ requestId }) => requestId)).size, 4);
  assert.deepEqual(operations, [operations[0], operations[0], operations[2], operations[2]]);
  assert.notEqual(operations[0], operations[2]);
  assert.deepEqual([transport.stats().active, transport.stats().idle], [0, 1]);
  await transport.close();
});

test("an error tells of every attempt that a layer made, to the layer and to the caller", async () => {
  const inner = answering((request, call) => {
    if (call % 2 === 0) throw neverSent();
    return fakeResponse("", { request, status: 503 });
  });
  const verdicts: (string | undefined)[] = [];
  const again: Layer = async (request, next) => {
    await (await next(request)).body.close();
    try {
      return await next(request);
    } catch (error) {
      verdicts.push((error as HttpError).attempt?.verdict);
      throw error;
    }
  };
  // What says nothing of itself may have been sent.
  const silent = answering((_request, call) => {
    throw call === 1 ? new Error("of a body") : neverSent();
  });
  const insisting: Layer = (request, next) => next(request).catch(() => next(request));
  await assert.rejects(compose(silent, insisting).roundTrip(new HttpRequest(URL_A)), (error) => {
    assert.equal((error as HttpError).attempt?.verdict, "sent-no-answer");
    return hasCode("ERR_DIAL")(error);
  });
  const own: Layer = async (request, next) => {
    await next(request);
    throw new HttpError("ERR_BLOCKED", "not that", { phase: "client" });
  };
  const rows: [Layer[], number][] = [[[again], 2], [[(r, n) => n(r), again], 2]];
  for (const [layers, count] of rows) {
    await assert.rejects(compose(inner, ...layers).roundTrip(new HttpRequest(URL_A)), (error) => {
      assert.ok(error instanceof HttpError);
      assert.equal(error.attempts.length, count);
      assert.equal(error.attempt?.verdict, "answered");
      return hasCode("ERR_DIAL")(error);
    });
  }
  assert.deepEqual(verdicts, ["answered", "answered"]);
  await assert.rejects(compose(inner, own).roundTrip(new HttpRequest(URL_A)), (error) => {
    assert.equal((error as HttpError).attempt?.verdict, "answered");
    return hasCode("ERR_BLOCKED")(error);
  });
});

test("timeoutMs holds for all that a layer does, whatever it says of the request", async () => {
  const clock = new ManualClock();
  const inner = answering((request) => fakeResponse("ok", { request }));
  const seen = (): number => inner.requests[inner.requests.length - 1].timeoutMs;
  const through = (layer: Layer, timeoutMs: number): Promise<HttpResponse> =>
    new LayeredTransport(inner, layer, clock).roundTrip(new HttpRequest(URL_A, { timeoutMs }));
  await through((request, next) => {
    clock.advance(300);
    return next(request.with({ timeoutMs: 0 }));
  }, 1_000);
  assert.equal(seen(), 700);
  await through((request, next) => next(request.with({ timeoutMs: 5 })), 1_000);
  assert.equal(seen(), 5);
  await through((request, next) => next(request), 0);
  assert.equal(seen(), 0);
  assert.equal(clock.runningCount, 0);
  let late: Promise<HttpResponse> | undefined;
  const hanging = through(async (request, next) => {
    await hung.catch(() => {});
    late = next(request);
    return await late;
  }, 1_000);
  clock.advance(1_000);
  await assert.rejects(hanging, hasCode("ERR_TIMEOUT", /GET http:\/\/a\.test\/: .* 1000 ms/));
  const awaited = Promise.withResolvers<void>();
  const tooLate = through(async (request, next) => {
    await awaited.promise;
    late = next(request);
    return await late;
  }, 1_000);
  clock.advance(1_000);
  await assert.rejects(tooLate, hasCode("ERR_TIMEOUT"));
  awaited.resolve();
  await until("the layer goes on", () => late !== undefined);
  await assert.rejects(late!, hasCode("ERR_TIMEOUT"));
  assert.equal(inner.requests.length, 3);
});

test("a signal ends a layer that hangs: nothing more is sent, and what comes late is closed", async () => {
  const { dialer, heads } = memoryServer();
  const transport = new Transport({ dialer });
  const watched = new WatchedSignal();
  const goOn = Promise.withResolvers<void>();
  const own = new AbortController();
  let late: Promise<HttpResponse> | undefined;
  let first: HttpResponse | undefined;
  const layer: Layer = async (request, next) => {
    // Its own signal keeps nothing from the caller's.
    first = await next(request.with({ signal: own.signal }));
    await goOn.promise;
    late = next(request.with({ signal: own.signal }));
    return await late;
  };
  const request = new HttpRequest(URL_A + "pieces", { signal: watched.signal });
  const sent = compose(transport, layer).roundTrip(request);
  await until("the first answer is there", () => first !== undefined);
  watched.abort();
  await assert.rejects(sent, watched.reason);
  assert.equal(watched.listenerCount, 0);
  await assert.rejects(first!.text(), hasCode("ERR_BODY_CLOSED"));
  goOn.resolve();
  await until("the layer goes on", () => late !== undefined);
  await assert.rejects(late!, watched.reason);
  await assert.rejects(compose(transport, layer).roundTrip(request), watched.reason);
  await until("nothing is active", () => transport.stats().active === 0);
  assert.equal(heads.length, 1);
  await transport.close();
});

test("an answer that a layer gives after the end is closed", async () => {
  const { dialer } = memoryServer();
  const transport = new Transport({ dialer });
  const controller = new AbortController();
  const goOn = Promise.withResolvers<void>();
  const answers: HttpResponse[] = [];
  const layer: Layer = async (request, next) => {
    const answer = next(request.with({ signal: undefined }));
    controller.abort(new Error("mine"));
    await goOn.promise;
    answers.push(fakeResponse("made here"));
    await assert.rejects(answer, /mine/);
    return answers[0];
  };
  const request = new HttpRequest(URL_A, { signal: controller.signal });
  await assert.rejects(compose(transport, layer).roundTrip(request), /mine/);
  goOn.resolve();
  await until("the layer has answered", () => answers.length === 1);
  await until("nothing is active", () => transport.stats().active === 0);
  await assert.rejects(answers[0].text(), hasCode("ERR_BODY_CLOSED"));
  await transport.close();
});

test("the caller's signal ends a body too, whatever signal a layer gave", async () => {
  const { dialer } = memoryServer();
  const transport = new Transport({ dialer });
  const own = new AbortController();
  const layers: Layer[] = [
    (request, next) => next(request.with({ signal: own.signal })),
    (request, next) => next(request.with({ signal: undefined })),
    (request, next) => next(request.with({ headers: { "X-A": "1" } })),
  ];
  for (const layer of layers) {
    const watched = new WatchedSignal();
    const request = new HttpRequest(URL_A + "pieces", { signal: watched.signal });
    const response = await compose(transport, layer).roundTrip(request);
    watched.abort();
    await assert.rejects(response.text(), watched.reason);
    await until("nothing is active", () => transport.stats().active === 0);
  }
  const request = new HttpRequest(URL_A + "pieces", { signal: new AbortController().signal });
  const response = await compose(transport, layers[0]).roundTrip(request);
  own.abort(new Error("its own"));
  await assert.rejects(response.text(), /its own/);
  await until("nothing is active", () => transport.stats().active === 0);
  await transport.close();
});

test("a layer that has thrown sends nothing more", async () => {
  const inner = answering((request) => fakeResponse("ok", { request }));
  let late: Promise<HttpResponse> | undefined;
  const mine = new Error("mine");
  const throwing: Layer = (request, next) => {
    setTimeout(() => late = next(request), 0);
    throw mine;
  };
  await assert.rejects(compose(inner, throwing).roundTrip(new HttpRequest(URL_A)), mine);
  await until("the layer goes on", () => late !== undefined);
  await assert.rejects(late!, mine);
  assert.equal(inner.requests.length, 0);
});

test("what a layer has forgotten ends no process", async () => {
  const goOn = Promise.withResolvers<void>();
  let count = 0;
  const inner = answering(async () => {
    await goOn.promise;
    count++;
    throw new Error("forgotten");
  });
  const forgetful: Layer = (request, next) => {
    void next(request);
    if (request.method === "PUT") throw new Error("mine");
    return fakeResponse("made here", { request });
  };
  const { result, unhandled } = await watchedErrors(async () => {
    const layered = compose(inner, forgetful);
    const put = layered.roundTrip(new HttpRequest(URL_A, { method: "PUT" }));
    await assert.rejects(put, /mine/);
    const response = await layered.roundTrip(new HttpRequest(URL_A));
    goOn.resolve();
    await until("both have failed", () => count === 2);
    return await response.text();
  });
  assert.deepEqual([result, unhandled], ["made here", []]);
});

test("nonsense in the place of a layer, a request or a response has a name", async () => {
  const inner = answering((request) => fakeResponse("ok", { request }));
  const rows: [unknown, RegExp][] = [
    [() => undefined, /A layer gave no response/],
    [() => new Response("web"), /A layer gave no response/],
    [
      (_: HttpRequest, next: (request: unknown) => unknown) => next(URL_A),
      /next\(\) takes an HttpRequest/,
    ],
    [(_: HttpRequest, next: () => unknown) => next(), /next\(\) takes an HttpRequest/],
  ];
  for (const [layer, pattern] of rows) {
    const sent = compose(inner, layer as Layer).roundTrip(new HttpRequest(URL_A));
    await assert.rejects(sent, hasCode("ERR_INVALID_REQUEST", pattern));
  }
  assert.equal(inner.requests.length, 0);
  const empty = { roundTrip: () => Promise.resolve(null) } as unknown as RoundTripper;
  const sent = compose(empty, (request, next) => next(request)).roundTrip(new HttpRequest(URL_A));
  await assert.rejects(sent, hasCode("ERR_INVALID_REQUEST", /below a layer gave no response/));
  const layered = compose(inner, (request, next) => next(request));
  await assert.rejects(
    layered.roundTrip(URL_A as unknown as HttpRequest),
    hasCode("ERR_INVALID_REQUEST", /roundTrip\(\) takes an HttpRequest/),
  );
  assert.throws(() => compose(inner, null as unknown as Layer), hasCode("ERR_INVALID_REQUEST"));
  assert.throws(() => compose({} as RoundTripper), hasCode("ERR_INVALID_REQUEST"));
});

test("what a layer does not send on, and what it drops by throwing, is let go of", async () => {
  const { dialer } = memoryServer();
  const transport = new Transport({ dialer });
  let cancelled = 0;
  const streamed = (): HttpRequest => {
    const body = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ });
    return new HttpRequest(URL_A, { method: "POST", body });
  };
  const layers: Layer[] = [
    () => fakeResponse("made here"),
    () => {
      throw new Error("mine");
    },
  ];
  for (const layer of layers) {
    await compose(transport, layer).roundTrip(streamed()).catch(() => {});
  }
  assert.equal(cancelled, 2);
  const aborted = streamed().with({ signal: AbortSignal.abort(new Error("mine")) });
  await assert.rejects(compose(transport, layers[0]).roundTrip(aborted), /mine/);
  assert.equal(cancelled, 3);
  const throwing: Layer = async (request, next) => {
    await next(request);
    throw new Error("forgot it");
  };
  const request = new HttpRequest(URL_A + "pieces");
  await assert.rejects(compose(transport, throwing).roundTrip(request), /forgot it/);
  await until("nothing is active", () => transport.stats().active === 0);
  await transport.close();
});

test("a stream goes by next() once: the second time it is refused, not sent empty", async () => {
  const { dialer, heads } = memoryServer();
  const transport = new Transport({ dialer });
  const twice: Layer = async (request, next) => {
    await (await next(request)).body.close();
    return await next(request);
  };
  const layered = compose(transport, twice);
  const post = (body: HttpRequest["body"]): Promise<HttpResponse> =>
    layered.roundTrip(
      new HttpRequest(URL_A, { method: "POST", body, headers: { "Expect": "100-continue" } }),
    );
  async function* pieces() {
    yield "ok!";
  }
  assert.equal(await (await post("ok!")).text(), "ok");
  assert.equal(heads.length, 2);
  await assert.rejects(post(pieces()), hasCode("ERR_INVALID_REQUEST"));
  assert.equal(heads.length, 3);
  await transport.close();
});

test("layers and the hooks below them run in the context of the caller", async () => {
  const { dialer } = memoryServer();
  const storage = new AsyncLocalStorage<string>();
  const transport = new Transport({ dialer });
  const seen: unknown[] = [];
  const layer: Layer = async (request, next) => {
    seen.push(storage.getStore());
    const response = await next(request);
    seen.push(storage.getStore());
    return response;
  };
  const layered = compose(transport, layer);
  const send = (name: string): Promise<void> =>
    storage.run(name, async () => {
      const trace = { gotFirstResponseByte: () => void seen.push(storage.getStore()) };
      assert.equal(await (await layered.roundTrip(new HttpRequest(URL_A, { trace }))).text(), "ok");
    });
  await send("a");
  await send("b");
  assert.deepEqual(seen, ["a", "a", "a", "b", "b", "b"]);
  await transport.close();
});
