// What is said in a room, as bytes and back (docs/PROTOCOL, Messages): the messages of a guest's line
// and those of rooms besides. What comes from others is checked once, here and in guest-messages.ts.
import type { Kind, PictureSize } from "../node/messages.js";
import type { Bytes } from "./bytes.js";
import {
  asMap,
  binary,
  call,
  choice,
  flag,
  hex,
  integer,
  list,
  optional,
  read as readLine,
  servers,
  text,
  unpackMap,
  withKinds,
  WireError,
  type Fields,
  type FromGuest,
  type FromHost,
  type TurnServer,
} from "./guest-messages.js";
import * as room from "./room-tables.js";
import * as limits from "./tables.js";

/** Somebody in a room: the public key of their visit, in hex. */
export type Key = string;

export interface Card {
  readonly name: string | null;
  readonly country: string | null;
  readonly phone: string | null;
  readonly email: string | null;
}

export interface SignedRoster {
  readonly t: "roster";
  readonly body: Bytes;
  readonly signer: Key;
  readonly signature: Bytes;
}

/** What somebody sees of the room. */
export interface Here {
  readonly t: "here";
  readonly sees: readonly Key[];
  readonly host: boolean;
  readonly hand: boolean;
  readonly digest: string | null;
  readonly version: number;
  readonly term: number;
  readonly keeper: Key | null;
  readonly commitment: Bytes | null;
  readonly nonce: Bytes | null;
}

export type FromSeat =
  | FromHost
  | { t: "hello"; card: Card }
  | SignedRoster
  | Here
  | { t: "room-request"; act: string; seat: Key | null }
  | { t: "room-say"; text: string; private: boolean }
  | { t: "react"; emoji: string }
  | { t: "look"; size: PictureSize }
  /** From `key`; what is to be passed on is not for a guest. */
  | { t: "pipe"; key: Key; pipe: number; data: Bytes }
  | { t: "lent"; servers: readonly TurnServer[] }
  | { t: "room-leave" }
  | { t: "invite"; call: string; kinds: readonly Kind[]; sdp: string | null; commitment: Bytes | null }
  | { t: "cancel"; call: string }
  /** Known, and nothing to us. */
  | { t: "ignored" };

export type ToSeat =
  | FromGuest
  | { t: "hello"; card: { name: string } }
  | { t: "room-knock"; room: Bytes; name: string; video: boolean }
  | {
      t: "here";
      sees: readonly Bytes[];
      host: boolean;
      hand: boolean;
      digest: Bytes;
      version: number;
      term: number;
      keeper: Bytes;
      commitment: Bytes;
      nonce: Bytes | undefined;
    }
  | { t: "roster"; body: Bytes; signer: Bytes; signature: Bytes }
  | { t: "room-say"; text: string; private: boolean }
  | { t: "react"; emoji: string }
  | { t: "look"; size: PictureSize }
  | { t: "pipe"; key: Bytes; onward: true; pipe: number; data: Bytes }
  | { t: "room-leave" }
  | { t: "decline"; call: Bytes; reason: "busy" };

/** NOTE: an answer to `unsupported` would be answered likewise, for ever. */
const IGNORED: ReadonlySet<string> = new Set([
  "unsupported",
  "ringing",
  "card-update",
  "picture",
  "ask-picture",
  "received",
  "room-knock",
  "at-door",
  "acquaint",
]);

/** Throws `WireError`, whatever the bytes are. */
export function unpack(data: Bytes): FromSeat {
  const map = unpackMap(data);
  const t = text(map, "t", limits.MAX_TYPE_CHARS);
  switch (t) {
    case "hello": {
      const card = map["card"] === undefined ? {} : asMap(map["card"]);
      const shown = (key: string, most: number) => (card[key] == null ? null : text(card, key, most));
      return {
        t,
        card: { name: shown("name", limits.MAX_NAME_CHARS), country: shown("country", 2), phone: shown("phone", room.MAX_FIELD_CHARS), email: shown("email", room.MAX_FIELD_CHARS) },
      };
    }
    case "roster":
      return { t, body: binary(map, "body", 1, room.MAX_ROSTER_BYTES), signer: key(map, "signer"), signature: binary(map, "signature", 64) };
    case "here":
      return {
        t,
        sees: keys(map, "sees", room.MAX_SEATS),
        host: flag(map, "host", true),
        hand: flag(map, "hand", false),
        digest: map["digest"] == null ? null : hex(binary(map, "digest", 16)),
        version: integer(map, "version", room.MAX_COUNT, 0),
        term: integer(map, "term", room.MAX_COUNT, 0),
        keeper: map["keeper"] == null ? null : key(map, "keeper"),
        commitment: optional(map, "commitment", limits.COMMITMENT_BYTES),
        nonce: optional(map, "nonce", limits.NONCE_BYTES),
      };
    case "room-request":
      return { t, act: text(map, "act", limits.MAX_TYPE_CHARS), seat: map["seat"] == null ? null : key(map, "seat") };
    case "room-say":
      return { t, text: text(map, "text", limits.MAX_TEXT_CHARS), private: flag(map, "private", false) };
    case "react":
      return { t, emoji: text(map, "emoji", room.MAX_REACTION_CHARS) };
    case "look":
      return { t, size: choice(map, "size", room.PICTURE_SIZES, "small") };
    case "pipe":
      if (map["onward"] === true) return { t: "ignored" }; // a guest passes nothing on
      return { t, key: key(map, "key"), pipe: integer(map, "pipe", room.MAX_COUNT), data: binary(map, "data", 1, limits.MAX_CARRIED) };
    case "lent":
      return { t, servers: servers(map) };
    case "room-leave":
      return { t };
    case "invite":
      return withKinds(map, { t, call: call(map), sdp: map["sdp"] == null ? null : text(map, "sdp", limits.MAX_SDP_CHARS), commitment: optional(map, "commitment", limits.COMMITMENT_BYTES) });
    case "cancel":
      return { t, call: call(map) };
    default:
      return IGNORED.has(t) ? { t: "ignored" } : readLine(map);
  }
}

export const key = (map: Fields, name: string): Key => hex(binary(map, name, limits.KEY_BYTES));

export const keys = (map: Fields, name: string, most: number): Key[] =>
  list(map, name, most).map((one) => {
    if (!(one instanceof Uint8Array) || one.length !== limits.KEY_BYTES) throw new WireError(`bad ${name}`);
    return hex(one);
  });

export const unhex = (text: string): Bytes => {
  const data = new Uint8Array(text.length / 2);
  for (let at = 0; at < data.length; at++) data[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return data;
};
