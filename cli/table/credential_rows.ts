/**
 * Options of the command line: who asks, where redirects lead, and how often it is tried.
 *
 * @module
 */
import { idleRows, type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const CREDENTIAL_ROWS: readonly OptionRow[] = [
  {
    long: "user",
    short: "u",
    value: "NAME:PASSWORD",
    section: "credentials",
    isCommon: true,
    help: "credentials, as in http://NAME:PASSWORD@host; without a colon the password is asked for",
  },
  { long: "basic", section: "credentials", help: "send those of -u as they are, as is usual" },
  {
    long: "digest",
    section: "credentials",
    isCommon: true,
    help: "prove to know the password of -u without sending it",
  },
  {
    long: "anyauth",
    section: "credentials",
    help: "ask first, then --digest or --basic, what the server has",
  },
  ...refusedRows("credentials", "cannot be had: Kerberos is not spoken here", [
    ["negotiate", "Kerberos"],
  ]),
  ...refusedRows("credentials", "cannot be had: it is too weak to be spoken", [
    ["ntlm", "what old servers of Windows want"],
    ["ntlm-wb", "the same, by a program of Samba"],
  ]),
  ...idleRows("credentials", [
    ["delegation LEVEL", "of Kerberos, which is not spoken here"],
    ["service-name NAME", "of Kerberos, which is not spoken here"],
  ]),
  {
    long: "oauth2-bearer",
    value: "TOKEN",
    section: "credentials",
    isCommon: true,
    help: "send TOKEN as a bearer token",
  },
  {
    long: "disallow-username-in-url",
    section: "credentials",
    help: "refuse a URL with credentials in it, as those of redirects always are",
  },
  {
    long: "aws-sigv4",
    value: "aws:amz[:REGION[:SERVICE]]",
    section: "credentials",
    help: "sign with -u KEY:SECRET, as Amazon wants it",
  },
  {
    long: "netrc",
    short: "n",
    section: "credentials",
    isCommon: true,
    help: "take credentials from ~/.netrc",
  },
  {
    long: "netrc-file",
    value: "FILE",
    takes: "file",
    section: "credentials",
    help: "take them from FILE",
  },
  {
    long: "netrc-optional",
    section: "credentials",
    help: "take them from ~/.netrc, if it is there and the URL has none",
  },
  {
    long: "cookie",
    short: "b",
    value: '"N=V"|FILE',
    section: "credentials",
    isCommon: true,
    help: "send a cookie, or those of a file",
  },
  {
    long: "cookie-jar",
    short: "c",
    value: "FILE",
    takes: "file",
    section: "credentials",
    isCommon: true,
    help: "write the cookies to FILE in the end",
  },
  {
    long: "junk-session-cookies",
    short: "j",
    section: "credentials",
    help: "of the cookies of a file, only those that outlive a session",
  },
  {
    long: "location",
    short: "L",
    section: "redirects and retries",
    isCommon: true,
    help: "follow redirects, which is done anyway but for a line that begins with curl",
  },
  {
    long: "follow",
    section: "redirects and retries",
    help: "the same as -L",
  },
  ...refusedRows(
    "redirects and retries",
    "cannot be had: credentials stay with the server that they are for",
    [["location-trusted", "as -L, and every server is told who asks"]],
  ),
  ...refusedRows(
    "redirects and retries",
    "cannot be had: only 307 and 308 ask for the same method again, as in browsers",
    [
      ["post301", "POST again behind a 301"],
      ["post302", "POST again behind a 302"],
      ["post303", "POST again behind a 303"],
    ],
  ),
  {
    long: "no-follow",
    section: "redirects and retries",
    isCommon: true,
    isOurs: true,
    help: "do not follow redirects",
  },
  {
    long: "max-redirs",
    value: "N",
    section: "redirects and retries",
    help: "how many are followed (50); -1: any number",
  },
  {
    long: "retry",
    value: "N",
    section: "redirects and retries",
    isCommon: true,
    help: "try again N times: broken connections, 408, 429, 500, 502, 503, 504; a download that " +
      "breaks goes on where it did",
  },
  {
    long: "retry-delay",
    value: "S",
    section: "redirects and retries",
    help: "seconds between two tries, instead of ever more",
  },
  {
    long: "retry-max-time",
    value: "S",
    section: "redirects and retries",
    help: "seconds after which no further try begins",
  },
  {
    long: "retry-all-errors",
    section: "redirects and retries",
    help: "try again whatever happened, and also what may then be done twice, as a POST",
  },
  {
    long: "retry-connrefused",
    section: "redirects and retries",
    changesNothing: true,
    help: "try again where nobody listens, as is done anyway",
  },
  {
    long: "max-time",
    short: "m",
    value: "S",
    section: "redirects and retries",
    isCommon: true,
    help: "seconds for everything, the body included",
  },
  {
    long: "speed-limit",
    short: "Y",
    value: "BYTES",
    section: "redirects and retries",
    help: "bytes in a second: a transfer that is slower for as long as -y says ends (1)",
  },
  {
    long: "speed-time",
    short: "y",
    value: "S",
    section: "redirects and retries",
    help: "seconds of that (30)",
  },
];
