/**
 * What a file of HAR 1.2 holds: the part of it that is written here.
 *
 * @see http://www.softwareishard.com/blog/har-12-spec/
 * @module
 */

/** The whole file. */
export interface Har {
  readonly log: {
    readonly version: "1.2";
    readonly creator: { readonly name: string; readonly version: string };
    readonly entries: readonly HarEntry[];
  };
}

/** One exchange. */
export interface HarEntry {
  /** In ISO 8601. */
  readonly startedDateTime: string;
  /** Milliseconds: the sum of what is not -1 in `timings`, `ssl` left out, as it is a part of `connect`. */
  readonly time: number;
  readonly request: HarRequest;
  readonly response: HarResponse;
  readonly cache: Readonly<Record<string, never>>;
  readonly timings: HarTimings;
  readonly serverIPAddress?: string;
  readonly connection?: string;
}

/** A request. */
export interface HarRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly cookies: readonly HarPair[];
  readonly headers: readonly HarPair[];
  readonly queryString: readonly HarPair[];
  readonly postData?: HarPostData;
  /** Bytes; -1: not known. */
  readonly headersSize: number;
  /** Bytes; -1: not known. */
  readonly bodySize: number;
}

/** What was sent. */
export interface HarPostData {
  readonly mimeType: string;
  readonly params: readonly HarPair[];
  readonly text: string;
  readonly comment?: string;
}

/** A response; of one that did not come the status is 0. */
export interface HarResponse {
  readonly status: number;
  readonly statusText: string;
  readonly httpVersion: string;
  readonly cookies: readonly HarPair[];
  readonly headers: readonly HarPair[];
  readonly content: HarContent;
  readonly redirectURL: string;
  /** Bytes; -1: not known. */
  readonly headersSize: number;
  /** Bytes; -1: not known. */
  readonly bodySize: number;
  readonly comment?: string;
}

/** A body, its content coding taken off where that was asked for. */
export interface HarContent {
  /** Bytes. */
  readonly size: number;
  readonly mimeType: string;
  readonly text?: string;
  readonly encoding?: "base64";
  readonly comment?: string;
}

/** Milliseconds; -1: it did not happen. */
export interface HarTimings {
  readonly blocked: number;
  readonly dns: -1;
  readonly connect: number;
  readonly ssl: number;
  readonly send: number;
  readonly wait: number;
  readonly receive: number;
}

/** A name with its value. */
export interface HarPair {
  readonly name: string;
  readonly value: string;
}
