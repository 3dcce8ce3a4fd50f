// Guest links (docs/PROTOCOL, Guests; onmeet_node/protocol/wire/link.py writes them).
import { hash, join, utf8, type Bytes } from "./bytes.js";

const VERSION = 1;
/** Of links that there may ever be; a greater number is damage, not the future. */
const VERSIONS = 15;
const LENGTH = 1 + 16 + 32 + 16 + 4 + 4;
const CHECK = 4;
/** Characters of base64url that a link's fragment has. */
const SYMBOLS = Math.ceil((LENGTH * 8) / 6);

export interface GuestLink {
  readonly door: Bytes;
  /** The host's X25519 key for this link alone. */
  readonly key: Bytes;
  readonly psk: Bytes;
  /** Unix seconds; null: none said. */
  readonly expires: number | null;
}

export type LinkTrouble = "none" | "used" | "damaged" | "newer";

/** In the address in place of a link for one guest that was used here: no link is that short. */
export const USED = "used";

/**
 * Reads a link as it arrived: an address, what follows its `#`, or a text around it; what is wrong with it
 * otherwise. Length and checksum say whether it is whole, so all that mail and messengers put around and
 * into it is passed over (onmeet_node/protocol/wire/pasted.py).
 */
export function parseLink(pasted: string): GuestLink | LinkTrouble {
  const text = unwrapped(pasted);
  const mark = /\/[je]\/?(\?[^#\s]*)?#/i.exec(text);
  const rest = mark ? text.slice(mark.index + mark[0].length) : text.slice(text.lastIndexOf("#") + 1);
  const symbols = rest.replace(/[^\w-]/g, "").slice(0, SYMBOLS);
  if (symbols === "") return "none";
  if (symbols === USED) return "used";
  if (symbols.length < SYMBOLS) return "damaged";
  const data = fromBase64Url(symbols);
  if (data[0]! > VERSION && data[0]! <= VERSIONS) return "newer";
  const body = data.slice(0, LENGTH - CHECK);
  if (data[0] !== VERSION || !same(hash(body, CHECK), data.slice(LENGTH - CHECK))) return "damaged";
  const expires = new DataView(data.buffer).getUint32(65);
  return {
    door: data.slice(1, 17),
    key: data.slice(17, 49),
    psk: hash(data.slice(49, 65), 32, utf8("onmeet link psk\x01")),
    expires: expires === 0 ? null : expires,
  };
}

export const guestPrologue = (door: Bytes): Bytes => join(utf8("/onmeet/guest/2"), door);

/** Without percent-encoding, however often it was applied. */
function unwrapped(text: string): string {
  for (let layer = 0; layer < 3; layer += 1) {
    text = text.replace(/(%[\da-f]{2})+/gi, (bytes) => {
      try {
        return decodeURIComponent(bytes);
      } catch {
        return "";
      }
    });
  }
  return text;
}

const fromBase64Url = (text: string): Bytes =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
