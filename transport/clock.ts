/**
 * Time, as the transport sees it. Dialling needs it too, so it lives in `conn/`.
 *
 * @module
 */
export { type Clock, systemClock, type TimerHandle } from "../conn/clock.ts";
