/**
 * What a caller or a server can tell apart between `createFetch()` and the runtimes' own `fetch`, and why it is so.
 *
 * @module
 */
import type { Runtime } from "../../scripts/test_report.ts";

/** One difference; it must be met at least once on each of its runtimes. */
export interface Difference {
  readonly runtimes: readonly Runtime[];
  /** Names of cells. */
  readonly cell: RegExp;
  /** Fields of the observation. */
  readonly field: RegExp;
  /** What is observed with ours; anything if it is not given. */
  readonly ours?: RegExp;
  /** What is observed with the runtime's own. */
  readonly theirs?: RegExp;
  readonly reason: string;
}

const anyCell = /^/;

/** The list. */
export const DIFFERENCES: readonly Difference[] = [
  // Responses
  {
    runtimes: ["deno"],
    cell: anyCell,
    field: /^status$/,
    theirs:
      /^\d+ (OK|Moved Permanently|Found|See Other|Partial Content|Temporary Redirect|Permanent Redirect|Not Modified|<unknown status code>|) (true|false)$/,
    reason: "Deno puts a reason phrase of its own in the place of the server's",
  },
  {
    runtimes: ["bun"],
    cell: anyCell,
    field: /^type$/,
    ours: /^basic$/,
    theirs: /^default$/,
    reason: "Bun leaves the type of a response at that of a constructed one",
  },
  {
    runtimes: ["bun"],
    cell: anyCell,
    field: /^url$/,
    theirs: /#part$/,
    reason: "Bun leaves the fragment in a response's url; the standard takes it off",
  },
  {
    runtimes: ["deno"],
    cell: /aborted after the end$/,
    field: /^bodyUsed$/,
    reason: "a body that failed was read: Deno says that it was not used",
  },
  {
    runtimes: ["bun"],
    cell: /aborted (before|inside) the body$/,
    field: /^bodyUsed$/,
    reason: "a body that failed was read: Bun says that it was not used",
  },
  {
    runtimes: ["deno"],
    cell: /in (x-gzip|deflate|raw deflate|zstd|two codings), aborted never$/,
    field: /^body$/,
    ours: /^The quick brown fox/,
    reason: "Deno's fetch decodes gzip and br only, and one coding only",
  },
  {
    runtimes: ["deno"],
    cell: /^(Accept-Encoding, answered with another|Range, answered with a) coding$/,
    field: /^body$/,
    ours: /^The quick brown fox/,
    reason: "the standard decodes whatever was asked for; Deno does not",
  },
  {
    runtimes: ["bun"],
    cell: /in two codings, aborted never$/,
    field: /^body$/,
    ours: /^The quick brown fox/,
    reason: "Bun decodes one coding only",
  },
  {
    runtimes: ["deno"],
    cell: /^answer: redirect without target$/,
    field: /^(hasBody|body)$/,
    ours: /^(true|ok)$/,
    reason: "Deno takes the body from a redirect that leads nowhere",
  },
  {
    runtimes: ["bun", "node"],
    cell: /^answer: bytes above ASCII$/,
    field: /^status$/,
    reason: "a reason phrase is bytes; these read it as UTF-8",
  },
  {
    runtimes: ["deno", "node"],
    cell: /^headers of a response are changed$/,
    field: /^told$/,
    ours: /^b$/,
    reason: "a platform Response cannot be made with headers that nobody may change",
  },

  // Bodies of requests
  {
    runtimes: ["deno", "bun", "node"],
    cell: / with a stream as a Request,/,
    field: /^request (content-length|transfer-encoding)$/,
    ours: /^(10|none)(\n(10|none))*$/,
    theirs: /^(none|chunked)(\n(none|chunked))*$/,
    reason: "the body of a Request that is there at once is sent with its length",
  },
  {
    runtimes: ["deno", "bun", "node"],
    cell: /redirect.30[1278] with a stream as a Request, redirect follow$/,
    field: /^outcome$/,
    ours: /^response$/,
    theirs: /^TypeError$/,
    reason: "the body of a Request that is there at once can be sent again",
  },
  {
    runtimes: ["node"],
    cell: /30[1278] with a form as .*, redirect follow$/,
    field: /^sent$/,
    reason: "Node sends a form again with another boundary than its Content-Type names",
  },
  {
    runtimes: ["deno"],
    cell: / with a form as init,/,
    field: /^sent$/,
    ours: /--\r\n/,
    theirs: /--(\n|$)/,
    reason: "Deno leaves out the line end behind the last boundary",
  },
  {
    runtimes: ["node"],
    cell: /^(DELETE|Delete|OPTIONS) .* with an empty string /,
    field: /^request content-length$/,
    ours: /^0(\n(0|none))*$/,
    theirs: /^none$/,
    reason: "an empty body is content, and has a length",
  },
  {
    runtimes: ["node"],
    cell: /^QUERY .* with (nothing|null) /,
    field: /^request content-length$/,
    ours: /^none$/,
    theirs: /^0(\n(0|none))*$/,
    reason:
      "a length is stated where the method gives content a meaning; Node does for all it does not know",
  },
  {
    runtimes: ["bun"],
    cell: /^(DELETE|OPTIONS|QUERY) .* with (nothing|null) /,
    field: /^request content-length$/,
    ours: /^none$/,
    theirs: /^0(\n(0|none))*$/,
    reason:
      "a length is stated where the method gives content a meaning; Bun does for each but GET and HEAD",
  },
  {
    runtimes: ["node", "bun"],
    cell: /^PATCH .* with (nothing|null) /,
    field: /^request content-length$/,
    ours: /^none$/,
    theirs: /^0(\n(0|none))*$/,
    reason: "the standard states that there is nothing for POST and PUT alone",
  },
  {
    runtimes: ["bun"],
    cell:
      / with (an empty string|a string|a number) as init,|^a Content-Length that is right$|^init over a Request$/,
    field: /^request content-type$/,
    ours: /^text.plain;charset=UTF-8/,
    theirs: /^none$/,
    reason: "Bun sends no Content-Type for text",
  },
  {
    runtimes: ["bun"],
    cell: /^(GET|HEAD) .* with an empty string /,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "an empty string is a body, which GET and HEAD have none of",
  },

  // Methods and header fields
  {
    runtimes: ["bun"],
    cell: /^Delete .* with (nothing|null|an empty string) as init/,
    field: /^requests$/,
    ours: /^DELETE /,
    theirs: /^GET /,
    reason: "Bun sends GET where the method is Delete in mixed case",
  },
  {
    runtimes: ["bun"],
    cell: /^Delete .* as init/,
    field: /^outcome$/,
    ours: /^response$/,
    theirs: /^TypeError$/,
    reason: "Bun sends GET where the method is Delete in mixed case",
  },
  {
    runtimes: ["bun"],
    cell: /^Delete .* with an empty string as a Request/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "Bun makes a GET of such a Request, and GET has no body",
  },
  {
    runtimes: ["bun"],
    cell: /^Delete .* with an empty string as init/,
    field: /^request content-length$/,
    ours: /^0/,
    theirs: /^none$/,
    reason: "Bun sends GET where the method is Delete in mixed case",
  },
  {
    runtimes: ["bun"],
    cell: /^(CONNECT|TRACE|a method that is no token)$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "the standard refuses these methods",
  },
  {
    runtimes: ["deno", "bun"],
    cell: /^a stream without duplex$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "the standard demands duplex, and code that leaves it out fails elsewhere",
  },
  {
    runtimes: ["deno", "node"],
    cell: /^Host$/,
    field: /^request host$/,
    ours: /^example.com$/,
    theirs: /^HOST$/,
    reason: "a Host of the caller's is sent; these drop it",
  },
  {
    runtimes: ["deno", "bun"],
    cell: /^a Content-Length that is wrong$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "a length that contradicts the body is a mistake, not a wish",
  },
  {
    runtimes: ["deno", "bun"],
    cell: /^cache: no-(store|cache)$/,
    field: /^request (cache-control|pragma)$/,
    ours: /^(no-cache|max-age=0)$/,
    theirs: /^none$/,
    reason: "the caches on the way are told, as the standard says",
  },
  {
    runtimes: ["bun"],
    cell: /^cache: only-if-cached$|^mode: /,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "words that the standard refuses",
  },
  {
    runtimes: ["deno", "bun"],
    cell: /^referrer/,
    field: /^request referer$/,
    ours: /^http/,
    theirs: /^none$/,
    reason: "a referrer that the caller gives is sent, within its policy",
  },
  {
    runtimes: ["bun"],
    cell: /^referrer that is no URL$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "the standard refuses it",
  },
  {
    runtimes: ["deno", "bun"],
    cell: /^integrity that is wrong$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^response$/,
    reason: "integrity is checked",
  },
  {
    runtimes: ["deno"],
    cell: /^what a response is$/,
    field: /^fetch$/,
    ours: /^fetch 1$/,
    theirs: /^fetch 0$/,
    reason: "a function with one parameter that must be given has the length 1",
  },

  // Other URLs
  {
    runtimes: ["bun"],
    cell: /^(data|blob):/,
    field: /^headers$/,
    ours: /content-type/,
    theirs: /^$/,
    reason: "Bun gives no header fields",
  },
  {
    runtimes: ["bun"],
    cell: /^data: (without a comma|of bad base64)$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^Error$/,
    reason: "a network error is a TypeError",
  },
  {
    runtimes: ["bun"],
    cell: /^data: by HEAD$/,
    field: /^(hasBody|body)$/,
    reason: "the answer to HEAD has no body",
  },
  {
    runtimes: ["bun"],
    cell: /^data: with a fragment$/,
    field: /^body$/,
    ours: /^hello$/,
    theirs: /^hello#part$/,
    reason: "a fragment is not part of the data",
  },
  {
    runtimes: ["bun"],
    cell: /^blob:/,
    field: /^status$/,
    theirs: /^200 {2}true$/,
    reason: "the standard says 200 OK, or 206 for a range",
  },
  {
    runtimes: ["bun"],
    cell: /^blob: by POST$/,
    field: /^outcome$/,
    ours: /^TypeError$/,
    theirs: /^done$/,
    reason: "the standard refuses it",
  },
  {
    runtimes: ["deno", "bun"],
    cell: /^blob: of a range$/,
    field: /^(headers|body)$/,
    reason: "the standard gives the range that was asked for",
  },
];
