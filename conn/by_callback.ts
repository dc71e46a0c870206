/**
 * Reads and writes that tell by callbacks: no promise and no turn of the microtasks between a socket
 * and whoever holds it. A connection that has only promises is asked for these.
 *
 * @module
 */
import type { Conn, Reader, Writer } from "./conn.ts";

/** As `conn.read(p)`; one of the two is called, once, never before this returns. */
export function startRead(
  conn: Reader & Pick<Conn, "startRead">,
  p: Uint8Array,
  done: (count: number | null) => void,
  failed: (error: unknown) => void,
): void {
  if (conn.startRead === undefined) conn.read(p).then(done, failed);
  else conn.startRead(p, done, failed);
}

/** As `conn.write(p)`; one of the two is called, once, maybe before this returns. */
export function startWrite(
  conn: Writer & Pick<Conn, "startWrite">,
  p: Uint8Array,
  done: (count: number) => void,
  failed: (error: unknown) => void,
): void {
  if (conn.startWrite === undefined) conn.write(p).then(done, failed);
  else conn.startWrite(p, done, failed);
}
