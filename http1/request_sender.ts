/**
 * The sending side of a connection in the client's role: the head of a request, its content, and what
 * may end them early. Every change of its state goes through the table of `request_state.ts`.
 *
 * @module
 */
import type { BufferedWriter } from "../conn/buffered_writer.ts";
import type { ExchangeEvents } from "../http/exchange_events.ts";
import { transition } from "../http/machine.ts";
import type { OutgoingContent } from "../http/outgoing_request.ts";
import type { WrittenRequest } from "./client_exchange.ts";
import { ContentSender } from "./content_sender.ts";
import { REQUEST_TABLE, type RequestState } from "./request_state.ts";

/**
 * The connection, as its sending side sees it. Called synchronously.
 *
 * @see RFC 9112 section 9.3
 */
export interface RequestSenderOwner {
  /** Whether an exchange is under way, or the rest of its response is being dropped. */
  isExchanging(): boolean;
  /** All of the request was written. */
  requestWritten(): void;
  /** It could not be written. */
  writeFailed(): void;
  /** Its content came to nothing, by the fault of whoever makes it. */
  sourceFailed(error: unknown): void;
}

/**
 * Sends one request at a time. Owns: what is being sent, and how far that is.
 *
 * @see RFC 9112 section 9.3
 */
export class RequestSender {
  readonly #output: BufferedWriter;
  readonly #owner: RequestSenderOwner;
  #state: RequestState = "complete";
  #request: WrittenRequest | null = null;
  #events: ExchangeEvents | null = null;
  /** Null where the content goes along with the head, or there is none. */
  #content: ContentSender | null = null;
  #writeError: unknown = undefined;

  /** Makes the sending side of a connection that writes to `output`. */
  constructor(output: BufferedWriter, owner: RequestSenderOwner) {
    this.#output = output;
    this.#owner = owner;
  }

  /** State of the request under way, or of the last one. */
  get state(): RequestState {
    return this.#state;
  }

  /** The request under way. Order: from {@linkcode send} to {@linkcode clear}. */
  get request(): WrittenRequest {
    return this.#request!;
  }

  /** Why writing has failed; undefined: it has not. */
  get writeError(): unknown {
    return this.#writeError;
  }

  /** Whether the content is being held back. */
  get awaitingContinue(): boolean {
    return this.#state === "awaitingContinue";
  }

  /** Whether content is on its way, or waits for its head to be written. */
  get isSendingContent(): boolean {
    return this.#content !== null && (this.#state === "content" || this.#state === "head");
  }

  /** Of content that is on its way: whether only the word of the runtime, or of the source, is missing. */
  get contentHandedOver(): boolean {
    return this.#content!.handedOver;
  }

  /** Whether all was handed over with the head, and only the runtime's word is missing. */
  get awaitsWord(): boolean {
    return this.#state === "head" && this.#content === null;
  }

  /** Sends a request. Order: after {@linkcode clear}. */
  send(request: WrittenRequest, events: ExchangeEvents): void {
    this.#state = "head";
    this.#request = request;
    this.#events = events;
    const output = this.#output;
    output.text(request.head);
    const { content } = request;
    const goesAlong = content === null ||
      (!request.expectContinue && content.bytes !== null &&
        content.bytes.length <= output.available &&
        // What was detached or resized meanwhile is not to be sent.
        content.bytes.length === content.lengthBytes);
    if (goesAlong) {
      if (content !== null) output.add(content.bytes!);
      output.startFlush(this.#wroteAll, this.#writeFailed);
    } else {
      this.#sendContent(request, content);
    }
  }

  /** Sends the content although the server has not asked for it yet. */
  continueTimedOut(): void {
    if (this.#state !== "awaitingContinue") return;
    this.#state = transition(REQUEST_TABLE, this.#state, "continueTimedOut");
    this.#content?.proceed();
  }

  /** The server asks for the content. */
  continueReceived(): void {
    if (this.#state === "awaitingContinue") {
      this.#state = transition(REQUEST_TABLE, this.#state, "continueReceived");
    }
    this.#content?.proceed();
  }

  /** The final response is there: content that was held back stays so. */
  finalResponseReceived(): void {
    const holdsBack = this.#request!.expectContinue && this.#content?.released === false;
    if (this.#state === "awaitingContinue") this.stop("finalResponseReceived");
    else if (this.#state === "head" && holdsBack) this.stop();
    else this.#state = transition(REQUEST_TABLE, this.#state, "finalResponseReceived");
  }

  /** The server has switched the protocol. */
  protocolSwitched(): void {
    if (this.isSendingContent) this.stop();
    else if (this.#state === "awaitingContinue") this.stop("finalResponseReceived");
    // Whoever switches has read the head: the runtime's word for it comes later.
    else if (this.#state === "head") this.#wroteAll();
  }

  /**
   * Ends the sending before its end: the response is good, the connection is not, unless it was
   * content held back that the answer came without.
   */
  stop(event: "sendingStopped" | "finalResponseReceived" = "sendingStopped"): void {
    this.#content?.stop();
    this.#state = transition(REQUEST_TABLE, this.#state, event);
    this.#events?.wroteRequest(undefined);
  }

  /** The exchange is over, however it ended: lets go of the request, and tells nobody any more. */
  clear(): void {
    this.#request = null;
    this.#events = null;
    this.#content = null;
    this.#writeError = undefined;
  }

  /** The connection is closed: no more of the content is taken. */
  abandon(): void {
    this.#content?.stop();
  }

  readonly #wroteAll = (): void => {
    if (this.#request === null) return;
    if (this.#request.content === null) {
      this.#state = transition(REQUEST_TABLE, this.#state, "headSentNoContent");
    } else {
      this.#state = transition(REQUEST_TABLE, this.#state, "headSent");
      this.#state = transition(REQUEST_TABLE, this.#state, "contentEnded");
    }
    const events = this.#events!;
    events.wroteHead();
    events.wroteRequest(undefined);
    this.#owner.requestWritten();
  };

  readonly #writeFailed = (error: unknown): void => {
    if (!this.#owner.isExchanging()) return;
    if (this.#state === "withheld") return;
    this.#writeError = error;
    this.#state = transition(REQUEST_TABLE, this.#state, "writeFailed");
    this.#events?.wroteRequest(error);
    this.#owner.writeFailed();
  };

  async #sendContent(request: WrittenRequest, content: OutgoingContent): Promise<void> {
    const sender = new ContentSender(this.#output, content);
    this.#content = sender;
    try {
      await this.#output.flush();
      // A final response or the end of the connection may have come meanwhile.
      if (this.#content !== sender || sender.stopped) return;
      // The server may have asked before the runtime has said that the head was written.
      const holdsBack = request.expectContinue && !sender.released;
      const event = holdsBack ? "headSentExpectingContinue" : "headSent";
      this.#state = transition(REQUEST_TABLE, this.#state, event);
      this.#events!.wroteHead();
      if (holdsBack) await sender.mayProceed;
      if (this.#content !== sender || sender.stopped) return;
      await sender.send();
    } catch (error) {
      if (this.#content !== sender || sender.stopped) return;
      if (sender.sourceFailed) this.#sourceFailed(error);
      else this.#writeFailed(error);
      return;
    }
    if (this.#content !== sender || sender.stopped) return;
    this.#state = transition(REQUEST_TABLE, this.#state, "contentEnded");
    this.#events?.wroteRequest(undefined);
    this.#owner.requestWritten();
  }

  #sourceFailed(error: unknown): void {
    if (!this.#owner.isExchanging()) return;
    this.#state = transition(REQUEST_TABLE, this.#state, "contentFailed");
    this.#events?.wroteRequest(error);
    this.#owner.sourceFailed(error);
  }
}
