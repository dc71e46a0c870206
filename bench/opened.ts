/**
 * How many connections the system has opened.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/** Since it started, by all its processes; NaN where that is not told. */
export function connectionsOpened(): number {
  try {
    const [names, values] = readFileSync("/proc/net/snmp", "latin1")
      .split("\n").filter((line) => line.startsWith("Tcp:")).map((line) => line.split(" "));
    return Number(values[names.indexOf("ActiveOpens")]);
  } catch {
    return NaN;
  }
}
