/**
 * The programs of README.md run as they stand there, against servers of ours; its tables and links
 * are those of the code.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../scripts/run_program.ts";
import { test } from "../support/harness.ts";
import { outputOf, programsOf } from "../support/page_programs.ts";
import { withReadmeServer } from "../support/readme_server.ts";

const text = "Hello from the server";

/** What the program of each section prints. */
const expected: Readonly<Record<string, RegExp>> = {
  "Roundtrip": new RegExp(`^200 ${text}\nconnection 1 waited ms: [0-9.]+\n$`),
  "Put it in the place of `fetch`": new RegExp(`^true ${text}\nreused: false\n$`),
  "Keep defaults and cookies in a client": /^201 7\n$/,
  "Throw on errors, try again, and extend a client": new RegExp(
    `^try 1: 503\n${text}\nGET http://[^ ]+/orders/0 was answered with 404 Not Found No such order\n$`,
  ),
  "Control the pool, and see what happens":
    /^connection #1 new\nconnection #1 reused\nwould reuse #1, idle [^\n]+\nidle: 1\n$/,
  "Stream, with progress and a digest": new RegExp(
    `^sent 7\nsent 14\nsent 21\ngot ${text.length} of ${text.length}\n${text}\n$`,
  ),
  "Pass a proxy": new RegExp(`^200 ${text}\n$`),
  "Talk to a Unix socket": new RegExp(`^200 ${text}\n$`),
  "Speak another protocol after the handshake": /^101 hello\n$/,
  "Try again, and go on where a download broke off": new RegExp(
    `^try 1 gave 503\n200 ${text}\n$`,
  ),
  "Do something before and after each request": /^GET \/secret 200\nYour secret\n$/,
  "Say who asks": /^200\n200\n$/,
  "Read events and JSON lines": /^tick 1\nmessage 2\n\{\s+n: 1,?\s+\}\n\{\s+n: 2,?\s+\}\n$/,
  "Ask for events again": /^first\nagain, from 1 on\nsecond\nagain, from 2 on\n$/,
  "Know what went wrong": /^ERR_DIAL dial never-sent\n$/,
};

/** Runs a program with the servers that it names replaced by ours. */
async function outputAt(code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  const socketPath = join(folder, "socket");
  let output = "";
  try {
    await withReadmeServer(socketPath, async (port) => {
      output = await outputOf(code, [
        // Only the proxy knows that name, and ours answers itself.
        ...(code.includes("127.0.0.1:3128")
          ? [["127.0.0.1:3128", `127.0.0.1:${port}`] as const]
          : [["http://example.com/", `http://127.0.0.1:${port}/`] as const]),
        ["/var/run/docker.sock", socketPath],
      ]);
    });
    return output;
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("readme: each section has at most one program, and each is known here", async () => {
  const headings = (await programsOf("README.md")).map(({ heading }) => heading);
  assert.deepEqual(headings, Object.keys(expected));
});

for (const [heading, output] of Object.entries(expected)) {
  test(`readme: the program of "${heading}" runs`, async () => {
    const program = (await programsOf("README.md")).find((each) => each.heading === heading);
    assert.ok(program !== undefined, "README.md has no such program any more");
    assert.match(await outputAt(program.code), output);
  });
}

/** The part of a source file, or of the page, between two texts. */
async function between(path: string, from: string, to: string): Promise<string> {
  const content = await readFile(join(root, path), "utf8");
  const start = content.indexOf(from);
  assert.ok(start !== -1, `${path} has no "${from}"`);
  return content.slice(start, content.indexOf(to, start + from.length));
}

/** The names that begin the items of the lists below a heading. */
async function listedNames(heading: string): Promise<string[]> {
  const section = await between("README.md", `\n${heading}\n`, "\n#");
  const items = [...section.matchAll(/^- (`\w+`(?:, `\w+`)*)/gm)].map(([, names]) => names);
  return items.flatMap((names) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name));
}

test("readme: the lists hold every option and every code, and no others", async () => {
  const rows: [heading: string, path: string, from: string, name: RegExp][] = [
    [
      "### `new Transport({ … })`",
      "transport/transport_options.ts",
      "const OPTIONS",
      /^ {2}(\w+): "/gm,
    ],
    [
      "### `new HttpRequest(url, { … })`, `client.get(url, { … })`",
      "transport/message/http_request.ts",
      "interface HttpRequestInit",
      /^ {2}(\w+)\?:/gm,
    ],
    [
      "### `new Client({ … })`",
      "client/client.ts",
      "interface ClientOptions",
      /^ {2}(\w+)\?:/gm,
    ],
    ["## Errors", "conn/http_error.ts", "type HttpErrorCode", /^ {2}\| "(\w+)"/gm],
  ];
  for (const [heading, path, from, name] of rows) {
    const source = await between(path, from, from.startsWith("type") ? ";" : "\n}");
    const inCode = [...source.matchAll(name)].map(([, found]) => found);
    assert.ok(inCode.length > 5, `${path} is read in another way`);
    const onPage = await listedNames(heading);
    assert.deepEqual(onPage.toSorted(), inCode.toSorted(), heading);
  }
});

test("readme: every link within the tree leads somewhere", async () => {
  const page = await readFile(join(root, "README.md"), "utf8");
  const titles = [...page.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title);
  const anchors = titles.map((title) =>
    title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
  );
  for (const [, target] of page.matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith("#")) assert.ok(anchors.includes(target.slice(1)), target);
    else if (!target.startsWith("http")) await stat(join(root, target));
  }
});
