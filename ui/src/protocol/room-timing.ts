// Every length of time of a room, in milliseconds: those of the protocol, and those of the page alone.
export { AWAY, BLIND, CLAIM, KNOCK, LENT, MAX_RETRY, RETRY, STRAY } from "./room-tables.js";
/** Heartbeat of a channel: asked after so much silence, given up after so much. */
export { DEAD, PING } from "./tables.js";

/** From when on a channel was open for good. */
export const GOOD = 1_000;
/** Until a try that nobody answers is given up. */
export const OPEN = 8_000;
/** Between two words on what we see of the room. */
export const HERE = 200;
/** For a first word on a channel that is open. */
export const MUTE = 4_000;
