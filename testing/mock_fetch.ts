/**
 * The platform's `fetch` with expectations.
 *
 * @module
 */
import { createFetch, type FetchOptions } from "../client/fetch/fetch.ts";
import type { MockOptions, MockTransport } from "./mock_transport.ts";
import { mockTransport } from "./mock_transport.ts";

/** How a mocked `fetch` works. */
export interface MockFetchOptions extends MockOptions {
  /** Options of `createFetch`, but for a transport or those of one. */
  fetch?: FetchOptions;
}

/** A `fetch` with expectations. */
export type MockFetch = typeof globalThis.fetch & Pick<MockTransport, "expect" | "assertDone"> & {
  /** What answers: expectations, and the calls that it has seen. */
  readonly mock: MockTransport;
};

/**
 * Makes a `fetch` that answers what it was told to expect: `createFetch` over a
 * {@linkcode mockTransport}. A request that nothing expects rejects with a `MockError`, which no program takes
 * for an error of the network; what is mocked by a code rejects as `fetch` does.
 *
 * @example
 * ```ts
 * import { mockFetch } from "@roundtrip/http/testing";
 *
 * const fetch = mockFetch();
 * fetch.expect("GET", "https://api.test/users/1").reply(200, { name: "Ada" });
 * const response = await fetch("https://api.test/users/1");
 * if (((await response.json()) as { name: string }).name !== "Ada") throw new Error("not her");
 * fetch.assertDone();
 * ```
 */
export function mockFetch(options: MockFetchOptions = {}): MockFetch {
  const { fetch: fetchOptions = {}, ...mockOptions } = options;
  const mock = mockTransport(mockOptions);
  return Object.assign(createFetch({ ...fetchOptions, transport: mock }), {
    mock,
    expect: mock.expect.bind(mock),
    assertDone: mock.assertDone.bind(mock),
  });
}
