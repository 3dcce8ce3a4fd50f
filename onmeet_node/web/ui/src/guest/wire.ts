// The channel's messages that a guest says and hears, as bytes and back (docs/PROTOCOL, Messages).
// What comes from the host is checked once, here; after this nothing checks again.
import { decode, encode } from "@msgpack/msgpack";
import type { Bytes } from "../core/noise.js";
import type { Candidate, Kind } from "../core/messages.js";

export interface TurnServer {
  readonly url: string;
  readonly username: string;
  readonly credential: string;
}

export type FromHost =
  | { t: "welcome"; name: string | null; title: string; knock: boolean }
  | { t: "wait"; state: "delivered" | "shown" | "busy" }
  | { t: "admit"; guest: Bytes; ticket: Bytes; servers: readonly TurnServer[] }
  | { t: "deny"; reason: string }
  | { t: "accept"; call: string; kinds: readonly Kind[] }
  | { t: "answer"; call: string; generation: number; sdp: string }
  | { t: "renegotiate"; call: string; generation: number; sdp: string }
  | { t: "candidates"; call: string; generation: number; candidates: readonly Candidate[] }
  | { t: "media-state"; call: string; muted: boolean; camera_off: boolean; sharing: boolean }
  | { t: "decline"; call: string; reason: string }
  | { t: "hangup"; call: string; reason: string }
  | { t: "ping"; n: number }
  | { t: "pong"; n: number }
  | { t: "bye"; reason: string }
  | { t: "unknown"; type: string };

export type FromGuest =
  | { t: "knock"; name: string; ticket?: Bytes | undefined }
  | { t: "invite"; call: Bytes; kinds: readonly Kind[]; sdp: string }
  | { t: "answer" | "renegotiate"; call: Bytes; generation: number; sdp: string }
  | { t: "candidates"; call: Bytes; generation: number; candidates: readonly Candidate[]; end: boolean }
  | { t: "media-state"; call: Bytes; muted: boolean; camera_off: boolean; sharing: boolean }
  | { t: "hangup"; call: Bytes; reason: "normal" | "media-failed" | "connection-lost" }
  | { t: "ping" | "pong"; n: number }
  | { t: "bye"; reason: string }
  | { t: "unsupported"; type: string };

/** What is no message of this protocol. */
export class WireError extends Error {}

const MAX_SDP = 24_000;
const MAX_CANDIDATES = 64;

export function pack(message: FromGuest): Bytes {
  return new Uint8Array(encode(message, { ignoreUndefined: true }));
}

/** Throws `WireError`, whatever the bytes are. */
export function unpack(data: Bytes): FromHost {
  let raw: unknown;
  try {
    raw = decode(data, { maxStrLength: MAX_SDP * 2, maxBinLength: 65_535, maxArrayLength: 256, maxMapLength: 64 });
  } catch {
    throw new WireError("no msgpack");
  }
  const map = asMap(raw);
  const t = text(map, "t", 32);
  switch (t) {
    case "welcome": {
      const card = map["card"] === undefined ? {} : asMap(map["card"]);
      return {
        t,
        name: card["name"] == null ? null : text(card, "name", 80),
        title: text(map, "title", 80, ""),
        knock: flag(map, "knock", true),
      };
    }
    case "wait":
      return { t, state: choice(map, "state", ["delivered", "shown", "busy"] as const, "delivered") };
    case "admit":
      return {
        t,
        guest: binary(map, "guest", 32),
        ticket: binary(map, "ticket", 16),
        servers: list(map, "servers", 8).map((one) => {
          const server = asMap(one);
          const url = text(server, "url", 256);
          if (!/^turns?:[!-~]+$/.test(url)) throw new WireError("no TURN server");
          return { url, username: text(server, "username", 128), credential: text(server, "credential", 128) };
        }),
      };
    case "deny":
      return { t, reason: text(map, "reason", 32, "denied") };
    case "accept":
      return { t, call: call(map), kinds: list(map, "kinds", 2, ["audio", "video"]) as Kind[] };
    case "answer":
    case "renegotiate":
      return { t, call: call(map), generation: integer(map, "generation", 65_535, 0), sdp: text(map, "sdp", MAX_SDP) };
    case "candidates":
      return {
        t,
        call: call(map),
        generation: integer(map, "generation", 65_535, 0),
        candidates: list(map, "candidates", MAX_CANDIDATES).map((one) => {
          const candidate = asMap(one);
          return {
            candidate: text(candidate, "candidate", 300),
            mid: candidate["mid"] == null ? null : text(candidate, "mid", 64),
            index: candidate["index"] == null ? null : integer(candidate, "index", 63),
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
      return { t, call: call(map), reason: text(map, "reason", 32, "declined") };
    case "hangup":
      return { t, call: call(map), reason: text(map, "reason", 32, "normal") };
    case "ping":
    case "pong":
      return { t, n: integer(map, "n", 2 ** 32 - 1, 0) };
    case "bye":
      return { t, reason: text(map, "reason", 64) };
    default:
      return { t: "unknown", type: t };
  }
}

type Fields = Record<string, unknown>;

function asMap(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw new WireError("no map");
  return value as Fields;
}

function text(map: Fields, key: string, most: number, absent?: string): string {
  const value = map[key] ?? absent;
  if (typeof value !== "string" || value.length > most) throw new WireError(`bad ${key}`);
  return value;
}

function flag(map: Fields, key: string, absent: boolean): boolean {
  const value = map[key] ?? absent;
  if (typeof value !== "boolean") throw new WireError(`bad ${key}`);
  return value;
}

function integer(map: Fields, key: string, most: number, absent?: number): number {
  const value = map[key] ?? absent;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
    throw new WireError(`bad ${key}`);
  return value;
}

function choice<C extends string>(map: Fields, key: string, among: readonly C[], absent: C): C {
  const value = (map[key] ?? absent) as C;
  if (!among.includes(value)) throw new WireError(`bad ${key}`);
  return value;
}

function list(map: Fields, key: string, most: number, absent: readonly unknown[] = []): readonly unknown[] {
  const value = map[key] ?? absent;
  if (!Array.isArray(value) || value.length > most) throw new WireError(`bad ${key}`);
  return value;
}

/** NOTE: a view into the frame that was decoded, so it is copied. */
function binary(map: Fields, key: string, length: number): Bytes {
  const value = map[key];
  if (!(value instanceof Uint8Array) || value.length !== length) throw new WireError(`bad ${key}`);
  return new Uint8Array(value);
}

const call = (map: Fields): string => hex(binary(map, "call", 16));

export const hex = (data: Uint8Array): string =>
  [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
