// A call that is over: why, how long, and what to try.
import { html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { OmElement, said } from "../elements/element.js";
import type { CallWish } from "../app/people.js";
import { app } from "../elements/context.js";
import type { Over } from "../node/messages.js";
import { clock, t } from "../i18n/index.js";
import { reasonText } from "./reasons.js";
import { undelivered } from "./undelivered.js";

/** Reasons that say all there is: nothing went wrong. */
const PLAIN = new Set(["hung-up", "peer-hung-up", "cancelled", "declined", "peer-declined", "answered-elsewhere"]);

@customElement("om-after")
export class OmAfter extends OmElement {
  @property({ attribute: false }) over!: Over;

  override render() {
    const over = this.over;
    return html`<div class="stack" role="status">
      <h1>${t("after.title")}</h1>
      <p>${reasonText(over.reason, over.name)}</p>
      ${over.note ? html`<p>${t("after.note", { name: over.name })} <q><bdi>${over.note}</bdi></q></p>` : nothing}
      ${over.seconds > 0 ? html`<p class="quiet">${t("after.duration", { time: clock(over.seconds) })}</p>` : nothing}
      ${PLAIN.has(over.reason)
        ? nothing
        : html`<section class="card stack">
            <h2>${t("after.try")}</h2>
            ${said(over.sentence)}
            ${over.detail ? html`<p class="quiet small">${t("after.detail", { detail: over.detail })}</p>` : nothing}
          </section>`}
      ${undelivered(over.call)}
      <div class="row">
        <button class="main" autofocus @click=${() => app.client.dismissOver()}>${t("close")}</button>
        <button
          @click=${() =>
            this.dispatchEvent(
              new CustomEvent("om-call", {
                detail: { identity: over.identity, kinds: ["audio", "video"] } satisfies CallWish,
                bubbles: true,
                composed: true,
              }),
            )}
        >
          ${t("after.again")}
        </button>
      </div>
    </div>`;
  }
}
