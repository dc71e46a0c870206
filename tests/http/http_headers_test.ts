/**
 * `HttpHeaders`: order, case and repeats are kept, look-up ignores case, and what may not be sent is refused.
 *
 * @module
 */
import assert from "node:assert/strict";
import { checkedField, HttpHeaders, type HttpHeadersInit } from "../../http/http_headers.ts";
import { ResponseHeadReader } from "../../http1/response_head.ts";
import { bytesOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";

const INVALID = { name: "HttpError", code: "ERR_INVALID_REQUEST" };

function sample(): HttpHeaders {
  return new HttpHeaders([["B", "1"], ["a", "2"], ["b", "3"], ["A", "4"], ["C", "5"]]);
}

function wire(fields: string): HttpHeaders {
  const bytes = bytesOf(`HTTP/1.1 200 OK\r\n${fields}\r\n`);
  return new ResponseHeadReader("strict").read(bytes, 0, bytes.length, [])!.headers;
}

test("HttpHeaders: every kind of init", () => {
  const pairs: [string, string][] = [["X-A", "1"], ["x-b", "2"]];
  const inits: [HttpHeadersInit | undefined, [string, string][]][] = [
    [undefined, []],
    [{}, []],
    [[], []],
    [pairs, pairs],
    [{ "X-A": "1", "x-b": "2" }, pairs],
    [{ "X-A": ["1", "2"], "x-b": [] }, [["X-A", "1"], ["X-A", "2"]]],
    [new Map(pairs), pairs],
    [new HttpHeaders(pairs), pairs],
    [new Headers(pairs), [["x-a", "1"], ["x-b", "2"]]],
    [pairs.values(), pairs],
  ];
  for (const [init, expected] of inits) {
    assert.deepEqual([...new HttpHeaders(init)], expected);
    assert.equal(
      new HttpHeaders(init instanceof HttpHeaders ? init : expected).size,
      expected.length,
    );
  }
});

test("HttpHeaders: an init that is none is refused", () => {
  for (
    const init of [
      "A: b",
      1,
      true,
      [["a"]],
      [["a", "b", "c"]],
      ["ab"],
      [null],
      [["a b", "c"]],
      { "": "x" },
    ]
  ) {
    assert.throws(() => new HttpHeaders(init as unknown as HttpHeadersInit), INVALID);
  }
});

test("HttpHeaders: order, case and repeats are kept; look-up ignores case", () => {
  const headers = sample();
  assert.deepEqual([...headers], [["B", "1"], ["a", "2"], ["b", "3"], ["A", "4"], ["C", "5"]]);
  assert.equal(headers.size, 5);
  assert.equal(headers.get("A"), "2, 4");
  assert.equal(headers.get("c"), "5");
  assert.equal(headers.get("d"), null);
  assert.deepEqual(headers.getAll("b"), ["1", "3"]);
  assert.deepEqual(headers.getAll("d"), []);
  assert.equal(headers.has("B"), true);
  assert.equal(headers.has("d"), false);
  const seen: [string, string][] = [];
  headers.forEach((value, name) => seen.push([name, value]));
  assert.deepEqual(seen, [...headers]);
});

test("HttpHeaders: set() takes the place of the first, delete() takes all, append() adds", () => {
  for (const warm of [false, true]) {
    const headers = sample();
    if (warm) headers.has("x");
    headers.set("A", "6");
    assert.deepEqual([...headers], [["B", "1"], ["A", "6"], ["b", "3"], ["C", "5"]]);
    headers.set("d", "7");
    headers.delete("B");
    headers.delete("nothing");
    headers.append("a", "8");
    assert.deepEqual([...headers], [["A", "6"], ["C", "5"], ["d", "7"], ["a", "8"]]);
    assert.equal(headers.get("a"), "6, 8");
    assert.equal(headers.size, 4);
  }
});

test("HttpHeaders: received ones can be looked at and changed like others", () => {
  const received = "B: 1\r\na: \r\nb:3\r\n";
  assert.equal(wire(received).size, 3);
  assert.equal(wire(received).get("B"), "1, 3");
  const appended = wire(received);
  appended.append("c", "4");
  assert.deepEqual([...appended], [["B", "1"], ["a", ""], ["b", "3"], ["c", "4"]]);
  const set = wire(received);
  set.set("b", "5");
  assert.deepEqual([...set], [["b", "5"], ["a", ""]]);
  const deleted = wire(received);
  deleted.delete("b");
  assert.equal(deleted.size, 1);
});

test("HttpHeaders: a copy of a copy is its own", () => {
  const first = sample();
  const second = new HttpHeaders(first);
  second.set("B", "x");
  first.delete("C");
  assert.equal(first.get("B"), "1, 3");
  assert.equal(second.get("C"), "5");
});

test("HttpHeaders: frozen ones refuse every change and stay readable", () => {
  const headers = sample().freeze();
  assert.throws(() => headers.set("B", "x"), INVALID);
  assert.throws(() => headers.append("B", "x"), INVALID);
  assert.throws(() => headers.delete("B"), INVALID);
  assert.deepEqual([...headers], [...sample()]);
  const copy = new HttpHeaders(headers);
  copy.set("B", "x");
  assert.equal(copy.get("B"), "x");
});

test("HttpHeaders: toWeb() gives the platform's, Set-Cookie apart", () => {
  const headers = new HttpHeaders([
    ["B", "1"],
    ["Set-Cookie", "a=1"],
    ["b", "2"],
    ["set-cookie", "b=2, 3"],
    ["X", "\xe9"],
  ]);
  const web = headers.toWeb();
  assert.ok(web instanceof Headers);
  assert.equal(web.get("b"), "1, 2");
  assert.deepEqual(web.getSetCookie(), ["a=1", "b=2, 3"]);
  assert.equal(web.get("x"), "\xe9");
});

test("T43 HttpHeaders: names like __proto__ are names", () => {
  const parsed = JSON.parse('{"__proto__": "1", "constructor": "2", "toString": "3"}');
  for (
    const headers of [
      new HttpHeaders(parsed),
      wire("__proto__: 1\r\nconstructor: 2\r\ntoString: 3\r\n"),
    ]
  ) {
    assert.equal(headers.get("__PROTO__"), "1");
    assert.equal(headers.get("constructor"), "2");
    assert.equal(headers.get("valueOf"), null);
    headers.set("__proto__", "x");
    headers.append("hasOwnProperty", "y");
    assert.equal(headers.has("hasownproperty"), true);
    headers.delete("__proto__");
    assert.equal(headers.has("__proto__"), false);
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
  }
});

/** An object that is another string each time it is converted. */
function fickle(...texts: string[]): { text: string; conversions: () => number } {
  let conversions = 0;
  const object = { toString: () => texts[Math.min(conversions++, texts.length - 1)] };
  return { text: object as unknown as string, conversions: () => conversions };
}

test("T16 HttpHeaders: names and values are converted exactly once, and that is checked and kept", () => {
  const ways: ((name: string, value: string) => [string, string])[] = [
    checkedField,
    (name, value) => [...new HttpHeaders([[name, value]])][0],
    (name, value) => {
      const headers = new HttpHeaders();
      headers.append(name, value);
      return [...headers][0];
    },
    (name, value) => {
      const headers = new HttpHeaders([["x-a", "old"]]);
      headers.set(name, value);
      return [...headers][0];
    },
  ];
  for (const way of ways) {
    const name = fickle("X-A", "X-A\r\nEvil: 1");
    const value = fickle("good", "bad\r\nEvil: 1");
    assert.deepEqual(way(name.text, value.text), ["X-A", "good"]);
    assert.equal(name.conversions(), 1);
    assert.equal(value.conversions(), 1);
    assert.throws(() => way("X-A", fickle("bad\r\nEvil: 1", "good").text), INVALID);
  }
  const inRecord = fickle("good", "bad\r\nEvil: 1");
  assert.equal(new HttpHeaders({ "X-A": inRecord.text }).get("x-a"), "good");
  assert.equal(inRecord.conversions(), 1);
});

test("T15 HttpHeaders: characters that may not be sent are refused in names and values", () => {
  for (
    const c of [
      "\r",
      "\n",
      "\r\n",
      "\0",
      "\x0b",
      "\x1b",
      "\x7f",
      "\u010a",
      "\u010d",
      "\u2028",
      "😀",
    ]
  ) {
    for (const text of [`a${c}b`, `${c}a`, `a${c}`, c]) {
      assert.throws(() => new HttpHeaders([["X", text]]), INVALID, JSON.stringify(text));
      assert.throws(() => new HttpHeaders([[text, "x"]]), INVALID, JSON.stringify(text));
      assert.throws(() => new HttpHeaders().set(text, "x"), INVALID);
      assert.throws(() => new HttpHeaders().append("X", text), INVALID);
    }
  }
  for (const name of ["", " ", "a b", "a:", "é", "a ", " a", "(a)", "a,b"]) {
    assert.throws(() => new HttpHeaders([[name, "x"]]), INVALID);
  }
});

test("HttpHeaders: white space at the ends of a value is cut, obs-text kept", () => {
  assert.equal(new HttpHeaders([["X", " \ta \t b\t "]]).get("x"), "a \t b");
  assert.equal(new HttpHeaders([["X", ""]]).get("x"), "");
  assert.equal(new HttpHeaders([["X", " "]]).get("x"), "");
  assert.equal(new HttpHeaders([["X", "\xe9\xff"]]).get("x"), "\xe9\xff");
});

test("T28 HttpHeaders: an error does not show the value", () => {
  assert.throws(() => new HttpHeaders([["X", "canary\n"]]), (error: Error) => {
    return !error.message.includes("canary") && error.message.includes('"X"');
  });
});

test("HttpHeaders: 10,000 lines can be looked up and removed", () => {
  const headers = new HttpHeaders();
  for (let i = 0; i < 10_000; i++) headers.append("X", String(i));
  assert.equal(headers.getAll("x").length, 10_000);
  headers.set("x", "one");
  assert.deepEqual([...headers], [["x", "one"]]);
});

test("HttpHeaders: what is made of a list is kept only once nobody can change the list", () => {
  const names = (headers: HttpHeaders): string[] => [...headers].map(([name]) => name);
  const size = (headers: HttpHeaders): number => headers.size;
  const headers = new HttpHeaders([["A", "1"]]);
  const before = headers.derived(names);
  headers.append("B", "2");
  assert.deepEqual(headers.derived(names), ["A", "B"]);
  headers.freeze();
  assert.deepEqual(before, ["A"]);
  const kept = headers.derived(names);
  assert.deepEqual(kept, ["A", "B"]);
  assert.equal(headers.derived(names), kept);
  assert.equal(headers.derived(size), 2);
  assert.deepEqual(headers.derived(names), ["A", "B"]);
  const fail = (): never => {
    throw new RangeError("no");
  };
  for (let i = 0; i < 2; i++) assert.throws(() => headers.derived(fail), RangeError);
});
