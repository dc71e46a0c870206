/**
 * A request of `fetch`: what the Fetch Standard says of it that no other request of ours knows.
 *
 * @module
 */
import { HttpRequest, type HttpRequestInit, initOf } from "../transport/message/http_request.ts";
import type { ReferrerPolicy } from "./referrer_policy.ts";

/** Where a request says that it comes from. */
export interface Referring {
  /** The caller's, or that of the last redirect that stated one. */
  readonly policy: ReferrerPolicy;
  /** Whether the `Referer` was made of a `referrer`, and not given as a header field. */
  readonly byReferrer: boolean;
}

/** A request that keeps what is `fetch`'s own through every redirect and retry. */
export class FetchedRequest extends HttpRequest {
  readonly referring: Referring;

  /** @throws {HttpError} As {@linkcode HttpRequest}. */
  constructor(url: string | URL, init: HttpRequestInit, referring: Referring) {
    super(url, init);
    this.referring = referring;
  }

  /** @see https://fetch.spec.whatwg.org/#http-network-or-cache-fetch */
  override get retriesMisdirected(): boolean {
    return true;
  }

  /** @see https://fetch.spec.whatwg.org/#http-network-or-cache-fetch */
  override get statesEmptyPatch(): boolean {
    return false;
  }

  protected override remade(url: string | URL, init: HttpRequestInit): FetchedRequest {
    return new FetchedRequest(url, init, this.referring);
  }

  /** The same request under the policy of a redirect. */
  under(policy: ReferrerPolicy): FetchedRequest {
    const { byReferrer } = this.referring;
    return new FetchedRequest(this.href + this.fragment, initOf(this), { policy, byReferrer });
  }
}
