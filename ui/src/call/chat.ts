// Chat of a call: over its own data channel, gone with it.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { ChatLine } from "../media/lines.js";
import { t, when } from "../i18n/index.js";
import { MAX_TEXT_CHARS } from "../protocol/tables.js";

@customElement("om-chat")
export class OmChat extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        grid-template-rows: auto 1fr auto;
        gap: 0.75rem;
        min-block-size: 0;
        block-size: 100%;
      }
      ol {
        list-style: none;
        margin: 0;
        padding: 0;
        display: grid;
        gap: 0.5rem;
        align-content: start;
      }
      .log {
        overflow-y: auto;
        min-block-size: 6rem;
      }
      li {
        overflow-wrap: anywhere;
        white-space: pre-wrap;
      }
    `,
  ];
  @property() call = "";
  @property() name = "";
  /** Whether the other side's program takes lines. */
  @property({ attribute: false }) taken = true;
  @property({ attribute: false }) lines: readonly ChatLine[] = [];
  @state() private unsent = false;

  #send(event: Event): void {
    event.preventDefault();
    const field = this.field("line");
    const text = field.value.trim();
    if (text === "") return;
    this.unsent = !app.media.sendChat(this.call, text);
    if (this.unsent) return;
    field.value = "";
    this.#keep();
  }

  /** What is not sent yet outlives the page, and the panel. */
  #keep(): void {
    app.client.keep(this.call, { draft: this.field("line").value });
  }

  override firstUpdated(): void {
    this.field("line").value = app.client.draft(this.call).text;
  }

  #save(): void {
    const text = this.lines
      .map((line) => {
        const lost = line.state === "sending" || line.state === "failed" ? ` [${t("chat.undelivered")}]` : "";
        return `${new Date(line.at).toISOString()} ${line.mine ? t("chat.you") : this.name}: ${line.text}${lost}\n`;
      })
      .join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = "chat.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  override updated(changed: Map<string, unknown>): void {
    if (changed.has("lines")) this.renderRoot.querySelector("ol")?.lastElementChild?.scrollIntoView();
  }

  override render() {
    return html`<div class="row spread">
        <h2>${t("chat.title")}</h2>
        <button ?disabled=${this.lines.length === 0} @click=${this.#save}>${t("chat.save")}</button>
      </div>
      <div class="log" role="log" tabindex="0" aria-label=${t("chat.title")}><ol>
        ${this.lines.map(
          (line) => html`<li>
            <strong><bdi>${line.mine ? t("chat.you") : this.name}</bdi></strong>
            <span class="quiet small">${when(line.at / 1_000)}</span><br /><bdi>${line.text}</bdi>
            ${line.state === "sending" ? html`<span class="quiet small">${t("chat.sending")}</span>` : nothing}
            ${line.state === "failed"
              ? html`<span class="bad small" role="alert">${t("chat.undelivered")}</span>
                  <button @click=${() => app.media.sendAgain(this.call, line.number!)}>${t("chat.again")}</button>`
              : nothing}
          </li>`,
        )}
      </ol></div>
      ${this.taken ? this.#form() : html`<p class="quiet">${t("chat.untaken", { name: this.name })}</p>`}`;
  }

  #form() {
    return html`<form class="tight" @submit=${this.#send}>
        <label for="line" class="live">${t("chat.write")}</label>
        <div class="row">
          <input
            id="line"
            class="grow"
            maxlength=${MAX_TEXT_CHARS}
            autocomplete="off"
            placeholder=${t("chat.write")}
            @input=${this.#keep}
          />
          <button class="main">${t("chat.send")}</button>
        </div>
        <span class="quiet small">${this.unsent ? t("chat.notsent") : t("chat.hint")}</span>
      </form>`;
  }
}
