/**
 * Names below `localhost` are this machine, and nobody is asked where that is.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Dialer,
  pipe,
  resolvingDialer,
  systemDialer,
  type TcpAddress,
} from "../../../conn/mod.ts";
import { HttpRequest, Transport, type TransportOptions } from "../../../mod.ts";
import * as certs from "../../support/certs.ts";
import { test } from "../../support/harness.ts";
import { type RawHandler, rawServer, withRawServer } from "../../support/raw_server.ts";

/** Says where it was found, and by which name. */
const answering: RawHandler = async (connection) => {
  for (;;) {
    const head = await connection.readHead();
    const host = /\r\nHost: (.*?)(?::[0-9]+)?\r\n/.exec(head)![1];
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${host.length}\r\n\r\n${host}`);
  }
};

async function get(url: string, options: TransportOptions = {}): Promise<[string, string]> {
  const transport = new Transport(options);
  try {
    const response = await transport.roundTrip(new HttpRequest(url));
    const { hostname } = response.connection.remoteAddr as TcpAddress;
    return [hostname, await response.text()];
  } finally {
    transport.destroy();
    assert.deepEqual([transport.stats().total, transport.stats().dialing], [0, 0]);
  }
}

/** The second has a label that no resolver can ask for. */
const names = ["app.localhost", `${"x".repeat(70)}.localhost`, "a.b.c.localhost", "localhost."];

test("M27 names below localhost are 127.0.0.1, whatever their depth and case", async () => {
  await withRawServer(answering, async ({ port }) => {
    for (const name of [...names, "app.localhost.", "App.LocalHost"]) {
      const seen = await get(`http://${name}:${port}/`);
      assert.deepEqual(seen, ["127.0.0.1", name.toLowerCase()]);
    }
  });
});

test("M27 names below localhost are ::1 where nobody listens on 127.0.0.1", async () => {
  await withRawServer(answering, async ({ port }) => {
    for (const name of names) {
      assert.deepEqual(await get(`http://${name}:${port}/`), ["::1", name]);
    }
  }, { hostname: "::1" });
});

test("M27 a server below localhost has to prove the name that it is asked for", async () => {
  await withRawServer(answering, async ({ port }) => {
    const tls = { caCerts: [certs.ca] };
    await assert.rejects(get(`https://app.localhost:${port}/`, { tls }), { code: "ERR_TLS" });
    const named = { ...tls, serverName: "localhost" };
    const seen = await get(`https://app.localhost:${port}/`, { tls: named });
    assert.deepEqual(seen, ["127.0.0.1", "app.localhost"]);
  }, { tls: true });
});

test("M27 the error of a name below localhost that nobody serves says both addresses were tried", async () => {
  const server = await rawServer(() => {});
  const { port } = server;
  await server.close();
  await assert.rejects(get(`http://app.localhost:${port}/`), {
    code: "ERR_DIAL",
    message: `Cannot connect to app.localhost:${port} at any of its 2 addresses: ` +
      `Cannot connect to [::1]:${port}: refused`,
  });
});

test("M27 the egress policy sees loopback in names below localhost", async () => {
  await withRawServer(answering, async (server) => {
    const options: TransportOptions[] = [
      { egress: { deny: ["loopback"] } },
      { egress: { deny: ["127.0.0.1", "::1"] } },
      { egress: { deny: ["loopback"] }, dnsCacheTtlMs: 1_000 },
    ];
    for (const option of options) {
      for (const name of names) {
        await assert.rejects(get(`http://${name}:${server.port}/`, option), {
          code: "ERR_BLOCKED",
        });
      }
    }
    assert.equal(server.connections.length, 0);
    const seen = await get(`http://app.localhost:${server.port}/`, {
      egress: { allow: ["loopback"] },
    });
    assert.deepEqual(seen, ["127.0.0.1", "app.localhost"]);
  });
});

test("M27 a caller's hosts and resolve go before, and a dialer of one's own gets the name", async () => {
  const dialled: string[] = [];
  const dialer: Dialer = {
    dial: (address) => {
      dialled.push((address as TcpAddress).hostname);
      return Promise.resolve(pipe()[0]);
    },
    startTls: (conn) => Promise.resolve(conn),
  };
  const asked: string[] = [];
  const resolve = (hostname: string) => {
    asked.push(hostname);
    return Promise.resolve(["192.0.2.7"]);
  };
  const ways: readonly Dialer[] = [
    resolvingDialer({ dialer, resolve, hosts: { "app.localhost": "192.0.2.8" } }),
    resolvingDialer({ dialer, resolve }),
    resolvingDialer({ dialer, dnsCacheTtlMs: 1 }),
    dialer,
  ];
  for (const way of ways) {
    (await way.dial({ transport: "tcp", hostname: "app.localhost", port: 80 })).close();
  }
  assert.deepEqual(dialled, ["192.0.2.8", "192.0.2.7", "127.0.0.1", "app.localhost"]);
  assert.deepEqual(asked, ["app.localhost"]);
});

test("M27 names that only look like it are looked up, and what is no name is refused", async () => {
  for (const hostname of ["localhost.invalid", "notlocalhost.invalid", "localhostinvalid"]) {
    await assert.rejects(systemDialer().dial({ transport: "tcp", hostname, port: 1 }), {
      code: "ERR_DIAL",
    });
  }
  for (const hostname of ["a\0.localhost", ["app.localhost"] as unknown as string]) {
    await assert.rejects(systemDialer().dial({ transport: "tcp", hostname, port: 1 }), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});

test("M27 a signal that aborts while a name below localhost is dialled leaves nothing", async () => {
  await withRawServer(() => {}, async ({ port }) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const dialing = systemDialer().dial(
      { transport: "tcp", hostname: "app.localhost", port },
      { signal: controller.signal },
    );
    controller.abort(reason);
    await assert.rejects(dialing, (error) => error === reason);
  });
});
