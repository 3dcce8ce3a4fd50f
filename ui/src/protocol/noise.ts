// Noise (revision 34) NKpsk0, hybrid by the hfs modifier, the guest's side. onmeet_node/protocol/wire/noise.py
// is the host's; both are held to tests/vectors/noise.json. Rooms speak IK besides: protocol/noise-ik.ts.
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { hash, join, SealError, utf8, type Bytes } from "./bytes.js";
import { kemOf } from "./ml-kem.js";
import { KEM_CIPHERTEXT_BYTES, MAX_NOISE_BYTES, REKEY, REKEY_MESSAGES } from "./tables.js";

const NAME = "Noise_NKhfs+psk0_25519+MLKEM768_ChaChaPoly_BLAKE2b";
/** Bytes of a key, and of a seal. */
export const KEY = 32;
export const TAG = 16;
const HASH = 64;

/** An X25519 key pair that is used once. */
export interface KeyPair {
  readonly publicKey: Bytes;
  /** X25519 with another's public key. Rejects with `SealError` where no secret can be had. */
  shared(remote: Bytes): Promise<Bytes>;
}

/** ML-KEM-768 with a key pair that is used once, and with another's. */
export interface Kem {
  readonly publicKey: Bytes;
  /** The secret that a ciphertext carries. Throws `SealError`. */
  open(ciphertext: Bytes): Bytes;
  /** Ciphertext and secret for another's key. Throws `SealError`. */
  encapsulate(remote: Bytes): [Bytes, Bytes];
}

/** What a handshake uses once. */
export interface Ephemeral extends KeyPair {
  readonly kem: Kem;
}

export async function freshEphemeral(): Promise<Ephemeral> {
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  return { ...(await freshKey()), kem: kemOf(random(64), random(KEY)) };
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
  #since = 0;
  #first = 0;
  constructor(private key: Bytes) {}

  /** What carries this message (not an empty one) over a channel: before it what ends a key, in time. */
  say(plaintext: Uint8Array, now: number): Bytes[] {
    this.#since ||= now;
    if (this.#nonce - this.#first < REKEY_MESSAGES - 1 && now - this.#since < REKEY) return [this.seal(plaintext)];
    const last = this.seal(new Uint8Array());
    this.#rekey();
    this.#since = now;
    return [last, this.seal(plaintext)];
  }

  /** The next message of a channel; null for what ends a key. Throws `SealError`. */
  hear(sealed: Uint8Array): Bytes | null {
    const plaintext = this.open(sealed);
    if (plaintext.length === 0) {
      this.#rekey();
      return null;
    }
    if (this.#nonce - this.#first >= REKEY_MESSAGES) throw new SealError("one key for too many messages");
    return plaintext;
  }

  /** Section 4.2. The numbers go on. */
  #rekey(): void {
    this.key = new Uint8Array(chacha20poly1305(this.key, nonce(2n ** 64n - 1n)).encrypt(new Uint8Array(KEY)).slice(0, KEY));
    this.#first = this.#nonce;
  }

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
function nonce(number: number | bigint): Bytes {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(number), true);
  return bytes;
}

/** The ciphertext of ekem1, sealed. */
export const SEALED_KEM = KEM_CIPHERTEXT_BYTES + TAG;

/** Throws `SealError` for a handshake message of no length of ours. */
export function sized(message: Bytes, least: number): void {
  if (message.length < least || message.length > MAX_NOISE_BYTES) throw new SealError("of no length of ours");
}

/** What is known before the first message. */
export interface Start {
  readonly remoteStatic: Bytes;
  readonly psk: Bytes;
  readonly prologue: Bytes;
  readonly ephemeral: Ephemeral;
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

  /** Message 1: psk, e, es, e1. */
  static async begin(start: Start, payload: Uint8Array = new Uint8Array()): Promise<[Initiator, Bytes]> {
    const noise = new Initiator(start);
    const state = noise.#state;
    state.mixKeyAndHash(start.psk);
    noise.#mixEphemeral(start.ephemeral.publicKey);
    state.mixKey(await start.ephemeral.shared(start.remoteStatic));
    return [noise, join(start.ephemeral.publicKey, state.encrypt(start.ephemeral.kem.publicKey), state.encrypt(payload))];
  }

  /** Message 2: e, ee, ekem1. Rejects with `SealError` if it is not the host's. */
  async finish(message: Bytes): Promise<Finished> {
    sized(message, KEY + SEALED_KEM + TAG);
    const remote = message.slice(0, KEY);
    this.#mixEphemeral(remote);
    this.#state.mixKey(await this.start.ephemeral.shared(remote));
    this.#state.ekem1(this.start.ephemeral.kem, message);
    const payload = this.#state.decrypt(message.slice(KEY + SEALED_KEM));
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

  /** The sealed ciphertext behind the ephemeral key of a message 2, for our key. */
  ekem1(kem: Kem, message: Bytes): void {
    this.mixKey(kem.open(this.decrypt(message.slice(KEY, KEY + SEALED_KEM))));
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
