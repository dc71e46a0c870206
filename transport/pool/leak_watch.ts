/**
 * Finds responses that were dropped with their bodies unread, so that their connections do not stay
 * leased for ever. Best effort: the collector decides when, and may never run.
 *
 * @module
 */

/** What a response whose body is open keeps from others. */
export type LeakedHold = "connection" | "stream";

/** What can be leaked. */
export interface Leakable {
  /** Whether it is watched. For {@linkcode LeakWatch} alone. */
  isWatched: boolean;
  /** For the warning: method and origin, no secrets. */
  readonly label: string;
  /** Called when the response is gone. @returns What was held by its body; null: that had ended. */
  leaked(): LeakedHold | null;
}

/**
 * Watches the contents of responses. Owns: the count, and the one-time warnings.
 *
 * Knowing where a request was made costs a stack for each, so stacks are taken only once a leak has
 * been seen: the first warning names the request, the second also the place.
 */
export class LeakWatch {
  /** How many were found. */
  count: number = 0;
  readonly #registry: FinalizationRegistry<Leakable> = new FinalizationRegistry((leakable) =>
    this.#collected(leakable)
  );
  readonly #places: WeakMap<Leakable, string> = new WeakMap();
  #placeWarned = false;

  /** A request is made. Order: called in the turn of the caller, whose place it is. */
  begin(leakable: Leakable): void {
    if (this.count === 0 || this.#placeWarned) return;
    this.#places.set(leakable, new Error().stack ?? "");
  }

  /** The body of `leakable` is open as long as `content` can be reached. */
  watch(content: object, leakable: Leakable): void {
    leakable.isWatched = true;
    this.#registry.register(content, leakable, leakable);
  }

  /** The body has ended. */
  end(leakable: Leakable): void {
    if (leakable.isWatched) this.#registry.unregister(leakable);
  }

  #collected(leakable: Leakable): void {
    const held = leakable.leaked();
    if (held === null) return;
    this.count++;
    const place = this.#places.get(leakable);
    if (this.count > 1 && (place === undefined || this.#placeWarned)) return;
    if (place !== undefined) this.#placeWarned = true;
    const where = place === undefined ? "" : `; it was requested here:\n${callers(place)}`;
    console.warn(
      `Roundtrip: the response to ${leakable.label} was dropped with its body unread` +
        ` and not closed, its ${held === "stream" ? "stream was reset" : "connection was closed"}` +
        where,
    );
  }
}

/** The lines of a stack that are not the transport's own, in the sources or in what npm ships. */
function callers(stack: string): string {
  const own =
    /[\\/](?:transport[\\/](?:connections|transport|leak_watch|round_trip)\.ts|chunks[\\/]transport\.js)/;
  return stack.split("\n").filter((line) => !own.test(line) && line.trim() !== "Error").join("\n");
}
