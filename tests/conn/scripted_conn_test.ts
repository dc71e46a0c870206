/**
 * The scripted connection itself: a test that uses it fails when it should, and only then.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError } from "../../conn/http_error.ts";
import { ScriptedConn, scriptedDialer, ScriptError } from "../../testing/mod.ts";
import { bytesOf, latin1 } from "../support/raw_server.ts";
import { test } from "../support/harness.ts";

async function readText(conn: ScriptedConn, size = 64): Promise<string | null> {
  const p = new Uint8Array(size);
  const n = await conn.read(p);
  return n === null ? null : latin1(p.subarray(0, n));
}

const lost = (error: unknown): boolean =>
  error instanceof HttpError && error.code === "ERR_CONNECTION_LOST";
const closed = (error: unknown): boolean =>
  error instanceof HttpError && error.code === "ERR_CLOSED";
const busy = (error: unknown): boolean =>
  error instanceof HttpError && error.code === "ERR_INVALID_REQUEST";
const differs = (text: string) => (error: unknown): boolean =>
  error instanceof ScriptError && error.message.includes(text);

test("ScriptedConn: an empty script is consumed", () => {
  new ScriptedConn().assertConsumed();
});

test("ScriptedConn: expects bytes in any pieces, and answers when all came", async () => {
  const conn = new ScriptedConn().expect("abcd").send("ef");
  const answer = readText(conn);
  for (const byte of "abcd") await conn.write(bytesOf(byte));
  assert.equal(await answer, "ef");
  conn.assertConsumed();
  assert.equal(conn.writes.length, 4);
  assert.equal(conn.written, "abcd");
  assert.equal(conn.bytesWritten, 4);
  assert.equal(conn.bytesRead, 2);
});

test("ScriptedConn: one write may go over several steps", async () => {
  const conn = new ScriptedConn().expect("ab").send("1").expect("cd").send("2");
  await conn.write(bytesOf("abcd"));
  assert.equal(await readText(conn), "1");
  assert.equal(await readText(conn), "2");
  conn.assertConsumed();
});

test("ScriptedConn: a differing byte fails the write, the read and the check, both shown", async () => {
  const conn = new ScriptedConn().expect("a\r\nb\xff").send("never");
  const reading = readText(conn);
  reading.catch(() => {});
  await assert.rejects(conn.write(bytesOf("a\r\nc")), differs('expected: "a\\r\\nb\\xff"'));
  await assert.rejects(reading, differs('written:  "a\\r\\nc"'));
  await assert.rejects(readText(conn), differs("from byte 3 on"));
  await assert.rejects(conn.write(bytesOf("b")), differs("expected"));
  assert.throws(() => conn.assertConsumed(), differs("expected"));
});

test("ScriptedConn: bytes that nobody expects fail", async () => {
  const atEnd = new ScriptedConn().expect("a");
  await assert.rejects(atEnd.write(bytesOf("ab")), differs('at the end of the script: "b"'));
  assert.throws(() => atEnd.assertConsumed(), ScriptError);
  const beforeClose = new ScriptedConn().waitForClose();
  await assert.rejects(beforeClose.write(bytesOf("a")), differs("before waitForClose"));
});

test("ScriptedConn: a step that is left fails the check", () => {
  assert.throws(
    () => new ScriptedConn().expect("abc").assertConsumed(),
    differs('still expected: "abc"'),
  );
  const waiting = new ScriptedConn().waitForClose();
  assert.throws(() => waiting.assertConsumed(), differs("was not closed"));
  waiting.close();
  waiting.assertConsumed();
});

test("ScriptedConn: what was expected in part is still expected", async () => {
  const conn = new ScriptedConn().expect("abc");
  await conn.write(bytesOf("ab"));
  assert.throws(() => conn.assertConsumed(), differs('still expected: "c"'));
});

test("ScriptedConn: sent bytes are read in the pieces of the reader", async () => {
  const conn = new ScriptedConn().send("abcde").send("").send("f").end();
  assert.equal(await readText(conn, 2), "ab");
  assert.equal(await conn.read(new Uint8Array(0)), 0);
  assert.equal(await readText(conn, 9), "cde");
  assert.equal(await readText(conn, 9), "f");
  assert.equal(await readText(conn), null);
  assert.equal(await readText(conn), null);
  conn.assertConsumed();
});

test("ScriptedConn: after end() it still takes what the script expects", async () => {
  const conn = new ScriptedConn().end().expect("late");
  assert.equal(await readText(conn), null);
  await conn.write(bytesOf("late"));
  conn.assertConsumed();
});

test("ScriptedConn: reset() fails the pending read and loses unread bytes", async () => {
  const conn = new ScriptedConn().expect("a").send("lost").reset();
  await conn.write(bytesOf("a"));
  await assert.rejects(readText(conn), lost);
  await assert.rejects(conn.write(bytesOf("b")), lost);
  conn.assertConsumed();
});

test("ScriptedConn: hang() leaves read and write pending until close()", async () => {
  const conn = new ScriptedConn().hang();
  const reading = readText(conn);
  const writing = conn.write(bytesOf("a"));
  reading.catch(() => {});
  writing.catch(() => {});
  await assert.rejects(readText(conn), busy);
  await assert.rejects(conn.write(bytesOf("b")), busy);
  assert.equal(conn.bytesWritten, 0);
  conn.assertConsumed();
  conn.close();
  await assert.rejects(reading, closed);
  await assert.rejects(writing, closed);
  conn.assertConsumed();
});

test("ScriptedConn: close() is idempotent and counted", async () => {
  const conn = new ScriptedConn().waitForClose();
  conn.close();
  conn.close();
  assert.equal(conn.closeCount, 2);
  await assert.rejects(readText(conn), closed);
  await assert.rejects(conn.write(bytesOf("a")), closed);
  await assert.rejects(conn.closeWrite(), closed);
});

test("ScriptedConn: ref() and unref() are told, closeWrite() ends writing", async () => {
  const conn = new ScriptedConn().send("a");
  assert.equal(conn.isRefed, true);
  conn.unref();
  assert.equal(conn.isRefed, false);
  conn.ref();
  await conn.closeWrite();
  await assert.rejects(conn.write(bytesOf("a")), busy);
  assert.equal(await readText(conn), "a");
  conn.close();
  assert.equal(conn.isRefed, false);
});

test("ScriptedConn: text that is no bytes is refused", () => {
  assert.throws(() => new ScriptedConn().expect("\u010a"), ScriptError);
});

test("scriptedDialer() gives its connections in order, and no others", async () => {
  const [a, b] = [new ScriptedConn(), new ScriptedConn()];
  const dialer = scriptedDialer(a, b);
  const address = { transport: "tcp", hostname: "a.test", port: 80 } as const;
  assert.equal(await dialer.dial(address), a);
  assert.throws(() => dialer.assertConsumed(), differs("1 of 2 connections"));
  assert.equal(await dialer.dial(address), b);
  assert.equal(await dialer.startTls(b, { serverName: "a.test" }), b);
  await assert.rejects(dialer.dial(address), differs("Unexpected dial 3"));
  assert.deepEqual(dialer.dialled, [address, address, address]);
  assert.deepEqual(dialer.secured, [{ serverName: "a.test" }]);
  dialer.assertConsumed();
});

test("scriptedDialer() checks the scripts of its connections", async () => {
  const dialer = scriptedDialer(new ScriptedConn().expect("a"));
  await dialer.dial({ transport: "unix", path: "a" });
  assert.throws(() => dialer.assertConsumed(), differs("still expected"));
});
