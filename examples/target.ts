/**
 * What the examples talk to: the URL after the program's name, or a server of their own.
 *
 * @module
 */
import process from "node:process";
import { startDemoServer } from "../cli/demo_server.ts";

/** Where to send requests. */
export interface Target {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * The URL that the program was given, or `path` on a server that is started for it.
 */
export async function target(path: string): Promise<Target> {
  const given = process.argv[2];
  if (given !== undefined) return { url: given, close: () => Promise.resolve() };
  const server = await startDemoServer();
  return { url: server.url + path, close: () => server.close() };
}
