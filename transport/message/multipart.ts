/**
 * `multipart/form-data`: a `FormData` as bytes, its files streamed.
 *
 * @module
 */

/** A form, encoded: its parts are bytes and files that are read when they are sent. */
export interface Multipart {
  readonly contentType: string;
  readonly lengthBytes: number;
  readonly parts: readonly (Uint8Array | Blob)[];
}

const encoder = new TextEncoder();

/**
 * Encodes a form.
 *
 * @see RFC 7578; WHATWG HTML, "multipart/form-data encoding algorithm", for the escapes.
 */
export function encodeMultipart(form: FormData): Multipart {
  const boundary = "----roundtrip" + crypto.randomUUID().replaceAll("-", "");
  const parts: (Uint8Array | Blob)[] = [];
  for (const [name, value] of form) {
    let head = `--${boundary}\r\nContent-Disposition: form-data; name="${
      escapeName(withCrlf(name))
    }"`;
    if (typeof value === "string") {
      head += `\r\n\r\n${withCrlf(value)}\r\n`;
      parts.push(encoder.encode(head));
    } else {
      // Bun gives no name to a Blob that was appended without one.
      const fileName = escapeName(value.name ?? "blob");
      head += `; filename="${fileName}"\r\nContent-Type: ${
        mediaType(value) ?? "application/octet-stream"
      }\r\n\r\n`;
      parts.push(encoder.encode(head), value, encoder.encode("\r\n"));
    }
  }
  parts.push(encoder.encode(`--${boundary}--\r\n`));
  let lengthBytes = 0;
  for (const part of parts) lengthBytes += part instanceof Blob ? part.size : part.length;
  return { contentType: `multipart/form-data; boundary=${boundary}`, lengthBytes, parts };
}

/** Line ends of names and of text are CRLF; those of file names are left as they are. */
function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}

function escapeName(name: string): string {
  return name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}

/** A blob's own type; null if it has none, or one that could break out of its line. */
export function mediaType(file: Blob): string | null {
  const { type } = file;
  return /^[\x20-\x7e]+$/.test(type) ? type : null;
}
