/**
 * Which TLS sessions are kept, for whom, and how many of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { systemDialer } from "../../conn/mod.ts";
import type { Conn, TlsInfo, TlsOptions } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import {
  type SessionUse,
  sessionUse,
  tlsIdentity,
  TlsSessions,
  withSessions,
} from "../../conn/tls_sessions.ts";
import * as certs from "../support/certs.ts";
import { runtime, test } from "../support/harness.ts";
import { type TlsVersion, withSessionServer } from "../support/session_server.ts";

const VALID_TO = "Jan  1 00:00:00 2040 GMT";

function info(more: Partial<TlsInfo> = {}): TlsInfo {
  return {
    alpnProtocol: null,
    protocol: "TLSv1.3",
    engine: "node",
    sessionReused: false,
    peerCertificate: {
      subject: "CN=localhost",
      issuer: "CN=ca",
      fingerprint256: "AA:BB",
      validTo: VALID_TO,
      raw: Uint8Array.of(1, 2, 3),
    },
    ...more,
  };
}

/** What a handshake does with the sessions of a place. */
function at(sessions: TlsSessions, place: string, options: TlsOptions = {}): SessionUse {
  return sessionUse(withSessions(options, sessions, place), "localhost", "node")!;
}

/** A whole handshake, after which `tickets` come. */
function connected(sessions: TlsSessions, place: string, ...tickets: number[]): void {
  const use = at(sessions, place);
  use.succeeded(info());
  for (const ticket of tickets) use.came(Uint8Array.of(ticket));
}

test("sessions: the last is offered first, each of them once", () => {
  const sessions = new TlsSessions();
  assert.equal(at(sessions, "a").offer(), null);
  connected(sessions, "a", 1, 2);
  assert.equal(sessions.count, 2);
  assert.deepEqual(at(sessions, "a").offer(), Uint8Array.of(2));
  assert.deepEqual(at(sessions, "a").offer(), Uint8Array.of(1));
  assert.equal(at(sessions, "a").offer(), null);
  assert.equal(sessions.count, 0);
});

test("sessions: tickets that come before the end of the handshake are kept if it succeeds", () => {
  const sessions = new TlsSessions();
  const good = at(sessions, "a");
  good.came(Uint8Array.of(1));
  assert.equal(sessions.count, 0);
  good.succeeded(info());
  assert.equal(sessions.count, 1);
  const bad = at(sessions, "b");
  bad.came(Uint8Array.of(2));
  bad.failed();
  bad.came(Uint8Array.of(3));
  assert.equal(at(sessions, "b").offer(), null);
});

test("sessions: a session shows the certificate of its beginning, which nobody can change", () => {
  const sessions = new TlsSessions();
  const first = info();
  const use = at(sessions, "a");
  const shown = use.succeeded(first);
  use.came(Uint8Array.of(1));
  shown.peerCertificate!.raw.fill(9);
  first.peerCertificate!.validTo = "Jan  1 00:00:00 1990 GMT";
  for (let ticket = 2; ticket < 5; ticket++) {
    const again = at(sessions, "a");
    assert.notEqual(again.offer(), null);
    const told = again.succeeded(info({ sessionReused: true, peerCertificate: null }));
    assert.equal(told.sessionReused, true);
    assert.deepEqual(told.peerCertificate, info().peerCertificate);
    told.peerCertificate!.raw.fill(9);
    again.came(Uint8Array.of(ticket));
  }
});

test("sessions: one of TLS 1.2 is good for more than one connection, one of TLS 1.3 is not", () => {
  for (const protocol of ["TLSv1.2", "TLSv1.3"]) {
    const sessions = new TlsSessions();
    connected(sessions, "a", 1);
    const again = at(sessions, "a");
    again.offer();
    assert.equal(sessions.count, 0, "not by two connections at once");
    again.succeeded(info({ protocol, sessionReused: true }));
    assert.equal(sessions.count, protocol === "TLSv1.2" ? 1 : 0);
  }
});

test("sessions: what was offered in a handshake that failed costs the others of the place", () => {
  const sessions = new TlsSessions();
  connected(sessions, "a", 1, 2, 3);
  connected(sessions, "b", 4);
  const failing = at(sessions, "a");
  failing.offer();
  failing.failed();
  assert.equal(at(sessions, "a").offer(), null);
  assert.notEqual(at(sessions, "b").offer(), null);
  // One that offered nothing says nothing about sessions.
  connected(sessions, "a", 5);
  at(sessions, "a").failed();
  assert.notEqual(at(sessions, "a").offer(), null);
});

test("sessions: a server that takes none up is left alone for a while, and asked again", () => {
  const sessions = new TlsSessions();
  const use = () => sessionUse(withSessions({}, sessions, "a"), "localhost", "node");
  /** A handshake with a server that gives a ticket. @returns Whether it was offered one. */
  const handshake = (takesUp: boolean): boolean => {
    const one = use();
    if (one === null) return false;
    const offered = one.offer() !== null;
    one.succeeded(info({ sessionReused: offered && takesUp }));
    one.came(Uint8Array.of(1));
    return offered;
  };
  const offers = (count: number, takesUp: boolean): number => {
    let offered = 0;
    for (let i = 0; i < count; i++) if (handshake(takesUp)) offered++;
    return offered;
  };
  assert.equal(offers(4, false), 3);
  assert.equal(sessions.count, 0);
  assert.equal(offers(100, false), 0);
  assert.equal(offers(2, false), 1, "once more");
  assert.equal(offers(100, false), 0);
  // It takes them up now.
  assert.equal(offers(200, true), 199);
  // One that is refused now and then is no reason.
  for (let i = 0; i < 20; i++) assert.equal(offers(1, i % 3 !== 0), 1);
});

test("sessions: none outlives the certificate", () => {
  let nowMs = Date.parse(VALID_TO) - 1;
  const sessions = new TlsSessions(() => nowMs);
  connected(sessions, "a", 1, 2);
  assert.notEqual(at(sessions, "a").offer(), null);
  nowMs++;
  assert.equal(at(sessions, "a").offer(), null);
  assert.equal(sessions.count, 0);
  connected(sessions, "a", 3);
  assert.equal(sessions.count, 0);
  // A date that says nothing.
  const use = at(sessions, "b");
  use.succeeded(info({ peerCertificate: { ...info().peerCertificate!, validTo: "soon" } }));
  use.came(Uint8Array.of(1));
  assert.equal(sessions.count, 0);
  const unknown = at(sessions, "c");
  unknown.succeeded(info({ peerCertificate: null }));
  unknown.came(Uint8Array.of(1));
  assert.equal(sessions.count, 0);
});

test("sessions: a bounded number, those that were used longest ago go first", () => {
  const sessions = new TlsSessions();
  const tickets = Array.from({ length: 200 }, (_, i) => i);
  connected(sessions, "busy", ...tickets);
  assert.equal(sessions.count, 64);
  assert.deepEqual(at(sessions, "busy").offer(), Uint8Array.of(199));
  for (let place = 0; place < 5; place++) connected(sessions, `place ${place}`, ...tickets);
  assert.ok(sessions.count <= 256, `${sessions.count}`);
  assert.equal(at(sessions, "busy").offer(), null);
  for (let place = 0; place < 1_000; place++) connected(sessions, `other ${place}`, 1);
  assert.ok(sessions.count <= 256, `${sessions.count}`);
  let left = 0;
  for (let place = 0; place < 1_000; place++) {
    // Looking for one makes room for it.
    if (place >= 900 && at(sessions, `other ${place}`).offer() !== null) left++;
  }
  assert.equal(left, 100);
});

test("sessions: after clear() there are none, and connections of before bring none", () => {
  const sessions = new TlsSessions();
  connected(sessions, "a", 1, 2);
  const open = at(sessions, "a");
  open.succeeded(info());
  sessions.clear();
  assert.equal(sessions.count, 0);
  open.came(Uint8Array.of(3));
  assert.equal(sessions.count, 0);
  assert.equal(at(sessions, "a").offer(), null);
});

test("sessions: whatever is done, the count is what can be taken", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.constantFrom("come", "take", "fail", "clear", "reuse"), fc.nat(4), fc.nat(80)),
        { maxLength: 60 },
      ),
      (steps) => {
        const sessions = new TlsSessions();
        for (const [step, place, count] of steps) {
          const use = at(sessions, `${place}`);
          if (step === "clear") sessions.clear();
          else if (step === "come") {
            use.succeeded(info());
            for (let i = 0; i < count; i++) use.came(Uint8Array.of(i));
          } else {
            const offered = use.offer();
            if (step === "fail") use.failed();
            if (step === "reuse" && offered !== null) {
              use.succeeded(info({ protocol: "TLSv1.2", sessionReused: true }));
            }
          }
          assert.ok(sessions.count >= 0 && sessions.count <= 256);
        }
        let found = 0;
        const { count } = sessions;
        for (let place = 0; place <= 4; place++) {
          while (at(sessions, `${place}`).offer() !== null) found++;
        }
        assert.equal(found, count);
      },
    ),
    { numRuns: 100 },
  );
});

test("T31 T35 tlsIdentity(): every option counts, a check and a certificate of the client's forbid", () => {
  const ca = [certs.ca];
  // One value and another for each: an option that is added must be thought of here too.
  const values: { [K in keyof Required<TlsOptions>]: [TlsOptions[K], TlsOptions[K]] } = {
    caCerts: [ca, [certs.ca, certs.otherCa]],
    caMode: ["extra", "only"],
    cert: [certs.client.cert, certs.localhost.cert],
    key: [certs.client.key, certs.localhost.key],
    serverName: ["localhost", "127.0.0.1"],
    alpnProtocols: [["http/1.1"], ["h2", "http/1.1"]],
    minVersion: ["TLSv1.2", "TLSv1.3"],
    insecureSkipVerify: [false, true],
    verifyPeer: [() => {}, () => {}],
    keyLog: [() => {}, () => {}],
  };
  const never = ["cert", "key", "verifyPeer", "keyLog"];
  for (const [name, [one, other]] of Object.entries(values)) {
    const base = tlsIdentity({}, "localhost");
    const [a, b] = [one, other].map((value) => tlsIdentity({ [name]: value }, "localhost"));
    if (never.includes(name)) assert.deepEqual([a, b], [null, null], name);
    else {
      assert.equal(new Set([base, a, b]).size, 3, name);
      assert.equal(tlsIdentity({ [name]: one } as TlsOptions, "localhost"), a, name);
    }
  }
  assert.notEqual(tlsIdentity({}, "a.test"), tlsIdentity({}, "b.test"));
  const identity = tlsIdentity({ caCerts: ca }, "localhost");
  ca.push(certs.otherCa);
  assert.notEqual(tlsIdentity({ caCerts: ca }, "localhost"), identity, "the array was changed");
  ca.pop();
  ca[0] = certs.otherCa;
  assert.notEqual(tlsIdentity({ caCerts: ca }, "localhost"), identity, "a text was changed");
});

/** One connection, and what it brought. */
async function ask(
  port: number,
  options: TlsOptions,
  way: "dial" | "startTls",
): Promise<{ text: string; tls: TlsInfo }> {
  const dialer = systemDialer();
  const address = { transport: "tcp", hostname: "127.0.0.1", port } as const;
  let conn: Conn;
  if (way === "dial") conn = await dialer.dial(address, { tls: options });
  else conn = await dialer.startTls(await dialer.dial(address), options);
  try {
    await conn.write(new TextEncoder().encode("x"));
    const p = new Uint8Array(1000);
    const n = await conn.read(p);
    const text = new TextDecoder().decode(p.subarray(0, n ?? 0)).split("\r\n").at(-1)!;
    return { text, tls: conn.tls! };
  } finally {
    conn.close();
    await conn.whenClosed?.();
  }
}

/** Deno has no way to take a session up: the gap. */
const takesUp = runtime !== "deno";

const authorities: Record<string, string[]> = {
  trusted: [certs.ca],
  both: [certs.ca, certs.otherCa],
  untrusted: [certs.otherCa],
};

const identities = fc.record({
  place: fc.constantFrom("one", "other"),
  caCerts: fc.constantFrom("trusted", "trusted", "both", "untrusted"),
  caMode: fc.constantFrom("extra", "only"),
  serverName: fc.constantFrom("localhost", "127.0.0.1"),
  alpnProtocols: fc.constantFrom("", "http/1.1", "h2,http/1.1"),
  minVersion: fc.constantFrom("TLSv1.2", "TLSv1.2", "TLSv1.3"),
  insecureSkipVerify: fc.constantFrom(false, false, true),
  never: fc.constantFrom("", "", "", "verifyPeer", "cert"),
  way: fc.constantFrom("dial", "startTls"),
});

type Identity = typeof identities extends fc.Arbitrary<infer T> ? T : never;

/**
 * One, and others that differ from it in one thing each: those are the ones to mix up. All by one way,
 * as for a place of a transport: on Node a session of the other is not taken up for an IP address.
 */
const neighbours: fc.Arbitrary<Identity[]> = fc.tuple(
  identities,
  fc.array(fc.tuple(fc.nat(), identities), { minLength: 1, maxLength: 2 }),
).map(([one, others]) => [
  one,
  ...others.map(([which, other]) => {
    const names = Object.keys(changes) as (keyof typeof changes)[];
    const name = names[which % names.length];
    return { ...one, [name]: other[name] };
  }),
]);

const base: Identity = {
  place: "one",
  caCerts: "trusted",
  caMode: "extra",
  serverName: "localhost",
  alpnProtocols: "http/1.1",
  minVersion: "TLSv1.2",
  insecureSkipVerify: false,
  never: "",
  way: "dial",
};

/** Another value for each: tried whatever the seed. */
const changes: Omit<Identity, "way"> = {
  place: "other",
  caCerts: "both",
  caMode: "only",
  serverName: "127.0.0.1",
  alpnProtocols: "h2,http/1.1",
  minVersion: "TLSv1.3",
  insecureSkipVerify: true,
  never: "verifyPeer",
};

const eachChanged = (["dial", "startTls"] as const).flatMap((way) =>
  Object.entries(changes).map(([name, value]): [Identity[], number[]] => [
    [{ ...base, way }, { ...base, way, [name]: value }],
    [0, 1, 0, 1],
  ])
);

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`T31 T35 ${version}: no session crosses from one identity to another, and each finds its own`, async () => {
    let resumed = 0;
    await withSessionServer(version, async (port) => {
      await fc.assert(
        fc.asyncProperty(
          neighbours,
          fc.array(fc.nat(2), { minLength: 2, maxLength: 7 }),
          async (some, order) => {
            const sessions = new TlsSessions();
            // Of TLS 1.3 the server gives two tickets for a full handshake and none for another.
            const left = new Map<string, number>();
            for (const index of order) {
              const { place, way, never, caCerts, alpnProtocols, ...plain } =
                some[index % some.length];
              const options = {
                ...plain,
                caCerts: authorities[caCerts],
                ...alpnProtocols === "" ? {} : { alpnProtocols: alpnProtocols.split(",") },
                ...never === "verifyPeer" ? { verifyPeer: () => {} } : {},
                ...never === "cert" ? certs.client : {},
              } as TlsOptions;
              const refused = (caCerts === "untrusted" && options.insecureSkipVerify !== true) ||
                (options.minVersion === "TLSv1.3" && version === "TLSv1.2");
              const asking = ask(port, withSessions(options, sessions, place), way as "dial");
              if (refused) {
                await assert.rejects(
                  asking,
                  (error) => error instanceof HttpError && error.code === "ERR_TLS",
                );
                continue;
              }
              const { text, tls } = await asking;
              const { way: _, ...rest } = some[index % some.length];
              const identity = JSON.stringify(rest);
              const stock = left.get(identity) ?? 0;
              const expected = takesUp && never === "" && stock > 0;
              assert.equal(text, expected ? "resumed" : "new");
              if (text === "resumed") resumed++;
              if (tls.engine !== "deno") assert.equal(tls.sessionReused, expected);
              if (tls.engine !== "deno") assert.match(tls.peerCertificate!.subject, /./);
              const more = version === "TLSv1.2" ? Infinity : 2;
              left.set(identity, expected ? stock - 1 : more);
            }
          },
        ),
        { numRuns: 40, examples: eachChanged },
      );
    });
    assert.equal(resumed > 0, takesUp);
  });
}

test("T31 a session is not taken up once the certificate has expired", async () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] satisfies TlsVersion[]) {
    await withSessionServer(version, async (port) => {
      let nowMs = Date.now();
      const sessions = new TlsSessions(() => nowMs);
      const tls = withSessions({ caCerts: [certs.ca], serverName: "localhost" }, sessions, "a");
      const texts: string[] = [];
      for (let i = 0; i < 2; i++) texts.push((await ask(port, tls, "dial")).text);
      // The certificates of the tests end in the 22nd century.
      nowMs = Date.UTC(2900, 0, 1);
      texts.push((await ask(port, tls, "dial")).text);
      assert.equal(sessions.count, 0);
      assert.deepEqual(texts, ["new", takesUp ? "resumed" : "new", "new"]);
    });
  }
});
