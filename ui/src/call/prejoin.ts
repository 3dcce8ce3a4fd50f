// Before a call: what will be sent, with what, and what the other side will see of us.
import { html } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement, words } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { Kind } from "../node/messages.js";
import { t } from "../i18n/index.js";
import "./preview.js";

@customElement("om-prejoin")
export class OmPrejoin extends OmElement {
  @property() identity = "";
  @property() name = "";
  @property({ attribute: false }) kinds: readonly Kind[] = ["audio", "video"];
  /** The ringing call that is to be answered; null: a call is to be made. */
  @property() answer: string | null = null;
  @state() private busy = false;
  @state() private trouble = "";

  async #go(): Promise<void> {
    this.busy = true;
    this.trouble = "";
    const relay_only = this.renderRoot.querySelector<HTMLInputElement>("#relay")?.checked ?? false;
    const kinds = [...this.kinds];
    try {
      if (this.answer !== null) {
        app.devices.keepPreviewFor(this.answer);
        await app.client.ask({ t: "take", call: this.answer, kinds, relay_only }, "done");
      } else await app.client.ask({ t: "dial", who: this.identity, kinds, relay_only }, "dialled");
      this.#end();
    } catch (error) {
      this.trouble = words(error);
      this.busy = false;
    }
  }

  #end(): void {
    this.dispatchEvent(new CustomEvent("om-prejoin-end", { bubbles: true, composed: true }));
  }

  override render() {
    const shown = (this.app.me?.fields ?? []).filter(
      (field) => field.value !== "" && (field.share === "everyone" || (field.share === "contacts" && this.#isContact())),
    );
    return html`<div class="stack">
      <h1>
        ${this.answer === null ? t("prejoin.title", { name: this.name }) : t("prejoin.answer", { name: this.name })}
      </h1>
      <om-preview .kinds=${this.kinds}></om-preview>
      <label class="check"
        ><input id="relay" type="checkbox" .checked=${this.app.me?.relay_only ?? false} />
        <span
          >${t("prejoin.relay")}<br /><span class="quiet small">${t("prejoin.relay.hint")}</span></span
        ></label
      >
      <p>
        ${t("prejoin.shown")}
        ${shown.length === 0
          ? t("prejoin.shown.nothing")
          : shown.map((field, index) => html`${index > 0 ? ", " : ""}<bdi>${field.value}</bdi>`)}
      </p>
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row">
        <button class="main" autofocus ?disabled=${this.busy} @click=${this.#go}>
          ${this.answer === null ? t("prejoin.call") : t("prejoin.accept")}
        </button>
        <button @click=${this.#end}>${t("cancel")}</button>
      </div>
    </div>`;
  }

  #isContact(): boolean {
    return this.app.people.some((one) => one.identity === this.identity && one.status === "accepted");
  }
}
