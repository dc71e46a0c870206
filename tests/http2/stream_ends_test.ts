/**
 * How exchanges on an HTTP/2 connection end, where several things happen at once: callers that act
 * within what they are told, answers before the end of a request, tunnels, and what must not be
 * taken for a flood.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Conn } from "../../conn/conn.ts";
import type { HttpError } from "../../conn/http_error.ts";
import type { OutgoingContent } from "../../http/outgoing_request.ts";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  PADDED,
  PING,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../../http2/frame_types.ts";
import { bytesOf, textOf } from "../support/feed.ts";
import {
  bytesContent,
  codeOf,
  type Exchange,
  frame,
  FramePeer,
  type GivenRequest,
  type PeerOptions,
  uint32,
} from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";

/** A test with a peer that is closed behind it. */
function h2(name: string, fn: (peer: FramePeer) => Promise<void>, options: PeerOptions = {}): void {
  test(name, async () => {
    const peer = new FramePeer(options);
    try {
      await fn(peer);
      assert.ok(peer.closed === null || peer.client.streamCount === 0);
    } finally {
      await peer.close();
    }
  });
}

const TABLE_SIZE = 1;
const INITIAL_WINDOW = 4;
const MAX_FRAME_SIZE = 5;
const MAX_LIST_SIZE = 6;

/** Octets. What a stream may hold of which nobody has read anything. */
const FIRST_WINDOW = 256 * 1024;

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The connection still serves. */
async function serves(peer: FramePeer): Promise<void> {
  const bystander = peer.request();
  await peer.sent("HEADERS", bystander.stream.id);
  peer.answer(bystander.stream.id, "fine");
  assert.equal((await bystander.outcome).body, "fine");
  assert.equal(peer.closed, null);
}

function count(peer: FramePeer, type: string, streamId: number): number {
  return peer.frames.filter((one) => one.type === type && one.streamId === streamId).length;
}

/** Content that comes when the test gives it. */
class Given implements OutgoingContent {
  readonly bytes = null;
  readonly lengthBytes = null;
  opened = 0;
  cancelled = 0;
  onCancel: () => void = () => {};
  trailersWait: Promise<void> = Promise.resolve();
  #queue: (Uint8Array | null)[] = [];
  #asked: ((piece: Uint8Array | null) => void) | null = null;

  give(piece: Uint8Array | null): void {
    const asked = this.#asked;
    this.#asked = null;
    if (asked === null) this.#queue.push(piece);
    else asked(piece);
  }

  open(): { next: () => Promise<Uint8Array | null>; cancel: () => void } {
    this.opened++;
    return {
      next: () => {
        const piece = this.#queue.shift();
        if (piece !== undefined) return Promise.resolve(piece);
        return new Promise((resolve) => this.#asked = resolve);
      },
      cancel: () => {
        this.cancelled++;
        this.onCancel();
      },
    };
  }

  async trailers(): Promise<[string, string][]> {
    await this.trailersWait;
    return [];
  }
}

// Blocks

h2("H10 a block that was made before a table shrank is not sent again", async (peer) => {
  const lasting = { fields: [["x-lasting", "one"]] as [string, string][] };
  for (let i = 0; i < 4; i++) peer.request(lasting);
  await peer.settled();
  peer.settings([[TABLE_SIZE, 0]]);
  await peer.settled();
  peer.request({ fields: [["x-other", "two"]] });
  peer.request(lasting);
  await peer.settled();
  const heads = peer.frames.filter(({ type }) => type === "HEADERS").map((one) =>
    peer.fieldsOf(one)
  );
  assert.deepEqual(heads.at(-1)!.at(-1), ["x-lasting", "one"]);
  assert.deepEqual(heads.at(-2)!.at(-1), ["x-other", "two"]);
});

h2("H10 a table that goes down and up within one frame is told both", async (peer) => {
  for (let i = 0; i < 3; i++) peer.request({ fields: [["x-lasting", "one"]] });
  await peer.settled();
  peer.settings([[TABLE_SIZE, 0], [TABLE_SIZE, 4_096]]);
  await peer.settled();
  const { stream } = peer.request({ fields: [["x-lasting", "one"]] });
  const { payload } = await peer.sent("HEADERS", stream.id);
  assert.deepEqual([...payload.subarray(0, 4)], [0x20, 0x3f, 0xe1, 0x1f]);
});

h2("H13 a head that is refused unsent leaves the table as it was", async (peer) => {
  peer.settings([[MAX_LIST_SIZE, 400]]);
  await peer.settled();
  const field: [string, string] = ["x-lasting", "one"];
  for (let i = 0; i < 3; i++) {
    assert.throws(() => peer.request({ fields: [field, [`x-${i}`, "y".repeat(300)]] }), {
      code: "ERR_INVALID_REQUEST",
    });
  }
  for (let i = 0; i < 3; i++) {
    const { stream } = peer.request({ fields: [field] });
    const fields = peer.fieldsOf(await peer.sent("HEADERS", stream.id));
    assert.deepEqual(fields.at(-1), field);
  }
});

h2("H13 trailers that are larger than the server takes end their stream alone", async (peer) => {
  peer.settings([[MAX_LIST_SIZE, 400]]);
  await peer.settled();
  const content = new Given();
  content.trailers = () => Promise.resolve([["x-sum", "y".repeat(400)]]);
  const { outcome, stream } = peer.request({ method: "POST", content });
  content.give(null);
  assert.equal((await outcome).error?.code, "ERR_INVALID_REQUEST");
  assert.equal(codeOf((await peer.sent("RST_STREAM", stream.id)).payload), "CANCEL");
  assert.equal(stream.isRequestWritten, false);
  await serves(peer);
});

h2("H31 trailers that go a little beyond the limit end their stream alone", async (peer) => {
  const { outcome, stream } = peer.request();
  await peer.sent("HEADERS", stream.id);
  peer.headers(stream.id, [[":status", "200"], ["x", "y".repeat(1_800)]]);
  peer.headers(stream.id, [["z", "z".repeat(900)]], true);
  assert.equal((await outcome).error?.code, "ERR_HEADERS_TOO_LARGE");
  await serves(peer);
}, { maxResponseHeaderBytes: 2_000 });

h2("H51 trailers behind content that was announced as empty", async (peer) => {
  const { outcome, stream, response } = peer.request();
  peer.headers(stream.id, [[":status", "200"], ["content-length", "0"]]);
  await peer.settled();
  await response;
  peer.headers(stream.id, [["grpc-status", "0"]], true);
  const { body, trailers } = await outcome;
  assert.deepEqual([body, trailers], ["", [["grpc-status", "0"]]]);
  const wrong = peer.request();
  peer.headers(wrong.stream.id, [[":status", "200"], ["content-length", "0"]]);
  peer.data(wrong.stream.id, "x", true);
  assert.equal((await wrong.outcome).error?.code, "ERR_MALFORMED_RESPONSE");
});

h2("H98 a block is not taken for one with another protocol", async (peer) => {
  peer.settings([[8, 1]]);
  await peer.settled();
  const connect = { method: "CONNECT", target: "a.test:1", head: "the same" };
  for (const protocol of [null, "websocket", null]) {
    const { stream } = peer.request({ ...connect, protocol });
    const names = peer.fieldsOf(await peer.sent("HEADERS", stream.id)).map(([name]) => name);
    assert.equal(names.includes(":protocol"), protocol !== null);
  }
});

// Errors

h2(
  "H27 what one stream breaks: its request fails as malformed, the others are lost",
  async (peer) => {
    const one = peer.request();
    const two = peer.request();
    const three = peer.request();
    peer.headers(3, [[":status", "200"]]);
    const { content } = await two.response;
    peer.frame(HEADERS, END_HEADERS, 1, [0xff]);
    assert.equal((await one.outcome).error?.code, "ERR_MALFORMED_RESPONSE");
    const { error } = await three.outcome;
    assert.equal(error?.code, "ERR_CONNECTION_LOST");
    assert.equal(error.http2?.code, "COMPRESSION_ERROR");
    assert.equal((error.cause as HttpError).code, "ERR_MALFORMED_RESPONSE");
    await assert.rejects(content.read(new Uint8Array(5)), { code: "ERR_CONNECTION_LOST" });
  },
);

h2("H24 what comes behind an answer that is over is refused once", async (peer) => {
  const { outcome, stream } = peer.request();
  peer.answer(stream.id, "good");
  assert.equal((await outcome).body, "good");
  for (let i = 0; i < 5; i++) peer.data(stream.id, "bad");
  peer.headers(stream.id, [[":status", "200"]], true);
  await peer.settled();
  assert.equal(count(peer, "RST_STREAM", stream.id), 1);
  await serves(peer);
});

h2("H24 an answer stands whose end and what comes behind it come in one read", async (peer) => {
  const content = bytesContent(new Uint8Array(200_000));
  const { outcome, stream } = peer.request({ method: "POST", content });
  await peer.sent("HEADERS", 1);
  peer.send(join(
    frame(HEADERS, END_HEADERS, 1, [0x88]),
    frame(DATA, END_STREAM, 1, "good"),
    frame(DATA, END_STREAM, 1, "bad"),
  ));
  const { body, error } = await outcome;
  assert.deepEqual([body, error], ["good", null]);
  assert.equal(codeOf((await peer.sent("RST_STREAM", stream.id)).payload), "STREAM_CLOSED");
  await serves(peer);
});

h2(
  "H73 REFUSED_STREAM behind an informational answer is no word that nothing was done",
  async (peer) => {
    const { outcome, stream } = peer.request();
    peer.headers(stream.id, [[":status", "103"]]);
    peer.reset(stream.id, 7);
    assert.equal((await outcome).error?.http2?.code, "REFUSED_STREAM");
    assert.equal(stream.isUnprocessed, false);
  },
);

h2("H82 HTTP_1_1_REQUIRED: nothing was done", async (peer) => {
  const { outcome, stream } = peer.request();
  peer.reset(stream.id, 13);
  assert.equal((await outcome).error?.http2?.code, "HTTP_1_1_REQUIRED");
  assert.equal(stream.isUnprocessed, true);
});

h2(
  "H75 GOAWAY below a stream that is being answered: the answer is incomplete, not refused",
  async (peer) => {
    const one = peer.request();
    const two = peer.request();
    await peer.settled();
    // The second head comes in the same read.
    peer.headers(1, [[":status", "200"]]);
    await one.response;
    peer.send(join(
      frame(HEADERS, END_HEADERS, 3, [0x88]),
      frame(DATA, 0, 3, "some"),
      frame(7, 0, 0, [...uint32(0), ...uint32(0)]),
    ));
    for (const { outcome, stream } of [one, two]) {
      const { status, error } = await outcome;
      assert.deepEqual([status, error?.code], [200, "ERR_INCOMPLETE_BODY"]);
      assert.equal(stream.isUnprocessed, false);
    }
  },
);

h2("H80 what the runtime was given and has not accepted is known", async (peer) => {
  const { stream } = peer.request();
  assert.deepEqual([stream.handedBytes, stream.writtenBytes], [0, 0]);
  await Promise.resolve();
  await Promise.resolve();
  assert.ok(stream.handedBytes > 0);
  assert.equal(stream.handedBytes, stream.framedBytes);
  assert.equal(stream.writtenBytes, 0);
  assert.equal(stream.isRequestWritten, false);
  // Another write is under way: this one waits here.
  const behind = peer.request();
  await Promise.resolve();
  await Promise.resolve();
  assert.ok(behind.stream.framedBytes > 0);
  assert.equal(behind.stream.handedBytes, 0);
}, { listens: false });

h2(
  "H80 what was not handed over when the connection ends is never written, and told so",
  async (peer) => {
    const first = peer.request();
    await peer.sent("HEADERS", first.stream.id);
    const late = peer.request({ target: "/late" });
    // In the same step: its frames wait.
    assert.ok(late.stream.framedBytes > 0);
    peer.client.close(new Error("over"));
    assert.deepEqual([late.stream.handedBytes, late.stream.framedBytes], [0, 0]);
    assert.equal(late.stream.isRequestWritten, false);
    await peer.sent("GOAWAY");
    await peer.reading;
    assert.equal(count(peer, "HEADERS", late.stream.id), 0);
    assert.match(String((await late.outcome).error), /over/);
    assert.ok(first.stream.framedBytes > 0);
  },
);

h2("H85 a connection that takes no more says so", async (peer) => {
  const { outcome } = peer.request();
  peer.client.retire();
  assert.throws(() => peer.request(), { code: "ERR_CONNECTION_LOST" });
  peer.answer(1, "x");
  assert.equal((await outcome).body, "x");
  assert.equal(peer.client.state, "closed");
  assert.throws(() => peer.request(), { code: "ERR_CONNECTION_LOST" });
});

// Floods, and what is none

h2("H91 a server that asks now and then, for days, is no flood", async (peer) => {
  for (let i = 0; i < 1_500; i++) {
    peer.frame(PING, 0, 0, "12345678");
    await peer.sent("PING");
  }
  await serves(peer);
});

h2("H62 small DATA that is read as it comes is no flood", async (peer) => {
  const { response, stream } = peer.request();
  peer.headers(stream.id, [[":status", "200"]]);
  const { content } = await response;
  const room = new Uint8Array(1_000);
  for (let i = 0; i < 100; i++) {
    peer.send(join(...Array.from({ length: 300 }, () => frame(DATA, 0, stream.id, "a token"))));
    for (let n = 0; n < 2_100;) n += (await content.read(room))!;
  }
  await serves(peer);
});

h2("H61 empty DATA in one answer after the other is no flood", async (peer) => {
  for (let i = 0; i < 110; i++) {
    const { outcome, stream } = peer.request();
    peer.headers(stream.id, [[":status", "200"]]);
    peer.data(stream.id, "");
    peer.data(stream.id, "", true);
    assert.equal((await outcome).error, null);
  }
  await serves(peer);
});

h2("H61 DATA of nothing but padding is a flood", async (peer) => {
  const { stream } = peer.request();
  peer.headers(stream.id, [[":status", "200"]]);
  for (let i = 0; i < 102; i++) peer.frame(DATA, PADDED, stream.id, [1, 0]);
  assert.equal((await peer.violated()).code, "ENHANCE_YOUR_CALM");
});

h2("H92 windows that are opened for what was sent are no flood", async (peer) => {
  const content = new Given();
  const { outcome, stream } = peer.request({ method: "POST", content });
  for (let i = 0; i < 6_000; i++) content.give(bytesOf("a message of twenty."));
  content.give(null);
  const update = join(
    frame(WINDOW_UPDATE, 0, 0, uint32(20)),
    frame(WINDOW_UPDATE, 0, stream.id, uint32(20)),
  );
  for (let sent = 0; sent < 6_000; sent++) {
    await peer.sent("DATA", stream.id);
    peer.send(update);
  }
  await peer.settled();
  peer.answer(stream.id, "taken");
  assert.equal((await outcome).body, "taken");
  await serves(peer);
});

h2("H92 windows that are opened octet by octet are a flood", async (peer) => {
  peer.settings([[INITIAL_WINDOW, 0]]);
  await peer.settled();
  peer.request({ method: "POST", content: bytesContent(new Uint8Array(100_000)) });
  const one = frame(WINDOW_UPDATE, 0, 1, uint32(1));
  for (let i = 0; i < 11_000 && peer.closed === null; i++) {
    peer.send(one);
    if (i % 50 === 0) await Promise.resolve();
  }
  const { code } = await peer.violated();
  assert.equal(code, "ENHANCE_YOUR_CALM");
});

h2("H92 heads without end on a stream that we have reset are a flood", async (peer) => {
  const { stream, outcome } = peer.request();
  await peer.sent("HEADERS", 1);
  stream.cancel(8, new Error("enough"));
  await outcome;
  await peer.sent("RST_STREAM", 1);
  for (let i = 0; i < 11; i++) {
    peer.send(join(...Array.from({ length: 1_000 }, () => frame(HEADERS, END_HEADERS, 1, [0x88]))));
  }
  const { code } = await peer.violated();
  assert.equal(code, "ENHANCE_YOUR_CALM");
});

h2("H55 what is read slowly is not lent again before it was read", async (peer) => {
  const room = new Uint8Array(1_000);
  const long = new Uint8Array(16_000);
  /** The window of a stream once somebody reads it; what was sent of it stays unread. */
  const grown = async (): Promise<{ one: Exchange; by: number }> => {
    const one = peer.request();
    const { id } = one.stream;
    peer.headers(id, [[":status", "200"]]);
    const { content } = await one.response;
    const reading = content.read(room);
    await peer.settled();
    const by = peer.frames.filter(({ type, streamId }) =>
      type === "WINDOW_UPDATE" && streamId === id
    ).reduce((sum, { payload }) => sum + new DataView(payload.buffer).getUint32(0), 0);
    for (let i = 0; i < (by > 0 ? 60 : 2); i++) peer.data(id, long);
    peer.data(id, "", true);
    await reading;
    await peer.settled();
    return { one, by };
  };
  const first = await grown();
  assert.equal(first.by, 3 * FIRST_WINDOW);
  // All of it has come, its stream is over, and 959,000 octets are in memory.
  assert.equal((await grown()).by, 0);
  await (await first.one.response).content.abandon();
  assert.equal((await grown()).by, 3 * FIRST_WINDOW);
}, {
  connectionWindowBytes: 5 * FIRST_WINDOW,
  streamWindowBytes: 4 * FIRST_WINDOW,
  maxConcurrentStreams: 2,
});

// Requests

h2("H64 content of no octets waits for no window", async (peer) => {
  peer.settings([[INITIAL_WINDOW, 0]]);
  await peer.settled();
  const one = peer.request({ method: "POST", content: bytesContent(new Uint8Array(0)) });
  assert.equal((await peer.sent("HEADERS", 1)).flags & END_STREAM, END_STREAM);
  peer.answer(1, "empty");
  assert.equal((await one.outcome).body, "empty");
  assert.ok(one.told.includes("wroteRequest"));
  // From a source: its end is known later.
  const content = new Given();
  const two = peer.request({ method: "POST", content });
  content.give(null);
  assert.equal((await peer.sent("DATA", 3)).flags, END_STREAM);
  peer.answer(3, "empty");
  assert.equal((await two.outcome).body, "empty");
});

h2("H64 a server that takes long frames does not get all of one upload at once", async (peer) => {
  peer.settings([[MAX_FRAME_SIZE, 16_777_215], [INITIAL_WINDOW, 2 ** 30]]);
  peer.windowUpdate(0, 2 ** 30);
  await peer.settled();
  peer.request({ method: "POST", content: bytesContent(new Uint8Array(1_000_000)) });
  peer.request({ method: "POST", content: bytesContent(new Uint8Array(1_000_000)) });
  for (let sent = 0; sent < 2_000_000;) {
    const { payload } = await peer.sent("DATA");
    assert.ok(payload.length <= 64 * 1024);
    sent += payload.length;
  }
  const order = peer.frames.filter(({ type }) => type === "DATA").map(({ streamId }) => streamId);
  assert.ok(order.indexOf(3) <= 2);
});

h2("H67 content whose array is taken away never ends as if it were whole", async (peer) => {
  const bytes = new Uint8Array(100_000);
  const { outcome, stream } = peer.request({ method: "POST", content: bytesContent(bytes) });
  for (let sent = 0; sent < 65_535;) sent += (await peer.sent("DATA", 1)).payload.length;
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  peer.windowUpdate(0, 100_000);
  peer.windowUpdate(1, 100_000);
  assert.equal((await outcome).error?.code, "ERR_INVALID_REQUEST");
  assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "CANCEL");
  assert.ok(peer.frames.every(({ type, flags }) => type !== "DATA" || flags === 0));
  assert.equal(stream.isRequestWritten, false);
  const before = new Uint8Array(10);
  const early = peer.request({ method: "POST", content: bytesContent(before) });
  structuredClone(before.buffer, { transfer: [before.buffer] });
  assert.equal((await early.outcome).error?.code, "ERR_INVALID_REQUEST");
  await serves(peer);
});

/** What a read into `room` is given, as text; null: the end. */
async function readText(
  body: { read(p: Uint8Array): Promise<number | null> },
  room: Uint8Array,
): Promise<string | null> {
  const n = await body.read(room);
  return n === null ? null : textOf(room.subarray(0, n));
}

h2(
  "H48 a read is given all that came in one piece, in order, and the end or the error behind it",
  async (peer) => {
    for (const [id, ends] of [[1, true], [3, false]] as const) {
      const { response } = peer.request();
      peer.headers(id, [[":status", "200"]]);
      const { content: body } = await response;
      const reading = readText(body, new Uint8Array(5));
      await peer.settled();
      const last = ends
        ? frame(DATA, END_STREAM, id, "hij")
        : join(frame(DATA, 0, id, "hij"), frame(RST_STREAM, 0, id, uint32(8)));
      peer.send(join(frame(DATA, 0, id, "ab"), frame(DATA, 0, id, "cdefg"), last));
      assert.equal(await reading, "abcde");
      assert.equal(await readText(body, new Uint8Array(9)), "fghij");
      if (ends) assert.equal(await readText(body, new Uint8Array(1)), null);
      else await assert.rejects(readText(body, new Uint8Array(1)), { code: "ERR_INCOMPLETE_BODY" });
    }
    await serves(peer);
  },
);

h2("H48 nothing is lost where an array is taken away while a read waits", async (peer) => {
  const { response } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  const { content: body } = await response;
  const room = new Uint8Array(10);
  const reading = body.read(room);
  await peer.settled();
  structuredClone(room.buffer, { transfer: [room.buffer] });
  peer.send(join(frame(DATA, 0, 1, "all of"), frame(DATA, END_STREAM, 1, " it")));
  assert.equal(await reading, 0);
  assert.equal(await readText(body, new Uint8Array(20)), "all of it");
  assert.equal(await readText(body, new Uint8Array(20)), null);
  await serves(peer);
});

h2("H69 100 that nobody waits for does not begin the content again", async (peer) => {
  const content = new Given();
  const waiting = Promise.withResolvers<void>();
  content.trailersWait = waiting.promise;
  const { outcome } = peer.request({ method: "POST", content });
  content.give(bytesOf("once"));
  content.give(null);
  await peer.sent("DATA", 1);
  await peer.settled();
  peer.headers(1, [[":status", "100"]]);
  await peer.settled();
  assert.equal(content.opened, 1);
  waiting.resolve();
  assert.equal((await peer.sent("DATA", 1)).flags, END_STREAM);
  peer.answer(1, "x");
  assert.equal((await outcome).body, "x");
});

h2("H67 content that cannot be opened fails behind send(), not within it", async (peer) => {
  const content = new Given();
  content.open = () => {
    throw new Error("not today");
  };
  const { outcome, told } = peer.request({ method: "POST", content });
  assert.deepEqual(told, []);
  assert.match(String((await outcome).error), /not today/);
  await serves(peer);
});

h2("H86 content that closes the connection while it is opened is let go", async (peer) => {
  const content = new Given();
  const open = content.open.bind(content);
  content.open = () => {
    peer.client.close(new Error("now"));
    return open();
  };
  const { outcome } = peer.request({ method: "POST", content });
  assert.match(String((await outcome).error), /now/);
  assert.equal(content.cancelled, 1);
});

h2("H70 beside a complete 2xx the upload goes on to its end", async (peer) => {
  const content = new Given();
  const { outcome, stream, told } = peer.request({ method: "POST", content });
  content.give(bytesOf("one"));
  await peer.sent("DATA", 1);
  peer.answer(1, "taken", "202");
  assert.equal((await outcome).body, "taken");
  assert.equal(stream.isClosed, false);
  content.give(bytesOf("two"));
  assert.equal(textOf((await peer.sent("DATA", 1)).payload), "two");
  content.give(null);
  assert.equal((await peer.sent("DATA", 1)).flags, END_STREAM);
  await peer.settled();
  assert.equal(stream.isClosed, true);
  assert.equal(count(peer, "RST_STREAM", 1), 0);
  assert.equal(told.at(-1), "wroteRequest");
});

h2("H70 an upload that is not taken behind a complete 2xx can be ended", async (peer) => {
  const content = new Given();
  const { outcome, stream } = peer.request({ method: "POST", content });
  stream.finishLimitReached();
  peer.answer(1, "taken", "202");
  assert.equal((await outcome).body, "taken");
  assert.equal(content.cancelled, 0);
  stream.finishLimitReached();
  assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "NO_ERROR");
  assert.equal(content.cancelled, 1);
  await serves(peer);
});

// Callers that act within what they are told

const ANSWERED_EARLY = (peer: FramePeer, id: number): void => {
  peer.send(join(
    frame(HEADERS, END_HEADERS, id, peer.block([[":status", "103"]])),
    frame(HEADERS, END_HEADERS, id, peer.block([[":status", "413"]])),
    frame(DATA, END_STREAM, id, "no"),
  ));
};

/** What a server says of an upload. */
const CONVERSATIONS: readonly (readonly [string, (peer: FramePeer, id: number) => void])[] = [
  ["an early refusal", ANSWERED_EARLY],
  ["an early refusal and a reset", (peer, id) => {
    ANSWERED_EARLY(peer, id);
    peer.reset(id, 0);
  }],
  ["an early refusal and a reset in one read", (peer, id) =>
    peer.send(join(
      frame(HEADERS, END_HEADERS, id, peer.block([[":status", "103"]])),
      frame(HEADERS, END_HEADERS, id, peer.block([[":status", "413"]])),
      frame(DATA, END_STREAM, id, "no"),
      frame(RST_STREAM, 0, id, uint32(0)),
    ))],
  ["an early 200 and a reset", (peer, id) => {
    peer.headers(id, [[":status", "103"]]);
    peer.answer(id, "yes");
    peer.reset(id, 0);
  }],
  ["an early 200 and too much", (peer, id) => {
    peer.headers(id, [[":status", "103"]]);
    peer.answer(id, "yes");
    peer.data(id, "more");
  }],
  ["a reset", (peer, id) => {
    peer.headers(id, [[":status", "103"]]);
    peer.reset(id, 2);
  }],
  ["a reset within the answer", (peer, id) => {
    peer.headers(id, [[":status", "103"]]);
    peer.headers(id, [[":status", "200"]]);
    peer.reset(id, 2);
  }],
  ["a malformed answer", (peer, id) => {
    peer.headers(id, [[":status", "103"]]);
    peer.headers(id, [[":status", "200"], ["content-length", "1"]]);
    peer.data(id, "two", true);
  }],
];

/** What a caller does within an event. */
const ACTS: readonly (readonly [string, (peer: FramePeer, one: Exchange) => void])[] = [
  ["cancels", (_, { stream }) => stream.cancel(8, new Error("enough"))],
  ["sends", (peer) => {
    if (peer.client.capacity > peer.client.streamCount) peer.request();
  }],
  ["closes", (peer) => peer.client.close(new Error("now"))],
  ["retires", (peer) => peer.client.retire()],
  ["throws", () => {
    throw new Error("thrown");
  }],
];

/** Events within which a caller may throw; in others it is bound not to. */
const MAY_THROW = ["wroteHead", "informational 103", "finalHead", "response"];

const EVENTS = [...MAY_THROW, "firstByte", "wroteRequest", "failed", "cancel"];

for (const [saying, say] of CONVERSATIONS) {
  for (const [acting, act] of ACTS) {
    const events = acting === "throws" ? MAY_THROW : EVENTS;
    test(`H112 ${saying}, to a caller that ${acting} within what it is told`, async () => {
      for (const event of events) {
        const peer = new FramePeer();
        const content = new Given();
        content.give(new Uint8Array(100_000));
        let done = false;
        const request: GivenRequest = {
          method: "POST",
          content,
          onTold: (told) => {
            if (told !== event || done) return;
            done = true;
            act(peer, one);
          },
        };
        content.onCancel = () => request.onTold!("cancel");
        const one: Exchange = peer.request(request);
        await peer.settled().catch(() => {});
        say(peer, 1);
        const { error, status } = await one.outcome;
        assert.ok(error !== null || status !== null);
        if (peer.closed === null) {
          await peer.settled().catch(() => {});
        }
        const ends = one.told.filter((told) => told === "response" || told === "failed");
        assert.equal(ends.length, 1, `${event}: ${one.told.join()}`);
        assert.equal(one.told.filter((told) => told.startsWith("wroteRequest")).length <= 1, true);
        assert.equal(one.stream.isClosed, true, `${event}: the stream is open`);
        assert.ok(content.cancelled <= 1);
        if (peer.closed === null) await serves(peer);
        else assert.ok(acting !== "cancels" && acting !== "throws", String(peer.closed.error));
        await peer.close();
      }
    });
  }
}

// Tunnels

async function tunnel(peer: FramePeer): Promise<{ conn: Conn; id: number }> {
  const { stream, response } = peer.request({ method: "CONNECT", target: "b.test:443" });
  await peer.sent("HEADERS", stream.id);
  peer.headers(stream.id, [[":status", "200"]]);
  return { conn: (await response).content.takeOver(), id: stream.id };
}

async function readAll(conn: Conn): Promise<string> {
  const room = new Uint8Array(100);
  let text = "";
  for (let n = await conn.read(room); n !== null; n = await conn.read(room)) {
    text += textOf(room.subarray(0, n));
  }
  return text;
}

h2("H101 a server that ends its half of a tunnel is still written to", async (peer) => {
  const { conn, id } = await tunnel(peer);
  peer.data(id, "bye", true);
  assert.equal(await readAll(conn), "bye");
  await conn.write(bytesOf("still"));
  assert.equal(textOf((await peer.sent("DATA", id)).payload), "still");
  await conn.closeWrite();
  assert.equal((await peer.sent("DATA", id)).flags, END_STREAM);
  await peer.settled();
  assert.equal(count(peer, "RST_STREAM", id), 0);
  assert.equal(peer.client.streamCount, 0);
});

h2("H101 what a server says and ends with its 200 is not lost", async (peer) => {
  const { stream, response } = peer.request({ method: "CONNECT", target: "b.test:443" });
  await peer.sent("HEADERS", 1);
  peer.send(join(
    frame(HEADERS, END_HEADERS, 1, [0x88]),
    frame(DATA, END_STREAM, 1, "hello"),
  ));
  const conn = (await response).content.takeOver();
  assert.equal(await readAll(conn), "hello");
  await conn.write(bytesOf("hi"));
  assert.equal(textOf((await peer.sent("DATA", 1)).payload), "hi");
  conn.close();
  assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "CANCEL");
  assert.equal(stream.isClosed, true);
});

for (const half of [false, true]) {
  h2(
    `H101 a tunnel that is reset is lost, what waits to be written too${
      half ? ", half closed" : ""
    }`,
    async (peer) => {
      const { conn, id } = await tunnel(peer);
      if (half) {
        peer.data(id, "", true);
        assert.equal(await readAll(conn), "");
      }
      const reading = half ? Promise.resolve() : assert.rejects(conn.read(new Uint8Array(5)), {
        code: "ERR_CONNECTION_LOST",
      });
      const writing = conn.write(new Uint8Array(100_000));
      for (let sent = 0; sent < 65_535;) sent += (await peer.sent("DATA", id)).payload.length;
      peer.reset(id, 10);
      await assert.rejects(writing, (error: HttpError) => {
        assert.equal(error.code, "ERR_CONNECTION_LOST");
        assert.equal(error.http2?.code, "CONNECT_ERROR");
        return true;
      });
      await reading;
      await assert.rejects(conn.write(bytesOf("x")), { code: "ERR_CONNECTION_LOST" });
      await assert.rejects(conn.closeWrite(), { code: "ERR_CONNECTION_LOST" });
      conn.close();
      await assert.rejects(conn.write(bytesOf("x")), { code: "ERR_CLOSED" });
      await serves(peer);
    },
  );

  h2(
    `H101 a tunnel that is reset before it is taken over is lost${half ? ", half closed" : ""}`,
    async (peer) => {
      const { response, stream } = peer.request({ method: "CONNECT", target: "b.test:443" });
      peer.headers(1, [[":status", "200"]]);
      const { content } = await response;
      peer.data(1, "some", half);
      peer.reset(1, 10);
      await peer.settled();
      const conn = content.takeOver();
      await assert.rejects(conn.write(bytesOf("x")), { code: "ERR_CONNECTION_LOST" });
      const room = new Uint8Array(10);
      assert.equal(await conn.read(room), 4);
      if (half) assert.equal(await conn.read(room), null);
      else await assert.rejects(conn.read(room), { code: "ERR_CONNECTION_LOST" });
      assert.equal(stream.isClosed, true);
      await serves(peer);
    },
  );

  h2(
    `H101 a tunnel that nobody takes over is given up${half ? ", half closed" : ""}`,
    async (peer) => {
      const { response } = peer.request({ method: "CONNECT", target: "b.test:443" });
      peer.headers(1, [[":status", "200"]], half);
      const { content } = await response;
      await peer.settled();
      await content.abandon();
      assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "CANCEL");
      const conn = content.takeOver();
      await assert.rejects(conn.write(bytesOf("x")), { code: "ERR_CLOSED" });
      await serves(peer);
    },
  );
}

h2("H101 a tunnel is lost with its connection", async (peer) => {
  const { conn } = await tunnel(peer);
  await peer.end();
  await assert.rejects(conn.read(new Uint8Array(5)), { code: "ERR_CONNECTION_LOST" });
  await assert.rejects(conn.write(bytesOf("x")), { code: "ERR_CONNECTION_LOST" });
});

h2(
  "H101 a tunnel that is closed: what waits to be written is told so, one at a time",
  async (peer) => {
    const { conn, id } = await tunnel(peer);
    const writing = conn.write(new Uint8Array(100_000));
    await assert.rejects(conn.write(bytesOf("x")), { code: "ERR_INVALID_REQUEST" });
    await assert.rejects(conn.closeWrite(), { code: "ERR_INVALID_REQUEST" });
    conn.close();
    conn.close();
    await assert.rejects(writing, { code: "ERR_CLOSED" });
    assert.equal(codeOf((await peer.sent("RST_STREAM", id)).payload), "CANCEL");
    await serves(peer);
  },
);

h2("H101 CONNECT that is refused is over with its answer", async (peer) => {
  const { outcome, stream, told } = peer.request({ method: "CONNECT", target: "b.test:443" });
  await peer.sent("HEADERS", 1);
  await peer.settled();
  assert.ok(told.includes("wroteRequest"));
  peer.answer(1, "who are you?", "407");
  assert.equal((await outcome).body, "who are you?");
  assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "NO_ERROR");
  assert.equal(stream.isClosed, true);
});
