/**
 * The TLS engine of Node, and the second engine of the other runtimes: `node:tls` over any
 * {@linkcode Conn}. Node loads it for the first TLS, the others only when their own engine cannot do
 * what is asked.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import type { Address, Conn, TlsInfo, TlsOptions } from "../conn.ts";
import { abortable } from "../abortable.ts";
import { ConnDuplex } from "./conn_duplex.ts";
import { guardedConn } from "../guarded_conn.ts";
import { NodeConn } from "./node_conn.ts";
import type { Intake } from "./node_intake.ts";
import { numberOf } from "../numbered_list.ts";
import { isIpAddress, unusablePem } from "../tls_options.ts";
import { type SessionUse, sessionUse } from "../tls_sessions.ts";
import { handshakeError, missingNames, peerCertificate, verifyPeer } from "./tls_session.ts";

/** A handshake to be done, and what it is for. */
export interface NodeHandshake {
  options: TlsOptions;
  /** For SNI and the check of the certificate; empty when nothing is checked. */
  serverName: string;
  signal: AbortSignal | undefined;
  /** Null: sessions have nothing to do with it. */
  sessions: SessionUse | null;
}

/** A handshake for `options`. */
export function nodeHandshakeFor(
  options: TlsOptions,
  serverName: string,
  signal: AbortSignal | undefined,
): NodeHandshake {
  return { options, serverName, signal, sessions: sessionUse(options, serverName, "node") };
}

/** As `node:tls` has it: for whoever must not load that by an import. */
export const connectTls: (options: tls.ConnectionOptions) => tls.TLSSocket = tls.connect;

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
 * Completes a TLS handshake over `given`, and takes it over.
 *
 * Cancel: aborting closes `given`.
 *
 * @throws {HttpError} `ERR_TLS`: the handshake failed or the certificate is refused.
 * `ERR_INVALID_REQUEST`: a certificate or key is not usable; `given` is not touched then.
 */
export async function nodeTls(
  given: Conn,
  { options: wanted, serverName, signal }: Omit<NodeHandshake, "sessions">,
): Promise<Conn> {
  const conn = guardedConn(given);
  const handshake = nodeHandshakeFor(wanted, serverName, signal);
  const options = nodeTlsOptions(handshake);
  const duplex = new ConnDuplex(conn);
  const session = offeredSession(handshake);
  const socket = tls.connect({ ...options, ...session, socket: duplex });
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
export function nodeTlsOptions(
  { options, serverName }: Pick<NodeHandshake, "options" | "serverName">,
): tls.ConnectionOptions {
  return {
    secureContext: secureContext(options),
    servername: isIpAddress(serverName) ? "" : serverName,
    ALPNProtocols: options.alpnProtocols,
    rejectUnauthorized: options.insecureSkipVerify !== true,
    checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) =>
      missingNames(certificate, serverName) ?? tls.checkServerIdentity(serverName, certificate),
  };
}

/** The option of `tls.connect()` that offers a session, for a stream that is open already. */
export function offeredSession(
  { sessions }: NodeHandshake,
): { session?: tls.ConnectionOptions["session"] } {
  const ticket = sessions?.offer() ?? null;
  return ticket === null ? {} : { session: ticket as tls.ConnectionOptions["session"] };
}

/** Tells the secrets of a connection as lines, each as soon as it is there. */
function tellKeys(socket: tls.TLSSocket, keyLog: (line: string) => void): void {
  const end = (error: unknown): void => void socket.destroy(error as Error);
  socket.on("keylog", (line) => {
    try {
      // It may be an async function all the same.
      const told: unknown = keyLog(line.toString().trimEnd());
      Promise.resolve(told).catch(end);
    } catch (error) {
      end(error);
    }
  });
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
  { options, serverName, signal, sessions }: NodeHandshake,
  under: Underneath,
): Promise<Conn> {
  const { intake, duplex, setRef, localAddr, remoteAddr, whenClosed } = under;
  const close = () => {
    socket.destroy();
    under.close();
  };
  if (options.keyLog !== undefined) tellKeys(socket, options.keyLog);
  const handshake = new Promise<Conn>((resolve, reject) => {
    const fail = (error: unknown) => {
      socket.off("secureConnect", succeed);
      socket.off("close", failClosed);
      close();
      sessions?.failed();
      reject(handshakeError(serverName, error));
    };
    const failClosed = () => fail(undefined);
    const succeed = () => {
      let info = tlsInfo(socket, sessions?.hasOffered === true);
      try {
        verifyPeer(serverName, options, info);
      } catch (error) {
        fail(error);
        return;
      }
      if (sessions !== null) info = sessions.succeeded(info);
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
    if (sessions !== null) socket.on("session", (ticket) => sessions.came(ticket));
    // Stays when the handshake fails: later errors are of no interest and must not be unhandled.
    socket.on("error", fail);
    socket.once("secureConnect", succeed);
    socket.once("close", failClosed);
  });
  return abortable(handshake, signal, { cancel: close, discard: (late) => late.close() });
}

/** @param offered Whether a session was offered: its certificate is known, and costly to ask for. */
function tlsInfo(socket: tls.TLSSocket, offered: boolean): TlsInfo {
  const sessionReused = socket.isSessionReused();
  return {
    alpnProtocol: socket.alpnProtocol || null,
    protocol: socket.getProtocol(),
    engine: "node",
    sessionReused,
    peerCertificate: offered && sessionReused ? null : peerCertificate(socket.getPeerCertificate()),
  };
}

/** Count. Making a context parses every authority, which costs milliseconds. */
const maxContexts = 16;

const contexts = new Map<string, tls.SecureContext>();

/** A context for these options, shared between connections; it holds no sessions. */
export function secureContext(options: TlsOptions): tls.SecureContext {
  const { caCerts, caMode, cert, key, minVersion = "TLSv1.2" } = options;
  const identity = JSON.stringify([caCerts && numberOf(caCerts), caMode, cert, key, minVersion]);
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
