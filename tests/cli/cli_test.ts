/**
 * The command line against real servers: what it writes where, and how it ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { bytesText, durationText, msText } from "../../cli/amounts.ts";
import { exitCode } from "../../cli/exit_code.ts";
import { main } from "../../cli/mod.ts";
import { parseCommand } from "../../cli/options.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { Progress } from "../../cli/progress.ts";
import { usage } from "../../cli/usage.ts";
import { HttpError, type HttpErrorCode } from "../../mod.ts";
import { root } from "../../scripts/run_program.ts";
import { memoryIo, runCli } from "../fixtures/cli_in_memory.ts";
import {
  ended,
  type ProcessRun,
  runCliProcess,
  runProgram,
  startProgram,
  textOf,
} from "../fixtures/cli_run.ts";
import {
  bigBody,
  certPath,
  codedText,
  type Echo,
  everyByte,
  plainText,
  withRawServer,
  withServer,
  withTlsServer,
  withUnixServer,
} from "../fixtures/cli_server.ts";
import { test } from "../support/harness.ts";

/** Asserts that a run went well and wrote nothing to standard error; gives standard output as text. */
function wellDone(run: ProcessRun): string {
  assert.equal(run.stderr, "");
  assert.equal(run.code, 0);
  return textOf(run.stdout);
}

/** Asserts that a run failed with one line. */
function failed(run: ProcessRun, code: number, message: RegExp): void {
  assert.match(run.stderr, message);
  assert.match(run.stderr, /^roundtrip: [^\n]+\n$/);
  assert.equal(run.code, code);
}

/** `deepEqual` takes seconds for as many bytes. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

async function echoOf(args: readonly string[], input?: string | Uint8Array): Promise<Echo> {
  return JSON.parse(wellDone(await runCli(args, input)));
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-cli-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("cli: a URL, with or without get before it, writes the body byte for byte", async () => {
  await withServer(async (url) => {
    for (const args of [[`${url}/bytes`], ["get", `${url}/bytes`]]) {
      const run = await runCliProcess(args);
      wellDone(run);
      assert.deepEqual(run.stdout, everyByte);
    }
    // As curl, a URL without a scheme is one of http.
    assert.equal(wellDone(await runCli([`${url.slice("http://".length)}/hello`])), "hello");
  });
});

test("cli: a body of 5 MiB arrives whole on standard output and in a file", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const piped = await runCliProcess([`${url}/big`]);
      wellDone(piped);
      assert.ok(sameBytes(piped.stdout, bigBody));
      const path = join(folder, "out");
      assert.equal(wellDone(await runCli(["-o", path, `${url}/big`])), "");
      assert.ok(sameBytes(await readFile(path), bigBody));
    })
  );
});

test("cli: -o empties a file that is there, makes an empty one for an empty body, and - is standard output", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "out");
      await writeFile(path, "much more than what comes");
      wellDone(await runCli([`${url}/hello`, "-o", path]));
      assert.equal(await readFile(path, "utf8"), "hello");
      wellDone(await runCli([`${url}/empty`, "--output", path]));
      assert.equal(await readFile(path, "utf8"), "");
      assert.equal(wellDone(await runCli(["-o-", `${url}/hello`])), "hello");
    })
  );
});

test("cli: -o into a folder that is not there ends with 23", async () => {
  await withServer(async (url) => {
    const run = await runCliProcess([`${url}/hello`, "-o", join(root, "no such folder", "out")]);
    failed(run, 23, /Cannot write to .*out: no such file or directory/);
  });
});

test("cli: -i writes the head of every response before the body", async () => {
  await withServer(async (url) => {
    const text = wellDone(await runCli(["-i", `${url}/moved`]));
    const [first, second, body] = text.split("\r\n\r\n");
    assert.match(first, /^HTTP\/1\.1 302 Found\r\n/);
    assert.match(first, /^Location: \/hello$/m);
    assert.match(second, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(second, /^X-Name: Value$/m);
    assert.equal(body, "hello");
  });
});

test("cli: -v tells on standard error of both heads, the connection and the time", async () => {
  await withServer(async (url) => {
    const run = await runCli(["-v", `${url}/moved`]);
    assert.equal(run.code, 0);
    assert.equal(textOf(run.stdout), "hello");
    const host = url.slice("http://".length);
    const lines = run.stderr.split("\n");
    const expected = [
      `* connecting to ${host}`,
      "* sending on connection #1, new",
      "> GET /moved HTTP/1.1",
      `> Host: ${host}`,
      ">",
      "< HTTP/1.1 302 Found",
      "< Location: /hello",
      "* sending on connection #1, reused",
      "> GET /hello HTTP/1.1",
      "< HTTP/1.1 200 OK",
      "< X-Name: Value",
      "<",
      `* redirected to ${url}/hello`,
      "* connection #1 kept",
      "* body: 5 bytes",
    ];
    let at = 0;
    for (const line of expected) {
      const found = lines.indexOf(line, at);
      assert.ok(found >= at, `${line} is missing after line ${at} of:\n${run.stderr}`);
      at = found;
    }
    assert.match(lines.at(-2)!, /^\* time: queue [0-9.]+, dial -, TLS -, request .* ms$/);
  });
});

test("cli: -H keeps order and case, sends empty fields and takes User-Agent away", async () => {
  await withServer(async (url) => {
    const { rawHeaders } = await echoOf([
      ...["-H", "x-Second: 2", "-H", "X-FIRST:1", "-H", "x-second: again"],
      ...["-H", "X-Empty;", "-H", "User-Agent:", "-H", "Accept:", `${url}/echo`],
    ]);
    assert.deepEqual(rawHeaders, [
      ...["Host", url.slice("http://".length)],
      ...["x-Second", "2", "X-FIRST", "1", "x-second", "again", "X-Empty", ""],
    ]);
  });
});

test("cli: -X says the method, and -X HEAD and -I end with the head", async () => {
  await withServer(async (url) => {
    assert.equal((await echoOf(["-X", "PROPFIND", `${url}/echo`])).method, "PROPFIND");
    assert.equal(wellDone(await runCli(["-X", "HEAD", `${url}/hello`])), "");
    const head = wellDone(await runCli(["-I", `${url}/hello`]));
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n$/);
    assert.match(head, /^X-Name: Value$/m);
  });
});

test("cli: -d posts a form, joins several by & and drops the line ends of files", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "data");
      await writeFile(path, "b=2\r\n\n");
      const { method, rawHeaders, body } = await echoOf([
        ...["-d", "a=1\n", "-d", `@${path}`, "--data", "c=3", `${url}/echo`],
      ]);
      assert.equal(method, "POST");
      assert.equal(body, "a=1\n&b=2&c=3");
      const type = rawHeaders[rawHeaders.indexOf("Content-Type") + 1];
      assert.equal(type, "application/x-www-form-urlencoded");
    })
  );
});

test("cli: -d @- sends standard input, --data-binary @- every byte of it", async () => {
  await withServer(async (url) => {
    const put = await echoOf(["-d", "@-", "-X", "PUT", `${url}/echo`], "one\ntwo\n");
    assert.equal(put.method, "PUT");
    assert.equal(put.body, "onetwo");
    const run = await runCliProcess(["--data-binary", "@-", `${url}/echo`], everyByte);
    const { body }: Echo = JSON.parse(wellDone(run));
    assert.equal(body, new TextDecoder("latin1").decode(everyByte));
  });
});

test("cli: -d with a file that is not there ends with 26", async () => {
  const run = await runCli(["-d", "@no such file", "http://127.0.0.1:1/"]);
  failed(run, 26, /Cannot read no such file: no such file or directory/);
});

test("cli: --json sends JSON, asks for JSON, and gives way to -H", async () => {
  await withServer(async (url) => {
    const sent = await echoOf(["--json", '{"a":', "--json", "1}", `${url}/echo`]);
    assert.equal(sent.method, "POST");
    assert.equal(sent.body, '{"a":1}');
    const fields = sent.rawHeaders.join("|");
    assert.match(fields, /\|Accept\|application\/json\|Content-Type\|application\/json\|/);
    const ours = await echoOf([`${url}/echo`, "--json", "{}", "-H", "content-type: text/x"]);
    assert.doesNotMatch(ours.rawHeaders.join("|"), /Content-Type/);
    assert.match(ours.rawHeaders.join("|"), /\|content-type\|text\/x\|/);
  });
});

test("cli: redirects are followed, POST turns into GET after 303, --no-follow does not follow", async () => {
  await withServer(async (url) => {
    assert.equal(wellDone(await runCli(["-L", `${url}/moved`])), "hello");
    const other = await echoOf(["-d", "a=1", `${url}/other`]);
    assert.equal(other.method, "GET");
    assert.equal(other.body, "");
    assert.equal(wellDone(await runCli(["--no-follow", `${url}/moved`])), "over there");
    failed(await runCli([`${url}/loop`]), 47, /\[ERR_REDIRECT, redirect\]/);
  });
});

test("cli: statuses of errors are no errors", async () => {
  await withServer(async (url) => {
    assert.equal(wellDone(await runCli([`${url}/teapot`])), "short and stout");
    assert.equal(wellDone(await runCli([`${url}/nothing`])), "no such thing");
  });
});

test("cli: --max-time ends with 28 before the head and within the body", async () => {
  await withServer(async (url) => {
    const silent = await runCli(["--max-time", "0.3", `${url}/silence`]);
    failed(silent, 28, /\[ERR_TIMEOUT, response-header\]/);
    const stalled = await runCliProcess(["-m", "3.5", `${url}/stall`]);
    failed(stalled, 28, /\[ERR_TIMEOUT, body\]/);
    assert.equal(textOf(stalled.stdout), "half");
    assert.equal(wellDone(await runCli(["--max-time", "50", `${url}/hello`])), "hello");
  });
});

test("cli: a port where nobody listens ends with 7", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  const run = await runCli([`http://127.0.0.1:${port}/`]);
  failed(run, 7, new RegExp(`Cannot connect to 127.0.0.1:${port}: refused \\[ERR_DIAL, dial\\]`));
});

test("cli: URLs that cannot be requested end with 3 and 1", async () => {
  failed(await runCli(["http://[::1"]), 3, /it does not end.*\[ERR_INVALID_REQUEST, /);
  failed(await runCli(["-g", "http://[::1"]), 3, /not an absolute URL.*\[ERR_INVALID_REQUEST, /);
  failed(await runCli(["ftp://127.0.0.1/"]), 1, /ftp: URL \[ERR_UNSUPPORTED_SCHEME, request\]/);
});

test("cli: an unknown option ends with 2 and a hint", async () => {
  failed(
    await runCliProcess(["--frobnicate"]),
    2,
    /Unknown option --frobnicate \(roundtrip --help/,
  );
});

test("cli: answers that are not HTTP, or end early, end with 8 and 18", async () => {
  await withRawServer("220 mail.example ESMTP\r\n", async (url) => {
    failed(await runCli([url]), 8, /\[ERR_MALFORMED_RESPONSE, response-header\]/);
  });
  await withRawServer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", async (url) => {
    const run = await runCli([url]);
    failed(run, 18, /\[ERR_INCOMPLETE_BODY, body\]/);
    assert.equal(textOf(run.stdout), "half");
  });
});

test("cli: --compressed asks for gzip and takes it off; without it bytes stay as they are", async () => {
  await withServer(async (url) => {
    assert.equal(wellDone(await runCli(["--compressed", `${url}/gzip`])), plainText);
    assert.equal(wellDone(await runCli([`${url}/gzip`])), plainText);
    const { rawHeaders } = await echoOf([`${url}/echo`]);
    assert.ok(!rawHeaders.includes("Accept-Encoding"));
    const asked = await echoOf(["--compressed", `${url}/echo`]);
    const codings = asked.rawHeaders[asked.rawHeaders.indexOf("Accept-Encoding") + 1];
    assert.match(codings, /^gzip, deflate, br(?:, zstd)?$/);
    const raw = await runCli([`${url}/coded`]);
    wellDone(raw);
    assert.deepEqual(raw.stdout, new Uint8Array(codedText));
  });
});

test("cli: -F sends a form in parts, with files and what is in them", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "note.txt");
      await writeFile(path, "line\n");
      const { method, rawHeaders, body } = await echoOf([
        ...["-F", "name=a value; not more", "-F", `text=<${path}`, "-F", `plain=@${path}`],
        ...["--form", `named=@${path};type=text/x-note;filename=other name`, `${url}/echo`],
      ]);
      assert.equal(method, "POST");
      const type = rawHeaders[rawHeaders.indexOf("Content-Type") + 1];
      const [, boundary] = /^multipart\/form-data; boundary=(.+)$/.exec(type) ?? [];
      const parts = body.split(`--${boundary}`).slice(1, -1);
      const disposition = "\r\nContent-Disposition: form-data; name=";
      assert.deepEqual(parts, [
        `${disposition}"name"\r\n\r\na value; not more\r\n`,
        `${disposition}"text"\r\n\r\nline\n\r\n`,
        `${disposition}"plain"; filename="note.txt"\r\n` +
        "Content-Type: text/plain\r\n\r\nline\n\r\n",
        `${disposition}"named"; filename="other name"\r\n` +
        "Content-Type: text/x-note\r\n\r\nline\n\r\n",
      ]);
    })
  );
});

test("cli: -T and --data-binary send a file with its length, -T - standard input without", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "every byte");
      await writeFile(path, everyByte);
      const text = new TextDecoder("latin1").decode(everyByte);
      const put = await echoOf(["-T", path, `${url}/echo`]);
      assert.deepEqual([put.method, put.body], ["PUT", text]);
      assert.equal(put.rawHeaders[put.rawHeaders.indexOf("Content-Length") + 1], "256");
      const posted = await echoOf(["--data-binary", `@${path}`, `${url}/echo`]);
      assert.deepEqual([posted.method, posted.body], ["POST", text]);
      assert.equal(posted.rawHeaders[posted.rawHeaders.indexOf("Content-Length") + 1], "256");
      const piped = await echoOf(["-T-", "-X", "POST", `${url}/echo`], everyByte);
      assert.deepEqual([piped.method, piped.body], ["POST", text]);
      assert.ok(piped.rawHeaders.includes("chunked"));
      // As curl, a folder is given the file under its name.
      const run = await runCli(["-v", "-T", path, `${url}/folder/`]);
      assert.match(run.stderr, /^> PUT \/folder\/every%20byte HTTP\/1\.1$/m);
      failed(await runCli(["-T", folder, url]), 26, /Cannot read .*: .*directory/);
      failed(await runCli(["-T", join(folder, "none"), url]), 26, /: no such file or directory/);
    })
  );
});

test("cli: -u and the URL's credentials become Authorization, -A and -b are sent", async () => {
  await withServer(async (url) => {
    const basic = `Basic ${btoa("us%41r:p:w")}`;
    const { rawHeaders } = await echoOf([
      ...["-u", "us%41r:p:w", "-A", "me/1", "-b", "a=1", "--cookie", "b=2; c=3", `${url}/echo`],
    ]);
    assert.deepEqual(rawHeaders.slice(2), [
      ...["User-Agent", "me/1", "Authorization", basic, "Cookie", "a=1; b=2; c=3"],
      ...["Accept", "*/*"],
    ]);
    const inUrl = await echoOf([`${url.replace("//", "//us%41r:pw@")}/echo`]);
    assert.ok(inUrl.rawHeaders.includes(`Basic ${btoa("usAr:pw")}`));
  });
});

test("cli: -c writes the cookies as curl does, -b reads them, and a file that is not there is empty", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "jar");
      const first = await echoOf(["-b", path, "-c", path, `${url}/cookies`]);
      assert.ok(first.rawHeaders.includes("session=1; kept=2"));
      const lines = (await readFile(path, "utf8")).split("\n");
      assert.equal(lines[0], "# Netscape HTTP Cookie File");
      assert.match(lines[2], /^#HttpOnly_127\.0\.0\.1\tFALSE\t\/\tFALSE\t0\tsession\t1$/);
      assert.match(lines[3], /^127\.0\.0\.1\tFALSE\t\/\tFALSE\t[0-9]{10}\tkept\t2$/);
      const again = await echoOf(["-b", path, `${url}/echo`]);
      assert.ok(again.rawHeaders.includes("session=1; kept=2"));
      await writeFile(path, "no cookie\n.example.com\tTRUE\t/\tFALSE\t0\tother\t3\n");
      const other = await echoOf(["-b", path, "-c", path, `${url}/echo`]);
      assert.ok(!other.rawHeaders.includes("Cookie"));
      assert.match(await readFile(path, "utf8"), /^\.example\.com\tTRUE\t.*\tother\t3$/m);
      failed(await runCli(["-c", folder, `${url}/hello`]), 23, /Cannot write to /);
      failed(await runCli(["-b", folder, `${url}/hello`]), 26, /Cannot read /);
    })
  );
});

test("cli: --fail ends with 22 and no body, -S is understood", async () => {
  await withServer(async (url) => {
    const run = await runCli(["-fsS", "-i", `${url}/teapot`]);
    failed(run, 22, /The server answered with status 418/);
    // As with curl, the head is written.
    assert.match(textOf(run.stdout), /^HTTP\/1\.1 418 I'm a teapot\r\n[^]*\r\n\r\n$/);
    assert.equal(wellDone(await runCli(["-f", `${url}/moved`])), "hello");
  });
});

test("cli: --retry asks again after 503, and a download goes on where it broke off", async () => {
  await withServer(async (url) => {
    assert.equal(wellDone(await runCli([`${url}/flaky`])), "later");
    // The second answer.
    assert.equal(wellDone(await runCli([`${url}/flaky`])), "at last");
    const run = await runCli(["-v", "-i", "--retry", "2", `${url}/flaky`]);
    assert.match(textOf(run.stdout), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nat last$/);
    assert.match(run.stderr, /^\* trying again in [0-9.]+ ms, because: status 503$/m);
    failed(await runCli([`${url}/broken`]), 18, /\[ERR_INCOMPLETE_BODY, body\]/);
    const resumed = await runCli(["--retry", "1", `${url}/broken`]);
    wellDone(resumed);
    assert.ok(sameBytes(resumed.stdout, bigBody));
  });
});

test("cli: --resolve says where a name and port are, also for TLS", async () => {
  await withServer(async (url) => {
    const { port } = new URL(url);
    const { rawHeaders } = await echoOf([
      ...["--resolve", `Some.Name:${port}:[::ffff:127.0.0.1],127.0.0.1`],
      `http://some.name:${port}/echo`,
    ]);
    assert.equal(rawHeaders[1], `some.name:${port}`);
    failed(
      await runCli(["--resolve", "some.invalid:1:127.0.0.1", `http://some.invalid:${port}/`]),
      6,
      /\[ERR_DIAL, dial\]/,
    );
    failed(await runCli(["--resolve", "a:1:b", "http://a:1/"]), 3, /\[ERR_INVALID_REQUEST, /);
  });
  await withTlsServer(async (url) => {
    const { port } = new URL(url);
    const given = ["--cacert", certPath("ca.pem"), "--resolve"];
    assert.equal(
      wellDone(await runCli([...given, `localhost:${port}:127.0.0.1`, `${url}/hello`])),
      "hello",
    );
    // The certificate is for the name in the URL.
    failed(
      await runCli([...given, `other.test:${port}:127.0.0.1`, `https://other.test:${port}/`]),
      60,
      /\[ERR_TLS, tls\]/,
    );
  });
});

test("cli: an authority that nobody knows is refused; -k and --cacert help", async () => {
  await withTlsServer(async (url) => {
    failed(await runCli([`${url}/hello`]), 60, /\[ERR_TLS, tls\]/);
    const insecure = await runCliProcess(["-k", `${url}/hello`]);
    assert.match(insecure.stderr, /^Warning: insecureSkipVerify is set: [^\n]+\n$/);
    assert.equal(wellDone({ ...insecure, stderr: "" }), "hello");
    assert.equal(wellDone(await runCli(["--cacert", certPath("ca.pem"), `${url}/hello`])), "hello");
    const other = await runCli(["--cacert", certPath("other_ca.pem"), `${url}/hello`]);
    failed(other, 60, /\[ERR_TLS, tls\]/);
    failed(await runCli(["--cacert", "no such file", url]), 77, /Cannot read no such file/);
  });
});

test("cli: -v tells of TLS", async () => {
  await withTlsServer(async (url) => {
    const run = await runCli(["-v", "--cacert", certPath("ca.pem"), `${url}/hello`]);
    assert.equal(run.code, 0);
    assert.match(run.stderr, /^\* secured in [0-9.]+ ms: TLSv1\.[23], ALPN /m);
    assert.match(run.stderr, /^\* certificate of .*localhost/m);
  });
});

test("cli: --unix-socket goes to the socket whatever the URL says", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "socket");
    await withUnixServer(path, async () => {
      const { url, rawHeaders } = await echoOf(["--unix-socket", path, "http://any.host/echo"]);
      assert.equal(url, "/echo");
      assert.equal(rawHeaders[1], "any.host");
    });
    failed(
      await runCli(["--unix-socket", join(folder, "none"), "any.host"]),
      7,
      /\[ERR_DIAL, dial\]/,
    );
  });
});

test("cli: ends with 141 and no word when the reader of standard output goes away", async () => {
  await withServer(async (url) => {
    const child = startProgram("cli/mod.ts", [`${url}/endless`]);
    const run = ended(child);
    await once(child.stdout!, "data");
    child.stdout!.destroy();
    const { code, stderr } = await run;
    assert.equal(stderr, "");
    assert.equal(code, 141);
  });
});

test("cli: Ctrl-C ends with 130 and no word, before the head and within the body", async () => {
  await withServer(async (url) => {
    for (const path of ["/silence", "/stall"]) {
      const child = startProgram("cli/mod.ts", ["-v", url + path]);
      const run = ended(child);
      await once(path === "/stall" ? child.stdout! : child.stderr!, "data");
      // Deno's `child.kill()` forgets the exit code of a child that outlives the signal.
      process.kill(child.pid!, "SIGINT");
      const { code, stderr } = await run;
      assert.doesNotMatch(stderr, /^roundtrip:/m);
      assert.equal(code, 130);
    }
  });
});

test("cli: Ctrl-C ends a wait for standard input", async () => {
  const io = memoryIo();
  const waiting = Promise.withResolvers<void>();
  const running = main(["-d", "@-", "http://127.0.0.1:1/"], {
    ...io,
    stdin: async function* () {
      waiting.resolve();
      await new Promise(() => {});
      yield everyByte;
    },
  });
  await waiting.promise;
  io.interrupt();
  assert.equal(await running, 130);
  assert.equal(io.err(), "");
});

test("cli: --help and --version need no network", async () => {
  assert.equal(wellDone(await runCli(["--help"])), usage(null));
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const said = wellDone(await runProgram("cli/bin.ts", ["--version"]));
  assert.match(said, /^roundtrip [0-9.]+ \((?:Deno|Bun|Node) [0-9.]+\)\n$/);
  assert.equal(said.split(" ")[1], version);
});

test("cli: --help fits into a terminal and lists every exit code", () => {
  const text = usage(null)!;
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  const codes: readonly HttpErrorCode[] = ["ERR_DIAL", "ERR_TLS", "ERR_BLOCKED", "ERR_PROXY"];
  for (const code of codes) {
    const number = exitCode(new HttpError(code, "", { phase: "client" }));
    assert.match(text, new RegExp(`^ .* ${number}  \\w`, "m"));
  }
  assert.equal(exitCode(new TypeError("a fault")), 1);
});

test("cli: without arguments it shows what the transport does", async () => {
  const text = wellDone(await runCliProcess([]));
  const lines = text.split("\n");
  const row = (what: string): string => {
    const found = lines.find((line) => line.startsWith(what));
    assert.ok(found !== undefined, `${what} is missing in:\n${text}`);
    return found.slice(what.length).trim();
  };
  assert.match(
    row("keep-alive: first of three"),
    /^200 #1 new +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$/,
  );
  assert.match(row("keep-alive: second of three"), /^200 #1 reused +- /);
  assert.match(row("keep-alive: third of three"), /^200 #1 reused +- /);
  assert.match(row("chunked, trailers X-Lines: 3, X-Mood: good"), /^200 #1 reused /);
  assert.match(row("gzip: "), /^[0-9]+ B became 65\.5 kB +200 #1 reused /);
  assert.match(row("early hints: 103 </style.css>"), /^200 #1 reused /);
  assert.match(row("100-continue: accepted, 1.0 MB sent"), /^200 #1 reused /);
  assert.match(row("100-continue: refused, 0 B sent"), /^413 #1 reused /);
  assert.match(row("100-continue: 417, then 1.0 MB unasked"), /^200 #3 new /);
  assert.match(row("early close: 65.5 kB of 1.1 GB read"), /^200 #3 reused /);
  assert.match(row("upgrade: 3 messages echoed"), /^101 #4 new /);
  for (const n of [1, 2, 3]) {
    assert.match(row(`three at once: number ${n}`), new RegExp(`^200 #${n + 4} new `));
  }
  assert.equal(row("14 exchanges over 7 connections"), ", 8 without dialling");
  assert.equal(row("stats(): "), "idle 3, active 0, dialing 0, waiting 0");
  for (const line of lines) {
    assert.ok(line.length <= 80, line);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(line, /\x1b/);
  }
});

test("cli: the demonstration is coloured on a terminal, unless NO_COLOR says no", async () => {
  const coloured = memoryIo({ terminal: true });
  assert.equal(await main([], coloured), 0);
  assert.ok(coloured.out().includes("\x1b["));
  const plain = memoryIo({ terminal: true, env: { NO_COLOR: "1" } });
  assert.equal(await main([], plain), 0);
  assert.ok(!plain.out().includes("\x1b"));
  assert.equal(plain.out().split("\n").length, coloured.out().split("\n").length);
});

test("cli: one write of standard output at a time, so that a slow reader slows the server", async () => {
  await withServer(async (url) => {
    let writing = 0;
    let bytes = 0;
    const io = memoryIo({
      write: async (piece) => {
        assert.equal(++writing, 1);
        const copy = piece.slice();
        await setImmediate();
        assert.deepEqual(piece.slice(), copy);
        bytes += piece.length;
        writing--;
      },
    });
    assert.equal(await main([`${url}/big`], io), 0);
    assert.equal(bytes, bigBody.length);
  });
});

test("cli: binary content does not go to a terminal, unless it is asked for", async () => {
  await withServer(async (url) => {
    const refused = memoryIo({ terminal: true });
    assert.equal(await main([`${url}/bytes`], refused), 23);
    assert.match(refused.err(), /Cannot write to the terminal: binary content/);
    assert.equal(refused.out(), "");
    const asked = memoryIo({ terminal: true });
    assert.equal(await main([`${url}/bytes`, "-o", "-"], asked), 0);
    assert.equal(asked.out(), textOf(everyByte));
    const text = memoryIo({ terminal: true });
    assert.equal(await main([`${url}/hello`], text), 0);
    assert.equal(text.out(), "hello");
    // No bar either: the body is seen as it comes.
    assert.equal(text.err(), "");
  });
});

test("cli: a response cannot command the terminal through -v", async () => {
  await withRawServer(
    "HTTP/1.1 200 OK\r\nX: a\x9b2Jb\r\nContent-Length: 0\r\n\r\n",
    async (url) => {
      const io = memoryIo();
      assert.equal(await main(["-v", url], io), 0);
      assert.match(io.err(), /^< X: a.*\\x9b2Jb$/m);
    },
  );
});

test("Progress is silent for half a second, then draws ten times a second at most", () => {
  const io = memoryIo({ terminal: true });
  let now = 0;
  const progress = new Progress(io.stderr, 2_000_000, () => now);
  progress.add(500_000);
  now = 499;
  progress.tick();
  assert.equal(io.err(), "");
  now = 500;
  progress.add(500_000);
  assert.equal(
    io.err(),
    "\r 50 % [###############---------------]  1.0 MB of 2.0 MB  2.0 MB/s  0.5 s left\x1b[K",
  );
  now = 599;
  progress.add(1);
  now = 600;
  progress.add(999_999);
  assert.equal(io.err().split("\r").length - 1, 2);
  assert.match(io.err(), /100 % \[#{30}\] {2}2\.0 MB of 2\.0 MB {2}3\.3 MB\/s {2}0\.0 s left/);
  now = 1000;
  progress.finish();
  assert.ok(io.err().endsWith("\r\x1b[K2.0 MB in 1.0 s, 2.0 MB/s\n"));
});

test("Progress of unknown length shows bytes and rate, fits the terminal, and can be taken away", () => {
  const io = memoryIo({ terminal: true });
  let now = 0;
  const unknown = new Progress(io.stderr, null, () => now);
  now = 1000;
  unknown.add(1234);
  assert.equal(io.err(), "\r1.2 kB  1.2 kB/s\x1b[K");
  unknown.erase();
  unknown.erase();
  assert.ok(io.err().endsWith("\x1b[K\r\x1b[K"));

  for (const columns of [20, 40, 60, 79]) {
    let drawn = "";
    const narrow = { isTerminal: true, columns, write: (text: string) => void (drawn = text) };
    now = 0;
    const progress = new Progress(narrow, 123_456_789, () => now);
    now = 5000;
    progress.add(1_234_567);
    assert.ok(drawn.length - "\r\x1b[K".length < columns, drawn);
  }
});

test("Progress of a body that was there at once writes nothing at all", () => {
  const io = memoryIo({ terminal: true });
  const progress = new Progress(io.stderr, 5, () => 0);
  progress.add(5);
  progress.finish();
  progress.erase();
  assert.equal(io.err(), "");
});

test("parseCommand() refuses what it does not understand", () => {
  const rows: [string[], RegExp][] = [
    [["-W"], /^Unknown option -W; did you mean -w\?$/],
    [["-sW"], /^Unknown option -W in "-sW"$/],
    [["--outptu", "a"], /^Unknown option --outptu; did you mean --output\?$/],
    [["--data-url", "a"], /^Unknown option --data-url; did you mean --data-urlencode\?$/],
    [["--frobnicate"], /^Unknown option --frobnicate$/],
    [["-d"], /^Option -d needs DATA$/],
    [["--data"], /^Option --data needs DATA$/],
    [["--no-follow=yes", "a"], /^Option --no-follow does not take a value$/],
    [["--no-output", "a"], /^Unknown option --no-output/],
    [["get"], /No URL/],
    [["-v"], /No URL/],
    [["-H", "no colon", "a"], /-H needs "Name: value"/],
    [["-H", ": value", "a"], /-H needs "Name: value"/],
    [["--max-time", "soon", "a"], /--max-time needs seconds/],
    [["--max-time", "-1", "a"], /--max-time needs seconds, not "-1"/],
    [["--json", "1", "-d", "2", "a"], /does not go with/],
    [["-d", "1", "-T", "file", "a"], /only one can be sent/],
    [["-F", "=value", "a"], /-F needs "name=value"/],
    [["--retry", "often", "a"], /--retry needs a number/],
    [["--connect-timeout", "soon", "a"], /--connect-timeout needs seconds/],
    [["--limit-rate", "fast", "a"], /--limit-rate needs a number of bytes/],
    [["--resolve", "host:80", "a"], /--resolve needs "host:port:address"/],
    [["--connect-to", "host:80", "a"], /--connect-to needs "host:port:host:port"/],
    [["--aws-sigv4", "osc", "a"], /--aws-sigv4 needs "aws:amz:region:service"/],
    [["-r", "all", "a"], /-r needs "from-to"/],
    [["-r", "1-", "-C", "-", "a"], /-r does not go with -C/],
    [["-i", "-J", "-O", "a"], /-i does not go with -J/],
    [["-C", "-", "--compressed", "a"], /-C goes on with a download as it comes/],
    [["--tls-max", "1.2", "a"], /--tls-max understands 1\.3 and default/],
    [["--cert-type", "P12", "a"], /--cert-type understands PEM/],
    [["--ciphers", "x", "a"], /^Option --ciphers cannot be had/],
    [["--expand-data", "{{x}}", "a"], /^Option --expand-data is not there yet/],
    [["--rate", "often", "a"], /--rate needs "number\/s"/],
    [["--rate", "0/s", "a"], /--rate needs "number\/s"/],
    [["--create-file-mode", "rw", "a"], /--create-file-mode needs octal digits/],
  ];
  for (const [args, message] of rows) {
    assert.throws(() => parseCommand(args), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("parseCommand() understands short options in one word", () => {
  const command = parseCommand(["-ivkXPUT", "-ofile", "-dx", "-Hname:value", "get", "host:80/get"]);
  assert.ok(command.kind === "get");
  const [options] = command.groups;
  assert.deepEqual(options.targets, [
    { url: "host:80/get", output: { kind: "file", path: "file" }, upload: null },
  ]);
  assert.equal(options.method, "PUT");
  assert.deepEqual(options.headers, [{ name: "name", value: "value" }]);
  assert.ok(options.include && options.verbose && options.tls.insecure && options.follow);
});

test("amounts are shown as people say them", () => {
  const bytes: [number, string][] = [
    ...[[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [999_949, "999.9 kB"]] as [number, string][],
    ...[[999_950, "1.0 MB"], [1_073_741_824, "1.1 GB"]] as [number, string][],
  ];
  for (const [count, text] of bytes) assert.equal(bytesText(count), text);
  assert.deepEqual([null, 0.084, 3.44, 99.9, 1234.5].map(msText), [
    "-",
    "0.08",
    "3.4",
    "99.9",
    "1235",
  ]);
  const spans = [400, 9_949, 42_000, 185_000, 3_723_000].map(durationText);
  assert.deepEqual(spans, ["0.4 s", "9.9 s", "42 s", "3:05", "1:02:03"]);
});

/** Examples that need no argument, and something that they must say. */
const examples: Readonly<Record<string, RegExp>> = {
  get: /^200 text\/plain\nHello, world!\n/,
  upload: /^the server wants it\n0 %\n12\.5 %\n[^]*87\.5 %\n(?:100 %\n)?200 \{"bytes":4000000/,
  trailers: /"bytes":8,"trailers":\[\["X-Lines","2"\]\][^]*three\n\nX-Lines: 3\nX-Mood: good\n$/,
  early_hints: /^103 <\/style\.css>; rel=preload; as=style\n200 <link/,
  upgrade: /^echo: hello\necho: goodbye\n$/,
  unix_socket: /^200 Hello, world!\n/,
  timings: /^connection #1 new\n[^]*connection #1 reused\n[^]*1 connection, 1 idle\n$/,
};

for (const [name, says] of Object.entries(examples)) {
  test(`examples/${name}.ts runs`, async () => {
    assert.match(wellDone(await runProgram(`examples/${name}.ts`, [])), says);
  });
}

test("examples/download.ts writes a body to a file", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "out");
      const text = wellDone(await runProgram("examples/download.ts", [`${url}/big`, path]));
      assert.equal(text, `${bigBody.length} of ${bigBody.length} bytes in ${path}\n`);
      assert.ok(sameBytes(await readFile(path), bigBody));
    })
  );
});
