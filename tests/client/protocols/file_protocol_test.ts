/**
 * `file:` URLs through a transport: files below one folder, nothing else, and no descriptor left.
 *
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  fileProtocol,
  type FileProtocolOptions,
  type HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
} from "../../../mod.ts";
import { root as tree, runProgram, runtimePath } from "../../../scripts/run_program.ts";
import { collectUntil } from "../../support/collector.ts";
import { test } from "../../support/harness.ts";
import { latin1 } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

interface Context {
  /** The folder that may be read; beside it lies `secret.txt`. */
  readonly root: string;
  readonly outside: string;
  request(url: string, init?: HttpRequestInit): Promise<HttpResponse>;
}

/** Runs a test with a folder of its own, and checks that no file in it is left open. */
async function withRoot(
  run: (context: Context) => Promise<void>,
  options: Partial<FileProtocolOptions> = {},
): Promise<void> {
  const outside = await fs.realpath(await fs.mkdtemp(join(tmpdir(), "roundtrip-")));
  const root = join(outside, "root");
  await fs.mkdir(root);
  await fs.writeFile(join(outside, "secret.txt"), "secret");
  await fs.writeFile(join(root, "hello.txt"), "hello");
  const transport = new Transport();
  transport.registerProtocol("file", fileProtocol({ root, ...options }));
  try {
    const request = (url: string, init?: HttpRequestInit): Promise<HttpResponse> =>
      transport.roundTrip(new HttpRequest(url, init));
    await run({ root, outside, request });
    await until("every file is closed", () => openBelow(outside) === 0);
  } finally {
    await transport.close();
    await fs.rm(outside, { recursive: true });
  }
}

/** How many descriptors of this process lead below a folder; 0 where there is no /proc. */
function openBelow(folder: string): number {
  let count = 0;
  for (const fd of listed("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)) count++;
    } catch {
      // Closed since it was listed.
    }
  }
  return count;
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Writes a file of a size, and returns its bytes. */
async function writeLarge(path: string, size: number): Promise<Uint8Array> {
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
  await fs.writeFile(path, bytes);
  return bytes;
}

const LARGE = 1024 * 1024 + 3;

test("file: a file is a response with its length, type and time", async () => {
  await withRoot(async ({ root, request }) => {
    await fs.utimes(join(root, "hello.txt"), 1_000_000_000, 1_000_000_000);
    const response = await request("file:///hello.txt?query#fragment");
    assert.deepEqual([response.status, response.statusText], [200, "OK"]);
    assert.deepEqual([...response.headers], [
      ["Content-Type", "text/plain"],
      ["Content-Length", "5"],
      ["Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT"],
      ["Accept-Ranges", "bytes"],
    ]);
    assert.equal(response.contentLength, 5);
    assert.equal(response.connection.id, 0);
    assert.equal(response.timings.bodyMs, null);
    assert.equal(await response.text(), "hello");
    assert.equal((await response.trailers).size, 0);
    assert.ok(response.timings.bodyMs! >= 0);
    for (const url of ["file://localhost/hello.txt", "file:/hello.txt", "file:////hello.txt"]) {
      assert.equal(await (await request(url)).text(), "hello", url);
    }
  });
});

test("file: types follow the end of the name, and the caller's table", async () => {
  const rows: [string, string][] = [
    ["a.HTML", "text/html"],
    ["a.tar.gz", "application/gzip"],
    ["a", "application/octet-stream"],
    [".png", "image/png"],
    ["a.constructor", "application/octet-stream"],
    ["a.mine", "x/mine"],
    ["a.css", "text/x"],
  ];
  await withRoot(async ({ root, request }) => {
    for (const [name, type] of rows) {
      await fs.writeFile(join(root, name), "x");
      const response = await request(`file:///${name}`);
      assert.equal(response.headers.get("content-type"), type, name);
      assert.equal(await response.text(), "x");
    }
  }, { contentTypes: { ".mine": "x/mine", ".css": "text/x" } });
});

test("file: names are decoded once", async () => {
  await withRoot(async ({ root, request }) => {
    for (const name of ["a b", "\u00e9", "a%41", "a?b#c", "...", "..a", "a..", "~", "a:b"]) {
      await fs.writeFile(join(root, name), name);
      const response = await request(`file:///${encodeURIComponent(name)}`);
      assert.equal(await response.text(), name);
    }
    await fs.mkdir(join(root, "d"));
    await fs.writeFile(join(root, "d", "x"), "deep");
    assert.equal(await (await request("file:///d/e/../x")).text(), "deep");
  });
});

test("file: an empty file and HEAD have no content, and hold nothing open", async () => {
  await withRoot(async ({ root, outside, request }) => {
    await fs.writeFile(join(root, "empty"), "");
    const empty = await request("file:///empty");
    assert.deepEqual([empty.status, empty.contentLength], [200, 0]);
    const head = await request("file:///hello.txt", {
      method: "HEAD",
      headers: { Range: "bytes=0-1" },
    });
    assert.deepEqual([head.status, head.contentLength], [200, 5]);
    await until("every file is closed", () => openBelow(outside) === 0);
    assert.equal(await empty.text(), "");
    assert.equal(await head.text(), "");
  });
});

test("file: what is no regular file is not found", async () => {
  await withRoot(async ({ root, request }) => {
    await fs.mkdir(join(root, "folder"));
    await fs.symlink("folder", join(root, "link"));
    await fs.symlink("nowhere", join(root, "dangling"));
    await fs.symlink("loop", join(root, "loop"));
    execFileSync("mkfifo", [join(root, "fifo")]);
    const paths = [
      "",
      "folder",
      "folder/",
      "link",
      "dangling",
      "loop",
      "fifo",
      "nothing",
      "hello.txt/",
      "hello.txt/x",
      "folder//hello.txt",
      "a".repeat(300),
    ];
    for (const path of paths) {
      const response = await request(`file:///${path}`);
      assert.deepEqual([response.status, await response.text()], [404, ""], path);
    }
  });
});

test("file: only GET and HEAD are allowed, and no body", async () => {
  await withRoot(async ({ request }) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get"]) {
      const response = await request("file:///hello.txt", { method });
      assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD"]);
    }
    await assert.rejects(request("file:///hello.txt", { body: "x" }), {
      code: "ERR_INVALID_REQUEST",
    });
  });
});

test("file: no name leads out of the root", async () => {
  await withRoot(async ({ outside, request }) => {
    const refused = [
      "file:///..%2fsecret.txt",
      "file:///%2e%2e%2fsecret.txt",
      "file:///%2E%2E%2Fsecret.txt",
      "file:///a%2f..%2f..%2fsecret.txt",
      "file:///..%5csecret.txt",
      "file:///hello.txt%00",
      "file:///%00",
      "file:///%2fetc%2fpasswd",
      "file:///%",
      "file:///%ff",
      "file://host/hello.txt",
      "file://127.0.0.1/hello.txt",
      "file://.../hello.txt",
    ];
    for (const url of refused) {
      await assert.rejects(request(url), { code: "ERR_INVALID_REQUEST" }, url);
    }
    const harmless = [
      "file:///../secret.txt",
      "file:///%2e%2e/secret.txt",
      "file:///.%2E/.%2e/secret.txt",
      "file:///..\\secret.txt",
      "file:///%252e%252e/secret.txt",
      "file:///%252e%252e%252fsecret.txt",
      `file://${outside}/secret.txt`,
      `file:///${outside}/secret.txt`,
      "file:secret.txt",
    ];
    for (const url of harmless) assert.equal((await request(url)).status, 404, url);
    assert.equal(await (await request("file:///../hello.txt")).text(), "hello");
  });
});

test("file: links are followed inside the root, and never out of it", async () => {
  await withRoot(async ({ root, outside, request }) => {
    await fs.mkdir(join(root, "folder"));
    await fs.writeFile(join(root, "folder", "inside"), "inside");
    await fs.symlink("folder/inside", join(root, "good"));
    await fs.symlink(join(root, "folder"), join(root, "goodFolder"));
    assert.equal(await (await request("file:///good")).text(), "inside");
    assert.equal(await (await request("file:///goodFolder/inside")).text(), "inside");
    // Its real path begins with that of the root, and is not below it.
    await fs.mkdir(root + "2");
    await fs.writeFile(join(root + "2", "x"), "secret");
    await fs.symlink("../secret.txt", join(root, "relative"));
    await fs.symlink(join(outside, "secret.txt"), join(root, "absolute"));
    await fs.symlink("..", join(root, "up"));
    await fs.symlink("../root2", join(root, "sibling"));
    await fs.symlink("up/secret.txt", join(root, "twice"));
    await fs.symlink("/dev/zero", join(root, "device"));
    const paths = ["relative", "absolute", "up/secret.txt", "sibling/x", "twice", "device", "up"];
    for (const path of paths) {
      await assert.rejects(
        request(`file:///${path}`),
        { code: "ERR_BLOCKED", phase: "dial" },
        path,
      );
    }
    // Back inside: the path is judged by where it ends.
    assert.equal(await (await request("file:///up/root/hello.txt")).text(), "hello");
  });
});

test("file: a root that is a link is the folder that it leads to", async () => {
  await withRoot(async ({ root, outside }) => {
    const link = join(outside, "link");
    await fs.symlink(root, link);
    const transport = new Transport();
    transport.registerProtocol("file", fileProtocol({ root: link }));
    const response = await transport.roundTrip(new HttpRequest("file:///hello.txt"));
    assert.equal(await response.text(), "hello");
    await transport.close();
  });
});

test("file: a folder that is swapped for a link under way gives its own file or an error", async () => {
  await withRoot(async ({ root, outside, request }) => {
    const [folder, away] = [join(root, "d"), join(root, "away")];
    await fs.mkdir(folder);
    await fs.writeFile(join(folder, "x"), "inside");
    await fs.mkdir(join(outside, "evil"));
    await fs.writeFile(join(outside, "evil", "x"), "secret");
    let swapping = true;
    const swapper = (async () => {
      while (swapping) {
        await fs.rename(folder, away);
        await fs.symlink(join(outside, "evil"), folder);
        await fs.unlink(folder);
        await fs.rename(away, folder);
      }
    })();
    const seen = new Set<string>();
    for (let n = 0; n < 2_000; n++) {
      try {
        const response = await request("file:///d/x");
        seen.add(await response.text() || String(response.status));
      } catch (error) {
        seen.add((error as { code: string }).code);
      }
    }
    swapping = false;
    await swapper;
    assert.ok(!seen.has("secret"), "what is outside was read");
    for (const expected of ["inside", "404", "ERR_BLOCKED"]) seen.delete(expected);
    assert.deepEqual([...seen], []);
  });
});

test("file: one range of a file can be asked for", async () => {
  const rows: [string, number, string, string | null][] = [
    ["bytes=0-1", 206, "he", "bytes 0-1/5"],
    ["bytes=1-", 206, "ello", "bytes 1-4/5"],
    ["bytes=3-99", 206, "lo", "bytes 3-4/5"],
    ["bytes=-2", 206, "lo", "bytes 3-4/5"],
    ["bytes=-99", 206, "hello", "bytes 0-4/5"],
    ["BYTES=4-4", 206, "o", "bytes 4-4/5"],
    ["bytes=5-", 416, "", "bytes */5"],
    ["bytes=-0", 416, "", "bytes */5"],
    ["bytes=3-2", 200, "hello", null],
    ["bytes=0-1,3-4", 200, "hello", null],
    ["bytes=", 200, "hello", null],
    ["bytes=-", 200, "hello", null],
    ["lines=0-1", 200, "hello", null],
    ["bytes=0x1-2", 200, "hello", null],
    ["bytes=99999999999999999999-", 200, "hello", null],
  ];
  await withRoot(async ({ request }) => {
    for (const [range, status, text, contentRange] of rows) {
      const response = await request("file:///hello.txt", { headers: { "Range": range } });
      assert.equal(response.status, status, range);
      assert.equal(response.headers.get("content-range"), contentRange, range);
      assert.equal(response.contentLength, text.length, range);
      assert.equal(await response.text(), text, range);
    }
    const changed = (await request("file:///hello.txt", { method: "HEAD" })).headers
      .get("last-modified")!;
    for (const [condition, status] of [[changed, 206], ['"tag"', 200]] as const) {
      const headers = { "Range": "bytes=0-1", "If-Range": condition };
      const response = await request("file:///hello.txt", { headers });
      assert.equal(response.status, status);
      await response.body.close();
    }
  });
});

test("file: the body is read as it is wanted, to its last byte, and then the file is closed", async () => {
  await withRoot(async ({ root, outside, request }) => {
    const bytes = await writeLarge(join(root, "large"), LARGE);
    const response = await request("file:///large");
    const p = new Uint8Array(1000);
    assert.equal(await response.body.read(new Uint8Array(0)), 0);
    assert.equal(await response.body.read(p), 1000);
    assert.deepEqual(p, bytes.subarray(0, 1000));
    assert.deepEqual(await response.bytes(), new Uint8Array(bytes.subarray(1000)));
    await until("the file is closed", () => openBelow(outside) === 0);
    assert.equal(await response.body.read(p), null);
    const { stream } = (await request("file:///large")).body;
    assert.deepEqual(
      new Uint8Array(await new Response(stream).arrayBuffer()),
      new Uint8Array(bytes),
    );
    const web = (await request("file:///large")).toWeb();
    assert.deepEqual(new Uint8Array(await web.arrayBuffer()), new Uint8Array(bytes));
  });
});

test("file: a body that is given up closes the file", async () => {
  await withRoot(async ({ root, outside, request }) => {
    await writeLarge(join(root, "large"), LARGE);
    const ways: ((response: HttpResponse) => unknown)[] = [
      (response) => response.body.close(),
      (response) => response[Symbol.asyncDispose](),
      (response) => response.body.stream.cancel(),
      (response) => response.toWeb().body!.cancel(),
      async (response) => {
        for await (const _ of response.body) break;
      },
      async (response) => {
        const reading = response.body.read(new Uint8Array(LARGE));
        await response.body.close();
        await assert.rejects(reading, { code: "ERR_BODY_CLOSED" });
      },
    ];
    for (const giveUp of ways) {
      const response = await request("file:///large");
      if (openBelow("/") > 0) assert.equal(openBelow(outside), 1);
      await giveUp(response);
      await until("the file is closed", () => openBelow(outside) === 0);
      await assert.rejects(response.body.read(new Uint8Array(1)), { code: "ERR_BODY_CLOSED" });
      assert.equal(await response.trailers.catch(() => null), null);
    }
  });
});

test("file: an abort ends the request or the body with its reason, and closes the file", async () => {
  await withRoot(async ({ root, outside, request }) => {
    await writeLarge(join(root, "large"), LARGE);
    const reason = new Error("no more");
    const isReason = (error: unknown): boolean => error === reason;
    await assert.rejects(
      request("file:///large", { signal: AbortSignal.abort(reason) }),
      isReason,
    );
    const early = new AbortController();
    const opening = request("file:///large", { signal: early.signal });
    early.abort(reason);
    await assert.rejects(opening, isReason);
    await until("the file is closed", () => openBelow(outside) === 0);
    const late = new AbortController();
    const response = await request("file:///large", { signal: late.signal });
    await response.body.read(new Uint8Array(10));
    const reading = response.body.read(new Uint8Array(LARGE));
    late.abort(reason);
    await assert.rejects(reading, isReason);
    await until("the file is closed", () => openBelow(outside) === 0);
    await assert.rejects(response.body.read(new Uint8Array(1)), isReason);
    await assert.rejects(response.trailers, isReason);
  });
});

/** Opens with a time that is enough for it, however busy the machine is. */
async function openedWithin(
  timeoutMs: number,
  open: (timeoutMs: number) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  for (;; timeoutMs *= 2) {
    try {
      return await open(timeoutMs);
    } catch (error) {
      if ((error as HttpError).code !== "ERR_TIMEOUT") throw error;
    }
  }
}

test("file: the time for everything covers the body", async () => {
  await withRoot(async ({ root, outside, request }) => {
    await writeLarge(join(root, "large"), LARGE);
    const response = await openedWithin(
      250,
      (timeoutMs) => request("file:///large", { timeoutMs }),
    );
    const { body } = response;
    while (response.timings.bodyMs === null) await pause(5);
    await assert.rejects(body.read(new Uint8Array(1)), { code: "ERR_TIMEOUT", phase: "body" });
    await until("the file is closed", () => openBelow(outside) === 0);
  });
});

test("file: a file that has become shorter is an error, one that has grown ends where it said", async () => {
  await withRoot(async ({ root, request }) => {
    const path = join(root, "file");
    await fs.writeFile(path, "0123456789");
    const shorter = await request("file:///file");
    await fs.truncate(path, 4);
    assert.equal(await shorter.body.read(new Uint8Array(8)), 4);
    await assert.rejects(shorter.body.read(new Uint8Array(8)), { code: "ERR_INCOMPLETE_BODY" });
    await fs.writeFile(path, "0123456789");
    const longer = await request("file:///file");
    await fs.appendFile(path, "more");
    assert.equal(await longer.text(), "0123456789");
  });
});

test("file: a response that is dropped unread is found by the collector, and the file closed", async () => {
  await withRoot(async ({ root, outside, request }) => {
    await writeLarge(join(root, "large"), LARGE);
    const leaked: number[] = [];
    const trace = { bodyLeaked: ({ id }: { id: number }): void => void leaked.push(id) };
    await (async () => void await request("file:///large", { trace }))();
    await collectUntil("the response is found", () => leaked.length === 1);
    assert.deepEqual(leaked, [0]);
    await until("the file is closed", () => openBelow(outside) === 0);
  });
});

test("file: options that mean nothing are refused", () => {
  for (
    const options of [{}, { root: "" }, { root: "a\0b" }, { root: 1 }, { root: "/", rot: "/" }]
  ) {
    assert.throws(() => fileProtocol(options as FileProtocolOptions), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});

test("file: the bytes of a body are those of the file, whatever the pieces", async () => {
  await withRoot(async ({ root, request }) => {
    const bytes = await writeLarge(join(root, "file"), 5000);
    const { body } = await request("file:///file", { headers: { Range: "bytes=7-4000" } });
    let text = "";
    for (let size = 1;; size = size * 3 % 701) {
      const p = new Uint8Array(size);
      const n = await body.read(p);
      if (n === null) break;
      text += latin1(p.subarray(0, n));
    }
    assert.equal(text, latin1(bytes.subarray(7, 4001)));
  });
});

test("file: on Deno, permission to read the root is enough, and links do not extend it", async () => {
  await withRoot(async ({ root, outside }) => {
    await fs.symlink("../secret.txt", join(root, "link"));
    const program = join(outside, "program.ts");
    await fs.writeFile(
      program,
      `import { fileProtocol, HttpRequest, Transport } from ${JSON.stringify(join(tree, "mod.ts"))};
      const transport = new Transport();
      transport.registerProtocol("file", fileProtocol({ root: ${JSON.stringify(root)} }));
      const get = (url: string) => transport.roundTrip(new HttpRequest(url));
      console.log(await (await get("file:///hello.txt")).text());
      console.log(await get("file:///link").catch((error) => error.code));`,
    );
    const { code, output } = await runProgram(runtimePath("deno"), [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-check",
      `--config=${join(tree, "deno.json")}`,
      `--allow-read=${root}`,
      program,
    ]);
    assert.deepEqual([code, output], [0, "hello\nERR_BLOCKED\n"]);
  });
});
