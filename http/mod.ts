/**
 * What every version of HTTP shares: fields, grammar, content codings, state tables, and the seam
 * between a transport and a version of the protocol.
 *
 * @module
 */
export * from "./content_coding.ts";
export * from "./content_decoder.ts";
export * from "./content_length.ts";
export * from "./deviation.ts";
export * from "./exchange_events.ts";
export * from "./field_lines.ts";
export * from "./grammar.ts";
export * from "./http_headers.ts";
export * from "./incoming_content.ts";
export * from "./machine.ts";
export * from "./outgoing_request.ts";
export * from "./response_head.ts";
export * from "./zstd_frames.ts";
