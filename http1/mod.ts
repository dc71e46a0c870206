/**
 * HTTP/1.1 on bytes, both ends of it: no sockets, no clock, no pool.
 *
 * @module
 */
export * from "./chunked_reader.ts";
export * from "./chunked_writer.ts";
export * from "./client_connection.ts";
export type {
  ClientConnectionOptions,
  ConnectionOwner,
  WrittenRequest as OutgoingRequest,
} from "./client_exchange.ts";
export * from "./connection_state.ts";
export * from "./content_ahead.ts";
export * from "../http/content_coding.ts";
export * from "../http/content_decoder.ts";
export * from "./content_reader.ts";
export * from "./content_sender.ts";
export * from "./field_lines_reader.ts";
export * from "../http/deviation.ts";
export * from "../http/field_lines.ts";
export * from "./framing.ts";
export * from "../http/grammar.ts";
export * from "./head_writer.ts";
export * from "../http/http_headers.ts";
export * from "./response_content.ts";
export * from "../http/content_length.ts";
export * from "../http/exchange_events.ts";
export * from "../http/incoming_content.ts";
export type { ContentSource, OutgoingContent } from "../http/outgoing_request.ts";
export * from "../http/machine.ts";
export * from "./persistence.ts";
export * from "./request_head.ts";
export * from "./request_state.ts";
export { Http1ResponseHead as ResponseHead, ResponseHeadReader } from "./response_head.ts";
export * from "./response_state.ts";
export * from "./server_connection.ts";
export * from "../http/zstd_frames.ts";
