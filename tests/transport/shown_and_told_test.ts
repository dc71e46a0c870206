/**
 * What people see who look at our objects, and what they are told who give the wrong ones.
 *
 * @module
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import {
  Client,
  type ClientOptions,
  createFetch,
  HttpError,
  HttpHeaders,
  HttpRequest,
  ResumingTransport,
  RetryingTransport,
  type RoundTripper,
  Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";

/** What `console.log` writes, by the runtime's own way of showing. */
function shown(value: unknown): string {
  const { Deno, Bun } = globalThis as {
    Deno?: { inspect(value: unknown): string };
    Bun?: { inspect(value: unknown): string };
  };
  return (Deno ?? Bun)?.inspect(value) ?? inspect(value);
}

const LINES: [string, string][] = [
  ["Content-Type", "text/plain"],
  ["X-Tag", "a"],
  ["x-tag", "b"],
  ["X-Tag", "c"],
  ["Authorization", "Bearer s3cret"],
  ["PROXY-authorization", "s3cret"],
  ["Cookie", "a=s3cret"],
  ["Set-Cookie", "a=s3cret"],
  ["set-cookie", "b=s3cret"],
  ["X-Api-Key", "s3cret"],
  ["apikey", "s3cret"],
  ["X-Auth-Token", "s3cret"],
  ["x-amz-security-token", "s3cret"],
  ["X-CSRF-Token", "s3cret"],
  ["Private-Token", "s3cret"],
  ["X-Hub-Signature-256", "s3cret"],
  ["Authentication-Info", "s3cret"],
  ["Idempotency-Key", "open"],
  ["WWW-Authenticate", "open"],
  ["X-Author", "open"],
  ["X-Monkey", "open"],
  ["__proto__", "open"],
  ["X-Secret", ""],
];

test("M21 headers show their fields on a console and in JSON, and no secret", () => {
  const headers = new HttpHeaders(LINES);
  const json = JSON.parse(JSON.stringify(headers)) as [string, string][];
  assert.deepEqual(
    json,
    LINES.map(([name, value]) => [name, value.includes("s3cret") ? "***" : value]),
  );
  const request = new HttpRequest("http://a.test/", { headers });
  const texts = [
    shown(headers),
    shown({ headers }),
    shown([headers]),
    shown(request),
    inspect(headers),
  ];
  for (const text of [...texts, JSON.stringify({ request }), inspect({ a: { b: { headers } } })]) {
    assert.doesNotMatch(text, /s3cret/);
  }
  for (const text of texts) {
    assert.match(text, /HttpHeaders \{/);
    assert.match(text, /"?'?Content-Type'?"?: ["']text\/plain["']/);
    assert.match(text, /"?'?Authorization"?'?: ["']\*\*\*["']/);
    assert.match(text, /"?'?X-Tag"?'?: \[\s*["']a["'],\s*["']c["']\s*\]/);
    assert.match(text, /"?'?X-Author"?'?: ["']open["']/);
  }
  // Whoever wants all of it takes it; nothing was changed.
  assert.deepEqual([...headers], LINES);
  assert.match(shown(new HttpHeaders()), /^HttpHeaders \{\s*\}$/);
  assert.deepEqual(Object.keys(headers), []);
  // Received lines that nobody has looked at yet.
  const text = "A: b\r\nCookie: s3cret\r\n";
  const received = HttpHeaders.fromWire(text, [0, 1, 3, 4, 6, 12, 14, 20]);
  assert.doesNotMatch(shown(received), /s3cret/);
  assert.deepEqual(received.toJSON(), [["A", "b"], ["Cookie", "***"]]);
});

test("M21 a response tells whether it is ok", async () => {
  const statuses = [200, 204, 299, 300, 304, 404, 500, 199 + 1];
  let nth = 0;
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      const status = statuses[nth++];
      await connection.send(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`);
    }
  }, async (server) => {
    const transport = new Transport();
    for (const status of statuses) {
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      assert.deepEqual([response.status, response.ok], [status, status < 300]);
      await response.body.close();
    }
    await transport.close();
  });
});

test("M21 what is no request, and no transport, is told what was wanted", async () => {
  const transport = new Transport();
  const never: RoundTripper = { roundTrip: () => Promise.reject(new Error("it was asked")) };
  const client = new Client({ transport: never });
  const url = "http://user:s3cret@a.test/";
  const wrong: [unknown, RegExp][] = [
    [url, /not a string: new HttpRequest\(url\)/],
    [new URL(url), /not a URL: new HttpRequest\(url\)/],
    [new Request("http://a.test/"), /not a Request: createFetch/],
    [undefined, /not undefined/],
    [null, /not null/],
    [{ url }, /not an object of another kind/],
    [7, /not a number/],
  ];
  await withRawServer(async (connection) => {
    await connection.clientEnded;
  }, async (server) => {
    const leased = await transport.connect(server.origin);
    for (const [given, text] of wrong) {
      const request = given as HttpRequest;
      const calls: [string, () => Promise<unknown>][] = [
        ["roundTrip", () => transport.roundTrip(request)],
        ["roundTrip", () => new RetryingTransport(never).roundTrip(request)],
        ["roundTrip", () => new ResumingTransport(never).roundTrip(request)],
        ["roundTrip", () => leased.roundTrip(request)],
        ["do", () => client.do(request)],
      ];
      for (const [name, call] of calls) {
        // A promise that rejects, not a throw.
        const error: unknown = await call().catch((error: unknown) => error);
        assert.ok(error instanceof HttpError, String(error));
        assert.equal(error.code, "ERR_INVALID_REQUEST");
        assert.ok(error.message.startsWith(`${name}() takes an HttpRequest, `), error.message);
        assert.match(error.message, text);
        assert.doesNotMatch(error.message, /s3cret/);
      }
      assert.throws(() => transport.explain(request), { code: "ERR_INVALID_REQUEST" });
    }
    leased.close();
  });
  const based = new Client({ transport: never, baseUrl: "http://a.test/" });
  await assert.rejects(
    based.get(new Request("http://b.test/") as unknown as URL),
    /it is a Request/,
  );

  for (const given of [{ maxIdleConns: 1 }, {}, "http://a.test/", 7, () => {}]) {
    const transport = given as unknown as RoundTripper;
    const makers = [
      () => new Client({ transport }),
      () => new RetryingTransport(transport),
      () => new ResumingTransport(transport),
      () => createFetch({ transport }),
    ];
    for (const make of makers) {
      assert.throws(make, {
        code: "ERR_INVALID_REQUEST",
        message: /no roundTrip\(\).*new Transport/,
      });
    }
  }
  // As before: null is none.
  new Client({ transport: null } as unknown as ClientOptions);
  assert.equal(transport.stats().total, 0);
  await transport.close();
});
