// ML-KEM-768 (FIPS 203), the post-quantum half of a handshake. onmeet_node/protocol/wire/kem.py is the
// nodes'. Loaded when a channel is opened, and not before: the page's first picture needs none.
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { SealError, type Bytes } from "./bytes.js";
import type { Kem } from "./noise.js";
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES } from "./tables.js";

/** rho, behind the vector in an encapsulation key. */
const MATRIX_SEED = 32;

/** What `seed` (d and z, 64 bytes) and `message` (m, 32 bytes) make: fresh random bytes, used once. */
export function kemOf(seed: Bytes, message: Bytes): Kem {
  const { publicKey, secretKey } = ml_kem768.keygen(seed);
  return {
    publicKey: new Uint8Array(publicKey),
    open(ciphertext) {
      // NOTE: of the right length, but not for this key: a secret that nobody else has (implicit rejection).
      if (ciphertext.length !== KEM_CIPHERTEXT_BYTES) throw new SealError("no ML-KEM ciphertext");
      return new Uint8Array(ml_kem768.decapsulate(ciphertext, secretKey));
    },
    encapsulate(remote) {
      // FIPS 203, section 7.2, and a key that carries every secret in the clear.
      if (remote.length !== KEM_PUBLIC_BYTES || remote.slice(0, -MATRIX_SEED).every((byte) => byte === 0))
        throw new SealError("no ML-KEM key");
      try {
        const { cipherText, sharedSecret } = ml_kem768.encapsulate(remote, message);
        return [new Uint8Array(cipherText), new Uint8Array(sharedSecret)];
      } catch {
        throw new SealError("no ML-KEM key");
      }
    },
  };
}
