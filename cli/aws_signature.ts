/**
 * Requests signed as Amazon wants it: `--aws-sigv4`.
 *
 * @module
 */
import type { HttpRequestInit } from "../transport/message/http_request.ts";
import type { Credentials } from "./netrc.ts";
import { UsageError } from "./usage_error.ts";

/** For whom it is signed; null: as the name of the host says. */
export interface AwsScope {
  readonly region: string | null;
  readonly service: string | null;
}

/**
 * The same request, signed. Its body must be in memory.
 *
 * @throws {UsageError} No credentials, or a body that is a stream.
 */
export async function awsFields(
  url: URL,
  init: HttpRequestInit,
  credentials: Credentials | null,
  { region, service }: AwsScope,
): Promise<HttpRequestInit> {
  if (credentials === null) throw new UsageError("Option --aws-sigv4 needs -u KEY:SECRET");
  const { body, method, headers } = init;
  if (body !== undefined && !(body instanceof Uint8Array)) {
    throw new UsageError("Option --aws-sigv4 signs -d and its like: no -T, no --limit-rate");
  }
  const { AwsV4Signer } = await import("aws4fetch");
  const signed = await new AwsV4Signer({
    method,
    url: url.href,
    headers: headers as [string, string][],
    body: body as Uint8Array<ArrayBuffer> | undefined,
    accessKeyId: credentials.name,
    secretAccessKey: credentials.password,
    region: region ?? undefined,
    service: service ?? undefined,
  }).sign();
  const given = new Set((headers as [string, string][]).map(([name]) => name.toLowerCase()));
  const added = [...signed.headers].filter(([name]) => name !== "host" && !given.has(name));
  return { ...init, headers: [...headers as [string, string][], ...added] };
}
