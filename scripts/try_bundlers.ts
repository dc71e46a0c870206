/**
 * Tries the npm package under the bundlers and compilers that people put it through, each with a program that asks a
 * server twice over one connection. By hand, not part of the tests: the bundlers are installed into a folder of their
 * own, which needs the npm registry. What cannot be installed or downloaded is said to be skipped. Run by Node:
 *
 *     node scripts/try_bundlers.ts [part of a name]...
 *
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root, runtimePath } from "./run_program.ts";

/** Milliseconds that one step may take. */
const STEP_MS = 600_000;

const bundlers = [
  "@rollup/plugin-node-resolve@16",
  "esbuild@0.25",
  "postject@1.0.0-alpha.6",
  "rollup@4",
  "vite@7",
  "webpack@5",
];

const program = `
import { createServer } from "node:http";
import { createFetch, defaultTransport, get, HttpError } from "@roundtrip/http";
import { HttpError as same, systemDialer } from "@roundtrip/http/conn";

async function main() {
  const server = createServer((request, response) => response.end("hello " + request.url));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const base = "http://127.0.0.1:" + server.address().port;
  const first = await (await get(base + "/1")).text();
  const second = await get(base + "/2");
  const third = await (await createFetch()(base + "/3")).text();
  const refused = await systemDialer().dial({ transport: "tcp", hostname: "127.0.0.1", port: 1 })
    .catch((error) => error instanceof HttpError && same === HttpError && error.code);
  console.log(first, await second.text(), second.connection.reused, third, refused);
  defaultTransport.destroy();
  server.close();
  process.exit(0);
}
main();
`;

const wanted = "hello /1 hello /2 true hello /3 ERR_DIAL";

/** What a step said; thrown where it failed. */
class StepFault extends Error {}

/** Nothing to be had: the reason. */
class Unavailable extends Error {}

const folder = await mkdtemp(join(tmpdir(), "roundtrip-bundlers-"));
const { node, bun, deno } = {
  node: runtimePath("node"),
  bun: runtimePath("bun"),
  deno: runtimePath("deno"),
};

function run(command: string, args: readonly string[], cwd: string = folder): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk) => output += chunk);
    child.stderr.on("data", (chunk) => output += chunk);
    const timer = setTimeout(() => child.kill("SIGKILL"), STEP_MS);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(new StepFault(`${[command, ...args].join(" ")}: code ${code}\n${output}`));
    });
  });
}

async function mustSay(command: string, args: readonly string[], cwd?: string): Promise<void> {
  const said = (await run(command, args, cwd)).trim();
  if (!said.endsWith(wanted)) throw new StepFault(`It said ${said}`);
}

function tool(name: string): string {
  const path = join(folder, "node_modules", ".bin", name);
  if (!existsSync(path)) throw new Unavailable(`${name} was not installed`);
  return path;
}

/** One file of CommonJS, by esbuild. */
async function commonJs(): Promise<string> {
  await run(tool("esbuild"), [
    "main.mjs",
    "--bundle",
    "--platform=node",
    "--format=cjs",
    "--outfile=esbuild.cjs",
  ]);
  return join(folder, "esbuild.cjs");
}

async function rollup(format: string, file: string): Promise<void> {
  await run(tool("rollup"), [
    "main.mjs",
    "--plugin",
    "node-resolve",
    "--inlineDynamicImports",
    "--format",
    format,
    "--file",
    file,
    "--external",
    "tough-cookie",
  ]);
  await mustSay(node, [file]);
}

const attempts: Record<string, () => Promise<void>> = {
  "npm install": () => mustSay(node, ["main.mjs"]),
  "npm install, on Bun": () => mustSay(bun, ["main.mjs"]),
  "npm install, on Deno": () =>
    mustSay(deno, ["run", "-A", "--node-modules-dir=manual", "main.mjs"]),
  "npm install git+file": async () => {
    const other = join(folder, "git");
    await run("mkdir", [other]);
    await writeFile(join(other, "package.json"), '{ "private": true, "type": "module" }');
    await run("npm", ["install", "--no-audit", "--no-fund", `git+file://${root}`], other);
    await writeFile(join(other, "main.mjs"), program);
    await mustSay(node, ["main.mjs"], other);
  },
  "rollup, inlineDynamicImports, ES module": () => rollup("es", "rollup.mjs"),
  "rollup, inlineDynamicImports, CommonJS": () => rollup("cjs", "rollup.cjs"),
  "esbuild, ES module": async () => {
    const flags = ["--bundle", "--platform=node", "--format=esm", "--outfile=esbuild.mjs"];
    await run(tool("esbuild"), ["main.mjs", ...flags]);
    await mustSay(node, ["esbuild.mjs"]);
  },
  "esbuild, ES module, splitting": async () => {
    const flags = ["--bundle", "--splitting", "--platform=node", "--format=esm", "--outdir=split"];
    await run(tool("esbuild"), ["main.mjs", ...flags, "--out-extension:.js=.mjs"]);
    await mustSay(node, ["split/main.mjs"]);
  },
  "esbuild, CommonJS": async () => mustSay(node, [await commonJs()]),
  "esbuild, minified": async () => {
    const flags = ["--bundle", "--minify", "--platform=node", "--format=esm"];
    await run(tool("esbuild"), ["main.mjs", ...flags, "--outfile=minified.mjs"]);
    await mustSay(node, ["minified.mjs"]);
  },
  "vite, ssr": async () => {
    await writeFile(
      join(folder, "vite.config.mjs"),
      'export default { ssr: { noExternal: true }, build: { ssr: "main.mjs", outDir: "vite" } };',
    );
    await run(tool("vite"), ["build"]);
    await mustSay(node, ["vite/main.js"]);
  },
  "webpack, CommonJS": async () => {
    await writeFile(
      join(folder, "webpack.cjs"),
      `require("webpack")({
        mode: "production",
        target: "node",
        entry: "./main.mjs",
        output: { path: ${
        JSON.stringify(join(folder, "webpack"))
      }, filename: "main.cjs", chunkFilename: "[name].cjs" },
      }, (error, stats) => {
        if (error) throw error;
        console.log(stats.toString({ all: false, errors: true, warnings: true }));
        process.exitCode = stats.hasErrors() ? 1 : 0;
      });`,
    );
    const said = await run(node, ["webpack.cjs"]);
    await mustSay(node, ["webpack/main.cjs"]);
    if (said.trim() !== "") throw new StepFault(`It works, and webpack said ${said.trim()}`);
  },
  "bun build --target=node": async () => {
    await run(bun, ["build", "main.mjs", "--target=node", "--outfile=bun.mjs"]);
    await mustSay(node, ["bun.mjs"]);
  },
  "bun build --compile": async () => {
    await run(bun, ["build", "--compile", "main.mjs", "--outfile", join(folder, "bun-program")]);
    await mustSay(join(folder, "bun-program"), []);
  },
  "deno compile": async () => {
    const output = join(folder, "deno-program");
    const flags = ["compile", "-A", "--node-modules-dir=manual", "--output", output, "main.mjs"];
    try {
      await run(deno, flags);
    } catch (error) {
      if (/denort|download/i.test(String(error))) throw new Unavailable("its download");
      throw error;
    }
    await mustSay(output, []);
  },
  "Node SEA": async () => {
    const blob = join(folder, "sea.blob");
    const config = { main: await commonJs(), output: blob, disableExperimentalSEAWarning: true };
    await writeFile(join(folder, "sea.json"), JSON.stringify(config));
    await run(node, ["--experimental-sea-config", "sea.json"]);
    const sea = join(folder, "sea-program");
    await copyFile(node, sea);
    await chmod(sea, 0o755);
    const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
    await run(tool("postject"), [sea, "NODE_SEA_BLOB", blob, "--sentinel-fuse", fuse]);
    await mustSay(sea, []);
  },
};

async function attempt(name: string, step: () => Promise<void>): Promise<boolean> {
  try {
    await step();
    console.log(`ok   ${name}`);
    return true;
  } catch (error) {
    const isSkipped = error instanceof Unavailable;
    if (!isSkipped && !(error instanceof StepFault)) throw error;
    console.log(`${isSkipped ? "skip" : "FAIL"} ${name}: ${error.message}`);
    return isSkipped;
  }
}

const filters = process.argv.slice(2);
try {
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await writeFile(join(folder, "main.mjs"), program);
  await run("npm", ["pack", "--pack-destination", folder], root);
  const archive = (await readdir(folder)).find((name) => name.endsWith(".tgz"))!;
  const flags = ["--no-audit", "--no-fund"];
  await run("npm", ["install", ...flags, `./${archive}`]);
  await run("npm", ["install", ...flags, ...bundlers]).catch((error) =>
    console.log(`The bundlers cannot be installed: ${error.message}`)
  );
  for (const [name, step] of Object.entries(attempts)) {
    const isChosen = filters.length === 0 || filters.some((part) => name.includes(part));
    if (isChosen && !await attempt(name, step)) process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true });
}
