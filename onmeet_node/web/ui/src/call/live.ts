// What the screens of a call and of a room have in common: keys, push-to-talk, the clock, a lit display.
import { html } from "lit";
import { OmElement } from "../app/element.js";
import { app } from "../core/context.js";
import { t, type Key } from "../i18n/index.js";
import { actionOf, setShortcuts, shortcutsOn } from "./shortcuts.js";

const TICK_MS = 250;

/** Switches single keys on and off, in words of the place where it stands. */
export const shortcutsSwitch = (text: Key) =>
  html`<label class="check"
    ><input
      type="checkbox"
      .checked=${shortcutsOn()}
      @change=${(event: Event) => setShortcuts((event.target as HTMLInputElement).checked)}
    />${t(text)}</label
  >`;

export abstract class OmLive<Deed extends string> extends OmElement {
  /** What each key means here. */
  protected abstract readonly keys: Readonly<Record<string, Deed>>;
  /** Keys and what they do, for the help, in this order. */
  protected abstract readonly help: readonly (readonly [string, Key])[];
  /** Of the call or the room that is sent to. */
  protected abstract readonly target: string;
  #talking = false;
  #lock: WakeLockSentinel | null = null;

  /** Whether our microphone is muted; null while this page sends nothing. */
  protected abstract get muted(): boolean | null;
  /** A key or a button; `pressed` is false when push-to-talk is let go. */
  protected abstract act(deed: Deed, pressed?: boolean): void;
  /** Four times a second. */
  protected abstract tick(): void;

  /** Escape was pressed, shortcuts or not. */
  protected escape(): void {
    // nothing is open that it could close
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const down = (event: KeyboardEvent) => this.#key(event, true);
    const up = (event: KeyboardEvent) => this.#key(event, false);
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    const timer = setInterval(() => this.tick(), TICK_MS);
    this.attend(() => () => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
      clearInterval(timer);
      void this.#lock?.release();
    });
    navigator.wakeLock?.request("screen").then(
      (lock) => (this.#lock = lock),
      () => undefined, // only a comfort
    );
  }

  /** The microphone is open because push-to-talk is held. */
  protected get talking(): boolean {
    return this.#talking;
  }

  /** Push-to-talk: unmutes while it is held. */
  protected talk(pressed: boolean): void {
    if (pressed ? this.muted !== true : !this.#talking) return;
    this.#talking = pressed;
    void app.media.setMuted(this.target, !pressed);
  }

  protected showHelp(): void {
    this.renderRoot.querySelector<HTMLDialogElement>("#keys")?.showModal();
  }

  protected helpDialog() {
    return html`<dialog id="keys" aria-labelledby="keys-title">
      <div class="stack">
        <h2 id="keys-title">${t("keys.title")}</h2>
        <dl>
          ${this.help.map(([key, text]) => html`<dt><kbd>${key}</kbd></dt><dd>${t(text)}</dd>`)}
        </dl>
        ${shortcutsSwitch("keys.enabled")}
        <form method="dialog"><button>${t("close")}</button></form>
      </div>
    </dialog>`;
  }

  #key(event: KeyboardEvent, pressed: boolean): void {
    if (pressed && event.key === "Escape") this.escape();
    if (!shortcutsOn() || event.repeat || this.muted === null) return;
    const { key, ctrlKey, altKey, metaKey } = event;
    const within = event
      .composedPath()
      .filter((one): one is Element => one instanceof Element)
      .map((one) => one.localName);
    if (within.includes("dialog")) return;
    const deed = actionOf({ key, ctrlKey, altKey, metaKey, within }, this.keys);
    if (deed === null || (!pressed && deed !== "talk")) return;
    event.preventDefault();
    this.act(deed, pressed);
  }
}
