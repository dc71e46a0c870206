/**
 * HTTP/1.1 on bytes, both ends of it: no sockets, no clock, no pool.
 *
 * @module
 */
export * from "./chunked_reader.ts";
export * from "./chunked_writer.ts";
export * from "./client_connection.ts";
export * from "./client_exchange.ts";
export * from "./connection_state.ts";
export * from "../http/content_coding.ts";
export * from "../http/content_decoder.ts";
export * from "./content_reader.ts";
export * from "./content_sender.ts";
export * from "./field_lines_reader.ts";
export * from "./framing.ts";
export * from "../http/grammar.ts";
export * from "./head_writer.ts";
export * from "../http/http_headers.ts";
export * from "./response_content.ts";
export * from "../http/machine.ts";
export * from "./persistence.ts";
export * from "./request_head.ts";
export * from "./request_state.ts";
export * from "./response_head.ts";
export * from "./response_state.ts";
export * from "./server_connection.ts";
export * from "../http/zstd_frames.ts";
