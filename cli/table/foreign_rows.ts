/**
 * Options of the command line that say something about protocols which are not spoken here: as with curl, they change
 * nothing where HTTP is.
 *
 * @module
 */
import { idleRows, type OptionRow } from "./option_row.ts";

/** The rows. */
export const FOREIGN_ROWS: readonly OptionRow[] = idleRows("other protocols", [
  ["-a append", "of FTP and SFTP: add to the file of the server"],
  ["compressed-ssh", "of SFTP: compress"],
  ["disable-eprt", "of FTP: no EPRT"],
  ["disable-epsv", "of FTP: no EPSV"],
  ["ftp-account DATA", "of FTP: the account"],
  ["ftp-alternative-to-user COMMAND", "of FTP: what is sent instead of USER"],
  ["ftp-create-dirs", "of FTP: make folders"],
  ["ftp-method METHOD", "of FTP: how folders are gone into"],
  ["ftp-pasv", "of FTP: passive"],
  ["-P ftp-port ADDRESS", "of FTP: active"],
  ["ftp-pret", "of FTP: PRET before PASV"],
  ["ftp-skip-pasv-ip", "of FTP: leave out the address that PASV gives"],
  ["ftp-ssl-ccc", "of FTP: CCC behind the login"],
  ["ftp-ssl-ccc-mode MODE", "of FTP: who ends TLS then"],
  ["ftp-ssl-control", "of FTP: TLS for the login alone"],
  ["hostpubmd5 MD5", "of SFTP: the key of the server"],
  ["hostpubsha256 SHA256", "of SFTP: the key of the server"],
  ["knownhosts FILE", "of SFTP: the keys of servers"],
  ["krb LEVEL", "of FTP: Kerberos"],
  ["-l list-only", "of FTP and POP3: names alone"],
  ["login-options OPTIONS", "of IMAP, POP3 and SMTP"],
  ["mail-auth ADDRESS", "of SMTP: who has written it"],
  ["mail-from ADDRESS", "of SMTP: who sends it"],
  ["mail-rcpt ADDRESS", "of SMTP: who gets it"],
  ["mail-rcpt-allowfails", "of SMTP: some may not get it"],
  ["pubkey FILE", "of SFTP: our key"],
  ["-Q quote COMMAND", "of FTP and SFTP: a command before the transfer"],
  ["sasl-authzid NAME", "of IMAP, POP3 and SMTP"],
  ["sasl-ir", "of IMAP, POP3 and SMTP"],
  ["ssl", "of FTP and mail: TLS if the server has it"],
  ["-t telnet-option OPTION", "of TELNET"],
  ["tftp-blksize BYTES", "of TFTP"],
  ["tftp-no-options", "of TFTP"],
  ["upload-flags FLAGS", "of IMAP"],
  ["-B use-ascii", "of FTP and LDAP: text"],
]);
