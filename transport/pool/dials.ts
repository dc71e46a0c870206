/**
 * The dials of one transport that are under way, and which of them somebody waits for.
 *
 * @module
 */
import type { Dial } from "../route/dial.ts";
import { LinkedList } from "../linked_list.ts";

/** Owns: the list, not what is in it. */
export class Dials implements Iterable<Dial> {
  readonly #byKey: Map<string, LinkedList<Dial>> = new Map();
  /** Settles when there are none. */
  #none: PromiseWithResolvers<void> | null = null;

  /** A dial begins; somebody waits for it. */
  add(dial: Dial): void {
    const { key } = dial.route;
    let dials = this.#byKey.get(key);
    if (dials === undefined) this.#byKey.set(key, dials = new LinkedList());
    dials.push(dial.place);
  }

  /** A dial has ended. */
  remove(dial: Dial): void {
    const dials = dial.place.list!;
    dials.remove(dial.place);
    if (dials.size > 0) return;
    this.#byKey.delete(dial.route.key);
    if (this.#byKey.size === 0) this.#none?.resolve();
  }

  /** Somebody waits for a connection under `key`. */
  want(key: string): void {
    for (const dial of this.#byKey.get(key) ?? []) dial.want();
  }

  /** Nobody waits for a connection under `key` any more. */
  unwant(key: string): void {
    for (const dial of this.#byKey.get(key) ?? []) dial.unwant();
  }

  /** Settles once there are none. */
  async whenNone(): Promise<void> {
    if (this.#byKey.size === 0) return;
    this.#none ??= Promise.withResolvers<void>();
    await this.#none.promise;
  }

  *[Symbol.iterator](): Iterator<Dial> {
    for (const dials of this.#byKey.values()) yield* dials;
  }
}
