/**
 * `-x` of the command line: what it passes, what it tells of it, and what it does not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { main } from "../../cli/mod.ts";
import { parseCommand } from "../../cli/options.ts";
import { memoryIo, runCli } from "../fixtures/cli_in_memory.ts";
import { textOf } from "../fixtures/cli_run.ts";
import { certPath, withServer, withTlsServer } from "../fixtures/cli_server.ts";
import { test } from "../support/harness.ts";
import { startPeerProxies } from "../support/peer_proxies.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";

const ports = await startPeerProxies();

test("cli: -x is a proxy, one more is the next, and none needs a scheme", () => {
  const command = parseCommand(["-x", "a.test:80", "--proxy=socks5h://b.test", "c.test"]);
  assert.ok(command.kind === "get");
  assert.deepEqual(command.groups[0].proxies, ["http://a.test:80", "socks5h://b.test"]);
});

test("cli: -x passes an HTTP proxy, and -v shows the request without the password", async () => {
  await withServer(async (url) => {
    const proxy = `user:p%40ss%3Aword@127.0.0.1:${ports.httpWithPassword}`;
    const run = await runCli(["-v", "-x", proxy, `${url}/echo`]);
    assert.equal(run.code, 0, run.stderr);
    assert.match(textOf(run.stdout), /"url":\s*"\/echo"/);
    assert.ok(run.stderr.includes(`> GET ${url}/echo HTTP/1.1`), run.stderr);
    assert.doesNotMatch(run.stderr, /proxy-authorization|p@ss|p%40ss/i);
    assert.ok(!run.stderr.includes(btoa("user:p@ss:word")));
  });
});

test("cli: -v tells of each proxy that is passed", async () => {
  await withTlsServer(async (url) => {
    const first = `http://127.0.0.1:${ports.http}`;
    const second = `socks5h://user:p%40ss%3Aword@127.0.0.1:${ports.socks5WithPassword}`;
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
  });
});

test("cli: a proxy that refuses ends with 56, one that cannot be used with 3", async () => {
  const proxy = `http://user:canary@127.0.0.1:${ports.httpWithPassword}`;
  const refused = await runCli(["-x", proxy, "https://localhost:1/"]);
  assert.equal(refused.code, 56);
  assert.match(refused.stderr, /refused a tunnel to localhost:1: 407 .*\[ERR_PROXY, proxy\]/);
  const unusable = await runCli(["-x", "ftp://user:canary@127.0.0.1", "http://localhost:1/"]);
  assert.equal(unusable.code, 3);
  assert.doesNotMatch(refused.stderr + unusable.stderr, /canary/);
});

/** A proxy, or a server, that answers with the target that it is asked for. */
const naming: RawHandler = async (connection) => {
  for (;;) {
    const [, target] = (await connection.readHead()).split(" ");
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
  }
};

test("cli: --proxy-digest shows a proxy no password, and without it a proof is given too", async () => {
  const seen: string[] = [];
  const proving: RawHandler = async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const scheme = /^proxy-authorization: (\S+)/im.exec(head)?.[1] ?? "none";
      seen.push(scheme);
      await connection.send(
        scheme === "Digest"
          ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin"
          : "HTTP/1.1 407 No\r\nProxy-Authenticate: Digest nonce=n, qop=auth\r\n" +
            "Content-Length: 0\r\n\r\n",
      );
    }
  };
  const rows: [string[], string[]][] = [
    [[], ["Basic", "Digest"]],
    [["--proxy-digest"], ["none", "Digest"]],
    [["--proxy-digest", "--proxy-basic"], ["Basic", "Digest"]],
  ];
  await withRawServer(proving, async ({ port }) => {
    for (const [args, expected] of rows) {
      const proxy = ["-x", `http://127.0.0.1:${port}`, "-U", "me:pw"];
      const run = await runCli([...args, ...proxy, "http://a.test/"]);
      assert.equal(run.code, 0, run.stderr);
      assert.deepEqual(seen.splice(0), expected);
    }
  });
});

test("M34 cli: the proxies of the environment are passed, and can be left out in curl's ways", async () => {
  await withRawServer(naming, async ({ port }) => {
    const url = `http://name.test:${port}/a`;
    const proxy = `http://127.0.0.1:${port}`;
    const closed = "http://127.0.0.1:1";
    const rows: readonly (readonly [env: Record<string, string>, args: string[], seen: string])[] =
      [
        [{ http_proxy: proxy }, [], url],
        [{ ALL_PROXY: proxy }, [], url],
        [{ HTTP_PROXY: proxy }, [], url],
        [{ HTTPS_PROXY: proxy }, [], "/a"],
        [{ HTTP_PROXY: proxy, REQUEST_METHOD: "GET" }, [], "/a"],
        [{ http_proxy: proxy, NO_PROXY: "name.test" }, [], "/a"],
        [{ http_proxy: proxy }, ["-q"], "/a"],
        [{ http_proxy: proxy }, ["--disable"], "/a"],
        [{ http_proxy: "not//usable" }, ["-q"], "/a"],
        [{ http_proxy: proxy }, ["-x", ""], "/a"],
        [{ http_proxy: proxy }, ["--noproxy", "*"], "/a"],
        [{ http_proxy: proxy }, ["--noproxy", "a.test,name.test"], "/a"],
        [{ http_proxy: proxy }, ["--noproxy", "a.test test"], "/a"],
        [{ http_proxy: proxy }, ["--noproxy", ".name.test"], "/a"],
        [{ http_proxy: proxy }, ["--noproxy", "a.name.test,ame.test"], url],
        [{ http_proxy: proxy, no_proxy: "*" }, ["--noproxy", ""], url],
        [{ http_proxy: closed }, ["-x", proxy], url],
        [{ http_proxy: closed, no_proxy: "*" }, ["-x", proxy], url],
        [{}, ["-x", closed, "--noproxy", "name.test"], "/a"],
        [{}, ["-x", proxy, "--noproxy", "a.test"], url],
        [{}, ["-q", "-x", proxy], url],
      ];
    for (const [env, args, seen] of rows) {
      const io = memoryIo({ env });
      const code = await main([...args, "--resolve", `name.test:${port}:127.0.0.1`, url], io);
      const shown = JSON.stringify([env, args]);
      assert.equal(code, 0, `${shown}: ${io.err()}`);
      assert.equal(io.out(), seen, shown);
    }
  });
});

test("M34 cli: -v shows the request as a proxy of the environment gets it, without its password", async () => {
  await withRawServer(naming, async ({ port }) => {
    const io = memoryIo({ env: { http_proxy: `http://user:canary@127.0.0.1:${port}` } });
    assert.equal(await main(["-v", "http://name.test/a"], io), 0, io.err());
    assert.ok(io.err().includes("> GET http://name.test/a HTTP/1.1\n"), io.err());
    assert.ok(!io.err().includes("canary") && !io.err().includes(btoa("user:canary")));
  });
});

test("M34 cli: a variable that names no proxy ends with 3 and is not shown", async () => {
  const io = memoryIo({ env: { HTTPS_PROXY: "http://user:canary@:80" } });
  assert.equal(await main(["http://localhost:1/"], io), 3);
  assert.match(io.err(), /environment variable HTTPS_PROXY: not the URL of a proxy/);
  assert.doesNotMatch(io.err(), /canary/);
});

test("M34 cli: a Unix socket is reached past the proxies of the environment", () => {
  const command = parseCommand(["--unix-socket", "/tmp/s", "http://a.test"]);
  assert.ok(command.kind === "get" && !command.groups[0].usesEnvironment);
});
