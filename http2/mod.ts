/**
 * HTTP/2 on bytes, both ends of it: frames, field compression, streams and windows; no sockets, no
 * clock, no pool.
 *
 * @module
 */
export * from "./block_decoder.ts";
export * from "./decoded_section.ts";
export * from "./block_encoder.ts";
export * from "./body_sender.ts";
export * from "./client_connection.ts";
export * from "./client_stream.ts";
export * from "./connection_state.ts";
export * from "./decoder_table.ts";
export * from "./frame_output.ts";
export * from "./frame_reader.ts";
export * from "./frame_types.ts";
export * from "./frame_writer.ts";
export * from "./http2_error.ts";
export * from "./receive_window.ts";
export * from "./send_windows.ts";
export * from "./server_connection.ts";
export * from "./server_stream.ts";
export * from "./settings.ts";
export * from "./stream_conn.ts";
export * from "./stream_content.ts";
export * from "./stream_state.ts";
