/**
 * HTTP/2 through the transport: an upload that outlives its answer, and one that is not wanted.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ClientTrace, HttpRequestInit } from "../../mod.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import { codeOf, type FrameServer } from "../support/frame_peer.ts";
import { bytesOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";

const END_STREAM = 1;
const NO_ERROR = 0;
const CANCEL = 8;
const REFUSED_STREAM = 7;

/** A body that is made piece by piece, by the test. */
class Source {
  readonly stream: ReadableStream<Uint8Array>;
  isCancelled: boolean = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor() {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.isCancelled = true),
    }, { highWaterMark: 0 });
  }

  give(text: string): void {
    this.#controller.enqueue(bytesOf(text));
  }

  end(): void {
    this.#controller.close();
  }
}

/** The octets of DATA on a stream so far, and whether it has ended. */
function uploaded(server: FrameServer, streamId: number): { bytes: number; ended: boolean } {
  const own = server.frames.filter((one) => one.streamId === streamId);
  return {
    bytes: own.reduce((sum, one) => sum + (one.type === "DATA" ? one.payload.length : 0), 0),
    ended: own.some(({ type, flags }) =>
      (type === "DATA" || type === "HEADERS") && (flags & END_STREAM) !== 0
    ),
  };
}

function post(body: HttpRequestInit["body"], init: HttpRequestInit = {}): HttpRequestInit {
  return { method: "POST", body, ...init };
}

async function resetCode(server: FrameServer, streamId: number): Promise<string> {
  return codeOf((await server.sent("RST_STREAM", streamId)).payload);
}

/** Another exchange on the same connection, and that nothing is left afterwards. */
async function othersGoOn(network: FrameNetwork, streamId: number): Promise<void> {
  const server = await network.server();
  await network.answered(network.get("/other"), server, streamId);
  assert.equal(network.dialCount, 1);
  assert.deepEqual(network.counts, [1, 0, 0, 0]);
  assert.equal(network.transport.inspect().connections[0].streams!.open, 0);
}

const EXPECTING = { headers: { Expect: "100-continue" } };

test("H69 Expect: 417, whole or not, and the request goes once more without it; each hook hears of its own stream", async () => {
  for (const isWhole of [true, false]) {
    await withFrameNetwork({}, async (network) => {
      const server = await network.served();
      const told: string[] = [];
      const trace: ClientTrace = {
        streamOpened: ({ streamId }) => void told.push(`opened ${streamId}`),
        streamReset: ({ streamId, code, from }) => void told.push(`${code} ${streamId} ${from}`),
        retry: ({ attempt }) => void told.push(`attempt ${attempt}`),
      };
      const response = network.get("/", post("content", { ...EXPECTING, trace }));
      await server.sent("HEADERS", 3);
      server.headers(3, [[":status", "417"]], isWhole);
      await server.sent("HEADERS", 5);
      assert.ok(server.saw("RST_STREAM", 3));
      assert.equal(server.requestOn(5).get("expect"), undefined);
      await until("it is sent", () => uploaded(server, 5).ended);
      server.answer(5, "thanks");
      assert.equal(await (await response).text(), "thanks");
      assert.deepEqual(told.sort(), [
        isWhole ? "NO_ERROR 3 here" : "CANCEL 3 here",
        "attempt 2",
        "opened 3",
        "opened 5",
      ]);
      await othersGoOn(network, 7);
    });
  }
});

test("H70 an answer below 300 before the end of the upload: both go on, to the end of both", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const source = new Source();
    const response = network.get("/", post(source.stream));
    await server.sent("HEADERS", 3);
    server.headers(3, [[":status", "200"]]);
    const { body } = await response;
    const room = new Uint8Array(10);
    for (const word of ["one", "two"]) {
      source.give(word);
      await server.sent("DATA", 3);
      server.data(3, word);
      assert.equal(await body.read(room), 3);
    }
    server.data(3, "", true);
    assert.equal(await body.read(room), null);
    // The server has said all, but not that it wants no more.
    source.give("three");
    await server.sent("DATA", 3);
    assert.equal(network.transport.inspect().connections[0].streams!.open, 1);
    source.end();
    await until("it has ended", () => uploaded(server, 3).ended);
    assert.equal(uploaded(server, 3).bytes, 11);
    await othersGoOn(network, 5);
  });
});

test("H70 an upload behind a complete answer is ended by the signal, by timeoutMs, by the end of the transport", async () => {
  for (const how of ["signal", "timeout", "destroy", "reset", "lost"]) {
    const clock = new ManualClock();
    await withFrameNetwork({ clock }, async (network) => {
      const server = await network.served();
      const source = new Source();
      const controller = new AbortController();
      const { signal } = controller;
      const init = post(source.stream, how === "timeout" ? { timeoutMs: 50 } : { signal });
      const response = network.get("/", init);
      await server.sent("HEADERS", 3);
      server.answer(3, "early");
      assert.equal(await (await response).text(), "early");
      source.give("more");
      await server.sent("DATA", 3);
      if (how === "signal") controller.abort();
      else if (how === "timeout") clock.advance(60);
      else if (how === "destroy") network.transport.destroy();
      else if (how === "reset") server.reset(3, CANCEL);
      else await server.end();
      await until("its source is let go of", () => source.isCancelled);
      if (how === "signal" || how === "timeout") {
        assert.equal(await resetCode(server, 3), "CANCEL");
        await othersGoOn(network, 5);
      }
      // Nothing is waited for any more.
      await network.transport.close();
    });
  }
});

test("H86 close() waits for an upload behind a complete answer", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const source = new Source();
    const response = network.get("/", post(source.stream));
    await server.sent("HEADERS", 3);
    server.answer(3, "early");
    assert.equal(await (await response).text(), "early");
    const closed = network.transport.close();
    source.give("more");
    await server.sent("DATA", 3);
    source.end();
    await closed;
    assert.deepEqual(uploaded(server, 3), { bytes: 4, ended: true });
    await server.sent("GOAWAY");
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});

test("H72 413, a part of its body, then RST_STREAM: the head, what came, then the error", async () => {
  for (const code of [NO_ERROR, CANCEL]) {
    await withFrameNetwork({}, async (network) => {
      const server = await network.served();
      const source = new Source();
      const response = network.get("/", post(source.stream));
      await server.sent("HEADERS", 3);
      server.headers(3, [[":status", "413"]]);
      server.data(3, "too lar");
      server.reset(3, code);
      const answer = await response;
      assert.equal(answer.status, 413);
      const room = new Uint8Array(100);
      assert.equal(await answer.body.read(room), 7);
      const error = await failure(answer.body.read(room));
      assert.deepEqual([error.code, error.phase], ["ERR_INCOMPLETE_BODY", "body"]);
      assert.equal(error.http2!.frame, "RST_STREAM");
      assert.equal(error.attempt!.verdict, "answered");
      await until("its source is let go of", () => source.isCancelled);
      await othersGoOn(network, 5);
    });
  }
});

test("H73 an upload that was refused is sent again where it can be, and not where it has begun", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    let made = 0;
    const again = network.get("/again", post(() => (made++, new Source().stream)));
    await server.sent("HEADERS", 3);
    server.reset(3, REFUSED_STREAM);
    await server.sent("HEADERS", 5);
    server.answer(5, "yes", "300");
    assert.equal(await (await again).text(), "yes");
    assert.equal(made, 2);
    const source = new Source();
    const once = failure(network.get("/once", post(source.stream)));
    await server.sent("HEADERS", 7);
    source.give("begun");
    await server.sent("DATA", 7);
    server.reset(7, REFUSED_STREAM);
    const error = await once;
    assert.equal(error.attempt!.verdict, "not-processed");
    assert.equal(error.attempts.length, 1);
    await until("its source is let go of", () => source.isCancelled);
    await othersGoOn(network, 9);
  });
});
