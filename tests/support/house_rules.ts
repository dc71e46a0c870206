/**
 * The rules of the house as functions from source files to complaints. Pure: `house_test.ts` reads the files.
 *
 * @module
 */
import { readSource, type SourceText } from "./source_text.ts";

/** A source file; `path` is from the root of the tree, with `/`. */
export interface SourceFile extends SourceText {
  readonly path: string;
}

/** Which modules of a runtime a file may import, or which runtime names it may use, and why. */
export interface Permission {
  /** Path of the file, or of a folder with a `/` at its end. */
  readonly path: string;
  /** Names: `node:zlib`, `Deno`. `"*"` permits every name. */
  readonly names: readonly string[];
  readonly reason: string;
}

/** Makes a source file of its text. */
export function sourceFile(path: string, text: string): SourceFile {
  return { path, ...readSource(text) };
}

/** Folders, and what files in each may import. `mod.ts` is the file at the root. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  conn: ["conn"],
  http: ["conn", "http"],
  http1: ["conn", "http", "http1"],
  http2: ["conn", "http", "http2"],
  transport: ["conn", "http", "http1", "http2", "transport"],
  client: ["conn", "http", "http1", "http2", "transport", "client"],
  "mod.ts": ["conn", "http", "http1", "http2", "transport", "client"],
  cli: ["conn", "http", "http1", "http2", "transport", "client", "mod.ts", "cli"],
  testing: ["conn", "http", "http1", "http2", "transport", "client", "testing"],
};

/**
 * Inside of a folder: its floors, the lowest first. A file may import from its own floor and from
 * those below. A name with `/` at its end is a folder, `"*"` are the files that no floor names.
 */
const floors: Readonly<Record<string, readonly (readonly string[])[]>> = {
  conn: [["*"], ["names/"], ["runtimes/"], ["dial.ts", "unix_dialer.ts", "mod.ts"]],
  transport: [
    ["attempt.ts", "clock.ts", "deadlines.ts", "linked_list.ts", "progress.ts"],
    ["message/"],
    ["route/"],
    ["pool/"],
    ["*"],
  ],
  client: [
    [
      "http_white_space.ts",
      "origin.ts",
      "percent_decoded.ts",
      "time_left.ts",
      "url_credentials.ts",
      "waiting_clock.ts",
    ],
    ["cookies/"],
    ["protocols/"],
    ["recovery/", "layers/", "auth/"],
    ["*"],
    ["readers/"],
    ["fetch/"],
  ],
};

/** The shipped folders and the root module. */
export const shippedFolders: readonly string[] = Object.keys(mayImport);

function folderOf(path: string): string {
  return path.split("/")[0];
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** One import or re-export, static or dynamic. */
interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Lists the imports of a file, also `import type` and `import("…")`. */
export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  const pattern =
    /(?:\bfrom\s*|\bimport\s*\(\s*|(?:^|[;\n])\s*import\s*)(?:"([^"\n]+)"|'([^'\n]+)'|`([^`\n]+)`)/g;
  for (const match of file.withoutComments.matchAll(pattern)) {
    const specifier = match[1] ?? match[2] ?? match[3];
    // In the view without strings a real import still has its keyword.
    if (
      !/\b(?:from|import)\b/.test(file.codeOnly.slice(match.index, match.index + match[0].length))
    ) {
      continue;
    }
    const line = lineOf(file.text, match.index + match[0].length);
    found.push({ specifier, line });
  }
  return found;
}

function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** conn ← http ← http1 | http2 ← transport ← client ← cli, and from outside only what is permitted. */
export function checkDirections(
  files: readonly SourceFile[],
  libraries: readonly Permission[] = [],
): string[] {
  const complaints: string[] = [];
  for (const file of files) {
    const allowed = mayImport[folderOf(file.path)] ?? [];
    for (const { specifier, line } of importsOf(file)) {
      const place = `${file.path}:${line}`;
      if (specifier.startsWith("node:")) continue;
      if (libraries.some((library) => permits(library, file.path, specifier))) continue;
      if (!/^\.\.?\//.test(specifier)) {
        complaints.push(`${place}: imports "${specifier}", which is not ours`);
      } else if (!specifier.endsWith(".ts")) {
        complaints.push(`${place}: "${specifier}" does not end in .ts`);
      } else if (!allowed.includes(folderOf(resolve(file.path, specifier)))) {
        complaints.push(`${place}: ${folderOf(file.path)} must not import "${specifier}"`);
      }
    }
  }
  return complaints;
}

/** The floor of a file within its folder, or -1 where the folder has none. */
function floorOf(path: string): number {
  const [folder, ...rest] = path.split("/");
  const within = rest.join("/");
  const levels = floors[folder] ?? [];
  const named = levels.findIndex((names) =>
    names.some((name) => name.endsWith("/") ? within.startsWith(name) : within === name)
  );
  return named >= 0 ? named : levels.findIndex((names) => names.includes("*"));
}

/** Inside of a folder imports go down too, from floor to floor. */
export function checkFloors(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter(({ specifier }) => specifier.startsWith("."))
      .map(({ specifier, line }) => ({ target: resolve(file.path, specifier), line }))
      .filter(({ target }) =>
        folderOf(target) === folderOf(file.path) && floorOf(target) > floorOf(file.path)
      )
      .map(({ target, line }) => `${file.path}:${line}: ${target} is on a higher floor`)
  );
}

/**
 * What importing `entry` loads at once is ours alone: modules of the runtime and libraries come when they are needed.
 *
 * @param later Files, and folders with a `/` at their end, that come when they are needed too.
 * @param permitted Modules of the runtime that it may load at once.
 */
export function checkFirstLoad(
  files: readonly SourceFile[],
  entry: string,
  later: readonly string[] = [],
  permitted: readonly string[] = [],
): string[] {
  const complaints: string[] = [];
  const loaded: Set<string> = new Set();
  function load(path: string): void {
    if (loaded.has(path)) return;
    loaded.add(path);
    const file = files.find((one) => one.path === path);
    const statements =
      /^(?:import|export)\s+(?!type\b)(?:[^;"'=(]*\bfrom\s*)?["']([^"'\n]+)["'];/gm;
    for (const { 1: specifier, index } of file?.withoutComments.matchAll(statements) ?? []) {
      const target = specifier.startsWith(".") ? resolve(path, specifier) : null;
      if (target !== null) load(target);
      const isLater = later.some((one) => target?.startsWith(one));
      if (isLater || (target === null && !permitted.includes(specifier))) {
        complaints.push(`${path}:${lineOf(file!.text, index)}: loads "${specifier}" at once`);
      }
    }
  }
  load(entry);
  return complaints;
}

/** No file reaches itself through its imports. */
export function checkCycles(files: readonly SourceFile[]): string[] {
  const targets = new Map(files.map((file) => [
    file.path,
    importsOf(file)
      .filter(({ specifier }) => specifier.startsWith("."))
      .map(({ specifier }) => resolve(file.path, specifier)),
  ]));
  const complaints: string[] = [];
  const finished: Set<string> = new Set();
  function visit(path: string, trail: readonly string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) complaints.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || finished.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  }
  for (const path of targets.keys()) visit(path, []);
  return complaints;
}

function permits(permission: Permission, path: string, name: string): boolean {
  const inPlace = permission.path.endsWith("/")
    ? path.startsWith(permission.path)
    : path === permission.path;
  return inPlace && (permission.names.includes("*") || permission.names.includes(name));
}

/** Complains of uses that no permission covers, and of permissions that nothing uses. */
function checkPermissions(
  uses: readonly { path: string; line: number; name: string }[],
  permissions: readonly Permission[],
): string[] {
  const complaints = uses
    .filter(({ path, name }) => !permissions.some((one) => permits(one, path, name)))
    .map(({ path, line, name }) => `${path}:${line}: ${name} is not for this file`);
  for (const permission of permissions) {
    if (!uses.some(({ path, name }) => permits(permission, path, name))) {
      complaints.push(`${permission.path}: may use ${permission.names.join(", ")} and does not`);
    }
  }
  return complaints;
}

/** `node:` modules are imported only where that is permitted. */
export function checkNodeImports(
  files: readonly SourceFile[],
  permissions: readonly Permission[],
): string[] {
  const uses = files.flatMap((file) =>
    importsOf(file)
      .filter(({ specifier }) => specifier.startsWith("node:"))
      .map(({ specifier, line }) => ({ path: file.path, line, name: specifier }))
  );
  return checkPermissions(uses, permissions);
}

/**
 * The globals of a runtime are named, in code, only where that is permitted. `Deno` and `Bun` count as properties
 * and before `in` too, because that is how they are reached through `globalThis`.
 */
export function checkRuntimeNames(
  files: readonly SourceFile[],
  permissions: readonly Permission[],
): string[] {
  const inCode = /(?<![\w$])(?:Deno|Bun)(?![\w$])|(?<![\w$.])(?:process|Buffer)(?![\w$]|\??\s*:)/g;
  const asString = /(?<=(["'`]))(?:Deno|Bun)(?=\1\s*(?:in\b|\]))/g;
  const uses = files.flatMap((file) =>
    [...file.codeOnly.matchAll(inCode), ...file.withoutComments.matchAll(asString)]
      .map(({ 0: name, index }) => ({ path: file.path, line: lineOf(file.text, index), name }))
  );
  return checkPermissions(uses, permissions);
}

/** Timers are those that were there when the package was loaded, whatever a test puts in their place. */
export function checkTimers(files: readonly SourceFile[]): string[] {
  const pattern =
    /(?<![\w$.])(?:set(?:Timeout|Interval|Immediate)|clear(?:Timeout|Interval|Immediate)|queueMicrotask)\s*\(|(?<![\w$])performance\s*\.\s*now/g;
  return files.filter(({ path }) => path !== "conn/real_time.ts" && !path.startsWith("cli/"))
    .flatMap(({ path, text, codeOnly }) =>
      [...codeOnly.matchAll(pattern)].map(({ 0: name, index }) =>
        `${path}:${lineOf(text, index)}: ${name} is not that of conn/real_time.ts`
      )
    );
}

/** No drawer for everything: a file is named after the one idea that it holds. */
export function checkFileNames(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => /(?:^|\/)(?:utils?|common|types|helpers?|misc|shared)\.ts$/.test(path))
    .map(({ path }) => `${path}: name the idea`);
}

/** Every file says at its top what lives there. */
export function checkModuleComments(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ text }) => !/^(?:#![^\n]*\n)?\/\*\*(?:(?!\*\/)[\s\S])*@module\b/.test(text))
    .map(({ path }) => `${path}: does not open with a comment that has @module`);
}

const unerasable: readonly (readonly [RegExp, string])[] = [
  [/\benum\s+\w+\s*\{/g, "enum"],
  [/(?:^|[;{}\n])\s*(?:export\s+|declare\s+)*(?:namespace|module)\s+[\w.]+\s*\{/g, "namespace"],
  [
    /\bconstructor\s*\((?:[^)]*,)?\s*(?:public|private|protected|readonly|override)\s+\w+\s*[?:,)=]/g,
    "parameter property",
  ],
  [/(?:^|[;{}\n])\s*import\s+\w+\s*=/g, "import ="],
  [/(?:^|[;{}(\n])\s*(?:await\s+)?using\s+\w+\s*=/g, "using declaration"],
];

/** TypeScript that is left when types are taken away is JavaScript that the oldest supported Node runs. */
export function checkErasable(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    unerasable.flatMap(([pattern, what]) =>
      [...file.codeOnly.matchAll(pattern)].map(({ 0: found, index }) =>
        `${file.path}:${lineOf(file.text, index + found.length)}: ${what}`
      )
    )
  );
}

/** Every exported symbol says which part of an RFC it is about. */
export function checkRfcReferences(files: readonly SourceFile[]): string[] {
  const declaration =
    /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\*?|class|const|let|interface|type)\s+(\w+)/gm;
  return files.flatMap((file) => {
    const documented: Set<string> = new Set();
    const complaints: Map<string, string> = new Map();
    for (const match of file.codeOnly.matchAll(declaration)) {
      const comment = /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.exec(file.text.slice(0, match.index))
        ?.[0];
      // Only the first overload needs the comment.
      if (/@see\b[^@]*\bRFC\s*[0-9]+/.test(comment ?? "")) documented.add(match[1]);
      else {
        complaints.set(
          match[1],
          `${file.path}:${lineOf(file.text, match.index)}: ${match[1]} has no @see RFC`,
        );
      }
    }
    return [...complaints].filter(([name]) => !documented.has(name)).map(([, text]) => text);
  });
}

/** Words that a finished text does not hold; put together here so that this file holds none of them. */
const unfinished = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
const machinePath = new RegExp(
  `(?:^|[^\\w.:/])/(?:${["work", "root", "home", "Users"].join("|")})/\\w`,
);

/** Nothing is left for later, and nothing names a folder of somebody's machine. */
export function checkLeftovers(files: readonly { path: string; text: string }[]): string[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      const found = unfinished.exec(line) ?? machinePath.exec(line);
      return found ? [`${path}:${index + 1}: "${found[0].trim()}"`] : [];
    })
  );
}
