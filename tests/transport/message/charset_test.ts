/**
 * Text of a body by the charset of its `Content-Type`: where it counts, and where it does not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { charsetOf } from "../../../transport/message/charset.ts";
import { Client, createFetch, HttpRequest, type Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, type RawServer, withRawServer } from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";

/** Serves one body with these lines, and lets `run` use it. */
async function serving(
  lines: string[],
  body: string,
  run: (server: RawServer, client: Client, transport: Transport) => Promise<void>,
): Promise<void> {
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      const head = ["HTTP/1.1 200 OK", ...lines, `Content-Length: ${body.length}`, "", ""];
      await connection.send(head.join("\r\n") + body);
    }
  }, async (server) => {
    const transport = steadyTransport();
    try {
      await run(server, new Client({ transport }), transport);
      assert.equal(transport.stats().active, 0);
    } finally {
      transport.destroy();
    }
  });
}

test("M31 text() goes by the charset of the response", async () => {
  const rows: [string[], string, string][] = [
    [["Content-Type: text/plain"], "\xc3\xa9", "é"],
    [[], "\xc3\xa9", "é"],
    [["Content-Type: text/plain; charset=utf-8"], "\xef\xbb\xbf\xc3\xa9", "é"],
    [["Content-Type: text/plain; charset=ISO-8859-1"], "\xe9\xdf", "éß"],
    [['content-TYPE: text/html;CHARSET="iso-8859-1" ;x=y'], "\xe9", "é"],
    [['Content-Type: text/html; a="; charset=koi8-r"; charset=latin1'], "\xe9", "é"],
    [["Content-Type: text/html; charset=windows-1251"], "\xe6\xe8", "жи"],
    [["Content-Type: text/html; charset=shift_jis"], "\x93\xfa\x96\x7b", "日本"],
    [["Content-Type: text/html; charset=utf-16le"], "a\0\xe9\0", "aé"],
    [["Content-Type: text/html; charset=utf-16be"], "\0a\0\xe9", "aé"],
    [["Content-Type: text/a; charset=utf-8", "Content-Type: text/b; charset=latin1"], "\xe9", "é"],
    [["Content-Type: text/html; charset="], "\xc3\xa9", "é"],
  ];
  for (const [lines, body, text] of rows) {
    await serving(lines, body, async (server, client, transport) => {
      const response = await client.get(server.origin);
      assert.equal(await response.text(), text, lines.join());
      assert.deepEqual(response.deviations, []);
      const direct = await transport.roundTrip(new HttpRequest(server.origin));
      assert.equal(await direct.text(), text, lines.join());
    });
  }
});

test("M31 a charset that the platform does not know is UTF-8, and listed", async () => {
  for (const charset of ["bogus", "utf-7", "iso-2022-kr", '"a b"', "\xe9", "utf-8x"]) {
    await serving(
      [`Content-Type: text/plain; charset=${charset}`],
      "\xc3\xa9",
      async (server, client) => {
        const response = await client.get(server.origin);
        assert.deepEqual(response.deviations, []);
        assert.equal(await response.text(), "é", charset);
        assert.deepEqual(response.deviations, ["unknown-charset"]);
        // It says nothing about where the message ends.
        assert.equal((await client.get(server.origin)).connection.reused, true);
      },
    );
  }
});

test("M31 json() and fetch are UTF-8, whatever the charset says", async () => {
  const lines = ["Content-Type: application/json; charset=iso-8859-1"];
  await serving(lines, '"\xc3\xa9"', async (server, client, transport) => {
    const fetch = createFetch({ transport });
    const response = await client.get(server.origin);
    assert.equal(await response.json(), "é");
    assert.deepEqual(response.deviations, []);
    assert.equal(await (await fetch(server.origin)).text(), '"é"');
    assert.equal(await (await fetch(server.origin)).json(), "é");
    assert.equal(await (await client.get(server.origin)).toWeb().text(), '"é"');
    assert.deepEqual(await (await client.get(server.origin)).bytes(), bytesOf('"\xc3\xa9"'));
  });
});

test("M31 the charset of a media type", () => {
  const rows: [string, string | null][] = [
    ["text/plain", null],
    ["", null],
    [";", null],
    [";;;charset=a", "a"],
    ["a/b;charset=x", "x"],
    ["a/b ; \t charset=x \t", "x"],
    ["a/b;Charset=X;charset=y", "X"],
    ["a/b;charset=;charset=y", null],
    ["a/b;xcharset=y", null],
    ["a/b;charset", null],
    ["a/b;charset;charset=y", "y"],
    ['a/b;charset="x"', "x"],
    ['a/b;charset="x\\"y"', 'x"y'],
    ['a/b;charset="x', "x"],
    ['a/b;charset="x"y', "x"],
    ['a/b;n="\\";charset=no";charset=yes', "yes"],
    ['a/b;n="charset=no', null],
    ["charset=no", null],
  ];
  for (const [type, charset] of rows) assert.equal(charsetOf(type), charset, type);
});

test("M31 T52 a long media type costs what it is long", () => {
  for (const piece of [";", ";a", ';a="', "; \t", ";a=", '\\"', ';a="\\', '="']) {
    charsetOf("a/b;" + piece.repeat(1_000_000 / piece.length));
    charsetOf("a/b;" + piece.repeat(1_000_000 / piece.length) + "\\");
  }
});
