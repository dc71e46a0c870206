/**
 * What a client says that cannot do a work.
 *
 * @module
 */

/** A client that this tree does not have yet, or that cannot do the work. */
export class NotMeasurable extends Error {}
