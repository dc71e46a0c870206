/**
 * What the command line tells of exchanges besides `-v`: bytes, a HAR file, and where it does.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { isIPv4, isIPv6 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import type { Har } from "../../cli/har_format.ts";
import { KEEPING, MASKING } from "../../cli/har_mask.ts";
import { dumped } from "../../cli/trace_dump.ts";
import { runCli } from "../fixtures/cli_in_memory.ts";
import { textOf } from "../fixtures/cli_run.ts";
import { certPath, withServer, withTlsServer } from "../fixtures/cli_server.ts";
import { test } from "../support/harness.ts";
import { startPeerProxies } from "../support/peer_proxies.ts";
import { withRawServer } from "../support/raw_server.ts";

const ports = await startPeerProxies();

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-telling-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const require = createRequire(import.meta.url);
const ajv = new Ajv({
  strict: false,
  formats: {
    "ipv4": isIPv4,
    "ipv6": isIPv6,
    "uri": (text: string) => URL.canParse(text),
    "date-time": (text: string) => !Number.isNaN(Date.parse(text)),
  },
});
ajv.addMetaSchema(require("ajv/dist/refs/json-schema-draft-06.json"));
for (const schema of Object.values(require("har-schema") as Record<string, object>)) {
  ajv.addSchema(schema);
}
const isHar = ajv.getSchema("har.json#")!;

/** The file, which the schema of HAR 1.2 holds good. */
async function harIn(path: string): Promise<Har> {
  const har = JSON.parse(await readFile(path, "utf8"));
  assert.ok(isHar(har), JSON.stringify(isHar.errors));
  return har;
}

test("the schema of HAR refuses what is none", () => {
  assert.equal(isHar({ log: { version: "1.2", creator: { name: "a", version: "1" } } }), false);
  assert.equal(
    isHar({ log: { version: "1.2", creator: { name: "a", version: "1" }, entries: [{}] } }),
    false,
  );
});

test("bytes are told with their numbers, or line by line", () => {
  const bytes = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00\x7f");
  assert.equal(
    dumped(bytes, true),
    "0000: 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a GET / HTTP/1.1..\n" +
      "0010: 48 6f 73 74 3a 20 61 0d 0a 0d 0a 00 7f          Host: a......\n",
  );
  assert.equal(
    dumped(bytes, false),
    "0000: GET / HTTP/1.1\n0010: Host: a\n0019: \n001b: ..\n",
  );
  assert.equal(
    dumped(new Uint8Array(65).fill(0x61), false),
    `0000: ${"a".repeat(64)}\n0040: a\n`,
  );
  assert.equal(dumped(new Uint8Array(0), true), "");
});

test("cli: --trace-ascii tells of every byte to a file, and -v beside it", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "trace");
      const run = await runCli(["--trace-ascii", path, "-v", "-d", "a=1", `${url}/echo`]);
      assert.equal(run.code, 0, run.stderr);
      assert.match(run.stderr, /^> POST \/echo HTTP\/1\.1$/m);
      const trace = await readFile(path, "utf8");
      const ends = /(127\.0\.0\.1:\d+) to (127\.0\.0\.1:\d+)$/.source;
      assert.match(trace, /^== Info: connecting to 127\.0\.0\.1:\d+$/m);
      assert.match(trace, new RegExp(`^=> Send \\d+ bytes \\(0x[0-9a-f]+\\), ${ends}`, "m"));
      assert.match(trace, new RegExp(`^<= Recv \\d+ bytes \\(0x[0-9a-f]+\\), ${ends}`, "m"));
      assert.match(trace, /^0000: POST \/echo HTTP\/1\.1$/m);
      assert.match(trace, /^[0-9a-f]{4}: a=1$/m);
      assert.doesNotMatch(trace, /^[<>] /m);
    })
  );
});

test("cli: --trace - goes to standard output, over TLS as it is above it, and through a tunnel", async () => {
  await withTlsServer(async (url) => {
    const args = ["--cacert", certPath("ca.pem"), `${url}/hello`];
    for (const proxy of [[], ["-x", `http://127.0.0.1:${ports.http}`]]) {
      const run = await runCli([...proxy, "--trace", "-", "--trace-time", ...args]);
      assert.equal(run.code, 0, run.stderr);
      const text = textOf(run.stdout);
      assert.match(text, /^\d\d:\d\d:\d\d\.\d{3} => Send /m);
      assert.match(
        text,
        /^0000: 47 45 54 20 2f 68 65 6c 6c 6f 20 48 54 54 50 2f GET \/hello HTTP\/$/m,
      );
      assert.ok(text.includes("hello"), text);
      assert.equal(/^0000: 43 4f 4e 4e 45 43 54 20 .* CONNECT /m.test(text), proxy.length > 0);
    }
  });
});

test("cli: --stderr takes the place of standard error, % is it, and a folder cannot be written", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "told");
      const run = await runCli(["-v", "--stderr", path, "--trace-time", `${url}/hello`]);
      assert.deepEqual([run.code, run.stderr, textOf(run.stdout)], [0, "", "hello"]);
      assert.match(
        await readFile(path, "utf8"),
        /^\d\d:\d\d:\d\d\.\d{3} > GET \/hello HTTP\/1\.1$/m,
      );
      const both = await runCli(["-v", "--stderr", "-", `${url}/hello`]);
      assert.match(textOf(both.stdout), /^> GET \/hello HTTP\/1\.1$/m);
      assert.equal(both.stderr, "");
      const traced = await runCli(["--trace-ascii", "%", `${url}/hello`]);
      assert.match(traced.stderr, /^0000: GET \/hello HTTP\/1\.1$/m);
      const unwritable = await runCli(["--trace", folder, `${url}/hello`]);
      assert.equal(unwritable.code, 23);
      assert.deepEqual([...unwritable.stdout], []);
    })
  );
});

test("cli: --har notes every exchange of redirects, with secrets masked", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "run.har");
      const run = await runCli([
        ...["--har", path, "-L", "-u", "me:canary", "-b", "id=canary", "-H", "X-Api-Key: canary"],
        ...["-d", "name=a&password=canary", `${url}/other?access_token=canary&page=2`],
        ...["--next", "--har", path, "-o", join(folder, "out"), `${url}/other`],
      ]);
      assert.equal(run.code, 0, run.stderr);
      const text = await readFile(path, "utf8");
      assert.doesNotMatch(text, /canary|bWU6Y2FuYXJ5/);
      const { log: { entries } } = await harIn(path);
      assert.deepEqual(
        entries.map(({ request: { method, url } }) => `${method} ${new URL(url).pathname}`),
        ["POST /other", "GET /other", "GET /echo"],
      );
      const [{ request }, { response: { redirectURL } }] = entries;
      assert.deepEqual(request.queryString, [
        { name: "access_token", value: "***" },
        { name: "page", value: "2" },
      ]);
      assert.deepEqual(request.cookies, [{ name: "id", value: "***" }]);
      assert.deepEqual(request.postData!.params[1], { name: "password", value: "***" });
      assert.equal(redirectURL, "/echo");
    })
  );
});

test("cli: --har tells of heads, bodies, the server and the time of one exchange", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "run.har");
      const json = '{"user":{"name":"a","accessToken":"canary","pin":1},"ids":[1,2]}';
      const run = await runCli(["--har", path, "--json", json, `${url}/echo`]);
      assert.equal(run.code, 0, run.stderr);
      const { log: { version, entries: [entry] } } = await harIn(path);
      assert.equal(version, "1.2");
      const { request, response, timings, time, serverIPAddress } = entry;
      assert.equal(request.httpVersion, "HTTP/1.1");
      assert.equal(request.bodySize, json.length);
      assert.equal(request.postData!.text, json.replace("canary", "***"));
      assert.ok(request.headers.some(({ name, value }) => name === "Accept" && value !== ""));
      assert.equal(response.status, 200);
      assert.equal(response.content.mimeType, "application/json");
      assert.equal(response.content.size, run.stdout.length);
      assert.equal(response.bodySize, run.stdout.length);
      assert.ok(response.headersSize > 20);
      assert.equal(serverIPAddress, "127.0.0.1");
      const { blocked, connect, send, wait, receive } = timings;
      assert.equal(time, Math.max(0, blocked) + Math.max(0, connect) + send + wait + receive);
    })
  );
});

test("cli: --har-secrets keeps them, binary is in Base64, and a coded body is told decoded", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "run.har");
      const out = join(folder, "out");
      const args = ["--har", path, "--har-secrets", "-o", out, "-H", "Authorization: canary"];
      await runCli([...args, "--next", "-o", out, `${url}/bytes`]);
      const run = await runCli([...args, `${url}/bytes`]);
      assert.equal(run.code, 0, run.stderr);
      const { log: { entries: [bytes] } } = await harIn(path);
      assert.ok(bytes.request.headers.some(({ value }) => value === "canary"));
      assert.equal(bytes.response.content.encoding, "base64");
      assert.equal(atob(bytes.response.content.text!).length, 256);
      await runCli(["--har", path, "--compressed", "-o", out, `${url}/gzip`]);
      const { log: { entries: [coded] } } = await harIn(path);
      assert.ok(coded.response.bodySize < coded.response.content.size);
      assert.match(coded.response.content.text!, /^round and round/);
      await runCli(["--har", path, "-o", out, `${url}/big`]);
      const { log: { entries: [big] } } = await harIn(path);
      assert.equal(big.response.content.size, 5 * 1024 * 1024);
      assert.match(big.response.content.comment!, /1 MiB/);
    })
  );
});

test("cli: --har notes what failed, and forms in parts only with --har-secrets", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "run.har");
      const refused = await runCli(["--har", path, "http://127.0.0.1:1/"]);
      assert.equal(refused.code, 7);
      const { log: { entries: [failed] } } = await harIn(path);
      assert.equal(failed.response.status, 0);
      assert.match(failed.response.comment!, /ERR_DIAL/);
      const form = ["--har", path, "-F", "password=canary", `${url}/echo`];
      await runCli(form);
      assert.match((await harIn(path)).log.entries[0].request.postData!.comment!, /--har-secrets/);
      await runCli(["--har-secrets", ...form]);
      assert.match((await harIn(path)).log.entries[0].request.postData!.text, /canary/);
    })
  );
});

test("cli: --har masks a cookie that is set", async () => {
  const answer = "HTTP/1.1 200 OK\r\nSet-Cookie: id=canary; Path=/\r\nContent-Length: 0\r\n\r\n";
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(answer);
    }
  }, ({ port }) =>
    inFolder(async (folder) => {
      const path = join(folder, "run.har");
      const run = await runCli(["--har", path, `http://127.0.0.1:${port}/`]);
      assert.equal(run.code, 0, run.stderr);
      const { log: { entries: [{ response }] } } = await harIn(path);
      assert.deepEqual(response.cookies, [{ name: "id", value: "***" }]);
      assert.ok(!JSON.stringify(response).includes("canary"));
    }));
});

test("masks go by names, and keep what is none", () => {
  const form = "application/x-www-form-urlencoded";
  const json = "application/problem+json; charset=utf-8";
  const rows: [text: string, type: string, shown: string | null][] = [
    ["a=1&client_secret=x&b", form, "a=1&client_secret=***&b"],
    ["a%5Ftoken=x", form, "a%5Ftoken=***"],
    [
      '{"token":"x","n":1.5,"deep":[{"apiKey":12}],"token2":null}',
      json,
      '{"token":"***","n":1.5,"deep":[{"apiKey":"***"}],"token2":null}',
    ],
    ['{"token":', json, null],
    [
      '{"credentials":{"of":"me","list":["x"]},"token":""}',
      json,
      '{"credentials":"***","token":""}',
    ],
    // The type that -d has by default.
    ['{"password":"x","q":"a=b"}', form, '{"password":"***","q":"a=b"}'],
    ['[{"token":', form, null],
    ['{"token":"x"}', "text/plain", '{"token":"***"}'],
    ["[info] token=x", "text/plain", "[info] token=x"],
    ["token=x", "text/plain", "token=x"],
    ["--b", "multipart/form-data; boundary=b", null],
  ];
  for (const [text, type, shown] of rows) {
    assert.equal(MASKING.body(text, type), shown, text);
    assert.equal(KEEPING.body(text, type), text);
  }
  assert.equal(MASKING.url("http://a/?sessionid=1&q=2#f"), "http://a/?sessionid=***&q=2#f");
  assert.equal(MASKING.url("http://a/b"), "http://a/b");
  assert.equal(MASKING.url("http://me:x@a/b@c"), "http://***@a/b@c");
  assert.equal(MASKING.url("/b#access_token=x&state=1"), "/b#access_token=***&state=1");
  for (const name of ["Location", ":path", "Referer", "Content-Location"]) {
    const value = "/b?access_token=x&q=2";
    assert.deepEqual(MASKING.pair({ name, value }), { name, value: "/b?access_token=***&q=2" });
    assert.deepEqual(KEEPING.pair({ name, value }), { name, value });
  }
});
