/**
 * Starts the proxies of `fixtures/peer_proxies.ts`, and names the routes through them.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { root, runtimePath } from "../../scripts/run_program.ts";

const program = fileURLToPath(new URL("../fixtures/peer_proxies.ts", import.meta.url));

/** The ports on 127.0.0.1. The user of those with a password is `user`, the password `p@ss:word`. */
export type PeerPorts = Readonly<
  Record<
    | "http"
    | "httpWithPassword"
    | "https"
    | "httpsWithPassword"
    | "socks5"
    | "socks5WithPassword",
    number
  >
>;

/** As it stands in URLs. */
const LOGIN = "user:p%40ss%3Aword@";

/** A way to a server: what the transport's option `proxy` is, with these proxies. */
export interface PeerRoute {
  readonly name: string;
  readonly proxy: (ports: PeerPorts) => string | string[] | null;
  /** Steps after connecting: tunnels for an `https:` URL, and TLS to proxies. */
  readonly steps: number;
  /** Whether the last proxy is given requests to `http:` URLs, without a tunnel. */
  readonly forwards: boolean;
}

const http = ({ http }: PeerPorts) => `http://127.0.0.1:${http}`;
const httpLogin = (ports: PeerPorts) => `http://${LOGIN}127.0.0.1:${ports.httpWithPassword}`;
const https = ({ https }: PeerPorts) => `https://localhost:${https}`;
const httpsLogin = (ports: PeerPorts) => `https://${LOGIN}localhost:${ports.httpsWithPassword}`;
const socks5 = ({ socks5 }: PeerPorts) => `socks5://127.0.0.1:${socks5}`;
const socks5h = ({ socks5 }: PeerPorts) => `socks5h://localhost:${socks5}`;
const socksLogin = (ports: PeerPorts) => `socks5h://${LOGIN}127.0.0.1:${ports.socks5WithPassword}`;

/** Every kind of way. */
export const peerRoutes: readonly PeerRoute[] = [
  { name: "direct", proxy: () => null, steps: 0, forwards: false },
  { name: "http", proxy: http, steps: 1, forwards: true },
  { name: "http with a password", proxy: httpLogin, steps: 1, forwards: true },
  { name: "https", proxy: https, steps: 2, forwards: true },
  { name: "https with a password", proxy: httpsLogin, steps: 2, forwards: true },
  { name: "socks5", proxy: socks5, steps: 1, forwards: false },
  { name: "socks5h", proxy: socks5h, steps: 1, forwards: false },
  { name: "socks5h with a password", proxy: socksLogin, steps: 1, forwards: false },
  {
    name: "socks5h, http",
    proxy: (ports) => [socksLogin(ports), http(ports)],
    steps: 2,
    forwards: true,
  },
  {
    name: "http, socks5",
    proxy: (ports) => [httpLogin(ports), socks5(ports)],
    steps: 2,
    forwards: false,
  },
  {
    name: "http, https",
    proxy: (ports) => [http(ports), httpsLogin(ports)],
    steps: 3,
    forwards: true,
  },
  {
    name: "https, https",
    proxy: (ports) => [https(ports), httpsLogin(ports)],
    steps: 4,
    forwards: true,
  },
];

/**
 * Starts the proxies for all tests of a file, and gives their ports. They end with the process that runs the file,
 * as their standard input does. To be called before the first test: what is open then is no test's.
 */
export async function startPeerProxies(): Promise<PeerPorts> {
  const child = spawn(runtimePath("node"), [program], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data") as [Uint8Array];
  child.stdout.destroy();
  child.unref();
  return JSON.parse(new TextDecoder().decode(line));
}
