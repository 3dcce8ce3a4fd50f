// Windows that the node does not know: what they show, and the question to whoever is in.
import { css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import { OmElement, words } from "../elements/element.js";
import { notify } from "../elements/optional.js";
import { questions } from "./guests.js";
import { t } from "../i18n/index.js";

/** This window is not let in yet. */
@customElement("om-entry")
export class OmEntry extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      .number {
        font-size: 3rem;
        font-variant-numeric: tabular-nums;
        letter-spacing: 0.2em;
        line-height: 1.2;
        justify-self: start;
      }
    `,
  ];

  override render() {
    const { entry } = this.app;
    if (entry?.at === "waiting")
      return html`<h1>${t("entry.waiting")}</h1>
        <output class="number" dir="ltr" aria-label=${t("entry.number")}>${entry.number}</output>
        <p role="status">${t("entry.waiting.lead")}</p>`;
    return html`<h1>${t("entry.title")}</h1>
      ${entry === null ? html`<p>${t("entry.lead")}</p>` : html`<p role="alert">${t(`entry.${entry.at}`)}</p>`}
      <div class="row">
        <button class="main" @click=${() => void app.client.askIn()}>${t("entry.ask")}</button>
      </div>
      <p class="quiet small">${t("entry.remedy")}</p>`;
  }
}

/** Other windows that ask this one. */
@customElement("om-asking")
export class OmAsking extends OmElement {
  static override styles = [
    OmElement.styles,
    questions,
    css`
      /* Above the sections, which stand below in a narrow window. */
      :host {
        inset-block: auto 4.5rem;
      }
      @media (min-width: 52rem) {
        :host {
          inset-block-end: 0.5rem;
        }
      }
    `,
  ];
  @state() private trouble = "";
  #told = new Set<string>();

  override updated(): void {
    const asking = this.app.home?.asking ?? [];
    for (const number of asking)
      if (!this.#told.has(number)) notify(t("asking.title"), { body: t("asking.lead", { number }), tag: number });
    this.#told = new Set(asking);
  }

  async #decide(asking: string, letIn: boolean): Promise<void> {
    this.trouble = "";
    try {
      await app.client.ask({ t: "let-in", asking, let_in: letIn }, "done");
    } catch (error) {
      this.trouble = words(error);
    }
  }

  override render() {
    const asking = this.app.link === "open" ? (this.app.home?.asking ?? []) : [];
    return html`${repeat(
      asking,
      (number) => number,
      (number) => html`<div class="card stack" role="alertdialog" aria-label=${t("asking.title")}>
        <p role="alert"><strong>${t("asking.title")}</strong><br />${t("asking.lead", { number })}</p>
        <div class="row">
          <button class="main" @click=${() => this.#decide(number, true)}>${t("asking.yes")}</button>
          <button @click=${() => this.#decide(number, false)}>${t("asking.no")}</button>
        </div>
      </div>`,
    )}${this.trouble === "" ? nothing : html`<div class="card bad" role="alert">${this.trouble}</div>`}`;
  }
}
