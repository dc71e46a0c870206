/**
 * Requests whose connections have to be proven before they are sent on them: all that the kernel
 * held for those must have been told. One look at the kernel proves all connections, for a moment.
 *
 * @module
 */
import type { Clock } from "../clock.ts";

/** Milliseconds. At the write, all that the kernel held this long before has been seen. */
export const FRESH_MS = 1;

/** Milliseconds. The dialer is a caller's, perhaps: then it is asked once more. */
const MAX_POLLING_MS = 1_000;

/** Count. So many proofs in a row may be too old for all who wait; then some are told to give up. */
const MAX_VAIN_PROOFS = 4;

/** Milliseconds. The same, since the first of them. */
const MAX_VAIN_MS = 20;

/** Count. The same, where answers came meanwhile: those alone may have made the turn long. */
const MAX_DISTURBED_PROOFS = 12;

/** Requests. More connections at once would take a turn so long that no proof holds behind it. */
const MAX_GIVEN_UP = 64;

/** A request that has its connection and waits for the proof. */
export interface ProofWaiter {
  /**
   * What the kernel held at `polledAtMs` has been told.
   *
   * @param isFutile Whether the next proof will hardly be younger, if this one is too old.
   */
  polled(polledAtMs: number, nowMs: number, isFutile: boolean): void;
  /** The kernel cannot be polled. */
  pollFailed(error: unknown, nowMs: number): void;
  /** Ends it: something on its way has thrown. */
  abort(reason: unknown): void;
}

/**
 * They go one after another while the proof is young, and the others by the next one. Many answers
 * make a turn of the event loop longer than a proof lasts; those whom they came to stand behind the
 * others here, so the turn after it is short again.
 */
export class ProofQueue {
  readonly #clock: Clock;
  readonly #poll: (sure: () => void) => Promise<void>;
  #waiters: ProofWaiter[] = [];
  /** Polls under way. */
  #polls = 0;
  /** When the last one began, or was over. */
  #sinceMs = 0;
  /** How many proofs have been too old for all since one was not. */
  #vainProofs = 0;
  /** Since the first of them. */
  #vainSinceMs = 0;
  #disturbedProofs = 0;
  /** Whether somebody has come since the last poll began. */
  #isDisturbed = false;
  #isCrowded = false;

  /** @param poll As {@linkcode Dialer.pollBarrier}. */
  constructor(clock: Clock, poll: (sure: () => void) => Promise<void>) {
    this.#clock = clock;
    this.#poll = poll;
  }

  /** Whether the last proof became too old before all had gone: who comes now stands behind them. */
  get isCrowded(): boolean {
    return this.#isCrowded;
  }

  /** Tells `waiter` of a poll that begins after this call: what the one under way sees may miss it. */
  add(waiter: ProofWaiter, nowMs: number): void {
    this.#waiters.push(waiter);
    this.#isDisturbed = true;
    if (this.#polls === 0 || nowMs - this.#sinceMs > MAX_POLLING_MS) void this.#run(nowMs);
  }

  async #run(beganAtMs: number): Promise<void> {
    this.#polls++;
    this.#sinceMs = beganAtMs;
    // Who comes in this step too goes by the same one.
    await null;
    while (this.#waiters.length > 0) {
      const asking = this.#waiters;
      this.#waiters = [];
      this.#isDisturbed = false;
      this.#sinceMs = this.#clock.now();
      let polledAtMs = this.#sinceMs;
      try {
        await this.#poll(() => void (polledAtMs = this.#clock.now()));
        this.#sinceMs = this.#clock.now();
        this.#tell(asking, polledAtMs, this.#sinceMs);
      } catch (error) {
        this.#each(asking, (waiter, nowMs) => waiter.pollFailed(error, nowMs));
      }
    }
    this.#isCrowded = false;
    this.#forget();
    this.#polls--;
  }

  #tell(asking: readonly ProofWaiter[], polledAtMs: number, now: number): void {
    if (now - polledAtMs > FRESH_MS) return this.#tooOldForAll(asking, polledAtMs, now);
    this.#forget();
    this.#isCrowded = false;
    this.#each(asking, (waiter, nowMs) => {
      const isTooOld = nowMs - polledAtMs > FRESH_MS;
      if (isTooOld) this.#isCrowded = true;
      else waiter.polled(polledAtMs, nowMs, false);
      return isTooOld;
    });
  }

  /** Each has to know: it may see to it in another way. */
  #tooOldForAll(asking: readonly ProofWaiter[], polledAtMs: number, now: number): void {
    if (this.#isDisturbed) this.#disturbedProofs++;
    else if (this.#vainProofs++ === 0) this.#vainSinceMs = now;
    const isVain = this.#vainProofs >= MAX_VAIN_PROOFS ||
      this.#disturbedProofs >= MAX_DISTURBED_PROOFS ||
      this.#vainProofs > 1 && now - this.#vainSinceMs > MAX_VAIN_MS;
    let rest = isVain ? MAX_GIVEN_UP : 0;
    this.#each(asking, (waiter, nowMs) => waiter.polled(polledAtMs, nowMs, rest-- > 0));
    // What they do instead makes turns long too.
    if (isVain && rest < 0) this.#forget();
  }

  #forget(): void {
    this.#vainProofs = 0;
    this.#disturbedProofs = 0;
  }

  /**
   * Calls `tell` for one after another until it gives true: that one and the others go on waiting, and
   * so do those who ask again, before whoever came meanwhile.
   */
  #each(
    asking: readonly ProofWaiter[],
    tell: (waiter: ProofWaiter, nowMs: number) => unknown,
  ): void {
    const later = this.#waiters;
    this.#waiters = [];
    let told = 0;
    for (const waiter of asking) {
      try {
        if (tell(waiter, this.#clock.now()) === true) break;
      } catch (error) {
        // A caller's dialer or connection: the others must not wait for ever because of it.
        waiter.abort(error);
      }
      told++;
    }
    this.#waiters = [...asking.slice(told), ...this.#waiters, ...later];
  }
}
