// What one does in a room, as one row of buttons.
import { css, html, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement } from "../elements/element.js";
import type { RoomShown } from "../node/messages.js";
import type { SendingView } from "../media/sending.js";
import { number, plural, t, type Key } from "../i18n/index.js";
import { icon, type Icon } from "./icons.js";
import type { RoomDeed } from "./keys.js";
import { leads } from "./people.js";

const EMOJI = [
  ["👍", "room.emoji.thumb"],
  ["👏", "room.emoji.clap"],
  ["❤️", "room.emoji.heart"],
  ["😂", "room.emoji.laugh"],
  ["😮", "room.emoji.wow"],
  ["🎉", "room.emoji.party"],
] as const;

type Popup = "react" | "more" | null;

/** Buttons whose name says what they would do now. */
const NAMED: ReadonlySet<RoomDeed> = new Set(["mute", "camera", "share", "hand", "view"]);

@customElement("om-room-bar")
export class OmRoomBar extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        position: relative;
        z-index: 3;
        background: var(--stage);
        color: var(--on-stage);
        --focus: #7cc0ff;
        padding: 0.5rem max(0.5rem, env(safe-area-inset-left)) max(0.5rem, env(safe-area-inset-bottom));
      }
      .bar {
        display: flex;
        justify-content: center;
        gap: 0.4rem;
      }
      .bar > button,
      .bar > span > button {
        flex-direction: column;
        gap: 0.1rem;
        min-inline-size: 4.6rem;
        block-size: 3.4rem;
        padding: 0.2rem 0.5rem;
        border-radius: var(--radius);
        font-size: 0.75rem;
        line-height: 1.2;
        white-space: nowrap;
        position: relative;
      }
      .bar .words {
        max-inline-size: 6rem;
        overflow: hidden;
        text-overflow: ellipsis;
      }
      button {
        background: transparent;
        color: var(--on-stage);
        border-color: transparent;
      }
      button:hover:not(:disabled) {
        background: #3c4856;
      }
      .main-act {
        background: var(--stage-control);
      }
      button:is([aria-pressed="true"], .set),
      button:is([aria-pressed="true"], .set):hover:not(:disabled),
      button[aria-expanded="true"],
      button[aria-expanded="true"]:hover:not(:disabled) {
        background: var(--on-stage);
        color: var(--stage);
      }
      button.danger,
      button.danger:hover:not(:disabled) {
        background: #c5352b;
        border-color: transparent;
        color: #fff;
      }
      .bar > span {
        position: relative;
        display: flex;
      }
      .bar > .gap {
        inline-size: 1.25rem;
      }
      .badge {
        position: absolute;
        inset-block-start: 0.1rem;
        inset-inline-end: 0.9rem;
        background: #ffd76a;
        color: #33270a;
        border-radius: var(--round);
        font-size: 0.75rem;
        font-weight: 700;
        line-height: 1.15rem;
        min-inline-size: 1.15rem;
        padding-inline: 0.25rem;
      }
      .popup {
        position: absolute;
        inset-block-end: calc(100% + 0.6rem);
        inset-inline-end: 0;
        background: var(--stage-control);
        border: 1px solid #4a5868;
        border-radius: var(--radius);
        padding: 0.4rem;
        box-shadow: 0 6px 24px rgb(0 0 0 / 45%);
      }
      .emoji {
        display: flex;
      }
      .emoji button {
        font-size: 1.6rem;
        line-height: 1;
        inline-size: 3rem;
        block-size: 3rem;
        padding: 0;
      }
      .menu {
        display: grid;
        min-inline-size: 14rem;
      }
      .menu button {
        justify-content: start;
        border-radius: 0.5rem;
      }
      .narrow {
        display: none;
      }
      @media (max-width: 66rem) {
        .bar > .wide,
        .bar > .gap {
          display: none;
        }
        .bar > span {
          position: static;
        }
        .popup {
          inset-inline: 0;
          margin-inline: auto;
          inline-size: fit-content;
          max-inline-size: calc(100% - 1rem);
        }
        .narrow {
          display: inline-flex;
        }
        .menu .narrow {
          display: flex;
        }
        .emoji.narrow {
          justify-content: space-between;
        }
      }
      @media (max-width: 30rem) {
        .bar {
          gap: 0.25rem;
          justify-content: space-between;
        }
        .bar > span {
          flex: 1 1 0;
          max-inline-size: 3.75rem;
        }
        .bar > button,
        .bar > span > button {
          min-inline-size: 0;
          flex: 1 1 0;
          max-inline-size: 3.75rem;
          block-size: 3rem;
          padding: 0;
        }
        .bar .words {
          position: absolute;
          inline-size: 1px;
          block-size: 1px;
          overflow: hidden;
          clip-path: inset(50%);
        }
        .badge {
          inset-inline-end: 0.15rem;
        }
      }
    `,
  ];
  @property({ attribute: false }) room!: RoomShown;
  @property({ attribute: false }) mine!: SendingView;
  @property() view: "grid" | "speaker" = "grid";
  @property() panel: string | null = null;
  @property({ type: Number }) unread = 0;
  @property({ type: Boolean }) hand = false;
  @state() private popup: Popup = null;

  override connectedCallback(): void {
    super.connectedCallback();
    // Elsewhere a press or Escape closes what is open here.
    const press = (event: Event) => {
      if (!event.composedPath().includes(this)) this.popup = null;
    };
    const key = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || this.popup === null) return;
      const from = this.popup;
      this.popup = null;
      this.focusOn(from);
    };
    window.addEventListener("pointerdown", press);
    window.addEventListener("keydown", key);
    this.attend(() => () => {
      window.removeEventListener("pointerdown", press);
      window.removeEventListener("keydown", key);
    });
  }

  /** Back to the button that opened something. */
  focusOn(name: string): void {
    this.renderRoot.querySelector<HTMLElement>(`[name="${name}"]`)?.focus();
  }

  #act(deed: RoomDeed, emoji = ""): void {
    this.popup = null;
    this.dispatchEvent(new CustomEvent("om-deed", { detail: { deed, emoji }, bubbles: true, composed: true }));
  }

  #toggle(popup: "react" | "more"): void {
    this.popup = this.popup === popup ? null : popup;
    if (this.popup !== null)
      void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(".popup button")?.focus());
  }

  override render() {
    const { room, mine, panel } = this;
    const knocks = room.knocking.length;
    return html`<div class="bar" role="toolbar" aria-label=${t("room.toolbar")}>
        ${this.#button("mute", mine.muted ? "mic-off" : "mic", mine.muted ? "room.mic.unmute" : "room.mic.mute", mine.muted, "main-act")}
        ${this.#button(
          "camera",
          mine.cameraOff ? "camera-off" : "camera",
          mine.cameraOff ? "room.camera.start" : "room.camera.stop",
          mine.cameraOff,
          "main-act",
        )}
        ${this.#button("share", "share", mine.sharing ? "room.share.stop" : "room.share", mine.sharing, "main-act wide")}
        <span class="gap"></span>
        ${this.#button("hand", "hand", this.hand ? "room.hand.lower" : "room.hand.raise", this.hand, "wide")}
        <span class="wide">
          <button name="react" aria-expanded=${this.popup === "react"} @click=${() => this.#toggle("react")}>
            ${icon("react")}<span class="words">${t("room.react")}</span>
          </button>
          ${this.popup === "react" ? html`<div class="popup">${this.#emoji("")}</div>` : nothing}
        </span>
        ${this.#button(
          "chat",
          "chat",
          "call.chat",
          panel === "chat",
          "",
          this.unread === 0 ? null : [this.unread, plural("room.chat.unread", this.unread)],
        )}
        ${this.#button(
          "people",
          "people",
          "room.people",
          panel === "people",
          "",
          knocks === 0 ? null : [knocks, plural("room.people.waiting", knocks)],
        )}
        ${this.#button(
          "view",
          this.view === "grid" ? "speaker" : "grid",
          this.view === "grid" ? "room.view.speaker" : "room.view.grid",
          null,
          "wide",
        )}
        ${this.#button("devices", "devices", "call.devices", panel === "devices", "wide")}
        <span>
          <button name="more" aria-expanded=${this.popup === "more"} @click=${() => this.#toggle("more")}>
            ${icon("more")}<span class="words">${t("room.more")}</span>
          </button>
          ${this.popup === "more" ? this.#menu() : nothing}
        </span>
        <span class="gap"></span>
        <button name="leave" class="danger" title=${t("room.leave")} @click=${() => this.#act("leave")}>
          ${icon("leave")}<span class="words">${t("room.leave")}</span>
        </button>
      </div>`;
  }

  #button(
    deed: RoomDeed,
    glyph: Icon,
    text: Key,
    pressed: boolean | null,
    look: string,
    badge: readonly [number, string] | null = null,
  ): TemplateResult {
    // Either the name says how it is, or the state does: "Unmute, pressed" says the opposite of both.
    const named = NAMED.has(deed);
    return html`<button
      name=${deed}
      class="${look} ${named && pressed === true ? "set" : ""}"
      aria-pressed=${named ? nothing : (pressed ?? nothing)}
      title=${t(text)}
      @click=${() => this.#act(deed)}
    >
      ${icon(glyph)}<span class="words">${t(text)}</span>
      ${badge === null
        ? nothing
        : html`<span class="badge" aria-hidden="true">${number(badge[0])}</span><span class="live">${badge[1]}</span>`}
    </button>`;
  }

  #emoji(look: string) {
    return html`<div class="emoji ${look}" role="group" aria-label=${t("room.react")}>
      ${EMOJI.map(
        ([emoji, name]) =>
          html`<button aria-label=${t(name)} title=${t(name)} @click=${() => this.#act("react", emoji)}>${emoji}</button>`,
      )}
    </div>`;
  }

  #menu() {
    const { room, mine } = this;
    const one = (deed: RoomDeed, glyph: Icon, text: Key, look = "") =>
      html`<button class=${look} @click=${() => this.#act(deed)}>${icon(glyph)} ${t(text)}</button>`;
    return html`<div class="popup">
      ${this.#emoji("narrow")}
      <div class="menu">
        ${one("hand", "hand", this.hand ? "room.hand.lower" : "room.hand.raise", "narrow")}
        ${one("share", "share", mine.sharing ? "room.share.stop" : "room.share", "narrow")}
        ${this.view === "grid"
          ? one("view", "speaker", "room.view.speaker", "narrow")
          : one("view", "grid", "room.view.grid", "narrow")}
        ${one("devices", "devices", "call.devices", "narrow")}
        ${document.fullscreenEnabled ? one("fullscreen", "full", "call.fullscreen") : nothing}
        ${one("help", "keys", "room.keys")}
        ${leads(room.role) ? one("lock", "lock", room.locked ? "room.unlock" : "room.lock") : nothing}
        ${leads(room.role) ? one("end", "close", "room.end") : nothing}
      </div>
    </div>`;
  }
}
