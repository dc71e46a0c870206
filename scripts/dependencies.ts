/**
 * Which files a source file reaches, by its imports and by the paths that stand in its strings. Pure.
 *
 * A path that a program puts together, or finds by listing a folder, is not seen.
 *
 * @module
 */
import { readSource } from "../tests/support/source_text.ts";

/** Paths from the root of the tree, with `/`, and the texts of those files that are TypeScript. */
export type Tree = ReadonlyMap<string, string>;

/** Another file, whole or only what it exports by a name. */
interface Reference {
  readonly path: string;
  readonly name: string | null;
}

interface References {
  readonly all: readonly Reference[];
  /** Where a name comes from that the file only hands on. */
  readonly handedOn: ReadonlyMap<string, Reference>;
}

/** The keyword, what is imported and from where. `import "…"` and `import("…")` count as strings. */
const clauses = /\b(import|export)\s+(type\s)?([\w$*\s,]*(?:\{[^{}]*\})?)\s*from\s*"([^"\n]+)"/g;

const strings = /"([^"\n]*)"|'([^'\n]*)'|`([^`\n]*)`/g;

/** Finds what files of a tree reach. */
export class Dependencies {
  readonly #tree: Tree;
  readonly #aliases: Readonly<Record<string, string>>;
  readonly #cache: Map<string, References> = new Map();

  /** @param aliases The import map: what stands for a path that begins with `./`. */
  constructor(tree: Tree, aliases: Readonly<Record<string, string>> = {}) {
    this.#tree = tree;
    this.#aliases = aliases;
  }

  /**
   * Lists the file itself and all that it reaches. Of a file that hands names on, such as `mod.ts`, only the names
   * that are asked for are followed; types are not followed, they have no effect when a program runs.
   */
  reachedFrom(path: string): Set<string> {
    const reached: Set<string> = new Set();
    const seen: Set<string> = new Set();
    const visit = ({ path, name }: Reference): void => {
      if (seen.has(`${name} ${path}`)) return;
      seen.add(`${name} ${path}`);
      reached.add(path);
      const references = this.#referencesOf(path);
      const source = name === null ? undefined : references.handedOn.get(name);
      if (source) visit(source);
      else references.all.forEach(visit);
    };
    visit({ path, name: null });
    return reached;
  }

  #referencesOf(path: string): References {
    const known = this.#cache.get(path);
    if (known) return known;
    const all: Reference[] = [];
    const handedOn: Map<string, Reference> = new Map();
    const text = path.endsWith(".ts") ? readSource(this.#tree.get(path) ?? "").withoutComments : "";
    const rest = text.replace(clauses, (_, keyword, type, what: string, specifier) => {
      if (type) return "";
      const names = [...namesIn(what)];
      for (const target of this.#find(path, specifier)) {
        for (const [name, alias] of names) {
          const reference = { path: target, name };
          all.push(reference);
          if (keyword === "export") handedOn.set(alias, reference);
        }
        if (!/^\s*\{/.test(what)) all.push({ path: target, name: null });
      }
      return "";
    });
    for (const [, double, single, template] of rest.matchAll(strings)) {
      for (const target of this.#find(path, double ?? single ?? template)) {
        all.push({ path: target, name: null });
      }
    }
    const references = { all, handedOn };
    this.#cache.set(path, references);
    return references;
  }

  /** The files that a string may mean: from the folder of the file or the root, or by a name that only one file has. */
  #find(from: string, written: string): string[] {
    const text = this.#aliases[written] ?? written;
    if (!/\.\w+$/.test(text)) return [];
    const near = resolve(from.replace(/[^/]*$/, ""), text);
    const paths = [near, resolve("", text)];
    const found = paths.find((path) => this.#tree.has(path));
    if (found !== undefined) return [found];
    if (text.includes("${")) {
      const patterns = paths.map(patternOf);
      return [...this.#tree.keys()].filter((path) => patterns.some((it) => it.test(path)));
    }
    if (text.includes("/")) return [];
    const named = [...this.#tree.keys()].filter((path) => path.endsWith(`/${text}`));
    return named.length === 1 ? named : [];
  }
}

/** The names between braces, and what they are called here. */
function* namesIn(what: string): Generator<[name: string, alias: string]> {
  for (const item of /\{([^}]*)\}/.exec(what)?.[1].split(",") ?? []) {
    const [name, alias = name] = item.trim().split(/\s+as\s+/);
    if (name !== "" && !name.startsWith("type ")) yield [name, alias];
  }
}

function resolve(folder: string, path: string): string {
  const parts = folder.split("/").filter((part) => part !== "");
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/** A path with `${…}` in it, each of which stands for a part of a name. */
function patternOf(path: string): RegExp {
  const parts = path.split(/\$\{[^}]*\}/).map((part) =>
    part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
  );
  return new RegExp(`^${parts.join("[^/]+")}$`);
}
