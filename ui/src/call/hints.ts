// What is wrong with camera, microphone or screen in the person's words, and notes that one can close.
import { html } from "lit";
import type { ShareTrouble } from "../media/share.js";
import { has, t } from "../i18n/index.js";

export type Troubled = "camera" | "microphone" | "share";

/** Null: nothing is wrong. */
export function troubleText(kind: Troubled, trouble: ShareTrouble | null): string | null {
  if (trouble === null) return null;
  const device = t(`device.${kind}`);
  for (const key of [`trouble.app.${trouble}`, `trouble.${kind}.${trouble}`, `trouble.page.${trouble}`, `trouble.${kind}.other`])
    if (has(key)) return t(key, { device });
  return null;
}

export function troubleTexts(troubles: Readonly<Partial<Record<Troubled, ShareTrouble | null>>>): string[] {
  const all = Object.entries(troubles) as [Troubled, ShareTrouble | null][];
  return all.map(([kind, trouble]) => troubleText(kind, trouble)).filter((text) => text !== null);
}

/** Notes that the person has closed: they stay so as long as they hold, and are told when they come again. */
export class Closed {
  #closed = new Set<string>();

  /** Those to show, of those that hold now. */
  left(notes: readonly string[]): string[] {
    for (const one of this.#closed) if (!notes.includes(one)) this.#closed.delete(one);
    return notes.filter((one) => !this.#closed.has(one));
  }

  close(note: string): void {
    this.#closed.add(note);
  }
}

/** The button that closes a note. */
export function closing(closed: Closed, note: string, changed: () => void) {
  const close = () => {
    closed.close(note);
    changed();
  };
  return html`<button class="plain" aria-label=${t("hint.close")} title=${t("hint.close")} @click=${close}>×</button>`;
}
