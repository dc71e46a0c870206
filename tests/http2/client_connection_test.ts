/**
 * An HTTP/2 connection at the client's end, against a server that says what the test wants: opening,
 * settings, frames, heads, bodies, windows, ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HttpError } from "../../conn/http_error.ts";
import type { OutgoingContent } from "../../http/outgoing_request.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITY,
  PRIORITY_FLAG,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../http2/frame_types.ts";
import { seededRandom } from "../support/feed.ts";
import {
  bytesContent,
  codeOf,
  frame,
  FramePeer,
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
    } finally {
      await peer.close();
    }
  });
}

const SETTING = {
  tableSize: 1,
  push: 2,
  streams: 3,
  window: 4,
  frameSize: 5,
  listSize: 6,
  connect: 8,
};

/** The connection ends with that code; a request under way fails with that error. */
async function endsWith(
  peer: FramePeer,
  code: string,
  error: string,
  told?: RegExp,
): Promise<void> {
  const ended = await peer.violated();
  assert.equal(ended.code, code);
  assert.equal(ended.error.code, error);
  assert.equal(ended.error.http2?.from, "here");
  assert.equal(ended.error.http2?.code, code);
  if (told !== undefined) assert.match(ended.error.message, told);
}

/** The stream is reset with that code; a bystander on the connection is served. */
async function streamEndsWith(peer: FramePeer, id: number, code: string): Promise<void> {
  const { payload } = await peer.sent("RST_STREAM", id);
  assert.equal(codeOf(payload), code);
  const bystander = peer.request();
  peer.answer(bystander.stream.id, "fine");
  assert.equal((await bystander.outcome).body, "fine");
  assert.equal(peer.closed, null);
}

// Opening, settings

h2("H1 the preface, settings, the window and the first request leave at once", async (peer) => {
  const { outcome } = peer.request();
  const { payload } = await peer.sent("SETTINGS");
  const entries = new Map<number, number>();
  for (let i = 0; i < payload.length; i += 6) {
    entries.set(payload[i + 1], new DataView(payload.buffer).getUint32(i + 2));
  }
  assert.equal(entries.get(SETTING.push), 0);
  assert.equal(entries.get(SETTING.window), 256 * 1024);
  assert.equal(entries.get(SETTING.listSize), 64 * 1024);
  const update = await peer.sent("WINDOW_UPDATE", 0);
  assert.equal(new DataView(update.payload.buffer).getUint32(0), (64 << 20) - 65_535);
  await peer.sent("HEADERS", 1);
  peer.settings([]);
  peer.answer(1, "hello");
  assert.equal((await outcome).body, "hello");
}, { settings: false });

h2("H2 a first frame that is no SETTINGS ends the connection", async (peer) => {
  const { outcome } = peer.request();
  peer.frame(PING, 0, 0, "12345678");
  await endsWith(peer, "PROTOCOL_ERROR", "ERR_MALFORMED_RESPONSE", /PING before its settings/);
  assert.equal((await outcome).error?.code, "ERR_MALFORMED_RESPONSE");
}, { settings: false });

h2("H2 a server of HTTP/1.1 is told as what it is", async (peer) => {
  const { outcome } = peer.request();
  peer.send(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await endsWith(peer, "PROTOCOL_ERROR", "ERR_MALFORMED_RESPONSE", /speaks HTTP\/1\.1/);
  assert.equal((await outcome).error?.code, "ERR_MALFORMED_RESPONSE");
}, { settings: false });

h2("H4 settings are acknowledged in front of what makes use of them", async (peer) => {
  peer.settings([[SETTING.tableSize, 0]]);
  await peer.settled();
  const { outcome } = peer.request({ fields: [["x", "y"]] });
  const request = await peer.sent("HEADERS", 1);
  const ack = peer.frames.findLastIndex(({ type, flags }) => type === "SETTINGS" && flags === ACK);
  assert.ok(ack < peer.frames.indexOf(request));
  assert.equal(request.payload[0], 0x20);
  peer.answer(1);
  await outcome;
});

/** What a server may not send: the frame, the code, the error. H5 to H9, H14 to H22. */
const FORBIDDEN: readonly (readonly [string, Uint8Array, string, RegExp?])[] = [
  ["H5 SETTINGS on a stream", frame(SETTINGS, 0, 1, []), "PROTOCOL_ERROR"],
  ["H5 SETTINGS of a wrong length", frame(SETTINGS, 0, 0, [0, 1, 0]), "FRAME_SIZE_ERROR"],
  [
    "H5 an acknowledgement with a payload",
    frame(SETTINGS, ACK, 0, [0, 1, 0, 0, 0, 0]),
    "FRAME_SIZE_ERROR",
  ],
  ["H6 an acknowledgement too many", frame(SETTINGS, ACK, 0, []), "PROTOCOL_ERROR"],
  ["H7 a window of 2^31", setting(SETTING.window, 2 ** 31), "FLOW_CONTROL_ERROR"],
  ["H8 frames of less than 16,384 octets", setting(SETTING.frameSize, 16_383), "PROTOCOL_ERROR"],
  ["H8 frames of 0 octets", setting(SETTING.frameSize, 0), "PROTOCOL_ERROR"],
  ["H8 frames of 2^24 octets", setting(SETTING.frameSize, 2 ** 24), "PROTOCOL_ERROR"],
  ["H9 a server that lets itself be pushed to", setting(SETTING.push, 1), "PROTOCOL_ERROR"],
  ["H9 ENABLE_PUSH 2", setting(SETTING.push, 2), "PROTOCOL_ERROR"],
  ["H14 ENABLE_CONNECT_PROTOCOL 2", setting(SETTING.connect, 2), "PROTOCOL_ERROR"],
  [
    "H15 129 settings at once",
    frame(SETTINGS, 0, 0, Array.from({ length: 129 }, () => [0, 0x55, 0, 0, 0, 0]).flat()),
    "ENHANCE_YOUR_CALM",
  ],
  [
    "H16 a frame of 16,385 octets, on sight of its head",
    frame(99, 0, 0, new Uint8Array(16_385)).subarray(0, 9),
    "FRAME_SIZE_ERROR",
  ],
  ["H17 PING of 7 octets", frame(PING, 0, 0, "1234567"), "FRAME_SIZE_ERROR"],
  ["H17 RST_STREAM of 3 octets", frame(RST_STREAM, 0, 1, "123"), "FRAME_SIZE_ERROR"],
  ["H17 WINDOW_UPDATE of 5 octets", frame(WINDOW_UPDATE, 0, 0, "12345"), "FRAME_SIZE_ERROR"],
  ["H17 GOAWAY of 7 octets", frame(GOAWAY, 0, 0, "1234567"), "FRAME_SIZE_ERROR"],
  ["H18 DATA on stream 0", frame(DATA, 0, 0, "x"), "PROTOCOL_ERROR"],
  ["H18 HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, [0x88]), "PROTOCOL_ERROR"],
  ["H18 CONTINUATION on stream 0", frame(CONTINUATION, 0, 0, [0x88]), "PROTOCOL_ERROR"],
  ["H18 RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, uint32(0)), "PROTOCOL_ERROR"],
  ["H18 PRIORITY on stream 0", frame(PRIORITY, 0, 0, "12345"), "PROTOCOL_ERROR"],
  ["H18 PING on a stream", frame(PING, 0, 1, "12345678"), "PROTOCOL_ERROR"],
  ["H18 GOAWAY on a stream", frame(GOAWAY, 0, 1, "12345678"), "PROTOCOL_ERROR"],
  ["H19 DATA with as much padding as payload", frame(DATA, PADDED, 1, [3, 1, 1]), "PROTOCOL_ERROR"],
  [
    "H19 HEADERS with more padding than payload",
    frame(HEADERS, PADDED | END_HEADERS, 1, [3, 0x88]),
    "PROTOCOL_ERROR",
  ],
  [
    "H20 HEADERS on a stream that was never opened",
    frame(HEADERS, END_HEADERS, 3, [0x88]),
    "PROTOCOL_ERROR",
  ],
  ["H20 DATA on an even stream", frame(DATA, 0, 2, "x"), "PROTOCOL_ERROR"],
  [
    "H20 RST_STREAM on a stream that was never opened",
    frame(RST_STREAM, 0, 5, uint32(8)),
    "PROTOCOL_ERROR",
  ],
  [
    "H20 WINDOW_UPDATE on a stream that was never opened",
    frame(WINDOW_UPDATE, 0, 5, uint32(8)),
    "PROTOCOL_ERROR",
  ],
  ["H21 PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2, 0x82]), "PROTOCOL_ERROR"],
  [
    "H33 CONTINUATION without HEADERS",
    frame(CONTINUATION, END_HEADERS, 1, [0x88]),
    "PROTOCOL_ERROR",
  ],
  [
    "H33 CONTINUATION of another stream",
    join(frame(HEADERS, 0, 1, [0x88]), frame(CONTINUATION, END_HEADERS, 3, [])),
    "PROTOCOL_ERROR",
  ],
  [
    "H33 a frame within a field block",
    join(frame(HEADERS, 0, 1, [0x88]), frame(PING, 0, 0, "12345678")),
    "PROTOCOL_ERROR",
  ],
  [
    "H22 an unknown frame within a field block",
    join(frame(HEADERS, 0, 1, [0x88]), frame(0xfa, 0, 0, "x")),
    "PROTOCOL_ERROR",
  ],
  [
    "H27 a block that cannot be decoded",
    frame(HEADERS, END_HEADERS, 1, [0x80]),
    "COMPRESSION_ERROR",
  ],
  [
    "H65 WINDOW_UPDATE of 0 for the connection",
    frame(WINDOW_UPDATE, 0, 0, uint32(0)),
    "PROTOCOL_ERROR",
  ],
  [
    "H65 a connection's window beyond 2^31-1",
    frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1)),
    "FLOW_CONTROL_ERROR",
  ],
];

function setting(id: number, value: number): Uint8Array {
  return frame(SETTINGS, 0, 0, [0, id, ...uint32(value)]);
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

for (const [name, bytes, code] of FORBIDDEN) {
  h2(`${name} ends the connection`, async (peer) => {
    const { outcome } = peer.request();
    await peer.sent("HEADERS", 1);
    await peer.settled();
    peer.send(bytes);
    await endsWith(peer, code, "ERR_MALFORMED_RESPONSE");
    const { error, status } = await outcome;
    assert.equal(status, null);
    // On another stream: ours is a bystander.
    const isCause = lastStreamId(bytes) <= 1;
    assert.equal(error?.code, isCause ? "ERR_MALFORMED_RESPONSE" : "ERR_CONNECTION_LOST");
    assert.equal(error.http2?.scope, "connection");
    if (!isCause) assert.equal((error.cause as HttpError).code, "ERR_MALFORMED_RESPONSE");
  });
}

/** The stream of the last of those frames. */
function lastStreamId(frames: Uint8Array): number {
  let id = 0;
  for (let at = 0; at < frames.length;) {
    const view = new DataView(frames.buffer, frames.byteOffset + at);
    id = view.getUint32(5);
    at += 9 + (view.getUint32(0) >>> 8);
  }
  return id;
}

h2("H7 a change of the window moves those of open streams, below zero too", async (peer) => {
  const content = bytesContent(new Uint8Array(100_000));
  const { outcome } = peer.request({ method: "POST", content });
  peer.windowUpdate(0, 1_000_000);
  let sentBytes = 0;
  while (sentBytes < 65_535) sentBytes += (await peer.sent("DATA", 1)).payload.length;
  assert.equal(sentBytes, 65_535);
  peer.settings([[SETTING.window, 10]]);
  peer.windowUpdate(1, 65_525);
  await peer.settled();
  assert.equal(peer.frames.filter(({ type }) => type === "DATA").at(-1)!.flags, 0);
  peer.settings([[SETTING.window, 50_000]]);
  while (sentBytes < 100_000) sentBytes += (await peer.sent("DATA", 1)).payload.length;
  peer.answer(1, "all");
  assert.equal((await outcome).body, "all");
});

h2("H11 streams: 100 before the first settings, then what they say", async (peer) => {
  assert.equal(peer.client.capacity, 100);
  peer.settings([[SETTING.streams, 7]]);
  await peer.settled();
  assert.equal(peer.client.capacity, 7);
  const { outcome } = peer.request();
  peer.settings([[SETTING.streams, 0]]);
  await peer.settled();
  assert.equal(peer.client.capacity, 0);
  peer.answer(1, "goes on");
  assert.equal((await outcome).body, "goes on");
}, { settings: false });

h2("H11 a server that names no limit gets as many as the option says", async (peer) => {
  await peer.settled();
  assert.equal(peer.client.capacity, 1_000);
}, { maxConcurrentStreams: 5_000 });

h2("H13 a head that is larger than the server takes is refused unsent", async (peer) => {
  peer.settings([[SETTING.listSize, 200]]);
  await peer.settled();
  assert.throws(() => peer.request({ fields: [["x", "y".repeat(200)]] }), (error) => {
    assert.equal((error as { code: string }).code, "ERR_INVALID_REQUEST");
    return true;
  });
  const { outcome, stream } = peer.request();
  assert.equal(stream.id, 1);
  peer.answer(1, "small");
  assert.equal((await outcome).body, "small");
});

h2("H14 unknown settings are read over", async (peer) => {
  peer.settings([[0x99, 5], [0x4, 70_000]]);
  const { outcome } = peer.request();
  peer.answer(1, "x");
  assert.equal((await outcome).body, "x");
});

// Frames

h2("H19 padding is dropped, and counts", async (peer) => {
  const { outcome } = peer.request();
  peer.frame(HEADERS, END_HEADERS | PADDED | PRIORITY_FLAG, 1, [2, 0, 0, 0, 0, 9, 0x88, 0, 0]);
  peer.frame(DATA, PADDED, 1, [2, 0x61, 0, 0]);
  peer.frame(DATA, PADDED | END_STREAM, 1, [0, 0x62]);
  const { status, body } = await outcome;
  assert.deepEqual([status, body], [200, "ab"]);
});

h2("H17 PRIORITY of 4 octets ends its stream alone", async (peer) => {
  const { outcome } = peer.request();
  await peer.settled();
  peer.frame(PRIORITY, 0, 1, "1234");
  await streamEndsWith(peer, 1, "FRAME_SIZE_ERROR");
  assert.equal((await outcome).error?.code, "ERR_MALFORMED_RESPONSE");
});

h2("H22 unknown frames, flags and the reserved bit are read over", async (peer) => {
  const { outcome } = peer.request();
  for (const type of [0xa, 0xc, 0x10, 0xfa]) peer.frame(type, 0xff, 1, "whatever");
  peer.frame(PRIORITY, 0, 1, "12345");
  peer.frame(HEADERS, END_HEADERS | 0x50, 0x80000001, [0x88]);
  peer.frame(DATA, END_STREAM | 0x70, 0x80000001, "x");
  assert.equal((await outcome).body, "x");
});

h2(
  "H23 what comes on a stream that we have reset is decoded, credited and dropped",
  async (peer) => {
    const { stream, outcome } = peer.request();
    await peer.sent("HEADERS", 1);
    stream.cancel(8, new Error("enough"));
    assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "CANCEL");
    await assert.rejects(async () => {
      throw (await outcome).error;
    }, /enough/);
    // Twice: it is added to the table, which the next head refers to.
    const fields: [string, string][] = [[":status", "200"], ["x-long-name", "x-long-value"]];
    peer.headers(1, fields);
    peer.headers(1, fields);
    peer.data(1, "dropped", true);
    const next = peer.request();
    peer.headers(3, fields, true);
    assert.deepEqual((await next.outcome).headers, [["x-long-name", "x-long-value"]]);
    assert.equal(peer.closed, null);
  },
);

h2("H24 what comes behind the end of an answer is refused, the answer stands", async (peer) => {
  const content = bytesContent(new Uint8Array(200_000));
  const { response } = peer.request({ method: "POST", content });
  await peer.sent("HEADERS", 1);
  peer.headers(1, [[":status", "200"]]);
  peer.send(join(frame(DATA, END_STREAM, 1, "good"), frame(DATA, END_STREAM, 1, "bad")));
  const { content: body } = await response;
  const room = new Uint8Array(10);
  assert.equal(await body.read(room), 4);
  assert.equal(await body.read(room), null);
  assert.match(codeOf((await peer.sent("RST_STREAM", 1)).payload), /STREAM_CLOSED|NO_ERROR/);
  assert.equal(peer.closed, null);
});

h2("H25 frames of a stream that is over are read over", async (peer) => {
  const { outcome } = peer.request();
  peer.answer(1, "x");
  await outcome;
  peer.windowUpdate(1, 5);
  peer.reset(1, 0);
  peer.frame(PRIORITY, 0, 1, "12345");
  await peer.settled();
  assert.equal(peer.closed, null);
});

/** One conversation, in every cut. */
test("H26 frames cut anywhere, and many in one read, come to the same", async () => {
  const random = seededRandom(3);
  const manners: (() => number)[] = [() => Infinity, () => 1];
  for (let i = 0; i < 20; i++) manners.push(() => 1 + Math.floor(random() ** 3 * 60));
  for (const next of manners) {
    const peer = new FramePeer({ settings: false });
    const outcomes = Array.from(
      { length: 20 },
      (_, i) => peer.request({ target: `/${i}` }).outcome,
    );
    const bytes: number[] = [...frame(SETTINGS, 0, 0, []), ...frame(SETTINGS, ACK, 0, [])];
    for (let i = 0; i < 20; i++) {
      const id = 2 * i + 1;
      const block = peer.block([[":status", "200"], ["x-number", String(i)], ["x-same", "same"]]);
      const cut = Math.floor(random() * block.length);
      bytes.push(
        ...frame(HEADERS, 0, id, block.subarray(0, cut)),
        ...frame(CONTINUATION, END_HEADERS, id, block.subarray(cut)),
        ...frame(DATA, PADDED, id, [3, ...new TextEncoder().encode(`body ${i}`), 0, 0, 0]),
        ...frame(HEADERS, END_HEADERS | END_STREAM, id, peer.block([["x-end", String(i)]])),
      );
    }
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + next());
      peer.send(bytes.slice(at, end));
      at = end;
      await Promise.resolve();
    }
    for (const [i, outcome] of (await Promise.all(outcomes)).entries()) {
      assert.equal(outcome.error, null);
      assert.equal(outcome.body, `body ${i}`);
      assert.deepEqual(outcome.headers, [["x-number", String(i)], ["x-same", "same"]]);
      assert.deepEqual(outcome.trailers, [["x-end", String(i)]]);
    }
    await peer.close();
  }
});

h2("H26 10,000 frames in one read", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  peer.send(join(...Array.from({ length: 10_000 }, () => frame(DATA, 0, 1, "0123456789"))));
  peer.data(1, "", true);
  assert.equal((await outcome).body, "0123456789".repeat(10_000));
});

// Heads

h2("H31 fields beyond the limit end the stream; far beyond, the connection", async (peer) => {
  const { outcome } = peer.request();
  await peer.settled();
  const block = peer.block([[":status", "200"], ["x", "y".repeat(3_000)]]);
  peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
  const { error } = await outcome;
  assert.equal(error?.code, "ERR_HEADERS_TOO_LARGE");
  await streamEndsWith(peer, 1, "ENHANCE_YOUR_CALM");
  peer.request();
  peer.frame(HEADERS, END_HEADERS, 5, peer.block([[":status", "200"], ["x", "z".repeat(9_000)]]));
  await endsWith(peer, "ENHANCE_YOUR_CALM", "ERR_HEADERS_TOO_LARGE");
}, { maxResponseHeaderBytes: 2_000 });

h2(
  "H34 a flood of CONTINUATION ends the connection; a large head in fair pieces is good",
  async (peer) => {
    const { outcome } = peer.request();
    const block = peer.block([[":status", "200"], ["x", "y".repeat(40_000)], [
      "z",
      "\u00fe".repeat(9_000),
    ]]);
    peer.frame(HEADERS, END_STREAM, 1, block.subarray(0, 2_000));
    let at = 2_000;
    for (; at + 2_000 < block.length; at += 2_000) {
      peer.frame(CONTINUATION, 0, 1, block.subarray(at, at + 2_000));
    }
    peer.frame(CONTINUATION, END_HEADERS, 1, block.subarray(at));
    assert.equal((await outcome).headers.length, 2);
    const flooded = peer.request();
    peer.frame(HEADERS, 0, 3, [0x88]);
    for (let i = 0; i < 30; i++) peer.frame(CONTINUATION, 0, 3, []);
    await endsWith(peer, "ENHANCE_YOUR_CALM", "ERR_HEADERS_TOO_LARGE", /field block/);
    assert.equal((await flooded.outcome).error?.code, "ERR_HEADERS_TOO_LARGE");
  },
  { maxResponseHeaderBytes: 70_000 },
);

h2("H35 blocks of the wire are decoded in order, wanted or not", async (peer) => {
  const { stream, outcome } = peer.request();
  await peer.sent("HEADERS", 1);
  stream.cancel(8, new Error("enough"));
  await outcome;
  peer.frame(HEADERS, END_HEADERS, 1, [0xff]);
  await endsWith(peer, "COMPRESSION_ERROR", "ERR_MALFORMED_RESPONSE");
});

/** Answers that are none: the frames for stream 1, and a word of the text. */
const MALFORMED: readonly (readonly [string, (peer: FramePeer) => void, RegExp])[] = [
  ["H38 no :status", (peer) => peer.headers(1, [["x", "y"]]), /without :status/],
  ["H38 a :status of two digits", (peer) => peer.headers(1, [[":status", "20"]]), /no status code/],
  ["H38 a :status below 100", (peer) => peer.headers(1, [[":status", "099"]]), /no status code/],
  ["H38 a :status with a sign", (peer) => peer.headers(1, [[":status", "+20"]]), /no status code/],
  [
    "H39 a pseudo-field of requests",
    (peer) => peer.headers(1, [[":status", "200"], [":path", "/"]]),
    /":path"/,
  ],
  ["H40 an upper-case name", (peer) => peer.headers(1, [[":status", "200"], ["X", "y"]]), /"X"/],
  ["H41 LF in a value", (peer) => peer.headers(1, [[":status", "200"], ["x", "a\nb"]]), /"x"/],
  [
    "H43 a field about the connection",
    (peer) => peer.headers(1, [[":status", "200"], ["connection", "x"]]),
    /"connection"/,
  ],
  [
    "H44 an informational answer that ends the stream",
    (peer) => peer.headers(1, [[":status", "103"]], true),
    /ended the stream/,
  ],
  ["H45 101", (peer) => peer.headers(1, [[":status", "101"]]), /101/],
  ["H46 DATA before a head", (peer) => peer.data(1, "x"), /before a final head/],
  ["H46 DATA behind an informational head", (peer) => {
    peer.headers(1, [[":status", "103"]]);
    peer.data(1, "x");
  }, /before a final head/],
  [
    "H47 a length that is none",
    (peer) => peer.headers(1, [[":status", "200"], ["content-length", "+1"]]),
    /Content-Length/,
  ],
  ["H47 two lengths", (peer) =>
    peer.headers(1, [
      [":status", "200"],
      ["content-length", "1"],
      ["content-length", "2"],
    ]), /Content-Length/],
];

for (const [name, act, told] of MALFORMED) {
  h2(`${name} ends the stream alone`, async (peer) => {
    const { outcome } = peer.request();
    await peer.sent("HEADERS", 1);
    act(peer);
    const { error, status } = await outcome;
    assert.equal(status, null);
    assert.equal(error?.code, "ERR_MALFORMED_RESPONSE");
    assert.match(error.message, told);
    await streamEndsWith(peer, 1, "PROTOCOL_ERROR");
  });
}

h2("H44 informational answers are told, and counted with the head", async (peer) => {
  const { outcome, told } = peer.request();
  peer.headers(1, [[":status", "103"], ["link", "</a>"]]);
  peer.headers(1, [[":status", "103"], ["link", "</b>"]]);
  peer.answer(1, "x");
  assert.deepEqual((await outcome).informational, [103, 103]);
  assert.equal(told.filter((one) => one === "firstByte").length, 1);
  const endless = peer.request();
  for (let i = 0; i < 100; i++) peer.headers(3, [[":status", "103"], ["x", "y".repeat(1_000)]]);
  assert.equal((await endless.outcome).error?.code, "ERR_HEADERS_TOO_LARGE");
});

h2("H48 fewer octets than announced: what came is given, then the error", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"], ["content-length", "10"]]);
  peer.data(1, "short", true);
  const { body, error } = await outcome;
  assert.equal(body, "short");
  assert.equal(error?.code, "ERR_INCOMPLETE_BODY");
});

h2("H48 more octets than announced: not one of them is given", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"], ["content-length", "3"]]);
  peer.data(1, "abc");
  peer.data(1, "d", true);
  const { body, error } = await outcome;
  assert.equal(body, "abc");
  assert.equal(error?.code, "ERR_MALFORMED_RESPONSE");
});

for (const [status, method] of [["200", "HEAD"], ["204", "GET"], ["304", "GET"]]) {
  h2(`H49 ${method} and ${status}: a length may stand there, content may not`, async (peer) => {
    const one = peer.request({ method });
    peer.headers(1, [[":status", status], ["content-length", "5"]], true);
    const { body, error } = await one.outcome;
    assert.deepEqual([body, error], ["", null]);
    const { stream, response } = peer.request({ method });
    await peer.settled();
    peer.headers(3, [[":status", status]]);
    assert.equal((await response).content.whole?.length, 0);
    peer.data(3, "x");
    assert.equal(codeOf((await peer.sent("RST_STREAM", stream.id)).payload), "PROTOCOL_ERROR");
  });
}

h2("H50 a second final head fails the body", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  peer.data(1, "some");
  peer.headers(1, [["x", "y"]]);
  const { body, error } = await outcome;
  assert.equal(body, "some");
  assert.equal(error?.code, "ERR_MALFORMED_RESPONSE");
});

h2("H51 trailers, behind no content too", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  peer.headers(1, [["grpc-status", "0"]], true);
  assert.deepEqual((await outcome).trailers, [["grpc-status", "0"]]);
});

// Bodies and windows

h2("H53 DATA beyond the stream's window ends the stream alone", async (peer) => {
  const { response } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  const { content } = await response;
  for (let i = 0; i < 6; i++) peer.data(1, new Uint8Array(10_000));
  peer.data(1, new Uint8Array(10_000));
  await streamEndsWith(peer, 1, "FLOW_CONTROL_ERROR");
  const room = new Uint8Array(100_000);
  assert.equal(await content.read(room), 60_000);
  await assert.rejects(content.read(room), { code: "ERR_MALFORMED_RESPONSE" });
}, { streamWindowBytes: 65_000 });

h2("H53 DATA beyond the connection's window ends the connection", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  // It does not listen: that it may send more is never written.
  for (let i = 0; i < 5; i++) peer.data(1, new Uint8Array(16_000));
  const { error, body } = await outcome;
  assert.equal(error?.http2?.code, "FLOW_CONTROL_ERROR");
  assert.equal(error.http2.scope, "connection");
  assert.equal(body.length, 64_000);
}, {
  connectionWindowBytes: 65_535,
  streamWindowBytes: 65_535,
  maxConcurrentStreams: 1,
  listens: false,
});

h2(
  "H56 every octet is credited to the connection: after many aborted downloads its window is whole",
  async (peer) => {
    let credited = 65_535;
    let sentBytes = 0;
    for (let i = 0; i < 50; i++) {
      const { stream, outcome } = peer.request();
      peer.headers(stream.id, [[":status", "200"]]);
      for (let k = 0; k < 4; k++) {
        peer.data(stream.id, new Uint8Array(16_000));
        sentBytes += 16_000;
      }
      await peer.settled();
      stream.cancel(8, new Error("enough"));
      await outcome;
    }
    await peer.settled();
    for (const { type, streamId, payload } of peer.frames) {
      if (type === "WINDOW_UPDATE" && streamId === 0) {
        credited += new DataView(payload.buffer).getUint32(0);
      }
    }
    assert.ok(credited - sentBytes >= 3 * 65_535 / 4 * 4, `${credited - sentBytes}`);
  },
  { connectionWindowBytes: 65_535 * 4, streamWindowBytes: 70_000, maxConcurrentStreams: 3 },
);

h2("H57 giving a body up resets its stream, the connection stays", async (peer) => {
  const { response } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  peer.data(1, "some");
  const { content } = await response;
  await content.abandon();
  await assert.rejects(content.read(new Uint8Array(5)), { code: "ERR_BODY_CLOSED" });
  await streamEndsWith(peer, 1, "CANCEL");
});

for (const code of [0, 2, 8]) {
  h2(`H58 RST_STREAM(${code}) within a body: what came, then the error`, async (peer) => {
    const { outcome } = peer.request();
    peer.headers(1, [[":status", "200"]]);
    peer.data(1, "some");
    peer.reset(1, code);
    const { body, error, status } = await outcome;
    assert.deepEqual([status, body, error?.code], [200, "some", "ERR_INCOMPLETE_BODY"]);
    assert.equal(error?.http2?.frame, "RST_STREAM");
    assert.equal(error.http2.from, "peer");
  });
}

h2("H59 RST_STREAM behind the end: the answer stands", async (peer) => {
  const content = bytesContent(new Uint8Array(200_000));
  const { outcome } = peer.request({ method: "POST", content });
  await peer.sent("HEADERS", 1);
  peer.send(join(
    frame(HEADERS, END_HEADERS, 1, [0x88]),
    frame(DATA, END_STREAM, 1, "early"),
    frame(RST_STREAM, 0, 1, uint32(0)),
  ));
  const { body, error } = await outcome;
  assert.deepEqual([body, error], ["early", null]);
});

h2(
  "H60 the end of the connection within a body: orderly, incomplete; broken, lost",
  async (peer) => {
    const { outcome } = peer.request();
    peer.headers(1, [[":status", "200"]]);
    peer.data(1, "some");
    await peer.settled();
    await peer.end();
    const { body, error } = await outcome;
    assert.deepEqual([body, error?.code], ["some", "ERR_INCOMPLETE_BODY"]);
  },
);

h2("H60 a connection that breaks within a body is lost", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  peer.data(1, "some");
  await peer.settled();
  peer.break();
  const { body, error } = await outcome;
  assert.deepEqual([body, error?.code], ["some", "ERR_CONNECTION_LOST"]);
});

h2("H61 empty DATA without an end, for ever, ends the connection", async (peer) => {
  peer.request();
  peer.headers(1, [[":status", "200"]]);
  for (let i = 0; i < 102; i++) peer.data(1, "");
  await endsWith(peer, "ENHANCE_YOUR_CALM", "ERR_MALFORMED_RESPONSE", /empty DATA/);
});

h2("H62 tiny DATA: gathered, and bounded", async (peer) => {
  const { response } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  for (let i = 0; i < 30; i++) {
    peer.send(join(...Array.from({ length: 1_000 }, () => frame(DATA, 0, 1, "x"))));
    await Promise.resolve();
  }
  await endsWith(peer, "ENHANCE_YOUR_CALM", "ERR_MALFORMED_RESPONSE", /small DATA/);
  await response;
});

h2("H63 windows are opened in large steps", async (peer) => {
  const { outcome } = peer.request();
  peer.headers(1, [[":status", "200"]]);
  for (let i = 0; i < 60; i++) {
    peer.data(1, new Uint8Array(16_000));
    await peer.settled();
  }
  peer.data(1, "", true);
  assert.equal((await outcome).body.length, 960_000);
  const updates = peer.frames.filter(({ type, streamId }) =>
    type === "WINDOW_UPDATE" && streamId === 1
  );
  assert.ok(updates.length <= 2, `${updates.length}`);
});

// Uploads

h2("H64 no DATA beyond the windows; turns are fair; control frames go past", async (peer) => {
  const content = (): OutgoingContent => bytesContent(new Uint8Array(60_000));
  const one = peer.request({ method: "POST", content: content() });
  const two = peer.request({ method: "POST", content: content() });
  const sentBytes = new Map([[1, 0], [3, 0]]);
  const count = async (total: number): Promise<void> => {
    while (sentBytes.get(1)! + sentBytes.get(3)! < total) {
      const { streamId, payload } = await peer.sent("DATA");
      assert.ok(payload.length <= 16_384);
      sentBytes.set(streamId, sentBytes.get(streamId)! + payload.length);
    }
  };
  await count(65_535);
  assert.ok(Math.abs(sentBytes.get(1)! - sentBytes.get(3)!) <= 2 * 16_384);
  // Blocked, and still answers.
  await peer.settled();
  peer.windowUpdate(0, 54_465);
  await count(120_000);
  peer.answer(1, "one");
  peer.answer(3, "two");
  assert.deepEqual([(await one.outcome).body, (await two.outcome).body], ["one", "two"]);
});

h2("H65 WINDOW_UPDATE of 0 for a stream ends it alone; beyond 2^31-1 too", async (peer) => {
  const one = peer.request();
  await peer.settled();
  peer.windowUpdate(1, 0);
  assert.equal((await one.outcome).error?.code, "ERR_CONNECTION_LOST");
  await streamEndsWith(peer, 1, "PROTOCOL_ERROR");
  const two = peer.request();
  await peer.settled();
  peer.windowUpdate(5, 2 ** 31 - 1);
  assert.equal((await two.outcome).error?.code, "ERR_CONNECTION_LOST");
  await streamEndsWith(peer, 5, "FLOW_CONTROL_ERROR");
});

function streamed(
  pieces: readonly string[],
  lengthBytes: number | null,
  error?: Error,
): OutgoingContent & { cancelled: boolean } {
  let at = 0;
  const content = {
    bytes: null,
    lengthBytes,
    cancelled: false,
    open: () => ({
      next: () =>
        at < pieces.length
          ? Promise.resolve(new TextEncoder().encode(pieces[at++]))
          : error === undefined
          ? Promise.resolve(null)
          : Promise.reject(error),
      cancel: () => {
        content.cancelled = true;
      },
    }),
    trailers: () => Promise.resolve([] as [string, string][]),
  };
  return content;
}

for (
  const [name, content, code] of [
    ["longer than declared", streamed(["abc", "d"], 3), "ERR_BODY_LENGTH"],
    ["shorter than declared", streamed(["ab"], 3), "ERR_BODY_LENGTH"],
    ["that fails", streamed(["ab"], null, new Error("no more")), "Error"],
  ] as const
) {
  h2(`H67 content ${name} never ends the stream as if it were whole`, async (peer) => {
    const { outcome } = peer.request({ method: "POST", content });
    const { error } = await outcome;
    assert.equal((error as { code?: string })?.code ?? error?.name, code);
    await streamEndsWith(peer, 1, "CANCEL");
    const data = peer.frames.filter(({ type, streamId }) => type === "DATA" && streamId === 1);
    assert.ok(data.every(({ flags }) => (flags & END_STREAM) === 0));
    assert.ok(data.reduce((sum, { payload }) => sum + payload.length, 0) <= 3);
  });
}

h2("H68 content of unknown length; trailers behind it", async (peer) => {
  const content = {
    ...streamed(["a", "b"], null),
    trailers: () => Promise.resolve([["X-Sum", "2"]] as [string, string][]),
  };
  const { outcome } = peer.request({ method: "POST", content });
  const request = peer.fieldsOf(await peer.sent("HEADERS", 1));
  assert.ok(!request.some(([name]) => name === "content-length" || name === "transfer-encoding"));
  const trailers = await peer.sent("HEADERS", 1);
  assert.equal(trailers.flags & END_STREAM, END_STREAM);
  peer.answer(1, "x");
  assert.equal((await outcome).body, "x");
  const plain = peer.request({ method: "POST", content: streamed(["a"], null) });
  for (;;) if ((await peer.sent("DATA", 3)).flags === END_STREAM) break;
  peer.answer(3, "y");
  assert.equal((await plain.outcome).body, "y");
});

h2("H69 content waits for 100, a final head, or the time-out", async (peer) => {
  const expecting = (): ReturnType<FramePeer["request"]> =>
    peer.request({
      method: "POST",
      content: bytesContent(new Uint8Array(5)),
      expectContinue: true,
    });
  const asked = expecting();
  await peer.sent("HEADERS", 1);
  assert.equal(asked.stream.awaitingContinue, true);
  await peer.settled();
  assert.ok(!peer.frames.some(({ type }) => type === "DATA"));
  peer.headers(1, [[":status", "100"]]);
  assert.equal((await peer.sent("DATA", 1)).flags, END_STREAM);
  peer.answer(1, "x");
  assert.equal((await asked.outcome).body, "x");
  const refused = expecting();
  await peer.sent("HEADERS", 3);
  peer.answer(3, "no", "413");
  assert.equal((await refused.outcome).status, 413);
  assert.equal(codeOf((await peer.sent("RST_STREAM", 3)).payload), "NO_ERROR");
  const impatient = expecting();
  await peer.sent("HEADERS", 5);
  impatient.stream.continueTimedOut();
  await peer.sent("DATA", 5);
  peer.answer(5, "y");
  assert.equal((await impatient.outcome).body, "y");
});

h2(
  "H70 an early refusal is given at once and stops the upload; beside 2xx it goes on",
  async (peer) => {
    const refused = peer.request({
      method: "POST",
      content: bytesContent(new Uint8Array(200_000)),
    });
    await peer.sent("DATA", 1);
    peer.answer(1, "too large", "413");
    assert.equal((await refused.outcome).body, "too large");
    assert.equal(codeOf((await peer.sent("RST_STREAM", 1)).payload), "NO_ERROR");
    peer.windowUpdate(0, 1_000_000);
    await peer.settled();
    const both = peer.request({ method: "POST", content: streamed(["a", "b", "c"], null) });
    await peer.sent("HEADERS", 3);
    peer.headers(3, [[":status", "200"]]);
    for (;;) if ((await peer.sent("DATA", 3)).flags === END_STREAM) break;
    peer.data(3, "done", true);
    assert.equal((await both.outcome).body, "done");
  },
);

h2(
  "H72 a refusal whose stream is reset before its end: the head, what came, the error",
  async (peer) => {
    const { outcome } = peer.request({
      method: "POST",
      content: bytesContent(new Uint8Array(200_000)),
    });
    await peer.sent("DATA", 1);
    peer.headers(1, [[":status", "413"]]);
    peer.data(1, "too");
    peer.reset(1, 0);
    const { status, body, error } = await outcome;
    assert.deepEqual([status, body, error?.code], [413, "too", "ERR_INCOMPLETE_BODY"]);
  },
);

// Repeating and ending

h2(
  "H73 REFUSED_STREAM: not processed; two in a row, and the connection takes no more",
  async (peer) => {
    for (const id of [1, 3]) {
      const { stream, outcome } = peer.request();
      peer.reset(id, 7);
      const { error } = await outcome;
      assert.equal(error?.code, "ERR_CONNECTION_LOST");
      assert.equal(error.http2?.code, "REFUSED_STREAM");
      assert.equal(stream.isUnprocessed, true);
    }
    assert.equal(peer.client.capacity, 0);
  },
);

h2(
  "H75 GOAWAY: streams above are not processed, those below go on, then the connection closes",
  async (peer) => {
    const one = peer.request();
    const two = peer.request();
    peer.goaway(1, 0);
    const { error } = await two.outcome;
    assert.equal(two.stream.isUnprocessed, true);
    assert.deepEqual(error?.http2, {
      frame: "GOAWAY",
      code: "NO_ERROR",
      scope: "connection",
      from: "peer",
      lastStreamId: 1,
      debugData: "",
    });
    assert.equal(peer.client.capacity, 0);
    peer.answer(1, "still");
    assert.equal((await one.outcome).body, "still");
    assert.equal(one.stream.isUnprocessed, false);
    await peer.sent("GOAWAY");
    assert.notEqual(peer.closed, null);
  },
);

h2("H76 GOAWAY in two steps loses nothing; one that rises ends the connection", async (peer) => {
  const one = peer.request();
  const two = peer.request();
  peer.goaway(2 ** 31 - 1, 0);
  await peer.settled();
  peer.goaway(3, 0);
  peer.answer(1, "one");
  await one.outcome;
  peer.goaway(5, 0);
  await endsWith(peer, "PROTOCOL_ERROR", "ERR_MALFORMED_RESPONSE", /GOAWAY/);
  assert.equal((await two.outcome).error?.code, "ERR_MALFORMED_RESPONSE");
});

h2("H77 GOAWAY with an error: the first stream of the connection is blamed", async (peer) => {
  const one = peer.request();
  const two = peer.request();
  peer.goaway(0, 2, "why \u0007");
  assert.equal((await one.outcome).error?.http2?.debugData, "why \\u0007");
  await two.outcome;
  assert.deepEqual([one.stream.wasBlamed, two.stream.wasBlamed], [true, false]);
});

h2("H79 all frames before the end are served first", async (peer) => {
  const one = peer.request();
  const two = peer.request();
  await peer.settled();
  peer.send(join(
    frame(HEADERS, END_HEADERS, 1, [0x88]),
    frame(DATA, END_STREAM, 1, "one"),
    frame(GOAWAY, 0, 0, [...uint32(3), ...uint32(0)]),
  ));
  await peer.end();
  assert.equal((await one.outcome).body, "one");
  const { error } = await two.outcome;
  assert.equal(error?.code, "ERR_CONNECTION_LOST");
  assert.equal(two.stream.isUnprocessed, false);
  assert.deepEqual([error.http2?.frame, error.http2?.lastStreamId], ["GOAWAY", 3]);
});

h2("H84 RST_STREAM(PROTOCOL_ERROR): the connection takes no more", async (peer) => {
  const { outcome, stream } = peer.request();
  peer.reset(1, 1);
  assert.equal((await outcome).error?.http2?.code, "PROTOCOL_ERROR");
  assert.equal(stream.isUnprocessed, false);
  assert.equal(peer.client.capacity, 0);
});

h2("H85 retired: the open streams end, then the connection", async (peer) => {
  const { outcome } = peer.request();
  await peer.sent("HEADERS", 1);
  peer.client.retire();
  assert.equal(peer.client.capacity, 0);
  peer.answer(1, "x");
  assert.equal((await outcome).body, "x");
  await peer.sent("GOAWAY");
  assert.equal(peer.client.state, "closed");
});

h2("H86 closed: every stream fails with the reason, a GOAWAY is the last word", async (peer) => {
  const { outcome } = peer.request();
  await peer.sent("HEADERS", 1);
  peer.client.close(new Error("now"));
  assert.match(String((await outcome).error), /now/);
  await peer.sent("GOAWAY");
});

h2(
  "H87 an idle connection answers PING and takes settings; its end is nobody's error",
  async (peer) => {
    await peer.settled();
    peer.settings([[SETTING.streams, 3]]);
    await peer.settled();
    assert.equal(peer.client.capacity, 3);
    await peer.end();
    await peer.sent("nothing").catch(() => {});
    assert.notEqual(peer.closed, null);
  },
);

h2("H89 streams that we have reset count until the server has seen it", async (peer) => {
  peer.settings([[SETTING.streams, 10]]);
  await peer.settled();
  for (let i = 0; i < 4; i++) {
    const { stream, outcome } = peer.request();
    stream.cancel(8, new Error("enough"));
    await outcome;
  }
  assert.equal(peer.client.capacity, 6);
  for (let i = 0; i < 2; i++) {
    await peer.settled();
    const pings = peer.frames.filter(({ type, flags }) => type === "PING" && flags !== ACK);
    assert.equal(pings.length, i + 1);
    peer.frame(PING, ACK, 0, pings[i].payload);
  }
  await peer.settled();
  assert.equal(peer.client.capacity, 10);
});

h2("H90 PING is answered with the same octets; answers to none are read over", async (peer) => {
  peer.frame(PING, 0, 0, "abcdefgh");
  const { flags, payload } = await peer.sent("PING");
  assert.deepEqual([flags, new TextDecoder().decode(payload)], [ACK, "abcdefgh"]);
  peer.frame(PING, ACK, 0, "abcdefgh");
  const number = peer.client.ping();
  const ours = await peer.sent("PING");
  peer.frame(PING, ACK, 0, ours.payload);
  await peer.settled();
  assert.ok(peer.told.includes(`ping ${number}`));
});

for (
  const [name, bytes] of [
    ["PING", frame(PING, 0, 0, "12345678")],
    ["SETTINGS", frame(SETTINGS, 0, 0, [])],
  ] as const
) {
  h2(`H91 a flood of ${name} ends the connection`, async (peer) => {
    peer.send(join(...Array.from({ length: 1_100 }, () => bytes)));
    await endsWith(peer, "ENHANCE_YOUR_CALM", "ERR_MALFORMED_RESPONSE", /answered/);
  });
}

for (
  const [name, bytes] of [
    ["PRIORITY", frame(PRIORITY, 0, 1, "12345")],
    ["unknown frames", frame(0xfa, 0, 0, "")],
    ["WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, uint32(1))],
  ] as const
) {
  h2(`H92 a flood of ${name} ends the connection`, async (peer) => {
    peer.request();
    for (let i = 0; i < 11; i++) {
      peer.send(join(...Array.from({ length: 1_000 }, () => bytes)));
    }
    await endsWith(peer, "ENHANCE_YOUR_CALM", "ERR_MALFORMED_RESPONSE", /mean nothing/);
  });
}

h2("H93 a server that resets every stream gets no more of them", async (peer) => {
  for (let i = 0; i < 20; i++) {
    assert.ok(peer.client.capacity > 0);
    const { stream, outcome } = peer.request();
    peer.reset(stream.id, 2);
    await outcome;
  }
  assert.equal(peer.client.capacity, 0);
});

// Requests and tunnels

h2("H97 pseudo-fields first, names in lower case, no host", async (peer) => {
  peer.request({
    target: "/a?b",
    fields: [["Host", "other"], ["X-Name", "v"], ["Connection", "keep-alive"], ["Keep-Alive", "1"]],
  });
  assert.deepEqual(peer.fieldsOf(await peer.sent("HEADERS", 1)), [
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "a.test"],
    [":path", "/a?b"],
    ["x-name", "v"],
  ]);
});

h2("H98 extended CONNECT: refused unless the server takes it", async (peer) => {
  const request = { method: "CONNECT", protocol: "websocket", target: "/chat" };
  assert.throws(() => peer.request(request), { code: "ERR_INVALID_REQUEST" });
  peer.settings([[SETTING.connect, 1]]);
  await peer.settled();
  peer.request(request);
  const fields = peer.fieldsOf(await peer.sent("HEADERS", 1));
  assert.deepEqual(fields.slice(0, 5).map(([name]) => name), [
    ":method",
    ":scheme",
    ":authority",
    ":path",
    ":protocol",
  ]);
});

h2("H99 of TE only trailers goes out", async (peer) => {
  peer.request({ fields: [["te", "trailers"], ["TE", "gzip"]] });
  const fields = peer.fieldsOf(await peer.sent("HEADERS", 1));
  assert.deepEqual(fields.filter(([name]) => name === "te"), [["te", "trailers"]]);
});

h2("H100 cookies go out one by one", async (peer) => {
  peer.request({ fields: [["Cookie", "a=1; b=2; c=a long value that may be compressed"]] });
  const fields = peer.fieldsOf(await peer.sent("HEADERS", 1));
  assert.deepEqual(fields.filter(([name]) => name === "cookie").map(([, value]) => value), [
    "a=1",
    "b=2",
    "c=a long value that may be compressed",
  ]);
});

h2("H101 CONNECT: bytes both ways over the stream, and its end", async (peer) => {
  const { response } = peer.request({
    method: "CONNECT",
    authority: "b.test:443",
    target: "b.test:443",
  });
  const sent = await peer.sent("HEADERS", 1);
  assert.equal(sent.flags & END_STREAM, 0);
  assert.deepEqual(peer.fieldsOf(sent), [[":method", "CONNECT"], [":authority", "b.test:443"]]);
  peer.headers(1, [[":status", "200"]]);
  const conn = (await response).content.takeOver();
  await conn.write(new TextEncoder().encode("hello"));
  assert.equal(new TextDecoder().decode((await peer.sent("DATA", 1)).payload), "hello");
  peer.data(1, "world");
  const room = new Uint8Array(10);
  assert.equal(await conn.read(room), 5);
  await conn.closeWrite();
  assert.equal((await peer.sent("DATA", 1)).flags, END_STREAM);
  peer.data(1, "", true);
  assert.equal(await conn.read(room), null);
  assert.deepEqual([conn.bytesRead, conn.bytesWritten], [5, 5]);
  conn.close();
  const closed = peer.request({ method: "CONNECT", authority: "b.test:443", target: "b.test:443" });
  peer.headers(3, [[":status", "200"]]);
  const second = (await closed.response).content.takeOver();
  const reading = second.read(room);
  second.close();
  await assert.rejects(reading, { code: "ERR_CLOSED" });
  assert.equal(codeOf((await peer.sent("RST_STREAM", 3)).payload), "CANCEL");
});

test("H112 any bytes of a server: each request gets one end, nothing hangs", async () => {
  const random = seededRandom(23);
  for (let round = 0; round < 300; round++) {
    const peer = new FramePeer({ maxResponseHeaderBytes: 4_000 });
    const outcomes = Array.from({ length: 3 }, () => peer.request().outcome);
    const types = [
      DATA,
      HEADERS,
      RST_STREAM,
      SETTINGS,
      PING,
      GOAWAY,
      WINDOW_UPDATE,
      CONTINUATION,
      0xfa,
    ];
    for (let i = 0; i < 30; i++) {
      const type = types[Math.floor(random() * types.length)];
      const id = [0, 1, 3, 5, 7][Math.floor(random() * 5)];
      const payload = random() < 0.4
        ? Array.from({ length: Math.floor(random() * 12) }, () => Math.floor(random() * 256))
        : type === HEADERS
        ? [0x88]
        : type === RST_STREAM || type === WINDOW_UPDATE
        ? uint32(Math.floor(random() * 20))
        : "12345678";
      peer.frame(type, random() < 0.5 ? 0x5 : Math.floor(random() * 64), id, payload);
    }
    // It may be over already.
    await peer.end().catch(() => {});
    for (const { status, error } of await Promise.all(outcomes)) {
      assert.ok(status !== null || error !== null);
    }
    assert.notEqual(peer.closed, null);
    assert.equal(peer.client.streamCount, 0);
    await peer.close();
  }
});
