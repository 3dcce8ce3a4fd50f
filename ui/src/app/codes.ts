// Contact codes: showing one, making and withdrawing them, and adding somebody by theirs.
import { html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import type { Code } from "../node/messages.js";
import { copied } from "../elements/optional.js";
import { plural, t, when } from "../i18n/index.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, words } from "../elements/element.js";
import { MAX_CODE_CHARS, MAX_LABEL_CHARS, MAX_NOTE_CHARS } from "../node/limits.js";

/** Withdraws a code and its pending requests after asking; what went wrong, if anything did. */
export async function dropCode(label: string): Promise<string | null> {
  if (!(await confirmed(t("codes.drop.ask", { label }), t("codes.drop")))) return null;
  try {
    await app.client.ask({ t: "revoke-code", label, drop: true }, "done");
    return null;
  } catch (error) {
    return words(error);
  }
}

@customElement("om-code")
export class OmCode extends OmElement {
  @property({ attribute: false }) code: Code | null = null;
  @state() private rows: readonly string[] = [];
  @state() private copied = false;

  override willUpdate(changed: Map<string, unknown>): void {
    const uri = this.code?.uri;
    if (!changed.has("code") || uri === undefined) return;
    if ((changed.get("code") as Code | null)?.uri === uri) return;
    app.client.ask({ t: "draw-qr", text: uri }, "qr").then(
      (qr) => (this.rows = qr.rows),
      () => (this.rows = []),
    );
  }

  async #copy(): Promise<void> {
    const field = this.renderRoot.querySelector<HTMLTextAreaElement>("textarea")!;
    field.select();
    if (!(await copied(field.value))) document.execCommand("copy");
    this.copied = true;
  }

  override render() {
    const code = this.code;
    if (code === null) return nothing;
    const mail = `mailto:?subject=${encodeURIComponent(t("codes.mail.subject"))}&body=${encodeURIComponent(
      t("codes.mail.body", { code: code.uri }),
    )}`;
    return html`<div class="stack">
      <om-qr .rows=${this.rows} label=${t("codes.qr", { label: code.label })}></om-qr>
      <textarea class="mono small" rows="4" readonly aria-label=${t("welcome.code")}>
${code.uri}</textarea
      >
      <div class="row">
        <button class="main" @click=${this.#copy}>${this.copied ? t("copied") : t("copy")}</button>
        <a class="button" href=${mail}>${t("codes.mail")}</a>
        <span class="live" role="status">${this.copied ? t("copied") : ""}</span>
      </div>
    </div>`;
  }
}

@customElement("om-codes")
export class OmCodes extends OmElement {
  @state() private shown: string | null = null;
  @state() private trouble = "";

  async #make(event: Event): Promise<void> {
    event.preventDefault();
    const label = this.field("label").value.trim();
    try {
      await app.client.ask(
        {
          t: "new-code",
          label: label === "" ? null : label,
          days: Number(this.field("days").value),
          direct: this.field("direct").checked,
        },
        "done",
      );
      this.trouble = "";
      this.shown = this.app.codes.at(-1)?.label ?? null;
      (event.target as HTMLFormElement).reset();
    } catch (error) {
      this.trouble = words(error);
    }
  }

  async #revoke(label: string): Promise<void> {
    if (!(await confirmed(t("codes.revoke.ask", { label }), t("codes.revoke")))) return;
    await app.client.ask({ t: "revoke-code", label, drop: false }, "done").catch((error: unknown) => {
      this.trouble = words(error);
    });
  }

  override render() {
    return html`<section class="stack" aria-labelledby="codes">
      <h2 id="codes">${t("codes.title")}</h2>
      <p class="quiet">${t("codes.lead")}</p>
      ${this.app.codes.length === 0 ? html`<p>${t("codes.none")}</p>` : nothing}
      <ul class="list">
        ${repeat(
          this.app.codes,
          (code) => code.label,
          (code) => html`<li class="card stack">
            <div class="row spread">
              <div class="tight">
                <strong><bdi>${code.label}</bdi></strong>
                ${code.expires === null
                  ? nothing
                  : html`<span class="quiet small">${t("codes.expires", { when: when(code.expires) })}</span>`}
              </div>
              <div class="row">
                <button
                  aria-expanded=${this.shown === code.label}
                  @click=${() => (this.shown = this.shown === code.label ? null : code.label)}
                >
                  ${this.shown === code.label ? t("close") : t("codes.show")}
                </button>
                <button @click=${() => this.#revoke(code.label)}>${t("codes.revoke")}</button>
              </div>
            </div>
            ${this.shown === code.label ? html`<om-code .code=${code}></om-code>` : nothing}
          </li>`,
        )}
      </ul>
      <details class="card">
        <summary>${t("codes.new")}</summary>
        <form class="stack" @submit=${this.#make}>
          <label>${t("codes.label")} <input id="label" maxlength=${MAX_LABEL_CHARS} /></label>
          <label
            >${t("codes.days")}
            <select id="days">
              <option value="0">${t("codes.days.forever")}</option>
              ${[1, 7, 30, 365].map((n) => html`<option value=${n}>${plural("codes.days.n", n)}</option>`)}
            </select></label
          >
          <label class="check"><input id="direct" type="checkbox" checked />${t("codes.direct")}</label>
          <div class="row"><button class="main">${t("codes.make")}</button></div>
        </form>
      </details>
      <p class="bad" role="alert">${this.trouble}</p>
    </section>`;
  }
}

@customElement("om-add")
export class OmAdd extends OmElement {
  @state() private busy = false;
  @state() private told: "people.added" | "people.added.later" | "people.added.offline" | null = null;
  @state() private trouble = "";

  async #add(event: Event): Promise<void> {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    this.busy = true;
    this.told = null;
    this.trouble = "";
    try {
      const note = this.field("note").value.trim();
      const code = this.field("code").value.trim();
      const added = await app.client.ask(
        { t: "add-contact", code, note: note === "" ? null : note },
        "added",
      );
      this.told = added.delivered
        ? "people.added"
        : this.app.home?.reachable
          ? "people.added.later"
          : "people.added.offline";
      form.reset();
    } catch (error) {
      this.trouble = words(error);
      this.field("code").focus();
    } finally {
      this.busy = false;
    }
  }

  override render() {
    return html`<form class="stack" @submit=${this.#add}>
      <h2>${t("people.add")}</h2>
      <label
        >${t("people.add.code")}
        <textarea id="code" class="mono" dir="ltr" rows="2" maxlength=${MAX_CODE_CHARS} required aria-describedby="hint"></textarea>
        <span id="hint" class="quiet small">${t("people.add.hint")}</span></label
      >
      <label>${t("people.add.note")} <input id="note" maxlength=${MAX_NOTE_CHARS} /></label>
      <p class="bad" role="alert">${this.trouble}</p>
      <p role="status">${this.busy ? t("people.add.looking") : this.told === null ? nothing : t(this.told)}</p>
      <div class="row"><button class="main" ?disabled=${this.busy}>${t("people.add.go")}</button></div>
    </form>`;
  }
}

/** "7-crossover-clockwork": a code for one person who types it now; shown until they came, or it is used up. */
@customElement("om-say")
export class OmSay extends OmElement {
  @state() private said: { code: string; until: number } | null = null;
  @state() private busy = false;
  @state() private added: string | null = null;
  @state() private trouble = "";
  /** The person took it back, and needs not be told. */
  private stopped = false;
  #unhear: (() => void) | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unhear = app.client.hear((message) => {
      if (message.t === "code-shown" && this.busy)
        this.said = { code: message.code, until: Math.floor(Date.now() / 1000) + message.seconds };
    });
  }

  override disconnectedCallback(): void {
    this.#unhear?.();
    // Nobody sees any more what becomes of it.
    if (this.busy) void this.#stop();
    super.disconnectedCallback();
  }

  async #say(): Promise<void> {
    this.busy = true;
    this.added = null;
    this.trouble = "";
    try {
      this.added = (await app.client.ask({ t: "say-code" }, "added")).identity;
    } catch (error) {
      this.trouble = this.stopped ? "" : words(error);
    } finally {
      this.busy = false;
      this.stopped = false;
      this.said = null;
    }
  }

  async #stop(): Promise<void> {
    this.stopped = true;
    await app.client.ask({ t: "stop-saying" }, "done").catch(() => undefined);
  }

  override render() {
    const name = this.app.people.find((one) => one.identity === this.added)?.name ?? "";
    return html`<section class="card stack" aria-labelledby="say">
      <h2 id="say">${t("say.go")}</h2>
      <p class="quiet">${t("say.lead")}</p>
      <div role="status" class="stack">
        ${this.said === null
          ? this.busy
            ? html`<p>${t("say.looking")}</p>`
            : this.added === null
              ? nothing
              : html`<p class="good">${t("say.added", { name })}</p>`
          : html`<p>${t("say.now")}</p>
              <p><strong class="mono said" dir="ltr" lang="en" translate="no">${this.said.code}</strong></p>
              <p class="quiet small">${t("say.once", { when: when(this.said.until) })}</p>`}
      </div>
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row">
        ${this.busy
          ? html`<button @click=${this.#stop}>${t("say.stop")}</button>`
          : html`<button class="main" @click=${this.#say}>${t("say.go")}</button>`}
      </div>
    </section>`;
  }
}
