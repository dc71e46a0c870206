/**
 * One call of a `fetch` as its caller and the server saw it, as plain text that can be compared.
 *
 * @module
 */
import { setTimeout } from "node:timers";
import type { FetchServer, SeenRequest } from "./fetch_server.ts";

/** The signature that is compared. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** One thing to do with a `fetch`. */
export interface Cell {
  readonly name: string;
  /** What is observed is the response, or what is told of it. */
  run(fetch: Fetch, server: FetchServer): Promise<Response | Record<string, string>>;
}

/** What was observed; the same keys mean the same. */
export type Observation = Readonly<Record<string, string>>;

/** Milliseconds after which a call is taken to hang. */
const HANG_MS = 5_000;

/** Fields of a response that no caller compares. */
const OWN_FIELDS = ["connection", "date", "keep-alive"];

/** Fields of a request that the implementations must agree on. */
const REQUEST_FIELDS = [
  ...["accept", "authorization", "content-type", "content-length", "transfer-encoding"],
  ...["cookie", "referer", "cache-control", "pragma", "host", "x-a", "x-b", "range"],
];

/** Runs a cell. Never rejects. */
export async function observe(
  cell: Cell,
  fetch: Fetch,
  server: FetchServer,
): Promise<Observation> {
  server.reset();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hang = new Promise<Observation>((resolve) => {
    timer = setTimeout(() => resolve({ outcome: "hangs" }), HANG_MS);
  });
  const observation = await Promise.race([outcome(cell, fetch, server), hang]);
  clearTimeout(timer);
  return observation;
}

async function outcome(cell: Cell, fetch: Fetch, server: FetchServer): Promise<Observation> {
  let result: Response | Record<string, string>;
  try {
    result = await cell.run(fetch, server);
  } catch (error) {
    return { outcome: errorName(error) };
  }
  if (!(result instanceof Response)) return { outcome: "done", ...result };
  return {
    outcome: "response",
    ...await described(result, server.origin),
    ...seenBy(server.seen, server.origin),
  };
}

/** Everything a caller can see of a response. */
export async function described(
  response: Response,
  origin: string,
): Promise<Record<string, string>> {
  const hasBody = response.body !== null;
  const head = {
    status: `${response.status} ${response.statusText} ${response.ok}`,
    url: response.url.replace(origin, ""),
    redirected: `${response.redirected}`,
    type: response.type,
    headers: [...response.headers].filter(([name]) => !OWN_FIELDS.includes(name))
      .map(([name, value]) => `${name}: ${value}`).sort().join("\n"),
    hasBody: `${hasBody}`,
  };
  let body: string;
  try {
    body = await response.text();
  } catch (error) {
    body = `fails: ${errorName(error)}`;
  }
  return { ...head, body, bodyUsed: `${response.bodyUsed === hasBody}` };
}

/** The class of an error; of an abort with a reason of the caller's, the reason. */
export function errorName(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : `reason ${error}`;
}

function seenBy(seen: readonly SeenRequest[], origin: string): Record<string, string> {
  const observed: Record<string, string> = {
    requests: seen.map(({ line }) => line).join("\n"),
    sent: seen.map(({ fields, body }) => withoutBoundary(fields, body)).join("\n"),
  };
  for (const name of REQUEST_FIELDS) {
    const values = seen.map(({ fields }) =>
      withoutBoundary(fields, fields.get(name) ?? "none").replace(new URL(origin).host, "HOST")
    );
    if (name === "content-length" && /multipart/.test(seen[0]?.fields.get("content-type") ?? "")) {
      // Boundaries have lengths of their own.
      values.forEach((value, i) => values[i] = value === "none" ? value : "some");
    }
    if (values.some((value) => value !== "none")) observed[`request ${name}`] = values.join("\n");
  }
  return observed;
}

function withoutBoundary(fields: ReadonlyMap<string, string>, text: string): string {
  const boundary = /boundary="?([^";]+)/.exec(fields.get("content-type") ?? "")?.[1];
  return boundary === undefined ? text : text.replaceAll(boundary, "BOUNDARY");
}
