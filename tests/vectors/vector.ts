/**
 * The shape of a test vector: an input, and what must come of it.
 *
 * @module
 */
import type { HttpErrorCode } from "../../conn/http_error.ts";

/** One row. */
export type Vector<Input, Expected> =
  & {
    /** Unique in its table; begins with the number of WIRE.md's catalogue where it has one. */
    readonly name: string;
    readonly input: Input;
    /** Section that decides it. */
    readonly rfc: string;
    readonly why?: string;
  }
  & ({ readonly expected: Expected } | { readonly error: HttpErrorCode });
