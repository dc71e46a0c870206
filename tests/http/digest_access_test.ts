/**
 * Digest, by the examples of its RFC and by what else servers may ask for.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { authenticationInfo, challengesOf } from "../../http/challenge.ts";
import { type DigestChallenge, strongestDigest } from "../../http/digest_challenge.ts";
import { DigestSession, hasHash, loadHashing } from "../../http/digest_session.ts";
import { test } from "../support/harness.ts";

const KNOWING = { hasHash: () => true, knowsContent: true };

function chosen(...values: string[]): DigestChallenge {
  const challenge = strongestDigest(challengesOf(values), KNOWING);
  assert.ok(challenge !== null, values.join());
  return challenge;
}

/** The parameters of credentials, in their order. */
function said(credentials: string | null): Record<string, string> {
  assert.match(credentials ?? "", /^Digest /);
  const parts = credentials!.slice("Digest ".length).split(", ");
  return Object.fromEntries(parts.map((part) => /^([^=]*)=(.*)$/s.exec(part)!.slice(1)));
}

const md5 = (text: string): string => crypto.createHash("md5").update(text).digest("hex");
const sha256 = (text: string): string => crypto.createHash("sha256").update(text).digest("hex");

test("challenges: several in one line, with and without parameters", () => {
  const found = challengesOf([
    'Negotiate abc==, Digest realm="a, \\"b\\"", nonce=n, qop="auth,auth-int", Basic realm=x',
    "Bearer",
  ]);
  assert.deepEqual(found.map(({ scheme }) => scheme), ["negotiate", "digest", "basic", "bearer"]);
  assert.deepEqual([...found[1].params], [
    ["realm", 'a, "b"'],
    ["nonce", "n"],
    ["qop", "auth,auth-int"],
  ]);
  assert.deepEqual([...authenticationInfo(['nextnonce="a\\"b", qop=auth', "nc=00000001"])], [
    ["nextnonce", 'a"b'],
    ["qop", "auth"],
    ["nc", "00000001"],
  ]);
});

test("digest: RFC 7616 section 3.9.1, SHA-256 and MD5, and the stronger one is chosen", () => {
  const common = 'realm="http-auth@example.org", qop="auth, auth-int", ' +
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ' +
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';
  const user = { username: "Mufasa", password: "Circle of Life" };
  const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
  const rows: [string, string][] = [
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ];
  for (const [algorithm, response] of rows) {
    const challenge = chosen(`Digest ${common}, algorithm=${algorithm}`);
    const session = new DigestSession(challenge, user, crypto, cnonce);
    const subject = { method: "GET", uri: "/dir/index.html", content: null };
    assert.deepEqual(said(session.authorization(subject)), {
      username: '"Mufasa"',
      realm: '"http-auth@example.org"',
      nonce: '"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"',
      uri: '"/dir/index.html"',
      response: `"${response}"`,
      algorithm,
      opaque: '"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
      qop: "auth",
      nc: "00000001",
      cnonce: `"${cnonce}"`,
    });
    assert.equal(said(session.authorization(subject))["nc"], "00000002");
  }
  for (const order of [["MD5", "SHA-256"], ["SHA-256", "MD5"]]) {
    const { algorithm } = chosen(...order.map((name) => `Digest ${common}, algorithm=${name}`));
    assert.equal(algorithm, "SHA-256");
  }
});

test("digest: RFC 7616 section 3.9.2 with its erratum 4897, SHA-512/256, userhash and username*", async () => {
  const hashing = await loadHashing();
  assert.ok(hasHash(hashing, "sha512-256"));
  assert.ok(!hasHash(hashing, "no such hash"));
  const common = 'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, ' +
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", ' +
    'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8';
  const cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
  // In another form than the normal one: what is hashed and sent is the normal one.
  for (const username of ["Jäsøn Doe", "Ja\u0308søn Doe"]) {
    const user = { username, password: "Secret, or not?" };
    const session = new DigestSession(chosen(`${common}, userhash=true`), user, hashing, cnonce);
    const fields = said(session.authorization({ method: "GET", uri: "/doe.json", content: null }));
    assert.equal(
      fields["response"],
      '"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"',
    );
    assert.equal(
      fields["username"],
      '"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"',
    );
    assert.equal(fields["userhash"], "true");
    const open = new DigestSession(chosen(common), user, hashing, cnonce);
    const shown = said(open.authorization({ method: "GET", uri: "/doe.json", content: null }));
    assert.equal(shown["username*"], "UTF-8''J%C3%A4s%C3%B8n%20Doe");
    assert.ok(!("username" in shown) && !("userhash" in shown));
    assert.equal(shown["response"], fields["response"]);
  }
});

test("digest: sessions, auth-int, a nonce that is renewed, and servers of RFC 2069", () => {
  const user = { username: "me", password: "pw" };
  const secret = sha256("me:r:pw");
  const session = new DigestSession(
    chosen('Digest realm="r", nonce="n", algorithm=SHA-256-sess, qop="auth-int"'),
    user,
    crypto,
    "c",
  );
  const subject = { method: "PUT", uri: "/a?b", content: new TextEncoder().encode("body") };
  const first = sha256(`${secret}:n:c`);
  const second = sha256(`PUT:/a?b:${sha256("body")}`);
  const proof = (nonce: string, nc: string) =>
    `"${sha256(`${first}:${nonce}:${nc}:c:auth-int:${second}`)}"`;
  assert.equal(said(session.authorization(subject))["response"], proof("n", "00000001"));
  assert.equal(said(session.authorization(subject))["response"], proof("n", "00000002"));
  session.renew("n");
  assert.equal(said(session.authorization(subject))["response"], proof("n", "00000003"));
  session.renew("n2");
  assert.equal(said(session.authorization(subject))["response"], proof("n2", "00000001"));
  // Without the content nothing can be said, and no count is lost.
  assert.equal(session.authorization({ ...subject, content: null }), null);
  assert.equal(said(session.authorization(subject))["nc"], "00000002");

  const old = new DigestSession(chosen('Digest realm="r", nonce="n"'), user, crypto, "c");
  assert.deepEqual(said(old.authorization({ method: "GET", uri: "/", content: null })), {
    username: '"me"',
    realm: '"r"',
    nonce: '"n"',
    uri: '"/"',
    response: `"${md5(`${md5("me:r:pw")}:n:${md5("GET:/")}`)}"`,
  });
});

test("digest: what cannot be answered is not chosen, and a name is quoted or not said", () => {
  const none = (abilities: Partial<typeof KNOWING>, ...values: string[]): void =>
    assert.equal(strongestDigest(challengesOf(values), { ...KNOWING, ...abilities }), null);
  none({}, "Basic realm=x", 'Digest realm="no nonce"', "Digest nonce=n, algorithm=SHA3");
  none({}, 'Digest nonce=n, qop="auth-conf"');
  none({ knowsContent: false }, "Digest nonce=n, qop=auth-int");
  none({ hasHash: () => false }, "Digest nonce=n");
  assert.equal(chosen('Digest nonce=n, qop="auth-int,auth"').qop, "auth");
  const weaker = strongestDigest(
    challengesOf(["Digest nonce=a, algorithm=SHA-512-256", "Digest nonce=b, algorithm=MD5"]),
    { ...KNOWING, hasHash: (name) => name === "md5" },
  );
  assert.equal(weaker?.nonce, "b");
  assert.ok(chosen("Digest nonce=n, stale=TRUE").isStale);
  assert.deepEqual(chosen('Digest nonce=n, domain="/a  http://b.test/"').domain, [
    "/a",
    "http://b.test/",
  ]);

  const named = (username: string, params = ""): string | null =>
    new DigestSession(chosen(`Digest nonce=n${params}`), { username, password: "" }, crypto, "c")
      .authorization({ method: "GET", uri: "/", content: null });
  assert.match(named('a"b\\c')!, /^Digest username="a\\"b\\\\c", /);
  // Bytes of UTF-8, one character each, where the server says nothing of it.
  assert.match(named("ä")!, /^Digest username="\xc3\xa4", /);
  assert.equal(named("a\r\nX: y"), null);
  assert.match(named("a\r\n", ", charset=UTF-8")!, /^Digest username\*=UTF-8''a%0D%0A, /);
  assert.match(named("a\r\n", ", userhash=true")!, /^Digest username="[0-9a-f]{32}", /);
});
