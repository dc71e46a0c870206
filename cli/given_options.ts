/**
 * Options as they were given, by name. Pure.
 *
 * @module
 */
import { type Given, type GivenOption, optionRow } from "./option_words.ts";
import { UsageError } from "./usage_error.ts";

/** The options of one group, by name. */
export class GivenOptions {
  readonly given: readonly Given[];

  constructor(given: readonly Given[]) {
    this.given = given;
  }

  /** What is no option. */
  get words(): string[] {
    return this.given.flatMap((each) => each.row === null ? [each.value] : []);
  }

  /** Whether a flag is set; the last one counts. */
  has(long: string): boolean {
    return this.#last(long)?.isOn ?? false;
  }

  /** The last value of an option, or null. */
  text(long: string): string | null {
    return this.#last(long)?.value ?? null;
  }

  /** All values of an option. */
  texts(long: string): string[] {
    return this.#all([long]).map(({ value }) => value!);
  }

  /** The options of any of these names, in the order in which they stand. */
  each(...longs: string[]): GivenOption[] {
    return this.#all(longs);
  }

  count(long: string): number | null {
    const text = this.text(long);
    if (text === null) return null;
    if (!/^[0-9]{1,9}$/.test(text)) {
      throw new UsageError(`Option --${long} needs a number, not "${text}"`);
    }
    return Number(text);
  }

  milliseconds(long: string): number | null {
    const seconds = this.text(long);
    if (seconds === null) return null;
    if (!/^[0-9]+(?:\.[0-9]*)?$|^\.[0-9]+$/.test(seconds)) {
      throw new UsageError(`Option --${long} needs seconds, not "${seconds}"`);
    }
    return Number(seconds) * 1000;
  }

  /** A count of bytes, or of 1024 of them (`k`) and so on. */
  bytes(long: string): number | null {
    const text = this.text(long);
    if (text === null) return null;
    const [, digits, unit] = /^([0-9]+(?:\.[0-9]+)?)([kmgtp]?)b?$/i.exec(text) ?? [];
    if (digits === undefined) {
      throw new UsageError(`Option --${long} needs a number of bytes, not "${text}"`);
    }
    return Math.floor(Number(digits) * 1024 ** " kmgtp".indexOf(unit.toLowerCase() || " "));
  }

  #last(long: string): GivenOption | undefined {
    return this.#all([long]).at(-1);
  }

  #all(longs: readonly string[]): GivenOption[] {
    const rows = longs.map(optionRow);
    return this.given.flatMap((each) => each.row !== null && rows.includes(each.row) ? [each] : []);
  }
}
