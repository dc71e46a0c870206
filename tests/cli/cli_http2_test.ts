/**
 * The command line over HTTP/2: which option speaks it with whom, and what is told of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createSecureServer } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHttp2Server } from "../../examples/http2_server.ts";
import { certPath } from "../fixtures/cli_server.ts";
import { runCli } from "../fixtures/cli_in_memory.ts";
import { textOf } from "../fixtures/cli_run.ts";
import { test } from "../support/harness.ts";

async function withPlainServer(use: (url: string) => Promise<void>): Promise<void> {
  const server = await startHttp2Server();
  try {
    await use(server.url);
  } finally {
    await server.close();
  }
}

/** A server that lets the client choose. */
async function withSecureServer(use: (url: string) => Promise<void>): Promise<void> {
  const server = createSecureServer({
    allowHTTP1: true,
    cert: readFileSync(certPath("localhost.pem")),
    key: readFileSync(certPath("localhost.key")),
  }, (request, response) => response.end(`by ${request.httpVersion}`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`https://localhost:${(server.address() as { port: number }).port}/`);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const ca = ["--cacert", certPath("ca.pem")];

test("--http2 and the default speak it where the server chooses it, --http1.1 does not", async () => {
  await withSecureServer(async (url) => {
    const rows: [args: string[], says: string][] = [
      [[], "by 2.0"],
      [["--http1.1"], "by 1.1"],
      [["--http2"], "by 2.0"],
      [["--http2", "--http1.1"], "by 1.1"],
      [["--http1.1", "--http2"], "by 2.0"],
      [["--http2-prior-knowledge"], "by 2.0"],
    ];
    for (const [args, says] of rows) {
      const { stdout, stderr, code } = await runCli([...args, ...ca, url]);
      assert.deepEqual([textOf(stdout), stderr, code], [says, "", 0], args.join(" "));
    }
  });
});

test("--http2-prior-knowledge speaks it without TLS, --http2 does not", async () => {
  await withPlainServer(async (url) => {
    const prior = await runCli(["--http2-prior-knowledge", "-i", `${url}/a`]);
    assert.match(
      textOf(prior.stdout),
      /^HTTP\/2 200 \r\ncontent-length: 19\r\n\r\nGET \/a on stream 1\n$/,
    );
    const asked = await runCli(["--http2", `${url}/a`]);
    assert.notEqual(asked.code, 0);
  });
});

test("-v tells of HTTP/2: the version, names in lower case, the stream", async () => {
  await withPlainServer(async (url) => {
    const { stderr } = await runCli(["--http2-prior-knowledge", "-v", "-H", "X-Mine: 1", url]);
    assert.match(stderr, /^\* sending on connection #1, new, by HTTP\/2$/m);
    assert.match(stderr, /^> GET \/ HTTP\/2\n> :authority: 127\.0\.0\.1:\d+$/m);
    assert.match(stderr, /^> x-mine: 1$/m);
    assert.match(stderr, /^\* stream 1$/m);
    assert.match(stderr, /^< HTTP\/2 200$/m);
  });
});

test("a stream that the server resets ends with 92, as curl does", async () => {
  await withSecureServer(async (url) => {
    const server = createSecureServer({
      cert: readFileSync(certPath("localhost.pem")),
      key: readFileSync(certPath("localhost.key")),
    });
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.close(2);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const run = await runCli(["--http2", ...ca, url.replace(/:\d+/, `:${port}`)]);
    assert.equal(run.code, 92);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});

test("--har and --trace tell of HTTP/2 too", async () => {
  await withPlainServer(async (url) => {
    const folder = await mkdtemp(join(tmpdir(), "roundtrip-http2-"));
    try {
      const [har, trace] = ["har", "trace"].map((name) => join(folder, name));
      const told = ["--har", har, "--trace", trace];
      const run = await runCli(["--http2-prior-knowledge", ...told, `${url}/a`]);
      assert.equal(run.code, 0, run.stderr);
      const [{ request, response }] = JSON.parse(await readFile(har, "utf8")).log.entries;
      assert.deepEqual(
        [request.httpVersion, response.httpVersion, request.headersSize, response.headersSize],
        ["HTTP/2", "HTTP/2", -1, -1],
      );
      assert.equal(request.headers[0].name, ":authority");
      assert.equal(response.content.text, "GET /a on stream 1\n");
      assert.match(
        await readFile(trace, "utf8"),
        /^0000: 50 52 49 20 2a 20 48 54 54 50 2f 32 2e 30 0d 0a PRI \* HTTP\/2\.0\.\.$/m,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
