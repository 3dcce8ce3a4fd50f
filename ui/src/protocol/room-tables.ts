// Made from onmeet_node/protocol by: python -m onmeet_node.web.typescript
// A test compares the two; change the Python and run it again.

export const MAX_SEATS = 12;
export const MAX_REMOVED = 64;
export const MAX_ROSTER_BYTES = 48_000;
export const MAX_COUNT = 2_147_483_647;
export const MAX_REACTION_CHARS = 16;
export const MAX_FIELD_CHARS = 120;
export const BURST = 300;
export const RATE = 50;

export const ROLES = ["host", "co-host", "member", "guest"] as const;
export const PICTURE_SIZES = ["none", "small", "large"] as const;
export const PHASES = ["at-door", "member", "host-lost", "host", "over"] as const;

// Milliseconds.
export const CLAIM = 1_500;
export const RETRY = 500;
export const MAX_RETRY = 8_000;
export const KNOCK = 120_000;
export const AWAY = 45_000;
export const BLIND = 10_000;
export const STRAY = 5_000;
export const LENT = 3_000;

/** Most people with picture; bits per second, rows, pictures per second; screen. */
export type SendLimitsRow = readonly [number, number, number, number, number];
export const LARGE: readonly SendLimitsRow[] = [
  [2, 2_500_000, 720, 30, 4_000_000],
  [3, 1_200_000, 720, 30, 2_500_000],
  [4, 600_000, 480, 30, 1_500_000],
  [6, 350_000, 360, 24, 1_000_000],
  [8, 350_000, 360, 24, 600_000],
];
export const SMALL: readonly SendLimitsRow[] = [
  [2, 600_000, 360, 30, 600_000],
  [3, 400_000, 360, 24, 400_000],
  [4, 250_000, 270, 20, 300_000],
  [6, 150_000, 180, 15, 200_000],
  [8, 100_000, 180, 15, 150_000],
];
