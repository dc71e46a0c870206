/**
 * The client against the servers of the runtimes, which we did not write: redirects, cookies, forms, retries
 * and ranges, as they send them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import {
  Client,
  MemoryCookieJar,
  ResumingTransport,
  RetryingTransport,
  Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";

type Handler = (request: Request) => Response | Promise<Response>;

/** A server of the runtime. */
interface Server {
  readonly port: number;
  close(): Promise<void>;
}

interface DenoServe {
  serve(
    options: { port: number; hostname: string; onListen: () => void },
    handler: Handler,
  ): { addr: { port: number }; shutdown(): Promise<void> };
}

interface BunServe {
  serve(
    options: { port: number; hostname: string; fetch: Handler },
  ): { port: number; stop(force: boolean): Promise<void> };
}

const { Deno: deno, Bun: bun } = globalThis as { Deno?: DenoServe; Bun?: BunServe };

async function serve(handler: Handler): Promise<Server> {
  const hostname = "127.0.0.1";
  if (deno) {
    const server = deno.serve({ port: 0, hostname, onListen: () => {} }, handler);
    return { port: server.addr.port, close: () => server.shutdown() };
  }
  if (bun) {
    const server = bun.serve({ port: 0, hostname, fetch: handler });
    return { port: server.port, close: () => server.stop(true) };
  }
  const server = createServer(async (incoming, outgoing) => {
    const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
    const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method: incoming.method,
      headers: incoming.headers as Record<string, string>,
      body: hasBody ? Readable.toWeb(incoming) as unknown as ReadableStream : null,
      duplex: "half",
    } as RequestInit);
    const response = await handler(request);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const length: [string, string] = ["content-length", `${bytes.length}`];
    outgoing.writeHead(response.status, [...response.headers, length].flat());
    outgoing.end(bytes);
  });
  await new Promise<void>((resolve) => void server.listen(0, hostname, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

const CONTENT = "0123456789".repeat(20_000);

test("client: a session with the runtime's own server, over all layers", async () => {
  let failures = 1;
  const server = await serve(async (request) => {
    const url = new URL(request.url);
    const cookie = request.headers.get("cookie");
    if (url.pathname === "/login") {
      const form = await request.formData();
      const headers = new Headers({ "Location": "/welcome?from=login#top" });
      headers.append("Set-Cookie", `user=${form.get("user")}; Path=/; HttpOnly`);
      headers.append("Set-Cookie", "seen=1; Path=/; Max-Age=60");
      return new Response("moved", { status: 303, headers });
    }
    if (url.pathname === "/busy" && failures-- > 0) {
      return new Response("later", { status: 503, headers: { "Retry-After": "0" } });
    }
    if (url.pathname === "/file") {
      return new Response(CONTENT, { headers: { "ETag": '"f"' } });
    }
    return Response.json({ method: request.method, path: url.pathname, query: url.search, cookie });
  });
  const transport = new Transport();
  const client = new Client({
    transport: new ResumingTransport(new RetryingTransport(transport, { baseDelayMs: 1 })),
    jar: new MemoryCookieJar(),
    baseUrl: `http://127.0.0.1:${server.port}`,
  });
  try {
    const multipart = new FormData();
    multipart.append("user", "ann");
    for (const form of [{ user: "ann" }, multipart]) {
      const response = await client.postForm("/login", form);
      assert.deepEqual(await response.json(), {
        method: "GET",
        path: "/welcome",
        query: "?from=login",
        cookie: "user=ann; seen=1",
      });
      assert.equal(response.redirected, true);
    }
    const busy = await client.get("/busy");
    assert.equal(busy.status, 200);
    assert.equal((await busy.json() as { path: string }).path, "/busy");
    assert.equal((await client.head("/file")).contentLength, CONTENT.length);
    assert.equal(await (await client.get("/file")).text(), CONTENT);
    for (const method of ["put", "patch"] as const) {
      const said = await (await client[method]("/x", "body")).json() as { method: string };
      assert.equal(said.method, method.toUpperCase());
    }
    assert.equal((await (await client.delete("/x")).json() as { method: string }).method, "DELETE");
  } finally {
    await transport.close();
    await server.close();
  }
});
