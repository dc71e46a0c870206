/**
 * The bodies that the servers give, made alike wherever they are needed, and what a client must find
 * in each.
 *
 * @module
 */

const KIB = 1024;
const encoder = new TextEncoder();

/** Text like a page's: it shrinks to about a fifth. */
function prose(bytes: number): Uint8Array {
  let text = "";
  for (let n = 0; text.length < bytes; n++) text += `<li>item ${n}: ${(n * 7919) % 10007}</li>\n`;
  return encoder.encode(text.slice(0, bytes));
}

interface Item {
  id: number;
  name: string;
  tags: string[];
  price: number;
}

function items(bytes: number): Item[] {
  const made: Item[] = [];
  for (let id = 0; JSON.stringify(made).length < bytes - 80; id++) {
    made.push({ id, name: `item ${id}`, tags: ["red", "small"], price: id * 1.25 });
  }
  return made;
}

const small = encoder.encode("Hello, world!");
const listed = items(10 * KIB);

/** Bodies by the last part of their path. */
export const bodies: Readonly<Record<string, Uint8Array>> = {
  small,
  post: small,
  json: encoder.encode(JSON.stringify(listed)),
  ...Object.fromEntries(
    [1, 4, 15, 16, 17, 32, 64, 100, 256].map((size) => [`${size}k`, prose(size * KIB)]),
  ),
  "1m": prose(KIB * KIB),
};

/** Those that are also there as gzip, at `/gzip/…`. */
export const PACKED: readonly string[] = ["4k", "100k"];

/** Bodies that are not held, by their path: how many bytes. */
export const bulk: Readonly<Record<string, number>> = {
  bulk: KIB ** 3,
  /** For clients that hold the whole of it. */
  collected: 256 * KIB * KIB,
  warm: 32 * KIB * KIB,
};

/** Chunks of `/tiny`, of 8 bytes each. */
const TINY_CHUNKS = 2_000;

/** Events of `/events`, a chunk each. */
const EVENTS = 100;

/** The body of `/tiny` in its chunks. */
export function tinyChunks(): Uint8Array[] {
  return Array.from(
    { length: TINY_CHUNKS },
    (_, n) => encoder.encode(String(n).padStart(7, "0") + "\n"),
  );
}

/** The body of `/events` in its chunks. */
export function eventChunks(): Uint8Array[] {
  return Array.from(
    { length: EVENTS },
    (_, id) =>
      encoder.encode(`id: ${id}\nevent: item\ndata: ${JSON.stringify(listed[id % 40])}\n\n`),
  );
}

/** What a client must find at a path: bytes, or things if it parses JSON or events. */
export function expectedAt(path: string): number {
  const name = path.split("/").at(-1)!;
  switch (name) {
    case "json":
      return listed.length;
    case "tiny":
      return 8 * TINY_CHUNKS;
    case "events":
      return EVENTS;
    default:
      return bodies[name]?.length ?? bulk[name] ?? small.length;
  }
}
