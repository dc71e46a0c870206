/**
 * IP addresses as text and bytes, and blocks of them. Pure: no resolver, no socket.
 *
 * @module
 */

/** An IP address. */
export interface IpAddress {
  /** In network order: 4 of IPv4, 16 of IPv6. Not to be changed. */
  readonly bytes: Uint8Array;
  /** Which link an IPv6 address is of, what follows its `%`; else `""`. RFC 4007 section 11. */
  readonly zone: string;
}

/** All addresses of one family that begin with the same bits. */
export interface IpBlock {
  /** 4 or 16; those behind the prefix are of no meaning. */
  readonly bytes: Uint8Array;
  /** How many bits must agree: 0..32 or 0..128. */
  readonly prefixBits: number;
}

const IPV4_PART = /^(?:0|[1-9][0-9]{0,2})$/;
const IPV6_PART = /^[0-9A-Fa-f]{1,4}$/;
const ZONE = /^[0-9A-Za-z._~:-]+$/;
const PREFIX = /^(?:0|[1-9][0-9]{0,2})$/;

/**
 * Reads an IP address in its usual forms: four decimal numbers without leading zeros, or groups of
 * hexadecimal digits, with `::`, an IPv4 address at the end and a zone as far as there are any.
 *
 * Pure.
 *
 * @param text Without brackets.
 * @returns Null if it is not an IP address.
 * @see RFC 4291 section 2.2
 */
export function parseIp(text: string): IpAddress | null {
  const zoneAt = text.indexOf("%");
  const zone = zoneAt === -1 ? "" : text.slice(zoneAt + 1);
  const rest = zoneAt === -1 ? text : text.slice(0, zoneAt);
  const isIpv6 = rest.includes(":");
  if (zoneAt !== -1 && !(isIpv6 && ZONE.test(zone))) return null;
  const bytes = isIpv6 ? parseIpv6(rest) : parseIpv4(rest);
  return bytes && { bytes: Uint8Array.from(bytes), zone };
}

/**
 * Reads the host names that resolvers and URL parsers take for IP addresses: besides the forms of
 * {@linkcode parseIp} also one in brackets, and IPv4 with fewer, octal or hexadecimal numbers and a
 * dot at its end (`2130706433`, `127.1`, `0177.0.0.1`, `0x7f.1`).
 *
 * Pure.
 *
 * @returns Null for a name that is to be resolved.
 * @see WHATWG URL section 3.5, "IPv4 parser"
 */
export function parseHostIp(hostname: string): IpAddress | null {
  if (hostname.startsWith("[") && hostname.endsWith("]")) return parseIp(hostname.slice(1, -1));
  if (hostname.includes(":")) return parseIp(hostname);
  const parts = (hostname.endsWith(".") ? hostname.slice(0, -1) : hostname).split(".");
  const numbers = parts.map(parseIpv4Number);
  const last = numbers.pop()!;
  // The last number fills all bytes that are left.
  if (numbers.length > 3 || !(last < 256 ** (4 - numbers.length))) return null;
  if (!numbers.every((number) => number < 256)) return null;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, last);
  numbers.forEach((number, index) => bytes[index] = number);
  return { bytes, zone: "" };
}

/** NaN for what is no number. */
function parseIpv4Number(text: string): number {
  if (/^0x[0-9a-f]*$/i.test(text)) return parseInt(`0${text.slice(2)}`, 16);
  if (/^0[0-7]+$/.test(text)) return parseInt(text, 8);
  return /^(?:0|[1-9][0-9]*)$/.test(text) ? Number(text) : NaN;
}

/**
 * Reads a block, `10.0.0.0/8`, or an address, which is the block of itself alone. A block of
 * IPv4-mapped addresses becomes one of IPv4.
 *
 * Pure.
 *
 * @returns Null if it is neither, or has a zone.
 * @see RFC 4632 section 3.1
 */
export function parseIpBlock(text: string): IpBlock | null {
  const slashAt = text.indexOf("/");
  const address = parseIp(slashAt === -1 ? text : text.slice(0, slashAt));
  if (address === null || address.zone !== "") return null;
  const { bytes } = address;
  const prefix = slashAt === -1 ? `${bytes.length * 8}` : text.slice(slashAt + 1);
  const prefixBits = Number(prefix);
  if (!PREFIX.test(prefix) || prefixBits > bytes.length * 8) return null;
  const inner = prefixBits < 96 ? bytes : unmappedBytes(bytes);
  return { bytes: inner, prefixBits: inner === bytes ? prefixBits : prefixBits - 96 };
}

/** Tells whether an address is in a block. One of another family never is. Pure. */
export function isInBlock(bytes: Uint8Array, block: IpBlock): boolean {
  if (bytes.length !== block.bytes.length) return false;
  const wholeBytes = block.prefixBits >> 3;
  for (let i = 0; i < wholeBytes; i++) {
    if (bytes[i] !== block.bytes[i]) return false;
  }
  const bitsLeft = block.prefixBits & 7;
  return bitsLeft === 0 || (bytes[wholeBytes] ^ block.bytes[wholeBytes]) >> (8 - bitsLeft) === 0;
}

const mappedBlock: IpBlock = {
  bytes: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0),
  prefixBits: 96,
};

/**
 * The IPv4 address inside of an IPv4-mapped one (`::ffff:a.b.c.d`), which the operating system
 * connects to in its place; any other address as it is. Pure.
 *
 * @see RFC 4291 section 2.5.5.2
 */
export function unmappedBytes(bytes: Uint8Array): Uint8Array {
  return isInBlock(bytes, mappedBlock) ? bytes.subarray(12) : bytes;
}

/**
 * The one text of an address: that of a URL, with the zone behind it. Pure.
 *
 * @see RFC 5952 section 4
 */
export function ipText({ bytes, zone }: IpAddress): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes[2 * i] << 8 | bytes[2 * i + 1]);
  const [start, length] = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  const text = length < 2
    ? hex(groups)
    : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
  return zone === "" ? text : `${text}%${zone}`;
}

/** The first of the longest. */
function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let longest: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > longest[1]) longest = [start, end - start];
  }
  return longest;
}

function parseIpv4(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => IPV4_PART.test(part))) return null;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte < 256) ? bytes : null;
}

function parseIpv6(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const isShort = halves.length === 2;
  // The IPv4 address, if there is one, stands at the end of all.
  const head = parseIpv6Groups(halves[0], !isShort);
  const tail = isShort ? parseIpv6Groups(halves[1], true) : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (isShort ? missing < 2 : missing !== 0) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseIpv6Groups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (mayEndInIpv4 && index === parts.length - 1 && part.includes(".")) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === null) return null;
      bytes.push(...ipv4);
    } else {
      if (!IPV6_PART.test(part)) return null;
      const group = parseInt(part, 16);
      bytes.push(group >> 8, group & 255);
    }
  }
  return bytes;
}
