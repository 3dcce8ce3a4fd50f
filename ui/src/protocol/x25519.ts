// X25519 without WebCrypto: for browsers that lack it, and for test vectors.
import { x25519 } from "@noble/curves/ed25519.js";
import { SealError, type Bytes } from "./bytes.js";
import { nonZero, type KeyPair } from "./noise.js";

/** The pair of a given private key, 32 bytes. */
export const keyOf = (privateKey: Bytes): KeyPair => ({
  publicKey: new Uint8Array(x25519.getPublicKey(privateKey)),
  shared: async (remote) => {
    try {
      return nonZero(new Uint8Array(x25519.getSharedSecret(privateKey, remote)));
    } catch {
      throw new SealError("no secret can be had with that key");
    }
  },
});
