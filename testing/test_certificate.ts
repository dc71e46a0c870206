/**
 * A certificate for a test server, and the authority that has signed it, made when it is needed.
 *
 * @see RFC 5280
 * @module
 */

/** A certificate with its key, PEM. */
export interface TestCertificate {
  /** Of the authority; what a client trusts. */
  readonly caCert: string;
  /** Of the server. */
  readonly cert: string;
  /** Its private key. */
  readonly key: string;
}

/** By another name on each runtime. */
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

interface KeyPair {
  readonly publicKey: Key;
  readonly privateKey: Key;
}

type Bytes = Uint8Array<ArrayBuffer>;

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Makes an authority and a certificate of it, ECDSA P-256, valid from yesterday for 30 days.
 *
 * @param names DNS names and IPv4 addresses of the server.
 */
export async function makeCertificate(names: readonly string[]): Promise<TestCertificate> {
  const authority = await keyPair();
  const server = await keyPair();
  const issuer = name("Roundtrip test authority");
  const caCert = await certificate({
    serial: 1,
    issuer,
    subject: issuer,
    subjectKey: authority.publicKey,
    signer: authority.privateKey,
    extensions: [
      extension([2, 5, 29, 19], true, der(0x30, der(0x01, [0xff]))),
      // keyCertSign, cRLSign
      extension([2, 5, 29, 15], true, der(0x03, [1, 0x06])),
    ],
  });
  const cert = await certificate({
    serial: 2,
    issuer,
    subject: name(names[0]),
    subjectKey: server.publicKey,
    signer: authority.privateKey,
    extensions: [
      extension([2, 5, 29, 19], true, der(0x30)),
      // digitalSignature
      extension([2, 5, 29, 15], true, der(0x03, [7, 0x80])),
      // serverAuth
      extension([2, 5, 29, 37], false, der(0x30, oid([1, 3, 6, 1, 5, 5, 7, 3, 1]))),
      extension([2, 5, 29, 17], false, der(0x30, ...names.map(alternativeName))),
    ],
  });
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", server.privateKey));
  return {
    caCert: pem("CERTIFICATE", caCert),
    cert: pem("CERTIFICATE", cert),
    key: pem("PRIVATE KEY", key),
  };
}

async function keyPair(): Promise<KeyPair> {
  return await crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]) as KeyPair;
}

async function certificate(
  parts: {
    serial: number;
    issuer: Bytes;
    subject: Bytes;
    subjectKey: Key;
    signer: Key;
    extensions: Bytes[];
  },
): Promise<Bytes> {
  // ecdsa-with-SHA256
  const algorithm = der(0x30, oid([1, 2, 840, 10045, 4, 3, 2]));
  const now = Date.now();
  const signed = der(
    0x30,
    der(0xa0, der(0x02, [2])),
    // Random, so that no two of one issuer have the same.
    der(0x02, [0x40 + parts.serial, ...crypto.getRandomValues(new Uint8Array(8))]),
    algorithm,
    parts.issuer,
    der(0x30, time(now - DAY_MS), time(now + 30 * DAY_MS)),
    parts.subject,
    new Uint8Array(await crypto.subtle.exportKey("spki", parts.subjectKey)),
    der(0xa3, der(0x30, ...parts.extensions)),
  );
  const signature = new Uint8Array(await crypto.subtle.sign(ECDSA, parts.signer, signed));
  const half = signature.length / 2;
  const value = der(0x30, integer(signature.subarray(0, half)), integer(signature.subarray(half)));
  return der(0x30, signed, algorithm, der(0x03, [0], value));
}

function name(commonName: string): Bytes {
  return der(0x30, der(0x31, der(0x30, oid([2, 5, 4, 3]), der(0x0c, text(commonName)))));
}

function alternativeName(host: string): Bytes {
  const octets = host.split(".").map(Number);
  const isIpv4 = octets.length === 4 && octets.every((octet) => octet >= 0 && octet <= 255);
  return isIpv4 ? der(0x87, octets) : der(0x82, text(host));
}

function extension(id: number[], isCritical: boolean, value: Bytes): Bytes {
  return der(0x30, oid(id), ...(isCritical ? [der(0x01, [0xff])] : []), der(0x04, value));
}

/** UTCTime. */
function time(ms: number): Bytes {
  return der(0x17, text(new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "").slice(2)));
}

/** Unsigned: a first bit that is set gets a 0 in front. */
function integer(bytes: Uint8Array): Bytes {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  return der(0x02, bytes[at] >= 0x80 ? [0] : [], bytes.subarray(at));
}

function oid(arcs: number[]): Bytes {
  const bytes = [arcs[0] * 40 + arcs[1]];
  for (const arc of arcs.slice(2)) {
    const digits = [arc & 0x7f];
    for (let rest = arc >> 7; rest > 0; rest >>= 7) digits.unshift((rest & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(0x06, bytes);
}

/** One value: its tag, its length, what is in it. */
function der(tag: number, ...parts: (Uint8Array | number[])[]): Bytes {
  const content = parts.flatMap((part) => [...part]);
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([tag, ...size, ...content]);
}

function text(characters: string): Bytes {
  return new TextEncoder().encode(characters);
}

function pem(label: string, bytes: Bytes): string {
  const base64 = btoa(String.fromCharCode(...bytes)).replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}
