/**
 * What proxies are told of who asks: the credentials of their URLs, shown or proven.
 *
 * @module
 */
import { authenticationInfo, type Challenge, challengesOf } from "../../http/challenge.ts";
import { isRefusal, strongestDigest } from "../../http/digest_challenge.ts";
import { DigestSession, hasHash, loadHashing } from "../../http/digest_session.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import type { ProxyServer } from "./proxy_server.ts";

/**
 * How a proxy is told the credentials of its URL at first. `"basic"`: they are shown. `"digest"`: not
 * before it asks for a proof, and then they are proven.
 */
export type ProxyAuth = "basic" | "digest";

/** Count. Answers with 407 to one request, or to one `CONNECT`, that are answered. */
export const MAX_PROXY_ANSWERS = 3;

/** Count. Proxies of which it is remembered how they ask; a function may choose a new one each time. */
const MAX_PROXIES = 100;

/** What one request told a proxy. */
export interface ProxyProof {
  /** The value of `Proxy-Authorization`; null: nothing. */
  readonly value: string | null;
  /** That it was computed with; null: it is no proof. */
  readonly session: DigestSession | null;
  /** The one that it was computed with; empty: it is no proof. */
  readonly nonce: string;
  /** Whether the challenge was made to this very request, and not to one before it. */
  readonly isFresh: boolean;
}

/** What one proxy is told. Owns: what is known of its last challenge. */
export class ProxyLogin {
  readonly #user: { readonly username: string; readonly password: string };
  /** What is shown; null: nothing. */
  readonly #shown: ProxyProof;
  #session: DigestSession | null = null;
  /** Whether it has taken a proof: it is not shown the password any more. */
  #isProven = false;

  constructor({ username, password, credentials }: ProxyServer, auth: ProxyAuth) {
    this.#user = { username: username ?? "", password };
    const value = auth === "basic" ? credentials : null;
    this.#shown = { value, session: null, nonce: "", isFresh: false };
  }

  /**
   * What a request says.
   *
   * @param uri The request target, as it is sent; called only where it counts.
   * @param fresh What answers a challenge to this very request; null: none was made.
   */
  proof(method: string, uri: () => string, fresh: DigestSession | null): ProxyProof {
    const session = fresh ?? this.#session;
    if (session === null) return this.#isProven ? { ...this.#shown, value: null } : this.#shown;
    const { nonce } = session;
    const value = session.authorization({ method, uri: uri(), content: null });
    return { value, session, nonce, isFresh: fresh !== null };
  }

  /**
   * The challenges of an answer with 407, if there is something else to say than what was said.
   *
   * @returns Null: that is the answer.
   */
  challenges(headers: HttpHeaders, said: ProxyProof): Challenge[] | null {
    const challenges = challengesOf(headers.getAll("proxy-authenticate"));
    // Whether there is such a hash is known only once hashes are loaded.
    const challenge = strongestDigest(challenges, { hasHash: () => true, knowsContent: false });
    const isRefused = challenge === null || (said.session !== null && isRefusal(challenge, said));
    if (!isRefused) return challenges;
    if (this.#session === said.session) this.#session = null;
    return null;
  }

  /**
   * What answers challenges; the same for many that were made at once with one nonce.
   *
   * @returns Null: this runtime has none of the hashes.
   */
  async answer(challenges: readonly Challenge[]): Promise<DigestSession | null> {
    const hashing = await loadHashing();
    const challenge = strongestDigest(challenges, {
      hasHash: (name) => hasHash(hashing, name),
      knowsContent: false,
    });
    if (challenge === null) return null;
    const known = this.#session;
    if (known !== null && known.nonce === challenge.nonce) return known;
    return this.#session = new DigestSession(challenge, this.#user, hashing);
  }

  /** The proxy was satisfied, and may name the nonce to go on with. */
  accepted({ session }: ProxyProof, headers: HttpHeaders): void {
    if (session === null) return;
    this.#isProven = true;
    const info = authenticationInfo(headers.getAll("proxy-authentication-info"));
    const next = info.get("nextnonce");
    if (next !== undefined) session.renew(next);
  }
}

/** What the proxies of a transport are told. */
export class ProxyLogins {
  readonly #auth: ProxyAuth;
  /** By the URLs of proxies with their credentials, the one that was met longest ago first. */
  readonly #logins: Map<string, ProxyLogin> = new Map();

  constructor(auth: ProxyAuth) {
    this.#auth = auth;
  }

  /** @returns Null: its URL has no credentials. */
  of(proxy: ProxyServer): ProxyLogin | null {
    if (proxy.credentials === null) return null;
    const known = this.#logins.get(proxy.identity);
    if (known !== undefined) return known;
    const login = new ProxyLogin(proxy, this.#auth);
    this.#logins.set(proxy.identity, login);
    for (const oldest of this.#logins.keys()) {
      if (this.#logins.size <= MAX_PROXIES) break;
      this.#logins.delete(oldest);
    }
    return login;
  }
}
