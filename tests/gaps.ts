/**
 * Tests that a runtime cannot have. Any other difference between the sets of tests fails the run.
 *
 * @module
 */
import type { Gap } from "../scripts/test_report.ts";
import { connGaps } from "./conn/gaps.ts";

/** The gaps. A gap that is not there any more fails the run too. */
export const gaps: readonly Gap[] = [...connGaps];
