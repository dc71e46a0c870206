/**
 * Tries the routes through the proxies that are installed on this machine: squid, tinyproxy, dante,
 * haproxy and nginx, each started here on a loopback port and ended afterwards. By hand, not part of
 * the tests; what is not installed is said to be skipped. Runs on any runtime:
 *
 *     deno run -A scripts/try_proxies.ts
 *     bun scripts/try_proxies.ts
 *     node scripts/try_proxies.ts
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { HttpRequest, ProxyError, Transport, type TransportOptions } from "../mod.ts";
import { root } from "./run_program.ts";

/** Milliseconds that a proxy may take to listen. */
const START_MS = 10_000;

const certs = join(root, "tests", "certs");
const ca = readFileSync(join(certs, "ca.pem"), "utf8");
const leaf = {
  cert: readFileSync(join(certs, "localhost.pem"), "utf8"),
  key: readFileSync(join(certs, "localhost.key"), "utf8"),
};
const folder = mkdtempSync(join(tmpdir(), "roundtrip-proxies-"));
const children: ChildProcess[] = [];

let tried = 0;
let failed = 0;

function report(outcome: "ok" | "FAIL" | "skip", text: string): void {
  console.log(`${outcome.padEnd(4)} ${text}`);
}

/** Path of a program, or null. */
function installed(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((path) => join(path, name)).find((path) => existsSync(path)) ?? null;
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", (hadError) => resolve(!hadError));
  });
}

/** Starts a program and waits until it listens at all `ports`; false: it does not. */
async function start(program: string, args: string[], ports: number[]): Promise<boolean> {
  const child = spawn(program, args, { cwd: folder, stdio: "ignore" });
  children.push(child);
  const giveUp = performance.now() + START_MS;
  for (const port of ports) {
    while (!await isListening(port)) {
      if (child.exitCode !== null || performance.now() > giveUp) return false;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return true;
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The servers behind the proxies. */
interface Origins {
  readonly http: string;
  readonly https: string;
}

const answer: RequestListener = (request, response) => {
  const leaked = request.headers["proxy-authorization"] !== undefined;
  response.end(leaked ? "credentials came through" : `answer to ${request.url}`);
};

async function listen(server: net.Server): Promise<number> {
  server.listen(0);
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}

/** Two requests over one connection. */
async function exchange(options: TransportOptions, origin: string): Promise<string> {
  const trusting = { tls: { caCerts: [ca] }, proxyTls: { caCerts: [ca] } };
  const transport = new Transport({ ...trusting, ...options });
  try {
    let reused = false;
    let times = "";
    for (const path of ["/first", "/second"]) {
      const response = await transport.roundTrip(new HttpRequest(origin + path));
      const text = await response.text();
      if (text !== `answer to ${path}`) throw new Error(`${response.status}: ${text.slice(0, 80)}`);
      reused = response.connection.reused;
      const { proxyMs } = response.timings;
      if (proxyMs !== null) times = `, proxy ${proxyMs.toFixed(1)} ms`;
    }
    return `${reused ? "kept alive" : "NOT kept alive"}${times}`;
  } finally {
    transport.destroy();
  }
}

async function tryRoute(
  name: string,
  options: TransportOptions,
  origins: Partial<Origins>,
): Promise<void> {
  for (const [scheme, origin] of Object.entries(origins)) {
    tried++;
    try {
      report("ok", `${name}, ${scheme}: ${await exchange(options, origin)}`);
    } catch (error) {
      failed++;
      report("FAIL", `${name}, ${scheme}: ${(error as Error).message}`);
    }
  }
}

/** A request that the proxy has to refuse. */
async function tryRefusal(name: string, proxy: string, url: string): Promise<void> {
  tried++;
  try {
    await exchange({ proxy }, url);
    throw new Error("it was not refused");
  } catch (error) {
    if (error instanceof ProxyError) {
      const { response, reply } = error;
      const told = response !== null ? `status ${response.status}` : `reply ${reply}`;
      return report("ok", `${name}: ${told}, "${error.message}"`);
    }
    failed++;
    report("FAIL", `${name}: ${(error as Error).message}`);
  }
}

/** A kind of proxy: starts it, and returns the URLs under which it can be passed. */
interface Peer {
  readonly program: string;
  readonly start: (program: string) => Promise<Record<string, string> | null>;
}

const peers: readonly Peer[] = [
  {
    program: "tinyproxy",
    start: async (program) => {
      const [open, closed] = [await freePort(), await freePort()];
      const common = "Listen 127.0.0.1\nTimeout 30\nMaxClients 20\nLogLevel Critical\n";
      const withoutLogin = file("tinyproxy.conf", `Port ${open}\n${common}`);
      const withLogin = file(
        "tinyproxy2.conf",
        `Port ${closed}\n${common}BasicAuth user pass-word\n`,
      );
      const runs = await start(program, ["-d", "-c", withoutLogin], [open]) &&
        await start(program, ["-d", "-c", withLogin], [closed]);
      return runs
        ? {
          "tinyproxy": `http://127.0.0.1:${open}`,
          "tinyproxy with a password": `http://user:pass-word@127.0.0.1:${closed}`,
        }
        : null;
    },
  },
  {
    program: "squid",
    start: async (program) => {
      const [open, tls] = [await freePort(), await freePort()];
      const key = file("squid.pem", leaf.key + leaf.cert);
      const conf = file(
        "squid.conf",
        `http_port 127.0.0.1:${open}
https_port 127.0.0.1:${tls} tls-cert=${key}
auth_param basic program /usr/lib/squid/basic_fake_auth
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log /dev/null
cache_store_log none
pid_filename none
shutdown_lifetime 0 seconds
coredump_dir ${folder}
`,
      );
      const runs = await start(program, ["-N", "-f", conf], [open, tls]);
      return runs
        ? {
          "squid with a password": `http://user:any%20one@127.0.0.1:${open}`,
          "squid over TLS": `https://user:any%20one@localhost:${tls}`,
        }
        : null;
    },
  },
  {
    program: "danted",
    start: async (program) => {
      const port = await freePort();
      const conf = file(
        "danted.conf",
        `logoutput: /dev/null
internal: 127.0.0.1 port = ${port}
external: lo
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
`,
      );
      const runs = await start(program, ["-f", conf, "-N", "1"], [port]);
      return runs
        ? {
          "dante socks5": `socks5://127.0.0.1:${port}`,
          "dante socks5h": `socks5h://127.0.0.1:${port}`,
          // It knows SOCKS4 without names: curl cannot reach one through it either.
          "dante socks4": `socks4a://me@127.0.0.1:${port}`,
        }
        : null;
    },
  },
];

/** The first URL of those whose name begins so. */
function found(urls: Record<string, string>, name: string): string | null {
  return Object.entries(urls).find(([key]) => key.startsWith(name))?.[1] ?? null;
}

async function tryChains(urls: Record<string, string>, origins: Origins): Promise<void> {
  for (
    const chain of [
      ["dante socks5h", "tinyproxy"],
      ["tinyproxy", "dante socks5h"],
      ["tinyproxy with", "squid over TLS"],
      ["squid over TLS", "squid over TLS"],
      ["dante socks4", "tinyproxy", "squid over TLS"],
    ]
  ) {
    const proxy = chain.map((name) => found(urls, name));
    const name = `chain ${chain.join(" > ")}`;
    if (proxy.includes(null)) report("skip", `${name}: one of them does not run`);
    else await tryRoute(name, { proxy: proxy as string[] }, origins);
  }
}

/** haproxy takes the TLS off before another proxy: an `https:` proxy that does not know it is one. */
async function tryHaproxy(behind: string | null, origins: Origins): Promise<void> {
  const program = installed("haproxy");
  if (program === null || behind === null) return report("skip", "haproxy: does not run here");
  const port = await freePort();
  const pem = file("haproxy.pem", leaf.cert + leaf.key);
  const conf = file(
    "haproxy.cfg",
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen tls
  bind 127.0.0.1:${port} ssl crt ${pem}
  server proxy ${new URL(behind).host}
`,
  );
  if (!await start(program, ["-db", "-f", conf], [port])) {
    return report("skip", "haproxy: no start");
  }
  const proxy = `https://localhost:${port}`;
  await tryRoute("haproxy before tinyproxy", { proxy }, origins);
}

/** nginx is no proxy for clients, and has to be understood when it says so. */
async function tryNginx(origins: Origins): Promise<void> {
  const program = installed("nginx");
  if (program === null) return report("skip", "nginx: is not installed");
  const port = await freePort();
  const conf = file(
    "nginx.conf",
    `daemon off; pid ${folder}/nginx.pid; error_log /dev/null;
events {}
http { access_log off; server { listen 127.0.0.1:${port}; location / { return 204; } } }
`,
  );
  if (!await start(program, ["-c", conf, "-p", folder], [port])) {
    return report("skip", "nginx: no start");
  }
  await tryRefusal("nginx refuses CONNECT", `http://127.0.0.1:${port}`, origins.https);
}

async function main(): Promise<number> {
  const http = createHttpServer(answer);
  const https = createHttpsServer(leaf, answer);
  const origins = {
    http: `http://127.0.0.1:${await listen(http)}`,
    https: `https://localhost:${await listen(https)}`,
  };
  const urls: Record<string, string> = {};
  try {
    await tryRoute("direct", {}, origins);
    for (const peer of peers) {
      const program = installed(peer.program);
      if (program === null) {
        report("skip", `${peer.program}: is not installed`);
        continue;
      }
      const running = await peer.start(program);
      if (running === null) {
        report("skip", `${peer.program}: did not start`);
        continue;
      }
      Object.assign(urls, running);
      for (const [name, proxy] of Object.entries(running)) {
        const behind = proxy.startsWith("socks4a:") ? { http: origins.http } : origins;
        await tryRoute(name, { proxy }, behind);
      }
    }
    await tryChains(urls, origins);
    await tryHaproxy(found(urls, "tinyproxy"), origins);
    await tryNginx(origins);
    const closed = `https://127.0.0.1:${await freePort()}`;
    for (const [name, url] of Object.entries(urls)) {
      await tryRefusal(`${name}, nobody behind`, url, closed);
      if (!url.includes("@") || url.startsWith("socks4a:")) continue;
      const anonymous = url.replace(/\/\/[^@]*@/, "//");
      await tryRefusal(`${name}, none given`, anonymous, origins.https);
    }
  } finally {
    for (const child of children) {
      if (child.exitCode !== null) continue;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    }
    rmSync(folder, { recursive: true });
    for (const server of [http, https]) {
      server.closeAllConnections();
      server.close();
    }
  }
  console.log(`${tried} tried, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
