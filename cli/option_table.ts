/**
 * Every option of the command line, once: the parser, `--help`, the man page and the completions
 * are made from these rows.
 *
 * @module
 */
import { ASKING_ROWS } from "./table/asking_rows.ts";
import { CONNECTION_ROWS } from "./table/connection_rows.ts";
import { CREDENTIAL_ROWS } from "./table/credential_rows.ts";
import { FOREIGN_ROWS } from "./table/foreign_rows.ts";
import type { OptionRow, OptionSection } from "./table/option_row.ts";
import { OUTPUT_ROWS } from "./table/output_rows.ts";
import { PROGRAM_ROWS } from "./table/program_rows.ts";
import { PROXY_ROWS } from "./table/proxy_rows.ts";
import { TLS_ROWS } from "./table/tls_rows.ts";

export type { OptionRow, OptionSection } from "./table/option_row.ts";

/** The options, in the order in which they are told of. */
export const OPTIONS: readonly OptionRow[] = [
  ...ASKING_ROWS,
  ...OUTPUT_ROWS,
  ...CREDENTIAL_ROWS,
  ...CONNECTION_ROWS,
  ...TLS_ROWS,
  ...PROXY_ROWS,
  ...PROGRAM_ROWS,
  ...FOREIGN_ROWS,
];

/** The heading of each section, in the order in which they are told of. */
export const SECTIONS: Readonly<Record<OptionSection, string>> = {
  "request": "Request",
  "data": "Data",
  "output": "Output",
  "telling": "What is told",
  "credentials": "Credentials and cookies",
  "redirects and retries": "Redirects, retries, time",
  "many transfers": "Several URLs",
  "connection": "Connection",
  "tls": "TLS",
  "proxy": "Proxies",
  "other": "Other",
  "other protocols": "Other protocols of curl's (understood, changes nothing)",
};
