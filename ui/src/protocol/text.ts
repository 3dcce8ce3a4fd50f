// Text that came from other people, made harmless to show (onmeet_node/protocol/identity/text.py).
import { MAX_NAME_CHARS } from "./tables.js";

const MAX_MARKS = 3;
const REMOVED = /[\u115f\u1160\u2800\u3164\uffa0]|(?![\u200c\u200d\n])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu;
const PILES = new RegExp(`((?![\\ufe00-\\ufe0f])[\\p{Mn}\\p{Me}]){${MAX_MARKS + 1},}`, "gu");

/** One line of at most `limit` characters that can only show itself. May be empty. */
export function clean(text: string, limit: number = MAX_NAME_CHARS): string {
  return shorten(lines(text.slice(0, 16 * limit + 64)).replace(/\s+/gu, " ").trim(), limit);
}

/** The same of several lines. */
export const cleanLines = (text: string): string => lines(text).replace(/\n{3,}/g, "\n\n").trim();

function lines(text: string): string {
  const spaced = text.replace(/\r\n?|[\u2028\u2029]/g, "\n").replace(/[^\S\n]/gu, " ");
  const seen = spaced.replace(REMOVED, "").normalize("NFC");
  const calm = seen.replace(PILES, (pile) => [...pile].slice(0, MAX_MARKS).join(""));
  return /[^\s\u200c\u200d]/u.test(calm) ? calm : "";
}

function shorten(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join("").trimEnd()}…`;
}
