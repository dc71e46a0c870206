/**
 * Packs the npm package, installs it into an empty folder, and uses it there with Node, Bun and TypeScript.
 *
 * @module
 */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageSizes } from "./package_size.ts";
import { root, runProgram, runtimePath } from "./run_program.ts";

interface Manifest {
  readonly name: string;
  readonly exports: Record<string, string | Record<"types" | "default", string>>;
  readonly bin: Record<string, string>;
  readonly dependencies?: Record<string, string>;
}

/** What the package depends on at run time, outside its core. */
const libraries: readonly string[] = [
  "aws4fetch",
  "content-disposition",
  "mime",
  "tough-cookie",
];

/** Those, and what they depend on in turn, are taken from this tree: the check needs no network. */
const installedLibraries: readonly string[] = [...libraries, "tldts", "tldts-core"];

/** Thrown by a step; the message is what the check prints. */
class PackageFault extends Error {}

async function must(
  what: string,
  program: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<string> {
  const { code, output } = await runProgram(program, args, { ...options, timeoutMs: 120_000 });
  if (code !== 0) throw new PackageFault(`${what}: exit code ${code}\n${output}`);
  return output;
}

function expect(condition: boolean, message: string): void {
  if (!condition) throw new PackageFault(message);
}

/** Packs the tree, as `npm publish` would, and returns the path of the archive. */
async function pack(folder: string): Promise<string> {
  await must("npm pack", "npm", ["pack", "--pack-destination", folder], { cwd: root });
  const listing = await must("ls", "ls", [folder], { cwd: folder });
  const archive = listing.split("\n").find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new PackageFault(`npm pack left no archive: ${listing}`);
  return join(folder, archive);
}

/** The package holds what its exports name, and nothing that belongs to the tree or to this machine. */
async function checkFiles(archive: string, manifest: Manifest, folder: string): Promise<void> {
  const listing = await must("tar", "tar", ["-tzf", archive], { cwd: folder });
  const files = new Set(listing.trim().split("\n").map((name) => name.replace(/^package\//, "")));
  for (const [entry, target] of Object.entries(manifest.exports)) {
    for (const path of typeof target === "string" ? [target] : Object.values(target)) {
      expect(files.has(path.slice(2)), `The package lacks ${path}, the entry ${entry}`);
    }
  }
  for (const path of [...Object.values(manifest.bin), "README.md", "LICENSE", "CHANGELOG.md"]) {
    expect(files.has(path), `The package lacks ${path}`);
  }
  const maps = [...files].filter((path) => path.endsWith(".js.map"));
  expect(maps.length === 0, `The package holds maps of its bundles: ${maps.join(", ")}`);
  const strange = [...files].filter((path) =>
    !/^(dist|conn|http|http1|http2|transport|client|cli|testing)\/|^(mod\.ts|package\.json)$|^[A-Z]+(\.md)?$/
      .test(path)
  );
  expect(strange.length === 0, `The package holds what it should not: ${strange.join(", ")}`);
  const installed = join(folder, "node_modules", manifest.name);
  for (const path of files) {
    const text = await readFile(join(installed, path), "utf8");
    for (const place of [root, homedir()]) {
      expect(place === "/" || !text.includes(place), `${path} names a folder of this machine`);
    }
  }
  const dependencies = Object.keys(manifest.dependencies ?? {});
  expect(
    dependencies.join() === libraries.join(),
    `The package depends on ${dependencies.join(", ")}`,
  );
}

/** Imports every entry and prints where it came from and what it exports. All share their classes. */
const importer = `
const report = {};
const entries = JSON.parse(process.argv[2]);
const classes = new Set((await Promise.all(entries.map((entry) => import(entry))))
  .flatMap(({ HttpError }) => HttpError ?? []));
if (classes.size !== 1) throw new Error("The entries have " + classes.size + " classes HttpError");
for (const entry of entries) {
  const names = Object.keys(await import(entry)).sort();
  report[entry] = { url: import.meta.resolve(entry), names };
}
console.log(JSON.stringify(report));
`;

/** Fetches twice over one connection from a server of the runtime; keeps a cookie. */
const fetcher = `
import { createServer } from "node:http";
import { get, defaultTransport, MemoryCookieJar } from "@roundtrip/http";
const jar = new MemoryCookieJar();
await jar.setCookie(new URL("http://a.test/"), "n=v");
const server = createServer((request, response) => response.end("hello " + request.url));
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const base = "http://127.0.0.1:" + server.address().port;
const first = await get(base + "/1");
const text = await first.text();
const second = await get(base + "/2");
const cookie = await jar.getCookieHeader(new URL("http://a.test/"));
console.log(text, await second.text(), second.connection.reused, cookie);
defaultTransport.destroy();
server.close();
`;

async function checkImports(manifest: Manifest, folder: string): Promise<void> {
  const entries = Object.keys(manifest.exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry) => entry.replace(/^\./, manifest.name));
  await writeFile(join(folder, "imports.mjs"), importer);
  await writeFile(join(folder, "fetches.mjs"), fetcher);
  const namesOn: Record<string, string> = {};
  for (const runtime of ["node", "bun"] as const) {
    const program = runtimePath(runtime);
    const output = await must(
      `imports on ${runtime}`,
      program,
      ["imports.mjs", JSON.stringify(entries)],
      { cwd: folder },
    );
    const report: Record<string, { url: string; names: string[] }> = JSON.parse(output);
    for (const [entry, { url, names }] of Object.entries(report)) {
      const target = manifest.exports[entry.replace(manifest.name, ".")];
      const path = typeof target === "string" ? target : target.default;
      expect(url.endsWith(path.slice(1)), `${runtime} resolves ${entry} to ${url}, not ${path}`);
      expect(names.length > 0, `${entry} exports nothing on ${runtime}`);
      const source = path.replace("./dist/", "./").replace(/\.js$/, ".ts");
      const wanted = Object.keys(await import(pathToFileURL(join(root, source)).href)).sort();
      expect(names.join() === wanted.join(), `${entry} exports ${names}, its source ${wanted}`);
    }
    namesOn[runtime] = JSON.stringify(Object.values(report).map(({ names }) => names));

    const said = await must(`get() on ${runtime}`, program, ["fetches.mjs"], { cwd: folder });
    expect(said.trim() === "hello /1 hello /2 true n=v", `get() on ${runtime} said: ${said}`);

    const bin = join(folder, "node_modules", ".bin", Object.keys(manifest.bin)[0]);
    const help = await must(`roundtrip --help on ${runtime}`, program, [bin, "--help"], {
      cwd: folder,
    });
    expect(/usage/i.test(help), `roundtrip --help on ${runtime} said: ${help}`);
  }
  expect(namesOn["node"] === namesOn["bun"], `Node and Bun see other names: ${namesOn}`);
}

/** Compiles a program that imports every entry, checking our declarations too, as strict users do. */
async function checkTypes(manifest: Manifest, folder: string): Promise<void> {
  const imports = Object.keys(manifest.exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry, index) =>
      `import * as entry${index} from "${entry.replace(/^\./, manifest.name)}";\n` +
      `console.log(entry${index});\n`
    );
  await writeFile(join(folder, "consumer.ts"), imports.join(""));
  await mkdir(join(folder, "node_modules", "@types"), { recursive: true });
  for (const types of ["@types/bun", "@types/node", "bun-types", "undici-types"]) {
    await symlink(join(root, "node_modules", types), join(folder, "node_modules", types));
  }
  const plain = "es2024,esnext.disposable";
  const web = `${plain},dom,dom.iterable,dom.asynciterable`;
  const bundler = ["--module", "preserve", "--moduleResolution", "bundler"];
  const settings = [
    ["--module", "nodenext", "--lib", plain, "--types", "node"],
    ["--module", "nodenext", "--lib", web, "--types", "node"],
    ["--module", "nodenext", "--lib", web, "--types", ""],
    [...bundler, "--lib", plain, "--types", "node"],
    // Bun's own declarations do not stand up to the check.
    [...bundler, "--lib", web, "--types", "bun", "--skipLibCheck"],
  ];
  for (const setting of settings) {
    await must(
      `tsc ${setting.join(" ")}`,
      runtimePath("tsc"),
      ["--noEmit", "--strict", "--target", "es2024", ...setting, "consumer.ts"],
      { cwd: folder },
    );
  }
}

/** Checks the npm package. Needs no network. */
export async function checkPackage(): Promise<{ ok: boolean; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-package-"));
  try {
    const archive = await pack(folder);
    await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
    const flags = ["--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    const there = installedLibraries.map((name) => join(root, "node_modules", name));
    await must("npm install", "npm", ["install", "--install-links", ...flags, archive, ...there], {
      cwd: folder,
    });
    const installed = join(folder, "node_modules", "@roundtrip", "http", "package.json");
    const manifest: Manifest = JSON.parse(await readFile(installed, "utf8"));
    await checkFiles(archive, manifest, folder);
    await checkTypes(manifest, folder);
    await checkImports(manifest, folder);
    const { complaints } = await packageSizes(join(folder, "node_modules", manifest.name));
    expect(complaints.length === 0, complaints.join("\n"));
    return { ok: true, output: "" };
  } catch (error) {
    if (!(error instanceof PackageFault)) throw error;
    return { ok: false, output: error.message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
