/**
 * The rules of the house, checked on the tree, and each rule on small sources that break it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/run_program.ts";
import { test } from "../support/harness.ts";
import {
  checkCycles,
  checkDirections,
  checkErasable,
  checkFileNames,
  checkFirstLoad,
  checkFloors,
  checkLeftovers,
  checkModuleComments,
  checkNodeImports,
  checkRfcReferences,
  checkRuntimeNames,
  checkTimers,
  importsOf,
  type Permission,
  shippedFolders,
  type SourceFile,
  sourceFile,
} from "../support/house_rules.ts";
import { readSource } from "../support/source_text.ts";

const adapter = "adapter of this runtime";

const nodeImports: readonly Permission[] = [
  { path: "conn/runtimes/node.ts", names: ["*"], reason: adapter },
  { path: "conn/runtimes/node_conn.ts", names: ["*"], reason: adapter },
  { path: "conn/runtimes/played_node.ts", names: ["*"], reason: adapter },
  { path: "conn/runtimes/node_intake.ts", names: ["*"], reason: adapter },
  { path: "conn/runtimes/kernel_look.ts", names: ["node:fs"], reason: adapter },
  { path: "conn/runtimes/lasting_socket.ts", names: ["node:net"], reason: adapter },
  {
    path: "conn/runtimes/node_tls.ts",
    names: ["*"],
    reason: "TLS that the native engines cannot do",
  },
  {
    path: "conn/names/system_resolver.ts",
    names: ["node:dns/promises"],
    reason: "the one of the system",
  },
  {
    path: "conn/runtimes/conn_duplex.ts",
    names: ["node:stream"],
    reason: "what node:tls runs over",
  },
  {
    path: "client/protocols/file_below_root.ts",
    names: ["node:fs", "node:fs/promises", "node:path"],
    reason: "reads files; the same modules on each runtime",
  },
  {
    path: "conn/runtimes/async_context.ts",
    names: ["node:async_hooks"],
    reason: "its types; the module itself is asked for where there is one",
  },
  { path: "http/content_decoder.ts", names: ["node:zlib"], reason: "types of what decodes" },
  { path: "http/whole_decoder.ts", names: ["node:zlib"], reason: "types of what decodes at once" },
  {
    path: "http/zlib.ts",
    names: ["node:zlib"],
    reason: "loads what decodes, piece by piece and at once",
  },
  {
    path: "http/digest_session.ts",
    names: ["node:crypto"],
    reason: "hashes, MD5 too; loaded when a server asks for a proof",
  },
  {
    path: "transport/message/body_digests.ts",
    names: ["node:crypto"],
    reason: "hashes piece by piece",
  },
  {
    path: "client/fetch/fetch_local.ts",
    names: ["node:buffer"],
    reason: "finds the Blob of a URL",
  },
  { path: "cli/", names: ["*"], reason: "a program: arguments, terminal, files, demo server" },
  {
    path: "testing/snapshot_transport.ts",
    names: ["node:fs/promises"],
    reason: "keeps exchanges in a file",
  },
  {
    path: "testing/loopback_listener.ts",
    names: ["node:fs", "node:net", "node:os", "node:path", "node:tls"],
    reason: "a server that listens; loaded when one is asked for, the same on each runtime",
  },
];

/** Libraries; the core has none. */
const libraries: readonly Permission[] = [
  {
    path: "client/cookies/memory_cookie_jar.ts",
    names: ["tough-cookie"],
    reason: "the rules of cookies and the list of public suffixes",
  },
  {
    path: "client/cookies/cookie_store.ts",
    names: ["tough-cookie"],
    reason: "what its jar stores into",
  },
  { path: "cli/aws_signature.ts", names: ["aws4fetch"], reason: "Amazon's signature" },
  { path: "cli/form_content.ts", names: ["mime"], reason: "the types of files by their names" },
  {
    path: "cli/output_name.ts",
    names: ["content-disposition"],
    reason: "the name that a server gives a file",
  },
];

const runtimeNames: readonly Permission[] = [
  { path: "conn/runtimes/deno.ts", names: ["Deno"], reason: adapter },
  { path: "conn/runtimes/bun.ts", names: ["Bun"], reason: adapter },
  { path: "conn/runtimes/node_intake.ts", names: ["Buffer"], reason: adapter },
  { path: "conn/dial.ts", names: ["Deno", "Bun"], reason: "picks the adapter" },
  { path: "conn/piece.ts", names: ["Bun"], reason: "its engine collects arrays in time" },
  {
    path: "conn/latin1.ts",
    names: ["Buffer", "Deno"],
    reason: "makes text of bytes in one call, if it is loaded already",
  },
  {
    path: "conn/runtimes/async_context.ts",
    names: ["process"],
    reason: "whether there are contexts",
  },
  { path: "http/content_coding.ts", names: ["process"], reason: "whether there is zstd" },
  {
    path: "client/fetch/fetch_local.ts",
    names: ["process"],
    reason: "finds the Blob of a URL before it can be revoked",
  },
  {
    path: "client/fetch/fetch_response.ts",
    names: ["Deno", "Bun"],
    reason: "their servers look behind the getters of a Response",
  },
  { path: "cli/", names: ["process"], reason: "a program: exit code, standard streams" },
];

/** Files of http/, http1/ and http2/ whose exports no RFC speaks of, and why. */
const withoutRfc: Readonly<Record<string, string>> = {
  "http/machine.ts": "interprets state tables; the tables are the protocol",
};

/** What is installed, built or binary. */
const notOurs =
  /(?:^|\/)(?:node_modules|\.git|dist|coverage|results)(?:\/|$)|\.(?:pem|key|png|gz)$/;

function listFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (notOurs.test(path)) return [];
    return entry.isDirectory() ? listFiles(path) : entry.isFile() ? [path] : [];
  });
}

const paths = listFiles(".");
const sources = paths.filter((path) => path.endsWith(".ts"))
  .map((path) => sourceFile(path, read(path)));
const shipped = sources.filter(({ path }) => shippedFolders.includes(path.split("/")[0]));

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function assertNone(complaints: readonly string[]): void {
  assert.ok(complaints.length === 0, `\n${complaints.join("\n")}`);
}

test("house: every shipped folder has files", () => {
  for (const folder of shippedFolders) {
    assert.ok(shipped.some(({ path }) => path.split("/")[0] === folder), folder);
  }
});

test("house: imports point down: conn, http, http1, transport, client, cli", () => {
  assertNone(checkDirections(shipped, libraries));
});

test("house: inside of a folder imports point down from floor to floor", () => {
  assertNone(checkFloors(shipped));
});

test("house: importing the package loads nothing but its own modules", () => {
  assertNone(checkFirstLoad(sources, "mod.ts", [
    "conn/runtimes/node",
    "conn/runtimes/bun",
    "conn/runtimes/deno",
    "http2/client_connection.ts",
    "transport/pool/multiplexed_connection.ts",
  ]));
});

test("house: the adapter of Node loads TLS when somebody asks for it", () => {
  const atOnce = ["node:net", "node:buffer", "node:fs"];
  assertNone(
    checkFirstLoad(sources, "conn/runtimes/node.ts", ["conn/runtimes/node_tls.ts"], atOnce),
  );
});

test("house: no file imports itself through others", () => {
  assertNone(checkCycles(shipped));
});

test("house: node: modules are imported only where that is permitted", () => {
  assertNone(checkNodeImports(shipped, nodeImports));
});

test("house: runtime names are used only where that is permitted", () => {
  assertNone(checkRuntimeNames(shipped, runtimeNames));
});

test("house: timers are taken when the package is loaded", () => {
  assertNone(checkTimers(shipped));
});

test("house: no drawers", () => {
  assertNone(checkFileNames(sources));
});

test("house: every source file opens with a module comment", () => {
  assertNone(checkModuleComments(sources));
});

test("house: shipped TypeScript is erasable", () => {
  assertNone(checkErasable(shipped));
});

test("house: every exported symbol of http/, http1/ and http2/ names its RFC", () => {
  assertNone(
    checkRfcReferences(
      shipped.filter(({ path }) => /^http[12]?\//.test(path) && !(path in withoutRfc)),
    ),
  );
});

test("house: nothing is left for later, no folder of a machine is named", () => {
  assertNone(
    checkLeftovers(paths.map((path) => ({ path, text: read(path) }))),
  );
});

test("house: deno.json and package.json say the same", () => {
  const jsr = JSON.parse(read("deno.json"));
  const npm = JSON.parse(read("package.json"));
  for (const key of ["name", "version", "license"]) assert.equal(npm[key], jsr[key], key);
  const sourcesOfNpm = Object.entries(npm.exports as Record<string, { default?: string }>)
    .flatMap(([entry, { default: built }]) =>
      built === undefined ? [] : [[entry, built.replace("dist/", "").replace(/\.js$/, ".ts")]]
    );
  assert.deepEqual(Object.fromEntries(sourcesOfNpm), jsr.exports);
});

test("house: the lock file names no host and holds the binaries of every platform", () => {
  assert.doesNotMatch(read("package-lock.json"), /"resolved"/);
  const { packages } = JSON.parse(read("package-lock.json"));
  for (const one of Object.values(packages) as { optionalDependencies?: object }[]) {
    for (const name of Object.keys(one.optionalDependencies ?? {})) {
      // npm leaves out what the registry did not have on that day, and then `npm ci` refuses the file.
      assert.ok(`node_modules/${name}` in packages, name);
    }
  }
});

// From here on: each rule on sources made to break it.

function synthetic(sources: Record<string, string>): SourceFile[] {
  return Object.entries(sources).map(([path, text]) => sourceFile(path, text));
}

test("readSource() blanks comments and strings, also in templates and beside divisions", () => {
  const rows: [string, string][] = [
    ['a("b // c"); // d', 'a("      ");     '],
    ["a /* b */ c", "a         c"],
    [
      "x = `a ${b + `c ${d} e` + {f: 1}.f} /* g */`;",
      "x = `  ${b + `  ${d}  ` + {f: 1}.f}        `;",
    ],
    ["x = a / b; y = c / d; // e", "x = a / b; y = c / d;     "],
    ['x = /["/*]/.test(y); "z"', 'x = /     /.test(y); " "'],
    ["f(/'/g, 1); 'a\\'b'", "f(/ /g, 1); '    '"],
  ];
  for (const [text, codeOnly] of rows) assert.equal(readSource(text).codeOnly, codeOnly);
});

test("importsOf() sees every form of import, and none in comments and strings", () => {
  const [file] = synthetic({
    "conn/a.ts": `/** import "./0.ts"; */
import "./1.ts";
import type { A } from "./2.ts";
import {
  B,
} from "./3.ts";
export * from './4.ts';
const c = await import("./5.ts");
type D = import("./6.ts").D;
const text = 'import "./7.ts"';
`,
  });
  const specifiers = importsOf(file).map(({ specifier }) => specifier);
  assert.deepEqual(specifiers, ["./1.ts", "./2.ts", "./3.ts", "./4.ts", "./5.ts", "./6.ts"]);
});

test("checkDirections() refuses imports that point up, out or at testing", () => {
  const files = synthetic({
    "conn/good.ts": 'import "./b.ts"; import "node:net";',
    "conn/up.ts": 'import type { A } from "../http1/a.ts";',
    "http1/lazy.ts": 'const a = await import("../client/a.ts");',
    "transport/fake.ts": 'import "../../testing/mod.ts";',
    "client/out.ts": 'import "npm:left-pad";\nimport "./b.js";',
    "testing/good.ts": 'import "../transport/a.ts";',
    "mod.ts": 'export * from "./cli/mod.ts";',
  });
  assert.deepEqual(checkDirections(files), [
    'conn/up.ts:1: conn must not import "../http1/a.ts"',
    'http1/lazy.ts:1: http1 must not import "../client/a.ts"',
    'transport/fake.ts:1: transport must not import "../../testing/mod.ts"',
    'client/out.ts:1: imports "npm:left-pad", which is not ours',
    'client/out.ts:2: "./b.js" does not end in .ts',
    'mod.ts:1: mod.ts must not import "./cli/mod.ts"',
  ]);
});

test("checkFirstLoad() follows what is imported at once, and no types", () => {
  const files = synthetic({
    "mod.ts": 'export {\n  a,\n} from "./conn/a.ts";\nexport type { B } from "./conn/b.ts";',
    "conn/a.ts":
      'import type { Socket } from "node:net";\nimport { c } from "./c.ts";\nimport("tough-cookie");',
    "conn/b.ts": 'import "node:fs";',
    "conn/c.ts": 'import { d } from "left-pad";\nimport "node:http";',
  });
  assert.deepEqual(checkFirstLoad(files, "mod.ts"), [
    'conn/c.ts:1: loads "left-pad" at once',
    'conn/c.ts:2: loads "node:http" at once',
  ]);
  assert.deepEqual(checkFirstLoad(files, "mod.ts", ["conn/c"], ["node:http"]), [
    'conn/c.ts:1: loads "left-pad" at once',
    'conn/a.ts:2: loads "./c.ts" at once',
  ]);
});

test("checkCycles() finds a circle over three files and none in a diamond", () => {
  const circle = synthetic({
    "conn/a.ts": 'import "./b.ts";',
    "conn/b.ts": 'import type { C } from "./c.ts";',
    "conn/c.ts": 'import "./a.ts";',
  });
  assert.deepEqual(checkCycles(circle), ["conn/a.ts → conn/b.ts → conn/c.ts → conn/a.ts"]);
  const diamond = synthetic({
    "conn/a.ts": 'import "./b.ts"; import "./c.ts";',
    "conn/b.ts": 'import "./d.ts";',
    "conn/c.ts": 'import "./d.ts";',
    "conn/d.ts": "",
  });
  assert.deepEqual(checkCycles(diamond), []);
});

test("checkNodeImports() refuses what is not permitted, and permissions without use", () => {
  const files = synthetic({
    "conn/runtimes/node.ts": 'import { connect } from "node:net";',
    "http1/gzip.ts": 'await import("node:zlib");\nimport "node:fs";',
  });
  const permissions: Permission[] = [
    { path: "conn/", names: ["*"], reason: "" },
    { path: "http1/gzip.ts", names: ["node:zlib"], reason: "" },
    { path: "cli/", names: ["*"], reason: "" },
  ];
  assert.deepEqual(checkNodeImports(files, permissions), [
    "http1/gzip.ts:2: node:fs is not for this file",
    "cli/: may use * and does not",
  ]);
});

test("checkRuntimeNames() sees names in code, not in comments, strings or longer words", () => {
  const files = synthetic({
    "conn/a.ts": "// Deno\nnew DenoDialer('Bun'); `process`; x.process; type T = { process: 1 };",
    "conn/b.ts":
      'if ("Deno" in globalThis) {}\n(globalThis as { Bun?: X }).Bun;\nBuffer.from("a");',
    "conn/c.ts": 'const engine: "deno" | "bun" = "bun"; `${Deno.build}`;',
  });
  assert.deepEqual(checkRuntimeNames(files, []), [
    "conn/b.ts:2: Bun is not for this file",
    "conn/b.ts:2: Bun is not for this file",
    "conn/b.ts:3: Buffer is not for this file",
    "conn/b.ts:1: Deno is not for this file",
    "conn/c.ts:1: Deno is not for this file",
  ]);
});

test("checkTimers() finds what a fake could replace, and no method of that name", () => {
  const code = "a.setTimeout(f); // setTimeout(\nsetImmediate(f);\nconst t = performance.now();";
  assert.deepEqual(checkTimers([sourceFile("conn/a.ts", code), sourceFile("cli/a.ts", code)]), [
    "conn/a.ts:2: setImmediate( is not that of conn/real_time.ts",
    "conn/a.ts:3: performance.now is not that of conn/real_time.ts",
  ]);
});

test("checkFileNames() refuses drawers", () => {
  const files = synthetic({ "conn/util.ts": "", "http1/types.ts": "", "conn/utility_pole.ts": "" });
  assert.deepEqual(checkFileNames(files), [
    "conn/util.ts: name the idea",
    "http1/types.ts: name the idea",
  ]);
});

test("checkModuleComments() wants the comment first and with its tag", () => {
  const files = synthetic({
    "conn/good.ts": "#!/usr/bin/env node\n/**\n * What.\n *\n * @module\n */\n",
    "conn/late.ts": "import './a.ts';\n/** @module */\n",
    "conn/untagged.ts": "/** What. */\n/** @module */\n",
  });
  assert.deepEqual(checkModuleComments(files).map((line) => line.split(":")[0]), [
    "conn/late.ts",
    "conn/untagged.ts",
  ]);
});

test("checkErasable() finds what cannot be erased, and what Node 22 cannot run", () => {
  const [file] = synthetic({
    "conn/a.ts": `const text = "enum A { }"; // enum B { }
export enum C { D }
export namespace E.F { }
class G { constructor(a: readonly string[], readonly b: string) { } }
import H = require("h");
await using i = j;
class K { constructor(a: Map<A, readonly B[]>, b: readonly C[]) { }; readonly b: string; constructor(b: string) { this.b = b; } module = 1 }
`,
  });
  assert.deepEqual(checkErasable([file]), [
    "conn/a.ts:2: enum",
    "conn/a.ts:3: namespace",
    "conn/a.ts:4: parameter property",
    "conn/a.ts:5: import =",
    "conn/a.ts:6: using declaration",
  ]);
});

test("checkRfcReferences() wants the reference in the comment of the symbol itself", () => {
  const files = synthetic({
    "http1/a.ts": `/** Good. @see RFC 9112 section 6.3 */
export function good(): void {}
/** Over. @see RFC 9110 */
export function over(a: string): void;
export function over(a: number): void;
export function over(a: unknown): void {}
/** Bad. */
export const bad = 1;
/** @see RFC 9112 */
const between = 2;
export interface Bare {}
/** Prose about RFC 9112 only. */
export type Prose = 1;
`,
  });
  assert.deepEqual(checkRfcReferences(files), [
    "http1/a.ts:8: bad has no @see RFC",
    "http1/a.ts:11: Bare has no @see RFC",
    "http1/a.ts:13: Prose has no @see RFC",
  ]);
});

test("checkLeftovers() finds words for later and folders of machines", () => {
  const later = "TO" + "DO";
  const place = ["", "ro" + "ot", "x"].join("/");
  const text =
    `a\n// ${later}: b\nopen("${place}")\nhttp://host${place}\n./${"work"}/x and work/x\n`;
  assert.deepEqual(checkLeftovers([{ path: "a.ts", text }]), [
    `a.ts:2: "${later}"`,
    `a.ts:3: ""${place.slice(0, -1)}x"`,
  ]);
});
