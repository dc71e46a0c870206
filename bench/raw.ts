/**
 * The limit: the same request bytes written and the same response bytes read on the runtime's own
 * sockets, in the faster of its styles, without looking at them.
 *
 * @module
 */
import { connect } from "node:net";

/** One connection's closed loop; settles after `untilMs` with the number of exchanges. */
export type Loop = (port: number, request: Uint8Array, untilMs: number) => Promise<number>;

interface DenoRuntime {
  connect(options: { hostname: string; port: number }): Promise<{
    read(p: Uint8Array): Promise<number | null>;
    write(p: Uint8Array): Promise<number>;
    setNoDelay(on: boolean): void;
    close(): void;
  }>;
}

interface BunSocket {
  write(p: Uint8Array): number;
  end(): void;
}

interface BunRuntime {
  connect(options: {
    hostname: string;
    port: number;
    socket: { data(socket: BunSocket): void; error(socket: BunSocket, error: Error): void };
  }): Promise<BunSocket>;
}

const globals = globalThis as { Deno?: DenoRuntime; Bun?: BunRuntime };

/** The loop of the running runtime. */
export const rawLoop: Loop = globals.Deno ? denoLoop : globals.Bun ? bunLoop : nodeLoop;

async function denoLoop(port: number, request: Uint8Array, untilMs: number): Promise<number> {
  const conn = await globals.Deno!.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  const buffer = new Uint8Array(16 * 1024);
  let count = 0;
  while (performance.now() < untilMs) {
    await conn.write(request);
    await conn.read(buffer);
    count++;
  }
  conn.close();
  return count;
}

function bunLoop(port: number, request: Uint8Array, untilMs: number): Promise<number> {
  let count = 0;
  return new Promise((resolve, reject) => {
    globals.Bun!.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data(socket) {
          count++;
          if (performance.now() < untilMs) {
            socket.write(request);
          } else {
            socket.end();
            resolve(count);
          }
        },
        error: (_, error) => reject(error),
      },
    }).then((socket) => socket.write(request), reject);
  });
}

function nodeLoop(port: number, request: Uint8Array, untilMs: number): Promise<number> {
  let count = 0;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer: new Uint8Array(16 * 1024),
        callback: () => {
          count++;
          if (performance.now() < untilMs) {
            socket.write(request);
          } else {
            socket.destroy();
            resolve(count);
          }
          return true;
        },
      },
    }, () => socket.write(request));
    socket.on("error", reject);
  });
}
