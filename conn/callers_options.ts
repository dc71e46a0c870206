/**
 * Options as a caller means them.
 *
 * @module
 */

/**
 * The options that an object states: its own, and those of its classes, getters too. What somebody
 * has put on `Object.prototype` is an option of nobody's.
 *
 * Bytes: `options` itself where it is a plain object and nothing stands on `Object.prototype`.
 *
 * @param names Those that there are.
 * @param unknown Makes the error for another one.
 * @throws What `unknown` makes.
 */
export function callersOptions<T extends object>(
  options: T,
  names: ReadonlySet<string>,
  unknown: (name: string) => Error,
): T {
  const prototype = Object.getPrototypeOf(options);
  let isPlain = prototype === Object.prototype || prototype === null;
  for (const name in options) {
    if (Object.hasOwn(Object.prototype, name) && isNobodys(options, name)) isPlain = false;
    else if (!names.has(name)) throw unknown(name);
  }
  if (isPlain) return options;
  const stated = Object.create(null);
  for (const name of names) {
    if (name in options && !isNobodys(options, name)) stated[name] = options[name as keyof T];
  }
  return stated;
}

/** Whether a name leads to `Object.prototype`, or nowhere. */
function isNobodys(options: object, name: string): boolean {
  for (let at: object | null = options; at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) return at === Object.prototype;
  }
  return true;
}
