/**
 * An HTTP server in memory, and a proxy in front of it: what a dialer of the tests connects to.
 *
 * @module
 */
import { pipe } from "../../conn/pipe.ts";
import type { Conn, Dialer } from "../../mod.ts";
import { bytesOf, latin1 } from "./raw_server.ts";

/** A dialer to a server in memory, and what became of its connections. */
export interface MemoryServer {
  readonly dialer: Required<Pick<Dialer, "dial" | "startTls" | "pollBarrier">>;
  /** How many connections are open at the server's end. */
  readonly openCount: number;
  /** The heads of all requests. */
  readonly heads: string[];
}

/**
 * Makes a server. It answers 200 with "ok", asks for bodies that are held back, and by path:
 * `/early` sends 103 first, `/cookie` sets one, `/redirect` leads to `/`, `/busy` is 503, `/broken`
 * ends inside its body, `/pieces` comes in two, `/drop` ends the connection where it was used before.
 */
export function memoryServer(): MemoryServer {
  const open = new Set<Conn>();
  const heads: string[] = [];
  const dial = (): Promise<Conn> => {
    const [here, there] = pipe();
    open.add(there);
    serve(there, heads).catch(() => {}).finally(() => {
      there.close();
      open.delete(there);
    });
    return Promise.resolve(here);
  };
  return {
    dialer: {
      dial,
      startTls: (conn) => Promise.resolve(conn),
      pollBarrier: () => Promise.resolve(),
    },
    get openCount() {
      return open.size;
    },
    heads,
  };
}

async function serve(conn: Conn, heads: string[]): Promise<void> {
  let unread = "";
  const upTo = async (mark: string): Promise<string> => {
    const p = new Uint8Array(4096);
    while (!unread.includes(mark)) {
      const count = await conn.read(p);
      if (count === null) throw new Error("ended");
      unread += latin1(p.subarray(0, count));
    }
    const end = unread.indexOf(mark) + mark.length;
    const taken = unread.slice(0, end);
    unread = unread.slice(end);
    return taken;
  };
  const send = async (text: string): Promise<void> => void await conn.write(bytesOf(text));
  for (let served = 0;; served++) {
    const head = await upTo("\r\n\r\n");
    heads.push(head);
    const [method, target] = head.split(" ", 2);
    if (method === "CONNECT") {
      await send("HTTP/1.1 200 OK\r\n\r\n");
      continue;
    }
    if (/\r\nexpect:/i.test(head)) await send("HTTP/1.1 100 Continue\r\n\r\n");
    if (/\r\ntransfer-encoding:/i.test(head)) await upTo("0\r\n\r\n");
    const length = /\r\ncontent-length: (\d+)/i.exec(head);
    if (length !== null && length[1] !== "0") await upTo("!");
    const path = target.replace(/^https?:\/\/[^/]*/, "");
    if (path === "/drop" && served > 0) return;
    await answer(path, head, send);
    if (path === "/broken" && !head.includes("Range:")) return;
  }
}

async function answer(
  path: string,
  head: string,
  send: (text: string) => Promise<void>,
): Promise<void> {
  const ok = (...lines: string[]): Promise<void> =>
    send(["HTTP/1.1 200 OK", ...lines, "Content-Length: 2", "", "ok"].join("\r\n"));
  switch (path) {
    case "/early":
      await send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
      return await ok();
    case "/cookie":
      return await ok("Set-Cookie: a=b");
    case "/redirect":
      return await send("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    case "/busy":
      return await send("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno");
    case "/broken":
      return await send(
        head.includes("Range:")
          ? 'HTTP/1.1 206 OK\r\nETag: "a"\r\nContent-Range: bytes 1-1/2\r\nContent-Length: 1\r\n\r\nk'
          : 'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 2\r\n\r\no',
      );
    case "/pieces":
      await send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
      await new Promise((resolve) => setTimeout(resolve, 1));
      return await send("k");
    default:
      return await ok();
  }
}
