// Every length of time of a room, in milliseconds: those of the protocol, and those of the page alone.
export { AWAY, BLIND, CLAIM, KNOCK, MAX_RETRY, RETRY, STRAY } from "./room-tables.js";

/** From when on a channel was open for good. */
export const GOOD = 1_000;
/** Until a try that nobody answers is given up. */
export const OPEN = 8_000;
/** For TURN credentials to be lent, before we dial. */
export const LENT = 3_000;
/** Between two words on what we see of the room. */
export const HERE = 200;
/** Heartbeat of a channel: asked after so much silence, given up after so much. */
export const PING = 5_000;
export const DEAD = 15_000;
/** For a first word on a channel that is open. */
export const MUTE = 4_000;
