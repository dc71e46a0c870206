/**
 * What `fetch` does to content before it delivers it: codings, integrity, parts; and content that stands in the URL.
 *
 * @module
 */
import assert from "node:assert/strict";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import {
  createFetch,
  decodableCodings,
  fetch as defaultFetch,
  type FetchOptions,
  HttpRequest,
  type RoundTripper,
  Transport,
} from "../../../mod.ts";
import { hasIntegrity } from "../../../transport/message/body_digests.ts";
import { parseIntegrity } from "../../../transport/message/integrity.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, withRawServer } from "../../support/raw_server.ts";

test("fetch: data: URLs are taken apart as the standard says", async () => {
  const cases: [string, string, string][] = [
    ["data:,a%20b%zz", "text/plain;charset=US-ASCII", "a b%zz"],
    ["data:;charset=x,a", "text/plain;charset=x", "a"],
    ["data:TEXT/Html ; Charset=UTF-8,a", "text/html;charset=UTF-8", "a"],
    ['data:text/html;a="x\\"y;z";b=1,a', 'text/html;a="x\\"y;z";b=1', "a"],
    ["data:nonsense,a", "text/plain;charset=US-ASCII", "a"],
    ["data:;base64,aGk", "text/plain;charset=US-ASCII", "hi"],
    ["data:text/x;BASE64 ,aG k%3D", "text/x", "hi"],
    ["data:text/x; base64,a G%6B=", "text/x", "hi"],
    ["data:text/plain;charset=a;charset=b,a", "text/plain;charset=a", "a"],
  ];
  for (const [url, type, text] of cases) {
    const response = await defaultFetch(url);
    assert.deepEqual(
      [response.headers.get("content-type"), await response.text()],
      [type, text],
      url,
    );
  }
});

test("fetch: of integrity metadata only the strongest hash counts", async () => {
  const bytes = new TextEncoder().encode("alert('Hello, world.');");
  const good384 = "sha384-H8BRh8j48O9oYatfu5AZzq6A9RINhZO5H16dQZngK7T62em8MUt1FLm52t+eX6xO";
  const good256 = "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=";
  const bad256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const verdicts = [
    good256,
    bad256,
    `${bad256} ${good256}`,
    `${good384} ${bad256}`,
    `${good256} sha384-AAAA`,
    good256.replaceAll("+", "-").replaceAll("/", "_").replace("=", ""),
    `${good256}?option`,
    "md5-AAAA",
    "",
  ].map((metadata) => hasIntegrity(bytes, parseIntegrity(metadata)));
  assert.deepEqual(
    await Promise.all(verdicts),
    [true, false, true, true, false, true, true, true, true],
  );
});

test("M11 integrity of a known kind that cannot be read is refused, not ignored", async () => {
  const good = "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=";
  const unread = [
    "sha256-ä",
    "sha256-",
    "sha256",
    "sha256?option",
    "sha384-=",
    "sha512-AAAA====",
    `${good.slice(0, -1)}==`,
    `${good},`,
    `${good} sha384-!`,
    `${good.slice(0, 20)}%2B${good.slice(20)}`,
    "SHA256-AAAA",
    "Sha512-",
  ];
  const others = ["md5-AAAA", "sha1-", "sha-256", "-", "?", "sha2560-AAAA", "sha256+AAAA"];
  const right = [
    good,
    good.replace("sha256", "SHA256"),
    good.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
    `sha256-ä ${good}`,
    `${good}?a-b?c`,
    `\n${good}\t`,
  ];
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nalert(1)");
    }
  }, async (server) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    for (const url of [server.origin, "data:,alert(1)"]) {
      for (const integrity of unread) {
        await assert.rejects(fetch(url, { integrity }), TypeError, `${url} ${integrity}`);
      }
      for (const integrity of [...right, ...others]) {
        assert.equal(await (await fetch(url, { integrity })).text(), "alert(1)", integrity);
      }
    }
    for (const integrity of [...unread, ...others]) {
      assert.throws(
        () => new HttpRequest(server.origin, { integrity }),
        { code: "ERR_INVALID_REQUEST" },
        integrity,
      );
    }
    assert.equal(transport.stats().active, 0);
    await transport.close();
  });
});

test("fetch: content is checked before it is delivered, also that of other transports", async () => {
  const good = "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=";
  const bad = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const coded = gzipSync("alert(1)").toString("latin1");
  const answer = (head: string): string =>
    head.startsWith("GET /redirect")
      ? "HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 3\r\n\r\nbad"
      : head.startsWith("GET /empty")
      ? "HTTP/1.1 204 X\r\n\r\n"
      : `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${coded.length}\r\n\r\n${coded}`;
  await withRawServer(async (connection) => {
    for (;;) await connection.send(bytesOf(answer(await connection.readHead())));
  }, async (server) => {
    const inner = new Transport();
    // Knows nothing of integrity.
    const other: RoundTripper = {
      roundTrip: (request) => inner.roundTrip(request.with({ integrity: undefined })),
    };
    for (const transport of [inner, other]) {
      const fetch = createFetch({ transport });
      for (const path of ["/", "/redirect"]) {
        const right = await fetch(server.origin + path, { integrity: `${bad} ${good}` });
        assert.equal(await right.text(), "alert(1)");
        await assert.rejects(fetch(server.origin + path, { integrity: bad }), TypeError);
      }
      // It could not be checked, and nothing is asked for.
      for (const integrity of ["", "md5-AAAA", "sha1-x"]) {
        const response = await fetch(server.origin, { integrity });
        assert.equal(await response.text(), "alert(1)");
      }
      for (const init of [{ method: "HEAD" }, {}]) {
        const path = init.method === undefined ? "/empty" : "/";
        await assert.rejects(fetch(server.origin + path, { ...init, integrity: good }), TypeError);
      }
    }
    assert.equal(inner.stats().active, 0);
    await inner.close();
  });
  for (const [integrity, holds] of [[good, true], [bad, false]] as const) {
    const whole = defaultFetch("data:,alert(1)", { integrity }).then((it) => it.text());
    if (holds) assert.equal(await whole, "alert(1)");
    else await assert.rejects(whole, TypeError);
  }
});

test("fetch: a transport of its own asks for every coding that it can take off", async () => {
  const all = decodableCodings().join(", ");
  const rows: [FetchOptions, RequestInit, string | undefined][] = [
    [{}, {}, all],
    [{}, { method: "POST", body: "x" }, all],
    [{}, { method: "HEAD" }, undefined],
    [{}, { headers: { Range: "bytes=0-" } }, "identity"],
    [{ transport: new Transport() }, { headers: { Range: "bytes=0-" } }, "identity"],
    [{}, { headers: { "Range": "bytes=0-", "Accept-Encoding": "gzip" } }, "gzip"],
    [{ headers: { "Accept-Encoding": "br" } }, { headers: { Range: "bytes=0-" } }, "br"],
    [{}, { headers: { "Accept-Encoding": "br;q=0.5" } }, "br;q=0.5"],
    [{ acceptEncoding: ["br"] }, {}, "br"],
    [{ acceptEncoding: undefined }, {}, all],
    [{ disableCompression: true }, {}, undefined],
    [{ transport: new Transport() }, {}, "gzip"],
  ];
  const heads: string[] = [];
  await withRawServer(
    async (connection) => {
      heads.push(await connection.readHead());
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    },
    async (server) => {
      for (const [options, init, expected] of rows) {
        const fetch = createFetch(options);
        await (await fetch(server.origin, init)).text();
        assert.equal(
          /^accept-encoding: (.*)\r$/im.exec(heads.at(-1)!)?.[1],
          expected,
          JSON.stringify([options, init]),
        );
      }
    },
  );
});

test("fetch: known codings are taken off unasked, an unknown one leaves all as it came", async () => {
  const rows: [string, Uint8Array, string | null][] = [
    ["gzip", gzipSync("text"), "text"],
    ["br", brotliCompressSync("text"), "text"],
    ["deflate, gzip", gzipSync(deflateSync("text")), "text"],
    ["aws-chunked", bytesOf("as it is"), "as it is"],
    ["gzip, aws-chunked", gzipSync("text"), null],
  ];
  const inits: RequestInit[] = [
    {},
    { headers: { "Accept-Encoding": "identity" } },
    { headers: { Range: "bytes=0-" } },
  ];
  for (const [codings, content, text] of rows) {
    await withRawServer(async (connection) => {
      for (;;) {
        await connection.readHead();
        const lines = [`Content-Encoding: ${codings}`, `Content-Length: ${content.length}`];
        await connection.send(`HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n`);
        await connection.send(content);
      }
    }, async (server) => {
      for (const options of [{}, { disableCompression: true }]) {
        const transport = new Transport(options);
        const fetch = createFetch({ transport });
        try {
          for (const init of inits) {
            const response = await fetch(server.origin, init);
            assert.equal(response.headers.get("content-encoding"), codings);
            const bytes = new Uint8Array(await response.arrayBuffer());
            const expected = text === null ? new Uint8Array(content) : bytesOf(text);
            assert.deepEqual(bytes, new Uint8Array(expected), codings);
          }
        } finally {
          transport.destroy();
        }
      }
    });
  }
});

test("fetch: a range of a blob: URL is read as the standard reads it", async () => {
  const href = URL.createObjectURL(new Blob(["hello"]));
  const rows: [string, string | null][] = [
    ["bytes=1-2", "el"],
    ["bytes=1-", "ello"],
    ["bytes=-2", "lo"],
    ["bytes=-9", "hello"],
    ["bytes=1-9", "ello"],
    ["bytes \t= 1 - 2", "el"],
    ["bytes=5-", null],
    ["bytes=-0", null],
    ["bytes=2-1", null],
    ["bytes=-", null],
    ["bytes=0-1,3-4", null],
    ["items=0-1", null],
    ["bytes=1 2-3", null],
  ];
  try {
    for (const [range, text] of rows) {
      const answer = defaultFetch(href, { headers: { Range: range } });
      if (text === null) {
        await assert.rejects(answer, TypeError, range);
        continue;
      }
      const response = await answer;
      assert.deepEqual([response.status, await response.text()], [206, text], range);
    }
  } finally {
    URL.revokeObjectURL(href);
  }
});

/** A response whose content comes in two pieces, the second when the head has been seen. */
async function withLateBody(
  use: (send: typeof fetch, url: string, seen: () => void) => Promise<void>,
): Promise<void> {
  let seen = (): void => {};
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      const head = new Promise<void>((resolve) => seen = resolve);
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[1");
      await head;
      await connection.send(",2] ");
    }
  }, async (server) => {
    await using transport = new Transport();
    await use(createFetch({ transport }), server.origin, () => seen());
  });
}

test("fetch: a body that is read whole past its stream is in use, as after the platform's own", async () => {
  const ways: Record<string, (response: Response) => Promise<unknown>> = {
    text: (response) => response.text(),
    json: (response) => response.json(),
    arrayBuffer: (response) => response.arrayBuffer(),
    bytes: (response) => response.bytes(),
  };
  for (const [name, read] of Object.entries(ways)) {
    for (const looks of [false, true]) {
      await withLateBody(async (send, url, seen) => {
        const response = await send(url);
        if (looks) assert.equal(response.body!.locked, false);
        assert.equal(response.bodyUsed, false);
        const reading = read(response);
        assert.equal(response.bodyUsed, true, name);
        seen();
        const value = await reading;
        if (name === "text") assert.equal(value, "[1,2] ");
        if (name === "json") assert.deepEqual(value, [1, 2]);
        for (const again of Object.values(ways)) {
          await assert.rejects(again(response), TypeError, name);
        }
        assert.throws(() => response.clone(), TypeError, name);
        assert.throws(() => response.body!.getReader(), TypeError, name);
      });
    }
  }
});

test("fetch: a body of which the stream is read is not read past it", async () => {
  await withLateBody(async (send, url, seen) => {
    const response = await send(url);
    const reader = response.body!.getReader();
    assert.ok((await reader.read()).value!.length > 0);
    await assert.rejects(response.text(), TypeError);
    reader.releaseLock();
    await assert.rejects(response.text(), TypeError);
    seen();
    await response.body!.cancel();
  });
});

test("fetch: a body that is read whole past its stream fails with the reason of its signal", async () => {
  for (const before of [true, false]) {
    await withLateBody(async (send, url, seen) => {
      const controller = new AbortController();
      const response = await send(url, { signal: controller.signal });
      const reason = new Error("enough");
      if (before) controller.abort(reason);
      const reading = response.text();
      if (!before) controller.abort(reason);
      await assert.rejects(reading, reason);
      seen();
    });
  }
});
