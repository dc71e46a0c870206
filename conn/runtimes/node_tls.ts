/**
 * The TLS engine of Node, and the second engine of the other runtimes: `node:tls` over any
 * {@linkcode Conn}. They load it only when their own engine cannot do what is asked.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import type { Address, Conn, TlsInfo, TlsOptions } from "../conn.ts";
import { abortable } from "../abortable.ts";
import { ConnDuplex } from "./conn_duplex.ts";
import { NodeConn } from "./node_conn.ts";
import type { Intake } from "./node_intake.ts";
import { isIpAddress, unusablePem } from "../tls_options.ts";
import { handshakeError, missingNames, peerCertificate, verifyPeer } from "./tls_session.ts";

/** A handshake to be done, and what it is for. */
export interface NodeHandshake {
  options: TlsOptions;
  /** For SNI and the check of the certificate; empty when nothing is checked. */
  serverName: string;
  signal: AbortSignal | undefined;
}

/** What lies below a TLS socket. */
export interface Underneath {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  /** Called once the TLS connection is closed, or the handshake has failed. */
  close(): void;
  /** Settles once it is closed. Default: with the TLS socket. */
  whenClosed?: () => Promise<void> | undefined;
  /** Default: as the TLS socket does. */
  setRef?: (ref: boolean) => void;
  /** The `onread` option that the TLS socket was made with. */
  intake?: Intake;
  /** The stream that the TLS socket was made over. */
  duplex?: ConnDuplex;
}

/**
 * Completes a TLS handshake over `conn`, and takes it over.
 *
 * Cancel: aborting closes `conn`.
 *
 * @throws {HttpError} `ERR_TLS`: the handshake failed or the certificate is refused.
 * `ERR_INVALID_REQUEST`: a certificate or key is not usable; `conn` is not touched then.
 */
export async function nodeTls(conn: Conn, handshake: NodeHandshake): Promise<Conn> {
  const options = nodeTlsOptions(handshake);
  const duplex = new ConnDuplex(conn);
  const socket = tls.connect({ ...options, socket: duplex });
  return await nodeHandshake(socket, handshake, {
    duplex,
    localAddr: conn.localAddr,
    remoteAddr: conn.remoteAddr,
    close: () => conn.close(),
    whenClosed: () => conn.whenClosed?.(),
    setRef: (ref) => ref ? conn.ref() : conn.unref(),
  });
}

/**
 * The options of `tls.connect()` that say how to secure, not what.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a certificate or key is not usable.
 */
export function nodeTlsOptions({ options, serverName }: NodeHandshake): tls.ConnectionOptions {
  return {
    secureContext: secureContext(options),
    servername: isIpAddress(serverName) ? "" : serverName,
    ALPNProtocols: options.alpnProtocols,
    rejectUnauthorized: options.insecureSkipVerify !== true,
    checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) =>
      missingNames(certificate, serverName) ?? tls.checkServerIdentity(serverName, certificate),
  };
}

/**
 * Waits for the handshake of a TLS socket, and makes a connection of it.
 *
 * Cancel: aborting closes the socket.
 *
 * @throws {HttpError} `ERR_TLS`, after which everything is closed.
 */
export function nodeHandshake(
  socket: tls.TLSSocket,
  { options, serverName, signal }: NodeHandshake,
  under: Underneath,
): Promise<Conn> {
  const { intake, duplex, setRef, localAddr, remoteAddr, whenClosed } = under;
  const close = () => {
    socket.destroy();
    under.close();
  };
  const handshake = new Promise<Conn>((resolve, reject) => {
    const fail = (error: unknown) => {
      socket.off("secureConnect", succeed);
      socket.off("close", failClosed);
      close();
      reject(handshakeError(serverName, error));
    };
    const failClosed = () => fail(undefined);
    const succeed = () => {
      const info = tlsInfo(socket);
      try {
        verifyPeer(serverName, options, info);
      } catch (error) {
        fail(error);
        return;
      }
      socket.off("error", fail);
      socket.off("close", failClosed);
      const onClose = () => under.close();
      resolve(
        new NodeConn(socket, {
          localAddr,
          remoteAddr,
          tls: info,
          intake,
          under: duplex,
          setRef,
          onClose,
          whenUnderClosed: whenClosed,
        }),
      );
    };
    // Stays when the handshake fails: later errors are of no interest and must not be unhandled.
    socket.on("error", fail);
    socket.once("secureConnect", succeed);
    socket.once("close", failClosed);
  });
  return abortable(handshake, signal, { cancel: close, discard: (late) => late.close() });
}

function tlsInfo(socket: tls.TLSSocket): TlsInfo {
  return {
    alpnProtocol: socket.alpnProtocol || null,
    protocol: socket.getProtocol(),
    engine: "node",
    peerCertificate: peerCertificate(socket.getPeerCertificate()),
  };
}

/** Count. Making a context parses every authority, which costs milliseconds. */
const maxContexts = 16;

const contexts = new Map<string, tls.SecureContext>();

/** A context for these options, shared between connections; it holds no sessions. */
function secureContext(options: TlsOptions): tls.SecureContext {
  const { caCerts, caMode, cert, key, minVersion = "TLSv1.2" } = options;
  const identity = JSON.stringify([caCerts, caMode, cert, key, minVersion]);
  let context = contexts.get(identity);
  if (context === undefined) {
    const ca = caCerts === undefined || caMode === "only"
      ? caCerts
      : [...defaultCaCerts(), ...caCerts];
    try {
      // The engine passes over authorities that it cannot read.
      for (const pem of caCerts ?? []) checkCertificates(pem);
      context = tls.createSecureContext({ ca, cert, key, minVersion });
    } catch (error) {
      throw unusablePem(error);
    }
    if (contexts.size >= maxContexts) contexts.delete(contexts.keys().next().value!);
    contexts.set(identity, context);
  }
  return context;
}

/** @throws What the runtime has against a certificate in `pem`. */
function checkCertificates(pem: string): void {
  for (const certificate of pem.split(/(?=-----BEGIN )/)) {
    if (certificate.startsWith("-----BEGIN ")) new X509Certificate(certificate);
  }
}

/** The authorities that the runtime trusts by default, PEM. */
export function defaultCaCerts(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: "default") => string[] };
  return getCACertificates?.("default") ?? tls.rootCertificates;
}
