/**
 * Tools for tests of programs that use Roundtrip, and of Roundtrip itself.
 *
 * @module
 */
export { pipe, type PipeConn, type PipeOptions } from "../conn/pipe.ts";
export {
  ScriptedConn,
  type ScriptedConnOptions,
  type ScriptedDialer,
  scriptedDialer,
  ScriptError,
} from "./scripted_conn.ts";
export {
  simulate,
  type SimulatedTransport,
  SimulationError,
  type SimulationOptions,
  type SimulationResult,
} from "./simulation.ts";
export { VirtualClock } from "./virtual_clock.ts";
