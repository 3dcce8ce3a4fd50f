// A call that rings, here or there. What is shown of the other end is what it said (P14).
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement, words } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { CallAction, CallShown, Kind } from "../node/messages.js";
import { notify } from "../elements/optional.js";
import { sound } from "../media/sound.js";
import { t } from "../i18n/index.js";
import { play, type Tone } from "./sounds.js";
import { MAX_NOTE_CHARS } from "../node/limits.js";

/** Which tone a call makes here: none unless something truly rings. */
export function toneOf(call: CallShown): Tone | null {
  if (call.state === "ringing-in") return call.ring === "silenced" ? null : "ring";
  return call.state === "ringing-out" && call.ring === "alerting" ? "ring-back" : null;
}

@customElement("om-ring")
export class OmRing extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        min-block-size: 100dvh;
        grid-row: 1 / -1;
        grid-column: 1 / -1;
        background: var(--stage);
        color: var(--on-stage);
        place-items: center;
        padding: 1.5rem;
        text-align: center;
      }
      .avatar {
        inline-size: 7rem;
        block-size: 7rem;
        font-size: 2.5rem;
        background: var(--stage-control);
        border: 0;
        margin-inline: auto;
      }
      .quiet {
        color: var(--stage-quiet);
      }
      .row {
        justify-content: center;
      }
      button:not(.main, .danger) {
        background: var(--stage-control);
        color: var(--on-stage);
        border-color: var(--stage-quiet);
      }
    `,
  ];
  @property({ attribute: false }) call!: CallShown;
  @state() private trouble = "";
  @state() private silenced = false;
  @state() private writing = false;
  #tone: Tone | null = null;
  #quiet: (() => void) | null = null;
  #unnotify: () => void = () => undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    const title = document.title;
    this.attend(() => () => {
      this.#play(null);
      this.#unnotify();
      document.title = title;
    });
  }

  override firstUpdated(): void {
    if (this.call.state !== "ringing-in") return;
    document.title = t("ring.in", { name: this.call.name });
    const options = { tag: this.call.call, requireInteraction: true };
    this.#unnotify = notify(t("ring.notification", { name: this.call.name }), options, !sound.allowed);
  }

  override updated(): void {
    this.#play(this.silenced ? null : toneOf(this.call));
  }

  #play(tone: Tone | null): void {
    if (tone === this.#tone) return;
    this.#quiet?.();
    this.#quiet = tone === null ? null : play(tone);
    this.#tone = tone;
  }

  async #do(action: CallAction, note: string | null = null): Promise<void> {
    if (action === "silence") this.silenced = true;
    await app.client
      .ask({ t: "change-call", call: this.call.call, action, note }, "done")
      .catch((error: unknown) => (this.trouble = words(error)));
  }

  async #take(...kinds: Kind[]): Promise<void> {
    // The button says so of this call; with what others begin, it leaves alone.
    app.media.beginWith(this.call.call, kinds.includes("video"));
    await app.client
      .ask({ t: "take", call: this.call.call, kinds }, "done")
      .catch((error: unknown) => (this.trouble = words(error)));
  }

  #note() {
    return html`<form
      class="stack"
      @submit=${(event: Event) => {
        event.preventDefault();
        void this.#do("decline", this.field("note").value.trim() || null);
      }}
    >
      <div class="row">
        ${(["ring.note.later", "ring.note.busy"] as const).map(
          (text) => html`<button type="button" @click=${() => this.#do("decline", t(text))}>${t(text)}</button>`,
        )}
      </div>
      <label>${t("ring.note.label")} <input id="note" maxlength=${MAX_NOTE_CHARS} autocomplete="off" /></label>
      <div class="row"><button class="danger">${t("ring.note.send")}</button></div>
    </form>`;
  }

  override render() {
    const call = this.call;
    const person = this.app.people.find((one) => one.identity === call.identity);
    const incoming = call.state === "ringing-in";
    const video = call.kinds.includes("video");
    return html`<div class="stack" role=${incoming ? "alertdialog" : "region"} aria-labelledby="who">
      ${this.avatar(call.name, person?.picture ?? null)}
      <h1 id="who">
        ${incoming
          ? t("ring.in", { name: call.name })
          : call.state === "dialing" && call.ring === null
            ? t("ring.dialing", { name: call.name })
            : html`<bdi>${call.name}</bdi>`}
      </h1>
      ${incoming
        ? html`<p class="quiet">
            ${video ? t("ring.in.video") : t("ring.in.audio")} ·
            ${person?.verified ? t("people.verified") : t("ring.unverified")}
          </p>`
        : html`<p class="quiet" role="status">${call.ring === null ? nothing : t(`ring.${call.ring}`)}</p>`}
      <p class="warn" role="alert">${this.trouble}</p>
      ${incoming
        ? html`<div class="row">
              ${video
                ? html`<button class="main" @click=${() => this.#take("audio", "video")}>${t("ring.accept")}</button>`
                : nothing}
              <button class=${video ? "" : "main"} @click=${() => this.#take("audio")}>
                ${t("ring.accept.audio")}
              </button>
              <button class="danger" @click=${() => this.#do("decline")}>${t("ring.decline")}</button>
            </div>
            ${this.writing ? this.#note() : nothing}
            <div class="row">
              <button aria-expanded=${this.writing} @click=${() => (this.writing = !this.writing)}>
                ${t("ring.note")}
              </button>
              <button ?disabled=${this.silenced} @click=${() => this.#do("silence")}>${t("ring.silence")}</button>
              <button
                @click=${() =>
                  this.dispatchEvent(
                    new CustomEvent("om-prepare", { detail: call.call, bubbles: true, composed: true }),
                  )}
              >
                ${t("ring.prepare")}
              </button>
            </div>`
        : html`<div class="row">
            <button class="danger" autofocus @click=${() => this.#do("hang-up")}>${t("ring.cancel")}</button>
          </div>`}
    </div>`;
  }
}
