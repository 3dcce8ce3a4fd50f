// Every length of time of a room, in milliseconds (onmeet_node/protocol/room/timing.py has the node's).

/** From the loss of the host until a claim of somebody else is followed. */
export const CLAIM = 1_500;
/** Between tries to open a channel, growing from the first to the last. */
export const RETRY = 500;
export const MAX_RETRY = 8_000;
/** From when on a channel was open for good. */
export const GOOD = 1_000;
/** Until a try that nobody answers is given up. */
export const OPEN = 8_000;
/** Until a knock that nobody answers is given up. */
export const KNOCK = 120_000;
/** Until a guest who reaches nobody that could carry on has lost the room. */
export const AWAY = 45_000;
/** Until media that flows one way only is told. */
export const BLIND = 10_000;
/** For a roster with the seat of somebody who opened a channel to us. */
export const STRAY = 5_000;
/** For TURN credentials to be lent, before we dial. */
export const LENT = 3_000;
/** Between two words on what we see of the room. */
export const HERE = 200;
/** Heartbeat of a channel: asked after so much silence, given up after so much. */
export const PING = 5_000;
export const DEAD = 15_000;
/** For a first word on a channel that is open. */
export const MUTE = 4_000;
