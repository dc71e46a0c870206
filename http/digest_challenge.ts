/**
 * Which of the challenges of the scheme Digest is answered, and what it asks for. Pure.
 *
 * @module
 */
import type { Challenge } from "./challenge.ts";

/**
 * A challenge that can be answered.
 *
 * @see RFC 7616 section 3.3
 */
export interface DigestChallenge {
  /** As all texts here: each character is one byte. */
  readonly realm: string;
  readonly nonce: string;
  /** To be given back; null: there is none. */
  readonly opaque: string | null;
  /** As the server writes it; null: it does not, and means MD5. */
  readonly algorithm: string | null;
  /** As `node:crypto` calls it. */
  readonly hash: string;
  /** Whether the password is hashed once for the nonce, and not for each request. */
  readonly isSession: boolean;
  /** What is proven with the password: the request line, or the content too; null: as RFC 2069. */
  readonly qop: "auth" | "auth-int" | null;
  /** Whether only the nonce was too old. */
  readonly isStale: boolean;
  /** Whether the name of the user is sent as a hash. */
  readonly hidesName: boolean;
  /** Whether names and passwords are UTF-8 in normal form C. */
  readonly isUtf8: boolean;
  /** The URIs that it is about, as the server writes them; empty: all of the server. */
  readonly domain: readonly string[];
}

/** By their names in challenges, the strongest first. */
const HASHES: readonly (readonly [name: string, hash: string])[] = [
  ["sha-512-256", "sha512-256"],
  ["sha-256", "sha256"],
  ["md5", "md5"],
];

/**
 * What the one who answers is able to do.
 *
 * @see RFC 7616 section 3.7
 */
export interface DigestAbilities {
  /** Whether there is a hash, as `node:crypto` calls it. */
  readonly hasHash: (name: string) => boolean;
  /** Whether the content of the request is known, so that it can be hashed. */
  readonly knowsContent: boolean;
}

/**
 * The challenge to answer: the one with the strongest hash, and the first of those.
 *
 * Pure.
 *
 * @returns Null: none is of Digest, or none can be answered.
 * @see RFC 7616 section 3.7
 */
export function strongestDigest(
  challenges: readonly Challenge[],
  { hasHash, knowsContent }: DigestAbilities,
): DigestChallenge | null {
  let best: DigestChallenge | null = null;
  let bestRank = Infinity;
  for (const { scheme, params } of challenges) {
    if (scheme !== "digest") continue;
    const nonce = params.get("nonce");
    const algorithm = params.get("algorithm") ?? null;
    const [, name, session] = /^(.*?)(-sess)?$/s.exec((algorithm ?? "md5").toLowerCase())!;
    const rank = HASHES.findIndex(([known, hash]) => known === name && hasHash(hash));
    const qop = chosenQop(params.get("qop"), knowsContent);
    if (nonce === undefined || rank < 0 || rank >= bestRank || qop === undefined) continue;
    bestRank = rank;
    best = {
      realm: params.get("realm") ?? "",
      nonce,
      opaque: params.get("opaque") ?? null,
      algorithm,
      hash: HASHES[rank][1],
      isSession: session !== undefined,
      qop,
      isStale: params.get("stale")?.toLowerCase() === "true",
      hidesName: params.get("userhash")?.toLowerCase() === "true",
      isUtf8: params.get("charset")?.toLowerCase() === "utf-8",
      domain: params.get("domain")?.split(/\s+/).filter((uri) => uri !== "") ?? [],
    };
  }
  return best;
}

/**
 * Whether a challenge that came in answer to credentials says that they are wrong, and not only that
 * their nonce is no longer good.
 *
 * Pure.
 *
 * @param said The nonce of the credentials, and whether they were the answer to a challenge that was
 * made to the same request. A nonce that was known from before may be unknown to a server that was
 * started anew, and not all of them call it stale.
 * @see RFC 7616 section 3.3
 */
export function isRefusal(
  challenge: DigestChallenge,
  said: { readonly nonce: string; readonly isFresh: boolean },
): boolean {
  return !challenge.isStale && (said.isFresh || challenge.nonce === said.nonce);
}

/** Undefined: the server wants something else. */
function chosenQop(
  offered: string | undefined,
  knowsContent: boolean,
): DigestChallenge["qop"] | undefined {
  if (offered === undefined) return null;
  const options = offered.toLowerCase().split(/[\s,]+/);
  if (options.includes("auth")) return "auth";
  return options.includes("auth-int") && knowsContent ? "auth-int" : undefined;
}
