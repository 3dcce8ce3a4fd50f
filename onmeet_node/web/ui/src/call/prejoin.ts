// Before a call: what will be sent, with what, and what the other side will see of us.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement, words } from "../app/element.js";
import { app } from "../core/context.js";
import { meter, type Meter } from "../core/devices.js";
import type { Kind } from "../core/messages.js";
import { has, t } from "../i18n/index.js";

const METER_MS = 100;

@customElement("om-prejoin")
export class OmPrejoin extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      .preview {
        position: relative;
        background: var(--stage);
        color: var(--on-stage);
        border-radius: var(--radius);
        aspect-ratio: 16 / 9;
        inline-size: 100%;
        display: grid;
        place-items: center;
        overflow: hidden;
      }
      video {
        position: absolute;
        inset: 0;
        inline-size: 100%;
        block-size: 100%;
        object-fit: cover;
        transform: scaleX(-1);
      }
      meter {
        inline-size: 100%;
        block-size: 0.75rem;
      }
    `,
  ];
  @property() identity = "";
  @property() name = "";
  @property({ attribute: false }) kinds: readonly Kind[] = ["audio", "video"];
  /** The ringing call that is to be answered; null: a call is to be made. */
  @property() answer: string | null = null;
  @state() private stream: MediaStream | null = null;
  @state() private level = 0;
  @state() private busy = false;
  @state() private trouble = "";
  #meter: Meter | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.devices.subscribe(() => this.#devicesChanged()));
    const timer = setInterval(() => (this.level = this.#meter?.level() ?? 0), METER_MS);
    this.attend(() => () => {
      clearInterval(timer);
      this.#meter?.close();
    });
    void this.#preview();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    // What is dialled opens its devices when it is accepted, not before: the light goes out. A call
    // that is taken has them in a moment.
    if (app.devices.previewFor === null) app.devices.closePreview();
  }

  async #preview(): Promise<void> {
    this.stream = await app.devices.openPreview(
      this.kinds.includes("video") ? ["camera", "microphone"] : ["microphone"],
    );
    this.#devicesChanged();
  }

  #devicesChanged(): void {
    this.#meter?.close();
    this.#meter = this.stream !== null && this.stream.getAudioTracks().length > 0 ? meter(this.stream) : null;
    this.requestUpdate();
  }

  async #go(): Promise<void> {
    this.busy = true;
    this.trouble = "";
    const relay_only = this.renderRoot.querySelector<HTMLInputElement>("#relay")?.checked ?? false;
    const kinds = [...this.kinds];
    try {
      if (this.answer !== null) {
        app.devices.keepPreviewFor(this.answer);
        await app.client.ask({ t: "take", call: this.answer, kinds, relay_only }, "done");
      } else await app.client.ask({ t: "dial", identity: this.identity, kinds, relay_only }, "dialled");
      this.#end();
    } catch (error) {
      this.trouble = words(error);
      this.busy = false;
    }
  }

  #end(): void {
    this.dispatchEvent(new CustomEvent("om-prejoin-end", { bubbles: true, composed: true }));
  }

  override updated(): void {
    const video = this.renderRoot.querySelector("video");
    if (video !== null && video.srcObject !== this.stream) video.srcObject = this.stream;
  }

  override render() {
    const { wanted, trouble } = app.devices.state;
    const seen = (this.stream?.getVideoTracks().length ?? 0) > 0;
    const shown = (this.app.me?.fields ?? []).filter(
      (field) => field.value !== "" && (field.share === "everyone" || (field.share === "contacts" && this.#isContact())),
    );
    return html`<div class="stack">
      <h1>
        ${this.answer === null ? t("prejoin.title", { name: this.name }) : t("prejoin.answer", { name: this.name })}
      </h1>
      <div class="preview">
        ${seen
          ? html`<video autoplay muted playsinline aria-label=${t("prejoin.preview")}></video>`
          : html`<span>${t("prejoin.off")}</span>`}
      </div>
      ${(["camera", "microphone"] as const).map((kind) => this.#trouble(kind, trouble[kind]))}
      <label>${t("prejoin.level")} <meter min="0" max="1" .value=${this.level}></meter></label>
      <label class="check"
        ><input
          type="checkbox"
          .checked=${wanted.microphone}
          @change=${() => app.devices.setWanted("microphone", !wanted.microphone).then(() => this.#devicesChanged())}
        />${t("prejoin.microphone.on")}</label
      >
      ${this.kinds.includes("video")
        ? html`<label class="check"
            ><input
              type="checkbox"
              .checked=${wanted.camera}
              @change=${() => app.devices.setWanted("camera", !wanted.camera).then(() => this.requestUpdate())}
            />${t("prejoin.camera.on")}</label
          >`
        : nothing}
      <details class="card">
        <summary>${t("settings.devices")}</summary>
        <om-devices></om-devices>
      </details>
      <label class="check"
        ><input id="relay" type="checkbox" .checked=${this.app.me?.relay_only ?? false} />
        <span
          >${t("prejoin.relay")}<br /><span class="quiet small">${t("prejoin.relay.hint")}</span></span
        ></label
      >
      <p>
        ${t("prejoin.shown")}:
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

  #trouble(kind: "camera" | "microphone", trouble: string | null) {
    const key = `trouble.${kind}.${trouble ?? ""}`;
    return has(key) ? html`<p class="warn" role="alert">${t(key)}</p>` : nothing;
  }
}
