/**
 * Lists what a test could leave behind: sockets, child processes, timers. Knows no test runner.
 *
 * Sockets and processes are seen through `/proc`, so unref'd ones count too; elsewhere than on Linux only what
 * the runtime itself reports is seen.
 *
 * @module
 */
import { realTime } from "../../conn/real_time.ts";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";

interface Timers {
  setTimeout(fn: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown;
  setInterval(fn: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown;
  clearTimeout(timer: unknown): void;
  clearInterval(timer: unknown): void;
}

/** Timers that have been set and have neither fired nor been cleared, with the place that set them. */
const liveTimers: Map<number, string> = new Map();

/** Puts functions in place of the global timer functions that also keep the list of live timers. */
export function watchTimers(): void {
  const global = globalThis as unknown as Timers;
  const { setTimeout, setInterval, clearTimeout, clearInterval } = global;

  function remember(kind: string, timer: unknown, ms: number | undefined): unknown {
    // At once: an error whose stack has not become text keeps what was in use there from the collector.
    const place = new Error().stack?.split("\n").slice(1).find((line) =>
      line.includes("at ") && !line.includes("open_handles.ts")
    );
    liveTimers.set(Number(timer), `${kind} of ${ms ?? 0} ms ${place?.trim() ?? ""}`.trim());
    return timer;
  }

  global.setTimeout = Object.assign((fn: () => void, ms?: number, ...args: unknown[]): unknown => {
    const timer = setTimeout(
      (...given) => {
        liveTimers.delete(Number(timer));
        (fn as (...args: unknown[]) => void)(...given);
      },
      ms,
      ...args,
    );
    return remember("setTimeout", timer, ms);
  }, setTimeout);
  global.setInterval = Object.assign(
    (fn: () => void, ms?: number, ...args: unknown[]): unknown =>
      remember("setInterval", setInterval(fn, ms, ...args), ms),
    setInterval,
  );
  // Each clears both kinds, as in browsers and Node.
  global.clearTimeout = (timer: unknown): void => {
    if (timer !== undefined && timer !== null) liveTimers.delete(Number(timer));
    clearTimeout(timer);
  };
  global.clearInterval = (timer: unknown): void => {
    if (timer !== undefined && timer !== null) liveTimers.delete(Number(timer));
    clearInterval(timer);
  };
  // What the core has taken when it was loaded.
  Object.assign(realTime, { setTimeout: global.setTimeout, clearTimeout: global.clearTimeout });
}

/** Lists everything open now: a key that stays the same while it is open, and what to call it. */
export function openHandles(): Map<string, string> {
  const open: Map<string, string> = new Map();
  for (const [timer, description] of liveTimers) open.set(`timer ${timer}`, description);
  for (const link of descriptors()) {
    if (/^(socket:|anon_inode:\[pidfd\])/.test(link)) open.set(link, link);
  }
  for (const [type, count] of activeResources()) {
    for (let n = 1; n <= count; n++) open.set(`${type} ${n}`, type);
  }
  return open;
}

/** Says more about a socket that {@linkcode openHandles} listed: `socket:[7692] tcp 127.0.0.1:80 LISTEN`. */
export function describeHandle(description: string): string {
  const inode = /^socket:\[([0-9]+)\]$/.exec(description)?.[1];
  if (inode === undefined) return description;
  for (const table of ["tcp", "tcp6", "udp", "udp6", "unix"]) {
    for (const line of readLines(`/proc/self/net/${table}`)) {
      const columns = line.trim().split(/\s+/);
      if (table === "unix" && columns[6] === inode) {
        return `${description} unix ${columns[7] ?? "(no path)"}`;
      }
      if (table !== "unix" && columns[9] === inode) {
        const port = (address: string): number => parseInt(address.slice(-4), 16);
        return columns[3] === "0A"
          ? `${description} ${table} listening on port ${port(columns[1])}`
          : `${description} ${table} port ${port(columns[1])} to port ${port(columns[2])}`;
      }
    }
  }
  return description;
}

function descriptors(): string[] {
  const links: string[] = [];
  let names: string[] = [];
  try {
    names = readdirSync("/proc/self/fd");
  } catch {
    return links;
  }
  for (const name of names) {
    try {
      links.push(readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor of the listing itself is gone by now.
    }
  }
  return links;
}

/** Counts what Node says keeps it alive, which includes timers of modules that the watch above does not see. */
function activeResources(): Map<string, number> {
  const counts: Map<string, number> = new Map();
  for (const type of process.getActiveResourcesInfo?.() ?? []) {
    if (!/^(Immediate|TickObject)$/.test(type)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  counts.set("Timeout", (counts.get("Timeout") ?? 0) - liveTimers.size);
  return counts;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}
