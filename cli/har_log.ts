/**
 * A record of exchanges as browsers write it: `--har`.
 *
 * @module
 */
import type { HttpRequest } from "../transport/message/http_request.ts";
import { HarExchange } from "./har_exchange.ts";
import type { Har } from "./har_format.ts";
import { KEEPING, MASKING } from "./har_mask.ts";
import type { ChooseProxies } from "./proxies.ts";
import { VERSION } from "./version.ts";

/** Gathers exchanges, in the order in which they begin. */
export class HarLog {
  readonly #exchanges: HarExchange[] = [];
  readonly #keepsSecrets: boolean;

  constructor(keepsSecrets: boolean) {
    this.#keepsSecrets = keepsSecrets;
  }

  /** An exchange begins. */
  begin(request: HttpRequest, proxies: ChooseProxies | null): HarExchange {
    const mask = this.#keepsSecrets ? KEEPING : MASKING;
    const exchange = new HarExchange(request, { proxies, mask });
    this.#exchanges.push(exchange);
    return exchange;
  }

  /** The text of the file. */
  text(): string {
    const har: Har = {
      log: {
        version: "1.2",
        creator: { name: "roundtrip", version: VERSION },
        entries: this.#exchanges.map((exchange) => exchange.entry()),
      },
    };
    return JSON.stringify(har, null, 2) + "\n";
  }
}
