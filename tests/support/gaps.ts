/**
 * Tests that a runtime cannot have. Any other difference between the sets of tests fails the run.
 *
 * @module
 */
import type { Gap } from "../../scripts/test_report.ts";
import { connGaps } from "./conn_gaps.ts";

/** The gaps. A gap that is not there any more fails the run too. */
export const gaps: readonly Gap[] = [
  ...connGaps,
  ...[
    "in memory, GET",
    "in memory, GET of 4 KiB in gzip",
    "in memory, POST of 1 KiB",
    "over a socket, GET",
  ].map((place): Gap => ({
    file: "tests/house/budget_test.ts",
    name: `budget: bytes allocated by one request: ${place}`,
    runtime: "bun",
    reason: "JavaScriptCore counts the bytes of its heap only when it collects",
  })),
  ...(["deno", "node"] as const).map((runtime): Gap => ({
    file: "tests/testing/fake_time_test.ts",
    name: "fakes of time, jest of bun:test: requests go on, and time-outs go by the fake time",
    runtime,
    reason: "bun:test is of Bun alone",
  })),
];
