// Bytes, as the protocol joins, hashes and doubts them.
import { blake2b } from "@noble/hashes/blake2.js";

export type Bytes = Uint8Array<ArrayBuffer>;

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

/** BLAKE2b of `length` bytes, with a key of at most 64. */
export function hash(data: Uint8Array, length: number, key?: Uint8Array): Bytes {
  return new Uint8Array(blake2b(data, { dkLen: length, ...(key === undefined ? {} : { key }) }));
}
