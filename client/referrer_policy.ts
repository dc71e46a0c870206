/**
 * How much of where a request comes from its `Referer` tells: pure functions.
 *
 * @see https://www.w3.org/TR/referrer-policy/
 * @module
 */
import { trimmed } from "./http_white_space.ts";

/** When a referrer is told, and how much of it; empty: as `strict-origin-when-cross-origin`. */
export type ReferrerPolicy =
  | ""
  | "no-referrer"
  | "no-referrer-when-downgrade"
  | "origin"
  | "origin-when-cross-origin"
  | "same-origin"
  | "strict-origin"
  | "strict-origin-when-cross-origin"
  | "unsafe-url";

/** How much of the referrer each policy tells, by what the request crosses. */
type Telling = "all" | "origin" | "nothing";

/** In this order: the same origin, another origin, another origin and from https to http. */
const POLICIES: Record<ReferrerPolicy, readonly [Telling, Telling, Telling]> = {
  "": ["all", "origin", "nothing"],
  "no-referrer": ["nothing", "nothing", "nothing"],
  "no-referrer-when-downgrade": ["all", "all", "nothing"],
  "origin": ["origin", "origin", "origin"],
  "origin-when-cross-origin": ["all", "origin", "origin"],
  "same-origin": ["all", "nothing", "nothing"],
  "strict-origin": ["origin", "origin", "nothing"],
  "strict-origin-when-cross-origin": ["all", "origin", "nothing"],
  "unsafe-url": ["all", "all", "all"],
};

/** The names that a caller may use. */
export const REFERRER_POLICIES: readonly string[] = Object.keys(POLICIES);

/** Longer ones are told as their origin. */
const MAX_LENGTH = 4096;

/**
 * The `Referer` for a request to `target`, or null for none. Never with credentials or a fragment.
 *
 * Pure.
 *
 * @param referrer As given; empty and `about:client` stand for nothing, as there is no page here.
 * @throws {TypeError} Not a URL.
 */
export function refererFor(
  referrer: string,
  policy: ReferrerPolicy,
  target: string,
): string | null {
  if (referrer === "" || referrer === "about:client") return null;
  const from = new URL(referrer);
  if (from.protocol !== "http:" && from.protocol !== "https:") return null;
  from.username = from.password = from.hash = "";
  const to = new URL(target);
  const crossing = from.origin === to.origin
    ? 0
    : from.protocol === "https:" && to.protocol === "http:"
    ? 2
    : 1;
  const telling = POLICIES[policy][crossing];
  if (telling === "nothing") return null;
  return telling === "all" && from.href.length <= MAX_LENGTH ? from.href : from.origin + "/";
}

/**
 * The policy that the lines of a `Referrer-Policy` field state: the last one that is known; null if
 * none is.
 *
 * Pure.
 */
export function statedPolicy(lines: readonly string[]): ReferrerPolicy | null {
  const known = lines.flatMap((line) => line.split(",")).map((token) =>
    trimmed(token).toLowerCase()
  )
    .filter((token) => token !== "" && Object.hasOwn(POLICIES, token));
  return known.at(-1) as ReferrerPolicy | undefined ?? null;
}
