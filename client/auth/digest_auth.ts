/**
 * The scheme Digest: a password is proven, and not sent.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { printable } from "../../conn/http_error.ts";
import { authenticationInfo, challengesOf } from "../../http/challenge.ts";
import { type DigestChallenge, isRefusal, strongestDigest } from "../../http/digest_challenge.ts";
import { DigestSession, type DigestUser, hasHash, loadHashing } from "../../http/digest_session.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import { requestTarget } from "../../transport/message/outgoing.ts";
import { requestBody } from "../../transport/message/request_body.ts";
import { basicCredentials } from "../url_credentials.ts";
import {
  type Authenticator,
  checkedText,
  invalid,
  type Login,
  originKey,
  type Origins,
  OriginSet,
  type Refusal,
} from "./authenticator.ts";

/** Options of {@linkcode digestAuth}. */
export interface DigestAuthOptions {
  /** The servers that the password may be proven to: `"https://api.example.com"`. */
  origins: Origins;
  /** Any text, sent as UTF-8. */
  username: string;
  /** Any text. */
  password: string;
  /**
   * Whether the password may be shown, as by `basicAuth()`, to a server that asks for it and has
   * never asked for a proof.
   *
   * @default {false}
   */
  allowBasic?: boolean;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof DigestAuthOptions>([
  "origins",
  "username",
  "password",
  "allowBasic",
]);

/** Count. Challenges that are remembered; a server may make up one for each request. */
const MAX_SPACES = 64;

/** An answer to a challenge. */
interface DigestLogin extends Login {
  readonly space: Space;
  /** The one that it was computed with. */
  readonly nonce: string;
  /** Whether the challenge was made to this very request, and not to one before it. */
  readonly isFresh: boolean;
}

/** What one challenge is about, and the answers to it. */
interface Space {
  /** Of server and realm. */
  readonly key: string;
  readonly origin: string;
  readonly session: DigestSession;
  /** Beginnings of URLs; empty: all of the origin. */
  readonly domain: readonly URL[];
}

/**
 * Proves a password to servers that ask for a proof, for an `AuthTransport`. The first request says
 * nothing; what is known of a challenge then is used for all that it is about (`domain`, or the whole
 * origin), each request with a count of its own.
 *
 * Hashes: SHA-512/256 where the runtime has it, SHA-256, MD5, each with `-sess`; of several
 * challenges the strongest is answered. `qop`: `auth`, else `auth-int` where the body is a string,
 * bytes, `URLSearchParams` or none, else that of RFC 2069. A nonce that is `stale`, or new where an
 * old one was used, is answered once more; a password that was refused is not sent again. Where the
 * server asks for Basic only, its 401 is the answer, unless `allowBasic` says otherwise.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, no origin, or no text; with
 * `allowBasic`, also what Basic cannot carry.
 * @see RFC 7616
 *
 * @example
 * ```ts
 * import { AuthTransport, digestAuth, Transport } from "@roundtrip/http";
 *
 * const auth = digestAuth({ origins: "https://example.com", username: "me", password: "secret" });
 * await using transport = new Transport();
 * const authenticated = new AuthTransport(transport, auth);
 * if (typeof authenticated.roundTrip !== "function") throw new Error("it is a transport");
 * ```
 */
export function digestAuth(options: DigestAuthOptions): Authenticator {
  options = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of digestAuth() "${printable(name)}"`),
  );
  return new DigestAuth(options);
}

/** Owns: what is known of challenges. */
class DigestAuth implements Authenticator {
  readonly holdsBodies: boolean = true;
  readonly #origins: OriginSet;
  readonly #user: DigestUser;
  readonly #basic: Login | null;
  /** By their keys, the one that is known longest first. */
  readonly #spaces: Map<string, Space> = new Map();
  /** Origins that have asked for a proof. */
  readonly #provenTo: Set<string> = new Set();
  /** Origins that have asked for the password itself. */
  readonly #shownTo: Set<string> = new Set();

  constructor({ origins, username, password, allowBasic = false }: DigestAuthOptions) {
    this.#origins = new OriginSet(origins);
    this.#user = {
      username: checkedText("username", username),
      password: checkedText("password", password),
    };
    if (typeof allowBasic !== "boolean") throw invalid("allowBasic is neither true nor false");
    this.#basic = allowBasic ? { value: basicCredentials(username, password) } : null;
  }

  isFor(request: HttpRequest): boolean {
    return this.#origins.covers(request);
  }

  login(request: HttpRequest): Login | null {
    const space = this.#spaceOf(request);
    if (space !== null) return loginTo(space, request, false);
    return this.#shownTo.has(originKey(request)) ? this.#basic : null;
  }

  async answer({ request, login, headers }: Refusal): Promise<(() => Login) | null> {
    const hashing = await loadHashing();
    const challenges = challengesOf(headers.getAll("www-authenticate"));
    const challenge = strongestDigest(challenges, {
      hasHash: (name) => hasHash(hashing, name),
      knowsContent: knownContent(request) !== null,
    });
    if (challenge === null) {
      const asksForAll = challenges.some(({ scheme }) => scheme === "basic");
      return asksForAll ? this.#showing(request, login) : null;
    }
    if (isDigestLogin(login) && isRefusal(challenge, login)) {
      this.#forget(login.space);
      return null;
    }
    const known = this.#spaces.get(keyOf(request, challenge));
    // Of many that were asked at once, each has a count of its own.
    const space = known !== undefined && known.session.nonce === challenge.nonce
      ? known
      : this.#remembered(request, challenge, new DigestSession(challenge, this.#user, hashing));
    const next = loginTo(space, request, true);
    return next === null ? null : () => next;
  }

  accepted(login: Login, headers: HttpHeaders): void {
    if (!isDigestLogin(login)) return;
    const next = authenticationInfo(headers.getAll("authentication-info")).get("nextnonce");
    if (next !== undefined) login.space.session.renew(next);
  }

  /** A server that has asked for a proof once is not shown the password any more. */
  #showing(request: HttpRequest, login: Login | null): (() => Login) | null {
    const basic = this.#basic;
    const origin = originKey(request);
    if (basic === null || login !== null) return null;
    if (this.#provenTo.has(origin)) return null;
    this.#shownTo.add(origin);
    return () => basic;
  }

  #spaceOf(request: HttpRequest): Space | null {
    const origin = originKey(request);
    let found: Space | null = null;
    for (const space of this.#spaces.values()) {
      const isAbout = space.domain.length === 0
        ? space.origin === origin
        : space.domain.some((beginning) => isBelow(request, beginning));
      if (isAbout) found = space;
    }
    return found;
  }

  #remembered(request: HttpRequest, challenge: DigestChallenge, session: DigestSession): Space {
    const key = keyOf(request, challenge);
    // The URL of a socket is no place that another could be relative to.
    const domain = request.socketPath !== null ? [] : challenge.domain
      .filter((uri) => URL.canParse(uri, request.href))
      .map((uri) => new URL(uri, request.href));
    this.#provenTo.add(originKey(request));
    const space = { key, origin: originKey(request), session, domain };
    this.#spaces.delete(key);
    this.#spaces.set(key, space);
    for (const oldest of this.#spaces.keys()) {
      if (this.#spaces.size <= MAX_SPACES) break;
      this.#spaces.delete(oldest);
    }
    return space;
  }

  #forget(space: Space): void {
    if (this.#spaces.get(space.key) === space) this.#spaces.delete(space.key);
  }
}

function keyOf(request: HttpRequest, { realm }: DigestChallenge): string {
  return `${originKey(request)} ${realm}`;
}

/** Null: it cannot be said, as the body is not known. */
function loginTo(space: Space, request: HttpRequest, isFresh: boolean): DigestLogin | null {
  const { session } = space;
  const { nonce } = session;
  const value = session.authorization({
    method: request.method,
    uri: requestTarget(request, null),
    content: session.challenge.qop === "auth-int" ? knownContent(request) : null,
  });
  return value === null ? null : { value, space, nonce, isFresh };
}

function isDigestLogin(login: Login | null): login is DigestLogin {
  return login !== null && "space" in login;
}

/** @see RFC 7616 section 3.3, of `domain` */
function isBelow({ scheme, authority, requestTarget }: HttpRequest, beginning: URL): boolean {
  return scheme === beginning.protocol && authority === beginning.host &&
    requestTarget.startsWith(beginning.pathname + beginning.search);
}

/** The content where all of it is there, and the same each time; null: it is not. */
function knownContent({ body, arrayBytes }: HttpRequest): Uint8Array | null {
  if (body === null) return new Uint8Array(0);
  const isKnown = typeof body === "string" || body instanceof URLSearchParams ||
    arrayBytes !== null;
  return isKnown ? requestBody(body, arrayBytes).bytes : null;
}
