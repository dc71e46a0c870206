/**
 * A server that reads bodies as they are framed, and says what it read.
 *
 * @module
 */
import type { RawConnection, RawServer } from "./raw_server.ts";
import { withRawServer } from "./raw_server.ts";

/** One request with its whole body. */
export interface ReadRequest {
  readonly method: string;
  readonly path: string;
  readonly head: string;
  /** What `Content-Length` said, or null: it was chunked, or there was none. */
  readonly lengthBytes: number | null;
  /** One character for each byte. */
  readonly body: string;
  readonly connection: RawConnection;
}

/** Answers a request; default: 200 and how many bytes it had. */
export type BodyHandler = (request: ReadRequest) => string | Promise<string>;

/** A final answer with a body. */
export function answered(body: string, status = "200 OK", headers = ""): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

async function readRequest(connection: RawConnection): Promise<ReadRequest> {
  const head = await connection.readHead();
  const [method, path] = head.split(" ");
  if (/^expect:/im.test(head)) await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
  const length = /^content-length: *([0-9]+)/im.exec(head);
  const lengthBytes = length === null ? null : Number(length[1]);
  let body = "";
  if (lengthBytes !== null) {
    body = await connection.readBytes(lengthBytes);
  } else if (/^transfer-encoding: *chunked/im.test(head)) {
    for (;;) {
      const size = parseInt(await connection.readUntil("\r\n"), 16);
      if (size === 0) break;
      body += (await connection.readBytes(size + 2)).slice(0, -2);
    }
    while (await connection.readUntil("\r\n") !== "\r\n");
  }
  return { method, path, head, lengthBytes, body, connection };
}

/** Runs a test with such a server; `requests` are those that came with their whole body. */
export async function withBodyServer(
  run: (server: RawServer, requests: ReadRequest[]) => Promise<void>,
  answer: BodyHandler = ({ body }) => answered(String(body.length)),
): Promise<void> {
  const requests: ReadRequest[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      const request = await readRequest(connection);
      requests.push(request);
      await connection.send(await answer(request));
    }
  }, (server) => run(server, requests));
}
