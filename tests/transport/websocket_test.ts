/**
 * What `upgrade()` gives carries other protocols: a WebSocket against servers that others wrote,
 * and the examples of an upgrade and of CONNECT.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openWebSocket } from "../../examples/websocket.ts";
import { startWebSocketServer } from "../../examples/websocket_server.ts";
import { HttpRequest, Transport } from "../../mod.ts";
import { root, runtimePath } from "../../scripts/run_program.ts";
import { runProgram } from "../fixtures/cli_run.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";

type ServerName = "deno" | "bun" | "ours";
const serverNames: readonly ServerName[] = ["deno", "bun", "ours"];

/** Runs a test with the URL of a WebSocket server that greets and echoes. */
async function withServer(name: ServerName, run: (url: string) => Promise<void>): Promise<void> {
  if (name === "ours") {
    const { url, close } = await startWebSocketServer();
    await run(url).finally(close);
    return;
  }
  const before = name === "deno" ? ["run", "-A", "--quiet", "--no-check"] : [];
  const child = spawn(runtimePath(name), [...before, "tests/fixtures/websocket_server.ts"], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  try {
    const [line] = await once(child.stdout!, "data");
    await run(`http://127.0.0.1:${parseInt(`${line}`)}/`);
  } finally {
    child.stdin!.end();
    await ended;
  }
}

for (const name of serverNames) {
  test(`websocket: greeting, messages of every length form and the closing, with the server ${name}`, async () => {
    await withServer(name, async (url) => {
      const transport = new Transport();
      const socket = await openWebSocket(transport, url);
      assert.equal(transport.stats().total, 0);
      assert.equal(await socket.receive(), "welcome");
      for (const length of [0, 1, 125, 126, 65_535, 65_536, 300_000]) {
        const text = "\u00e9".repeat(length / 2) + "x".repeat(length % 2);
        await socket.send(text);
        assert.equal(await socket.receive(), text);
      }
      await socket.close();
      assert.equal(transport.stats().total, 0);
      await transport.close();
    });
  });

  test(`websocket: an answer that upgrades nothing is an answer like any other, with the server ${name}`, async () => {
    await withServer(name, async (url) => {
      const transport = new Transport();
      const response = await transport.roundTrip(new HttpRequest(url));
      assert.equal(response.status, 426);
      assert.throws(() => response.upgrade(), { code: "ERR_INVALID_REQUEST" });
      await response.text();
      const socket = await openWebSocket(transport, url);
      assert.equal(await socket.receive(), "welcome");
      await socket.close();
      await transport.close();
    });
  });
}

test("websocket: a 101 without proof of the key is refused, and its connection closed", async () => {
  const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
    "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(answer);
  }, async (server) => {
    const transport = new Transport();
    await assert.rejects(openWebSocket(transport, server.origin), /Not a WebSocket: status 101/);
    await server.allClosed();
    assert.equal(transport.stats().total, 0);
    await transport.close();
  });
});

test("websocket: an abort before the 101 rejects, and closes the connection", async () => {
  const controller = new AbortController();
  const reason = new Error("no more");
  await withRawServer(async (connection) => {
    await connection.readHead();
    controller.abort(reason);
  }, async (server) => {
    const transport = new Transport();
    await assert.rejects(
      openWebSocket(transport, server.origin, controller.signal),
      (error) => error === reason,
    );
    await server.allClosed();
    assert.equal(transport.stats().total, 0);
    await transport.close();
  });
});

const said = "connections of the transport: 0\nreceived: welcome\nreceived: hello\nclosed\n";

test("examples/websocket_echo.ts runs", async () => {
  const { code, stdout, stderr } = await runProgram("examples/websocket_echo.ts", []);
  assert.deepEqual([code, new TextDecoder().decode(stdout), stderr], [0, said, ""]);
});

test("examples/websocket_echo.ts runs with a server that others wrote", async () => {
  await withServer("bun", async (url) => {
    const { code, stdout, stderr } = await runProgram("examples/websocket_echo.ts", [url]);
    assert.deepEqual([code, new TextDecoder().decode(stdout), stderr], [0, said, ""]);
  });
});

test("examples/connect.ts runs", async () => {
  const { code, stdout, stderr } = await runProgram("examples/connect.ts", []);
  const expected = "tunnel to 127.0.0.1:PORT pool: 0\necho: hello\necho: goodbye\n";
  assert.deepEqual([code, new TextDecoder().decode(stdout), stderr], [0, expected, ""]);
});
