/**
 * What kinds of IP addresses there are besides those of the internet, and the IPv4 addresses that
 * stand inside of IPv6 ones. Tables; no policy.
 *
 * @module
 */
import { type IpBlock, isInBlock, parseIpBlock, unmappedBytes } from "./ip_address.ts";

function blocks(...texts: string[]): readonly IpBlock[] {
  return texts.map((text) => parseIpBlock(text)!);
}

/**
 * The addresses of each class.
 *
 * @see IANA, IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890)
 */
export const ipClasses: ReadonlyMap<string, readonly IpBlock[]> = new Map([
  // "This network" and the unspecified addresses: connecting to them ends at this machine.
  ["loopback", blocks("127.0.0.0/8", "::1", "0.0.0.0/8", "::")],
  ["link-local", blocks("169.254.0.0/16", "fe80::/10")],
  [
    "private",
    blocks(
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
    blocks(
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

/** Tells whether an address is of a class of {@linkcode ipClasses}. Pure. */
export function isOfClass(bytes: Uint8Array, name: string): boolean {
  return ipClasses.get(name)!.some((block) => isInBlock(bytes, block));
}

/** Tells whether a name means this machine: `localhost` and what is below it. RFC 6761 section 6.3. */
export function isLocalhost(hostname: string): boolean {
  return /^(?:.*\.)?localhost\.?$/i.test(hostname);
}

/** Ways to write an IPv4 address into an IPv6 one: the block, where in it, and whether inverted. */
const embeddings: readonly (readonly [block: IpBlock, offset: number, flip: number])[] = [
  // IPv4-compatible and IPv4-translated.
  [parseIpBlock("::/96")!, 12, 0],
  [parseIpBlock("::ffff:0:0:0/96")!, 12, 0],
  // NAT64, also with a translator's own prefix.
  [parseIpBlock("64:ff9b::/96")!, 12, 0],
  [parseIpBlock("64:ff9b:1::/48")!, 12, 0],
  // 6to4.
  [parseIpBlock("2002::/16")!, 2, 0],
  // Teredo: its server, and the client inverted.
  [parseIpBlock("2001::/32")!, 4, 0],
  [parseIpBlock("2001::/32")!, 12, 255],
];

const notCompatible = blocks("::", "::1");

/**
 * Lists what an address may turn out to be: itself (an IPv4-mapped one as IPv4), and the IPv4
 * addresses inside of it where it is of NAT64, 6to4, Teredo, ISATAP, IPv4-compatible or translated.
 *
 * Pure.
 */
export function ipForms(bytes: Uint8Array): Uint8Array[] {
  const forms = [unmappedBytes(bytes)];
  if (forms[0].length === 4 || notCompatible.some((block) => isInBlock(bytes, block))) return forms;
  for (const [block, offset, flip] of embeddings) {
    if (!isInBlock(bytes, block)) continue;
    forms.push(bytes.subarray(offset, offset + 4).map((byte) => byte ^ flip));
  }
  // ISATAP is told by the middle of the address, RFC 5214 section 6.1.
  const isIsatap = (bytes[8] & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e &&
    bytes[11] === 0xfe;
  if (isIsatap) forms.push(bytes.subarray(12));
  return forms;
}
