/**
 * Certificates that must be refused on every route to a server, whatever lies between: T32.
 *
 * @module
 */
import type { TlsOptions } from "../../mod.ts";
import * as certs from "./certs.ts";

/** A server's certificate that is no proof of being `localhost`. */
export interface BadCertificate {
  /** Ends the sentence "a certificate … is refused". */
  readonly what: string;
  /** What the server presents. */
  readonly leaf: certs.Leaf;
  /** How the message of the `ERR_TLS` ends, on every engine. */
  readonly message: RegExp;
}

/** What the client trusts, and the name that it asks for. */
export const goodTrust: TlsOptions = { caCerts: [certs.ca], serverName: "localhost" };

/** node:tls on Deno has one word for all that is wrong with a chain. */
const unknownAuthority = /the certificate is of an unknown authority$/;

/** With {@linkcode goodTrust} none of them may be accepted, and not a byte may be sent to them. */
export const badCertificates: readonly BadCertificate[] = [
  {
    what: "that has expired",
    leaf: certs.expired,
    message: /the certificate has expired$|of an unknown authority$/,
  },
  {
    what: "that is not valid yet",
    leaf: certs.notYet,
    message: /the certificate is not valid yet$|of an unknown authority$/,
  },
  {
    what: "for another host",
    leaf: certs.otherHost,
    message: /the certificate is for another host$/,
  },
  {
    what: "for another host with this one as its common name",
    leaf: certs.otherName,
    message: /the certificate is for another host$/,
  },
  {
    what: "that names the host only as its common name",
    leaf: certs.cnOnly,
    message: /the certificate names no host$/,
  },
  {
    what: "whose name goes on behind a NUL",
    leaf: certs.nulName,
    message: /./,
  },
  { what: "of an unknown authority", leaf: certs.untrusted, message: unknownAuthority },
  {
    what: "that it has signed itself",
    leaf: certs.selfSigned,
    message: /the certificate is signed by itself$|of an unknown authority$/,
  },
];
