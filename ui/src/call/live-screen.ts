// What the screens of a call and of a room have in common: keys, push-to-talk, the clock, a lit display.
import { html } from "lit";
import { OmElement } from "../elements/element.js";
import { app } from "../elements/context.js";
import { stayLit } from "../elements/optional.js";
import { t, type Key } from "../i18n/index.js";
import { actionOf, setShortcuts, shortcutsOn, typing } from "./shortcuts.js";

const TICK_MS = 250;
const MODIFIERS: ReadonlySet<string> = new Set(["Control", "Alt", "AltGraph", "Meta", "OS", "Shift"]);

/** Names of the elements that an event came through, from the innermost out. */
const elements = (event: Event): Element[] => event.composedPath().filter((one): one is Element => one instanceof Element);
const names = (event: Event): string[] => elements(event).map((one) => one.localName);

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
    const listen = <E extends Event>(target: EventTarget, name: string, act: (event: E) => void) => {
      target.addEventListener(name, act as (event: Event) => void);
      this.attend(() => () => target.removeEventListener(name, act as (event: Event) => void));
    };
    const quiet = () => this.talk(false);
    listen(window, "keydown", (event: KeyboardEvent) => this.#pressed(event));
    listen(window, "keyup", (event: KeyboardEvent) => this.#released(event));
    // Wherever the key is let go that we do not hear of it, the microphone is closed before.
    listen(window, "blur", quiet);
    listen(window, "pagehide", quiet);
    listen(document, "visibilitychange", quiet);
    listen(window, "focusin", (event: Event) => (typing(names(event)) ? quiet() : undefined));
    listen(this, "click", (event: PointerEvent) => this.#clicked(event));
    this.attend(() => quiet);
    const timer = setInterval(() => this.tick(), TICK_MS);
    this.attend(() => () => clearInterval(timer));
    this.attend(stayLit);
  }

  /** The microphone is open because push-to-talk is held. */
  protected get talking(): boolean {
    return this.#talking;
  }

  /** Push-to-talk: unmutes while it is held. */
  protected talk(pressed: boolean): void {
    if (pressed ? this.muted !== true : !this.#talking) return;
    this.#talking = pressed;
    void app.media.talk(this.target, pressed);
  }

  /** Mutes or unmutes for good; a key that is still held means nothing any more. */
  protected async setMuted(muted: boolean): Promise<void> {
    this.#talking = false;
    await app.media.setMuted(this.target, muted);
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

  #pressed(event: KeyboardEvent): void {
    if (event.key === "Escape") this.escape();
    if (MODIFIERS.has(event.key)) this.talk(false);
    if (this.#talking && typing(names(event))) this.talk(false);
    if (!shortcutsOn() || event.repeat || event.isComposing || this.muted === null) return;
    const { key, code, ctrlKey, altKey, metaKey } = event;
    const within = names(event);
    if (within.includes("dialog")) return;
    const deed = actionOf({ key, code, ctrlKey, altKey, metaKey, within }, this.keys);
    if (deed === null) return;
    event.preventDefault();
    this.act(deed);
  }

  /** Whatever else is held or has the focus by now: who lets go of the key is silent. */
  #released(event: KeyboardEvent): void {
    if (!this.#talking || (event.key !== " " && event.code !== "Space")) return;
    event.preventDefault();
    this.talk(false);
  }

  /** A button that was pressed with the mouse gives up the focus: Space is to talk, not to press it again. */
  #clicked(event: PointerEvent): void {
    if (event.pointerType === "" || event.pointerType === undefined) return; // by keyboard, or a screen reader
    const path = elements(event);
    if (path.some((one) => one.localName === "dialog" || one.classList.contains("self"))) return;
    const button = path.find((one): one is HTMLElement => one.localName === "button");
    if (button?.matches(":focus")) button.blur();
  }
}
