/**
 * The certificates of the tests; `tests/certs/make.sh` made them and says what each is for.
 *
 * @module
 */
import { readFileSync } from "node:fs";

function pem(name: string): string {
  return readFileSync(new URL(`../certs/${name}`, import.meta.url), "utf8");
}

/** A certificate and its key, PEM. */
export interface Leaf {
  readonly cert: string;
  readonly key: string;
}

function leaf(name: string): Leaf {
  return { cert: pem(`${name}.pem`), key: pem(`${name}.key`) };
}

/** The authority that the tests trust. */
export const ca: string = pem("ca.pem");
/** One that they do not trust. */
export const otherCa: string = pem("other_ca.pem");
/** For localhost, 127.0.0.1 and ::1. */
export const localhost: Leaf = leaf("localhost");
/** For other.test. */
export const otherHost: Leaf = leaf("other_host");
/** For localhost, until 2001. */
export const expired: Leaf = leaf("expired");
/** For localhost, of the other authority. */
export const untrusted: Leaf = leaf("untrusted");
/** localhost only as the common name. */
export const cnOnly: Leaf = leaf("cn_only");
/** For a client. */
export const client: Leaf = leaf("client");
/** For localhost, its own issuer. */
export const selfSigned: Leaf = leaf("self_signed");
/** For localhost, its own issuer, and an authority: what openssl makes by default. */
export const ownAuthority: Leaf = leaf("own_authority");
/** For localhost, from 2120 on. */
export const notYet: Leaf = leaf("not_yet");
/** For other.test, with localhost as its common name. */
export const otherName: Leaf = leaf("other_name");
/** For *.wild.test and *.a.wild.test. */
export const wildcard: Leaf = leaf("wildcard");
/** For the address 127.0.0.1 and no name. */
export const onlyIp: Leaf = leaf("only_ip");
/** 127.0.0.1 as if it were a DNS name. */
export const ipAsName: Leaf = leaf("ip_as_name");
/** For one name that holds a NUL behind "localhost". */
export const nulName: Leaf = leaf("nul_name");
