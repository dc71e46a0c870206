/**
 * `-x` of the command line: what it passes, what it tells of it, and what it does not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseCommand } from "../cli/options.ts";
import { runCli, textOf } from "./fixtures/cli_run.ts";
import { certPath, withServer, withTlsServer } from "./fixtures/cli_server.ts";
import { test } from "./support/harness.ts";
import { withPeerProxies } from "./support/peer_proxies.ts";

test("cli: -x is a proxy, one more is the next, and none needs a scheme", () => {
  const command = parseCommand(["-x", "a.test:80", "--proxy=socks5h://b.test", "c.test"]);
  assert.ok(command.kind === "get");
  assert.deepEqual(command.options.proxies, ["http://a.test:80", "socks5h://b.test"]);
});

test("cli: -x passes an HTTP proxy, and -v shows the request without the password", async () => {
  await withPeerProxies(({ httpWithPassword }) =>
    withServer(async (url) => {
      const proxy = `user:p%40ss%3Aword@127.0.0.1:${httpWithPassword}`;
      const run = await runCli(["-v", "-x", proxy, `${url}/echo`]);
      assert.equal(run.code, 0, run.stderr);
      assert.match(textOf(run.stdout), /"url":\s*"\/echo"/);
      assert.ok(run.stderr.includes(`> GET ${url}/echo HTTP/1.1`), run.stderr);
      assert.doesNotMatch(run.stderr, /proxy-authorization|p@ss|p%40ss/i);
      assert.ok(!run.stderr.includes(btoa("user:p@ss:word")));
    })
  );
});

test("cli: -v tells of each proxy that is passed", async () => {
  await withPeerProxies(({ http, socks5WithPassword }) =>
    withTlsServer(async (url) => {
      const first = `http://127.0.0.1:${http}`;
      const second = `socks5h://user:p%40ss%3Aword@127.0.0.1:${socks5WithPassword}`;
      const args = ["-v", "-x", first, "-x", second, "--cacert", certPath("ca.pem")];
      const run = await runCli([...args, `${url}/hello`]);
      assert.equal(run.code, 0, run.stderr);
      assert.match(run.stderr, /^\* asking proxy http:.* for a tunnel to 127\.0\.0\.1:\d+$/m);
      assert.match(run.stderr, /^\* tunnel opened in [0-9.]+ ms: 200$/m);
      assert.match(
        run.stderr,
        /^\* asking proxy socks5h:\/\/127.* for a tunnel to localhost:\d+$/m,
      );
      assert.match(run.stderr, /^\* tunnel opened in [0-9.]+ ms$/m);
      assert.match(run.stderr, /^\* time: .*, proxy [0-9.]+, TLS /m);
      assert.match(run.stderr, /^> GET \/hello HTTP\/1\.1$/m);
      assert.doesNotMatch(run.stderr, /p@ss|p%40ss/);
    })
  );
});

test("cli: a proxy that refuses ends with 5, one that cannot be used with 3", async () => {
  await withPeerProxies(async ({ httpWithPassword }) => {
    const proxy = `http://user:canary@127.0.0.1:${httpWithPassword}`;
    const refused = await runCli(["-x", proxy, "https://localhost:1/"]);
    assert.equal(refused.code, 5);
    assert.match(refused.stderr, /refused a tunnel to localhost:1: 407 .*\[ERR_PROXY, proxy\]/);
    const unusable = await runCli(["-x", "ftp://user:canary@127.0.0.1", "http://localhost:1/"]);
    assert.equal(unusable.code, 3);
    assert.doesNotMatch(refused.stderr + unusable.stderr, /canary/);
  });
});
