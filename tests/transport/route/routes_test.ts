/**
 * The programs of docs/routes.md run as they stand there, against servers of ours.
 *
 * @module
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "../../support/harness.ts";
import { outputOf, programsOf } from "../../support/page_programs.ts";
import { withRouteServers } from "../../support/route_servers.ts";

/** What a program prints, and which way it went. */
interface Expected {
  readonly prints: RegExp;
  /** What the servers saw; a number stands for any port. */
  readonly seen?: readonly string[];
  /** Whether the URL is for a name that only the proxies know. */
  readonly byName?: boolean;
  readonly env?: (servers: { proxyPort: number }) => Record<string, string>;
}

const hello = /^200 hello\n$/;

/** By the heading of its section. */
const routes: Readonly<Record<string, Expected>> = {
  "Direct": { prints: hello },
  "HTTPS with a certificate authority of your own": { prints: hello },
  "A client certificate": { prints: hello, seen: ["client certificate"] },
  "A pinned certificate": { prints: hello },
  "A Unix socket in the URL": { prints: hello },
  "A Unix socket for every URL": { prints: hello },
  "An HTTP proxy": { prints: hello, seen: ["forward example.com:80"], byName: true },
  "HTTPS through a proxy": { prints: hello, seen: ["connect localhost:0"] },
  "A proxy over TLS": { prints: hello, seen: ["connect localhost:0"] },
  "SOCKS": { prints: hello, seen: ["socks example.com:80"], byName: true },
  "A chain of proxies": {
    prints: hello,
    seen: ["socks 127.0.0.1:0", "forward example.com:80"],
    byName: true,
  },
  "A proxy for each request": { prints: hello, seen: ["forward example.com:80"], byName: true },
  "The environment's proxies": {
    prints: hello,
    seen: ["forward example.com:80"],
    byName: true,
    env: ({ proxyPort }) => ({ HTTP_PROXY: `http://user:pw@127.0.0.1:${proxyPort}` }),
  },
  "Names of your own": { prints: hello },
  "An egress policy": { prints: /^ERR_BLOCKED\n$/ },
  "From a local address": { prints: /"?hostname"?: ["']127\.0\.0\.1["'][^]*hello\n$/ },
  "A dialer of your own": { prints: /^dialled tcp\n200 hello\n$/ },
  "Connections that are watched": { prints: /^200 hello\ntrue\n$/ },
  "Other schemes": { prints: /^200 text\/plain hello\n200 text\/plain hello\n$/ },
  "Another protocol after the handshake": { prints: /^101 hello\n$/ },
  "A tunnel by hand": { prints: hello, seen: ["connect echo.example:7"] },
};

function certificate(name: string): string {
  return fileURLToPath(new URL(`../../certs/${name}`, import.meta.url));
}

/** Runs a program with the places that it names replaced by ours. */
async function run(code: string, { prints, seen, byName, env }: Expected): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  const socketPath = join(folder, "socket");
  await writeFile(join(folder, "hello.txt"), "hello");
  const pinned = new X509Certificate(await readFile(certificate("localhost.pem"))).fingerprint256;
  const variables: string[] = [];
  try {
    await withRouteServers(socketPath, async (servers) => {
      for (const [name, value] of Object.entries(env?.(servers) ?? {})) {
        process.env[name] = value;
        variables.push(name);
      }
      const origin = `http://127.0.0.1:${servers.originPort}/`;
      const output = await outputOf(code, [
        ["A7:4E:6F:41:94:70:\u2026", pinned],
        ["/etc/ssl/our-ca.pem", certificate("ca.pem")],
        ["/etc/ssl/me.pem", certificate("client.pem")],
        ["/etc/ssl/me.key", certificate("client.key")],
        ["/var/run/docker.sock", socketPath],
        ["/srv/files", folder],
        ["https://example.com/", `https://localhost:${servers.secureOriginPort}/`],
        ["127.0.0.1:3128", `127.0.0.1:${servers.proxyPort}`],
        ["proxy.example:3129", `localhost:${servers.secureProxyPort}`],
        ["127.0.0.1:1080", `127.0.0.1:${servers.socksPort}`],
        ["http://api.example/", `http://api.example:${servers.originPort}/`],
        ["http://0x7f.1/", `http://0x7f.1:${servers.originPort}/`],
        ...(byName ? [] : [["http://example.com/", origin] as const]),
      ]);
      assert.match(output, prints);
      const anyPort = servers.seen.map((way) =>
        way.replace(/(localhost|127\.0\.0\.1):\d+$/, "$1:0")
      );
      assert.deepEqual(anyPort, seen ?? []);
    });
  } finally {
    for (const name of variables) delete process.env[name];
    await rm(folder, { recursive: true });
  }
}

test("routes: each section of the page has one program, and each is known here", async () => {
  const headings = (await programsOf("docs/routes.md")).map(({ heading }) => heading);
  assert.deepEqual(headings, Object.keys(routes));
});

for (const [heading, expected] of Object.entries(routes)) {
  test(`routes: the program of "${heading}" runs`, async () => {
    const program = (await programsOf("docs/routes.md")).find((each) => each.heading === heading);
    assert.ok(program !== undefined, "docs/routes.md has no such section any more");
    await run(program.code, expected);
  });
}
