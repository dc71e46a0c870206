/**
 * Tells the hooks of a transport and those of a request what happens.
 *
 * @module
 */
import { type AsyncContext, within } from "../../conn/runtimes/async_context.ts";
import { tellFault, tellRejection } from "../../conn/fault.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import {
  type ClientTrace,
  type HttpRequest,
  newOperationId,
  operationOf,
  type RoundTripIds,
  type TracedRoundTrip,
} from "./http_request.ts";

/** Hooks that are told of nothing but the round trip. */
type MomentHook = "wroteHeaders" | "wait100Continue" | "got100Continue" | "gotFirstResponseByte";

/** Hooks that are told of an event before it. */
type EventHook = Exclude<keyof ClientTrace, MomentHook | "got1xxResponse">;

type EventOf<Hook extends EventHook> = Parameters<Required<ClientTrace>[Hook]>[0];

/** Ids that were given out. */
let requestCount = 0;

/** Tells of one round trip, or of one wait for a connection to lease. Made only where hooks listen. */
export class Tracer {
  readonly #transport: ClientTrace | null;
  readonly #own: ClientTrace | null;
  readonly #context: AsyncContext | null;
  readonly #about: TracedRoundTrip;

  /** @param context Where the request's own hooks are called; null: where they are set off. */
  constructor(
    transport: ClientTrace | null,
    request: HttpRequest,
    context: AsyncContext | null,
  ) {
    this.#transport = transport;
    this.#own = request.trace;
    this.#context = context;
    const operationId = operationOf(request) || newOperationId();
    this.#about = { requestId: ++requestCount, operationId, request };
  }

  /** Which round trip it is, without the request: for what may outlive it. */
  get ids(): RoundTripIds {
    const { requestId, operationId } = this.#about;
    return { requestId, operationId };
  }

  /** Calls a hook of the transport, then that of the request. */
  tell(hook: MomentHook): void;
  tell<Hook extends EventHook>(hook: Hook, event: EventOf<Hook>): void;
  tell(hook: MomentHook | EventHook, event?: object): void {
    this.#tell(hook, event, this.#about);
  }

  /** The same, for a hook that must not hold the request. */
  tellIds<Hook extends EventHook>(hook: Hook, event: EventOf<Hook>): void {
    this.#tell(hook, event, this.ids);
  }

  #tell(hook: MomentHook | EventHook, event: object | undefined, about: RoundTripIds): void {
    if (this.#transport !== null) tellHook(this.#transport, hook, event, about);
    if (this.#own !== null) tellHook(this.#own, hook, event, about, this.#context);
  }

  /**
   * Of an informational response.
   *
   * @param rejected Called with what a promise rejects with that a hook has returned.
   * @throws What the hooks throw.
   */
  tellInformational(
    status: number,
    headers: HttpHeaders,
    rejected: (error: unknown) => void,
  ): void {
    const about = this.#about;
    const catchLate = (returned: unknown): void => {
      if (returned !== undefined) Promise.resolve(returned).catch(rejected);
    };
    catchLate(this.#transport?.got1xxResponse?.(status, headers, about));
    const own = this.#own;
    if (own?.got1xxResponse === undefined) return;
    catchLate(within(this.#context, () => own.got1xxResponse?.(status, headers, about)));
  }
}

/** Who is told of a request; null: nobody listens. */
export function tracerOf(
  transport: ClientTrace | null,
  request: HttpRequest,
  context: AsyncContext | null,
): Tracer | null {
  return transport === null && request.trace === null
    ? null
    : new Tracer(transport, request, context);
}

const FAILED = "A hook of a trace failed";

/**
 * Calls a hook, which cannot throw into what calls it.
 *
 * @param event Undefined: the hook is told of the round trip only.
 * @param context Where it is called; null: here. That costs more than most hooks, so it is not entered
 * for one that is not there.
 */
export function tellHook(
  trace: ClientTrace,
  hook: MomentHook | EventHook,
  event: object | undefined,
  about: RoundTripIds,
  context: AsyncContext | null = null,
): void {
  try {
    if (trace[hook] === undefined) return;
    const returned = context === null
      ? callHook(trace, hook, event, about)
      : context.run(callHook, trace, hook, event, about);
    // Of a hook that is an async function.
    if (returned !== undefined) tellRejection(FAILED, returned);
  } catch (error) {
    tellFault(FAILED, error);
  }
}

function callHook(
  trace: ClientTrace,
  hook: MomentHook | EventHook,
  event: object | undefined,
  about: RoundTripIds,
): unknown {
  // The types have been looked at where it is told.
  const hooks = trace as {
    [hook: string]: ((event: object, about?: RoundTripIds) => unknown) | null;
  };
  return event === undefined ? hooks[hook]?.(about) : hooks[hook]?.(event, about);
}
