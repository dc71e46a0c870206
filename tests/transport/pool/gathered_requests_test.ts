/**
 * Requests that wait for the end of their turn: whatever comes in between, each is sent once or not at all, and what
 * it held is given back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError, HttpRequest, type HttpRequestInit, Transport } from "../../../mod.ts";
import { systemClock } from "../../../transport/clock.ts";
import { test } from "../../support/harness.ts";
import { type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

/** So many under way that requests go together. */
const UNANSWERED = 30;

interface World {
  readonly transport: Transport;
  /** Sends a request and reads its answer. */
  get(path: string, init?: HttpRequestInit): Promise<string>;
  /** Ends the turn that requests wait for. */
  endTurn(): void;
  /** What came to the server, without what it never answers. */
  readonly seen: readonly string[];
  /** Closes the connection that brought the last request. */
  closeLast(): void;
}

/** Runs a test with one connection that has served and is idle, beside many requests that are not answered. */
async function withTurns(run: (world: World) => Promise<void>): Promise<void> {
  const seen: string[] = [];
  let unanswered = 0;
  let last: RawConnection | null = null;
  const answer = async (connection: RawConnection): Promise<void> => {
    for (;;) {
      const head = await connection.readHead();
      if (head === null) return;
      const path = head.split(" ", 2)[1];
      if (path === "/never") {
        unanswered++;
        continue;
      }
      seen.push(path);
      last = connection;
      await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    }
  };
  await withRawServer(answer, async (server) => {
    let ends: (() => void)[] = [];
    const endTurn = (): void => {
      const now = ends;
      ends = [];
      for (const end of now) end();
    };
    // Time stands still: what was read is fresh, and only the end of the turn is waited for.
    const clock = {
      ...systemClock,
      now: () => 0,
      atEndOfTurn: (end: () => void) => void ends.push(end),
    };
    const transport = new Transport({ clock });
    const get = async (path: string, init?: HttpRequestInit): Promise<string> => {
      const request = new HttpRequest(`http://127.0.0.1:${server.port}${path}`, init);
      return await (await transport.roundTrip(request)).text();
    };
    const others = Array.from({ length: UNANSWERED }, () => get("/never").catch(() => "ended"));
    await until("all of them are sent", () => {
      endTurn();
      return unanswered === UNANSWERED;
    });
    const first = get("/first");
    await until("it is answered", () => {
      endTurn();
      return transport.stats().idle === 1;
    });
    assert.equal(await first, "/first");
    await run({ transport, get, endTurn, seen, closeLast: () => last!.close() });
    transport.destroy();
    assert.deepEqual(new Set(await Promise.all(others)), new Set(["ended"]));
    endTurn();
    assert.equal(transport.stats().active, 0);
  });
}

test("gathered: an abort before the end of the turn gives the connection back, nothing is sent", async () => {
  await withTurns(async ({ transport, get, endTurn, seen }) => {
    const controller = new AbortController();
    const aborted = get("/aborted", { signal: controller.signal });
    assert.equal(transport.stats().idle, 0);
    const reason = new Error("not any more");
    controller.abort(reason);
    await assert.rejects(aborted, (error) => error === reason);
    assert.equal(transport.stats().idle, 1);
    endTurn();
    const next = get("/next");
    endTurn();
    assert.equal(await next, "/next");
    assert.deepEqual(seen, ["/first", "/next"]);
  });
});

test("gathered: what the server closes before the end of the turn is not written to", async () => {
  await withTurns(async ({ transport, get, endTurn, seen, closeLast }) => {
    const open = transport.inspect().connections.length;
    const moved = get("/moved");
    closeLast();
    await until("it is gone", () => transport.inspect().connections.length < open);
    let answer = "";
    moved.then((text) => answer = text);
    await until("it goes on another connection", () => {
      endTurn();
      return answer !== "";
    });
    assert.equal(answer, "/moved");
    assert.deepEqual(seen, ["/first", "/moved"]);
  });
});

test("gathered: destroy() before the end of the turn ends them, nothing is sent", async () => {
  await withTurns(async ({ transport, get, endTurn, seen }) => {
    const waiting = Array.from({ length: 3 }, () => get("/waiting").catch((error) => error));
    transport.destroy();
    for (const error of await Promise.all(waiting)) {
      assert.ok(error instanceof HttpError && error.code === "ERR_CLOSED", String(error));
    }
    endTurn();
    assert.deepEqual(seen, ["/first"]);
  });
});

test("gathered: each of many answers goes to its own request, each request is sent once", async () => {
  await withTurns(async ({ get, endTurn, seen }) => {
    const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
    let open = paths.length;
    const answers = paths.map((path) => get(path).finally(() => open--));
    await until("all are answered", () => {
      endTurn();
      return open === 0;
    });
    assert.deepEqual(await Promise.all(answers), paths);
    assert.deepEqual(seen.slice(1).sort(), [...paths].sort());
  });
});
