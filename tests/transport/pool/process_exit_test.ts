/**
 * A program that has its answers ends by itself, whatever is idle in a pool; one that waits for an answer goes on.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../../scripts/run_program.ts";
import { withFullBacklog } from "../../support/full_backlog.ts";
import { testUnlessGap } from "../../support/conn_gaps.ts";
import { runtime, test } from "../../support/harness.ts";
import {
  type RawConnection,
  type RawServerOptions,
  withRawServer,
} from "../../support/raw_server.ts";
import { pause } from "../../support/waiting.ts";

const fixture = fileURLToPath(new URL("../../fixtures/exiting_client.ts", import.meta.url));
const givingUp = fileURLToPath(new URL("../../fixtures/giving_up_client.ts", import.meta.url));

/** Milliseconds. Far beyond what a program needs that is going to end. */
const KILL_MS = 15_000;

/** How the running runtime runs a program: with itself. */
const runArgs: Record<typeof runtime, string[]> = {
  deno: ["run", "-A", "--no-check"],
  bun: ["run"],
  node: [],
};

function sized(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

async function serve(connection: RawConnection): Promise<void> {
  for (;;) {
    const path = (await connection.readHead()).split(" ", 2)[1];
    if (path === "/silent") continue;
    if (path === "/large") {
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\nx");
      continue;
    }
    if (path === "/slow") {
      // Time to exit, if it were going to.
      await pause(300);
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl");
      await pause(300);
      await connection.send("ow");
      continue;
    }
    await connection.send(sized("ok"));
  }
}

/** Runs a case of the program against a server, to its own end. */
async function assertEnds(
  what: string,
  path: string,
  output: string,
  options: RawServerOptions = {},
): Promise<void> {
  await withRawServer(serve, async (server) => {
    const args = [...runArgs[runtime], fixture, what, server.origin + path];
    const run = await runProgram(process.execPath, args, { timeoutMs: KILL_MS });
    assert.deepEqual(run, { code: 0, output });
  }, options);
}

test("exit: after one get, with an idle connection in the pool", async () => {
  await assertEnds("get", "/", "200 ok\nend\n");
});

test("exit: with several idle connections and a barrier, also over TLS", async () => {
  await assertEnds("twice", "/", "ok ok ok\nok ok ok\nend\n");
  await assertEnds("twice", "/", "ok ok ok\nok ok ok\nend\n", { tls: true });
});

test("exit: not before a slow answer has come, on a new connection", async () => {
  await assertEnds("slow", "/slow", "head\nslow\nend\n");
  await assertEnds("slow", "/slow", "head\nslow\nend\n", { tls: true });
});

test("exit: not before a slow answer has come, on one that was idle", async () => {
  await assertEnds("slow again", "/slow", "slow\nend\n");
  await assertEnds("slow again", "/slow", "slow\nend\n", { tls: true });
});

test("exit: after a request that was given up while it dialled", async () => {
  await assertEnds("abort", "/silent", "AbortError\nend\n");
});

test("exit: after a body that was given up", async () => {
  await assertEnds("close body", "/large", "closed\nend\n");
});

test("exit: after a request that took too long", async () => {
  await assertEnds("time", "/silent", "ERR_TIMEOUT\nend\n");
});

/** What a server says before it falls silent, and how the program comes to it; `PORT` is its port. */
const silences: readonly {
  what: string;
  url: string;
  options?: { proxy: string | string[] };
  dialer?: "plain";
  says?: (connection: RawConnection) => Promise<void>;
}[] = [
  { what: "the TLS handshake of a server", url: "https://localhost:PORT/" },
  {
    what: "the TLS handshake of a server, by a dialer of one's own",
    url: "https://localhost:PORT/",
    dialer: "plain",
  },
  {
    what: "the TLS handshake of a proxy",
    url: "http://a.test/",
    options: { proxy: "https://localhost:PORT" },
  },
  {
    what: "the answer to CONNECT",
    url: "https://a.test/",
    options: { proxy: "http://localhost:PORT" },
  },
  {
    what: "the TLS handshake of a server behind a proxy",
    url: "https://a.test/",
    options: { proxy: "http://localhost:PORT" },
    says: async (connection) => {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\n\r\n");
    },
  },
  {
    what: "the answer of the second proxy",
    url: "https://a.test/",
    options: { proxy: ["http://localhost:PORT", "http://b.test"] },
    says: async (connection) => {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\n\r\n");
    },
  },
  {
    what: "the answer of a SOCKS5 server",
    url: "http://a.test/",
    options: { proxy: "socks5h://localhost:PORT" },
  },
  {
    what: "the connection that a SOCKS5 server makes",
    url: "http://a.test/",
    options: { proxy: "socks5h://localhost:PORT" },
    says: async (connection) => {
      await connection.readBytes(3);
      await connection.send("\x05\x00");
    },
  },
  {
    what: "the answer of a SOCKS4a server",
    url: "http://a.test/",
    options: { proxy: "socks4a://localhost:PORT" },
  },
];

/** Runs the program that gives up, to its own end. */
async function assertGivesUp(url: string, options: object, dialer: string): Promise<void> {
  const args = [...runArgs[runtime], givingUp, url, JSON.stringify(options), dialer];
  const run = await runProgram(process.execPath, args, { timeoutMs: KILL_MS });
  assert.deepEqual(run, { code: 0, output: "AbortError\n1 end\n" });
}

for (const { what, url, options = {}, dialer = "", says } of silences) {
  test(`M8 exit: after a request that was given up while it waited for ${what}`, async () => {
    await withRawServer(async (connection) => {
      await says?.(connection);
      await connection.clientEnded;
    }, async (server) => {
      const here = (text: string): string => text.replaceAll("PORT", `${server.port}`);
      await assertGivesUp(here(url), JSON.parse(here(JSON.stringify(options))), dialer);
    });
  });
}

for (const to of ["a server", "a server, by a dialer of one's own", "a proxy"]) {
  testUnlessGap(
    `M8 exit: after a request that was given up while it connected to ${to}`,
    () =>
      withFullBacklog(async (port) => {
        const dialer = to === "a server, by a dialer of one's own" ? "plain" : "";
        const there = `http://127.0.0.1:${port}`;
        if (to === "a proxy") await assertGivesUp("https://a.test/", { proxy: there }, dialer);
        else await assertGivesUp(there, {}, dialer);
      }),
  );
}
