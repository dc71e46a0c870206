/**
 * Options of the command line that change the request, who asks, and what is told.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash, createPrivateKey } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completions } from "../../cli/completions.ts";
import { configWords } from "../../cli/config_file.ts";
import { curlWords } from "../../cli/curl_line.ts";
import { shownJson } from "../../cli/json_text.ts";
import { manPage } from "../../cli/man_page.ts";
import { main } from "../../cli/mod.ts";
import { netrcCredentials } from "../../cli/netrc.ts";
import { OPTIONS, SECTIONS } from "../../cli/option_table.ts";
import { readWords } from "../../cli/option_words.ts";
import { parseCommand } from "../../cli/options.ts";
import { usage } from "../../cli/usage.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { memoryIo, runCli } from "../fixtures/cli_in_memory.ts";
import { type ProcessRun, textOf } from "../fixtures/cli_run.ts";
import { certPath, type Echo, withServer, withTlsServer } from "../fixtures/cli_server.ts";
import { test } from "../support/harness.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";

function wellDone(run: ProcessRun): string {
  assert.equal(run.stderr, "");
  assert.equal(run.code, 0);
  return textOf(run.stdout);
}

async function echoOf(args: readonly string[], input?: string): Promise<Echo> {
  return JSON.parse(wellDone(await runCli(args, input)));
}

function fieldOf({ rawHeaders }: Echo, name: string): string | undefined {
  const at = rawHeaders.findIndex((each, index) =>
    index % 2 === 0 && each.toLowerCase() === name.toLowerCase()
  );
  return at < 0 ? undefined : rawHeaders[at + 1];
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-options-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("options: every row has its place, and help, man page and completions tell of it", () => {
  const names = OPTIONS.flatMap(({ long, short }) => short === undefined ? [long] : [long, short]);
  assert.equal(new Set(names).size, names.length, "two options have the same name");
  const all = usage("all")!;
  const page = manPage("1.0");
  for (const row of OPTIONS) {
    assert.ok(Object.hasOwn(SECTIONS, row.section));
    assert.match(all, new RegExp(`--${row.long.replaceAll(".", "\\.")}(?: |$)`, "m"));
    assert.ok(page.includes(`\\-\\-${row.long.replaceAll("-", "\\-")}`), row.long);
    for (const shell of ["bash", "zsh", "fish"]) {
      const script = completions(shell)!;
      const dashes = shell === "fish" ? "-l " : "--";
      const spelling = new RegExp(`${dashes}${row.long.replaceAll(".", "\\.")}(?![\\w.-])`);
      const isOffered = row.refused === undefined && row.section !== "other protocols";
      assert.equal(spelling.test(script), isOffered, `${shell} ${row.long}`);
    }
    if (row.refused !== undefined) {
      assert.throws(
        () => readWords([`--${row.long}`]),
        (error) =>
          error instanceof UsageError && error.message === `Option --${row.long} ${row.refused}`,
      );
    } else {
      const words = row.value === undefined ? [`--${row.long}`] : [`--${row.long}`, "-v"];
      assert.equal(readWords(words).length, 1, row.long);
    }
  }
  for (const line of all.split("\n")) assert.ok(line.length <= 80, line);
  assert.equal(usage("nothing"), null);
  assert.match(usage("tls")!, /^TLS:\n {2}-k, --insecure/);
});

test("options: a flag is taken back by --no-, and a value may begin with a dash", () => {
  const of = (...args: string[]) => {
    const command = parseCommand([...args, "a"]);
    assert.ok(command.kind === "get");
    return command.groups[0];
  };
  assert.equal(of("-i", "--no-include").include, false);
  assert.equal(of("--no-progress-meter").silent, true);
  assert.equal(of("--no-progress-meter", "--progress-meter").silent, false);
  assert.equal(of("--buffer").raw, false);
  assert.deepEqual(of("-d", "-x").data?.parts[0].value, "-x");
  assert.deepEqual(of("-o", "-").targets[0].output, { kind: "file", path: "-" });
  assert.equal(of("--limit-rate", "1.5k").bytesPerSecond, 1536);
  assert.equal(of("--max-filesize", "2M").maxFileBytes, 2 * 1024 * 1024);
  assert.deepEqual(of("--", "-o").targets.map(({ url }) => url), ["-o", "a"]);
});

test("options: completions, man and --help all are printed, and unknown topics are usage errors", async () => {
  assert.equal(wellDone(await runCli(["--help", "all"])), usage("all"));
  assert.equal(wellDone(await runCli(["completions", "fish"])), completions("fish"));
  assert.match(wellDone(await runCli(["man"])), /^\.TH ROUNDTRIP 1 /);
  assert.equal((await runCli(["completions", "csh"])).code, 2);
  assert.equal((await runCli(["--help", "nothing"])).code, 2);
});

test("options: -G, --data-urlencode, --data-raw and --url-query", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "data");
      await writeFile(path, "ü &\n");
      const posted = await echoOf([
        ...["--data-raw", "@not a file", "--data-urlencode", "a=b c+d"],
        ...["--data-urlencode", `f@${path}`, "--data-urlencode", "=x=y", `${url}/echo`],
      ]);
      assert.equal(posted.body, "@not a file&a=b+c%2Bd&f=%C3%BC+%26%0A&x%3Dy");
      const run = await runCli([
        "-v",
        "-G",
        "-d",
        "b=2",
        "--data-urlencode",
        "c=&",
        `${url}/x?a=1#f`,
      ]);
      assert.match(run.stderr, /^> GET \/x\?a=1&b=2&c=%26 HTTP/m);
      const query = await runCli([
        "-v",
        "-d",
        "x",
        "--url-query",
        "a=b c",
        "--url-query",
        "+d=%20",
        `${url}/x`,
      ]);
      assert.match(query.stderr, /^> POST \/x\?a=b\+c&d=%20 HTTP/m);
    })
  );
});

test("options: -e, -r, -z, -H @file, --path-as-is and --request-target", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "headers");
      await writeFile(path, "X-One: 1\r\n\nX-Two: 2\n");
      const sent = await echoOf([
        ...["-e", "http://from.test/;auto", "-r", "5", "-z", "Wed, 01 Jan 2020 00:00:00 GMT"],
        ...["-H", `@${path}`, "-H", "Accept:", `${url}/echo`],
      ]);
      assert.equal(fieldOf(sent, "referer"), "http://from.test/");
      assert.equal(fieldOf(sent, "range"), "bytes=5-");
      assert.equal(fieldOf(sent, "if-modified-since"), "Wed, 01 Jan 2020 00:00:00 GMT");
      assert.deepEqual([fieldOf(sent, "x-one"), fieldOf(sent, "x-two")], ["1", "2"]);
      assert.equal(fieldOf(sent, "accept"), undefined);
      assert.equal(fieldOf(await echoOf([`${url}/echo`]), "accept"), "*/*");
      const since = await echoOf(["-z", `-${path}`, `${url}/echo`]);
      assert.match(fieldOf(since, "if-unmodified-since")!, / GMT$/);
      const dots = await runCli(["-v", "--path-as-is", `${url}/a/../b`]);
      assert.match(dots.stderr, /^> GET \/a\/\.\.\/b HTTP/m);
      const star = await runCli(["-v", "-X", "OPTIONS", "--request-target", "*", url]);
      assert.match(star.stderr, /^> OPTIONS \* HTTP/m);
      // As with curl, a redirect tells of no referer that was not asked for.
      assert.equal(fieldOf(await echoOf([`${url}/cookies`]), "referer"), undefined);
      assert.equal(
        fieldOf(await echoOf(["-e", ";auto", `${url}/cookies`]), "referer"),
        `${url}/cookies`,
      );
    })
  );
});

test("options: -F guesses types, and -F text has one if it is said", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "a.json");
      await writeFile(path, "{}");
      const { body } = await echoOf([
        ...["-F", `f=@${path}`, "-F", "t={};type=application/json", "--form-string", "s=@;type=x"],
        `${url}/echo`,
      ]);
      assert.match(
        body,
        /name="f"; filename="a\.json"\r\nContent-Type: application\/json\r\n\r\n\{\}/,
      );
      assert.match(body, /name="t"\r\nContent-Type: application\/json\r\n\r\n\{\}\r\n/);
      assert.match(body, /name="s"\r\n\r\n@;type=x\r\n/);
      const typed = await echoOf([
        "-F",
        "a=b",
        "-H",
        "Content-Type: multipart/mixed",
        `${url}/echo`,
      ]);
      assert.match(fieldOf(typed, "content-type")!, /^multipart\/mixed; boundary=----roundtrip/);
    })
  );
});

test("options: -u without a password asks for it, once, and without anybody it is empty", async () => {
  await withServer(async (url) => {
    const questions: string[] = [];
    const io = {
      ...memoryIo(),
      askSecret: (question: string) => {
        questions.push(question);
        return Promise.resolve("s:ecret");
      },
    };
    assert.equal(await main(["-u", "me", `${url}/echo`, `${url}/echo`], io), 0);
    assert.deepEqual(questions, ["Password of me: "]);
    assert.equal(io.out().split(`Basic ${btoa("me:s:ecret")}`).length, 3);
    const alone = await echoOf(["-u", "me", `${url}/echo`]);
    assert.equal(fieldOf(alone, "authorization"), `Basic ${btoa("me:")}`);
    assert.equal((await runCli(["-u", ":", `${url}/echo`])).code, 0);
  });
});

test("netrc: machines, a default, quotes, comments and macros", () => {
  const text = `# machine none.test login a password b
machine a.test login me password "p \\"w"
machine b.test
  login one
  password 1
macdef init
  machine c.test login no password no

machine b.test login two password 2
default login any password thing`;
  const of = (host: string, name = "") => netrcCredentials(text, host, name);
  assert.deepEqual(of("A.test"), { name: "me", password: 'p "w' });
  assert.deepEqual(of("b.test"), { name: "one", password: "1" });
  assert.deepEqual(of("b.test", "two"), { name: "two", password: "2" });
  assert.deepEqual(of("c.test"), { name: "any", password: "thing" });
  assert.equal(of("b.test", "three"), null);
});

test("options: --netrc and its like, and --oauth2-bearer", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, ".netrc");
      await writeFile(path, "machine 127.0.0.1 login me password pw\n");
      const basic = (text: string): string => `Basic ${btoa(text)}`;
      const sent = async (args: string[]): Promise<string | undefined> => {
        const io = memoryIo({ env: { HOME: folder } });
        assert.equal(await main(args, io), 0, io.err());
        return fieldOf(JSON.parse(io.out()), "authorization");
      };
      const inUrl = url.replace("//", "//you:too@");
      assert.equal(await sent(["-n", `${url}/echo`]), basic("me:pw"));
      assert.equal(await sent(["--netrc-file", path, `${url}/echo`]), basic("me:pw"));
      assert.equal(await sent(["-n", `${inUrl}/echo`]), basic("me:pw"));
      assert.equal(await sent(["--netrc-optional", `${inUrl}/echo`]), basic("you:too"));
      assert.equal(await sent(["-n", "-u", "a:b", `${url}/echo`]), basic("a:b"));
      assert.equal(await sent([`${url}/echo`]), undefined);
      assert.equal(await sent(["--oauth2-bearer", "tok", `${url}/echo`]), "Bearer tok");
      assert.equal((await runCli(["--netrc-file", join(folder, "none"), url])).code, 26);
    })
  );
});

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

test("options: --digest proves the password, to the server that was asked alone", async () => {
  const seen: string[] = [];
  let elsewhere = "";
  let home = "";
  const handler: RawHandler = async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      if (length > 0) await connection.readBytes(length);
      const path = head.split(" ")[1];
      const value = /^authorization: (.*)$/im.exec(head)?.[1] ?? "";
      seen.push(`${path} ${value.split(" ")[0]}`);
      const field = (name: string): string =>
        new RegExp(`[ ,]${name}="?([^",]*)`).exec(value)?.[1] ?? "";
      const first = md5("me:the realm:pw");
      const proof = md5(
        `${first}:${field("nonce")}:${field("nc")}:${field("cnonce")}:auth:${
          md5(`${head.split(" ")[0]}:${path}`)
        }`,
      );
      const isKnown = field("nonce") === "n1" && field("response") === proof;
      await connection.send(
        path === "/away" || path === "/back"
          ? `HTTP/1.1 302 Found\r\nLocation: ${
            path === "/away" ? elsewhere : home
          }\r\nContent-Length: 0\r\n\r\n`
          : isKnown
          ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin"
          : 'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: ' +
            'Digest realm="the realm", nonce="n1", qop="auth"\r\nContent-Length: 3\r\n\r\nout',
      );
    }
  };
  await withRawServer(handler, ({ port }) =>
    withRawServer(handler, async (other) => {
      const url = `http://127.0.0.1:${port}`;
      assert.equal(
        wellDone(await runCli(["--digest", "-u", "me:pw", "-d", "x", `${url}/a?b`])),
        "in",
      );
      assert.deepEqual(seen.splice(0), ["/a?b ", "/a?b Digest"]);
      assert.equal(wellDone(await runCli(["--digest", "-u", "me:wrong", `${url}/`])), "out");
      assert.deepEqual(seen.splice(0), ["/ ", "/ Digest"]);
      assert.equal(wellDone(await runCli(["--anyauth", "-u", "me:pw", `${url}/`])), "in");
      seen.splice(0);
      elsewhere = `http://127.0.0.1:${other.port}/there`;
      assert.equal(wellDone(await runCli(["--digest", "-u", "me:pw", `${url}/away`])), "out");
      assert.deepEqual(seen.splice(0), ["/away ", "/there "]);
      // Who comes back from elsewhere is told nothing either.
      [elsewhere, home] = [`http://127.0.0.1:${other.port}/back`, `${url}/home`];
      assert.equal(wellDone(await runCli(["--digest", "-u", "me:pw", `${url}/away`])), "out");
      assert.deepEqual(seen.splice(0), ["/away ", "/back ", "/home "]);
    }));
});

test("options: --aws-sigv4 signs what is sent", async () => {
  await withServer(async (url) => {
    const sent = await echoOf([
      ...["--aws-sigv4", "aws:amz:eu-west-1:es", "-u", "KEY:secret", "-d", "a=1", `${url}/echo`],
    ]);
    assert.match(
      fieldOf(sent, "authorization")!,
      /^AWS4-HMAC-SHA256 Credential=KEY\/\d{8}\/eu-west-1\/es\/aws4_request, SignedHeaders=[a-z0-9;-]*host;x-amz-date, Signature=[0-9a-f]{64}$/,
    );
    assert.match(fieldOf(sent, "x-amz-date")!, /^\d{8}T\d{6}Z$/);
    assert.equal(sent.body, "a=1");
    assert.equal((await runCli(["--aws-sigv4", "aws:amz:a:b", url])).code, 2);
  });
});

test("options: --connect-to, -4, -6 and --interface say where from and where to", async () => {
  await withServer(async (url) => {
    const { port } = new URL(url);
    const sent = await echoOf([
      ...[
        "--connect-to",
        "other.test:1:nobody:2",
        "--connect-to",
        `name.test:80:127.0.0.1:${port}`,
      ],
      "http://name.test/echo",
    ]);
    assert.equal(sent.rawHeaders[1], "name.test");
    wellDone(await runCli(["-4", "--interface", "127.0.0.1", `http://localhost:${port}/hello`]));
    wellDone(await runCli(["--interface", "host!127.0.0.1", `${url}/hello`]));
    assert.equal((await runCli(["-6", `http://localhost:${port}/hello`])).code === 0, false);
  });
  await withTlsServer(async (url) => {
    const { port } = new URL(url);
    // What is secured is the host that was asked for.
    wellDone(
      await runCli([
        ...["--cacert", certPath("ca.pem"), "--connect-to", `localhost:443:127.0.0.1:${port}`],
        "https://localhost/hello",
      ]),
    );
  });
});

test("options: --limit-rate slows a download and an upload, and Ctrl-C ends its wait", async () => {
  await withServer(async (url) => {
    const begun = performance.now();
    wellDone(await runCli(["--limit-rate", "20", `${url}/hello`]));
    assert.ok(performance.now() - begun >= 240);
    const sent = await echoOf(["--limit-rate", "100", "-d", "0123456789".repeat(3), `${url}/echo`]);
    assert.equal(sent.body, "0123456789".repeat(3));
    assert.ok(performance.now() - begun >= 240 + 200);
    const io = memoryIo();
    const running = main(["--limit-rate", "1", `${url}/hello`], {
      ...io,
      stdout: { isTerminal: false, write: () => Promise.resolve(io.interrupt()) },
    });
    assert.equal(await running, 130);
  });
});

test("options: -w tells what there is to tell, also of what failed", async () => {
  await withServer(async (url) => {
    const told = async (format: string, ...args: string[]): Promise<string> => {
      const run = await runCli(["-w", format, ...args]);
      return textOf(run.stdout);
    };
    assert.equal(
      await told(
        "|%{http_code} %{response_code} %{size_download} %{num_redirects} %{method}\\n%%\\t",
        `${url}/moved`,
      ),
      "hello|200 200 5 1 GET\n%\t",
    );
    assert.equal(
      await told("%header{x-name}|%header{none}|%{url_effective}", `${url}/hello`),
      `helloValue||${url}/hello`,
    );
    const { port } = new URL(url);
    assert.equal(
      await told("|%{url.path} %{urle.path} %{url.port}%{url.query}|%{conn_id}", `${url}/moved`),
      `hello|/moved /hello ${port}|1`,
    );
    assert.equal(
      await told(
        "%{url.host} %{url.user}:%{url.password} %{url.query}",
        "http://a:b@127.0.0.1:1/?c",
      ),
      "127.0.0.1 a:b c",
    );
    assert.equal(
      await told("%{redirect_url}", "--no-follow", `${url}/moved`),
      `over there${url}/hello`,
    );
    const json = JSON.parse(
      (await told("%{json}", "-d", "abc", `${url}/hello`)).slice("hello".length),
    );
    assert.equal(json.http_code, 200);
    assert.equal(json.size_upload, 3);
    assert.equal(json.remote_ip, "127.0.0.1");
    assert.equal(json.scheme, "http");
    assert.ok(json.time_total > 0 && json.time_starttransfer <= json.time_total);
    assert.ok(
      json.time_namelookup <= json.time_connect && json.time_connect <= json.time_pretransfer,
    );
    assert.ok(json.size_header > 20 && json.size_request > 20);
    const headers = JSON.parse(
      (await told("%{header_json}", `${url}/hello`)).slice("hello".length),
    );
    assert.deepEqual(headers["x-name"], ["Value"]);
    const failed = await runCli([
      "-w",
      "%{exitcode} %{http_code} %{errormsg}",
      "http://127.0.0.1:1/",
    ]);
    assert.match(textOf(failed.stdout), /^7 000 Cannot connect to 127\.0\.0\.1:1: refused/);
    const split = await runCli(["-w", "%{stderr}err%{stdout}out%{onerror}never", `${url}/hello`]);
    assert.deepEqual([textOf(split.stdout), split.stderr], ["helloout", "err"]);
    assert.match((await runCli(["-w", "%{none}", `${url}/hello`])).stderr, /-w knows no %\{none\}/);
  });
});

test("options: --fail-with-body writes the body and ends with 22", async () => {
  await withServer(async (url) => {
    const run = await runCli(["--fail-with-body", `${url}/teapot`]);
    assert.deepEqual([run.code, textOf(run.stdout)], [22, "short and stout"]);
  });
});

test("options: --retry-delay, --retry-max-time and --retry-all-errors", async () => {
  let requests = 0;
  const handler: RawHandler = async (connection) => {
    const head = await connection.readHead();
    requests++;
    await connection.send(
      head.startsWith("POST") && requests < 3
        ? "nonsense\r\n\r\n"
        : `HTTP/1.1 ${requests < 3 ? 500 : 200} X\r\nContent-Length: 0\r\n\r\n`,
    );
    connection.end();
  };
  await withRawServer(handler, async ({ port }) => {
    const url = `http://127.0.0.1:${port}/`;
    const code = async (...args: string[]): Promise<[number | null, number]> => {
      requests = 0;
      const run = await runCli([...args, url]);
      return [run.code, requests];
    };
    assert.deepEqual(await code("-f", "--retry", "3", "--retry-delay", "0.01"), [0, 3]);
    assert.deepEqual(
      await code("-f", "--retry", "3", "--retry-delay", "9", "--retry-max-time", "5"),
      [22, 1],
    );
    assert.deepEqual(await code("--retry", "3", "--retry-delay", "0.01", "-d", "x"), [8, 1]);
    const all = ["--retry-all-errors", "--retry", "3", "--retry-delay", "0.01"];
    assert.deepEqual(await code(...all, "-d", "x"), [0, 3]);
  });
});

test("options: --tlsv1.3 is spoken; --cert, --key and --pass prove who we are, and what is no key ends with 58", async () => {
  await withTlsServer((url) =>
    inFolder(async (folder) => {
      assert.equal(
        wellDone(await runCli(["--cacert", certPath("ca.pem"), "--tlsv1.3", `${url}/hello`])),
        "hello",
      );
      const trusted = ["--cacert", certPath("ca.pem")];
      const both = join(folder, "both.pem");
      const cert = await readFile(certPath("client.pem"), "utf8");
      const key = await readFile(certPath("client.key"), "utf8");
      await writeFile(both, key + cert);
      for (
        const args of [["--cert", certPath("client.pem"), "--key", certPath("client.key")], [
          "-E",
          both,
        ]]
      ) {
        assert.equal(wellDone(await runCli([...trusted, ...args, `${url}/hello`])), "hello");
      }
      const locked = join(folder, "locked.pem");
      const passphrase = "p:w";
      const cipher = "aes-256-cbc";
      const closed = createPrivateKey(key).export({
        type: "pkcs8",
        format: "pem",
        cipher,
        passphrase,
      });
      await writeFile(locked, cert + closed);
      const unlocked = [["--cert", locked, "--pass", passphrase], [
        "--cert",
        `${locked}:${passphrase}`,
      ]];
      for (const args of unlocked) {
        assert.equal(wellDone(await runCli([...trusted, ...args, `${url}/hello`])), "hello");
      }
      const wrong = await runCli([...trusted, "--cert", `${locked}:wrong`, url]);
      assert.equal(wrong.code, 58);
      assert.match(wrong.stderr, /locked\.pem: wrong password, or an encryption that is not known/);
      const lacking = await runCli([...trusted, "--cert", certPath("client.pem"), url]);
      assert.equal(lacking.code, 58);
      assert.match(lacking.stderr, /no private key \(--key FILE\) in it/);
    })
  );
});

test("config files: names with and without dashes, quotes, comments", () => {
  assert.deepEqual(
    configWords(`# comment
url = "http://a.test/\\"x\\""
-H "X: 1"
--silent
user-agent: me   # this one
data = 'as it is'
output=file`),
    [
      ...["--url", 'http://a.test/"x"', "-H", "X: 1", "--silent", "--user-agent", "me"],
      ...["--data", "'as it is'", "--output", "file"],
    ],
  );
  assert.throws(() => configWords('data = "no end'), UsageError);
});

test("options: -K takes options from files and standard input, which may name others", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const [one, two] = [join(folder, "one"), join(folder, "two")];
      await writeFile(one, `header = "X-One: 1"\nconfig = "${two}"\n`);
      await writeFile(two, `url = "${url}/echo"\n`);
      const sent = await echoOf(["-K", one, "-H", "X-Two: 2"]);
      assert.deepEqual([fieldOf(sent, "x-one"), fieldOf(sent, "x-two")], ["1", "2"]);
      assert.equal(
        fieldOf(await echoOf(["-K", "-"], `url = ${url}/echo\nuser = a:b`), "authorization"),
        `Basic ${btoa("a:b")}`,
      );
      await writeFile(one, `config = "${one}"\n`);
      const endless = await runCli(["-K", one]);
      assert.equal(endless.code, 2);
    })
  );
});

test("curl lines: words are those of a shell, and what only a shell can do is refused", () => {
  const env = { KEY: "a b", HOME: "/h" };
  const rows: [string, string[]][] = [
    ['curl a  b\t\'c d\' "e\\"f\\n" g\\ h', ["a", "b", "c d", 'e"f\\n', "g h"]],
    ['$ curl -d \'{"a":"b"}\' \\\n  x', ["-d", '{"a":"b"}', "x"]],
    ["curl \\\r\n x # the rest", ["x"]],
    ["curl it\\'s a'b'\"c\"", ["it's", "abc"]],
    ['curl -H "X: $KEY" ${KEY}c $ 5$', ["-H", "X: a b", "a bc", "$", "5$"]],
    ["curl $'a\\n\\x41\\u00e9\\'b\\\\' ~/f \"\" ''", ["a\nAé'b\\", "/h/f", "", ""]],
    ["  curl\tx\n\n# done\n", ["x"]],
  ];
  for (const [line, words] of rows) {
    assert.deepEqual(curlWords(line, env), words, line);
  }
  const refused: [string, RegExp][] = [
    ['curl "$(whoami)"', /\$\(, which is for a shell: nothing else is run/],
    ["curl $(whoami)", /nothing else is run/],
    ["curl `whoami`", /nothing else is run/],
    ['curl "`whoami`"', /nothing else is run/],
    ["curl a | sh", /has a \|, which is for a shell: give the curl line alone/],
    ["curl a; rm b", /has a ;/],
    ["curl http://h/?a=1&b=2", /has a &/],
    ["curl a > file", /has a >/],
    ["curl <(ls)", /has a </],
    ["curl ${KEY:-x}", /\$\{, which is for a shell: only a name/],
    ["curl $NONE", /variable NONE of the curl line is not set/],
    ["curl 'a", /has a ' that does not end/],
    ['curl "a', /has a " that does not end/],
    ["curl a\nrm b", /something stands below it/],
  ];
  for (const [line, message] of refused) {
    assert.throws(() => curlWords(line, env), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message, line);
      return true;
    });
  }
  // In quotes that keep everything nothing is run, and nothing is refused.
  assert.deepEqual(curlWords("curl '$(a) `b` | $NONE'", env), ["$(a) `b` | $NONE"]);
});

test("curl lines: pasted as one argument they run, with curl's habits", async () => {
  await withServer(async (url) => {
    assert.equal(wellDone(await runCli([`curl -s ${url}/moved`])), "over there");
    assert.equal(wellDone(await runCli([`curl -sL '${url}/moved'`])), "hello");
    assert.equal(wellDone(await runCli(["curl", "-s", `${url}/moved`])), "over there");
    const refused = await runCli([`curl ${url}/$(whoami)`]);
    assert.equal(refused.code, 2);
  });
});

test("curl lines: --curl prints one that asks for the same, and sends nothing", async () => {
  const args = [
    "get",
    "--json",
    `{"it's":1}`,
    "-sSHX: y",
    "--raw",
    "-o",
    "",
    "http://127.0.0.1:1/?a&b",
  ];
  const line = wellDone(await runCli(["--curl", ...args]));
  assert.equal(
    line,
    `curl --location --json '{"it'\\''s":1}' --silent --show-error --header 'X: y' --output '' 'http://127.0.0.1:1/?a&b'\n`,
  );
  const words = curlWords(line, {});
  assert.deepEqual(parseCommand(words), parseCommand(args.filter((word) => word !== "--raw")));
  const without = wellDone(await runCli(["--curl", "--no-follow", "--no-keepalive", "a"]));
  assert.equal(without, "curl --no-keepalive a\n");
});

test("JSON is shown as it was written, one member a line, and commands no terminal", () => {
  const plain = (text: string): string | null => shownJson(text, (_, part) => part);
  assert.equal(
    plain('{"a":12345678901234567890,"b":[],"a":{"c":[1.50,"x\\u0041"]},"d":{}}'),
    '{\n  "a": 12345678901234567890,\n  "b": [],\n  "a": {\n    "c": [\n      1.50,\n      "x\\u0041"\n    ]\n  },\n  "d": {}\n}\n',
  );
  assert.equal(plain('"\u009b2J"'), '"\\u009b2J"\n');
  assert.equal(plain("{"), null);
  assert.equal(
    shownJson('{"a":"b"}', (style, part) => `<${style} ${part}>`),
    '{\n  <cyan "a">: <green "b">\n}\n',
  );
});

test("cli: JSON is indented and coloured in a terminal, but not with --raw, -N, -o - or elsewhere", async () => {
  await withServer(async (url) => {
    const shown = async (args: string[], terminal = true, env = {}): Promise<string> => {
      const io = memoryIo({ terminal, env });
      assert.equal(await main([...args, `${url}/echo`], io), 0, io.err());
      return io.out();
    };
    const raw = await shown([], false);
    assert.ok(raw.startsWith('{"method":"GET",'));
    assert.match(
      await shown([]),
      // deno-lint-ignore no-control-regex
      /^\{\n {2}\x1b\[36m"method"\x1b\[39m: \x1b\[32m"GET"\x1b\[39m,\n/,
    );
    assert.match(await shown([], true, { NO_COLOR: "1" }), /^\{\n {2}"method": "GET",\n/);
    for (const args of [["--raw"], ["-N"], ["-o", "-"]]) assert.equal(await shown(args), raw);
  });
});

test("cli: binary content is found wherever it stands, in heads and in what comes late", async () => {
  const written = Promise.withResolvers<void>();
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ntext");
    await written.promise;
    await connection.send("\x00bin");
    connection.end();
  }, async ({ port }) => {
    const pieces: string[] = [];
    const write = (bytes: Uint8Array): Promise<void> => {
      pieces.push(textOf(bytes));
      written.resolve();
      return Promise.resolve();
    };
    const io = memoryIo({ terminal: true, write });
    assert.equal(await main([`http://127.0.0.1:${port}/`], io), 23);
    assert.deepEqual(pieces, ["text"]);
    assert.match(io.err(), /binary content \(use -o FILE, or "-o -"\)/);
  });
});

test("M3 cli: a field of -H goes before -A, -e and -b", async () => {
  await withServer(async (url) => {
    const echo = await echoOf([
      ...["-A", "me/1", "-H", "User-Agent: you/2", "-e", "http://a/", "-H", "Referer: http://b/"],
      ...["-b", "a=1", "-H", "Cookie: b=2", `${url}/echo`],
    ]);
    // All of them: a second field of the same name would be one too many.
    const sent = echo.rawHeaders.flatMap((name, at) =>
      at % 2 === 0 && /^(?:user-agent|referer|cookie)$/i.test(name) ? [echo.rawHeaders[at + 1]] : []
    );
    assert.deepEqual(sent.sort(), ["b=2", "http://b/", "you/2"]);
    const named = await echoOf(["-A", "one", "-A", "me/1", `${url}/echo`]);
    assert.equal(fieldOf(named, "user-agent"), "me/1");
    const unnamed = await echoOf(["-A", "", `${url}/echo`]);
    assert.equal(fieldOf(unnamed, "user-agent"), undefined);
  });
});

test("M6 cli: --expect100-timeout says how long a body waits", async () => {
  const handler: RawHandler = async (connection) => {
    await connection.readHead();
    const body = await connection.readBytes(4);
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${body}`);
  };
  await withRawServer(handler, async ({ port }) => {
    const url = `http://127.0.0.1:${port}/`;
    const asking = ["-H", "Expect: 100-continue", "-d", "body", "-m", "5"];
    for (const seconds of ["0", "0.01"]) {
      assert.equal(
        wellDone(await runCli([...asking, "--expect100-timeout", seconds, url])),
        "body",
      );
    }
    const late = await runCli([...asking, "-m", "0.5", "--expect100-timeout", "60", url]);
    assert.equal(late.code, 28, late.stderr);
  });
});

test("curl lines: options may stand beside one that is pasted", async () => {
  await withServer(async (url) => {
    const run = await runCli(["-i", `curl -A 'me 1' ${url}/echo`, "-e", "http://a/"]);
    const text = wellDone(run);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    const echo = JSON.parse(text.slice(text.indexOf("\r\n\r\n")));
    assert.deepEqual([fieldOf(echo, "user-agent"), fieldOf(echo, "referer")], [
      "me 1",
      "http://a/",
    ]);
    // As in the line, nothing is followed.
    assert.match(wellDone(await runCli(["-i", `curl ${url}/moved`])), / 302 /);
  });
});

test("cli: in a terminal what -v tells behind a body begins a line of its own", async () => {
  await withServer(async (url) => {
    const rows: [path: string, terminal: boolean, begun: boolean][] = [
      ["/hello", true, true],
      ["/hello", false, false],
      ["/gzip", true, true],
      ["/empty", true, false],
    ];
    for (const [path, terminal, begun] of rows) {
      const io = memoryIo({ terminal, env: { NO_COLOR: "1" } });
      assert.equal(await main(["-v", url + path], io), 0);
      assert.equal(/\n\n\* time: /.test(io.err()), begun, io.err());
    }
    const io = memoryIo({ terminal: true, env: { NO_COLOR: "1" } });
    assert.equal(await main(["-v", `${url}/echo`], io), 0);
    assert.doesNotMatch(io.err(), /\n\n\* time: /);
  });
});
