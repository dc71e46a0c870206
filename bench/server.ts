/**
 * The serving side, never in the process of a client: nginx where it is installed, else the server
 * in this file; and a server that takes uploads, for nginx answers before it has read them. Prints
 * one line of JSON with the ports, and ends, nginx with it, when its standard input ends.
 *
 * Argument: `--any-address` listens on every 127.x.y.z (and so on every address of the machine).
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { constants } from "node:crypto";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as tls from "node:tls";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { BULK_BYTES, COLLECTED_BYTES, type ServerPorts, WARM_UP_BYTES } from "./task.ts";

const address = process.argv.includes("--any-address") ? "0.0.0.0" : "127.0.0.1";
const certificates = fileURLToPath(new URL("../tests/certs/", import.meta.url));
const encoder = new TextEncoder();

/** Text like a page's: it shrinks to about a fifth. */
function prose(bytes: number): Uint8Array {
  let text = "";
  for (let n = 0; text.length < bytes; n++) text += `<li>item ${n}: ${(n * 7919) % 10007}</li>\n`;
  return encoder.encode(text.slice(0, bytes));
}

function json(bytes: number): Uint8Array {
  const items: { id: number; name: string; tags: string[]; price: number }[] = [];
  for (let id = 0; JSON.stringify(items).length < bytes - 80; id++) {
    items.push({ id, name: `item ${id}`, tags: ["red", "small"], price: id * 1.25 });
  }
  return encoder.encode(JSON.stringify(items));
}

const small = encoder.encode("Hello, world!");
const bodies: Record<string, Uint8Array> = {
  small,
  post: small,
  json: json(10 * 1024),
  "64k": prose(64 * 1024),
  "1m": prose(1024 * 1024),
  chunked: prose(16 * 1024),
  gzip: prose(100 * 1024),
};
const bulk: Record<string, number> = {
  bulk: BULK_BYTES,
  collected: COLLECTED_BYTES,
  warm: WARM_UP_BYTES,
};

async function freePort(): Promise<number> {
  const server = net.createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

function nginxConfig(folder: string, { port, tlsPort, http2Ports }: ServerPorts): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  return `daemon off; pid ${folder}/pid; worker_processes 1; worker_rlimit_nofile 20000;
events { worker_connections 16384; }
http {
  access_log off; error_log ${folder}/error.log; ${temp}
  keepalive_requests 1000000000; keepalive_timeout 300s; default_type text/plain; sendfile on; tcp_nopush on;
  # An idle-memory run or a slow first TLS handshake is no reason to close.
  client_header_timeout 300s;
  server {
    listen ${address}:${port} backlog=4096; listen ${address}:${tlsPort} ssl backlog=4096;
    ssl_certificate ${folder}/localhost.pem; ssl_certificate_key ${folder}/localhost.key;
    # Whole handshakes for everybody: not every client takes up a session again.
    ssl_session_tickets off; ssl_session_cache off;
    root ${folder};
    location = /post { return 200 "Hello, world!"; }
    # A substitution that finds nothing: the length is not known beforehand.
    location = /chunked { sub_filter "no such text" ""; sub_filter_types *; }
    location = /gzip { gzip_static on; }
  }
  server {
    listen ${address}:${http2Ports.nginx} ssl http2 backlog=4096;
    ssl_certificate ${folder}/localhost.pem; ssl_certificate_key ${folder}/localhost.key;
    root ${folder};
  }
}\n`;
}

/** What the servers that are not ours read. */
function writeFiles(folder: string): void {
  chmodSync(folder, 0o755);
  for (const [name, body] of Object.entries(bodies)) writeFileSync(join(folder, name), body);
  writeFileSync(join(folder, "gzip.gz"), gzipSync(bodies["gzip"], { level: 6 }));
  for (const [name, bytes] of Object.entries(bulk)) {
    // Sparse: a length, and nothing on the disk.
    writeFileSync(join(folder, name), "");
    truncateSync(join(folder, name), bytes);
  }
  for (const name of ["localhost.pem", "localhost.key"]) {
    writeFileSync(join(folder, name), readFileSync(join(certificates, name)));
  }
}

/** Speaks HTTP/2 alone. */
function startNghttpd(folder: string, port: number): ChildProcess {
  const [key, certificate] = ["localhost.key", "localhost.pem"].map((name) => join(folder, name));
  return spawn(
    "nghttpd",
    ["-n1", `--address=${address}`, `--htdocs=${folder}`, String(port), key, certificate],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
}

/** The process group's own user runs nginx's master; its worker is another one. */
function startNginx(folder: string, ports: ServerPorts): ChildProcess {
  writeFileSync(join(folder, "nginx.conf"), nginxConfig(folder, ports));
  return spawn(
    "nginx",
    ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", `${folder}/error.log`],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
}

/** Whole answers, made once. */
function answers(): Map<string, Uint8Array> {
  const head = (fields: string): string =>
    "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Fri, 20 Nov 2026 00:00:00 GMT\r\n" +
    `Content-Type: text/plain\r\n${fields}Connection: keep-alive\r\n\r\n`;
  const join = (...parts: (string | Uint8Array)[]): Uint8Array =>
    new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string, "latin1"))));
  const made = new Map<string, Uint8Array>();
  for (const [name, body] of Object.entries(bodies)) {
    made.set(`/${name}`, join(head(`Content-Length: ${body.length}\r\n`), body));
  }
  const packed = gzipSync(bodies["gzip"]);
  made.set(
    "/gzip",
    join(head(`Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n`), packed),
  );
  const body = bodies["chunked"];
  made.set(
    "/chunked",
    join(
      head("Transfer-Encoding: chunked\r\n"),
      `${body.length.toString(16)}\r\n`,
      body,
      "\r\n0\r\n\r\n",
    ),
  );
  for (const [name, bytes] of Object.entries(bulk)) {
    made.set(`/${name}`, join(head(`Content-Length: ${bytes}\r\n`)));
  }
  return made;
}

const zeros = new Uint8Array(256 * 1024);

/** Sends zeros as fast as they are taken. */
async function sendBulk(socket: net.Socket, bytes: number): Promise<void> {
  let wake = (): void => {};
  const ready = (): void => wake();
  socket.on("drain", ready).on("close", ready);
  for (let left = bytes; left > 0 && !socket.destroyed; left -= zeros.length) {
    if (!socket.write(left < zeros.length ? zeros.subarray(0, left) : zeros)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  }
  socket.off("drain", ready).off("close", ready);
}

/** Answers requests of our own clients: one at a time, heads in one piece, no pipelining. */
function serve(socket: net.Socket, made: Map<string, Uint8Array>): void {
  /** Bytes of the request's body that are still to come; -1: until the last chunk. */
  let left = 0;
  let path = "";
  let close = false;
  const answer = (): void => {
    socket.write(made.get(path) ?? made.get("/small")!);
    const bytes = bulk[path.slice(1)];
    if (bytes !== undefined) {
      sendBulk(socket, bytes).then(() => close && socket.end());
    } else if (close) {
      socket.end();
    }
  };
  const endsChunked = (data: Buffer): boolean =>
    data.length >= 5 && data.toString("latin1", data.length - 5) === "0\r\n\r\n";
  socket.on("data", (data: Buffer) => {
    if (left !== 0) {
      left = left === -1 ? (endsChunked(data) ? 0 : -1) : left - data.length;
      if (left === 0) answer();
      return;
    }
    const end = data.indexOf("\r\n\r\n") + 4;
    const head = data.toString("latin1", 0, end).toLowerCase();
    path = head.slice(head.indexOf(" ") + 1, head.indexOf(" http/"));
    close = head.includes("\r\nconnection: close");
    if (head.includes("\r\ntransfer-encoding: chunked")) {
      left = endsChunked(data.subarray(end)) ? 0 : -1;
    } else {
      left = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0) - (data.length - end);
    }
    if (left === 0) answer();
  });
  socket.on("error", () => socket.destroy());
}

async function listen(server: net.Server): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.on("error", reject);
  server.listen(0, address, 4096, resolve);
  await promise;
  return (server.address() as net.AddressInfo).port;
}

async function untilListening(port: number, server: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200 && server.exitCode === null; attempt++) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = net.connect(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false));
    const open = await promise;
    socket.destroy();
    if (open) return;
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`${server.spawnfile} does not listen`);
}

const folder = mkdtempSync(join(tmpdir(), "roundtrip-bench-"));
/** Servers that are not ours. */
const others: ChildProcess[] = [];

async function end(code: number): Promise<void> {
  for (const other of others) {
    if (other.exitCode !== null || other.signalCode !== null) continue;
    other.removeAllListeners("exit").kill("SIGTERM");
    const gone = new Promise((resolve) => other.once("exit", resolve));
    // Nobody else waits for it.
    await Promise.race([gone, new Promise((done) => setTimeout(done, 2_000))]);
  }
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

process.stdin.on("end", () => end(0)).resume();
process.on("SIGTERM", () => end(0));
// The terminal sends it to everybody: whoever started this decides.
process.on("SIGINT", () => {});

const made = answers();
const plain = net.createServer({ noDelay: true }, (socket) => serve(socket, made));
const ports: ServerPorts = {
  name: "bench/server.ts",
  port: 0,
  tlsPort: 0,
  uploadPort: 0,
  http2Ports: { nginx: 0, nghttpd: 0 },
};
ports.uploadPort = await listen(plain);
writeFiles(folder);
if (spawnSync("nghttpd", ["--version"]).status === 0) {
  ports.http2Ports.nghttpd = await freePort();
  const nghttpd = startNghttpd(folder, ports.http2Ports.nghttpd);
  others.push(nghttpd);
  nghttpd.on("exit", () => end(1));
  await untilListening(ports.http2Ports.nghttpd, nghttpd);
}
if (spawnSync("nginx", ["-v"]).status === 0) {
  ports.name = "nginx";
  [ports.port, ports.tlsPort] = [await freePort(), await freePort()];
  ports.http2Ports.nginx = await freePort();
  const nginx = startNginx(folder, ports);
  others.push(nginx);
  nginx.on("exit", () => end(1));
  await untilListening(ports.port, nginx);
} else {
  ports.port = ports.uploadPort;
  const options = {
    cert: readFileSync(join(certificates, "localhost.pem")),
    key: readFileSync(join(certificates, "localhost.key")),
    noDelay: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  ports.tlsPort = await listen(tls.createServer(options, (socket) => serve(socket, made)));
}
console.log(JSON.stringify(ports));
