/**
 * An HTTP/2 server, Node's own, that misbehaves at random, from a seed: it resets streams before, in
 * and behind their answers, refuses them, says GOAWAY, and breaks connections off. Each answer
 * carries the request's id. Prints its port (`port 1234`), and at the end of its input how many
 * connections are open (`open 0`).
 *
 * @module
 */
import { constants, createServer, type Http2Session, type ServerHttp2Stream } from "node:http2";
import process from "node:process";
import { SeededRandom } from "../testing/seeded_random.ts";

const numbers = new SeededRandom(Number(process.argv[2] ?? 1));
const random = (): number => numbers.next();
const open = new Set<Http2Session>();
const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  constants;

/** Milliseconds. How long a small delay may be. */
const DELAY_MS = 10;

function answer(stream: ServerHttp2Stream, id: string): void {
  const body = `id=${id};`.padEnd(16 + Math.floor(random() * 2000), "x");
  const respond = (): void => {
    if (!stream.destroyed) {
      stream.respond({ ":status": 200, "x-id": id, "content-length": body.length });
    }
  };
  const write = (text: string): void => void (!stream.destroyed && stream.write(text));
  const end = (text: string): void => void (!stream.destroyed && stream.end(text));
  const fate = random();
  if (fate < 0.005) return stream.close(NGHTTP2_REFUSED_STREAM);
  if (fate < 0.010) return stream.close(NGHTTP2_INTERNAL_ERROR);
  if (fate < 0.011) return stream.session?.destroy();
  if (fate < 0.013) {
    stream.session?.goaway(NGHTTP2_NO_ERROR, stream.id);
    stream.session?.close();
  }
  respond();
  if (fate < 0.018) {
    write(body.slice(0, 8));
    // Node ends the content before it resets: the length tells that some is missing.
    setTimeout(() => stream.close(NGHTTP2_CANCEL), 1);
  } else if (fate < 0.060) {
    setTimeout(end, random() * DELAY_MS, body);
  } else if (fate < 0.100) {
    const at = Math.floor(random() * body.length);
    write(body.slice(0, at));
    setTimeout(end, 1, body.slice(at));
  } else {
    end(body);
  }
}

const server = createServer({ settings: { maxConcurrentStreams: 60 } });
server.on("session", (session) => {
  open.add(session);
  session.on("close", () => open.delete(session));
  session.on("error", () => {});
});
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  // The answer may come before all of the request has.
  stream.resume();
  answer(stream, String(headers["x-id"]));
});
server.listen(0, "127.0.0.1", () => {
  console.log(`port ${(server.address() as { port: number }).port}`);
});
process.stdin.on("data", () => {});
process.stdin.on("end", () => {
  // What was closed a moment ago may not have been told of yet.
  setTimeout(() => {
    console.log(`open ${open.size}`);
    process.exit(0);
  }, 1000);
});
