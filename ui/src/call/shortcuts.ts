// Single keys in a call. They can be switched off (WCAG 2.1.4) and are silent while somebody types.
import { tabStore } from "../node/stores.js";

const OFF = "onmeet-no-shortcuts";

export type Action = "mute" | "camera" | "share" | "chat" | "details" | "talk" | "help";

/** The same keys do the same in a call and in a room. */
export const COMMON = {
  m: "mute",
  v: "camera",
  d: "share",
  c: "chat",
  " ": "talk",
  "?": "help",
} as const;
/** Those of a call. */
export const ACTIONS: Readonly<Record<string, Action>> = { ...COMMON, r: "details" };

export const shortcutsOn = (): boolean => tabStore.getItem(OFF) === null;

export function setShortcuts(on: boolean): void {
  if (on) tabStore.removeItem(OFF);
  else tabStore.setItem(OFF, "1");
}

interface Press {
  key: string;
  /** Where the key is, whatever is written on it. */
  code: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  /** Names of the elements from the innermost out: `input`, `button`, … */
  within: readonly string[];
}

const TYPING = new Set(["input", "textarea", "select"]);

/** Whether somebody types, or chooses, in one of these. */
export const typing = (within: readonly string[]): boolean => within.some((name) => TYPING.has(name));

const WRITTEN = /^(?:[\x20-\x7e]|\p{Script=Latin})$/u;

/** The key as a Latin keyboard has it: where another alphabet is written on it, by its place. */
function latin({ key, code }: Pick<Press, "key" | "code">): string {
  if (WRITTEN.test(key) || /^[A-Z][A-Za-z0-9]+$/.test(key)) return key.toLowerCase(); // and "Enter", "Dead", …
  if (code === "Slash") return "?"; // ؟ in Arabic
  return /^Key([A-Z])$/.exec(code)?.[1]?.toLowerCase() ?? key;
}

/** What a key means here; null for what is none of ours. */
export function actionOf<A extends string>(press: Press, actions: Readonly<Record<string, A>>): A | null {
  if (press.ctrlKey || press.altKey || press.metaKey) return null;
  if (typing(press.within)) return null;
  const action = actions[latin(press)] ?? null;
  // Space works a button that has the focus.
  if (action === "talk" && press.within.some((name) => name === "button" || name === "summary")) return null;
  return action;
}
