// Chat of a room: to everybody or to one; gone when one leaves.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement, words } from "../elements/element.js";
import type { RoomChatLine } from "../node/client.js";
import { app } from "../elements/context.js";
import type { RoomShown } from "../node/messages.js";
import { t, when } from "../i18n/index.js";
import { MAX_TEXT_CHARS } from "../protocol/tables.js";

/** Of a line that somebody may not have, in what is said of it. */
const MOST_SHOWN = 60;

@customElement("om-room-chat")
export class OmRoomChat extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto;
        gap: 0.75rem;
        block-size: 100%;
        min-block-size: 0;
      }
      .log {
        overflow-y: auto;
        min-block-size: 5rem;
      }
      ol {
        list-style: none;
        margin: 0;
        padding: 0;
        display: grid;
        gap: 0.6rem;
      }
      li {
        border-radius: var(--radius);
        background: var(--sunken);
        padding: 0.4rem 0.75rem 0.5rem;
        justify-self: start;
        max-inline-size: 92%;
        overflow-wrap: anywhere;
      }
      li.mine {
        justify-self: end;
      }
      li.private {
        border: 1px dashed var(--strong-edge);
      }
      .text {
        white-space: pre-wrap;
        display: block;
      }
      .to {
        display: grid;
        grid-template-columns: auto 1fr;
        align-items: center;
        gap: 0.6rem;
      }
      form {
        display: grid;
        gap: 0.5rem;
      }
      form .row {
        flex-wrap: nowrap;
      }
      textarea {
        resize: none;
        field-sizing: content;
        max-block-size: 8rem;
      }
    `,
  ];
  @property({ attribute: false }) room!: RoomShown;
  /** Whom the next line goes to; empty: everybody. */
  @property() to = "";
  @state() private trouble = "";
  /** Lines that somebody has not confirmed yet. */
  @state() private underway = 0;
  #shown = 0;

  get #lines(): readonly RoomChatLine[] {
    return this.app.roomLines.get(this.room.room) ?? [];
  }

  #name(key: string): string {
    return this.room.people.find((one) => one.key === key)?.name ?? t("room.chat.gone");
  }

  async #send(event: Event): Promise<void> {
    event.preventDefault();
    const field = this.renderRoot.querySelector<HTMLTextAreaElement>("#line")!;
    const text = field.value.trim();
    if (text === "") return;
    this.trouble = "";
    field.value = "";
    this.#keep();
    this.underway++;
    try {
      const to = this.to === "" ? null : this.to;
      const { missed } = await app.client.ask({ t: "say-in-room", room: this.room.room, text, to }, "said-in-room");
      if (missed.length > 0) this.trouble = t("room.chat.missed", { names: missed.map((key) => this.#name(key)).join(", "), text: text.slice(0, MOST_SHOWN) });
    } catch (error) {
      this.trouble = words(error);
      if (field.value === "") {
        field.value = text;
        this.#keep();
      }
    } finally {
      this.underway--;
    }
  }

  /** What is not sent yet outlives the page, and the panel; whom alone it is for, with it. */
  #keep(): void {
    const draft = this.renderRoot.querySelector<HTMLTextAreaElement>("#line")!.value;
    app.client.keep(this.room.room, { draft, draft_to: this.to });
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void this.#send(event);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const { text, to } = app.client.draft(this.room.room);
    if (this.to === "" && text !== "") this.to = to;
  }

  override firstUpdated(): void {
    const line = this.renderRoot.querySelector<HTMLTextAreaElement>("#line")!;
    line.value = app.client.draft(this.room.room).text;
    line.focus();
  }

  override updated(): void {
    const count = this.#lines.length;
    if (count === this.#shown) return;
    this.#shown = count;
    const log = this.renderRoot.querySelector(".log")!;
    log.scrollTop = log.scrollHeight;
  }

  override render() {
    const others = this.room.people.filter((one) => !one.me && !one.hidden);
    const gone = this.to !== "" && !others.some((one) => one.key === this.to);
    return html`<div class="log" role="log" tabindex="0" aria-label=${t("chat.title")}>
        ${this.#lines.length === 0
          ? html`<p class="quiet small">${t("room.chat.none")}</p>`
          : html`<ol>
              ${this.#lines.map((line) => this.#line(line))}
            </ol>`}
      </div>
      <form @submit=${this.#send}>
        <label class="to"
          >${t("room.chat.to")}
          <select
            @change=${(event: Event) => {
              this.to = (event.target as HTMLSelectElement).value;
              this.#keep();
            }}
          >
            <option value="" ?selected=${this.to === ""}>${t("room.chat.all")}</option>
            ${others.map((one) => html`<option value=${one.key} ?selected=${one.key === this.to}>${one.name}</option>`)}
            ${gone ? html`<option value=${this.to} selected>${t("room.chat.gone")}</option>` : nothing}
          </select></label
        >
        <label for="line" class="live">${t("chat.write")}</label>
        <div class="row">
          <textarea
            id="line"
            class="grow"
            rows="1"
            maxlength=${MAX_TEXT_CHARS}
            placeholder=${t("chat.write")}
            @keydown=${this.#key}
            @input=${this.#keep}
          ></textarea>
          <button class="main" ?disabled=${gone}>${t("chat.send")}</button>
        </div>
        <span class="quiet small" role="status">${this.underway > 0 ? t("room.chat.underway") : ""}</span>
        <span class="bad small" role="alert">${this.trouble}</span>
      </form>`;
  }

  #line(line: RoomChatLine) {
    const { to } = line;
    const apart =
      to === null ? "" : line.mine ? t("room.chat.private.to", { name: this.#name(to) }) : t("room.chat.private.me");
    return html`<li class="${line.mine ? "mine" : ""} ${to === null ? "" : "private"}">
      <span class="small"
        ><strong><bdi>${line.mine ? t("room.you") : line.name}</bdi></strong>
        <span class="quiet">${when(line.at / 1_000)}${apart === "" ? nothing : ` · ${apart}`}</span></span
      >
      <bdi class="text">${line.text}</bdi>
    </li>`;
  }
}
