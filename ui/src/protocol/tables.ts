// Made from onmeet_node/protocol by: python -m onmeet_node.web.typescript
// A test compares the two; change the Python and run it again.

export const MAX_NOISE_BYTES = 65_535;
export const MAX_LIST = 1_024;
export const KEM_PUBLIC_BYTES = 1_184;
export const KEM_CIPHERTEXT_BYTES = 1_088;
export const REKEY_MESSAGES = 65_536;
export const MAX_TYPE_CHARS = 32;
export const MAX_NAME_CHARS = 80;
export const MAX_GUEST_NAME_CHARS = 40;
export const MAX_OPERATOR_CHARS = 80;
export const MAX_TEXT_CHARS = 4_000;
export const MAX_LINE_BYTES = 20_000;
export const MAX_BACKLOG_BYTES = 1_048_576;
export const MAX_REASON_CHARS = 64;
export const MAX_SDP_CHARS = 24_000;
export const MAX_CANDIDATES = 64;
export const MAX_CANDIDATE_CHARS = 300;
export const MAX_MID_CHARS = 64;
export const MAX_MID_INDEX = 63;
export const MAX_GENERATION = 65_535;
export const MAX_PING = 4_294_967_295;
export const MAX_SERVERS = 8;
export const MAX_SERVER_URL_CHARS = 256;
export const MAX_CREDENTIAL_CHARS = 128;
export const MAX_CARRIED = 60_000;
export const CALL_ID_BYTES = 16;
export const COMMITMENT_BYTES = 32;
export const NONCE_BYTES = 16;
export const MAX_STRINGS = 16;
export const TICKET_BYTES = 16;
export const GUEST_ID_BYTES = 32;
export const KEY_BYTES = 32;
export const ROOM_ID_BYTES = 16;

export const KINDS = ["audio", "video"] as const;
export const WAIT_STATES = ["delivered", "shown", "busy"] as const;

// Milliseconds.
export const PING = 5_000;
export const DEAD = 15_000;
export const REKEY = 600_000;
export const CROWDED = 30_000;
export const LONGEST_AT_DOOR = 12_000;
export const PATH = 30_000;
export const RECONNECT = 45_000;
export const REJOIN = 45_000;
