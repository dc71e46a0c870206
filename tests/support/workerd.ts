/**
 * workerd, the runtime of Cloudflare's Workers, with the Worker of `tests/fixtures/worker.ts`.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect, type Server } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Miniflare } from "miniflare";
import { rolldown } from "rolldown";
import { root } from "../../scripts/run_program.ts";
import { testAuthority, testFile } from "./raw_server.ts";

/** A Worker that runs. */
export interface RunningWorker {
  /** What the Worker makes of a case. */
  result(name: string): Promise<unknown>;
}

/** The Worker as modules, those of the runtime left out, as a bundler would make them. */
async function bundledWorker(): Promise<{ path: string; contents: string }[]> {
  const bundle = await rolldown({
    input: { worker: join(root, "tests/fixtures/worker.ts") },
    external: /^(?:node|cloudflare):|^[a-z]/,
    platform: "node",
    tsconfig: false,
  });
  try {
    const { output } = await bundle.generate({ entryFileNames: "worker.js" });
    const chunks = output.filter((file) => file.type === "chunk");
    return chunks.map(({ fileName, code }) => ({ path: `/${fileName}`, contents: code }));
  } finally {
    await bundle.close();
  }
}

/** Has the Worker run, with servers for its requests, and ends them all. */
export async function withWorker(
  compatibility: { compatibilityDate: string; compatibilityFlags: string[] },
  run: (worker: RunningWorker) => Promise<void>,
): Promise<void> {
  const plain = createServer(answer);
  const [secure, other] = ["localhost", "other_host"].map((name) => {
    const cert = testFile(`../certs/${name}.pem`);
    return createSecureServer({ cert, key: testFile(`../certs/${name}.key`) }, answer);
  });
  const proxy = createServer(answer).on("connect", (_request, socket) => {
    // To the one that it is for, whatever is asked.
    const to = connect(portOf(secure), "127.0.0.1");
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.on("error", () => to.destroy()).pipe(to).on("error", () => socket.destroy()).pipe(
      socket,
    );
  });
  const servers = [plain, secure, other, proxy];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  const origins = JSON.stringify({
    plain: `http://127.0.0.1:${portOf(plain)}`,
    secure: `https://localhost:${portOf(secure)}`,
    other: `https://localhost:${portOf(other)}`,
    proxy: `http://127.0.0.1:${portOf(proxy)}`,
  });
  const modules = await bundledWorker();
  // The first is the Worker's own.
  modules.sort((one, other) =>
    Number(other.path === "/worker.js") - Number(one.path === "/worker.js")
  );
  const miniflare = new Miniflare({
    modulesRoot: "/",
    modules: modules.map((module) => ({ type: "ESModule", ...module })),
    ...compatibility,
    outboundService: {
      network: {
        allow: ["public", "private", "local"],
        tlsOptions: { trustedCertificates: [testAuthority] },
      },
    },
  });
  try {
    await run({
      async result(name) {
        const url = `http://worker.invalid/${name}?origins=${encodeURIComponent(origins)}`;
        return await (await miniflare.dispatchFetch(url)).json();
      },
    });
  } finally {
    await miniflare.dispose();
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  switch (new URL(request.url!, "http://host").pathname) {
    case "/echo":
      request.pipe(response);
      break;
    case "/chunked":
      for (const piece of ["one ", "two ", "three"]) response.write(piece);
      response.end();
      break;
    case "/gzip": {
      const isWanted = request.headers["accept-encoding"]?.includes("gzip") === true;
      if (isWanted) response.setHeader("Content-Encoding", "gzip");
      response.end(isWanted ? gzipSync("coded") : "plain");
      break;
    }
    case "/never":
      break;
    default:
      response.end(`hello ${request.url}`);
  }
}
