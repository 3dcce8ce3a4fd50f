// What a handshake uses once, of given bytes.
import { kemOf } from "../src/protocol/ml-kem.js";
import type { Bytes } from "../src/protocol/bytes.js";
import type { Ephemeral } from "../src/protocol/noise.js";
import { keyOf } from "../src/protocol/x25519.js";

export const ephemeralOf = (
  privateKey: Bytes,
  seed: Bytes = new Uint8Array(64).fill(7),
  message: Bytes = new Uint8Array(32).fill(8),
): Ephemeral => ({ ...keyOf(privateKey), kem: kemOf(seed, message) });
