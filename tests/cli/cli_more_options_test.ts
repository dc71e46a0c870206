/**
 * Options of the command line that are typed more rarely: what may be asked for, which keys are trusted, how fast,
 * and which way.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { readHstsFile, writeHstsFile } from "../../cli/hsts_file.ts";
import { OPTIONS } from "../../cli/option_table.ts";
import { parseRate, parseSchemes } from "../../cli/option_values.ts";
import { readWords } from "../../cli/option_words.ts";
import { parseCommand } from "../../cli/options.ts";
import { Pace } from "../../cli/pace.ts";
import { SpeedWatch } from "../../cli/speed_watch.ts";
import { TooSlowError } from "../../cli/transfer_error.ts";
import { runCli } from "../fixtures/cli_in_memory.ts";
import { type ProcessRun, runCliProcess, textOf } from "../fixtures/cli_run.ts";
import { certPath, withServer, withTlsServer } from "../fixtures/cli_server.ts";
import { runtime, test } from "../support/harness.ts";
import { startPeerProxies } from "../support/peer_proxies.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";
import { curlOptions } from "../vectors/curl_options.ts";

const ports = await startPeerProxies();

function wellDone(run: ProcessRun): string {
  assert.equal(run.stderr, "");
  assert.equal(run.code, 0);
  return textOf(run.stdout);
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-more-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("options: every one of curl's has a row, and one that is refused says why", () => {
  const rows = new Map(OPTIONS.map((row) => [row.long, row]));
  assert.deepEqual(curlOptions.filter((name) => !rows.has(name)), []);
  const unknown = [...rows.values()].filter(({ long, isOurs }) =>
    isOurs !== true && !curlOptions.includes(long)
  );
  assert.deepEqual(unknown.map(({ long }) => long), []);
  for (const { refused, changesNothing, long } of rows.values()) {
    assert.ok(refused === undefined || changesNothing === undefined, long);
    const reason = /^(?:cannot be had: .+|is not there yet(?:: .+)?|has another name here: .+)$/;
    assert.ok(refused === undefined || reason.test(refused), long);
  }
});

test("options: what is refused may be taken back, and what is of other protocols changes nothing", async () => {
  assert.equal(readWords(["--no-negotiate", "--no-tr-encoding", "--no-http0.9"]).length, 3);
  await withServer(async (url) => {
    const foreign = ["-a", "--ftp-pasv", "-Q", "NOOP", "--mail-from", "a@b.test", "-B", "-2"];
    assert.equal(wellDone(await runCli([...foreign, `${url}/hello`])), "hello");
  });
});

test("options: -i has a second name, and --follow is -L in a curl line", async () => {
  await withServer(async (url) => {
    assert.match(
      wellDone(await runCli(["--show-headers", `${url}/hello`])),
      /^HTTP\/1\.1 200 OK\r\n/,
    );
    assert.equal(wellDone(await runCli([`curl --follow ${url}/moved`])), "hello");
    assert.equal(wellDone(await runCli([`curl ${url}/moved`])), "over there");
  });
});

test("options: --proto and its like say which schemes may be asked for", async () => {
  const schemes = (text: string): string[] => [...parseSchemes(text)!];
  assert.deepEqual(schemes("=https"), ["https"]);
  assert.deepEqual(schemes("-all,+http"), ["http"]);
  assert.deepEqual(schemes("-http"), ["https"]);
  assert.deepEqual(schemes("=https,http"), ["https", "http"]);
  assert.deepEqual(schemes("=ftp, +HTTPS"), ["https"]);
  await withServer(async (url) => {
    const refused = await runCli(["--proto", "=https", `${url}/hello`]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /--proto does not allow http:/);
    const led = await runCli(["-L", "--proto-redir", "=https", `${url}/moved`]);
    assert.equal(led.code, 1);
    assert.match(led.stderr, /--proto-redir does not allow http:/);
    assert.equal(wellDone(await runCli(["--proto", "=http", `${url}/moved`])), "hello");
    const host = url.replace("http://", "");
    const usual = await runCli(["--proto-default", "https", "--proto", "=https", `${host}/hello`]);
    assert.equal(usual.code, 35, usual.stderr);
  });
});

test("options: --etag-save notes a version, --etag-compare asks whether it is still that", async () => {
  const asked: (string | null)[] = [];
  const versioned: RawHandler = async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      asked.push(/^If-None-Match: (.*)$/m.exec(head)?.[1].trim() ?? null);
      await connection.send(
        asked.at(-1) === '"v1"'
          ? 'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'
          : 'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: 2\r\n\r\nv1',
      );
    }
  };
  await withRawServer(versioned, ({ port }) =>
    inFolder(async (folder) => {
      const path = join(folder, "etag");
      const args = ["--etag-compare", path, "--etag-save", path, `http://127.0.0.1:${port}/`];
      assert.equal(wellDone(await runCli(args)), "v1");
      assert.equal(await readFile(path, "utf8"), '"v1"\n');
      assert.equal(wellDone(await runCli(args)), "");
      assert.deepEqual(asked, ['""', '"v1"']);
      assert.equal(await readFile(path, "utf8"), '"v1"\n');
      assert.equal((await runCli(["--etag-compare", folder, "http://127.0.0.1:1/"])).code, 26);
    }));
});

test("options: --pinnedpubkey takes hashes, PEM and DER, and any other key ends with 90", async () => {
  const pem = await readFile(certPath("localhost.pem"), "utf8");
  const spki = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
  const hash = createHash("sha256").update(spki).digest("base64");
  const other = createHash("sha256").update("another").digest("base64");
  await withTlsServer((url) =>
    inFolder(async (folder) => {
      const der = join(folder, "key.der");
      await writeFile(der, spki);
      const trusting = ["--cacert", certPath("ca.pem")];
      const get = (...args: string[]) => runCli([...args, `${url}/hello`]);
      const good = [`sha256//${hash}`, `sha256//${other};sha256//${hash}`, der];
      for (const pin of [...good, certPath("localhost.pem")]) {
        assert.equal(wellDone(await get(...trusting, "--pinnedpubkey", pin)), "hello", pin);
      }
      const refused = await get(...trusting, "--pinnedpubkey", `sha256//${other}`);
      assert.equal(refused.code, 90, refused.stderr);
      assert.ok(refused.stderr.includes(`its public key is sha256//${hash}`), refused.stderr);
      const unchecked = await get("-k", "--pinnedpubkey", `sha256//${other}`);
      assert.equal(unchecked.code, 90, unchecked.stderr);
      assert.equal((await get("--pinnedpubkey", join(folder, "none"))).code, 90);
      assert.equal((await get("--pinnedpubkey", certPath("localhost.key").slice(0, -3))).code, 90);
      assert.equal((await get("--pinnedpubkey", "sha256//short")).code, 2);
    })
  );
});

test("options: --capath trusts the files of a folder", async () => {
  await withTlsServer((url) =>
    inFolder(async (folder) => {
      await mkdir(join(folder, "folder"));
      await writeFile(join(folder, "text"), "nothing of use\n");
      assert.equal((await runCli(["--capath", folder, `${url}/hello`])).code, 77);
      assert.equal((await runCli(["--capath", join(folder, "none"), `${url}/hello`])).code, 77);
      await copyFile(certPath("ca.pem"), join(folder, "ca.pem"));
      assert.equal(wellDone(await runCli(["--capath", folder, `${url}/hello`])), "hello");
    })
  );
});

test("options: SSLKEYLOGFILE gets the secrets of every connection, or the reason why not", async () => {
  await withTlsServer((url) =>
    inFolder(async (folder) => {
      const SSLKEYLOGFILE = join(folder, "keys");
      // Of Deno only its own engine writes it, to which --cacert is unknown.
      const [trusting, env] = runtime === "deno"
        ? [[], { SSLKEYLOGFILE, DENO_CERT: certPath("ca.pem") }]
        : [["--cacert", certPath("ca.pem")], { SSLKEYLOGFILE }];
      const args = ["--no-sessionid", ...trusting, `${url}/hello`];
      for (let i = 1; i <= 2; i++) {
        const run = await runCliProcess(args, "", env);
        assert.deepEqual([run.code, textOf(run.stdout)], [0, "hello"], run.stderr);
        const lines = (await readFile(SSLKEYLOGFILE, "utf8")).trimEnd().split("\n");
        for (const line of lines) assert.match(line, /^[A-Z0-9_]+ [0-9a-f]{64} [0-9a-f]{64,}$/);
        const first = lines.filter((line) => line.startsWith("CLIENT_TRAFFIC_SECRET_0 "));
        assert.equal(first.length, i, `${i} connections`);
      }
      // Deno goes on without a word.
      if (runtime === "deno") return;
      const run = await runCliProcess(args, "", { SSLKEYLOGFILE: join(folder, "none", "keys") });
      assert.equal(run.code, 23, run.stderr);
      assert.match(run.stderr, /Cannot write to .*keys/);
    })
  );
});

test("options: --keepalive-time has the system probe", async () => {
  const command = parseCommand(["--keepalive-time", "45", "a"]);
  assert.ok(command.kind === "get");
  assert.equal(command.groups[0].tcpKeepAliveMs, 45_000);
  await withServer(async (url) => {
    const run = await runCli(["--keepalive-time", "45", `${url}/hello`]);
    assert.equal(wellDone(run), "hello");
    const refused = await runCli(["--keepalive-time", "40000", `${url}/hello`]);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /--keepalive-time takes 32767 s at most/);
  });
});

test("options: --no-sessionid is understood by the transport", async () => {
  const command = parseCommand(["--no-sessionid", "--sessionid", "--no-sessionid", "a"]);
  assert.ok(command.kind === "get");
  assert.equal(command.groups[0].tls.resumes, false);
  await withTlsServer(async (url) => {
    const args = ["--no-sessionid", "--cacert", certPath("ca.pem"), `${url}/hello`];
    assert.equal(wellDone(await runCli(args)), "hello");
  });
});

test("HSTS files are curl's: hosts, those below them, comments, and times without an end", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "hsts");
    await writeFile(
      path,
      '# comment\nexact.test "20991231 23:59:59"\n.below.test "unlimited"\n' +
        'past.test "20200101 00:00:00"\nnonsense\n127.0.0.1 "unlimited"\nno time "soon"\n',
    );
    const hsts = await readHstsFile(path, true);
    const known = ["exact.test", "a.exact.test", "below.test", "a.below.test", "past.test"];
    assert.deepEqual(known.map((host) => hsts.isKnown(host)), [true, false, true, true, false]);
    hsts.note("https://new.test/", "max-age=1000; includeSubDomains");
    await writeHstsFile(path, hsts);
    const text = await readFile(path, "utf8");
    assert.match(text, /^\.new\.test "20\d{6} \d\d:\d\d:\d\d"$/m);
    const again = await readHstsFile(path, false);
    assert.ok(again.isKnown("a.new.test") && again.isKnown("exact.test"));
    again.note("https://other.test/", "max-age=1000");
    assert.ok(!again.isKnown("other.test"));
    assert.ok(!(await readHstsFile(join(folder, "none"), true)).isKnown("exact.test"));
  });
});

test("options: --hsts asks by https those who have said so, but notes nothing with -k", async () => {
  const telling: RawHandler = async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(
        "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1000\r\n" +
          "Content-Length: 6\r\n\r\nsecure",
      );
    }
  };
  await withRawServer(telling, ({ port }) =>
    inFolder(async (folder) => {
      const path = join(folder, "hsts");
      const args = ["--hsts", path, "--cacert", certPath("ca.pem")];
      assert.equal(wellDone(await runCli([...args, `https://localhost:${port}/`])), "secure");
      assert.match(await readFile(path, "utf8"), /^localhost "/m);
      assert.equal(wellDone(await runCli([...args, `http://localhost:${port}/`])), "secure");
      const unknown = join(folder, "unknown");
      await runCli(["-k", "--hsts", unknown, `https://localhost:${port}/`]);
      await assert.rejects(stat(unknown), /ENOENT|no such file/i);
      const kept = ["--cacert", certPath("ca.pem"), "--hsts", "", `https://localhost:${port}/`];
      assert.equal(wellDone(await runCli(kept)), "secure");
    }), { tls: true });
});

test("options: -y and -Y end what is too slow for too long, and nothing else", async () => {
  const watch = (least: number, timeMs: number) => {
    const watching = new SpeedWatch({ leastBytesPerSecond: least, timeMs }, 0);
    return (...looks: [bytes: number, atMs: number][]) => {
      for (const [bytes, atMs] of looks) {
        watching.add(bytes);
        watching.look(atMs);
      }
      return watching.signal;
    };
  };
  assert.ok(!watch(100, 2000)([100, 1000], [99, 2000], [100, 3000], [0, 4000]).aborted);
  const { reason } = watch(100, 2000)([100, 1000], [99, 2000], [0, 3000]);
  assert.ok(reason instanceof TooSlowError);
  assert.equal(reason.message, "Slower than 100 bytes a second for 2 s");
  // A look that comes late sees what has come on the average.
  assert.ok(!watch(100, 2000)([1000, 10_000]).aborted);
  assert.ok(watch(100, 2000)([999, 10_000]).aborted);
  const speedOf = (...args: string[]) => {
    const command = parseCommand([...args, "a"]);
    return command.kind === "get" ? command.groups[0].speed : null;
  };
  assert.deepEqual(speedOf("-Y", "2k"), { leastBytesPerSecond: 2048, timeMs: 30_000 });
  assert.deepEqual(speedOf("-y", "3"), { leastBytesPerSecond: 1, timeMs: 3000 });
  assert.equal(speedOf("-Y", "0"), null);
  await withServer(async (url) => {
    const stalled = await runCli(["-Y", "1000", "-y", "0.5", `${url}/stall`]);
    assert.equal(stalled.code, 28, stalled.stderr);
    assert.match(stalled.stderr, /^roundtrip: Slower than 1000 bytes a second for 0\.5 s\n$/);
    assert.equal(wellDone(await runCli(["-Y", "1", "-y", "50", `${url}/hello`])), "hello");
  });
});

test("options: --rate spreads the beginnings of transfers", async () => {
  assert.equal(parseRate("2/s"), 500);
  assert.equal(parseRate("3/m"), 20_000);
  assert.equal(parseRate("1/5s"), 5000);
  assert.equal(parseRate("12"), 300_000);
  assert.equal(parseRate("24/d"), 3_600_000);
  const pace = new Pace(500);
  // The first at once, the next when it is due, one that comes late at once.
  assert.deepEqual([1000, 1100, 1500, 3000, 3100].map((at) => pace.waitMs(at)), [
    0,
    400,
    500,
    0,
    400,
  ]);
  await withServer(async (url) => {
    const run = await runCli(["--rate", "100/s", `${url}/hello`, `${url}/hello`, `${url}/hello`]);
    assert.equal(wellDone(run), "hellohellohello");
  });
});

test("options: -p asks a proxy for a tunnel for http: too, with fields and credentials for it alone", async () => {
  const heads: string[] = [];
  const tunnel: RawHandler = async (connection) => {
    heads.push(await connection.readHead());
    await connection.send("HTTP/1.1 200 OK\r\n\r\n");
    heads.push(await connection.readHead());
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntold");
    await connection.closed;
  };
  await withRawServer(tunnel, async ({ port }) => {
    const proxy = ["-p", "-x", `http://127.0.0.1:${port}`, "-U", "me:pw"];
    const run = await runCli([...proxy, "--proxy-header", "X-For: proxy", "http://name.test/a"]);
    assert.equal(wellDone(run), "told");
    const [asked, sent] = heads;
    assert.match(asked, /^CONNECT name\.test:80 HTTP\/1\.1\r\n/);
    assert.match(asked, /^Proxy-Authorization: Basic bWU6cHc=\r$/im);
    assert.match(asked, /^X-For: proxy\r$/m);
    assert.match(sent, /^GET \/a HTTP\/1\.1\r\nHost: name\.test\r\n/);
    assert.doesNotMatch(sent, /proxy/i);
  });
  await withServer(async (url) => {
    const args = ["-p", "-x", `http://127.0.0.1:${ports.http}`, "-v"];
    const run = await runCli([...args, `${url}/hello`]);
    assert.deepEqual([run.code, textOf(run.stdout)], [0, "hello"]);
    assert.match(run.stderr, /^> GET \/hello HTTP\/1\.1$/m);
    const none = ["-p", "-x", "http://127.0.0.1:1", "--noproxy", "127.0.0.1"];
    assert.equal(wellDone(await runCli([...none, `${url}/hello`])), "hello");
    assert.equal((await runCli(["-p", "-x", "http://127.0.0.1:1", `${url}/hello`])).code, 7);
  });
  await withTlsServer(async (url) => {
    const args = ["-p", "-x", `http://127.0.0.1:${ports.http}`, "--cacert", certPath("ca.pem")];
    assert.equal(wellDone(await runCli([...args, `${url}/hello`])), "hello");
  });
});

test("options: --preproxy is passed first, and --proxy-anyauth proves what it is asked to", async () => {
  const command = parseCommand(["--preproxy", "socks5h://a.test", "-x", "b.test:1", "c"]);
  assert.ok(command.kind === "get");
  assert.deepEqual(command.groups[0].proxies, ["socks5h://a.test", "http://b.test:1"]);
  await withTlsServer(async (url) => {
    const way = [
      "--preproxy",
      `socks5h://127.0.0.1:${ports.socks5}`,
      "-x",
      `127.0.0.1:${ports.http}`,
    ];
    const args = [...way, "--cacert", certPath("ca.pem"), "-v", `${url}/hello`];
    const run = await runCli(args);
    assert.deepEqual([run.code, textOf(run.stdout)], [0, "hello"], run.stderr);
    assert.match(run.stderr, /asking proxy socks5h:\/\/127.* for a tunnel to 127\.0\.0\.1/);
  });
  await withServer(async (url) => {
    const proxy = ["-x", `127.0.0.1:${ports.httpWithPassword}`, "-U", "user:p@ss:word"];
    const run = await runCli(["--proxy-anyauth", ...proxy, `${url}/hello`]);
    assert.equal(wellDone(run), "hello");
  });
});

/** A proxy, or a server, that answers nobody who does not prove who asks. */
async function withAskingServer(use: (port: number) => Promise<void>): Promise<void> {
  const [cert, key, ca] = await Promise.all(
    ["localhost.pem", "localhost.key", "ca.pem"].map((name) => readFile(certPath(name))),
  );
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: true };
  const server = createServer(options, ({ url }, response) => response.end(`asked for ${url}`));
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }
}

test("options: --cert and --key prove to a server who asks, --proxy-cert and its like to a proxy", async () => {
  const { publicKey } = new X509Certificate(await readFile(certPath("client.pem")));
  const [cert, key] = [certPath("client.pem"), certPath("client.key")];
  await withAskingServer((port) =>
    inFolder(async (folder) => {
      const ours = ["--cacert", certPath("ca.pem"), "--cert", cert, "--key", key];
      const types = ["--cert-type", "PEM", "--key-type", "PEM"];
      const nobody = await runCli([...ours.slice(0, 2), `https://localhost:${port}/a`]);
      assert.notEqual(nobody.code, 0);
      const server = await runCli([...ours, ...types, `https://localhost:${port}/a`]);
      assert.equal(wellDone(server), "asked for /a");
      const locked = join(folder, "locked.key");
      const secret = {
        type: "pkcs8",
        format: "pem",
        cipher: "aes-256-cbc",
        passphrase: "pw",
      } as const;
      await writeFile(locked, createPrivateKey(await readFile(key)).export(secret));
      const get = (...args: string[]) =>
        runCli(["-x", `https://localhost:${port}`, ...args, "http://name.test/b"]);
      const told = "asked for http://name.test/b";
      const trusted = ["--proxy-cacert", certPath("ca.pem")];
      const proven = ["--proxy-cert", cert, "--proxy-key", key];
      const kinds = ["--proxy-cert-type", "PEM", "--proxy-key-type", "pem"];
      assert.equal(wellDone(await get(...trusted, ...proven, ...kinds)), told);
      const unlocked = ["--proxy-cert", cert, "--proxy-key", locked, "--proxy-pass", "pw"];
      assert.equal(wellDone(await get(...trusted, ...unlocked)), told);
      assert.equal(wellDone(await get("--proxy-insecure", ...proven)), told);
      await copyFile(certPath("ca.pem"), join(folder, "ca.pem"));
      assert.equal(wellDone(await get("--proxy-capath", folder, ...proven)), told);
      assert.equal((await get(...proven)).code, 60);
      assert.notEqual((await get(...trusted)).code, 0);
      assert.equal((await get(...trusted, "--proxy-cert", cert)).code, 58);
      assert.equal((await get("--proxy-cert-type", "P12")).code, 2);
      const pin = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" }));
      const pinned = ["--proxy-pinnedpubkey", `sha256//${pin.digest("base64")}`];
      const other = await get(...trusted, ...proven, ...pinned);
      assert.equal(other.code, 90, other.stderr);
      const good = ["--proxy-pinnedpubkey", certPath("localhost.pem")];
      assert.equal(wellDone(await get(...trusted, ...proven, ...good)), told);
    })
  );
});

test("options: --socks5, --socks5-hostname and --socks4a are ways, and --data-ascii is -d", async () => {
  await withServer(async (url) => {
    for (const option of ["--socks5", "--socks5-hostname"]) {
      const run = await runCli([option, `127.0.0.1:${ports.socks5}`, "-v", `${url}/hello`]);
      assert.deepEqual([run.code, textOf(run.stdout)], [0, "hello"], run.stderr);
      const scheme = option === "--socks5" ? "socks5" : "socks5h";
      assert.ok(run.stderr.includes(`asking proxy ${scheme}://127.0.0.1`), run.stderr);
    }
    const echo = JSON.parse(wellDone(await runCli(["--data-ascii", "a=1", `${url}/echo`])));
    assert.deepEqual([echo.method, echo.body], ["POST", "a=1"]);
  });
  const command = parseCommand(["--socks4a", "a.test:1", "b"]);
  assert.ok(command.kind === "get");
  assert.deepEqual(command.groups[0].proxies, ["socks4a://a.test:1"]);
});

test("options: -j leaves out the cookies of a session", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "cookies");
      await writeFile(
        path,
        "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t1\n" +
          "127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tkept\t2\n",
      );
      const cookiesOf = async (...args: string[]): Promise<string> => {
        const { rawHeaders } = JSON.parse(wellDone(await runCli([...args, `${url}/echo`])));
        return rawHeaders[rawHeaders.indexOf("Cookie") + 1];
      };
      assert.equal(await cookiesOf("-b", path), "session=1; kept=2");
      assert.equal(await cookiesOf("-b", path, "-j"), "kept=2");
    })
  );
});

test("options: --skip-existing asks for nothing whose file is there", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "hello");
      await writeFile(path, "older");
      const args = ["--skip-existing", "--output-dir", folder, "-O"];
      assert.equal(wellDone(await runCli([...args, "http://127.0.0.1:1/hello"])), "");
      assert.equal(await readFile(path, "utf8"), "older");
      wellDone(await runCli([...args, `${url}/bytes`]));
      assert.equal((await stat(join(folder, "bytes"))).size, 256);
    })
  );
});

test("options: --create-file-mode says who may read what is made", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "out");
      wellDone(await runCli(["--create-file-mode", "600", "-o", path, `${url}/hello`]));
      if (process.platform !== "win32") assert.equal((await stat(path)).mode & 0o777, 0o600);
      await chmod(path, 0o640);
      wellDone(await runCli(["--create-file-mode", "600", "-o", path, `${url}/hello`]));
      if (process.platform !== "win32") assert.equal((await stat(path)).mode & 0o777, 0o640);
    })
  );
});
