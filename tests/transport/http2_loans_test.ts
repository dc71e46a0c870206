/**
 * HTTP/2 through the transport: what a body borrows so that it comes faster is given back, however
 * the body ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ClientTrace, HttpError, HttpResponse } from "../../mod.ts";
import { collectUntil } from "../support/collector.ts";
import type { Http2Options } from "../../transport/transport_options.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import type { FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { pause, until } from "../support/waiting.ts";

const INITIAL_WINDOW_SIZE = 4;
const ACK = 1;
const PING = 6;
const CANCEL = 8;

/** Octets. What a stream may hold at first, and once it is read: there is enough for one such body. */
const FIRST_BYTES = 256 * 1024;
const LARGE_BYTES = 4 * FIRST_BYTES;
const windows = {
  maxConcurrentStreams: 2,
  streamWindowBytes: LARGE_BYTES,
  connectionWindowBytes: LARGE_BYTES + FIRST_BYTES,
};

/** Begins a download of which one octet is read, and all others of a window have come. */
async function download(
  network: FrameNetwork,
  server: FrameServer,
  streamId: number,
  init: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<HttpResponse> {
  const going = network.get("/download", init);
  await server.sent("HEADERS", streamId);
  server.headers(streamId, [[":status", "200"]]);
  const response = await going;
  const read = response.body.read(new Uint8Array(1));
  const { payload } = await server.sent("WINDOW_UPDATE", streamId);
  assert.equal(new DataView(payload.buffer).getUint32(0), LARGE_BYTES - FIRST_BYTES);
  for (let left = LARGE_BYTES; left > 0; left -= 16_384) {
    server.data(streamId, new Uint8Array(16_384));
  }
  assert.equal(await read, 1);
  await server.settled();
  return response;
}

/** The client has been told that what it has reset is over. */
async function answerPings(server: FrameServer): Promise<void> {
  for (const { type, flags, payload } of server.frames.slice()) {
    if (type === "PING" && (flags & ACK) === 0) server.frame(PING, ACK, 0, payload);
  }
  await server.settled();
}

/** How a body ends of which much has come and was not read. */
const ends: Record<
  string,
  (
    network: FrameNetwork,
    server: FrameServer,
    streamId: number,
    clock: ManualClock,
  ) => Promise<void>
> = {
  "its signal, between two reads": async (network, server, id) => {
    const controller = new AbortController();
    const { body } = await download(network, server, id, { signal: controller.signal });
    controller.abort(new Error("enough"));
    assert.equal((await failure(body.read(new Uint8Array(1))) as Error).message, "enough");
  },
  "its signal, and nobody reads": async (network, server, id) => {
    const controller = new AbortController();
    await download(network, server, id, { signal: controller.signal });
    controller.abort(new Error("enough"));
  },
  "timeoutMs": async (network, server, id, clock) => {
    await download(network, server, id, { timeoutMs: 100 });
    clock.advance(110);
  },
  "body.close()": async (network, server, id) => {
    const { body } = await download(network, server, id);
    await body.close();
  },
  "body.close() behind its end": async (network, server, id) => {
    const { body } = await download(network, server, id);
    server.data(id, "", true);
    await server.settled();
    await body.close();
  },
  "read, behind its end": async (network, server, id) => {
    const response = await download(network, server, id);
    server.data(id, "", true);
    await server.settled();
    assert.equal((await response.bytes()).length, LARGE_BYTES - 1);
  },
  "read, behind a reset": async (network, server, id) => {
    const { body } = await download(network, server, id);
    server.reset(id, CANCEL);
    await server.settled();
    const room = new Uint8Array(LARGE_BYTES);
    assert.equal(await body.read(room), LARGE_BYTES - 1);
    assert.equal((await failure(body.read(room))).code, "ERR_INCOMPLETE_BODY");
  },
};

for (const [how, end] of Object.entries(ends)) {
  test(`H56 a body that ends with much of it unread gives back what it has borrowed: ${how}`, async () => {
    const clock = new ManualClock();
    await withFrameNetwork({ clock, http2: windows }, async (network) => {
      const server = await network.served();
      for (let id = 3; id < 9; id += 2) {
        await end(network, server, id, clock);
        await answerPings(server);
      }
      assert.equal(network.dialCount, 1);
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    });
  });
}

for (const how of ["behind its end", "behind a reset"]) {
  test(`H56 a body that is dropped with much of it unread gives back what it has borrowed: ${how}`, async () => {
    const ended: unknown[] = [];
    const trace: ClientTrace = { bodyDone: ({ error }) => void ended.push(error) };
    await withFrameNetwork({ http2: windows, trace }, async (network) => {
      const server = await network.served();
      const drop = async (id: number): Promise<void> => {
        const response = await download(network, server, id);
        if (how === "behind its end") server.data(id, "", true);
        else server.reset(id, CANCEL);
        await server.settled();
        assert.equal(response.status, 200);
      };
      await drop(3);
      assert.equal(ended.length, 1);
      await collectUntil("it is found", () => ended.length === 2);
      assert.equal((ended[1] as HttpError).code, "ERR_BODY_CLOSED");
      // Whoever watches is told one after the other.
      await pause(20);
      await download(network, server, 5);
    });
  });
}

test("H56 a tunnel that is closed with much of it unread gives back what it has borrowed", async () => {
  await withFrameNetwork({ http2: windows }, async (network) => {
    const server = await network.served();
    for (let id = 3; id < 9; id += 2) {
      const going = network.get("/", { method: "CONNECT" });
      await server.sent("HEADERS", id);
      server.headers(id, [[":status", "200"]]);
      const conn = (await going).upgrade();
      const read = conn.read(new Uint8Array(1));
      await server.sent("WINDOW_UPDATE", id);
      for (let left = LARGE_BYTES; left > 0; left -= 16_384) {
        server.data(id, new Uint8Array(16_384));
      }
      assert.equal(await read, 1);
      await server.settled();
      conn.close();
      await answerPings(server);
    }
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

/** Octets that the server may send on a stream by now. */
function windowOf({ frames }: FrameServer, streamId: number): number {
  let bytes = 0;
  for (const { type, streamId: id, payload } of frames) {
    const view = new DataView(payload.buffer);
    if (type === "WINDOW_UPDATE" && id === streamId) bytes += view.getUint32(0);
    if (type !== "SETTINGS") continue;
    for (let at = 0; at < payload.length; at += 6) {
      if (view.getUint16(at) === INITIAL_WINDOW_SIZE) bytes += view.getUint32(at + 2);
    }
  }
  return bytes;
}

test("H54 whatever the limits, whoever reads a body has a window to read it by", async () => {
  const all: [limits: Http2Options, readBytes: number][] = [
    [{}, 4 << 20],
    [{ maxConcurrentStreams: 256 }, 4 << 20],
    [{ maxConcurrentStreams: 100_000 }, 4 << 20],
    [{ connectionWindowBytes: 1 << 20 }, 600_000],
    [{ connectionWindowBytes: 65_535 }, 39_000],
  ];
  for (const [http2, readBytes] of all) {
    await withFrameNetwork({ http2 }, async (network) => {
      const going = network.get("/download");
      const server = await network.server();
      await server.sent("HEADERS", 1);
      server.headers(1, [[":status", "200"]]);
      const reading = (await going).text();
      await server.settled();
      assert.ok(windowOf(server, 1) >= readBytes, `${windowOf(server, 1)} of ${readBytes}`);
      for (let sent = 0; sent < 1_000;) {
        await until("there is room", () => windowOf(server, 1) > sent);
        const bytes = Math.min(windowOf(server, 1), 1_000) - sent;
        sent += bytes;
        server.data(1, new Uint8Array(bytes), sent === 1_000);
      }
      assert.equal((await reading).length, 1_000);
    });
  }
});
