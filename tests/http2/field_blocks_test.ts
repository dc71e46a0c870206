/**
 * Field blocks, both ways: the examples of RFC 7541, what is refused, the table within its size,
 * and an implementation that others wrote.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type { Deviation } from "../../http/deviation.ts";
import { BlockDecoder } from "../../http2/block_decoder.ts";
import type { BlockPurpose, DecodedSection } from "../../http2/decoded_section.ts";
import { BlockEncoder } from "../../http2/block_encoder.ts";
import { METHOD, PSEUDO } from "../../http2/field_kind.ts";
import { errorCodeName, Http2Violation } from "../../http2/http2_error.ts";
import { huffmanDecode, huffmanEncode, huffmanLength } from "../../http2/huffman.ts";
import { bytesOf, seededRandom } from "../support/feed.ts";
import { test } from "../support/harness.ts";

type Field = readonly [name: string, value: string];

const NAMES = [":status", ":method", ":scheme", ":authority", ":path", ":protocol"];

function hex(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replaceAll(" ", "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

function purpose(options: Partial<BlockPurpose> = {}): BlockPurpose {
  return { limitBytes: 65_536, mode: "strict", section: "response", deviations: [], ...options };
}

function decode(
  decoder: BlockDecoder,
  block: Uint8Array,
  options: Partial<BlockPurpose> = {},
): DecodedSection {
  // Behind and before other bytes: places are counted from where they are.
  const around = new Uint8Array(block.length + 7);
  around.set(block, 3);
  return decoder.decode(around, 3, 3 + block.length, purpose(options));
}

function fieldsOf(section: DecodedSection): Field[] {
  assert.equal(section.violation, null);
  const pseudo = section.pseudo.flatMap((value, i): Field[] =>
    value === undefined ? [] : [[NAMES[i], value]]
  );
  return [...pseudo, ...section.fields.headers];
}

function encode(encoder: BlockEncoder, fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  encoder.begin();
  for (const [name, value] of fields) encoder.field(name, value);
  return encoder.end().slice();
}

const getPage: Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "www.example.com"],
  [":path", "/"],
];
const requests: Field[][] = [
  getPage,
  [...getPage, ["cache-control", "no-cache"]],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "www.example.com"],
    [":path", "/index.html"],
    ["custom-key", "custom-value"],
  ],
];
const date = "Mon, 21 Oct 2013 20:13:21 GMT";
const location: Field = ["location", "https://www.example.com"];
const responses: Field[][] = [
  [[":status", "302"], ["cache-control", "private"], ["date", date], location],
  [[":status", "307"], ["cache-control", "private"], ["date", date], location],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    location,
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];

/** The examples of appendix C: blocks of one connection in a row, and the size of the table behind each. */
const EXAMPLES: readonly {
  name: string;
  tableBytes: number;
  section: "request" | "response";
  blocks: readonly (readonly [block: string, fields: Field[], sizeBytes: number])[];
}[] = [
  {
    name: "C.3",
    tableBytes: 4096,
    section: "request",
    blocks: [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", requests[0], 57],
      ["8286 84be 5808 6e6f 2d63 6163 6865", requests[1], 110],
      [
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        requests[2],
        164,
      ],
    ],
  },
  {
    name: "C.4",
    tableBytes: 4096,
    section: "request",
    blocks: [
      ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", requests[0], 57],
      ["8286 84be 5886 a8eb 1064 9cbf", requests[1], 110],
      ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", requests[2], 164],
    ],
  },
  {
    name: "C.5",
    tableBytes: 256,
    section: "response",
    blocks: [
      [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 " +
        "2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 " +
        "6c65 2e63 6f6d",
        responses[0],
        222,
      ],
      ["4803 3330 37c1 c0bf", responses[1], 222],
      [
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d " +
        "54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 " +
        "5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e " +
        "3d31",
        responses[2],
        215,
      ],
    ],
  },
  {
    name: "C.6",
    tableBytes: 256,
    section: "response",
    blocks: [
      [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 " +
        "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        responses[0],
        222,
      ],
      ["4883 640e ffc1 c0bf", responses[1], 222],
      [
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab " +
        "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f " +
        "9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        responses[2],
        215,
      ],
    ],
  },
];

for (const { name, tableBytes, section, blocks } of EXAMPLES) {
  test(`field blocks: RFC 7541 ${name}`, () => {
    const decoder = new BlockDecoder(tableBytes);
    for (const [block, fields, sizeBytes] of blocks) {
      const got = fieldsOf(decode(decoder, hex(block), { section }));
      assert.deepEqual(got.toSorted(), fields.toSorted());
      assert.equal(decoder.table.sizeBytes, sizeBytes);
    }
  });
}

test("field blocks: RFC 7541 C.2, each way to write a field", () => {
  const rows: [string, Field, number][] = [
    [
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      ["custom-key", "custom-header"],
      1,
    ],
    ["040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"], 0],
    ["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"], 0],
    ["82", [":method", "GET"], 0],
  ];
  for (const [block, field, count] of rows) {
    const decoder = new BlockDecoder();
    assert.deepEqual(fieldsOf(decode(decoder, hex(block), { section: "request" })), [field]);
    assert.equal(decoder.table.count, count);
  }
});

/** What breaks compression and so the connection: H27 to H29. */
const BROKEN: Readonly<Record<string, string>> = {
  "H27 index 0": "80",
  "H27 index beyond the table": "be",
  "H27 a name's index beyond the table": "7e 01 61",
  "H27 an integer beyond 2^32": "ff ff ff ff ff ff ff 7f",
  "H27 an integer of endless zeros": "ff 80 80 80 80 80 80 80 80 00",
  "H27 an integer cut off": "ff 80",
  "H27 a string beyond the block": "40 05 61 62",
  "H27 a block that ends behind a name": "40 01 61",
  "H27 a block that ends behind its first octet": "40",
  "H28 EOS in a string": "40 84 ff ff ff ff 01 61",
  "H28 padding of a whole octet": "40 82 1f ff 01 61",
  "H28 padding that is not all ones": "40 81 18 01 61",
  "H29 a size update above what was offered": "3f e2 1f",
  "H29 a size update behind a field": "88 20",
};

for (const [name, block] of Object.entries(BROKEN)) {
  test(`field blocks: ${name} ends the connection`, () => {
    assert.throws(() => decode(new BlockDecoder(), hex(block)), (error) => {
      assert.ok(error instanceof Http2Violation);
      assert.equal(error.scope, "connection");
      assert.equal(errorCodeName(error.errorCode), "COMPRESSION_ERROR");
      return true;
    });
  });
}

test("H30 an entry larger than the table empties it; a name is right whose entry it pushes out", () => {
  const decoder = new BlockDecoder(64);
  decode(decoder, hex("88 40 01 61 01 62"));
  assert.equal(decoder.table.count, 1);
  // The name of the entry that has to leave for the new one.
  const section = decode(decoder, hex("88 7e 08 6363 6363 6363 6363"));
  assert.deepEqual(fieldsOf(section), [[":status", "200"], ["a", "cccccccc"]]);
  assert.equal(decoder.table.count, 1);
  decode(decoder, new Uint8Array([0x88, 0x40, 1, 0x61, 40, ...new Array(40).fill(0x62)]));
  assert.equal(decoder.table.count, 0);
});

test("H31 a section beyond its limit is told, and the table goes on; far beyond ends the connection", () => {
  const decoder = new BlockDecoder();
  const deviations: Deviation[] = [];
  // One entry of 100 octets, then nine times itself.
  const entry = [0x88, 0x40, 1, 0x61, 99, ...new Array(99).fill(0x62)];
  const large = new Uint8Array([...entry, ...new Array(9).fill(0xbe)]);
  const { violation, fields } = decode(decoder, large, { limitBytes: 500, deviations });
  assert.equal(violation?.scope, "stream");
  assert.equal(violation.httpErrorCode, "ERR_HEADERS_TOO_LARGE");
  assert.ok(fields.text.length <= 500);
  assert.deepEqual(fieldsOf(decode(decoder, hex("88 be"))).length, 2);
  const endless = new Uint8Array([...entry, ...new Array(100).fill(0xbe)]);
  assert.throws(() => decode(decoder, endless, { limitBytes: 500 }), (error) => {
    assert.ok(error instanceof Http2Violation);
    assert.equal(error.scope, "connection");
    assert.equal(errorCodeName(error.errorCode), "ENHANCE_YOUR_CALM");
    return true;
  });
});

/** Sections that no message may have: H38 to H43. The block, what is allowed, the word that tells. */
const MALFORMED: readonly (readonly [string, string, BlockPurpose["section"], RegExp])[] = [
  ["H39 a pseudo-field behind an ordinary one", "0001 6101 6288", "response", /":status".*behind/],
  ["H39 an unknown pseudo-field", "00023a 6101 62", "response", /":a".*does not belong/],
  ["H39 a pseudo-field of requests", "82", "response", /":method".*does not belong/],
  ["H39 a pseudo-field in trailers", "88", "trailers", /":status".*does not belong/],
  ["H38 a pseudo-field twice", "88 88", "response", /":status".*came before/],
  ["H40 an empty name", "0000 0162", "response", /name/],
  ["H40 an upper-case letter", "0002 4161 0162", "response", /"Aa".*name/],
  ["H40 a space in a name", "0002 6120 0162", "response", /"a ".*name/],
  ["H41 NUL in a value", "0001 6101 00", "response", /"a".*value/],
  ["H41 CR in a value", "0001 6102 6 20d".replaceAll(" ", ""), "response", /"a".*value/],
  ["H41 LF in a value", "0001 6102 0a62", "response", /"a".*value/],
];

for (const [name, block, section, told] of MALFORMED) {
  test(`${name} is refused, the connection lives`, () => {
    const decoder = new BlockDecoder();
    const { violation } = decode(decoder, hex(block), { section });
    assert.equal(violation?.scope, "stream");
    assert.equal(errorCodeName(violation.errorCode), "PROTOCOL_ERROR");
    assert.match(violation.message, told);
    assert.deepEqual(fieldsOf(decode(decoder, hex("88"))), [[":status", "200"]]);
  });
}

test("H42 white space around a value is cut and told", () => {
  const deviations: Deviation[] = [];
  const section = decode(new BlockDecoder(), hex("88 0001 6105 2009 6220 09"), { deviations });
  assert.deepEqual(fieldsOf(section), [[":status", "200"], ["a", "b"]]);
  assert.deepEqual(deviations, ["field-white-space"]);
});

test("H43 fields about an HTTP/1 connection: refused when strict, else dropped and told", () => {
  for (
    const name of ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
  ) {
    const block = encode(new BlockEncoder(), [[":status", "200"], [name, "x"]]);
    assert.match(decode(new BlockDecoder(), block).violation!.message, new RegExp(`"${name}"`));
    const deviations: Deviation[] = [];
    const lenient = decode(new BlockDecoder(), block, { mode: "lenient", deviations });
    assert.deepEqual(fieldsOf(lenient), [[":status", "200"]]);
    assert.deepEqual(deviations, ["connection-field"]);
  }
});

test("H52 order and repeats are kept, octets above 127 too", () => {
  const fields: Field[] = [
    [":status", "200"],
    ["set-cookie", "a=1"],
    ["x", "\u00e9\u00ff"],
    ["set-cookie", "b=2"],
    ["content-length", "3"],
    ["content-length", "4"],
  ];
  const section = decode(new BlockDecoder(), encode(new BlockEncoder(), fields));
  assert.deepEqual(fieldsOf(section), fields);
  assert.deepEqual(section.fields.valuesFrom(section.fields.contentLength), ["3", "4"]);
});

test("Huffman: every octet, and every pair of them, comes back", () => {
  for (let a = 0; a < 256; a++) {
    let text = "";
    for (let b = 0; b < 256; b++) text += String.fromCharCode(a, b);
    const coded = new Uint8Array(huffmanLength(text));
    assert.equal(huffmanEncode(text, coded, 0), coded.length);
    const decoded = new Uint8Array(text.length);
    assert.equal(huffmanDecode(coded, 0, coded.length, decoded, 0), text.length);
    assert.deepEqual(decoded, bytesOf(text));
  }
});

test("H10 the encoder tells a change of its table first, the lowest size too", () => {
  const encoder = new BlockEncoder();
  const decoder = new BlockDecoder();
  const fields: Field[] = [[":status", "200"], ["a", "b"], ["c", "d"]];
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(fieldsOf(decode(decoder, encode(encoder, fields))), fields);
  }
  assert.equal(decoder.table.count, 2);
  encoder.offered(0);
  encoder.offered(100);
  const block = encode(encoder, fields);
  assert.deepEqual([...block.subarray(0, 3)], [0x20, 0x3f, 100 - 31]);
  assert.deepEqual(fieldsOf(decode(decoder, block)), fields);
  // Never more than its own limit, whatever is offered.
  encoder.offered(2 ** 32 - 1);
  assert.deepEqual([...encode(encoder, [])], [0x3f, 0xe1, 0x1f]);
});

test("H36 a secret is never indexed, on either end", () => {
  const encoder = new BlockEncoder();
  const decoder = new BlockDecoder();
  for (let i = 0; i < 4; i++) {
    encoder.begin();
    encoder.field(":status", "200");
    encoder.field("authorization", "Bearer secret", true);
    const block = encoder.end();
    // Pattern 0001, the name by its index: 15 and 23 - 15.
    assert.deepEqual([...block.subarray(1, 3)], [0x1f, 23 - 15]);
    assert.equal(fieldsOf(decode(decoder, block))[1][1], "Bearer secret");
  }
  assert.equal(decoder.table.count, 0);
});

test("H37 values that change with each message push nothing out of the table", () => {
  const encoder = new BlockEncoder(200);
  const decoder = new BlockDecoder(4096);
  const lasting: Field[] = [["x-lasting", "one"], ["x-also", "two"]];
  for (let i = 0; i < 1_000; i++) {
    const block = encode(encoder, [...lasting, ["x-trace", String(i)], ["x-other", `v${i}`]]);
    decode(decoder, block, { section: "trailers" });
    if (i > 2) {
      assert.deepEqual([...block.subarray(0, 2)].map((byte) => byte >= 0x80), [true, true]);
    }
  }
  assert.equal(decoder.table.count, 2);
});

interface OtherEncoder {
  write(fields: { name: string; value: string; huffman?: boolean; incremental?: boolean }[]): void;
  read(): Uint8Array | null;
}
interface OtherDecoder {
  write(block: Uint8Array): void;
  execute(): void;
  read(): { name: string; value: string } | null;
}
const other: {
  compressor: { create(options: unknown): OtherEncoder };
  decompressor: { create(options: unknown): OtherDecoder };
} = createRequire(import.meta.url)("hpack.js");

/** Fields of which some recur and some do not. */
function randomFields(random: () => number): Field[] {
  const fields: Field[] = [[":status", random() < 0.5 ? "200" : "404"]];
  for (let n = Math.floor(random() * 12); n > 0; n--) {
    const value = random() < 0.6 ? `value ${Math.floor(random() * 5)}` : Array.from(
      { length: Math.floor(random() * 60) },
      () => String.fromCharCode(0x21 + random() * 94),
    ).join("");
    fields.push([`x-${Math.floor(random() * 8)}`, value]);
  }
  return fields;
}

test("field blocks: what we write, others read; what others write, we read", () => {
  const random = seededRandom(7);
  const table = { table: { maxSize: 1024 } };
  const theirDecoder = other.decompressor.create(table);
  const theirEncoder = other.compressor.create(table);
  const ourEncoder = new BlockEncoder(1024);
  const ourDecoder = new BlockDecoder(1024);
  // Its table is as small from the beginning.
  encode(ourEncoder, []);
  for (let i = 0; i < 400; i++) {
    const fields = randomFields(random);
    theirDecoder.write(Buffer.from(encode(ourEncoder, fields)));
    theirDecoder.execute();
    const read: Field[] = [];
    for (let field = theirDecoder.read(); field; field = theirDecoder.read()) {
      read.push([field.name, field.value]);
    }
    assert.deepEqual(read, fields);
    const incremental = random() < 0.7;
    const huffman = random() < 0.7;
    theirEncoder.write(fields.map(([name, value]) => ({ name, value, huffman, incremental })));
    const block: number[] = [];
    for (let part = theirEncoder.read(); part; part = theirEncoder.read()) block.push(...part);
    assert.deepEqual(fieldsOf(decode(ourDecoder, Uint8Array.from(block))), fields);
  }
  assert.ok(ourDecoder.table.count > 5);
});

test("field blocks: any bytes are a section or a violation, and cost what they are long", () => {
  const random = seededRandom(11);
  let sections = 0;
  for (let i = 0; i < 20_000; i++) {
    const decoder = new BlockDecoder(256);
    const block = Uint8Array.from(
      { length: 1 + Math.floor(random() * 40) },
      () => random() < 0.3 ? 0x80 + random() * 64 : random() * 256,
    );
    try {
      const { fields } = decode(decoder, block, { limitBytes: 1000 });
      assert.ok(fields.text.length <= 1000);
      sections++;
    } catch (error) {
      assert.ok(error instanceof Http2Violation);
      assert.equal(error.scope, "connection");
    }
  }
  assert.ok(sections > 300, `${sections}`);
});

test("field blocks: pseudo-fields of requests are told apart", () => {
  const section = decode(new BlockDecoder(), hex("82 84 86 41 01 61"), { section: "request" });
  assert.deepEqual(section.pseudo[METHOD - PSEUDO], "GET");
  assert.deepEqual(fieldsOf(section).map(([name]) => name).toSorted(), [
    ":authority",
    ":method",
    ":path",
    ":scheme",
  ]);
});
