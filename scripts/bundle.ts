/**
 * Bundles the sources into the few files that Node, Bun and npm's Deno load: one for each entry, and what
 * entries share once, so that an `HttpError` of one is `instanceof` that of another.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { type OutputChunk, type OutputOptions, rolldown } from "rolldown";
import { root } from "./run_program.ts";

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** The sources of the entries of the package, by the paths of their bundles below `dist/`, without `.js`. */
async function entriesOf(): Promise<Record<string, string>> {
  const { exports, bin }: Manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const built = [...Object.values(exports), ...Object.values(bin)]
    .map((target) => typeof target === "string" ? target : target.default)
    .map((path) => /^(?:\.\/)?dist\/(.*)\.js$/.exec(path)?.[1])
    .filter((name) => name !== undefined);
  return Object.fromEntries(built.map((name) => [name, join(root, `${name}.ts`)]));
}

/** Modules of the runtimes and of other packages. */
const external = /^(?:node|cloudflare):|^[a-z]/;

async function chunksOf(
  input: Record<string, string>,
  output: OutputOptions,
  write: boolean,
): Promise<OutputChunk[]> {
  const bundle = await rolldown({
    input,
    external: (id) => external.test(id) && !Object.values(input).includes(id),
    platform: "node",
    tsconfig: false,
    preserveEntrySignatures: "allow-extension",
    transform: { target: "es2024" },
  });
  try {
    const { output: files } = write ? await bundle.write(output) : await bundle.generate(output);
    return files.filter((file) => file.type === "chunk");
  } finally {
    await bundle.close();
  }
}

/** The path of a module from the root of the tree, with `/`. */
function pathOf(id: string): string {
  return relative(root, id).split(sep).join("/");
}

/** The modules that come with an entry at once, and not when they are needed. */
async function loadedAtOnce(entry: string): Promise<Set<string>> {
  const chunks = await chunksOf({ entry: join(root, entry) }, {}, false);
  return new Set(chunksAtOnce(chunks, chunks[0]).flatMap(({ moduleIds }) => moduleIds).map(pathOf));
}

/** `first`, and the chunks that it imports, directly or not, when it is loaded. */
export function chunksAtOnce(chunks: readonly OutputChunk[], first: OutputChunk): OutputChunk[] {
  const found: Set<OutputChunk> = new Set([first]);
  for (const { imports } of found) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) found.add(chunk);
  }
  return [...found];
}

/**
 * In which shared file a module belongs. What the main entry loads at once is one file for each room,
 * lower rooms first: few files to load, and whoever imports only a low room gets no more than that.
 */
function roomOf(path: string, atOnce: ReadonlySet<string>): string | null {
  if (path.endsWith("/mod.ts") || path === "mod.ts") return null;
  const [room] = path.split("/");
  // A few lines that every adapter needs.
  if (path === "conn/gone.ts") return "conn";
  if (!atOnce.has(path)) {
    if (room === "http2") return path.includes("server") ? "http2-server" : "http2";
    if (room === "http1" && path.includes("server")) return "http1-server";
    return /^conn\/runtimes\/./.test(path) ? adapterOf(path) : null;
  }
  // The sizes of windows, which options are checked for.
  if (room === "http2") return "http";
  if (path.startsWith("client/fetch/")) return "fetch";
  // Apart from the errors and buffers of its room: with it come the sockets of every runtime.
  return /^conn\/(?:names\/|dial\.ts|unix_dialer\.ts)/.test(path) ? "dial" : room;
}

/** In which file a part of the adapters belongs: what each of them needs is one. */
function adapterOf(path: string): string | null {
  const [, name] = /([^/]+)\.ts$/.exec(path)!;
  if (/^(?:node|node_conn|node_intake|lasting_socket|turn_barrier|turn_end)$/.test(name)) {
    return "node";
  }
  // These import modules of Node, and are loaded by others too.
  return /^(?:node_tls|conn_duplex|kernel_look|played_node)$/.test(name) ||
      /^(?:bun|deno|workerd|own_authority)/.test(name)
    ? null
    : "sockets";
}

/** Writes the bundles into `dist/`. */
export async function bundle(): Promise<void> {
  const atOnce = await loadedAtOnce("mod.ts");
  const output: OutputOptions = {
    dir: join(root, "dist"),
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    // What is written for readers stays in the sources and the declarations.
    comments: { jsdoc: false, annotation: true, legal: true },
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: "room", name: (id) => roomOf(pathOf(id), atOnce) }],
    },
  };
  await chunksOf(await entriesOf(), output, true);
}
