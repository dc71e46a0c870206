/**
 * The real `msw` and `nock` beside Roundtrip.
 *
 * @module
 */
import assert from "node:assert/strict";
import { delay, getResponse, http as routes, HttpResponse, passthrough } from "msw";
import nock from "nock";
import { Client, createFetch, HttpError, Transport } from "../../mod.ts";
import { disableNetwork, handlerTransport, mockTransport, testServer } from "../../testing/mod.ts";
import { runProgram } from "../fixtures/cli_run.ts";
import { runtime, test } from "../support/harness.ts";

const handlers = [
  routes.get("https://api.test/users/:id", ({ params, request, cookies }) =>
    HttpResponse.json({
      id: params.id,
      query: new URL(request.url).searchParams.get("q"),
      cookies,
    }, { headers: { "Set-Cookie": "seen=1" } })),
  routes.post(
    "https://api.test/users",
    async ({ request }) => HttpResponse.json(await request.json() as object, { status: 201 }),
  ),
  routes.get("https://api.test/down", () => HttpResponse.error()),
  routes.get("https://api.test/late", async () => {
    await delay(1);
    return HttpResponse.text("late");
  }),
  routes.get(
    "https://api.test/bytes",
    () => HttpResponse.arrayBuffer(new Uint8Array([1, 2]).buffer),
  ),
  routes.all("https://other.test/*", () => passthrough()),
];

const msw = (request: Request): Promise<Response | undefined> => getResponse(handlers, request);

test("msw: its handlers answer a fetch of ours", async () => {
  const fetch = createFetch({ transport: handlerTransport(msw) });
  const user = await fetch("https://api.test/users/7?q=a");
  assert.equal(user.status, 200);
  const body = await user.json() as { id: string; query: string };
  assert.deepEqual([body.id, body.query], ["7", "a"]);
  const made = await fetch("https://api.test/users", { method: "POST", body: `{"name":"Ada"}` });
  assert.deepEqual([made.status, await made.json()], [201, { name: "Ada" }]);
  assert.equal(await (await fetch("https://api.test/late")).text(), "late");
  assert.deepEqual([...await (await fetch("https://api.test/bytes")).bytes()], [1, 2]);
  await assert.rejects(fetch("https://api.test/down"), TypeError);
});

test("msw: its handlers answer a Client, and passthrough() goes to the fallback", async () => {
  const mock = mockTransport();
  mock.expect("POST", "https://other.test/x", { body: "sent once" }).reply(200, "passed");
  mock.expect("GET", "https://unknown.test/").reply(200, "unknown");
  const client = new Client({ transport: handlerTransport(msw, { fallback: mock }) });
  const response = await client.get("https://api.test/users/1");
  assert.equal(response.headers.get("set-cookie"), "seen=1");
  await response.body.close();
  const passed = await client.post("https://other.test/x", "sent once");
  assert.equal(await passed.text(), "passed");
  assert.equal(await (await client.get("https://unknown.test/")).text(), "unknown");
  mock.assertDone();
});

test("msw: what no handler knows fails loudly without a fallback", async () => {
  const client = new Client({ transport: handlerTransport(msw) });
  await assert.rejects(client.get("https://unknown.test/"), {
    code: "ERR_BLOCKED",
    message: /No handler answers GET https:\/\/unknown\.test\/: add one/,
  });
});

test("handlerTransport() rejects with what the handler throws, and refuses unknown options", async () => {
  const thrown = new Error("thrown");
  const client = new Client({
    transport: handlerTransport(() => {
      throw thrown;
    }),
  });
  assert.equal(await client.get("https://a.test/").catch((error) => error), thrown);
  assert.throws(() => handlerTransport(msw, { fallBack: 1 } as never), {
    code: "ERR_INVALID_REQUEST",
  });
});

test("nock: it does not answer Roundtrip, and disableNetwork() says so", async () => {
  await using server = await testServer(() => new Response("the real one"), { listen: "tcp" });
  using network = disableNetwork();
  await using transport = new Transport();
  const client = new Client({ transport });
  try {
    nock("http://api.test").get("/").times(2).reply(200, "nock");
    assert.equal(await (await client.get(server.url)).text(), "the real one");
    const error = await client.get("http://api.test/").catch((error) => error);
    assert.ok(error instanceof HttpError);
    assert.equal(error.code, "ERR_BLOCKED");
    assert.match(error.message, /api\.test:80 is not mocked.*nock.*do not reach here/);
    assert.deepEqual(network.blocked, ["api.test:80"]);
  } finally {
    nock.cleanAll();
    nock.restore();
  }
});

test("nock: on Node it takes sockets to what it mocks away, elsewhere it does nothing to them", async () => {
  const { stdout, stderr } = await runProgram("tests/fixtures/nock_takes_sockets.ts", []);
  const said = new TextDecoder().decode(stdout).trim();
  assert.equal(said, runtime === "node" ? "ERR_CONNECTION_LOST" : "the real one", stderr);
});
