// The guest page: a name, a look at oneself, a knock, the call, and nothing left of it afterwards.
import { css, html, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement } from "../elements/element.js";
import { reasonText } from "../call/reasons.js";
import { undelivered } from "../call/undelivered.js";
import { app } from "../elements/context.js";
import type { LinkTrouble } from "../protocol/guest-link.js";
import { chooseLanguage, clock, has, language, LANGUAGES, t, when, type Key, type Language } from "../i18n/index.js";
import type { GuestClient } from "./client.js";
import type { Calling } from "./calling.js";
import type { Stage, Trying } from "./stage.js";
import { MAX_GUEST_NAME_CHARS, MAX_OPERATOR_CHARS } from "../protocol/tables.js";

/** What the gateway says of itself, if it says anything (bootstrap/gateway). */
interface Operator {
  operator: string;
  region: string;
}

/** Reasons for not being let in that may have passed by now. */
const PASSING: ReadonlySet<string> = new Set(["full", "no-answer", "fault", "locked", "host-gone"]);

@customElement("om-guest")
export class OmGuest extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        min-block-size: 100dvh;
        grid-template-rows: 1fr;
      }
      main {
        padding: 1rem;
        inline-size: min(34rem, 100%);
        margin: auto;
        min-inline-size: 0;
      }
      header {
        justify-content: space-between;
      }
    `,
  ];
  @property({ attribute: false }) guest: GuestClient | LinkTrouble = "none";
  @state() private stage: Stage = { at: "opening" };
  @state() private operator: Operator | null = null;
  #host = "";
  /** Loaded when somebody waits. */
  #calling: Calling | null = null;
  #soundAlone = false;

  override connectedCallback(): void {
    super.connectedCallback();
    document.title = t("guest.title");
    const { guest } = this;
    if (typeof guest === "string") return;
    this.stage = guest.stage;
    guest.onStage = (stage) => {
      this.#host = guest.host ?? this.#host;
      this.#calling?.follow(this.stage, stage, this.#hostName);
      if (stage.at === "knocking" || stage.at === "failed") void this.#callBack();
      this.stage = stage;
      this.dispatchEvent(new CustomEvent("om-stage", { detail: stage, bubbles: true, composed: true }));
      if (stage.at === "denied" || stage.at === "failed" || stage.at === "over") app.devices.closePreview();
    };
    guest.onRoom = () => this.requestUpdate();
    this.attend(() => app.devices.subscribe(() => this.requestUpdate()));
    guest.onCall = (call) => app.devices.keepPreviewFor(call);
    const gone = () => guest.pageGone();
    // Who is in a call is asked before it ends by a slip. In a frame that is the page around it's to do.
    const asks = (event: BeforeUnloadEvent) => {
      if (this.stage.at === "in" && window.parent === window) event.preventDefault();
    };
    const online = () => guest.tryNow();
    window.addEventListener("pagehide", gone);
    window.addEventListener("beforeunload", asks);
    window.addEventListener("online", online);
    this.attend(() => () => {
      this.#calling?.end();
      window.removeEventListener("online", online);
      window.removeEventListener("pagehide", gone);
      window.removeEventListener("beforeunload", asks);
    });
    void this.#ask();
  }

  async #callBack(): Promise<void> {
    if (this.#calling !== null) return;
    try {
      const { Calling } = await import("./calling.js");
      this.#calling ??= new Calling();
      this.requestUpdate();
    } catch {
      // Without it they look by themselves.
    }
  }

  async #ask(): Promise<void> {
    try {
      const answer = await fetch("/.well-known/onmeet.json", { credentials: "omit" });
      const told: unknown = answer.ok ? await answer.json() : null;
      if (typeof told !== "object" || told === null) return;
      const { operator, region } = told as Record<string, unknown>;
      if (typeof operator === "string" && typeof region === "string")
        this.operator = { operator: operator.slice(0, MAX_OPERATOR_CHARS), region };
    } catch {
      // Without it the page says what holds for every operator.
    }
  }

  get #hostName(): string {
    return this.#host === "" ? t("guest.host") : this.#host;
  }

  #knock(event: Event): void {
    event.preventDefault();
    const name = this.field("name").value.trim();
    if (typeof this.guest === "string" || name === "") return;
    this.guest.knock(name, this.#soundAlone ? ["audio"] : ["audio", "video"]);
  }

  /** The text for a room in place of one for a call, once those are loaded. */
  #key(key: string, call: Key): Key {
    const room = `guest.room.${key}`;
    return typeof this.guest !== "string" && this.guest.toRoom && has(room) ? room : call;
  }

  override render() {
    const call = this.app?.calls[0];
    if (call !== undefined) return html`<om-call-screen role="main" .call=${call}></om-call-screen>`;
    const room = typeof this.guest === "string" ? null : this.guest.room;
    if (room !== null) return html`<om-room role="main" .room=${room}></om-room>`;
    return html`<main class="stack">${this.#content()}</main>`;
  }

  #content(): TemplateResult {
    const { guest, stage } = this;
    if (typeof guest === "string") return this.#told(t(`guest.link.${guest}` as Key));
    if (!window.isSecureContext) return this.#told(t("guest.insecure"));
    if (!("RTCPeerConnection" in window)) return this.#told(t("guest.unsupported"));
    const expires = guest.link.expires;
    switch (stage.at) {
      case "opening":
        return html`${this.#head()}<p role="status">${t("guest.opening")}</p>`;
      case "door":
        return this.#door(guest, stage.trying);
      case "knocking":
        return html`${this.#head()}
          <p role="status">
            <strong>${t(stage.trying === undefined ? (`guest.${stage.state}` as Key) : "guest.away", { host: this.#hostName })}</strong><br />
            <span class="quiet">${t("guest.wait.hint")}</span>
          </p>
          ${this.#trying(stage.trying)}
          ${this.#calling?.possible === true
            ? html`<div class="row"><button @click=${() => this.#calling?.ask().then(() => this.requestUpdate())}>${t("guest.notify")}</button></div>`
            : nothing}
          <om-preview></om-preview>
          <div class="row"><button @click=${() => guest.leave()}>${t("guest.goaway")}</button></div>`;
      case "in":
        return html`<p role="status">${t("call.connecting")}</p>`;
      case "denied":
        return this.#told(
          t(this.#key(`denied.${stage.reason}`, this.#known(`guest.denied.${stage.reason}`, "guest.denied.denied")), {
            host: this.#hostName,
          }),
          PASSING.has(stage.reason),
          guest.toRoom && stage.reason === "full",
        );
      case "failed":
        if (guest.used && stage.why === "no-door") return this.#told(t("guest.link.used"));
        if (stage.why === "no-door" && expires !== null && expires * 1_000 < Date.now())
          return this.#told(t("guest.link.expired", { when: when(expires) }));
        return html`${this.#told(t(`guest.failed.${stage.why}`), stage.trying !== undefined)}${this.#trying(stage.trying)}`;
      case "over": {
        const key = this.#key(`reason.${stage.reason}`, `guest.reason.${stage.reason}` as Key);
        const name = this.#hostName;
        return html`<h1>${t(this.#key("over", "guest.over"))}</h1>
          <p role="status">${has(key) ? t(key, { name }) : reasonText(stage.reason, name)}</p>
          ${stage.seconds > 0 ? html`<p class="quiet">${clock(stage.seconds)}</p>` : nothing}
          ${undelivered()}
          <p class="card">${t(this.#key("gone", "guest.gone"))}</p>
          ${guest.used ? html`<p>${t("guest.link.used")}</p>` : this.#again()}`;
      }
    }
  }

  #known(key: string, otherwise: Key): Key {
    return has(key) ? key : otherwise;
  }

  #told(sentence: string, retry = false, sound = false): TemplateResult {
    return html`<h1>${t("guest.title")}</h1>
      <p role="alert">${sentence}</p>
      ${retry ? this.#again(sound) : nothing} ${this.#languages()}`;
  }

  /** `sound`: there is room for somebody without a picture. */
  #again(sound = false) {
    const { guest } = this;
    if (typeof guest === "string") return nothing;
    const again = (soundAlone: boolean) => () => {
      this.#soundAlone = soundAlone;
      guest.again();
    };
    return html`<div class="row">
      <button class="main" @click=${again(false)}>${t("guest.again")}</button>
      ${sound ? html`<button @click=${again(true)}>${t("guest.room.sound")}</button>` : nothing}
    </div>`;
  }

  /** NOTE: no live region: that it is tried once more is no news. */
  #trying(trying: Trying | undefined) {
    return trying === undefined ? nothing : html`<p class="quiet">${t("guest.trying", { n: String(trying.tries) })}</p>`;
  }

  #head() {
    const { guest } = this;
    const named = typeof guest !== "string" && guest.host !== null && guest.host !== "";
    const key = named ? this.#key("invites", "guest.invites") : this.#key("invited", "guest.invited");
    return html`<h1>${t(key, { name: this.#hostName })}</h1>
      ${typeof guest !== "string" && guest.title !== "" ? html`<p><bdi>${guest.title}</bdi></p>` : nothing}`;
  }

  #door(guest: GuestClient, trying?: Trying) {
    return html`${this.#head()}
      ${trying === undefined ? nothing : html`<p role="status"><strong>${t("guest.away", { host: this.#hostName })}</strong></p>`}
      ${this.#trying(trying)}
      <form class="stack" @submit=${this.#knock}>
        <label
          >${t("guest.name")}
          <input id="name" required maxlength=${MAX_GUEST_NAME_CHARS} autocomplete="off" autofocus .value=${guest.name} aria-describedby="hint"
            @input=${(event: Event) => guest.nameTyped((event.target as HTMLInputElement).value)} />
          <span id="hint" class="quiet small">${t(this.#key("name.hint", "guest.name.hint"))}</span></label
        >
        <om-preview></om-preview>
        ${Object.values(app.devices.state.trouble).some((one) => one === "frame" || one === "embedded")
          ? html`<p><a href=${`/j${location.hash}`} target="_blank" rel="noopener noreferrer">${t("guest.window")}</a></p>`
          : nothing}
        <div class="row">
          <button class="main">${guest.knockNeeded ? t("guest.knock") : t("guest.enter")}</button>
        </div>
      </form>
      <details class="card">
        <summary>${t("guest.who")}</summary>
        <div class="stack">
          ${this.operator === null || this.operator.operator === ""
            ? nothing
            : html`<p>
                ${t("guest.who.operator", { operator: this.operator.operator })}
                ${has(`region.${this.operator.region}`)
                  ? t("guest.who.place", { place: t(`region.${this.operator.region}` as Key) })
                  : nothing}
              </p>`}
          <p>${t(this.#key("encrypted", "guest.who.encrypted"))}</p>
          <p>${t("guest.who.kept")}</p>
          <p>${t("guest.who.seen")}</p>
          <p>${t("guest.who.trust")}</p>
        </div>
      </details>
      ${this.#languages()}`;
  }

  #languages() {
    return html`<label
      >${t("guest.language")}
      <select @change=${(event: Event) => chooseLanguage((event.target as HTMLSelectElement).value as Language)}>
        ${Object.entries(LANGUAGES).map(
          ([tag, name]) => html`<option value=${tag} lang=${tag} ?selected=${tag === language()}>${name}</option>`,
        )}
      </select></label
    >`;
  }
}
