// A host for tests of the guest: the responder's side of NKpsk0, and a WebSocket in memory.
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { decode, encode } from "@msgpack/msgpack";
import { guestPrologue, type GuestLink } from "../src/protocol/guest-link.js";
import { join, utf8, type Bytes } from "../src/protocol/bytes.js";
import { Cipher } from "../src/protocol/noise.js";
import { keyOf } from "../src/protocol/x25519.js";
import { ephemeralOf } from "./ephemeral.js";

const HOST = keyOf(new Uint8Array(32).fill(9));
export const LINK: GuestLink = {
  door: new Uint8Array(16).fill(1),
  key: HOST.publicKey,
  psk: new Uint8Array(32).fill(3),
  expires: null,
};

function hkdf(chaining: Bytes, material: Bytes, outputs: number): Bytes[] {
  const temporary = hmac(blake2b, chaining, material);
  const all: Bytes[] = [];
  for (let n = 1; n <= outputs; n++)
    all.push(new Uint8Array(hmac(blake2b, temporary, join(all.at(-1) ?? new Uint8Array(), new Uint8Array([n])))));
  return all;
}

const nonce = new Uint8Array(12);
/** Of the second thing that is sealed with a key. */
const second = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);

/** What stands at the other end of the guest's WebSocket. */
export class FakeSocket {
  binaryType = "";
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly frames: Bytes[] = [];
  closed = false;
  #send!: Cipher;
  #receive!: Cipher;

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  send(data: Bytes): void {
    this.frames.push(new Uint8Array(data));
  }

  close(): void {
    this.closed = true;
    this.readyState = 3;
  }

  drop(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  raw(frame: Bytes): void {
    this.onmessage?.({ data: frame.buffer });
  }

  /** The host's half of the handshake, with this welcome. */
  async welcome(message: object, ephemeral = ephemeralOf(new Uint8Array(32).fill(5))): Promise<void> {
    const first = this.frames[1]!;
    let h: Bytes = new Uint8Array(64);
    h.set(utf8("Noise_NKhfs+psk0_25519+MLKEM768_ChaChaPoly_BLAKE2b"));
    let ck = h;
    let key: Bytes = new Uint8Array();
    const mixHash = (data: Bytes) => (h = new Uint8Array(blake2b(join(h, data), { dkLen: 64 })));
    const mixKey = (data: Bytes) => {
      const [next, k] = hkdf(ck, data, 2);
      [ck, key] = [next!, k!.slice(0, 32)];
    };
    mixHash(guestPrologue(LINK.door));
    mixHash(HOST.publicKey);
    const [next, hashed, k] = hkdf(ck, LINK.psk, 3);
    [ck, key] = [next!, k!.slice(0, 32)];
    mixHash(hashed!);
    const re = first.slice(0, 32);
    mixHash(re);
    mixKey(re);
    mixKey(await HOST.shared(re));
    const sealedKem = first.slice(32, 32 + 1184 + 16);
    const kem = new Uint8Array(chacha20poly1305(key, nonce, h).decrypt(sealedKem));
    mixHash(sealedKem);
    chacha20poly1305(key, second, h).decrypt(first.slice(32 + 1184 + 16));
    mixHash(first.slice(32 + 1184 + 16));
    mixHash(ephemeral.publicKey);
    mixKey(ephemeral.publicKey);
    mixKey(await ephemeral.shared(re));
    const [ciphertext, secret] = ephemeral.kem.encapsulate(kem);
    const sealedCiphertext = new Uint8Array(chacha20poly1305(key, nonce, h).encrypt(ciphertext));
    mixHash(sealedCiphertext);
    mixKey(secret);
    const body = encode(message);
    const framed = new Uint8Array(4 + body.length);
    new DataView(framed.buffer).setUint32(0, body.length);
    framed.set(body, 4);
    const sealed = new Uint8Array(chacha20poly1305(key, nonce, h).encrypt(framed));
    const [a, b] = hkdf(ck, new Uint8Array(), 2);
    this.#receive = new Cipher(a!.slice(0, 32));
    this.#send = new Cipher(b!.slice(0, 32));
    this.raw(join(ephemeral.publicKey, sealedCiphertext, sealed));
    await settled();
  }

  seal(message: object): Bytes {
    return this.#send.seal(encode(message));
  }

  async say(message: object): Promise<void> {
    this.raw(this.seal(message));
    await settled();
  }

  /** What the guest said since the last look. */
  heard(): Record<string, unknown>[] {
    const since = this.frames.splice(2);
    return since.map((frame) => decode(this.#receive.open(frame)) as Record<string, unknown>);
  }
}

/** Lets everything that was begun come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setTimeout(done, 1));
}
