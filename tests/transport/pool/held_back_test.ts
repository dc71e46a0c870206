/**
 * Where the end of an idle connection may be held back, and nobody can be asked, as in Workers: what may not be sent
 * twice goes out on a connection that has not served yet.
 *
 * @module
 */
import assert from "node:assert/strict";
import { resolvingDialer } from "../../../conn/mod.ts";
import {
  type Dialer,
  HttpRequest,
  type HttpRequestInit,
  proxyDialer,
  systemDialer,
} from "../../../mod.ts";
import { type TestServer, testServer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { steadyTransport } from "../../support/steady_transport.ts";

/** A dialer that cannot be asked. */
function mutedDialer(holdsBack: boolean | undefined): Dialer {
  const dialer = systemDialer();
  return {
    dial: (address, options) => dialer.dial(address, options),
    startTls: (conn, options, signal) => dialer.startTls(conn, options, signal),
    holdsBack,
  };
}

/** Whether each request in turn goes out on a connection that has served. */
async function reuses(
  server: TestServer,
  dialer: Dialer,
  requests: readonly HttpRequestInit[],
): Promise<boolean[]> {
  // With one place at a time, what is passed over must make room.
  await using transport = steadyTransport({ dialer, maxConnsPerHost: 1 });
  const found: boolean[] = [];
  for (const init of requests) {
    const response = await transport.roundTrip(new HttpRequest(server.url, init));
    await response.bytes();
    found.push(response.connection.reused);
  }
  return found;
}

const post: HttpRequestInit = { method: "POST", body: "body" };
const keyed: HttpRequestInit = { ...post, headers: { "Idempotency-Key": "1" } };
const streamed = (): HttpRequestInit => ({ method: "GET", body: new Blob(["body"]).stream() });

for (const holdsBack of [true, undefined]) {
  test(`holdsBack ${holdsBack}: which requests go out on a connection that has served`, async () => {
    await using server = await testServer(() => new Response("answer"), { listen: "tcp" });
    const requests = [post, {}, post, keyed, {}, streamed(), { method: "HEAD" }];
    const sure = holdsBack !== true;
    assert.deepEqual(
      await reuses(server, mutedDialer(holdsBack), requests),
      [false, true, sure, true, true, sure, true],
    );
  });
}

test("holdsBack: a dialer around another has it too", () => {
  const dialer = mutedDialer(true);
  assert.equal(resolvingDialer({ dialer }).holdsBack, true);
  assert.equal(proxyDialer("http://127.0.0.1:1", { dialer }).holdsBack, true);
  assert.equal(systemDialer().holdsBack, undefined);
});
