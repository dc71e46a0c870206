#!/usr/bin/env node
/**
 * The program of the npm package. A file of its own: Node below 24.2 cannot tell whether a module
 * is the main one.
 *
 * @module
 */
import process from "node:process";
import { INTERRUPTED } from "./exit_code.ts";
import { main } from "./mod.ts";

process.exitCode = await main(process.argv.slice(2));
// What was interrupted may still wait for the reader of standard output.
if (process.exitCode === INTERRUPTED) process.exit();
