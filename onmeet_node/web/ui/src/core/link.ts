// Guest links (docs/PROTOCOL, Guests; onmeet_node/wire/link.py writes them).
import { hash, join, utf8, type Bytes } from "./noise.js";

const VERSION = 1;
/** Of links that there may ever be; a greater number is damage, not the future. */
const VERSIONS = 15;
const LENGTH = 1 + 16 + 32 + 16 + 4 + 4;
const CHECK = 4;

export interface GuestLink {
  readonly door: Bytes;
  /** The host's X25519 key for this link alone. */
  readonly key: Bytes;
  readonly psk: Bytes;
  /** Unix seconds; null: none said. */
  readonly expires: number | null;
}

export type LinkTrouble = "none" | "damaged" | "newer";

/** Reads the fragment of an address, with or without its `#`; what is wrong with it otherwise. */
export function parseLink(fragment: string): GuestLink | LinkTrouble {
  const text = fragment.replace(/^#/, "");
  if (text === "") return "none";
  const data = fromBase64Url(text);
  if (data !== null && data.length >= LENGTH && data[0]! > VERSION && data[0]! <= VERSIONS) return "newer";
  if (data === null || data.length !== LENGTH || data[0] !== VERSION) return "damaged";
  const body = data.slice(0, LENGTH - CHECK);
  if (!same(hash(body, CHECK), data.slice(LENGTH - CHECK))) return "damaged";
  const expires = new DataView(data.buffer).getUint32(65);
  return {
    door: data.slice(1, 17),
    key: data.slice(17, 49),
    psk: hash(data.slice(49, 65), 32, utf8("onmeet link psk\x01")),
    expires: expires === 0 ? null : expires,
  };
}

export const guestPrologue = (door: Bytes): Bytes => join(utf8("/onmeet/guest/1"), door);

function fromBase64Url(text: string): Bytes | null {
  if (text.length > 512 || !/^[\w-]+$/.test(text)) return null;
  try {
    const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(raw, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
