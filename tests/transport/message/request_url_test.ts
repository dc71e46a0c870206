/**
 * URLs of requests: the quick way through an origin that is known gives what the parser of URLs gives.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { HttpRequest } from "../../../mod.ts";
import { test } from "../../support/harness.ts";

const ORIGINS = ["http://a.test", "https://a.test:8443", "http://127.0.0.1:81", "http://[::1]:5"];

/** What the parser of URLs says, without ours. */
function parsed(text: string): Record<string, unknown> {
  const url = new URL(text);
  const fragment = url.hash;
  if (url.href.includes("#")) url.hash = "";
  const emptyQuery = url.search === "" && url.href.endsWith("?") ? "?" : "";
  return {
    href: url.href,
    fragment,
    scheme: url.protocol,
    hostname: url.hostname.replace(/[[\]]/g, ""),
    port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
    authority: url.host,
    requestTarget: url.pathname + url.search + emptyQuery,
  };
}

function ours(text: string): Record<string, unknown> {
  const { href, fragment, scheme, hostname, port, authority, requestTarget } = new HttpRequest(
    text,
  );
  return { href, fragment, scheme, hostname, port, authority, requestTarget };
}

const pieces = fc.array(
  fc.oneof(
    fc.constantFrom("/", "//", "/.", "/..", "/../", "..", ".", "?", "#", "@", ":", "%2e", "%2E%2e"),
    fc.constantFrom("\\", "'", '"', "<", "^", "|", "`", "{", "%", "%zz", "é", " ", ";", "a", "B9"),
    fc.string({ minLength: 1, maxLength: 3 }),
  ),
  { maxLength: 8 },
);

test("request URLs: whatever stands behind a known origin is read as the URL parser reads it", () => {
  for (const origin of ORIGINS) new HttpRequest(origin + "/");
  fc.assert(
    fc.property(fc.constantFrom(...ORIGINS), pieces, (origin, rest) => {
      const text = `${origin}/${rest.join("")}`;
      let expected: Record<string, unknown>;
      try {
        expected = parsed(text);
      } catch {
        return;
      }
      // deno-lint-ignore no-control-regex
      if (/[\x00-\x1f\x7f]/.test(text)) return;
      assert.deepEqual(ours(text), expected);
    }),
    { numRuns: 5_000, seed: 20261121 },
  );
});

test("request URLs: an origin is not taken for known by its beginning", () => {
  new HttpRequest("http://a.test/");
  for (
    const text of [
      "http://a.test@b.test/",
      "http://a.test:80/",
      "http://a.test.b.test/x",
      "HTTP://A.test/x",
      "http:///a.test/x",
      "http://a.test\\b/x",
    ]
  ) {
    if (text.includes("@")) assert.throws(() => new HttpRequest(text), /credentials/);
    else assert.deepEqual(ours(text), parsed(text));
  }
});
