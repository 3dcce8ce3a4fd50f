// What a page and the call in its frame say to each other, over a MessageChannel of their own.
// The link, names, addresses and keys are in none of it.
import type { Language } from "../i18n/index.js";

export type EmbedCommand =
  | { command: "mute"; on: boolean }
  | { command: "camera"; on: boolean }
  | { command: "share"; on: boolean }
  | { command: "display-name"; name: string }
  | { command: "language"; language: Language }
  | { command: "theme"; theme: "light" | "dark" | "auto" }
  | { command: "hangup" };

/** Where the guest is: see `Stage` in guest/stage.ts. `reason` says why they were denied or it ended. */
export type EmbedEvent =
  | { event: "ready" }
  | { event: "stage"; stage: "opening" | "door" | "knocking" | "in" | "denied" | "failed" | "over"; reason?: string }
  | { event: "media"; muted: boolean; cameraOff: boolean; sharing: boolean; connected: boolean };

/** What the element itself tells of the page around it (docs/EMBED). */
export type EmbedTrouble =
  | { why: "link" | "frame-src" | "no-answer" }
  | { why: "permissions-policy"; missing: readonly string[] };

/** The first message to the frame, with the port: there is no other. */
export const HANDSHAKE = "onmeet-call-1";

const LANGUAGES = ["en", "fr", "de", "ar"];
const THEMES = ["light", "dark", "auto"];

/** A command, or null for whatever is none: the embedding page is not trusted with shapes. */
export function readCommand(data: unknown): EmbedCommand | null {
  if (typeof data !== "object" || data === null) return null;
  const { command, on, name, language, theme } = data as Record<string, unknown>;
  switch (command) {
    case "mute":
    case "camera":
    case "share":
      return typeof on === "boolean" ? { command, on } : null;
    case "display-name":
      return typeof name === "string" && name.length <= 40 ? { command, name } : null;
    case "language":
      return LANGUAGES.includes(language as string) ? { command, language: language as Language } : null;
    case "theme":
      return THEMES.includes(theme as string) ? { command, theme: theme as "light" } : null;
    case "hangup":
      return { command };
    default:
      return null;
  }
}
