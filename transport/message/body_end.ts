/**
 * How the body of a response ended, for those who ask before and after.
 *
 * @module
 */
import type { HttpHeaders } from "../../http/http_headers.ts";

/** The end of one body: with an error, or with trailers if there were any. */
export class BodyEnd {
  /** Bytes of the body that were read, as they came over the wire. */
  wireBytes: number = 0;
  #hasEnded = false;
  #error: unknown = undefined;
  #trailers: HttpHeaders | null = null;
  #waiting: PromiseWithResolvers<HttpHeaders | null> | null = null;

  /** The body has ended; called once. */
  settle(error: unknown, trailers: HttpHeaders | null): void {
    this.#hasEnded = true;
    this.#error = error;
    this.#trailers = trailers;
    if (this.#waiting === null) return;
    if (error === undefined) this.#waiting.resolve(trailers);
    else this.#waiting.reject(error);
  }

  /** Settles when the body has ended. Does not hold the body: it may be dropped and collected. */
  get trailers(): Promise<HttpHeaders | null> {
    if (this.#waiting === null) {
      this.#waiting = Promise.withResolvers();
      if (this.#hasEnded) this.settle(this.#error, this.#trailers);
    }
    return this.#waiting.promise;
  }
}
