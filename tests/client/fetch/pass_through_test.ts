/**
 * Servers that answer with what `fetch` has brought them: the runtimes' own, in front of one that
 * codes its content.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { createFetch, type FetchOptions, HttpRequest, Transport } from "../../../mod.ts";
import { runtime, test } from "../../support/harness.ts";
import { bytesOf, latin1, type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { pause } from "../../support/waiting.ts";

type Answer = (request: Request) => Promise<Response>;

interface Server {
  readonly port: number;
  close(): Promise<void>;
}

interface Runtimes {
  readonly Deno: {
    serve(options: object, answer: Answer): { addr: { port: number }; shutdown(): Promise<void> };
  };
  readonly Bun: {
    serve(options: object): { port: number; stop(closesActive: boolean): Promise<void> };
  };
}

/** Serves with what the runtime has for it. */
async function serve(answer: Answer): Promise<Server> {
  const { Deno, Bun } = globalThis as unknown as Runtimes;
  const hostname = "127.0.0.1";
  if (runtime === "deno") {
    const server = Deno.serve({ hostname, port: 0, onListen: () => {} }, answer);
    return { port: server.addr.port, close: () => server.shutdown() };
  }
  if (runtime === "bun") {
    const server = Bun.serve({ hostname, port: 0, fetch: answer });
    return { port: server.port, close: () => server.stop(true) };
  }
  const server = createServer((request, response) => void copyOut(answer, request, response));
  await new Promise<void>((resolve) => server.listen(0, hostname, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Node's server takes no `Response`: its head and its body are copied. */
async function copyOut(
  answer: Answer,
  { url }: IncomingMessage,
  out: ServerResponse,
): Promise<void> {
  const { status, headers, body } = await answer(new Request(`http://127.0.0.1${url}`));
  out.writeHead(status, Object.fromEntries(headers));
  // deno-lint-ignore no-explicit-any
  Readable.fromWeb(body as any).pipe(out);
}

const TEXT = "what was asked for, ".repeat(400);
const PLAIN = "as it is";

/** `/whole` and `/parts` are coded, `/plain` is not; `/lines` has a line that comes twice. */
async function upstream(connection: RawConnection): Promise<void> {
  for (;;) {
    const path = (await connection.readHead()).split(" ")[1];
    const content = path === "/plain" ? PLAIN : latin1(gzipSync(TEXT));
    const lines = path === "/plain" ? [] : ["Content-Encoding: gzip"];
    if (path === "/lines") lines.push("X-Line: 1", "X-Line: 2");
    const head = ["HTTP/1.1 200 OK", "X-Up: 1", ...lines, `content-length: ${content.length}`];
    const at = path === "/parts" ? 10 : content.length;
    await connection.send(bytesOf(head.join("\r\n") + "\r\n\r\n" + content.slice(0, at)));
    if (at === content.length) continue;
    await pause(2);
    await connection.send(bytesOf(content.slice(at)));
  }
}

/** What came through a server that answers with what `answer` makes of a `fetch` from upstream. */
async function through(
  path: string,
  options: FetchOptions,
  answer: (response: Response) => Response,
): Promise<{ head: Record<string, string | null>; text: string }> {
  return await withRawServer(upstream, async ({ origin }) => {
    const transport = new Transport({ acceptEncoding: ["gzip"] });
    const fetch = createFetch({ transport, ...options });
    const server = await serve(async (request) =>
      answer(await fetch(origin + new URL(request.url).pathname))
    );
    const client = new Transport();
    try {
      const url = `http://127.0.0.1:${server.port}${path}`;
      const response = await client.roundTrip(
        new HttpRequest(url, { decompress: false, headers: { "Accept-Encoding": "identity" } }),
      );
      const names = ["content-encoding", "x-up", "x-line", "x-own"];
      const head = Object.fromEntries(names.map((name) => [name, response.headers.get(name)]));
      const { contentLength } = response;
      const text = await response.text();
      if (contentLength !== null) assert.equal(contentLength, text.length);
      return { head, text };
    } finally {
      await client.close();
      await server.close();
      await transport.close();
    }
  });
}

const none = { "content-encoding": null, "x-up": "1", "x-line": null, "x-own": null };

/** Whether the runtime's server sends what stands behind a response. */
const takesResponses = runtime !== "node";

test("M20 what was decoded goes out as what it is", async () => {
  // On Node a program copies what it sees, and asks for headers that are meant for that.
  const options: FetchOptions = takesResponses ? {} : { decodedHeaders: "drop" };
  for (const path of ["/whole", "/parts"]) {
    assert.deepEqual(await through(path, options, (response) => response), {
      head: none,
      text: TEXT,
    });
  }
  const plain = await through("/plain", options, (response) => response);
  assert.deepEqual(plain, { head: none, text: PLAIN });
});

test("M20 also where the program has changed, read or cloned the response", async () => {
  const options: FetchOptions = takesResponses ? {} : { decodedHeaders: "drop" };
  for (const path of ["/lines", "/parts"]) {
    const changed = await through(path, options, (response) => {
      const { headers } = response;
      headers.set("X-Own", "1");
      headers.append("X-Own", "2");
      headers.delete("X-Up");
      return response;
    });
    const head = {
      ...none,
      "x-up": null,
      "x-own": "1, 2",
      "x-line": path === "/lines" ? "1, 2" : null,
    };
    assert.deepEqual(changed, { head, text: TEXT });
    const cloned = await through(path, options, (response) => {
      response.headers.set("X-Own", "1");
      const clone = response.clone();
      void response.body!.cancel();
      return clone;
    });
    assert.deepEqual(cloned.text, TEXT);
    assert.deepEqual([cloned.head["content-encoding"], cloned.head["x-own"]], [null, "1"]);
  }
  // To have looked at the body is not to have read it.
  const looked = await through("/whole", options, (response) => {
    assert.ok(response.body !== null);
    return response;
  });
  assert.deepEqual(looked, { head: none, text: TEXT });
});

test("M20 who copies the headers asks for such as can be copied", async () => {
  for (const path of ["/whole", "/parts", "/plain"]) {
    const text = path === "/plain" ? PLAIN : TEXT;
    for (const init of [(of: Response) => of, ({ headers }: Response) => ({ headers })]) {
      const copied = await through(
        path,
        { decodedHeaders: "drop" },
        (response) => new Response(response.body, init(response)),
      );
      assert.deepEqual(copied, { head: none, text });
    }
  }
});

test("M20 programs see the server's headers, unless they asked for others", async () => {
  await withRawServer(upstream, async ({ origin }) => {
    const transport = new Transport({ acceptEncoding: ["gzip"] });
    const { length } = gzipSync(TEXT);
    for (const path of ["/whole", "/parts"]) {
      const kept = await createFetch({ transport })(origin + path);
      for (const { headers } of [kept, kept.clone()]) {
        assert.equal(headers.get("Content-Encoding"), "gzip");
        assert.equal(headers.get("Content-Length"), `${length}`);
        assert.deepEqual([...headers.keys()], ["content-encoding", "content-length", "x-up"]);
        assert.equal(new Headers(headers).get("content-encoding"), "gzip");
        assert.ok(headers instanceof Headers);
      }
      assert.equal(kept.headers, kept.headers);
      assert.equal(await kept.text(), TEXT);
      const dropped = await createFetch({ transport, decodedHeaders: "drop" })(origin + path);
      assert.deepEqual([...dropped.headers.keys()], ["x-up"]);
      assert.equal(await dropped.text(), TEXT);
    }
    const plain = await createFetch({ transport, decodedHeaders: "drop" })(`${origin}/plain`);
    assert.equal(plain.headers.get("content-length"), `${PLAIN.length}`);
    await plain.text();
    await transport.close();
  });
  for (const decodedHeaders of ["Keep", "", null, 1]) {
    assert.throws(
      () => createFetch({ decodedHeaders } as unknown as FetchOptions),
      { code: "ERR_INVALID_REQUEST", message: /decodedHeaders/ },
    );
  }
});
