// The channel's messages that a guest says and hears, as bytes and back (docs/PROTOCOL, Messages).
// What comes from the host is checked once, here; after this nothing checks again.
import { decode, encode } from "@msgpack/msgpack";
import type { Bytes } from "./bytes.js";
import type { Candidate, Kind } from "../node/messages.js";
import * as limits from "./tables.js";

export interface TurnServer {
  readonly url: string;
  readonly username: string;
  readonly credential: string;
}

export type FromHost =
  | { t: "welcome"; name: string | null; title: string; knock: boolean; once: boolean; room: Bytes | null; host: Bytes | null }
  | { t: "wait"; state: "delivered" | "shown" | "busy" }
  | { t: "admit"; guest: Bytes; ticket: Bytes; servers: readonly TurnServer[] }
  | { t: "deny"; reason: string }
  | { t: "accept"; call: string; kinds: readonly Kind[] }
  | { t: "answer"; call: string; generation: number; sdp: string; nonce: Bytes | null }
  | { t: "renegotiate"; call: string; generation: number; sdp: string; commitment: Bytes | null }
  | { t: "reveal"; call: string; generation: number; nonce: Bytes }
  | { t: "candidates"; call: string; generation: number; candidates: readonly Candidate[] }
  | { t: "media-state"; call: string; muted: boolean; camera_off: boolean; sharing: boolean }
  | { t: "decline"; call: string; reason: string }
  | { t: "hangup"; call: string; reason: string }
  | { t: "carry"; data: Bytes }
  | { t: "ping"; n: number }
  | { t: "pong"; n: number }
  | { t: "bye"; reason: string }
  | { t: "unknown"; type: string };

export type FromGuest =
  | { t: "knock"; name: string; ticket?: Bytes | undefined }
  | { t: "invite"; call: Bytes; kinds: readonly Kind[]; sdp: string; commitment: Bytes | null }
  | { t: "accept"; call: Bytes; kinds: readonly Kind[] }
  | { t: "answer"; call: Bytes; generation: number; sdp: string; nonce: Bytes | undefined }
  | { t: "renegotiate"; call: Bytes; generation: number; sdp: string; commitment: Bytes | null }
  | { t: "reveal"; call: Bytes; generation: number; nonce: Bytes }
  | { t: "candidates"; call: Bytes; generation: number; candidates: readonly Candidate[]; end: boolean }
  | { t: "media-state"; call: Bytes; muted: boolean; camera_off: boolean; sharing: boolean }
  | { t: "hangup"; call: Bytes; reason: "normal" | "media-failed" | "connection-lost" }
  | { t: "carry"; data: Bytes }
  | { t: "ping" | "pong"; n: number }
  | { t: "bye"; reason: string }
  | { t: "unsupported"; type: string };

/** What is no message of this protocol. */
export class WireError extends Error {}

export function pack(message: { readonly t: string }): Bytes {
  return new Uint8Array(encode(message, { ignoreUndefined: true }));
}

/** Throws `WireError`, whatever the bytes are. */
export const unpack = (data: Bytes): FromHost => read(unpackMap(data));

export function unpackMap(data: Bytes): Fields {
  let raw: unknown;
  try {
    raw = decode(data, { maxArrayLength: limits.MAX_LIST, maxMapLength: limits.MAX_LIST });
  } catch {
    throw new WireError("no msgpack");
  }
  return asMap(raw);
}

export function read(map: Fields): FromHost {
  const t = text(map, "t", limits.MAX_TYPE_CHARS);
  switch (t) {
    case "welcome": {
      const card = map["card"] === undefined ? {} : asMap(map["card"]);
      return {
        t,
        name: card["name"] == null ? null : text(card, "name", limits.MAX_NAME_CHARS),
        title: text(map, "title", limits.MAX_NAME_CHARS, ""),
        knock: flag(map, "knock", true),
        once: flag(map, "once", false),
        room: optional(map, "room", limits.ROOM_ID_BYTES),
        host: optional(map, "host", limits.KEY_BYTES),
      };
    }
    case "carry":
      return { t, data: binary(map, "data", 1, limits.MAX_CARRIED) };
    case "wait":
      return { t, state: choice(map, "state", limits.WAIT_STATES, "delivered") };
    case "admit":
      return {
        t,
        guest: binary(map, "guest", limits.GUEST_ID_BYTES),
        ticket: binary(map, "ticket", limits.TICKET_BYTES),
        servers: servers(map),
      };
    case "deny":
      return { t, reason: text(map, "reason", limits.MAX_TYPE_CHARS, "denied") };
    case "accept":
      return withKinds(map, { t, call: call(map) });
    case "answer":
      return { t, ...described(map), nonce: optional(map, "nonce", limits.NONCE_BYTES) };
    case "renegotiate":
      return { t, ...described(map), commitment: optional(map, "commitment", limits.COMMITMENT_BYTES) };
    case "reveal":
      return { t, call: call(map), generation: generation(map), nonce: binary(map, "nonce", limits.NONCE_BYTES) };
    case "candidates":
      return {
        t,
        call: call(map),
        generation: generation(map),
        candidates: list(map, "candidates", limits.MAX_CANDIDATES).map((one) => {
          const candidate = asMap(one);
          return {
            candidate: text(candidate, "candidate", limits.MAX_CANDIDATE_CHARS),
            mid: candidate["mid"] == null ? null : text(candidate, "mid", limits.MAX_MID_CHARS),
            index: candidate["index"] == null ? null : integer(candidate, "index", limits.MAX_MID_INDEX),
          };
        }),
      };
    case "media-state":
      return {
        t,
        call: call(map),
        muted: flag(map, "muted", false),
        camera_off: flag(map, "camera_off", false),
        sharing: flag(map, "sharing", false),
      };
    case "decline":
      return { t, call: call(map), reason: text(map, "reason", limits.MAX_TYPE_CHARS, "declined") };
    case "hangup":
      return { t, call: call(map), reason: text(map, "reason", limits.MAX_TYPE_CHARS, "normal") };
    case "ping":
    case "pong":
      return { t, n: integer(map, "n", limits.MAX_PING, 0) };
    case "bye":
      return { t, reason: text(map, "reason", limits.MAX_REASON_CHARS) };
    default:
      return { t: "unknown", type: t };
  }
}

export const servers = (map: Fields): TurnServer[] =>
  list(map, "servers", limits.MAX_SERVERS).map((one) => {
    const server = asMap(one);
    const url = text(server, "url", limits.MAX_SERVER_URL_CHARS);
    if (!/^turns?:[!-~]+$/.test(url)) throw new WireError("no TURN server");
    return { url, username: text(server, "username", limits.MAX_CREDENTIAL_CHARS), credential: text(server, "credential", limits.MAX_CREDENTIAL_CHARS) };
  });

export type Fields = Record<string, unknown>;

export function asMap(value: unknown): Fields {
  // NOTE: extension types and times are objects of classes as well.
  if (value == null || Object.getPrototypeOf(value) !== Object.prototype) throw new WireError("no map");
  return value as Fields;
}

export function text(map: Fields, key: string, most: number, absent?: string): string {
  const value = map[key] ?? absent;
  // NOTE: characters are counted as Python does, where one outside the BMP is one.
  if (typeof value !== "string" || (value.length > most && [...value].length > most)) throw new WireError(`bad ${key}`);
  return value;
}

export function flag(map: Fields, key: string, absent: boolean): boolean {
  const value = map[key] ?? absent;
  if (typeof value !== "boolean") throw new WireError(`bad ${key}`);
  return value;
}

export function integer(map: Fields, key: string, most: number, absent?: number): number {
  const value = map[key] ?? absent;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
    throw new WireError(`bad ${key}`);
  return value;
}

/** A word of a later version is read as if it were absent. */
export function choice<C extends string>(map: Fields, key: string, among: readonly C[], absent: C): C {
  const value = text(map, key, limits.MAX_TYPE_CHARS, absent) as C;
  return among.includes(value) ? value : absent;
}

/** Of a longer one, as a later version may send it, the first `most`. */
export function list(map: Fields, key: string, most: number, absent: readonly unknown[] = []): readonly unknown[] {
  const value = map[key] ?? absent;
  if (!Array.isArray(value)) throw new WireError(`bad ${key}`);
  return value.slice(0, most);
}

/** With those kinds of media that are known here; without any of them the message is not understood. */
export function withKinds<M extends { t: string }>(map: Fields, message: M): (M & { kinds: Kind[] }) | { t: "unknown"; type: string } {
  const kinds = list(map, "kinds", limits.MAX_LIST, limits.KINDS).filter((kind) => limits.KINDS.includes(kind as Kind)) as Kind[];
  return kinds.length > 0 ? { ...message, kinds } : { t: "unknown", type: message.t };
}

/** NOTE: a view into the frame that was decoded, so it is copied. */
export function binary(map: Fields, key: string, least: number, most = least): Bytes {
  const value = map[key];
  if (!(value instanceof Uint8Array) || value.length < least || value.length > most) throw new WireError(`bad ${key}`);
  return new Uint8Array(value);
}

export const optional = (map: Fields, key: string, length: number): Bytes | null =>
  map[key] == null ? null : binary(map, key, length);

const generation = (map: Fields): number => integer(map, "generation", limits.MAX_GENERATION, 0);

const described = (map: Fields) => ({ call: call(map), generation: generation(map), sdp: text(map, "sdp", limits.MAX_SDP_CHARS) });

export const call = (map: Fields): string => hex(binary(map, "call", limits.CALL_ID_BYTES));

export const hex = (data: Uint8Array): string =>
  [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
