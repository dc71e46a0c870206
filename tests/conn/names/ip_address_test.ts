/**
 * IP addresses and blocks of them: text to bytes and back, against the URL parser and `node:net`.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as net from "node:net";
import fc from "fast-check";
import {
  ipText,
  isInBlock,
  parseHostIp,
  parseIp,
  parseIpBlock,
  unmappedBytes,
} from "../../../conn/names/ip_address.ts";
import { ipForms } from "../../../conn/names/ip_class.ts";
import { test } from "../../support/harness.ts";

/** What the URL parser makes of a host, IPv6 without brackets; null if it is none. */
function urlHost(host: string): string | null {
  const url = `http://${host}/`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : null;
}

function textOf(ip: ReturnType<typeof parseIp>): string | null {
  return ip && ipText(ip);
}

const ipv4Like = fc.string({ unit: fc.constantFrom(..."0123456789..xaF"), maxLength: 16 });
const ipv6Like = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."01f:::.2A"), maxLength: 24 }),
  fc.array(fc.constantFrom("0", "1", "00ab", "", "1.2.3.4", "fffff", "g"), { maxLength: 10 })
    .map((groups) => groups.join(":")),
  fc.ipV6(),
);

test("parseIp() takes the IPv6 addresses that node:net takes, and writes them as a URL does", () => {
  fc.assert(fc.property(ipv6Like, (text) => {
    if (!text.includes(":")) return;
    const canonical = textOf(parseIp(text));
    assert.equal(canonical !== null, net.isIPv6(text), text);
    if (canonical === null) return;
    assert.equal(canonical, urlHost(`[${canonical}]`), text);
    // Bun's URL parser refuses "0:0::1.2.3.4" and takes "::0:".
    if (URL.canParse(`http://[${text}]/`)) assert.equal(canonical, urlHost(`[${text}]`), text);
  }));
});

test("parseIp() takes the IPv4 addresses that node:net takes", () => {
  fc.assert(fc.property(fc.oneof(ipv4Like, fc.ipV4()), (text) => {
    assert.equal(textOf(parseIp(text)), net.isIPv4(text) ? text : null, text);
  }));
});

test("parseHostIp() makes of numbers what the URL parser makes of them", () => {
  const numbers = fc.array(
    fc.oneof(
      fc.nat(300).map(String),
      fc.nat({ max: 2 ** 33 }).map(String),
      fc.nat(300).map((n) => `0x${n.toString(16)}`),
      fc.nat(300).map((n) => `0${n.toString(8)}`),
      fc.constantFrom("08", "0x", "0X0a", "00", ""),
    ),
    { minLength: 1, maxLength: 5 },
  ).map((parts) => parts.join("."));
  fc.assert(fc.property(fc.oneof(numbers, ipv4Like), (text) => {
    const host = urlHost(text);
    const isIp = host !== null && net.isIPv4(host);
    assert.equal(textOf(parseHostIp(text)), isIp ? host : null, text);
  }));
});

test("parseHostIp() takes what the system's resolver takes for 127.0.0.1", () => {
  for (
    const text of [
      "127.0.0.1",
      "2130706433",
      "0x7f000001",
      "017700000001",
      "127.1",
      "127.0.1",
      "0177.0.0.1",
      "0x7f.1",
      "127.0.0.1.",
      "0X7F.0.0.0x1",
      "[::ffff:127.0.0.1]",
      "::ffff:7f00:1",
    ]
  ) {
    const ip = parseHostIp(text);
    assert.ok(ip !== null, text);
    assert.equal(unmappedBytes(ip.bytes).join("."), "127.0.0.1", text);
  }
  for (
    const text of ["", ".", "a.1", "1.2.3.4.5", "256.1.1.1.", "1e3", "+1", " 1", "[1.2.3.4", "-1"]
  ) {
    assert.equal(parseHostIp(text), null, text);
  }
});

test("parseIp() and ipText() are the inverse of each other for all bytes", () => {
  const bytes = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length })
      .map((all) => all.map((byte) => byte < 128 ? 0 : byte));
  fc.assert(fc.property(fc.oneof(bytes(4), bytes(16)), (all) => {
    const ip = parseIp(ipText({ bytes: all, zone: "" }));
    assert.deepEqual([...ip!.bytes], [...all]);
  }));
});

test("parseIp() keeps a zone, of IPv6 only", () => {
  assert.equal(textOf(parseIp("FE80:0::1%eth0.1")), "fe80::1%eth0.1");
  for (const text of ["fe80::1%", "1.2.3.4%eth0", "fe80::1%a b", "fe80::1%a%b", "%eth0"]) {
    assert.equal(parseIp(text), null, text);
  }
});

test("parseIpBlock() refuses what is no block", () => {
  for (
    const text of [
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/08",
      "10.0.0.0/-1",
      "10.0.0.0/8/8",
      "10.0.0.0/8 ",
      "10.0.0/8",
      "::/129",
      "fe80::1%eth0/64",
      "/8",
      "a/8",
      "",
    ]
  ) {
    assert.equal(parseIpBlock(text), null, text);
  }
});

test("isInBlock() compares the bits of the prefix and no more", () => {
  const rows: [address: string, block: string, expected: boolean][] = [
    ["10.255.0.1", "10.0.0.0/8", true],
    ["11.0.0.0", "10.0.0.0/8", false],
    ["172.31.255.255", "172.16.0.0/12", true],
    ["172.32.0.0", "172.16.0.0/12", false],
    ["10.1.2.3", "10.9.9.9/8", true],
    ["1.2.3.4", "0.0.0.0/0", true],
    ["::1", "0.0.0.0/0", false],
    ["1.2.3.4", "::/0", false],
    ["1.2.3.4", "1.2.3.4", true],
    ["1.2.3.5", "1.2.3.4", false],
    ["1.2.3.5", "1.2.3.4/31", true],
    ["febf::1", "fe80::/10", true],
    ["fec0::1", "fe80::/10", false],
    ["10.1.2.3", "::ffff:10.0.0.0/104", true],
    ["11.1.2.3", "::ffff:10.0.0.0/104", false],
  ];
  for (const [address, block, expected] of rows) {
    const { bytes } = parseIp(address)!;
    assert.equal(isInBlock(bytes, parseIpBlock(block)!), expected, `${address} in ${block}`);
  }
});

test("isInBlock() agrees with a comparison of bits as text", () => {
  const bits = (bytes: Uint8Array) =>
    [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.nat(32),
      fc.nat(31),
      (bytes, prefixBits, flipped) => {
        const other = bytes.slice();
        other[flipped >> 3] ^= 128 >> (flipped & 7);
        const same = bits(bytes).slice(0, prefixBits) === bits(other).slice(0, prefixBits);
        assert.equal(isInBlock(other, { bytes, prefixBits }), same);
      },
    ),
  );
});

test("ipForms() finds the IPv4 addresses inside of IPv6 ones", () => {
  const rows: [address: string, ...forms: string[]][] = [
    ["8.8.8.8", "8.8.8.8"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["::127.0.0.1", "::7f00:1", "127.0.0.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["::ffff:0:127.0.0.1", "::ffff:0:7f00:1", "127.0.0.1"],
    ["64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe", "169.254.169.254"],
    ["64:ff9b:1::10.0.0.1", "64:ff9b:1::a00:1", "10.0.0.1"],
    ["2002:7f00:1::", "2002:7f00:1::", "127.0.0.1"],
    [
      "2001:0:4136:e378:8000:63bf:3fff:fdd2",
      "2001:0:4136:e378:8000:63bf:3fff:fdd2",
      "65.54.227.120",
      "192.0.2.45",
    ],
    ["2001:db8::5efe:10.0.0.1", "2001:db8::5efe:a00:1", "10.0.0.1"],
    ["2001:db8::200:5efe:10.0.0.1", "2001:db8::200:5efe:a00:1", "10.0.0.1"],
    ["2001:db8::1", "2001:db8::1"],
  ];
  for (const [address, ...expected] of rows) {
    const forms = ipForms(parseIp(address)!.bytes).map((bytes) => ipText({ bytes, zone: "" }));
    assert.deepEqual(forms, expected, address);
  }
});
