/**
 * What is forgiven to a peer, and how it is told.
 *
 * @module
 */

/**
 * How much a reader forgives; docs/wire.md lists what.
 *
 * @see RFC 9112 section 2.2
 */
export type ParserMode = "strict" | "lenient";

/**
 * What was accepted although the sender should not have sent it; reported in
 * `response.deviations`.
 *
 * @see RFC 9112 sections 2.2, 5.1, 5.2, 6.1, 6.3 and 7.1
 */
export type Deviation =
  | "bare-lf"
  | "obs-fold"
  | "leading-crlf"
  | "duplicate-content-length"
  | "content-length-on-204"
  | "content-length-with-transfer-encoding"
  | "chunked-twice"
  | "chunked-in-http-1.0"
  | "bare-lf-in-chunk"
  | "space-after-chunk-size"
  | "space-before-colon"
  | "bare-cr"
  | "empty-field-name"
  | "field-dropped"
  | "http-version"
  | "field-white-space"
  | "connection-field";

/**
 * Adds a deviation once.
 *
 * @see RFC 9112 section 2.2
 */
export function note(deviations: Deviation[], deviation: Deviation): void {
  if (!deviations.includes(deviation)) deviations.push(deviation);
}

/** Says nothing about where a message begins or ends. */
const HARMLESS: ReadonlySet<Deviation> = new Set([
  "bare-lf",
  "obs-fold",
  "space-after-chunk-size",
]);

/**
 * Whether what was forgiven rules out another exchange on the connection: everything that casts
 * doubt on where the message ended, and anything at all in `"lenient"`.
 *
 * Pure.
 *
 * @see RFC 9112 section 6.3
 */
export function forbidsReuse(deviations: readonly Deviation[], mode: ParserMode): boolean {
  return deviations.some((d) => mode === "lenient" || !HARMLESS.has(d));
}
