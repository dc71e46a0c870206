/**
 * How large windows are when nobody has said anything, and may be at all. Apart from the settings,
 * for whoever checks sizes before HTTP/2 is spoken and loaded.
 *
 * @module
 */

/** Octets. The window of a stream of which nothing was said, and of every new connection. @see RFC 9113 section 6.9.2 */
export const DEFAULT_WINDOW_BYTES = 65_535;

/** Octets. No window may ever be larger. @see RFC 9113 section 6.9.1 */
export const MAX_WINDOW_BYTES: number = 2 ** 31 - 1;
