// Single keys of a room: those of a call, and its own.
import { COMMON } from "../call/shortcuts.js";

export const KEYS = { ...COMMON, h: "hand", p: "people", g: "view" } as const;

/** What a person does in a room, by key or button. */
export type RoomDeed =
  | (typeof KEYS)[keyof typeof KEYS]
  | "devices"
  | "react"
  | "fullscreen"
  | "lock"
  | "end"
  | "leave";

/** For the help, in this order. */
export const HELP = [
  ["M", "keys.m"],
  ["V", "keys.v"],
  ["D", "keys.d"],
  ["C", "keys.c"],
  ["H", "room.keys.hand"],
  ["P", "room.keys.people"],
  ["G", "room.keys.view"],
  ["␣", "keys.space"],
  ["?", "keys.help"],
] as const;
