/**
 * Sockets of Node that can still be read after a write has failed.
 *
 * @module
 */
import type { Socket } from "node:net";

type Done = (error?: Error | null) => void;

/** Gets the errors of a socket's writes. */
export interface WriteFailures {
  /** Called within `write()` if it fails at once. */
  writeFailed(error: unknown): void;
}

const failures = Symbol("failures");

type LastingSocket = Socket & { [failures]: WriteFailures };

/**
 * Keeps a socket, plain or of TLS, readable when a write fails. Node would destroy it, and with it
 * what the peer said before it closed: the very answer that explains why.
 *
 * @param told Gets the errors, the stream does not. The callback of that `write()` comes after it,
 * without an error.
 */
export function keepReadable(socket: Socket, told: WriteFailures): void {
  const lasting = socket as LastingSocket;
  lasting[failures] = told;
  // Functions that all sockets share: most connections are idle, and should be small.
  lasting._write = write;
  if (lasting._writev) lasting._writev = writev;
}

function write(this: LastingSocket, chunk: unknown, encoding: BufferEncoding, done: Done): void {
  kind(this)._write.call(this, chunk, encoding, telling(this, done));
}

function writev(this: LastingSocket, chunks: Chunks, done: Done): void {
  kind(this)._writev!.call(this, chunks, telling(this, done));
}

type Chunks = { chunk: unknown; encoding: BufferEncoding }[];

/** What the socket does of itself. */
function kind(socket: LastingSocket): Socket {
  return Object.getPrototypeOf(socket) as Socket;
}

function telling(socket: LastingSocket, done: Done): Done {
  return (error) => {
    if (error) socket[failures].writeFailed(error);
    done();
  };
}
