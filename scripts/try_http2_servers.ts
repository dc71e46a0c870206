/**
 * Tries HTTP/2 with the servers that are installed on this machine: nginx, apache2, haproxy, caddy, h2o,
 * nghttpd, Go's, and Node's, each started here on loopback ports and ended afterwards. By hand, not
 * part of the tests; what is not installed is said to be skipped. Runs on any runtime:
 *
 *     deno run -A scripts/try_http2_servers.ts [NAME]...
 *     bun scripts/try_http2_servers.ts
 *     node scripts/try_http2_servers.ts
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as net from "node:net";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { HttpRequest, Transport } from "../mod.ts";
import { root, runtimePath } from "./run_program.ts";

/** Milliseconds that a server may take to listen. */
const START_MS = 10_000;

const MIB = 1024 * 1024;

/** Bytes of the large body, each way. */
const LARGE_BYTES = 256 * MIB;

const certs = join(root, "tests", "certs");
const ca = readFileSync(join(certs, "ca.pem"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "roundtrip-http2-"));
chmodSync(folder, 0o755);
for (const name of ["localhost.pem", "localhost.key"]) {
  writeFileSync(join(folder, name), readFileSync(join(certs, name)));
}
writeFileSync(
  join(folder, "both.pem"),
  readFileSync(join(certs, "localhost.pem"), "utf8") +
    readFileSync(join(certs, "localhost.key"), "utf8"),
);
const [cert, key] = [join(folder, "localhost.pem"), join(folder, "localhost.key")];
const backendProgram = fileURLToPath(new URL("http2_backend.ts", import.meta.url));
const children: ChildProcess[] = [];
let failed = 0;

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

async function start(program: string, args: string[], port: number, env = {}): Promise<boolean> {
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ["ignore", "ignore", process.env["VERBOSE"] ? "inherit" : "ignore"],
    env: { ...process.env, ...env },
  });
  children.push(child);
  const giveUp = performance.now() + START_MS;
  while (!await isListening(port)) {
    if (child.exitCode !== null || performance.now() > giveUp) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** How a server is started on a port, in front of a server that speaks HTTP/1.1. */
type Start = (port: number, backend: number) => [program: string, args: string[], env?: object];

const servers: Record<string, Start> = {
  nginx: (port, backend) => {
    const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
    const config = file(
      "nginx.conf",
      `daemon off; pid ${folder}/nginx.pid; events {} error_log ${folder}/nginx.log;
http { access_log off; ${temp} client_max_body_size 0; proxy_request_buffering off; proxy_buffering off;
  server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${cert}; ssl_certificate_key ${key};
    location / { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1; } } }\n`,
    );
    return ["nginx", ["-p", folder, "-c", config, "-e", `${folder}/nginx.log`]];
  },
  apache2: (port, backend) => {
    const modules = ["mpm_event", "authz_core", "ssl", "http2", "proxy", "proxy_http"]
      .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`);
    const config = file(
      "apache.conf",
      `${modules.join("\n")}
ServerName localhost
PidFile ${folder}/apache.pid
ErrorLog ${folder}/apache.log
DefaultRuntimeDir ${folder}
Mutex file:${folder}
Listen 127.0.0.1:${port}
Protocols h2 http/1.1
SSLEngine on
SSLCertificateFile ${cert}
SSLCertificateKeyFile ${key}
ProxyPass / http://127.0.0.1:${backend}/\n`,
    );
    return ["apache2", ["-X", "-d", folder, "-f", config]];
  },
  haproxy: (port, backend) => {
    const config = file(
      "haproxy.cfg",
      `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port} ssl crt ${folder}/both.pem alpn h2,http/1.1
  default_backend b
backend b
  server s 127.0.0.1:${backend}\n`,
    );
    return ["haproxy", ["-f", config]];
  },
  caddy: (port, backend) => {
    const config = file(
      "Caddyfile",
      `{
  admin off
  auto_https off
}
https://localhost:${port}, https://127.0.0.1:${port} {
  tls ${cert} ${key}
  reverse_proxy 127.0.0.1:${backend}
}\n`,
    );
    const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    return ["caddy", ["run", "--config", config, "--adapter", "caddyfile"], env];
  },
  h2o: (port, backend) => {
    const config = file(
      "h2o.conf",
      `listen:
  host: 127.0.0.1
  port: ${port}
  ssl:
    certificate-file: ${cert}
    key-file: ${key}
user: root
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: http://127.0.0.1:${backend}/
`,
    );
    return ["h2o", ["-c", config]];
  },
  nghttpd: (port) => {
    file("small", "answer to /small");
    file("large", "");
    spawn("truncate", ["-s", String(LARGE_BYTES), join(folder, "large")]);
    return ["nghttpd", ["-n1", "-a", "127.0.0.1", "-d", folder, String(port), key, cert]];
  },
  go: (port) => {
    const source = file(
      "server.go",
      `package main

import (
	"fmt"
	"io"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			zeros := make([]byte, 65536)
			for left := ${LARGE_BYTES}; left > 0; left -= len(zeros) {
				w.Write(zeros)
			}
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Bytes", fmt.Sprint(n))
		fmt.Fprintf(w, "answer to %s", r.URL.Path)
	})
	panic(http.ListenAndServeTLS("127.0.0.1:${port}", "${cert}", "${key}", nil))
}\n`,
    );
    const program = join(folder, "server");
    spawnSync("go", ["build", "-o", program, source], {
      env: { ...process.env, GOCACHE: join(folder, "go-cache"), GO111MODULE: "off" },
    });
    return [program, []];
  },
  "node:http2": (port) => [runtimePath("node"), [backendProgram, String(port), cert, key]],
};

/** Servers that answer by files, and say nothing of what came. */
const STATIC: ReadonlySet<string> = new Set(["nghttpd"]);

async function trySteps(name: string, port: number): Promise<void> {
  const origin = `https://localhost:${port}`;
  const transport = new Transport({
    tls: { caCerts: [ca] },
    http2: { maxConcurrentStreams: 500 },
    maxConnsPerHost: 8,
  });
  const knows = !STATIC.has(name);
  const get = async (path: string): Promise<void> => {
    const response = await transport.roundTrip(new HttpRequest(origin + path));
    const text = await response.text();
    if (response.connection.protocol !== "h2") throw new Error("HTTP/1.1 was spoken");
    if (response.status !== 200 || text !== `answer to ${path}`) {
      throw new Error(`${response.status} ${text.slice(0, 60)}`);
    }
  };
  const path = (n: number): string => knows ? `/n/${n}` : "/small";
  const up = async (bytes: number, isStream: boolean): Promise<void> => {
    const piece = new Uint8Array(64 * 1024);
    async function* pieces(): AsyncIterable<Uint8Array> {
      for (let left = bytes; left > 0; left -= piece.length) yield piece;
    }
    const body = isStream ? pieces : new Uint8Array(bytes);
    const response = await transport.roundTrip(
      new HttpRequest(`${origin}/small`, { method: "POST", body }),
    );
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 60)}`);
    if (knows && response.headers.get("x-bytes") !== String(bytes)) {
      throw new Error(`${response.headers.get("x-bytes")} of ${bytes} bytes came`);
    }
  };
  const steps: Record<string, () => Promise<void>> = {
    "10 GETs in a row": async () => {
      for (let n = 0; n < 10; n++) await get(path(n));
    },
    "POST of 1 MiB": () => up(MIB, false),
    "500 at once": async () => {
      await Promise.all(Array.from({ length: 500 }, (_, n) => get(path(n))));
    },
    "5,000 GETs, 50 at once": async () => {
      let next = 0;
      await Promise.all(Array.from({ length: 50 }, async () => {
        while (next < 5_000) await get(path(next++));
      }));
    },
    "256 MiB down": async () => {
      const response = await transport.roundTrip(new HttpRequest(`${origin}/large`));
      const p = new Uint8Array(256 * 1024);
      let bytes = 0;
      for (let n = await response.body.read(p); n !== null; n = await response.body.read(p)) {
        bytes += n;
      }
      if (bytes !== LARGE_BYTES) throw new Error(`${bytes} bytes came`);
    },
    "256 MiB up": () => up(LARGE_BYTES, true),
  };
  for (const [what, run] of Object.entries(steps)) {
    const startedAt = performance.now();
    try {
      await run();
      console.log(`ok   ${name}: ${what}, ${Math.round(performance.now() - startedAt)} ms`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}: ${what}: ${error}`);
    }
  }
  const { total, waiting } = transport.stats();
  await transport.close();
  console.log(`     ${name}: ${total} connections at the end, ${waiting} wait`);
}

const chosen = process.argv.slice(2);
const backend = await freePort();
try {
  if (!await start(runtimePath("node"), [backendProgram, String(backend)], backend)) {
    throw new Error("The backend does not start");
  }
  for (const [name, command] of Object.entries(servers)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const port = await freePort();
    if (name === "go" && installed("go") === null) {
      console.log("skip go: not installed");
      continue;
    }
    const [program, args, env] = command(port, backend);
    const path = program.includes("/") ? program : installed(program);
    if (path === null) {
      console.log(`skip ${name}: not installed`);
    } else if (await start(path, args, port, env)) {
      await trySteps(name, port);
    } else {
      failed++;
      console.log(`FAIL ${name}: does not start`);
    }
  }
} finally {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(
    children.map((child) => child.exitCode ?? child.signalCode ?? once(child, "exit")),
  );
  rmSync(folder, { recursive: true, force: true });
}
console.log(failed === 0 ? "all well" : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
