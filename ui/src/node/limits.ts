// Made from onmeet_node/web/messages/ by: python -m onmeet_node.web.typescript
// A test compares the two; change the Python and run it again.

export const MAX_CODE_CHARS = 2_000;
export const MAX_LABEL_CHARS = 80;
export const MAX_NOTE_CHARS = 280;
export const MAX_BOOTSTRAP_CHARS = 512;
export const MAX_PASSPHRASE_CHARS = 1_000;
export const MAX_VALUE_CHARS = 120;
export const MAX_PICTURE_BYTES = 24_576;
export const MAX_DRAFT_CHARS = 4_000;
export const MAX_DEVICE_CHARS = 256;
export const MAX_LANGUAGE_CHARS = 35;
export const MAX_WHY_CHARS = 2_000;
export const MAX_SERVER_CHARS = 512;
export const MAX_SERVERS_SEEN = 8;
export const MAX_PAIRS_SEEN = 24;
export const MAX_TYPES_SEEN = 16;
export const MAX_ERROR_CHARS = 200;
export const MAX_PAIR_COUNT = 1_000;
export const MAX_MILLISECONDS = 100_000;

// Milliseconds.
export const RELOAD = 45_000;
