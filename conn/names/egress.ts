/**
 * Which addresses may be dialled.
 *
 * @module
 */
import type { Address } from "../conn.ts";
import { addressText } from "../conn_error.ts";
import { HttpError, printable } from "../http_error.ts";
import {
  type IpAddress,
  type IpBlock,
  ipText,
  isInBlock,
  parseHostIp,
  parseIp,
  parseIpBlock,
} from "./ip_address.ts";
import { ipClass, ipForms, isLocalhost } from "./ip_class.ts";

/**
 * Which addresses may be dialled. Each list holds classes, IP addresses and blocks:
 *
 * - `"loopback"`: 127.0.0.0/8, ::1, and 0.0.0.0/8 and ::, which end at this machine too
 * - `"private"`: RFC 1918, carrier NAT (100.64.0.0/10), fc00::/7 and the other ranges that are not
 *   of the internet (192.0.0.0/24, 198.18.0.0/15, 240.0.0.0/4, fec0::/10, 64:ff9b:1::/48)
 * - `"link-local"`: 169.254.0.0/16, fe80::/10
 * - `"metadata"`: the machine's own data at the cloud providers, 169.254.169.254 and its like
 * - `"unix"`: Unix sockets
 * - `"10.1.2.3"`, `"fd00::/8"`
 *
 * An address is denied if `deny` holds it and `allow` does not: `allow` lists exceptions. Without
 * anything in `deny`, `allow` lists all that may be dialled. Unix sockets are denied unless `allow`
 * holds `"unix"`.
 *
 * An IPv6 address with an IPv4 address inside (NAT64, 6to4, Teredo, ISATAP, IPv4-compatible) must
 * pass as both; an IPv4-mapped one is the IPv4 address.
 *
 * @example No way into the own network, but for one machine
 * ```ts
 * import type { EgressPolicy } from "@roundtrip/http";
 *
 * const egress: EgressPolicy = {
 *   deny: ["loopback", "private", "link-local", "metadata"],
 *   allow: ["10.0.0.7"],
 * };
 * ```
 */
export interface EgressPolicy {
  /** What must not be dialled. Default: nothing, or with `allow` everything else. */
  deny?: string[];
  /** Exceptions from `deny`, or where that is empty all that may be dialled. */
  allow?: string[];
}

/** One word of a policy, and the addresses that it means. */
interface EgressRule {
  readonly word: string;
  readonly blocks: readonly IpBlock[];
}

/** A policy that has been read. */
export interface CompiledEgress {
  /** What must not be dialled. */
  readonly deny: readonly EgressRule[];
  /** What may. */
  readonly allow: readonly EgressRule[];
  /** Whether nothing but `allow` may be dialled. */
  readonly isAllowList: boolean;
}

const policyKeys: ReadonlySet<string> = new Set<keyof EgressPolicy>(["deny", "allow"]);

/**
 * Reads a policy.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a word that is neither a class nor an address nor a
 * block, an unknown key, or a value that is not a list.
 */
export function compileEgress(policy: EgressPolicy): CompiledEgress {
  for (const key of Object.keys(policy)) {
    if (!policyKeys.has(key)) throw invalidPolicy(`unknown key "${printable(key)}"`);
  }
  const deny = compileRules("deny", policy.deny ?? []);
  const allow = compileRules("allow", policy.allow ?? []);
  return { deny, allow, isAllowList: policy.allow !== undefined && deny.length === 0 };
}

function compileRules(key: string, words: readonly string[]): EgressRule[] {
  if (!Array.isArray(words)) throw invalidPolicy(`${key} is not a list`);
  return words.map((word: unknown): EgressRule => {
    const text = `${word}`;
    if (text === "unix") return { word: text, blocks: [] };
    const block = parseIpBlock(text);
    const blocks = block === null ? ipClass(text) : [block];
    if (blocks === undefined) {
      throw invalidPolicy(
        `"${printable(text)}" in ${key} is neither a class nor an IP address nor a block`,
      );
    }
    return { word: text, blocks };
  });
}

/**
 * Refuses an address that a policy denies.
 *
 * An IP address is judged in each form that a resolver takes for one. A name is not resolved:
 * `localhost` and the names below it are judged as 127.0.0.1 and ::1, any other name passes, and
 * whoever resolves it (here, or a proxy) decides where that leads.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_BLOCKED`: denied.
 */
export function checkEgress(policy: CompiledEgress, address: Address): void {
  if (address.transport === "unix") {
    if (!policy.allow.some(({ word }) => word === "unix")) {
      throw blockedError(address, "Unix sockets");
    }
    return;
  }
  const literal = parseHostIp(address.hostname);
  const judged = literal !== null ? [literal] : isLocalhost(address.hostname) ? localhost : [];
  for (const ip of judged) {
    const denied = deniedIp(policy, ip);
    if (denied !== null) throw blockedError(address, denied);
  }
}

const localhost: readonly IpAddress[] = [parseIp("127.0.0.1")!, parseIp("::1")!];

/** Says which address a policy denies, for {@linkcode blockedError}; null if it may be dialled. Pure. */
export function deniedIp(policy: CompiledEgress, ip: IpAddress): string | null {
  for (const form of ipForms(ip.bytes)) {
    const holds = ({ blocks }: EgressRule) => blocks.some((block) => isInBlock(form, block));
    if (policy.allow.some(holds)) continue;
    const text = ipText({ bytes: form, zone: "" });
    if (policy.isAllowList) return text;
    const rule = policy.deny.find(holds);
    if (rule !== undefined) return `${text} (${rule.word})`;
  }
  return null;
}

/** `ERR_BLOCKED`. */
export function blockedError(address: Address, denied: string): HttpError {
  const message = `Cannot connect to ${addressText(address)}: the egress policy denies ${denied}`;
  return new HttpError("ERR_BLOCKED", message, { phase: "dial" });
}

function invalidPolicy(reason: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use egress policy: ${reason}`, {
    phase: "dial",
  });
}
