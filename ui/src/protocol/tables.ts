// Made from onmeet_node/protocol by: python -m onmeet_node.web.tables
// A test compares the two; change the Python and run it again.

export const MAX_NOISE_BYTES = 65_535;
export const MAX_FRAME_BYTES = 65_535;
export const MAX_TYPE_CHARS = 32;
export const MAX_NAME_CHARS = 80;
export const MAX_SDP_CHARS = 24_000;
export const MAX_CANDIDATES = 64;
export const MAX_GENERATION = 65_535;
export const MAX_SERVERS = 8;
export const MAX_CARRIED = 60_000;
export const CALL_ID_BYTES = 16;
export const TICKET_BYTES = 16;
export const GUEST_ID_BYTES = 32;
export const KEY_BYTES = 32;
export const ROOM_ID_BYTES = 16;

export const KINDS = ["audio", "video"] as const;
export const WAIT_STATES = ["delivered", "shown", "busy"] as const;
