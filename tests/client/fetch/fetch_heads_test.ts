/**
 * The `headers` of what `fetch` returns are those of its own head, whatever the server sent before.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createFetch, exchangeOf, type RoundTripper, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, withRawServer } from "../../support/raw_server.ts";

type Lines = [string, string][];

/** Answers with these heads, one after another, on each of its connections. */
async function withHeads(
  heads: readonly string[],
  use: (url: string) => Promise<void>,
): Promise<void> {
  await withRawServer(async (connection) => {
    for (;;) {
      const at = Number(/^GET \/([0-9]+)/.exec(await connection.readHead())![1]);
      await connection.send(bytesOf(`HTTP/1.1 ${heads[at]}\r\nok`));
    }
  }, async (server) => await use(`http://127.0.0.1:${server.port}/`));
}

function headOf(lines: Lines, status = "200 OK"): string {
  return `${status}\r\nContent-Length: 2\r\n${
    lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }`;
}

function expected(lines: Lines): [string, string][] {
  const headers = new Headers();
  for (const [name, value] of [["Content-Length", "2"], ...lines]) headers.append(name, value);
  return [...headers];
}

const MANY: Lines = Array.from({ length: 40 }, (_, i) => [`X-${i}`, `${i}`]);

/** Each differs from the one before in another way. */
const SEQUENCE: Lines[] = [
  [["Server", "a"], ["X-B", "1"], ["X-C", "2"]],
  [["Server", "a"], ["X-B", "1"], ["X-C", "2"]],
  [["Server", "a"], ["X-B", "one"], ["X-C", "2"]],
  [["Server", "a"], ["X-B", "one"], ["X-C", ""]],
  [["Server", "a"], ["x-b", "one"], ["X-C", "2"]],
  [["X-C", "2"], ["Server", "a"], ["x-b", "one"]],
  [["X-C", "2"], ["Server", "a"], ["X-D", "one"]],
  [["X-C", "2"], ["Server", "a"]],
  [["X-C", "2"], ["Server", "a"], ["X-E", "5"]],
  [["X-C", "2"], ["X-C", "3"], ["X-E", "5"]],
  [["X-C", "2"], ["X-C", "4"], ["X-E", "5"]],
  [["X-C", "2"], ["x-c", "4"], ["X-E", "5"]],
  [["X-C", "2"], ["x-c", "5"], ["X-E", "5"]],
  [["Set-Cookie", "a=1"], ["X-E", "5"]],
  [["Set-Cookie", "a=2"], ["X-E", "5"]],
  [["Set-Cookie", "a=2"], ["Set-Cookie", "b=3"]],
  [["Set-Cookie", "a=2"], ["Set-Cookie", "b=4"]],
  [["X-Long", "a".repeat(3_000)], ["X-E", "5"]],
  [["X-Long", "b".repeat(3_000)], ["X-E", "5"]],
  [["X-Byte", "\xe9"], ["X-E", "5"]],
  [["X-Byte", "\xff"], ["X-E", "5"]],
  MANY,
  MANY.map(([name], i) => [name, `${i + 1}`]),
  [],
];

test("fetch: the headers of a response do not depend on the response before", async () => {
  await withHeads(SEQUENCE.map((lines) => headOf(lines)), async (url) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    try {
      // Read late: what came after must not have changed them.
      const responses: Response[] = [];
      for (let i = 0; i < SEQUENCE.length; i++) {
        const response = await fetch(url + i);
        assert.equal(await response.text(), "ok");
        responses.push(response);
      }
      responses.forEach((response, i) => {
        assert.deepEqual([...response.headers], expected(SEQUENCE[i]), `head ${i}`);
      });
      for (let i = SEQUENCE.length - 1; i >= 0; i--) {
        const response = await fetch(url + i);
        assert.deepEqual([...response.headers], expected(SEQUENCE[i]), `head ${i}, backwards`);
        await response.text();
      }
    } finally {
      transport.destroy();
    }
  });
});

const looksBehind = "Deno" in globalThis || "Bun" in globalThis;

const statusBehind = Object.getOwnPropertyDescriptor(Response.prototype, "status")!.get!;

test("fetch: status and reason are the response's own where its lines are those before", async () => {
  const lines: Lines = [["Server", "a"]];
  const statuses = ["200 OK", "200 Fine", "404 Fine", "200 ", "599 X", "200 OK"];
  await withHeads(statuses.map((status) => headOf(lines, status)), async (url) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    try {
      const seen: string[] = [];
      for (let i = 0; i < statuses.length; i++) {
        const response = await fetch(url + i);
        seen.push(`${response.status} ${response.statusText}`);
        // What a server that is given the response sends.
        if (looksBehind) assert.equal(statusBehind.call(response), response.status);
        assert.deepEqual([...response.headers], expected(lines));
        assert.equal(await response.text(), "ok");
      }
      assert.deepEqual(seen, statuses);
    } finally {
      transport.destroy();
    }
  });
});

test("fetch: who changes the headers of a response changes no other response", async () => {
  const lines: Lines = [["Server", "a"], ["X-B", "1"]];
  await withHeads([headOf(lines)], async (url) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    try {
      const responses: Response[] = [];
      for (let i = 0; i < 4; i++) {
        const response = await fetch(url + "0");
        await response.text();
        assert.deepEqual([...response.headers], expected(lines));
        response.headers.set("Server", `${i}`);
        response.headers.delete("X-B");
        response.headers.append("X-New", "new");
        exchangeOf(response)!.headers.set("Server", "other");
        responses.push(response);
      }
      assert.deepEqual(responses.map(({ headers }) => headers.get("server")), ["0", "1", "2", "3"]);
    } finally {
      transport.destroy();
    }
  });
});

test("fetch: what a transport of the caller's does to the headers is seen", async () => {
  const lines: Lines = [["Server", "a"], ["X-Secret", "1"]];
  await withHeads([headOf(lines)], async (url) => {
    const inner = new Transport();
    const transport: RoundTripper = {
      roundTrip: async (request) => {
        const response = await inner.roundTrip(request);
        if (request.requestTarget.endsWith("?filter")) response.headers.delete("x-secret");
        return response;
      },
    };
    const fetch = createFetch({ transport });
    try {
      for (const query of ["", "?filter", "", "?filter"]) {
        const response = await fetch(`${url}0${query}`);
        assert.equal(response.headers.get("x-secret"), query === "" ? "1" : null);
        assert.equal(await response.text(), "ok");
      }
    } finally {
      inner.destroy();
    }
  });
});
