/**
 * What kinds of IP addresses there are besides those of the internet, and the IPv4 addresses that
 * stand inside of IPv6 ones. Tables; no policy.
 *
 * @module
 */
import { type IpBlock, isInBlock, parseIpBlock, unmappedBytes } from "./ip_address.ts";

/** Parsed when they are asked for: most programs never ask. */
class Blocks {
  readonly #texts: readonly string[];
  #parsed: readonly IpBlock[] | null = null;

  constructor(...texts: string[]) {
    this.#texts = texts;
  }

  get parsed(): readonly IpBlock[] {
    return this.#parsed ??= this.#texts.map((text) => parseIpBlock(text)!);
  }
}

/**
 * The addresses of each class.
 *
 * @see IANA, IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890)
 */
const ipClasses: ReadonlyMap<string, Blocks> = new Map([
  // "This network" and the unspecified addresses: connecting to them ends at this machine.
  ["loopback", new Blocks("127.0.0.0/8", "::1", "0.0.0.0/8", "::")],
  ["link-local", new Blocks("169.254.0.0/16", "fe80::/10")],
  [
    "private",
    new Blocks(
      // RFC 1918.
      "10.0.0.0/8",
      "172.16.0.0/12",
      "192.168.0.0/16",
      // Behind a carrier's translator, RFC 6598.
      "100.64.0.0/10",
      // Protocol assignments and benchmarks: inside of somebody's network if anywhere.
      "192.0.0.0/24",
      "198.18.0.0/15",
      // Reserved, and in use inside of large networks; with the broadcast address.
      "240.0.0.0/4",
      // Unique local, RFC 4193, and site-local, which it replaced.
      "fc00::/7",
      "fec0::/10",
      // A translator's own prefix, RFC 8215.
      "64:ff9b:1::/48",
    ),
  ],
  [
    "metadata",
    new Blocks(
      // Amazon (also tasks, pods), Azure, Google, OpenStack, Oracle and most others.
      "169.254.169.254",
      "169.254.170.2",
      "169.254.170.23",
      "fd00:ec2::254",
      "fd00:ec2::23",
      "fd20:ce::254",
      "fe80::a9fe:a9fe",
      "192.0.0.192",
      // Azure's host, Alibaba, Tencent, Scaleway.
      "168.63.129.16",
      "100.100.100.200",
      "169.254.0.23",
      "169.254.42.42",
      "fd00:42::42",
    ),
  ],
]);

/** The addresses of a class; undefined: there is none of that name. */
export function ipClass(name: string): readonly IpBlock[] | undefined {
  return ipClasses.get(name)?.parsed;
}

/** Tells whether an address is of a class of {@linkcode ipClass}. Pure. */
export function isOfClass(bytes: Uint8Array, name: string): boolean {
  return ipClass(name)!.some((block) => isInBlock(bytes, block));
}

/** Tells whether a name means this machine: `localhost` and what is below it. RFC 6761 section 6.3. */
export function isLocalhost(hostname: string): boolean {
  return /^(?:.*\.)?localhost\.?$/i.test(hostname);
}

/**
 * Tells whether a name means this machine and nobody needs to be asked where that is: one below
 * `localhost`, or `localhost.`. The bare name is left to the system, which always knows it, and to
 * whoever has permitted it by this name. Pure.
 *
 * @see RFC 6761 section 6.3
 */
export function isBelowLocalhost(hostname: string): boolean {
  return isLocalhost(hostname) && hostname.length > "localhost".length;
}

/** Ways to write an IPv4 address into an IPv6 one. */
const embedding = new Blocks(
  // IPv4-compatible and IPv4-translated.
  "::/96",
  "::ffff:0:0:0/96",
  // NAT64, also with a translator's own prefix.
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  // 6to4.
  "2002::/16",
  // Teredo: its server, and the client inverted.
  "2001::/32",
  "2001::/32",
);

/** Where in each of {@linkcode embedding} it is, and whether inverted. */
const embedded: readonly (readonly [offset: number, flip: number])[] = [
  [12, 0],
  [12, 0],
  [12, 0],
  [12, 0],
  [2, 0],
  [4, 0],
  [12, 255],
];

const notCompatible = new Blocks("::", "::1");

/**
 * Lists what an address may turn out to be: itself (an IPv4-mapped one as IPv4), and the IPv4
 * addresses inside of it where it is of NAT64, 6to4, Teredo, ISATAP, IPv4-compatible or translated.
 *
 * Pure.
 */
export function ipForms(bytes: Uint8Array): Uint8Array[] {
  const forms = [unmappedBytes(bytes)];
  if (forms[0].length === 4 || notCompatible.parsed.some((block) => isInBlock(bytes, block))) {
    return forms;
  }
  embedding.parsed.forEach((block, index) => {
    if (!isInBlock(bytes, block)) return;
    const [offset, flip] = embedded[index];
    forms.push(bytes.subarray(offset, offset + 4).map((byte) => byte ^ flip));
  });
  // ISATAP is told by the middle of the address, RFC 5214 section 6.1.
  const isIsatap = (bytes[8] & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e &&
    bytes[11] === 0xfe;
  if (isIsatap) forms.push(bytes.subarray(12));
  return forms;
}
