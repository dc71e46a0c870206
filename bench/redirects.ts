/**
 * Closed loops over a redirect that sets a cookie and a page that wants it. Ours and `createFetch`
 * follow and keep cookies themselves; the others are told how, with the library that we use too.
 *
 * @module
 */
import { NotMeasurable } from "./not_measurable.ts";
import { importOurs, transportOptions } from "./ours.ts";
import type { Task } from "./task.ts";

/** One answer, as the clients that need help see it. */
interface Answer {
  readonly status: number;
  readonly cookies: readonly string[];
  readonly location: string | null;
  readonly bytes: number;
}

/** What asks for the page once and says how many bytes it had. */
export async function redirectExchange(task: Task): Promise<() => Promise<number>> {
  const { url } = task;
  switch (task.client) {
    case "roundtrip": {
      const ours = await importOurs(task);
      const transport = new ours.Transport(transportOptions(task));
      const client = new ours.Client({ transport, jar: new ours.MemoryCookieJar() });
      return async () => {
        const response = await client.do(new ours.HttpRequest(url));
        const { length } = await response.bytes();
        if (response.status !== 200) throw new Error(`Status ${response.status}`);
        return length;
      };
    }
    case "createFetch": {
      const ours = await importOurs(task);
      const fetch = ours.createFetch({
        ...transportOptions(task),
        jar: new ours.MemoryCookieJar(),
      });
      return async () => {
        const response = await fetch(url);
        if (response.status !== 200) throw new Error(`Status ${response.status}`);
        return (await response.arrayBuffer()).byteLength;
      };
    }
    case "fetch":
      return await following(url, async (at, cookie) => {
        const response = await fetch(at, { redirect: "manual", headers: { cookie } });
        const { byteLength: bytes } = await response.arrayBuffer();
        const { status, headers } = response;
        return {
          status,
          cookies: headers.getSetCookie(),
          location: headers.get("location"),
          bytes,
        };
      });
    case "undici": {
      const { Agent, request } = await import("undici");
      const dispatcher = new Agent({ connections: task.atOnce });
      return await following(url, async (at, cookie) => {
        const { statusCode: status, headers, body } = await request(at, {
          dispatcher,
          headers: { cookie },
        });
        const { byteLength: bytes } = await body.arrayBuffer();
        const cookies = [headers["set-cookie"] ?? []].flat();
        return { status, cookies, location: headers.location?.toString() ?? null, bytes };
      });
    }
    default:
      throw new NotMeasurable("It follows no redirects");
  }
}

async function following(
  first: string,
  ask: (url: string, cookie: string) => Promise<Answer>,
): Promise<() => Promise<number>> {
  const { CookieJar } = await import("tough-cookie");
  const jar = new CookieJar();
  return async () => {
    for (let url = first;;) {
      const answer = await ask(url, await jar.getCookieString(url));
      for (const cookie of answer.cookies) await jar.setCookie(cookie, url);
      if (answer.status === 200) return answer.bytes;
      if (answer.location === null) throw new Error(`Status ${answer.status}`);
      url = new URL(answer.location, url).href;
    }
  };
}
