/**
 * TLS sessions that may be taken up again: whose they are, and for how long (docs/decisions/0045).
 *
 * A connection that takes a session up is not verified anew. So a session is only ever offered where
 * it would have been verified in the very same way: to the same place, under the same options.
 *
 * @module
 */
import type { TlsInfo, TlsOptions } from "./conn.ts";
import { numberOf } from "./numbered_list.ts";

type PeerCertificate = NonNullable<TlsInfo["peerCertificate"]>;

/** A session, with the certificate that was verified when it began. */
interface TlsSession {
  /** As the engine writes it. */
  readonly ticket: Uint8Array;
  readonly certificate: PeerCertificate;
}

/** The sessions of one place under one identity, the oldest first. */
class SessionShelf {
  sessions: TlsSession[] = [];
  /** What the last ones share. */
  certificate: PeerCertificate | null = null;
  /** Whether it can still be found. */
  isHeld = true;
  /** How often in a row what was offered was not taken up. */
  refusals = 0;
  /** How many handshakes go by before one is offered again. */
  pause = 0;
}

/** Count. Of all places together. A session is one to four KiB. */
const MAX_SESSIONS = 256;

/** Count. Of one place: as many dials at once can take one up. */
const MAX_SESSIONS_OF_PLACE = 64;

/**
 * Times. A server that has not taken up so many in a row gives tickets that it does not take: offering
 * them costs a full handshake a tenth more. It is asked again after so many handshakes.
 */
const MAX_REFUSALS = 3;
const PAUSE = 100;

/** The sessions of one transport. Owns: nothing but memory. */
export class TlsSessions {
  /** By place and identity, the one that was used longest ago first. */
  readonly #shelves: Map<string, SessionShelf> = new Map();
  readonly #nowMs: () => number;
  #count = 0;

  /** @param nowMs Milliseconds since 1970: what certificates go by. Default: the system's. */
  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Forgets all of them. */
  clear(): void {
    for (const shelf of this.#shelves.values()) shelf.isHeld = false;
    this.#shelves.clear();
    this.#count = 0;
  }

  /** What one handshake has to do with what is kept under `key`; null: nothing. */
  use(key: string): SessionUse | null {
    const shelf = this.#shelf(key);
    if (shelf.pause === 0) return new SessionUse(this, shelf);
    shelf.pause--;
    return null;
  }

  #shelf(key: string): SessionShelf {
    let shelf = this.#shelves.get(key);
    if (shelf === undefined) {
      shelf = new SessionShelf();
      if (this.#shelves.size >= MAX_SESSIONS) this.#dropOldest();
    } else {
      this.#shelves.delete(key);
    }
    this.#shelves.set(key, shelf);
    return shelf;
  }

  /** Takes one out: none is used twice. */
  take(shelf: SessionShelf): TlsSession | null {
    if (!shelf.isHeld) return null;
    const session = shelf.sessions.pop();
    if (session === undefined) return null;
    this.#count--;
    if (this.#isValid(session.certificate)) return session;
    // Those before it are older still.
    this.drop(shelf);
    return null;
  }

  /** Keeps one. */
  keep(shelf: SessionShelf, session: TlsSession): void {
    if (!shelf.isHeld || !this.#isValid(session.certificate)) return;
    shelf.sessions.push(session);
    this.#count++;
    if (shelf.sessions.length > MAX_SESSIONS_OF_PLACE) {
      shelf.sessions.shift();
      this.#count--;
    } else if (this.#count > MAX_SESSIONS) {
      this.#dropOldest();
    }
  }

  /** Forgets what is on one. */
  drop(shelf: SessionShelf): void {
    if (!shelf.isHeld) return;
    this.#count -= shelf.sessions.length;
    shelf.sessions = [];
  }

  #dropOldest(): void {
    for (const [key, shelf] of this.#shelves) {
      this.drop(shelf);
      shelf.isHeld = false;
      this.#shelves.delete(key);
      return;
    }
  }

  #isValid({ validTo }: PeerCertificate): boolean {
    // A date that cannot be read compares with nothing.
    return this.#nowMs() < Date.parse(validTo);
  }
}

/** What one handshake has to do with the sessions of its place. */
export class SessionUse {
  readonly #sessions: TlsSessions;
  readonly #shelf: SessionShelf;
  #offered: TlsSession | null = null;
  /** What was verified when the session of this connection began; null: not known yet. */
  #certificate: PeerCertificate | null = null;
  /** Tickets that came before the handshake was over. */
  #early: Uint8Array[] | null = [];

  constructor(sessions: TlsSessions, shelf: SessionShelf) {
    this.#sessions = sessions;
    this.#shelf = shelf;
  }

  /** The session to offer, as the engine wrote it, or null. Call it once, when it is sent. */
  offer(): Uint8Array | null {
    this.#offered = this.#sessions.take(this.#shelf);
    return this.#offered?.ticket ?? null;
  }

  /** Whether a session was offered, so that what it shows is known. */
  get hasOffered(): boolean {
    return this.#offered !== null;
  }

  /**
   * The handshake is over, and the peer is accepted.
   *
   * @param info Where an offered session was taken up, without the certificate.
   * @returns What is to be told of it: engines do not all know the certificate of a session.
   */
  succeeded(info: TlsInfo): TlsInfo {
    const offered = this.#offered;
    const early = this.#early ?? [];
    this.#offered = null;
    this.#early = null;
    if (info.sessionReused !== true) {
      if (offered !== null && this.#wasRefused()) return info;
      this.#certificate = this.#ofShelf(info.peerCertificate);
      for (const ticket of early) this.came(ticket);
      return info;
    }
    this.#shelf.refusals = 0;
    // One that is not known to be ours cannot be told of.
    this.#certificate = offered === null ? null : offered.certificate;
    for (const ticket of early) this.came(ticket);
    // Before TLS 1.3 a server need not give another one.
    if (offered !== null && early.length === 0 && info.protocol !== "TLSv1.3") {
      this.#sessions.keep(this.#shelf, offered);
    }
    return { ...info, peerCertificate: copied(this.#certificate) };
  }

  /** The handshake has failed. Perhaps the server does not like what it was offered. */
  failed(): void {
    if (this.#offered !== null) this.#sessions.drop(this.#shelf);
    this.#early = null;
  }

  /** The server has given a ticket, during the handshake or at any time after it. */
  came(ticket: Uint8Array): void {
    if (this.#early !== null) this.#early.push(ticket);
    else if (this.#certificate !== null) {
      this.#sessions.keep(this.#shelf, { ticket, certificate: this.#certificate });
    }
  }

  /** What was offered was not taken up. @returns Whether that is how the server is. */
  #wasRefused(): boolean {
    const shelf = this.#shelf;
    if (++shelf.refusals < MAX_REFUSALS) return false;
    this.#sessions.drop(shelf);
    shelf.pause = PAUSE;
    // Once more is enough to know that it has not changed.
    shelf.refusals = MAX_REFUSALS - 1;
    return true;
  }

  /** A certificate that nobody else can change, one for all connections that show it. */
  #ofShelf(shown: PeerCertificate | null): PeerCertificate | null {
    const known = this.#shelf.certificate;
    if (known !== null && known.fingerprint256 === shown?.fingerprint256) return known;
    return this.#shelf.certificate = copied(shown);
  }
}

function copied(certificate: PeerCertificate | null): PeerCertificate | null {
  return certificate === null ? null : { ...certificate, raw: certificate.raw.slice() };
}

/**
 * How each option counts: by its value, or so that no session is kept. The caller's own check sees
 * a certificate, which a connection that takes a session up need not show, and a client's
 * certificate is not asked for again.
 */
const COUNTS: Readonly<Required<{ [K in keyof TlsOptions]: "value" | "never" }>> = {
  caCerts: "value",
  caMode: "value",
  cert: "never",
  key: "never",
  serverName: "value",
  alpnProtocols: "value",
  minVersion: "value",
  insecureSkipVerify: "value",
  verifyPeer: "never",
  keyLog: "never",
};

/** The options that count. */
const COUNTED = Object.keys(COUNTS) as (keyof TlsOptions)[];

/**
 * All that decides how a peer is verified, and what is spoken with it.
 *
 * @param serverName The name that is checked: that of the options, or of the address.
 * @returns Null: nothing may be kept of such a connection.
 */
export function tlsIdentity(options: TlsOptions, serverName: string): string | null {
  const values: unknown[] = [serverName];
  for (const name of COUNTED) {
    const value = options[name];
    if (value !== undefined && COUNTS[name] === "never") return null;
    values.push(
      name === "caCerts" && value !== undefined ? numberOf(options.caCerts!) : value ?? null,
    );
  }
  return JSON.stringify(values);
}

/** Where the transport's sessions travel in TLS options, also through dialers that copy these. */
const place: unique symbol = Symbol("sessions");

interface Place {
  readonly sessions: TlsSessions;
  readonly name: string;
}

/**
 * The options with the sessions that may be used with them. A dialer that does not pass them on
 * makes full handshakes.
 *
 * Pure.
 *
 * @param sessions Null: none.
 * @param name Of whom TLS is spoken with, and by which way: host, port, proxies.
 */
export function withSessions(
  options: TlsOptions,
  sessions: TlsSessions | null,
  name: string,
): TlsOptions {
  return sessions === null ? options : { ...options, [place]: { sessions, name } } as TlsOptions;
}

/**
 * What a handshake under these options has to do with sessions; null: nothing.
 *
 * @param engine Each writes tickets in a way of its own.
 */
export function sessionUse(
  options: TlsOptions,
  serverName: string,
  engine: TlsInfo["engine"],
): SessionUse | null {
  const at = (options as { [place]?: Place })[place];
  if (at === undefined) return null;
  const identity = tlsIdentity(options, serverName);
  return identity === null ? null : at.sessions.use(`${engine} ${at.name} ${identity}`);
}
