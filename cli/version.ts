/**
 * Which version this is, and where it runs.
 *
 * @module
 */
import process from "node:process";
import { USER_AGENT } from "../transport/message/outgoing.ts";

/** The version of Roundtrip. */
export const VERSION: string = USER_AGENT.slice(USER_AGENT.indexOf("/") + 1);

/** The running runtime and its version. */
export function runtimeName(): string {
  const { versions } = process;
  if (versions["deno"] !== undefined) return `Deno ${versions["deno"]}`;
  if (versions["bun"] !== undefined) return `Bun ${versions["bun"]}`;
  return `Node ${versions["node"]}`;
}
