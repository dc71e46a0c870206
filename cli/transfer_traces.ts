/**
 * One trace of a transport, shared by transfers that go on side by side: each is told of its own.
 *
 * @module
 */
import type { ClientTrace, RoundTripIds } from "../transport/message/http_request.ts";

/** The hooks that somebody here listens to. */
const HOOKS: readonly (keyof ClientTrace)[] = [
  "gotConn",
  "putIdleConn",
  "connectStart",
  "connectDone",
  "proxyConnectStart",
  "proxyConnectDone",
  "tlsHandshakeStart",
  "tlsHandshakeDone",
  "streamOpened",
  "streamReset",
  "goAway",
  "wait100Continue",
  "got1xxResponse",
  "retry",
  "bodyDone",
];

type Hook = (...told: unknown[]) => void;

/** Who listens to which operation. */
export class TransferTraces {
  readonly #byOperation: Map<number, readonly ClientTrace[]> = new Map();

  /** Begins to tell of an operation. */
  add(operationId: number, traces: readonly ClientTrace[]): void {
    this.#byOperation.set(operationId, traces);
  }

  /** Nobody listens to it any more. */
  delete(operationId: number): void {
    this.#byOperation.delete(operationId);
  }

  /** What a transport is given. */
  get trace(): ClientTrace {
    return Object.fromEntries(HOOKS.map((name) => [name, (...told: unknown[]) => {
      // The last argument of every hook says which round trip it is about.
      const { operationId } = told.at(-1) as RoundTripIds;
      for (const trace of this.#byOperation.get(operationId) ?? []) {
        (trace[name] as Hook | undefined)?.apply(trace, told);
      }
    }]));
  }
}
