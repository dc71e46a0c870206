/**
 * Tools for tests of programs that use Roundtrip, and of Roundtrip itself.
 *
 * @module
 */
export { pipe, type PipeConn, type PipeOptions } from "../conn/pipe.ts";
export {
  type DisabledNetwork,
  disableNetwork,
  type DisableNetworkOptions,
} from "./disable_network.ts";
export { fakeResponse, type FakeResponseInit } from "./fake_response.ts";
export {
  handlerTransport,
  type HandlerTransportOptions,
  type WebHandler,
} from "./handler_transport.ts";
export { type MockFetch, mockFetch, type MockFetchOptions } from "./mock_fetch.ts";
export type { BodyMatcher, HeaderMatcher, UrlMatcher } from "./mock_matching.ts";
export type { MockErrorInit, MockReply, ReplyBody } from "./mock_reply.ts";
export {
  type MockCall,
  MockError,
  type MockExpectation,
  type MockMatch,
  type MockOptions,
  type MockTransport,
  mockTransport,
} from "./mock_transport.ts";
export { recordingDialer, type RecordingOptions } from "./recording_dialer.ts";
export { replayDialer, type ReplayOptions } from "./replay_dialer.ts";
export type { RecordedRequest } from "./recorded_request.ts";
export { ScriptedConn, type ScriptedConnOptions, ScriptError } from "./scripted_conn.ts";
export { type ScriptedDialer, scriptedDialer } from "./scripted_dialer.ts";
export type { SimulatedFault, SimulatedFaultKind, SimulationSchedule } from "./fault_schedule.ts";
export {
  type ProgramSimulationOptions,
  type ProgramSimulationResult,
  simulate,
  SimulationFailure,
} from "./simulate.ts";
export type {
  SimulatedProgram,
  SimulatedWorld,
  SimulationFailureKind,
} from "./simulated_program.ts";
export {
  type SimulatedTransport,
  SimulationError,
  type SimulationOptions,
  type SimulationResult,
} from "./simulation.ts";
export { VirtualClock } from "./virtual_clock.ts";
export {
  type SnapshotBody,
  type SnapshotExchange,
  type SnapshotOptions,
  type SnapshotTransport,
  snapshotTransport,
} from "./snapshot_transport.ts";
export { Tape, type TapedConnection, TapeError, type TapeEvent } from "./tape.ts";
export type { MaskBody } from "./tape_mask.ts";
export {
  type TestHandler,
  type TestHandlerInfo,
  type TestServer,
  testServer,
  type TestServerOptions,
} from "./test_server.ts";
export { faults, type WireFault, type WireFaultKind } from "./wire_fault.ts";
