/**
 * What errors of the network tell of the attempt, and which requests are sent a second time.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as net from "node:net";
import {
  type Attempt,
  type BodySource,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
} from "../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import {
  bytesOf,
  type RawConnection,
  type RawHandler,
  withRawServer,
} from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { until } from "../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Expects a request to fail, and what is known of its attempt. */
async function assertFails(
  handler: RawHandler,
  init: HttpRequestInit,
  expected: { code: string; phase: string; verdict: Attempt["verdict"] },
): Promise<Attempt> {
  return await withRawServer(handler, async (server) => {
    const transport = steadyTransport();
    const error = await transport.roundTrip(new HttpRequest(server.origin, init))
      .then((response) => response.bytes())
      .then(() => assert.fail("resolved"), (reason: unknown) => reason);
    assert.ok(error instanceof HttpError, String(error));
    const { code, phase, attempt } = error;
    assert.deepEqual({ code, phase, verdict: attempt?.verdict }, expected);
    assert.equal(attempt!.reused, false);
    await until("nothing is left", () => transport.stats().total === 0);
    // Never twice on a fresh connection.
    assert.equal(server.connections.length, 1);
    if (server.connections[0].receivedBytes > 0) {
      assert.ok(attempt!.bytesWritten >= server.connections[0].receivedBytes);
    }
    await server.allClosed();
    return attempt!;
  });
}

test("attempt: a refused dial was never sent", async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as net.AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  const transport = steadyTransport();
  for (const method of ["GET", "POST"]) {
    await assert.rejects(
      transport.roundTrip(new HttpRequest(`http://127.0.0.1:${port}/`, { method })),
      {
        code: "ERR_DIAL",
        phase: "dial",
        attempt: { reused: false, bytesWritten: 0, responseBytes: 0, verdict: "never-sent" },
      },
    );
  }
  assert.deepEqual(transport.stats().perHost, {});
  await transport.close();
});

test("attempt: reset or end before an answer", async () => {
  for (const end of ["reset", "end", "close"] as const) {
    const attempt = await assertFails(
      async (connection) => {
        await connection.readHead();
        connection[end]();
      },
      {},
      { code: "ERR_CONNECTION_LOST", phase: "response-header", verdict: "sent-no-answer" },
    );
    assert.equal(attempt.responseBytes, 0);
  }
});

test("attempt: reset or end inside the head, and behind an informational one", async () => {
  for (const sends of ["HTTP/1.1 200 OK\r\nX", "HTTP/1.1 103 Early Hints\r\n\r\n"]) {
    const attempt = await assertFails(
      async (connection) => {
        await connection.readHead();
        await connection.send(sends);
        connection.end();
      },
      {},
      { code: "ERR_CONNECTION_LOST", phase: "response-header", verdict: "answered" },
    );
    assert.equal(attempt.responseBytes, sends.length);
  }
});

test("attempt: end and reset inside the body", async () => {
  const head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
  const attempt = await assertFails(
    async (connection) => {
      await connection.readHead();
      await connection.send(head);
      connection.end();
    },
    {},
    { code: "ERR_INCOMPLETE_BODY", phase: "body", verdict: "answered" },
  );
  assert.equal(attempt.responseBytes, head.length);
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(head);
  }, async (server) => {
    const transport = steadyTransport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    assert.equal(await response.body.read(new Uint8Array(16)), 4);
    server.connections[0].reset();
    await assert.rejects(response.body.read(new Uint8Array(16)), {
      code: "ERR_CONNECTION_LOST",
      phase: "body",
    });
    assert.equal(transport.stats().total, 0);
  });
});

test("attempt: a reset inside a body that is being sent", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
  }, { highWaterMark: 0 });
  await withRawServer(async (connection) => {
    await connection.readBytes(1_000_000);
    connection.reset();
  }, async (server) => {
    const transport = steadyTransport();
    const error = await transport.roundTrip(
      new HttpRequest(server.origin, { method: "POST", body }),
    )
      .then(() => assert.fail("resolved"), (reason: unknown) => reason);
    assert.ok(error instanceof HttpError);
    assert.equal(error.code, "ERR_CONNECTION_LOST");
    assert.equal(error.attempt?.verdict, "partly-sent");
    assert.ok(error.attempt!.bytesWritten >= 1_000_000);
    assert.equal(transport.stats().total, 0);
  });
});

/**
 * A server whose first connection answers one request and, on the second one, does `fail`. Other
 * connections answer everything, or fail too.
 */
function failing(
  fail: (connection: RawConnection) => void | Promise<void>,
  always = false,
): RawHandler {
  return async (connection) => {
    for (let n = 0;; n++) {
      const head = await connection.readHead();
      if (n === (connection.index === 0 ? 1 : 0) && (connection.index === 0 || always)) {
        const length = /^Content-Length: ([0-9]+)/m.exec(head)?.[1];
        if (length !== undefined) await connection.readBytes(Number(length));
        else if (/^Transfer-Encoding/m.test(head)) await connection.readUntil("0\r\n\r\n");
        await fail(connection);
        return;
      }
      await connection.send(head.startsWith("HEAD") ? OK.slice(0, -2) : OK);
    }
  };
}

/** Sends a request over a connection that fails. Returns what came of it, and how often it was seen. */
async function onStaleConnection(
  init: HttpRequestInit,
  fail: (connection: RawConnection) => void | Promise<void> = (connection) => connection.reset(),
  always = false,
): Promise<{ status: number | null; error: HttpError | null; seen: number; retries: number }> {
  return await withRawServer(failing(fail, always), async (server) => {
    let retries = 0;
    const transport = steadyTransport({ trace: { retry: () => void retries++ } });
    const warm = await transport.roundTrip(new HttpRequest(server.origin));
    await warm.bytes();
    let status: number | null = null;
    let error: HttpError | null = null;
    try {
      const response = await transport.roundTrip(new HttpRequest(server.origin + "/2", init));
      status = response.status;
      await response.bytes();
    } catch (reason) {
      assert.ok(reason instanceof HttpError, String(reason));
      error = reason;
    }
    assert.equal(transport.stats().active, 0);
    transport.destroy();
    await server.allClosed();
    const seen = server.connections.map(({ received }) => received.match(/ \/2 HTTP/g)?.length ?? 0)
      .reduce((sum, count) => sum + count, 0);
    return { status, error, seen, retries };
  });
}

for (const end of ["reset", "end", "close"] as const) {
  test(`replay: GET on a connection that had served, ended by ${end}`, async () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
      const { status, seen, retries } = await onStaleConnection({ method }, (c) => c[end]());
      assert.deepEqual([method, status, seen, retries], [method, 200, 2, 1]);
    }
  });

  test(`T58 POST that was sent in full is not sent again, ended by ${end}`, async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "get"]) {
      const { error, seen, retries } = await onStaleConnection(
        method === "DELETE" || method === "get" ? { method } : { method, body: "body" },
        (connection) => connection[end](),
      );
      assert.equal(error?.code, "ERR_CONNECTION_LOST", method);
      assert.deepEqual([seen, retries], [1, 0], method);
      assert.equal(error!.attempt!.reused, true);
      assert.equal(error!.attempt!.verdict, "sent-no-answer");
    }
  });
}

test("replay: a key that says so makes POST repeatable", async () => {
  for (const name of ["Idempotency-Key", "x-idempotency-key"]) {
    const headers = { [name]: "1" };
    const { status, seen } = await onStaleConnection({ method: "POST", body: "body", headers });
    assert.deepEqual([status, seen], [200, 2]);
  }
});

test("replay: only bodies that can be produced again", async () => {
  const stream = (): ReadableStream<Uint8Array> => new Blob(["body"]).stream();
  const form = new FormData();
  form.append("a", "b");
  const rows: [string, BodySource, number][] = [
    ["string", "body", 2],
    ["bytes", bytesOf("body"), 2],
    ["view", new DataView(new ArrayBuffer(4)) as unknown as Uint8Array, 2],
    ["blob", new Blob(["body"]), 2],
    ["form", form, 2],
    ["params", new URLSearchParams("a=b"), 2],
    ["function", stream, 2],
    ["stream", stream(), 1],
    ["reader", { read: () => Promise.resolve(null) }, 1],
  ];
  for (const [name, body, times] of rows) {
    const { seen, status } = await onStaleConnection({
      method: "POST",
      body,
      headers: { "Idempotency-Key": "1" },
    });
    assert.deepEqual([name, seen, status], [name, times, times === 2 ? 200 : null]);
  }
});

test("replay: once, not again and again", async () => {
  const { error, seen, retries } = await onStaleConnection(
    {},
    (connection) => connection.reset(),
    true,
  );
  assert.equal(error?.code, "ERR_CONNECTION_LOST");
  assert.equal(error!.attempt!.reused, false);
  assert.deepEqual([seen, retries], [2, 1]);
});

test("replay: not when a byte of an answer came, nor when the answer was malformed", async () => {
  for (const sends of ["H", "HTTP/1.1 103 Early Hints\r\n\r\n", "garbage\r\n\r\n"]) {
    const { error, seen, retries } = await onStaleConnection({}, async (connection) => {
      await connection.send(sends);
      connection.end();
    });
    assert.equal(error?.attempt?.verdict, "answered");
    assert.deepEqual([seen, retries], [1, 0]);
  }
});

/** Fails the write of the second request without having taken a byte. */
class BrokenPipe extends ScriptedConn {
  #count = 0;

  override write(p: Uint8Array): Promise<number> {
    if (++this.#count === 1) return super.write(p);
    // First the error of the write, then the end.
    setTimeout(() => this.end(), 0);
    return Promise.reject(
      new HttpError("ERR_CONNECTION_LOST", "Cannot write: broken pipe", { phase: "request" }),
    );
  }
}

test("replay: what was never sent is sent again, whatever the method", async () => {
  for (const method of ["GET", "POST", "DELETE"]) {
    const head = (name: string): string =>
      `${name} / HTTP/1.1\r\nHost: example.com\r\n${
        name === "POST" ? "Content-Length: 0\r\n" : ""
      }\r\n`;
    const dialer = scriptedDialer(
      new BrokenPipe().expect(head("GET")).send(OK),
      new ScriptedConn().expect(head(method)).send(OK),
    );
    const transport = steadyTransport({ dialer, disableCompression: true });
    const headers = { "User-Agent": "" };
    for (const one of ["GET", method]) {
      const request = new HttpRequest("http://example.com/", { method: one, headers });
      assert.equal(await (await transport.roundTrip(request)).text(), "ok");
    }
    dialer.assertConsumed();
    transport.destroy();
  }
});

test("replay: a body that is used up is not sent again, even where nothing was written", async () => {
  const dialer = scriptedDialer(
    new BrokenPipe().expect("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").send(OK),
  );
  const transport = steadyTransport({ dialer, disableCompression: true });
  const headers = { "User-Agent": "" };
  await (await transport.roundTrip(new HttpRequest("http://example.com/", { headers }))).bytes();
  const body = new Blob(["body"]).stream();
  const request = new HttpRequest("http://example.com/", { method: "POST", headers, body });
  await assert.rejects(transport.roundTrip(request), (error) => {
    assert.ok(error instanceof HttpError);
    assert.deepEqual(error.attempt, {
      reused: true,
      bytesWritten: 0,
      responseBytes: 0,
      verdict: "never-sent",
    });
    return true;
  });
  dialer.assertConsumed();
  transport.destroy();
});
