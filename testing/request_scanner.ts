/**
 * Follows the requests in a stream of bytes, as far as the simulation needs it. Knows only what our
 * own requests look like.
 *
 * @module
 */

/** A request, as far as it has been seen. */
export interface ScannedRequest {
  readonly id: number;
  readonly method: string;
  readonly expectsContinue: boolean;
  /** Whether its last byte has been seen. */
  complete: boolean;
}

type State = "head" | "length" | "chunkSize" | "chunkData" | "chunkEnd" | "trailers";

/** Takes bytes as they come; says when a request begins and ends. */
export class RequestScanner {
  /** The request under way, or the last one; null before the first head is complete. */
  current: ScannedRequest | null = null;
  /** Bytes of the head that is not complete yet. */
  headBytes = 0;
  readonly #onHead: (request: ScannedRequest) => void;
  readonly #onComplete: (request: ScannedRequest) => void;
  #state: State = "head";
  #text = "";
  #left = 0;

  constructor(
    onHead: (request: ScannedRequest) => void,
    onComplete: (request: ScannedRequest) => void,
  ) {
    this.#onHead = onHead;
    this.#onComplete = onComplete;
  }

  /** Takes the next bytes. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === "length" || this.#state === "chunkData") {
        const n = Math.min(this.#left, bytes.length - at);
        at += n;
        this.#left -= n;
        if (this.#left > 0) return;
        if (this.#state === "length") this.#end();
        else this.#state = "chunkEnd";
        continue;
      }
      const byte = bytes[at++];
      this.#text += String.fromCharCode(byte);
      if (byte === 0x0a) this.#line();
      if (this.#state === "head") this.headBytes = this.#text.length;
    }
  }

  #line(): void {
    const text = this.#text;
    switch (this.#state) {
      case "head":
        if (text.endsWith("\r\n\r\n")) this.#head(text);
        return;
      case "chunkSize":
        this.#left = parseInt(text, 16);
        this.#state = this.#left === 0 ? "trailers" : "chunkData";
        break;
      case "chunkEnd":
        this.#state = "chunkSize";
        break;
      case "trailers":
        if (text === "\r\n") {
          this.#text = "";
          this.#end();
        }
        break;
    }
    this.#text = "";
  }

  #head(text: string): void {
    this.#text = "";
    this.headBytes = 0;
    const field = (name: string): string | null =>
      text.match(new RegExp(`\\r\\n${name}: ([^\\r]*)`, "i"))?.[1] ?? null;
    const request = {
      id: Number(field("x-id")),
      method: text.slice(0, text.indexOf(" ")),
      expectsContinue: field("expect") !== null,
      complete: false,
    };
    this.current = request;
    const length = Number(field("content-length") ?? 0);
    this.#left = length;
    if (field("transfer-encoding") !== null) this.#state = "chunkSize";
    else if (length > 0) this.#state = "length";
    this.#onHead(request);
    if (this.#state === "head") this.#end();
  }

  #end(): void {
    this.#state = "head";
    const request = this.current!;
    request.complete = true;
    this.#onComplete(request);
  }
}
