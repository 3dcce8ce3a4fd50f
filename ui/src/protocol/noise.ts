// Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b (revision 34), the guest's side. onmeet_node/protocol/wire/noise.py
// is the host's; both are held to tests/vectors/noise.json. Rooms speak IK besides: protocol/noise-ik.ts.
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { MAX_NOISE_BYTES } from "./tables.js";

export type Bytes = Uint8Array<ArrayBuffer>;

const NAME = "Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b";
/** Bytes of a key, and of a seal. */
export const KEY = 32;
export const TAG = 16;
const HASH = 64;

/** The other side's message does not open: altered, repeated, reordered, or of another key. */
export class SealError extends Error {}

export function join(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const utf8 = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text));

/** An X25519 key pair that is used once. */
export interface KeyPair {
  readonly publicKey: Bytes;
  /** X25519 with another's public key. Rejects with `SealError` where no secret can be had. */
  shared(remote: Bytes): Promise<Bytes>;
}

/** A fresh key: WebCrypto's, which no script can read; noble's where the browser has no X25519. */
export async function freshKey(): Promise<KeyPair> {
  try {
    const pair = await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
    return webKey(pair.privateKey, new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  } catch {
    // NOTE: curves are a fifth of what this page may weigh, and old browsers alone need them here.
    const { keyOf } = await import("./x25519.js");
    return keyOf(crypto.getRandomValues(new Uint8Array(KEY)));
  }
}

/** A pair whose private half is WebCrypto's. */
export const webKey = (privateKey: CryptoKey, publicKey: Bytes): KeyPair => ({
  publicKey,
  async shared(remote) {
    const key = await crypto.subtle.importKey("raw", remote, "X25519", false, []);
    const bits = await crypto.subtle.deriveBits({ name: "X25519", public: key }, privateKey, 256).catch(() => null);
    return nonZero(bits === null ? new Uint8Array(KEY) : new Uint8Array(bits));
  },
});

/** Throws `SealError` for a result of zeros. */
export function nonZero(secret: Bytes): Bytes {
  if (secret.every((byte) => byte === 0)) throw new SealError("no secret can be had with that key");
  return secret;
}

/** One direction of a channel (section 5.1). Messages open in the order they were sealed. */
export class Cipher {
  #nonce = 0;
  constructor(private readonly key: Bytes) {}

  seal(plaintext: Uint8Array, ad: Uint8Array = new Uint8Array()): Bytes {
    if (plaintext.length > MAX_NOISE_BYTES - TAG) throw new RangeError("too long for one message");
    return new Uint8Array(chacha20poly1305(this.key, nonce(this.#nonce++), ad).encrypt(plaintext));
  }

  /** Throws `SealError`, and then expects the same message still. */
  open(sealed: Uint8Array, ad: Uint8Array = new Uint8Array()): Bytes {
    if (sealed.length < TAG || sealed.length > MAX_NOISE_BYTES) throw new SealError("of no length of ours");
    let plaintext: Uint8Array;
    try {
      plaintext = chacha20poly1305(this.key, nonce(this.#nonce), ad).decrypt(sealed);
    } catch {
      throw new SealError("a message was altered, repeated or lost");
    }
    this.#nonce += 1;
    return new Uint8Array(plaintext);
  }
}

/** 32 zero bits, then the number, little-endian (section 12.3). Far below 2^53 in any call. */
function nonce(number: number): Bytes {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(number), true);
  return bytes;
}

/** What is known before the first message. */
export interface Start {
  readonly remoteStatic: Bytes;
  readonly psk: Bytes;
  readonly prologue: Bytes;
  readonly ephemeral: KeyPair;
}

export interface Finished {
  readonly payload: Bytes;
  readonly send: Cipher;
  readonly receive: Cipher;
  /** 64 bytes that both sides share and no other channel has. */
  readonly hash: Bytes;
}

/** A handshake of a guest: `message` goes out, `finish` takes the host's answer. */
export class Initiator {
  #state: Symmetric;

  private constructor(private readonly start: Start) {
    this.#state = new Symmetric(NAME, start.prologue, start.remoteStatic);
  }

  /** Message 1: psk, e, es. */
  static async begin(start: Start, payload: Uint8Array = new Uint8Array()): Promise<[Initiator, Bytes]> {
    const noise = new Initiator(start);
    const state = noise.#state;
    state.mixKeyAndHash(start.psk);
    noise.#mixEphemeral(start.ephemeral.publicKey);
    state.mixKey(await start.ephemeral.shared(start.remoteStatic));
    return [noise, join(start.ephemeral.publicKey, state.encrypt(payload))];
  }

  /** Message 2: e, ee. Rejects with `SealError` if it is not the host's. */
  async finish(message: Bytes): Promise<Finished> {
    if (message.length < KEY + TAG || message.length > MAX_NOISE_BYTES) throw new SealError("of no length of ours");
    const remote = message.slice(0, KEY);
    this.#mixEphemeral(remote);
    this.#state.mixKey(await this.start.ephemeral.shared(remote));
    const payload = this.#state.decrypt(message.slice(KEY));
    const [send, receive] = this.#state.split();
    return { payload, send, receive, hash: this.#state.hash };
  }

  #mixEphemeral(key: Bytes): void {
    this.#state.mixHash(key);
    this.#state.mixKey(key); // section 9.2: with a psk the ephemeral keys are mixed in too
  }
}

/** SymmetricState (section 5.2). */
export class Symmetric {
  #ck: Bytes;
  #cipher: Cipher | null = null;
  hash: Bytes;

  /** `pattern` names what is spoken; what both sides know before the first message follows. */
  constructor(pattern: string, ...known: readonly Bytes[]) {
    const name = new Uint8Array(HASH);
    name.set(utf8(pattern));
    this.hash = this.#ck = name;
    for (const one of known) this.mixHash(one);
  }

  mixHash(data: Uint8Array): void {
    this.hash = hash(join(this.hash, data), HASH);
  }

  mixKey(material: Uint8Array): void {
    const [chaining, key] = hkdf(this.#ck, material, 2);
    this.#ck = chaining!;
    this.#cipher = new Cipher(key!.slice(0, KEY));
  }

  mixKeyAndHash(material: Uint8Array): void {
    const [chaining, hashed, key] = hkdf(this.#ck, material, 3);
    this.#ck = chaining!;
    this.mixHash(hashed!);
    this.#cipher = new Cipher(key!.slice(0, KEY));
  }

  encrypt(plaintext: Uint8Array): Bytes {
    const sealed = this.#cipher!.seal(plaintext, this.hash);
    this.mixHash(sealed);
    return sealed;
  }

  decrypt(sealed: Bytes): Bytes {
    const plaintext = this.#cipher!.open(sealed, this.hash);
    this.mixHash(sealed);
    return plaintext;
  }

  /** What the initiator sends with, and what the responder does. */
  split(): [Cipher, Cipher] {
    const [first, second] = hkdf(this.#ck, new Uint8Array(), 2);
    return [new Cipher(first!.slice(0, KEY)), new Cipher(second!.slice(0, KEY))];
  }
}

/** HKDF of section 4.3, with HMAC-BLAKE2b. */
function hkdf(chaining: Uint8Array, material: Uint8Array, outputs: number): Bytes[] {
  const temporary = hmac(blake2b, chaining, material);
  const results: Bytes[] = [];
  let last: Bytes = new Uint8Array();
  for (let number = 1; number <= outputs; number++) {
    last = new Uint8Array(hmac(blake2b, temporary, join(last, new Uint8Array([number]))));
    results.push(last);
  }
  return results;
}

/** BLAKE2b of `length` bytes, with a key of at most 64. */
export function hash(data: Uint8Array, length: number, key?: Uint8Array): Bytes {
  return new Uint8Array(blake2b(data, { dkLen: length, ...(key === undefined ? {} : { key }) }));
}
