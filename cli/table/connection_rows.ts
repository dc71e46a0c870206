/**
 * Options of the command line: several transfers, and the connections that they use.
 *
 * @module
 */
import { idleRows, type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const CONNECTION_ROWS: readonly OptionRow[] = [
  {
    long: "parallel",
    short: "Z",
    section: "many transfers",
    isCommon: true,
    help: "several URLs at once, not one after the other",
  },
  {
    long: "parallel-max",
    value: "N",
    section: "many transfers",
    help: "how many at once (50)",
  },
  {
    long: "parallel-max-host",
    value: "N",
    section: "many transfers",
    help: "how many connections to one host (any number)",
  },
  {
    long: "rate",
    value: "N/UNIT",
    section: "many transfers",
    help: "how many transfers begin in a second, minute, hour or day: 2/s, 3/m; 1/5s; not with -Z",
  },
  {
    long: "parallel-immediate",
    section: "many transfers",
    changesNothing: true,
    help: "dial rather than wait for a connection, as is done anyway",
  },
  {
    long: "fail-early",
    section: "many transfers",
    help: "end with the first that fails",
  },
  {
    long: "globoff",
    short: "g",
    section: "many transfers",
    isCommon: true,
    help: "brackets and braces in a URL mean themselves; else [1-9], [a-z:2] and {a,b} are " +
      "several URLs",
  },
  {
    long: "next",
    short: ":",
    section: "many transfers",
    help: "what follows is for other URLs, with options of their own",
  },
  {
    long: "connect-timeout",
    value: "S",
    section: "connection",
    isCommon: true,
    help: "seconds for connecting (30)",
  },
  {
    long: "expect100-timeout",
    value: "S",
    section: "connection",
    help: 'seconds that a body waits where "Expect: 100-continue" is sent (1)',
  },
  {
    long: "resolve",
    value: "H:PORT:IP",
    section: "connection",
    isCommon: true,
    help: 'connect to IP (or several: "IP,IP") instead of host H',
  },
  {
    long: "connect-to",
    value: "H:PORT:H2:PORT2",
    section: "connection",
    isCommon: true,
    help: "connect to H2 and PORT2 instead of H and PORT; an empty one is any, or the same",
  },
  {
    long: "unix-socket",
    value: "PATH",
    takes: "file",
    section: "connection",
    isCommon: true,
    help: "connect to a Unix socket instead of the host",
  },
  { long: "ipv4", short: "4", section: "connection", isCommon: true, help: "IPv4 addresses only" },
  { long: "ipv6", short: "6", section: "connection", isCommon: true, help: "IPv6 addresses only" },
  {
    long: "interface",
    value: "NAME|IP",
    section: "connection",
    help: "connect from this interface, or this address of it",
  },
  {
    long: "limit-rate",
    value: "BYTES",
    section: "connection",
    isCommon: true,
    help: "bytes in a second, at most; k, M, G for more",
  },
  {
    long: "no-keepalive",
    section: "connection",
    changesNothing: true,
    help: "no probes of idle connections, as none are sent unless --keepalive-time says so",
  },
  {
    long: "keepalive-time",
    value: "S",
    section: "connection",
    help: "after how many seconds without a word the system probes whether the server is there",
  },
  {
    long: "tcp-nodelay",
    section: "connection",
    changesNothing: true,
    help: "send small pieces at once, as is done anyway",
  },
  ...idleRows("connection", [
    ["keepalive-cnt N", "how often the system probes before it gives up, which it decides"],
    ["tcp-fastopen", "data in the first packet, for which no system is asked"],
  ]),
  {
    long: "hsts",
    value: "FILE",
    takes: "file",
    section: "connection",
    help: "which hosts want https, from FILE, where it is noted too; of curl's format",
  },
  ...refusedRows("connection", "is not there yet", [
    ["alt-svc FILE", "which hosts are elsewhere too"],
    ["doh-url URL", "look names up by HTTPS"],
    ["doh-insecure", "accept any certificate there"],
    ["doh-cert-status", "ask there whether a certificate was taken back"],
    ["haproxy-protocol", "begin with the header of HAProxy"],
    ["haproxy-clientip IP", "the same, with this address"],
  ]),
  ...refusedRows("connection", "cannot be had: names are looked up by the system", [
    ["dns-interface NAME", "where servers of names are asked from"],
    ["dns-ipv4-addr IP", "the same, by its address"],
    ["dns-ipv6-addr IP", "the same, by its address"],
    ["dns-servers IPS", "which servers of names are asked"],
  ]),
  ...refusedRows("connection", "cannot be had: no runtime, or not each of them, can do it", [
    ["abstract-unix-socket NAME", "connect to a Unix socket that is no file"],
    ["ip-tos VALUE", "of what kind packets are"],
    ["local-port PORTS", "connect from one of these ports"],
    ["mptcp", "connect by several ways at once"],
    ["vlan-priority N", "of what priority packets are"],
  ]),
  ...refusedRows("connection", "cannot be had: it is that of RFC 8305, 250", [
    ["happy-eyeballs-timeout-ms MS", "how long IPv6 is ahead of IPv4"],
  ]),
];
