// Single keys in a call. They can be switched off (WCAG 2.1.4) and are silent while somebody types.
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

export const shortcutsOn = (): boolean => sessionStorage.getItem(OFF) === null;

export function setShortcuts(on: boolean): void {
  if (on) sessionStorage.removeItem(OFF);
  else sessionStorage.setItem(OFF, "1");
}

interface Press {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  /** Names of the elements from the innermost out: `input`, `button`, … */
  within: readonly string[];
}

const TYPING = new Set(["input", "textarea", "select"]);

/** What a key means here; null for what is none of ours. */
export function actionOf<A extends string>(press: Press, actions: Readonly<Record<string, A>>): A | null {
  if (press.ctrlKey || press.altKey || press.metaKey) return null;
  if (press.within.some((name) => TYPING.has(name))) return null;
  const action = actions[press.key.toLowerCase()] ?? null;
  // Space works a button that has the focus.
  if (action === "talk" && press.within.some((name) => name === "button" || name === "summary")) return null;
  return action;
}
