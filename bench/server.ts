/**
 * The serving side, never in the process of a client: nginx where it is installed, else the server
 * in this file, which also serves beside nginx what that cannot: it reads uploads before it answers, asks
 * for cookies, and keeps silent. Prints one line of JSON with the ports, and ends, nginx with it, when its standard input ends.
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
import { bodies, bulk, eventChunks, PACKED, tinyChunks } from "./bodies.ts";
import type { ServerPorts } from "./task.ts";

const address = process.argv.includes("--any-address") ? "0.0.0.0" : "127.0.0.1";
const certificates = fileURLToPath(new URL("../tests/certs/", import.meta.url));

async function freePort(): Promise<number> {
  const server = net.createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

function nginxConfig(
  folder: string,
  { port, tlsPort, ticketPort, http2Ports }: ServerPorts,
): string {
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
    location /chunked/ { alias ${folder}/; sub_filter "no such text" ""; sub_filter_types *; }
    location /gzip/ { alias ${folder}/; gzip_static on; }
  }
  server {
    listen ${address}:${ticketPort} ssl backlog=4096;
    ssl_certificate ${folder}/localhost.pem; ssl_certificate_key ${folder}/localhost.key;
    ssl_session_tickets on;
    root ${folder};
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
  for (const name of PACKED) writeFileSync(join(folder, `${name}.gz`), gzipSync(bodies[name]));
  for (const [name, bytes] of Object.entries(bulk)) {
    // Sparse: a length, and nothing on the disk.
    writeFileSync(join(folder, name), "");
    truncateSync(join(folder, name), bytes);
  }
  for (const name of ["localhost.pem", "localhost.key"]) {
    writeFileSync(join(folder, name), readFileSync(join(certificates, name)));
  }
}

/** Speaks HTTP/2 alone. Its windows are those of servers that take uploads, 4 and 16 MiB. */
function startNghttpd(folder: string, port: number): ChildProcess {
  const [key, certificate] = ["localhost.key", "localhost.pem"].map((name) => join(folder, name));
  return spawn(
    "nghttpd",
    [
      "-n1",
      "-w22",
      "-W24",
      `--address=${address}`,
      `--htdocs=${folder}`,
      String(port),
      key,
      certificate,
    ],
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

/** Who asks for `/home` and has no cookie gets this answer. */
const STRANGER = "/stranger";

/** Requests for this get no answer. */
const SILENT = "/silent";

/** Whole answers, made once. */
function answers(): Map<string, Uint8Array> {
  const head = (fields: string, status = "200 OK", type = "text/plain"): string =>
    `HTTP/1.1 ${status}\r\nServer: bench\r\nDate: Fri, 20 Nov 2026 00:00:00 GMT\r\n` +
    `Content-Type: ${type}\r\n${fields}Connection: keep-alive\r\n\r\n`;
  const join = (...parts: (string | Uint8Array)[]): Uint8Array =>
    new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string, "latin1"))));
  const made = new Map<string, Uint8Array>();
  for (const [name, body] of Object.entries(bodies)) {
    made.set(`/${name}`, join(head(`Content-Length: ${body.length}\r\n`), body));
  }
  for (const name of PACKED) {
    const packed = gzipSync(bodies[name]);
    const fields = `Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n`;
    made.set(`/gzip/${name}`, join(head(fields), packed));
  }
  const chunked = (chunks: readonly Uint8Array[], type?: string): Uint8Array =>
    join(
      head("Transfer-Encoding: chunked\r\n", "200 OK", type),
      ...chunks.flatMap((chunk) => [`${chunk.length.toString(16)}\r\n`, chunk, "\r\n"]),
      "0\r\n\r\n",
    );
  for (const [name, body] of Object.entries(bodies)) made.set(`/chunked/${name}`, chunked([body]));
  made.set("/tiny", chunked(tinyChunks()));
  made.set("/events", chunked(eventChunks(), "text/event-stream"));
  const moved = "Set-Cookie: session=0123456789abcdef; Path=/\r\nLocation: /home\r\n";
  made.set("/login", join(head(`${moved}Content-Length: 0\r\n`, "302 Found")));
  made.set("/home", made.get("/small")!);
  made.set(STRANGER, join(head("Content-Length: 0\r\n", "403 Forbidden")));
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
    if (path === SILENT) return;
    socket.write(made.get(path) ?? made.get("/small")!);
    const bytes = bulk[path.slice(1)];
    if (bytes !== undefined) {
      sendBulk(socket, bytes).then(() => close && socket.end());
    } else if (close) {
      socket.end();
    }
  };
  const finish = (): void => {
    if (left === 0) answer();
    // More than was announced: whatever it is, it is wrong.
    else if (left < -1) socket.destroy();
  };
  const endsChunked = (data: Buffer): boolean =>
    data.length >= 5 && data.toString("latin1", data.length - 5) === "0\r\n\r\n";
  socket.on("data", (data: Buffer) => {
    if (left !== 0) {
      left = left === -1 ? (endsChunked(data) ? 0 : -1) : left - data.length;
      finish();
      return;
    }
    const end = data.indexOf("\r\n\r\n") + 4;
    const head = data.toString("latin1", 0, end).toLowerCase();
    // A request to a proxy has the whole URL.
    path = head.slice(head.indexOf(" ") + 1, head.indexOf(" http/")).replace(/^http:\/\/[^/]*/, "");
    if (path === "/home" && !head.includes("session=0123456789abcdef")) path = STRANGER;
    close = head.includes("\r\nconnection: close");
    if (head.includes("\r\ntransfer-encoding: chunked")) {
      left = endsChunked(data.subarray(end)) ? 0 : -1;
    } else {
      left = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0) - (data.length - end);
    }
    finish();
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
  ticketPort: 0,
  ownPort: 0,
  http2Ports: { nginx: 0, nghttpd: 0 },
};
ports.ownPort = await listen(plain);
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
  ports.ticketPort = await freePort();
  ports.http2Ports.nginx = await freePort();
  const nginx = startNginx(folder, ports);
  others.push(nginx);
  nginx.on("exit", () => end(1));
  await untilListening(ports.port, nginx);
} else {
  ports.port = ports.ownPort;
  const options = {
    cert: readFileSync(join(certificates, "localhost.pem")),
    key: readFileSync(join(certificates, "localhost.key")),
    noDelay: true,
  };
  const whole = { ...options, secureOptions: constants.SSL_OP_NO_TICKET };
  ports.tlsPort = await listen(tls.createServer(whole, (socket) => serve(socket, made)));
  ports.ticketPort = await listen(tls.createServer(options, (socket) => serve(socket, made)));
}
console.log(JSON.stringify(ports));
