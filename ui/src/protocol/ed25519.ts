// The key of one visit to a room (Ed25519), and what others' keys prove (onmeet_node/protocol/identity/keys.py).
import { ed25519 } from "@noble/curves/ed25519.js";
import { SealError, type Bytes } from "./bytes.js";
import { webKey, type KeyPair } from "./noise.js";
import { keyOf } from "./x25519.js";

/** A key pair that names its holder, in the form in which it seals channels. A guest signs nothing. */
export interface VisitKey {
  /** Ed25519. */
  readonly publicKey: Bytes;
  /** The same key as X25519. */
  readonly channel: KeyPair;
}

/** PrivateKeyInfo of an X25519 key (RFC 8410), but for the key. */
const PKCS8 = Uint8Array.from([48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32]);

/** `seed`: 32 secret random bytes. WebCrypto keeps the half that seals, where it knows X25519. */
export async function visitKey(seed: Bytes): Promise<VisitKey> {
  const publicKey = new Uint8Array(ed25519.getPublicKey(seed));
  const secret = new Uint8Array(ed25519.utils.toMontgomerySecret(seed));
  try {
    const info = new Uint8Array([...PKCS8, ...secret]);
    const key = await crypto.subtle.importKey("pkcs8", info, "X25519", false, ["deriveBits"]);
    return { publicKey, channel: webKey(key, x25519Of(publicKey)) };
  } catch {
    return { publicKey, channel: keyOf(secret) };
  }
}

/** The X25519 form of a public key. Throws `SealError` if it is no point of the prime-order group. */
export function x25519Of(publicKey: Bytes): Bytes {
  try {
    const point = ed25519.Point.fromBytes(publicKey, false);
    if (!point.is0() && point.isTorsionFree()) return new Uint8Array(ed25519.utils.toMontgomery(publicKey));
  } catch {
    // told below
  }
  throw new SealError("no key of anybody");
}

/** Whether this is the key's signature (RFC 8032). */
export function verify(publicKey: Bytes, message: Bytes, signature: Bytes): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}
