/**
 * Sockets of Node that can still be read after a write has failed.
 *
 * @module
 */
import type { Socket } from "node:net";

type Done = (error?: Error | null) => void;

/**
 * Keeps a socket, plain or of TLS, readable when a write fails. Node would destroy it, and with it
 * what the peer said before it closed: the very answer that explains why.
 *
 * @param onWriteFailed Gets the errors, the stream does not. Called within `write()` if it fails at
 * once. The callback of that `write()` comes after it, without an error.
 */
export function keepReadable(socket: Socket, onWriteFailed: (error: Error) => void): void {
  const { _write, _writev } = socket;
  const told = (done: Done): Done => (error) => {
    if (error) onWriteFailed(error);
    done();
  };
  socket._write = (chunk, encoding, done) => _write.call(socket, chunk, encoding, told(done));
  if (_writev) socket._writev = (chunks, done) => _writev.call(socket, chunks, told(done));
}
