/**
 * Time, as the transport sees it. Dialling needs it too, so it lives one room below.
 *
 * @module
 */
export { type Clock, systemClock, type TimerHandle } from "../conn/clock.ts";
