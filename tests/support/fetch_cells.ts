/**
 * The cells of the comparison: everything that a caller of `fetch` can combine.
 *
 * @module
 */
import type { Cell, Fetch } from "./fetch_observation.ts";
import { described, errorName } from "./fetch_observation.ts";
import { CODINGS, type FetchServer, SCRIPTS } from "./fetch_server.ts";

/** Methods, in the case in which callers write them. */
export const METHODS: readonly string[] = [
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
  ...["post", "Delete", "QUERY"],
];

const REDIRECT_STATUSES = [301, 302, 303, 307, 308];
const MODES: Redirect[] = ["follow", "error", "manual"];

type Redirect = NonNullable<RequestInit["redirect"]>;

const bytes = new TextEncoder().encode("some bytes");

function stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull: (controller) => {
      controller.enqueue(bytes.slice());
      controller.close();
    },
  });
}

function form(): FormData {
  const data = new FormData();
  data.append("name", "value");
  return data;
}

/** What can be sent; a function, as some can be sent once. */
const BODIES: Record<string, () => RequestInit> = {
  "nothing": () => ({}),
  "null": () => ({ body: null }),
  "an empty string": () => ({ body: "" }),
  "a string": () => ({ body: "some text \xe4" }),
  "bytes": () => ({ body: bytes.slice() }),
  "a buffer": () => ({ body: bytes.slice().buffer }),
  "a view": () => ({ body: new DataView(bytes.slice().buffer, 1, 3) }),
  "parameters": () => ({ body: new URLSearchParams({ a: "b c" }) }),
  "a Blob": () => ({ body: new Blob(["some text"], { type: "text/x-test" }) }),
  "a Blob without type": () => ({ body: new Blob(["some text"]) }),
  "a form": () => ({ body: form() }),
  "a stream": () => ({ body: stream(), duplex: "half" } as RequestInit),
  "a number": () => ({ body: 12 as unknown as string }),
};

/** Method × body × redirect mode, for one method; also the same as a `Request`. */
export function methodCells(method: string): Cell[] {
  const cells: Cell[] = [];
  for (const [bodyName, init] of Object.entries(BODIES)) {
    for (const as of ["init", "a Request"]) {
      const add = (path: string, redirect: Redirect): void => {
        cells.push({
          name: `${method} ${path} with ${bodyName} as ${as}, redirect ${redirect}`,
          run: (fetch, server) => {
            const all: RequestInit = { ...init(), method, redirect };
            const url = server.origin + path;
            return as === "init" ? fetch(url, all) : fetch(new Request(url, all));
          },
        });
      };
      add("/echo?q", "follow");
      for (const status of REDIRECT_STATUSES) {
        for (const mode of MODES) add(`/redirect/${status}`, mode);
      }
    }
  }
  return cells;
}

const ABORTS = [
  ...["never", "before the call", "before the head", "before the body", "inside the body"],
  "after the end",
];

/** Status × abort point × content coding. */
export function abortCells(): Cell[] {
  const cells: Cell[] = [];
  for (const status of [200, 204, 206, 304, 404, 500]) {
    for (const coding of Object.keys(CODINGS)) {
      for (const abort of ABORTS) {
        const bodiless = status === 204 || status === 304;
        if (bodiless && /body/.test(abort)) continue;
        cells.push({
          name: `status ${status} in ${coding}, aborted ${abort}`,
          run: (fetch, server) =>
            abortAt(fetch, server, abort, `/answer/${status}/${encodeURIComponent(coding)}`),
        });
      }
    }
  }
  return cells;
}

async function abortAt(
  fetch: Fetch,
  server: FetchServer,
  abort: string,
  path: string,
): Promise<Record<string, string>> {
  const controller = new AbortController();
  if (abort === "before the call") controller.abort();
  const answered = Promise.withResolvers<void>();
  server.onPause = () => {
    if (abort === "before the head") controller.abort("gone");
    else answered.promise.then(() => controller.abort("gone"));
  };
  const pause = encodeURIComponent(abort);
  const response = await fetch(`${server.origin}${path}/${pause}`, { signal: controller.signal });
  const { status } = response;
  answered.resolve();
  if (abort === "after the end") controller.abort("gone");
  return { ...await described(response, server.origin), status: `${status}` };
}

/** Answers as servers should not give them, and rare ones that they may. */
export function scriptCells(): Cell[] {
  return Object.keys(SCRIPTS).map((name) => ({
    name: `answer: ${name}`,
    run: (fetch, server) => fetch(`${server.origin}/script/${encodeURIComponent(name)}`),
  }));
}

function get(name: string, init: RequestInit | (() => RequestInit), path = "/echo"): Cell {
  return {
    name,
    run: (fetch, server) => fetch(server.origin + path, typeof init === "function" ? init() : init),
  };
}

function url(name: string, input: string, init?: RequestInit): Cell {
  return { name, run: (fetch) => fetch(input, init) };
}

async function told(of: () => Promise<string>): Promise<Record<string, string>> {
  try {
    return { told: await of() };
  } catch (error) {
    return { told: `fails: ${errorName(error)}` };
  }
}

/** Everything else: what may be given, what is refused, what a response can do. */
export function otherCells(): Cell[] {
  const duplex = { duplex: "half" } as RequestInit;
  return [
    { name: "a URL object", run: (fetch, { origin }) => fetch(new URL(origin + "/echo#part")) },
    url("a relative URL", "/echo"),
    url("no URL", "http://["),
    url("a URL with credentials", "http://user:secret@127.0.0.1:9/"),
    url("an unknown scheme", "gopher://127.0.0.1/"),
    url("a bad port", "http://127.0.0.1:25/"),
    url("a port where nobody listens", "http://127.0.0.1:2/"),
    url("data: of text", "data:,hello%20world"),
    url("data: of base64", "data:text/plain;base64,aGVsbG8="),
    url("data: with a charset", "data:text/html;charset=utf-8,%3Cp%3E"),
    url("data: without a comma", "data:text/plain"),
    url("data: of bad base64", "data:;base64,!"),
    url("data: by HEAD", "data:,hello", { method: "HEAD" }),
    url("data: by POST", "data:,hello", { method: "POST" }),
    url("data: with a fragment", "data:,hello#part"),
    url("blob: that is not there", "blob:null/00000000-0000-0000-0000-000000000000"),
    { name: "blob:", run: (fetch) => fetchBlob(fetch, {}) },
    { name: "blob: by POST", run: (fetch) => fetchBlob(fetch, { method: "POST" }) },
    {
      name: "blob: of a range",
      run: (fetch) => fetchBlob(fetch, { headers: { Range: "bytes=1-2" } }),
    },
    get("GET with a body", { body: "x" }),
    get("HEAD with a body", { method: "HEAD", body: "x" }),
    get("CONNECT", { method: "CONNECT" }),
    get("TRACE", { method: "TRACE" }),
    get("a method that is no token", { method: "G T" }),
    get("a stream without duplex", () => ({ method: "POST", body: stream() })),
    get("a stream that is locked", () => {
      const body = stream();
      body.getReader();
      return { ...duplex, method: "POST", body };
    }),
    get("a header name that is no token", { headers: { "a b": "c" } }),
    get("a header value with a line end inside", { headers: { a: "b\nc" } }),
    get("a header value with white space around", { headers: { "x-a": " \tb\r\n" } }),
    get("a header value above Latin-1", { headers: { a: "\u0100" } }),
    get("headers as pairs", { headers: [["x-a", "1"], ["x-b", "2"]] }),
    get("headers as Headers", { headers: new Headers({ "x-a": "1" }) }),
    get("a header twice", { headers: [["x-a", "1"], ["X-A", "2"]] }),
    get("headers that are null", { headers: null as unknown as Headers }),
    get("pairs that are none", { headers: [["x-a"]] as unknown as [string, string][] }),
    get("Cookie and Authorization", { headers: { Cookie: "a=b", Authorization: "Basic x" } }),
    get("Host", { headers: { Host: "example.com" } }),
    get(
      "Accept-Encoding, answered with that coding",
      { headers: { "Accept-Encoding": "gzip" } },
      "/answer/200/gzip/never",
    ),
    get(
      "Accept-Encoding, answered with another coding",
      { headers: { "Accept-Encoding": "identity" } },
      "/answer/200/br/never",
    ),
    get(
      "Range, answered with a coding",
      { headers: { "Range": "bytes=0-" } },
      "/answer/206/gzip/never",
    ),
    get("Accept", { headers: { Accept: "text/x" } }),
    get("a Content-Type of the caller's", {
      method: "POST",
      body: "x",
      headers: { "content-type": "text/x" },
    }),
    get("a Content-Length that is right", {
      method: "POST",
      body: "xy",
      headers: { "Content-Length": "2" },
    }),
    get("a Content-Length that is wrong", {
      method: "POST",
      body: "xy",
      headers: { "Content-Length": "3" },
    }),
    get("Authorization through a redirect", { headers: { Authorization: "x" } }, "/redirect/302"),
    get("redirect: bogus", { redirect: "bogus" as Redirect }),
    get("mode: bogus", { mode: "bogus" as RequestInit["mode"] }),
    get("mode: navigate", { mode: "navigate" }),
    get("mode: no-cors", { mode: "no-cors" }),
    get("credentials: omit", { credentials: "omit" }),
    get("cache: no-store", { cache: "no-store" }),
    get("cache: no-cache", { cache: "no-cache" }),
    get("cache: only-if-cached", { cache: "only-if-cached" }),
    get("keepalive", { keepalive: true }),
    get("referrer", { referrer: "http://example.com/page?q" }),
    get("referrer, policy unsafe-url", {
      referrer: "http://example.com/page?q#part",
      referrerPolicy: "unsafe-url",
    }),
    get("referrer that is no URL", { referrer: "http://[" }),
    get("integrity that is right", {
      integrity: "sha256-TREJv3iog7Xu+CCtHgvWZhX1CBBTaNbGsc5BXKTBMz4=",
    }),
    get("integrity that is wrong", {
      integrity: "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }),
    get("a signal that is none", { signal: {} as AbortSignal }),
    get("a signal that is null", { signal: null }),
    get("a signal aborted with a reason", { signal: AbortSignal.abort("gone") }),
    get("a signal aborted", { signal: AbortSignal.abort() }),
    get("a Request's signal", {}),
    {
      name: "a signal that times out",
      run: (fetch, { origin }) =>
        fetch(`${origin}/answer/200/identity/before%20the%20head`, {
          signal: AbortSignal.timeout(20),
        }),
    },
    {
      name: "a Request that is used",
      run: async (fetch, { origin }) => {
        const request = new Request(origin + "/echo", { method: "POST", body: "x" });
        await request.text();
        return await fetch(request);
      },
    },
    {
      name: "a Request is used afterwards",
      run: async (fetch, { origin }) => {
        const request = new Request(origin + "/echo", { method: "POST", body: "x" });
        await (await fetch(request)).text();
        return { used: `${request.bodyUsed}` };
      },
    },
    {
      name: "init over a Request",
      run: (fetch, { origin }) =>
        fetch(
          new Request(origin + "/echo", { method: "POST", body: "x", headers: { "x-a": "1" } }),
          {
            method: "PUT",
            body: "yz",
            headers: { "x-b": "2" },
          },
        ),
    },
    {
      name: "bytes that change after the call",
      run: async (fetch, { origin }) => {
        const body = new Uint8Array([0x61, 0x61]);
        const response = fetch(origin + "/echo", { method: "POST", body });
        body.fill(0x62);
        return await response;
      },
    },
    {
      name: "a clone",
      run: async (fetch, { origin }) => {
        const response = await fetch(origin + "/echo");
        const clone = response.clone();
        await response.text();
        return clone;
      },
    },
    {
      name: "both a response and its clone are read",
      run: async (fetch, { origin }) => {
        const response = await fetch(origin + "/echo");
        const clone = response.clone();
        return await told(async () => await response.text() + await clone.text());
      },
    },
    {
      name: "a body is read twice",
      run: async (fetch, { origin }) => {
        const response = await fetch(origin + "/echo");
        await response.text();
        return await told(() => response.text());
      },
    },
    {
      name: "a clone of what is read",
      run: async (fetch, { origin }) => {
        const response = await fetch(origin + "/echo");
        await response.text();
        return await told(async () => await response.clone().text());
      },
    },
    {
      name: "every way to read a body",
      run: async (fetch, { origin }) => {
        const all = await Promise.all(
          ["JSON", "JSON", "JSON", "JSON", "JSON"].map((name) => fetch(`${origin}/script/${name}`)),
        );
        const blob = await all[2].blob();
        return {
          json: JSON.stringify(await all[0].json()),
          buffer: `${(await all[1].arrayBuffer()).byteLength}`,
          blob: `${blob.size} ${blob.type}`,
          bytes: `${(await all[3].bytes()).length}`,
          stream: `${(await new Response(all[4].body).text()).length}`,
        };
      },
    },
    {
      name: "a stream is cancelled",
      run: async (fetch, { origin }) => {
        const response = await fetch(`${origin}/answer/200/identity/inside%20the%20body`);
        const reader = response.body!.getReader();
        const { done } = await reader.read();
        await reader.cancel();
        return { done: `${done}`, after: `${(await reader.read()).done}` };
      },
    },
    {
      name: "headers of a response are changed",
      run: async (fetch, { origin }) => {
        const response = await fetch(origin + "/echo");
        await response.text();
        return await told(() => {
          response.headers.set("x-a", "b");
          return Promise.resolve(response.headers.get("x-a")!);
        });
      },
    },
    {
      name: "getSetCookie()",
      run: async (fetch, { origin }) => {
        const response = await fetch(`${origin}/script/cookies`);
        return { cookies: response.headers.getSetCookie().join(), body: await response.text() };
      },
    },
    {
      name: "what a response is",
      run: async (fetch, { origin }) => {
        const response = await fetch(origin + "/echo");
        await response.text();
        const { name, length } = fetch;
        return {
          instance: `${response instanceof Response} ${response.headers instanceof Headers}`,
          tag: Object.prototype.toString.call(response),
          fetch: `${name} ${length}`,
        };
      },
    },
  ];
}

async function fetchBlob(fetch: Fetch, init: RequestInit): Promise<Record<string, string>> {
  const href = URL.createObjectURL(new Blob(["hello"], { type: "text/x-test" }));
  try {
    const response = await fetch(href, init);
    return { ...await described(response, href), url: `${response.url === href}` };
  } finally {
    URL.revokeObjectURL(href);
  }
}
