/**
 * `file:` URLs: regular files below one folder.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import { type LocalAnswer, localRoundTrip } from "../../transport/message/local_exchange.ts";
import type { RoundTripper } from "../../transport/transport.ts";
import { byteRange } from "./byte_range.ts";
import { emptyAnswer, refusedMethod } from "./local_method.ts";
import type * as Files from "./file_below_root.ts";

/** Options of {@linkcode fileProtocol}. */
export interface FileProtocolOptions {
  /** The folder that the paths of URLs are below; a relative one is below the working directory. */
  root: string;
  /** `Content-Type` by the end of the name, in lower case: `{ ".md": "text/markdown" }`. */
  contentTypes?: Record<string, string>;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof FileProtocolOptions>(["root", "contentTypes"]);

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".avif": "image/avif",
  ".css": "text/css",
  ".csv": "text/csv",
  ".gif": "image/gif",
  ".gz": "application/gzip",
  ".htm": "text/html",
  ".html": "text/html",
  ".ico": "image/x-icon",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript",
  ".json": "application/json",
  ".md": "text/markdown",
  ".mjs": "text/javascript",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain",
  ".wasm": "application/wasm",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".xml": "application/xml",
  ".zip": "application/zip",
};

/**
 * Answers requests for `file:` URLs with the regular files below a folder, for
 * `Transport.registerProtocol`.
 *
 * GET and HEAD answer 200, 206 to one range, 416, 404 (also to folders, devices and FIFOs) or 403;
 * other methods 405. The response's `connection.id` is 0. A file that is open is closed when its
 * body ends, is closed, fails or is dropped; an abort takes effect after the read under way.
 * On Deno, reading needs permission for `root` only.
 *
 * Nothing leads out of `root`: a name with `/`, `\`, NUL or `..` in it, encoded or not, and a host
 * other than `localhost` are `ERR_INVALID_REQUEST`; a symbolic link to the outside is `ERR_BLOCKED`.
 * Hard links, and folders that others mount there, are not the outside.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a root that is no path.
 * @example
 * ```ts
 * import { fileProtocol, HttpRequest, Transport } from "@roundtrip/http";
 *
 * await using transport = new Transport();
 * transport.registerProtocol("file", fileProtocol({ root: "." }));
 * const response = await transport.roundTrip(new HttpRequest("file:///no-such-file"));
 * if (response.status !== 404) throw new Error("it is there");
 * ```
 */
export function fileProtocol(options: FileProtocolOptions): RoundTripper {
  const { root, contentTypes } = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown file protocol option "${printable(name)}"`),
  );
  if (typeof root !== "string" || root === "" || root.includes("\0")) {
    throw invalid("root is not the path of a folder");
  }
  const types = { ...CONTENT_TYPES, ...contentTypes };
  // Not before it is wanted: it would be a third of what loading the package takes on Deno.
  const folder = import("./file_below_root.ts").then((files) => ({
    files,
    root: files.absolutePath(root),
    types,
  }));
  // Told of by the first request.
  folder.catch(() => {});
  return {
    roundTrip: (request) => localRoundTrip(request, async () => answer(request, await folder)),
  };
}

/** What is answered from. */
interface Folder {
  readonly files: typeof Files;
  readonly root: string;
  readonly types: Readonly<Record<string, string>>;
}

async function answer(
  request: HttpRequest,
  { files, root, types }: Folder,
): Promise<LocalAnswer> {
  const refused = refusedMethod(request);
  if (refused !== null) return refused;
  if (request.hostname !== "") throw invalid("Cannot use a file: URL with a host");
  const names = files.fileNames(request.url.pathname);
  const file = names === null ? "not-found" : await files.openBelow(root, names);
  if (file === "not-found") return emptyAnswer(404, "Not Found");
  if (file === "forbidden") return emptyAnswer(403, "Forbidden");
  const extension = /\.[^.]+$/.exec(names!.at(-1)!.toLowerCase())?.[0] ?? "";
  const type = Object.hasOwn(types, extension) ? types[extension] : "application/octet-stream";
  const found = answerWith(file, type, request);
  if (found.content === null) file.close();
  return found;
}

/** The content, where there is any, takes the file over. */
function answerWith(file: Files.OpenFile, type: string, request: HttpRequest): LocalAnswer {
  const lastModified = file.modified.toUTCString();
  const condition = request.headers.get("if-range");
  const wanted = condition === null || condition === lastModified
    ? request.headers.get("range")
    : null;
  const range = request.method === "GET" ? byteRange(wanted, file.size) : null;
  if (range === "unsatisfiable") {
    return emptyAnswer(416, "Range Not Satisfiable", [["Content-Range", `bytes */${file.size}`]]);
  }
  const { start, end } = range ?? { start: 0, end: file.size };
  const headers: [string, string][] = [
    ["Content-Type", type],
    ["Content-Length", String(end - start)],
    ["Last-Modified", lastModified],
    ["Accept-Ranges", "bytes"],
  ];
  if (range !== null) headers.push(["Content-Range", `bytes ${start}-${end - 1}/${file.size}`]);
  return {
    status: range === null ? 200 : 206,
    statusText: range === null ? "OK" : "Partial Content",
    headers,
    content: request.method === "HEAD" ? null : file.from(start),
  };
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
