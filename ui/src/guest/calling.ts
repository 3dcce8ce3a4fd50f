// Calls back a guest who looks elsewhere while they wait: by a sound, in the title, and by a notification.
import { chime } from "../call/sounds.js";
import { askToNotify, notify, notifying } from "../elements/optional.js";
import { t, type Key } from "../i18n/index.js";
import type { Stage } from "./stage.js";

/** What a guest who waited is called back for. */
function news(before: Stage, now: Stage): Key | null {
  if (before.at === "failed") return now.at === "door" ? "guest.called.door" : null;
  if (before.at !== "knocking") return null;
  return now.at === "in" ? "guest.called.in" : now.at === "denied" ? "guest.called.denied" : null;
}

export class Calling {
  #title: string | null = null;
  #unnotify: () => void = () => undefined;
  #seen = () => {
    if (!away()) this.end();
  };

  /** Whether the guest can be asked if they want notifications. */
  get possible(): boolean {
    return window.parent === window && notifying() === "default";
  }

  ask(): Promise<void> {
    return askToNotify();
  }

  follow(before: Stage, now: Stage, host: string): void {
    const key = news(before, now);
    if (key === null || !away()) return;
    const text = t(key, { host });
    this.end();
    this.#title = document.title;
    document.title = `● ${text}`;
    chime("joined");
    this.#unnotify = notify(text, { tag: "onmeet-guest", requireInteraction: true });
    document.addEventListener("visibilitychange", this.#seen);
    window.addEventListener("focus", this.#seen);
  }

  /** They look, or it is over. */
  end(): void {
    this.#unnotify();
    this.#unnotify = () => undefined;
    if (this.#title !== null) document.title = this.#title;
    this.#title = null;
    document.removeEventListener("visibilitychange", this.#seen);
    window.removeEventListener("focus", this.#seen);
  }
}

const away = () => document.hidden || !document.hasFocus();
