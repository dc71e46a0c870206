/**
 * Connections and the process: what keeps it alive, and what the kernel holds while it is busy.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { existsSync, readFileSync } from "node:fs";
import { type Conn, systemDialer, type TlsOptions } from "../../conn/mod.ts";
import * as certs from "../support/certs.ts";
import { type Child, startScript } from "../support/child.ts";
import { listen, type TestServer } from "../support/conn_servers.ts";
import { runtime, test } from "../support/harness.ts";

const text = new TextEncoder();

/** Ways to connect, and the argument that stands for each in the scripts. */
const transports: Readonly<Record<Transport, TlsOptions | undefined>> = {
  tcp: undefined,
  tls: { caCerts: [certs.ca] },
  "tls with verifyPeer": { caCerts: [certs.ca], verifyPeer: () => {} },
};

type Transport = "tcp" | "tls" | "tls with verifyPeer";

async function withIdleChild(
  transport: Transport,
  action: string,
  use: (child: Child, server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await listen(transport === "tcp" ? {} : { tls: { ...certs.localhost } });
  const { port } = server.address as { port: number };
  const child = startScript("idle_child.ts", [String(port), transport, action]);
  try {
    assert.equal(await child.line(), "idle");
    await use(child, server);
  } finally {
    await child.kill();
    await server.close();
  }
}

for (const transport of Object.keys(transports) as Transport[]) {
  test(`process: ${transport}: an unref'd read lets it exit`, () =>
    withIdleChild(transport, "unref", async (child) => {
      assert.equal(await child.line(), null);
      assert.equal(await child.exited, 0);
    }));

  test(`process: ${transport}: a read keeps it alive`, () =>
    withIdleChild(transport, "ref", async (child, server) => {
      const socket = await server.accept();
      // Time to exit, if it were going to.
      await new Promise((resolve) => setTimeout(resolve, 300));
      socket.write("x");
      assert.equal(await child.line(), "read 1");
      assert.equal(await child.exited, 0);
    }));

  test(`process: ${transport}: a barrier keeps it alive until it settles, not longer`, () =>
    withIdleChild(transport, "barrier", async (child) => {
      for (let round = 0; round < 3; round++) assert.equal(await child.line(), "polled");
      assert.equal(await child.line(), null);
      assert.equal(await child.exited, 0);
    }));
}

test("barrier: settles without the permission for it, and without a prompt", async () => {
  const server = await listen();
  const { port } = server.address as { port: number };
  const permissions = [`--allow-net=127.0.0.1:${port}`, "--allow-read"];
  const child = startScript("idle_child.ts", [String(port), "tcp", "barrier"], { permissions });
  try {
    assert.equal(await child.line(), "idle");
    for (let round = 0; round < 3; round++) assert.equal(await child.line(), "polled");
    assert.equal(await child.exited, 0);
  } finally {
    await child.kill();
    await server.close();
  }
});

test("process: the authorities that the runtime trusts by default, and caMode", async () => {
  const server = await listen({ tls: { ...certs.localhost } });
  const { port } = server.address as { port: number };
  const trusted = fileURLToPath(new URL("../certs/ca.pem", import.meta.url));
  const env = { DENO_CERT: trusted, NODE_EXTRA_CA_CERTS: trusted };
  const child = startScript("ca_child.ts", [String(port)], { env });
  try {
    for (const engine of ["native", "second"]) {
      assert.equal(await child.line(), "trusted", `${engine}: defaults`);
      assert.equal(await child.line(), "trusted", `${engine}: extra`);
      assert.equal(await child.line(), "ERR_TLS", `${engine}: only`);
    }
    assert.equal(await child.exited, 0);
  } finally {
    await child.kill();
    await server.close();
  }
});

test("barrier: many callers at once", async () => {
  const dialer = systemDialer();
  const server = await listen();
  const conn = await dialer.dial(server.address);
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 50 }, () => dialer.pollBarrier!()));
  }
  conn.close();
  await dialer.pollBarrier!();
  await server.close();
});

test("barrier: closing the last connection while it is awaited", async () => {
  const dialer = systemDialer();
  const server = await listen();
  const conn = await dialer.dial(server.address);
  const barriers = [dialer.pollBarrier!(), dialer.pollBarrier!()];
  conn.close();
  barriers.push(dialer.pollBarrier!());
  await Promise.all(barriers);
  await server.close();
});

/** Whether the kernel holds something for this connection: bytes, or the end of the stream. */
function kernelHolds(conn: Conn): boolean {
  const [local, remote] = [conn.localAddr, conn.remoteAddr].map((address) => {
    const { port } = address as { port: number };
    return `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  });
  for (const line of readFileSync("/proc/self/net/tcp", "utf8").split("\n")) {
    const columns = line.trim().split(/\s+/);
    if (!columns[1]?.endsWith(local) || !columns[2].endsWith(remote)) continue;
    // State 08 is CLOSE_WAIT; the queues are "sent:received".
    return columns[3] === "08" || !/:0+$/.test(columns[4]);
  }
  throw new Error("No such connection");
}

/** Blocks the event loop until the kernel holds something, and for some milliseconds in any case. */
function blockUntilHeld(conn: Conn): void {
  const start = performance.now();
  const onLinux = existsSync("/proc/self/net/tcp");
  while (performance.now() - start < (onLinux ? 20 : 200) || (onLinux && !kernelHolds(conn))) {
    if (performance.now() - start > 10_000) throw new Error("Nothing came");
  }
}

const rounds = 20;

/** Sends a byte and reads the answer, so that the server plants something. False: too late for it. */
async function ask(conn: Conn, byte: "x" | "e"): Promise<boolean> {
  await conn.write(text.encode(byte));
  return await conn.read(new Uint8Array(8)) === 1;
}

for (const transport of Object.keys(transports) as Transport[]) {
  test(`barrier: ${transport}: bytes that came while the loop was blocked are seen`, () =>
    withPlanter(transport, async (conn, poll) => {
      let planted = 0;
      while (planted < rounds) {
        // On a busy machine what is planted can come with the answer.
        if (!await ask(conn, "x")) continue;
        let seen: number | null = -1;
        const reading = conn.read(new Uint8Array(8)).then((count) => seen = count);
        // Over TLS it can also have come as a record of its own, and wait in the connection.
        await Promise.resolve();
        if (seen !== -1) continue;
        blockUntilHeld(conn);
        assert.equal(seen, -1);
        await poll();
        assert.equal(seen, 1, `round ${planted}`);
        await reading;
        planted++;
      }
    }));

  test(`barrier: ${transport}: an end that came while the loop was blocked is seen`, () =>
    withPlanter(transport, async (conn, poll) => {
      if (!await ask(conn, "e")) return;
      let seen: number | null = -1;
      const reading = conn.read(new Uint8Array(8)).then((count) => seen = count);
      blockUntilHeld(conn);
      await poll();
      assert.equal(seen, null);
      await reading;
    }));
}

/** Which runtimes can see the kernel's side of a connection without a turn of the event loop. */
const sees = runtime !== "deno";

for (const what of ["bytes", "an end"]) {
  for (const transport of Object.keys(transports) as Transport[]) {
    test(`M1 look: ${transport}: ${what} that came while the loop was blocked`, () =>
      withPlanter(transport, async (conn) => {
        if (!await ask(conn, what === "bytes" ? "x" : "e")) return;
        let seen: number | null = -1;
        conn.read(new Uint8Array(8)).then((count) => seen = count, () => {});
        blockUntilHeld(conn);
        assert.equal(seen, -1);
        // Where the kernel cannot be seen, the connection may have been told of it already.
        const isEmpty = conn.kernelIsEmpty?.() ?? null;
        assert.ok(isEmpty === false || (!sees && isEmpty === null), `${isEmpty}`);
      }));
  }
}

test("M1 look: nothing has come; a plain connection, TLS over it, and a closed one", async () => {
  const server = await listen({ tls: { ...certs.localhost } });
  const dialer = systemDialer();
  const plain = await dialer.dial(server.address);
  const secure = await dialer.startTls(plain, { caCerts: [certs.ca], serverName: "localhost" });
  assert.equal(plain.kernelIsEmpty?.() ?? false, false);
  const reading = secure.read(new Uint8Array(8)).catch(() => null);
  // The tickets of the handshake have been read.
  await dialer.pollBarrier!();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(secure.kernelIsEmpty?.() ?? null, sees ? true : null);
  // It was only looked at.
  const socket = await server.accept();
  socket.write("x");
  assert.equal(await reading, 1);
  secure.close();
  assert.equal(secure.kernelIsEmpty?.() ?? false, false);
  await server.close();
});

test("M1 look: what has come and was not told yet counts", async () => {
  const server = await listen();
  const conn = await systemDialer().dial(server.address);
  const socket = await server.accept();
  socket.write("two");
  await conn.read(new Uint8Array(1));
  // No read is pending, and two bytes wait in the connection.
  assert.equal(conn.kernelIsEmpty?.() ?? false, false);
  conn.close();
  await server.close();
});

async function withPlanter(
  transport: Transport,
  use: (conn: Conn, poll: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const child = startScript("planter_child.ts", [transport === "tcp" ? "tcp" : "tls"]);
  try {
    const port = Number(await child.line());
    const dialer = systemDialer();
    const tls = transports[transport];
    const address = { transport: "tcp", hostname: "127.0.0.1", port } as const;
    const conn = await dialer.dial(address, { tls });
    try {
      await use(conn, () => dialer.pollBarrier!());
    } finally {
      conn.close();
    }
  } finally {
    await child.kill();
  }
}
