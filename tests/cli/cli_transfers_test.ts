/**
 * Several transfers of one command line, and the files they write.
 *
 * @module
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main } from "../../cli/mod.ts";
import { ProgressBoard } from "../../cli/progress_board.ts";
import { progressLine } from "../../cli/progress_line.ts";
import { globbedUrls } from "../../cli/url_glob.ts";
import { HttpError } from "../../mod.ts";
import { memoryIo, runCli } from "../fixtures/cli_in_memory.ts";
import { textOf } from "../fixtures/cli_run.ts";
import { withServer } from "../fixtures/cli_server.ts";
import { test } from "../support/harness.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-transfers-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

const all = (text: string): string[] => [...globbedUrls(text)].map(({ url }) => url);

test("globs: ranges, steps, leading zeros, letters and lists, the last brackets first", () => {
  assert.deepEqual(all("h/[1-3]"), ["h/1", "h/2", "h/3"]);
  assert.deepEqual(all("h/[08-11]"), ["h/08", "h/09", "h/10", "h/11"]);
  assert.deepEqual(all("h/[1-10:4]"), ["h/1", "h/5", "h/9"]);
  assert.deepEqual(all("h/[a-e:2]"), ["h/a", "h/c", "h/e"]);
  assert.deepEqual(all("{a,b}/[1-2]?x"), ["a/1?x", "a/2?x", "b/1?x", "b/2?x"]);
  assert.deepEqual(all("h/{a,}"), ["h/a", "h/"]);
  assert.deepEqual(all("http://[::1]:80/[1-2]"), ["http://[::1]:80/1", "http://[::1]:80/2"]);
  assert.deepEqual(all("h/\\[1\\]"), ["h/[1]"]);
  assert.deepEqual([...globbedUrls("{a,b}[1-1]")][1], { url: "b1", globbed: ["b", "1"] });
  for (
    const text of [
      "h/[1-",
      "h/{a",
      "h/a}",
      "h/]",
      "h/[]",
      "h/{}",
      "h/[1-a]",
      "h/[2-1]",
      "h/[1-2:0]",
    ]
  ) {
    assert.throws(() => all(text), (error) => error instanceof HttpError, text);
  }
  // As many as anybody likes are no more work than the first few.
  const many = globbedUrls("h/[0-999999999]")[Symbol.iterator]();
  assert.equal(many.next().value.url, "h/0");
});

test("cli: several URLs go to standard output in their order, and share a connection", async () => {
  await withServer(async (url) => {
    const run = await runCli(["-w", "%{num_connects}\\n", `${url}/hello`, `${url}/{hello,teapot}`]);
    assert.equal(run.stderr, "");
    assert.equal(textOf(run.stdout), "hello1\nhello0\nshort and stout0\n");
  });
});

test("cli: the exit code is that of the last transfer; --fail-early ends with the first", async () => {
  await withServer(async (url) => {
    const urls = [`${url}/teapot`, `${url}/hello`];
    const later = await runCli(["-f", ...urls]);
    assert.deepEqual([later.code, textOf(later.stdout)], [0, "hello"]);
    assert.match(later.stderr, /^roundtrip: .*status 418\n$/);
    const early = await runCli(["-f", "--fail-early", ...urls]);
    assert.deepEqual([early.code, textOf(early.stdout)], [22, ""]);
    const parallel = await runCli(["-f", "-Z", ...urls]);
    assert.deepEqual([parallel.code, textOf(parallel.stdout)], [22, "hello"]);
  });
});

test("cli: --next begins other options", async () => {
  await withServer(async (url) => {
    const run = await runCli([
      ...["-d", "a=1", `${url}/echo`, "--next", "-H", "X-Two: 2", `${url}/echo`],
    ]);
    const [first, second] = textOf(run.stdout).replace("}{", "}\n{").split("\n")
      .map((text) => JSON.parse(text));
    assert.deepEqual([first.method, first.body, second.method], ["POST", "a=1", "GET"]);
    assert.ok(!first.rawHeaders.includes("X-Two") && second.rawHeaders.includes("X-Two"));
  });
});

test("cli: -Z has as many transfers under way as --parallel-max says, and no more", async () => {
  let under = 0;
  let most = 0;
  let isParallel = true;
  const three = Promise.withResolvers<void>();
  const handler: RawHandler = async (connection) => {
    await connection.readHead();
    most = Math.max(most, ++under);
    if (under === 3) three.resolve();
    if (isParallel) await three.promise;
    under--;
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    connection.end();
  };
  await withRawServer(handler, async ({ port }) => {
    const url = `http://127.0.0.1:${port}/[1-9]`;
    const run = await runCli(["-Z", "--parallel-max", "3", url]);
    assert.deepEqual([run.code, textOf(run.stdout), most], [0, "xxxxxxxxx", 3]);
    most = 0;
    isParallel = false;
    await runCli([url]);
    await runCli(["-Z", "--parallel-max-host", "1", url]);
    assert.equal(most, 1);
  });
});

test("cli: -O, -J, --output-dir and --create-dirs say where files go", async () => {
  const answers: Record<string, string> = {
    "/named": 'Content-Disposition: attachment; filename="../../a/.profile"\r\n',
    "/coded": "Content-Disposition: attachment; filename*=UTF-8''na%C3%AFve%20name\r\n",
    "/odd": "Content-Disposition: ;;;\r\n",
  };
  const handler: RawHandler = async (connection) => {
    for (;;) {
      const path = (await connection.readHead()).split(" ")[1];
      const fields = answers[path.split("?")[0]] ?? "";
      await connection.send(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`);
    }
  };
  await withRawServer(handler, ({ port }) =>
    inFolder(async (folder) => {
      const url = `http://127.0.0.1:${port}`;
      const into = ["--output-dir", join(folder, "new"), "--create-dirs"];
      const run = await runCli([
        ...into,
        "-OJ",
        `${url}/named?x=/y`,
        "-O",
        `${url}/coded`,
        "-O",
        `${url}/odd`,
      ]);
      assert.equal(run.code, 0, run.stderr);
      assert.deepEqual((await readdir(join(folder, "new"))).sort(), [
        "_profile",
        "naïve name",
        "odd",
      ]);
      // What the server calls a file must not take the place of another.
      const again = await runCli([...into, "-OJ", `${url}/coded`]);
      assert.equal(again.code, 23);
      assert.match(again.stderr, /file already exists/);
      const missing = await runCli(["--output-dir", join(folder, "none"), "-O", `${url}/odd`]);
      assert.equal(missing.code, 23);
      await runCli([...into, "--no-clobber", "-o", "odd", `${url}/odd`]);
      assert.ok((await readdir(join(folder, "new"))).includes("odd.1"));
    }));
});

test("cli: -C - goes on with what broke off, if it is still the same, and never else", async () => {
  const whole = "0123456789".repeat(100);
  let tag = '"one"';
  const ranges: (string | null)[] = [];
  const handler: RawHandler = async (connection) => {
    const head = await connection.readHead();
    const from = Number(/^range: bytes=(\d+)-/im.exec(head)?.[1] ?? NaN);
    const condition = /^if-range: (.*)$/im.exec(head)?.[1] ?? null;
    ranges.push(condition);
    const fields = `ETag: ${tag}\r\nConnection: close\r\n`;
    if (Number.isNaN(from) || condition !== tag) {
      await connection.send(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 1000\r\n\r\n`);
      await connection.send(whole.slice(0, 400));
      connection.end();
    } else if (from === 1000) {
      await connection.send(
        `HTTP/1.1 416 No\r\n${fields}Content-Range: bytes */1000\r\nContent-Length: 0\r\n\r\n`,
      );
    } else {
      const range = `Content-Range: bytes ${from}-999/1000\r\nContent-Length: ${1000 - from}\r\n`;
      await connection.send(
        `HTTP/1.1 206 Partial Content\r\n${fields}${range}\r\n${whole.slice(from)}`,
      );
    }
    connection.end();
  };
  await withRawServer(handler, ({ port }) =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      const args = ["-C", "-", "-o", path, `http://127.0.0.1:${port}/`];
      assert.equal((await runCli(args.slice(2))).code, 18);
      assert.equal((await stat(path)).size, 400);
      const on = await runCli(args);
      assert.equal(on.code, 0, on.stderr);
      assert.equal(await readFile(path, "utf8"), whole);
      assert.deepEqual(ranges, [null, '"one"']);
      // What it was a part of is not kept any longer than it is needed.
      assert.deepEqual(await readdir(folder), ["file"]);
      const unknown = await runCli(args);
      assert.equal(unknown.code, 33);
      assert.match(unknown.stderr, /has no .*file\.roundtrip-part that tells/);
      assert.equal(await readFile(path, "utf8"), whole);

      await runCli(["-o", path, args[4]]);
      tag = '"two"';
      const other = await runCli(args);
      assert.equal(other.code, 33);
      assert.match(other.stderr, /other content by now/);
      assert.equal((await readFile(path, "utf8")).length, 400);
      tag = '"one"';
      await writeFile(path, "something else");
      const changed = await runCli(args);
      assert.equal(changed.code, 33);
      assert.match(changed.stderr, /has 14 bytes, not 400/);
    }));
});

test("cli: Ctrl-C leaves what tells of what the part is a part of", async () => {
  const asked = Promise.withResolvers<void>();
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send('HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n01234');
    asked.resolve();
    await connection.closed;
  }, ({ port }) =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      const io = memoryIo();
      const running = main(["-o", path, `http://127.0.0.1:${port}/`], io);
      await asked.promise;
      await until("the part is written", () => sizeOf(path) === 5);
      io.interrupt();
      assert.equal(await running, 130);
      assert.equal(io.err(), "");
      assert.deepEqual(JSON.parse(await readFile(`${path}.roundtrip-part`, "utf8")), {
        bytes: 5,
        field: "etag",
        value: '"a"',
      });
    }));
});

test("cli: -C - of a part that is the whole is done", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFile(path, "12345");
    await writeFile(`${path}.roundtrip-part`, '{"bytes":5,"field":"etag","value":"\\"a\\""}\n');
    const answer = "HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 3\r\n\r\nnot";
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(answer);
    }, async ({ port }) => {
      const run = await runCli(["-C", "-", "-o", path, `http://127.0.0.1:${port}/`]);
      assert.deepEqual([run.code, run.stderr], [0, ""]);
    });
    assert.equal(await readFile(path, "utf8"), "12345");
    assert.deepEqual(await readdir(folder), ["file"]);
  });
});

test("cli: --remove-on-error leaves no file, and -z none where nothing has changed", async () => {
  const handler: RawHandler = async (connection) => {
    const head = await connection.readHead();
    await connection.send(
      /^if-modified-since: Wed, 01 Jan 2020 00:00:00 GMT$/im.test(head)
        ? "HTTP/1.1 304 Not Modified\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart",
    );
    connection.end();
  };
  await withRawServer(handler, ({ port }) =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      const url = `http://127.0.0.1:${port}/`;
      assert.equal((await runCli(["--remove-on-error", "-o", path, url])).code, 18);
      assert.equal((await runCli(["-z", "2020-01-01T00:00:00Z", "-o", path, url])).code, 0);
      assert.deepEqual(await readdir(folder), []);
    }));
});

test("cli: -D writes the heads of all transfers to a file", async () => {
  await withServer((url) =>
    inFolder(async (folder) => {
      const path = join(folder, "heads");
      const run = await runCli(["-D", path, `${url}/moved`, `${url}/teapot`]);
      assert.equal(textOf(run.stdout), "helloshort and stout");
      const statuses = (await readFile(path, "utf8")).match(/^HTTP.*$/gm);
      assert.deepEqual(statuses, [
        "HTTP/1.1 302 Found",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 418 I'm a teapot",
      ]);
    })
  );
});

test("ProgressBoard draws a line for each transfer, and moves up what is finished", () => {
  const io = memoryIo({ terminal: true });
  let now = 0;
  const board = new ProgressBoard(io.stderr, () => now);
  const one = board.begin("one", 1000);
  const two = board.begin("a name that is longer than its place is", null);
  one.add(500);
  assert.equal(io.err(), "");
  now = 1000;
  two.add(5);
  const drawn = io.err();
  assert.match(
    drawn,
    /^one {15}50 % \[#+-+\] {5}500 B of {3}1\.0 kB {5}500 B\/s {2}1\.0 s left\n…an its place is 5 B {2}5 B\/s\n$/,
  );
  for (const line of drawn.split("\n")) assert.ok(line.length < 80, line);
  one.add(500);
  one.finish();
  const finished = io.err().slice(drawn.length);
  // deno-lint-ignore no-control-regex
  assert.match(finished, /^\x1b\[2A\r\x1b\[Jone {14}1\.0 kB in 1\.0 s, 1\.0 kB\/s\n…an its.*\n$/);
  board.write("a message\n");
  assert.ok(
    io.err().slice(drawn.length + finished.length).startsWith("\x1b[1A\r\x1b[Ja message\n…"),
  );
  two.erase();
  assert.ok(io.err().endsWith("\x1b[1A\r\x1b[J"));
});

test("bars that stand below each other begin and end in the same columns", () => {
  for (const room of [62, 142]) {
    const lines = [[5e5, 2e6], [999, 1000], [123_456_789, 999_900_000], [1, 40]].map((
      [bytes, lengthBytes],
    ) => progressLine({ bytes, lengthBytes, elapsedMs: 7000 }, room, true));
    assert.equal(new Set(lines.map((line) => line.indexOf("]"))).size, 1, lines.join("\n"));
    assert.equal(new Set(lines.map((line) => line.indexOf(" of "))).size, 1);
    assert.equal(new Set(lines.map((line) => line.indexOf("/s"))).size, 1);
    for (const line of lines) assert.ok(line.length <= room, line);
  }
});

test("cli: many downloads at once leave a line each, and an error its own", async () => {
  const io = memoryIo({ terminal: true });
  const handler: RawHandler = async (connection) => {
    const name = (await connection.readHead()).split(" ")[1].slice(1);
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\na");
    // A body that is there sooner leaves none.
    await until(`the bar of f${name}`, () => io.err().includes(`f${name} `));
    if (name !== "2") await connection.send("b");
    connection.end();
  };
  await withRawServer(handler, ({ port }) =>
    inFolder(async (folder) => {
      const args = ["-Z", "--output-dir", folder, "-o", "f#1", `http://127.0.0.1:${port}/[1-3]`];
      assert.equal(await main(args, io), 18);
      const lines = io.err().split("\n");
      assert.equal(lines.filter((line) => / in \S+(?: s)?, /.test(line)).length, 2, io.err());
      assert.ok(lines.some((line) => /roundtrip: .*ERR_INCOMPLETE_BODY/.test(line)));
    }));
});

test("cli: no bars are drawn over a body that goes to the same terminal", async () => {
  const handler: RawHandler = async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\na");
    await new Promise((resolve) => setTimeout(resolve, 700));
    await connection.send("b");
    connection.end();
  };
  await withRawServer(handler, ({ port }) =>
    inFolder(async (folder) => {
      const io = memoryIo({ terminal: true });
      const url = `http://127.0.0.1:${port}/`;
      assert.equal(await main(["-Z", "-o", join(folder, "one"), url, url], io), 0);
      assert.deepEqual([io.err(), io.out()], ["", "ab"]);
    }));
});

test("M1 cli: -Z with -D keeps the head of every response, whoever comes first", async () => {
  await withServer(async (url) => {
    await inFolder(async (folder) => {
      const heads = join(folder, "heads");
      const run = await runCli(["-Z", "-D", heads, `${url}/hello#[1-9]`]);
      assert.equal(run.code, 0, run.stderr);
      const text = await readFile(heads, "latin1");
      assert.equal(text.match(/^HTTP\/1\.1 200/gm)?.length, 9, text);
      assert.equal(text.match(/\r\n\r\n/g)?.length, 9);
    });
  });
});

test("M4 cli: -T takes several files, each to every URL; with -g the name is as it is", async () => {
  await withServer(async (url) => {
    await inFolder(async (folder) => {
      for (const name of ["a", "b", "{a,b}"]) await writeFile(join(folder, name), `<${name}>`);
      const files = join(folder, "{a,b}");
      const asked = async (...args: string[]): Promise<string[]> => {
        const run = await runCli([...args, "-T", files, `${url}/echo#{1,2}`]);
        assert.equal(run.code, 0, run.stderr);
        return textOf(run.stdout).replaceAll("}{", "}\n{").split("\n").map((text) => {
          const { method, body } = JSON.parse(text);
          return `${method} ${body}`;
        });
      };
      assert.deepEqual(await asked(), ["PUT <a>", "PUT <a>", "PUT <b>", "PUT <b>"]);
      assert.deepEqual(await asked("-g"), ["PUT <{a,b}>"]);
      const odd = await runCli(["-T", "{a", `${url}/echo`]);
      assert.equal(odd.code, 3);
      assert.match(odd.stderr, /of path "\{a"/);
    });
  });
});

test("M2 cli: size_download is that of the body that is written, not of redirects", async () => {
  const answers = [
    "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345",
  ];
  await withRawServer(async (connection) => {
    for (const answer of answers) {
      await connection.readHead();
      await connection.send(answer);
    }
  }, async ({ port }) => {
    await inFolder(async (folder) => {
      const out = ["-o", join(folder, "out")];
      const run = await runCli([
        "-w",
        "%{size_download}",
        ...out,
        "-L",
        `http://127.0.0.1:${port}/`,
      ]);
      assert.deepEqual([run.code, textOf(run.stdout)], [0, "5"]);
    });
  });
});
