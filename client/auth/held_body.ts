/**
 * A body that can be sent once only, as something that can be offered more than once.
 *
 * @module
 */
import type { ContentSource } from "../../http/outgoing_request.ts";
import { type BodySource, discardBody, requestBody } from "../../transport/message/request_body.ts";

/** Owns: the body, until it is begun. */
export class HeldBody {
  readonly #source: BodySource;
  #hasBegun = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  /** Whether nothing was read of it yet, so that it can be sent. */
  get isWhole(): boolean {
    return !this.#hasBegun;
  }

  /** A body that takes it only when it is sent. */
  offer(): BodySource {
    return { [Symbol.asyncIterator]: () => this.#begin() };
  }

  /** Lets it go, unless it was begun. */
  discard(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    discardBody(this.#source);
  }

  #begin(): AsyncIterator<Uint8Array> {
    // What was let go has nothing to give any more, and says so itself.
    this.#hasBegun = true;
    const content: ContentSource = requestBody(this.#source).open();
    return {
      next: async () => {
        const value = await content.next();
        return value === null ? { done: true, value: undefined } : { done: false, value };
      },
      return: () => {
        content.cancel();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
