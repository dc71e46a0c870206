/**
 * The interpreter of the state tables. A table is data: `state → event → next state`.
 *
 * @module
 */

/** For each state, the events it knows and where they lead. */
export type TransitionTable<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

/** An event came in a state that does not know it: a defect of Roundtrip, never of a peer. */
export class IllegalTransitionError extends Error {
  /** Always `"IllegalTransitionError"`. */
  override readonly name: string = "IllegalTransitionError";
}

/**
 * The state that follows.
 *
 * Pure.
 *
 * @throws {IllegalTransitionError} The table has no such event in that state.
 * @see RFC 9112 section 9
 */
export function transition<State extends string, Event extends string>(
  table: TransitionTable<State, Event>,
  state: State,
  event: Event,
): State {
  const next = table[state][event];
  if (next === undefined) throw new IllegalTransitionError(`No ${event} in state ${state}`);
  return next;
}
