// Past calls.
import { html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import type { PastCall, ReceiptShown } from "../node/messages.js";
import { clock, number, t, when } from "../i18n/index.js";
import { reasonText } from "../call/reasons.js";
import { dropCode } from "./codes.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, said, words } from "../elements/element.js";

const FILTERS = ["all", "missed", "outgoing", "failed"] as const;
type Filter = (typeof FILTERS)[number];
const MISSED = new Set(["missed", "busy"]);
const FAILED = new Set(["media-failed", "connection-lost", "peer-error", "not-reachable", "fault"]);
const LIMIT = 500;

@customElement("om-history")
export class OmHistory extends OmElement {
  @state() private calls: readonly PastCall[] | null = null;
  @state() private filter: Filter = "all";
  @state() private trouble = "";

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#read();
    this.attend(() =>
      app.client.hear((message) => {
        if (message.t === "over" || message.t === "news") void this.#read();
      }),
    );
  }

  async #read(): Promise<void> {
    try {
      this.calls = (await app.client.ask({ t: "read-history", limit: LIMIT }, "history")).calls;
      this.trouble = "";
    } catch (error) {
      this.trouble = words(error);
    }
  }

  async #delete(call: string | null): Promise<void> {
    if (call === null && !(await confirmed(t("history.delete.all.ask"), t("delete")))) return;
    await app.client
      .ask({ t: "delete-history", call }, "done")
      .catch((error: unknown) => (this.trouble = words(error)));
    await this.#read();
  }

  async #revoke(label: string): Promise<void> {
    const trouble = await dropCode(label);
    await this.#read();
    this.trouble = trouble ?? this.trouble;
  }

  #fits(call: PastCall): boolean {
    switch (this.filter) {
      case "all":
        return true;
      case "missed":
        return MISSED.has(call.reason ?? "");
      case "outgoing":
        return call.outgoing;
      case "failed":
        return FAILED.has(call.reason ?? "");
    }
  }

  override render() {
    const shown = (this.calls ?? []).filter((call) => this.#fits(call));
    return html`<div class="stack">
      <h1>${t("history.title")}</h1>
      <div class="row spread">
        <label class="grow"
          >${t("history.filter")}
          <select @change=${(e: Event) => (this.filter = (e.target as HTMLSelectElement).value as Filter)}>
            ${FILTERS.map((one) => html`<option value=${one}>${t(`history.${one}`)}</option>`)}
          </select></label
        >
        <button ?disabled=${(this.calls ?? []).length === 0} @click=${() => this.#delete(null)}>
          ${t("history.delete.all")}
        </button>
      </div>
      <p class="bad" role="alert">${this.trouble}</p>
      ${this.calls !== null && shown.length === 0 ? html`<p class="quiet">${t("history.none")}</p>` : nothing}
      <ul class="list">
        ${repeat(shown, (call) => call.call, (call) => this.#call(call))}
      </ul>
    </div>`;
  }

  /** What a server signed to have released after the call; or that it did not. */
  #receipt(one: ReceiptShown) {
    const operator = one.operator;
    return one.signed
      ? html`<span class="quiet small"
          >${t("history.receipt", {
            operator,
            circuits: number(one.circuits),
            guests: number(one.guests),
            size: number(Math.round(one.size / 1_000)),
          })}
          ${one.held > 0 ? t("history.receipt.held", { n: number(one.held) }) : nothing}</span
        >`
      : html`<span class="warn small">${t("history.receipt.none", { operator })}</span>`;
  }

  #call(call: PastCall) {
    return html`<li class="card tight">
      <div class="row spread">
        <strong><bdi>${call.name}</bdi></strong>
        <span class="quiet small">${when(call.started)}</span>
      </div>
      <span>
        <span class="tag">${call.outgoing ? t("history.out") : t("history.in")}</span>
        ${reasonText(call.reason, call.name)}
        ${call.seconds > 0 ? html`<span class="quiet">${clock(call.seconds)}</span>` : nothing}
      </span>
      ${call.note ? html`<q><bdi>${t("history.note", { note: call.note })}</bdi></q>` : nothing}
      ${call.code === null
        ? nothing
        : html`<div class="row">
            <span class="quiet small">${t("people.by", { label: call.code })}</span>
            <button class="plain" @click=${() => this.#revoke(call.code!)}>${t("codes.drop")}</button>
          </div>`}
      ${call.receipts.map((one) => this.#receipt(one))}
      <div class="row spread">
        ${call.report !== null || FAILED.has(call.reason ?? "")
          ? html`<details class="small">
              <summary>${t("history.details")}</summary>
              ${said(call.sentence)}
              ${call.report === null ? nothing : html`<code dir="ltr">${call.report}</code>`}
            </details>`
          : html`<span></span>`}
        <button
          class="plain"
          aria-label="${t("delete")}: ${call.name}, ${when(call.started)}"
          @click=${() => this.#delete(call.call)}
        >
          ${t("delete")}
        </button>
      </div>
    </li>`;
  }
}
