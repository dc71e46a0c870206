/**
 * No network: what is refused, what is allowed, what it says.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  HttpError,
  HttpRequest,
  RetryingTransport,
  Transport,
  unixDialer,
} from "../../mod.ts";
import { startDemoServer } from "../../cli/demo_server.ts";
import { disableNetwork, mockTransport, testServer } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";

async function failureOf(
  transport: Transport | RetryingTransport,
  url: string,
): Promise<HttpError> {
  return await transport.roundTrip(new HttpRequest(url)).then(
    () => assert.fail("it was dialled"),
    (error) => error,
  );
}

test("disableNetwork() refuses each way out, names it, and says how to mock", async () => {
  using network = disableNetwork();
  const ways: readonly [string, Transport][] = [
    ["http://example.com/", new Transport()],
    ["https://example.com:8443/", new Transport()],
    ["http://[::1]:1/", new Transport()],
    ["http://127.0.0.1:1/", new Transport({ egress: {} })],
    // Names are not asked for either.
    ["http://name.test/", new Transport({ egress: {} })],
    ["http+unix://%2Fnowhere%2Fa.sock/", new Transport()],
    ["http://a.test/", new Transport({ dialer: unixDialer("/nowhere/b.sock") })],
    ["http://b.test/", new Transport({ proxy: "http://proxy.test:3128" })],
  ];
  for (const [url, transport] of ways) {
    const error = await failureOf(transport, url);
    assert.ok(error instanceof HttpError, url);
    assert.equal(error.code, "ERR_BLOCKED", `${url}: ${error.message}`);
    assert.match(error.message, /network is disabled.*mockTransport\(\).*allow: \[/);
    assert.equal(error.attempt?.verdict, "never-sent");
    transport.destroy();
  }
  assert.deepEqual(network.blocked, [
    "example.com:80",
    "example.com:8443",
    "[::1]:1",
    "127.0.0.1:1",
    "name.test:80",
    "/nowhere/a.sock",
    "/nowhere/b.sock",
    "proxy.test:3128",
  ]);
});

test("disableNetwork() is not tried again by a RetryingTransport", async () => {
  using network = disableNetwork();
  const transport = new RetryingTransport(new Transport(), { attempts: 5, baseDelayMs: 1 });
  assert.equal((await failureOf(transport, "http://example.com/")).code, "ERR_BLOCKED");
  assert.equal(network.blocked.length, 1);
});

test("disableNetwork() lets pass what is allowed, test servers, mocks; and ends", async () => {
  const server = await startDemoServer();
  const port = Number(new URL(server.url).port);
  const tries: readonly [Parameters<typeof disableNetwork>[0], string][] = [
    [{ allow: ["127.0.0.1"] }, "127.0.0.1"],
    [{ allow: [`127.0.0.1:${port}`] }, "127.0.0.1"],
    [{ allow: ["other.test", (address) => address.transport === "tcp"] }, "127.0.0.1"],
    [{ allow: ["*.localhost", "127.0.0.1", "::1"] }, "a.localhost"],
  ];
  try {
    for (const [options, host] of tries) {
      using _network = disableNetwork(options);
      const transport = new Transport();
      const response = await transport.roundTrip(new HttpRequest(`http://${host}:${port}/hello`));
      assert.equal(await response.text(), "Hello, world!\n");
      transport.destroy();
    }
    const network = disableNetwork({ allow: [`127.0.0.1:${port + 1}`, "127.0.0.2"] });
    const transport = new Transport();
    const url = `http://127.0.0.1:${port}/hello`;
    assert.equal((await failureOf(transport, url)).code, "ERR_BLOCKED");
    for (const listen of ["memory", "tcp", "tls", "unix"] as const) {
      await using own = await testServer(() => new Response("own"), { listen });
      const response = await own.transport().roundTrip(new HttpRequest(own.url));
      assert.equal(await response.text(), "own");
    }
    const mock = mockTransport();
    mock.expect("GET", "http://example.com/").reply(200, "mocked");
    const response = await new Client({ transport: mock }).get("http://example.com/");
    assert.equal(await response.text(), "mocked");
    // Two at once: both have to allow it.
    const inner = disableNetwork({ allow: ["127.0.0.1"] });
    assert.equal((await failureOf(transport, url)).code, "ERR_BLOCKED");
    network.enable();
    assert.equal((await (await transport.roundTrip(new HttpRequest(url))).bytes()).length, 14);
    inner.enable();
    inner.enable();
    assert.equal((await (await transport.roundTrip(new HttpRequest(url))).bytes()).length, 14);
    transport.destroy();
  } finally {
    await server.close();
  }
});

test("disableNetwork() refuses what allows nothing", () => {
  assert.throws(() => disableNetwork({ allow: [""] }), { code: "ERR_INVALID_REQUEST" });
});
