/**
 * The egress policy: what its words mean, which addresses it denies, and that nothing is dialled
 * that was not checked.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Address,
  type Dialer,
  type EgressPolicy,
  HttpError,
  pipe,
  resolvingDialer,
  systemDialer,
} from "../../../conn/mod.ts";
import { checkEgress, compileEgress } from "../../../conn/names/egress.ts";
import { HttpRequest, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { withRawServer } from "../../support/raw_server.ts";

const tcp = (hostname: string): Address => ({ transport: "tcp", hostname, port: 80 });
const unix: Address = { transport: "unix", path: "/run/some.sock" };
const allClasses = ["loopback", "private", "link-local", "metadata"];

function isBlocked(policy: EgressPolicy, address: Address | string): boolean {
  try {
    checkEgress(compileEgress(policy), typeof address === "string" ? tcp(address) : address);
    return false;
  } catch (error) {
    assert.ok(error instanceof HttpError && error.code === "ERR_BLOCKED", String(error));
    assert.equal(error.phase, "dial");
    return true;
  }
}

/** Dials in memory, and remembers where. */
function memoryDialer(): { dialer: Dialer; dialled: string[] } {
  const dialled: string[] = [];
  return {
    dialled,
    dialer: {
      dial: (address) => {
        dialled.push(address.transport === "tcp" ? address.hostname : address.path);
        return Promise.resolve(pipe()[0]);
      },
      startTls: (conn) => Promise.resolve(conn),
    },
  };
}

async function blocked(dialing: Promise<{ close(): void }>): Promise<HttpError> {
  const result = await dialing.catch((error: unknown) => error);
  assert.ok(result instanceof HttpError && result.code === "ERR_BLOCKED", String(result));
  return result;
}

const members: Record<string, string[]> = {
  loopback: ["127.0.0.1", "127.255.255.255", "::1", "0.0.0.0", "0.1.2.3", "::"],
  private: [
    "10.0.0.0",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.255.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.8",
    "198.19.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "fc00::1",
    "fdff::1",
    "fec0::1",
  ],
  "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1"],
  metadata: ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"],
};

const outside = [
  "1.1.1.1",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.1",
  "169.253.255.255",
  "172.15.255.255",
  "172.32.0.0",
  "192.0.1.0",
  "192.167.255.255",
  "198.17.255.255",
  "239.255.255.255",
  "2606:4700::1111",
  "fbff::1",
  "::2:0:0:1",
];

test("egress: each class holds its addresses, and none of the internet", () => {
  for (const [word, addresses] of Object.entries(members)) {
    for (const address of addresses) {
      assert.ok(isBlocked({ deny: [word] }, address), `${word}: ${address}`);
      assert.ok(!isBlocked({ deny: [word], allow: [word] }, address), `${word}: ${address}`);
      assert.ok(!isBlocked({ allow: [word] }, address), `${word}: ${address}`);
    }
    for (const address of outside) {
      assert.ok(!isBlocked({ deny: [word] }, address), `${word}: ${address}`);
      assert.ok(isBlocked({ allow: [word] }, address), `${word}: ${address}`);
    }
  }
});

test("egress: without a policy in it everything passes, with lists alone what they say", () => {
  for (const address of ["127.0.0.1", "8.8.8.8", "::1"]) {
    assert.ok(!isBlocked({}, address));
    assert.ok(!isBlocked({ deny: [] }, address));
    assert.ok(isBlocked({ allow: [] }, address));
    assert.ok(isBlocked({ deny: [], allow: ["9.9.9.9"] }, address));
    assert.ok(!isBlocked({ deny: ["10.0.0.0/8"], allow: ["9.9.9.9"] }, address));
  }
  const policy = { deny: ["10.0.0.0/8", "2001:db8::1"], allow: ["10.1.0.0/16"] };
  assert.ok(isBlocked(policy, "10.0.0.1"));
  assert.ok(!isBlocked(policy, "10.1.0.1"));
  assert.ok(isBlocked(policy, "2001:db8::1"));
  assert.ok(!isBlocked(policy, "2001:db8::2"));
});

test("egress: an IPv6 address with an IPv4 address inside must pass as both", () => {
  const address = "64:ff9b::127.0.0.1";
  const translator = "64:ff9b::/96";
  assert.ok(isBlocked({ deny: ["loopback"], allow: [translator] }, address));
  assert.ok(isBlocked({ deny: [translator] }, "64:ff9b::8.8.8.8"));
  assert.ok(isBlocked({ allow: [translator] }, address));
  assert.ok(isBlocked({ allow: ["loopback"] }, address));
  assert.ok(!isBlocked({ allow: ["loopback", translator] }, address));
  assert.ok(!isBlocked({ deny: ["loopback"], allow: ["127.0.0.1"] }, address));
  // The operating system connects to the IPv4 address itself.
  assert.ok(!isBlocked({ allow: ["127.0.0.1"] }, "::ffff:127.0.0.1"));
  assert.ok(isBlocked({ deny: ["::ffff:127.0.0.0/104"] }, "127.0.0.1"));
});

test("egress: Unix sockets pass under no policy but one that allows them", () => {
  assert.ok(isBlocked({}, unix));
  assert.ok(isBlocked({ deny: ["private"] }, unix));
  assert.ok(isBlocked({ deny: ["unix"] }, unix));
  assert.ok(isBlocked({ allow: ["127.0.0.1"] }, unix));
  assert.ok(!isBlocked({ allow: ["unix"] }, unix));
  assert.ok(!isBlocked({ deny: ["private"], allow: ["unix"] }, unix));
  assert.ok(isBlocked({ allow: ["unix"] }, "8.8.8.8"));
});

test("egress: what is no policy is refused by name", () => {
  const bad: [unknown, RegExp][] = [
    [{ deny: ["privat"] }, /"privat" in deny/],
    [{ allow: ["10.0.0.0/33"] }, /"10\.0\.0\.0\/33" in allow/],
    [{ deny: ["example.com"] }, /"example\.com"/],
    [{ deny: ["constructor"] }, /"constructor"/],
    [{ deny: ["0177.0.0.1"] }, /"0177\.0\.0\.1"/],
    [{ deny: [7] }, /"7"/],
    [{ deny: "private" }, /deny is not a list/],
    [{ denied: [] }, /unknown key "denied"/],
  ];
  for (const [policy, message] of bad) {
    const invalid = { code: "ERR_INVALID_REQUEST", message };
    assert.throws(() => compileEgress(policy as EgressPolicy), invalid);
    const { dialer } = memoryDialer();
    assert.throws(() => resolvingDialer({ dialer, egress: policy as EgressPolicy }), invalid);
  }
});

test("egress: a name that somebody else resolves passes, unless it means this machine", () => {
  const policy = { deny: ["loopback"] };
  for (const name of ["localhost", "LOCALHOST.", "a.b.localhost", "127.1", "0x7f.1", "[::1]"]) {
    assert.ok(isBlocked(policy, name), name);
  }
  for (const name of ["example.com", "localhost.example", "notlocalhost"]) {
    assert.ok(!isBlocked(policy, name), name);
  }
});

test("egress: the error says what was denied and why", async () => {
  const { dialer } = memoryDialer();
  const guarded = resolvingDialer({
    dialer,
    egress: { deny: allClasses },
    resolve: () => Promise.resolve(["10.0.0.1", "64:ff9b::127.0.0.1"]),
  });
  const error = await blocked(guarded.dial(tcp("inside.test")));
  assert.equal(
    error.message,
    "Cannot connect to inside.test:80: the egress policy denies 10.0.0.1 (private), 127.0.0.1 (loopback)",
  );
});

/** Ways to write 127.0.0.1, 169.254.169.254 and 10.0.0.1 that have got past other guards. */
const disguises = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f000001",
  "0x7f.0.0.1",
  "017700000001",
  "0177.0.0.1",
  "127.0.0.1.",
  "0.0.0.0",
  "0",
  "::",
  "::1",
  "0:0:0:0:0:0:0:1",
  "[::1]",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:0:127.0.0.1",
  "::127.0.0.1",
  "64:ff9b::127.0.0.1",
  "64:ff9b:1::127.0.0.1",
  "2002:7f00:1::1",
  "2001:0:0:0:0:0:80ff:fffe",
  "::1%lo",
  "::1%25.example.com",
  "169.254.169.254",
  "2852039166",
  "0xa9fea9fe",
  "0251.0376.0251.0376",
  "64:ff9b::a9fe:a9fe",
  "::ffff:169.254.169.254",
  "2002:a9fe:a9fe::",
  "fd00:ec2::254",
  "012.0.0.1",
  "::ffff:a00:1",
];

test("T54: a denied address is not dialled, however it is written", async () => {
  for (const hostname of disguises) {
    const { dialer, dialled } = memoryDialer();
    const guarded = resolvingDialer({ dialer, egress: { deny: allClasses } });
    await blocked(guarded.dial(tcp(hostname)));
    assert.deepEqual(dialled, [], hostname);
  }
});

test("T54: a name is judged by what it resolves to", async () => {
  for (
    const address of disguises.filter((text) => /^[0-9a-f:.]*:[0-9a-f:.]+$|^127\.0/.test(text))
  ) {
    const { dialer, dialled } = memoryDialer();
    const guarded = resolvingDialer({
      dialer,
      egress: { deny: allClasses },
      resolve: (hostname) => Promise.resolve(hostname === "good.test" ? [address] : []),
    });
    const failure = await guarded.dial(tcp("good.test")).catch((error: HttpError) => error.code);
    // The one with a dot at its end is a host name, no address.
    assert.equal(failure, address.endsWith(".") ? "ERR_DIAL" : "ERR_BLOCKED", address);
    assert.deepEqual(dialled, [], address);
  }
});

test("T54: a name that the system resolves to this machine is blocked, and so is one of hosts", async () => {
  const { dialer, dialled } = memoryDialer();
  const egress = { deny: ["loopback"] };
  await blocked(resolvingDialer({ dialer, egress }).dial(tcp("localhost")));
  const hosts = { "own.test": ["127.0.0.1", "::1"] };
  await blocked(resolvingDialer({ dialer, egress, hosts }).dial(tcp("own.test")));
  assert.deepEqual(dialled, []);
});

test("T54: rebinding: what was checked is what is dialled, and a later answer is checked again", async () => {
  const answers = [["203.0.113.7"], ["127.0.0.1"], ["203.0.113.8"]];
  const { dialer, dialled } = memoryDialer();
  const guarded = resolvingDialer({
    dialer,
    egress: { deny: allClasses },
    resolve: () => Promise.resolve(answers.shift()!),
  });
  (await guarded.dial(tcp("rebind.test"))).close();
  await blocked(guarded.dial(tcp("rebind.test")));
  (await guarded.dial(tcp("rebind.test"))).close();
  assert.deepEqual(dialled, ["203.0.113.7", "203.0.113.8"]);
  assert.deepEqual(answers, []);
});

test("T54: of several addresses only those that are permitted are dialled", async () => {
  const dialled: string[] = [];
  const guarded = resolvingDialer({
    dialer: {
      dial: (address) => {
        dialled.push((address as { hostname: string }).hostname);
        return Promise.reject(new HttpError("ERR_DIAL", "refused", { phase: "dial" }));
      },
      startTls: (conn) => Promise.resolve(conn),
    },
    egress: { deny: allClasses },
    resolve: () => Promise.resolve(["10.0.0.1", "203.0.113.7", "::1", "203.0.113.8"]),
  });
  await assert.rejects(guarded.dial(tcp("mixed.test")), { code: "ERR_DIAL" });
  assert.deepEqual(dialled, ["203.0.113.7", "203.0.113.8"]);
});

test("T54: a transport's request to a denied server is blocked, and no connection is made", async () => {
  await withRawServer((connection) => connection.close(), async (server) => {
    const transport = new Transport({
      dialer: resolvingDialer({ dialer: systemDialer(), egress: { deny: ["loopback"] } }),
    });
    for (
      const host of [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0177.1",
        "0x7f.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::]",
      ]
    ) {
      const request = new HttpRequest(`http://${host}:${server.port}/`);
      await assert.rejects(transport.roundTrip(request), { code: "ERR_BLOCKED", phase: "dial" });
    }
    assert.equal(server.connections.length, 0);
    assert.equal(transport.stats().total, 0);
    await transport.close();
  });
});
