// What one will look and sound like: the picture of oneself, the level, and what is switched on.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { OmElement } from "../elements/element.js";
import { app } from "../elements/context.js";
import { meter, type Meter } from "../media/devices.js";
import type { Kind } from "../node/messages.js";
import { t } from "../i18n/index.js";
import { Closed, closing, troubleTexts } from "./hints.js";

const METER_MS = 100;

@customElement("om-preview")
export class OmPreview extends OmElement {
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
  @property({ attribute: false }) kinds: readonly Kind[] = ["audio", "video"];
  @state() private stream: MediaStream | null = null;
  @state() private level = 0;
  #meter: Meter | null = null;
  #heard: MediaStreamTrack | null = null;
  #closed = new Closed();

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
    // What is there already is shown while the browser still asks for the rest.
    await app.devices.openPreview(this.kinds.includes("video") ? ["camera", "microphone"] : ["microphone"]);
    this.#devicesChanged();
  }

  #devicesChanged(): void {
    this.stream = app.devices.preview;
    const heard = this.stream?.getAudioTracks()[0] ?? null;
    if (heard !== this.#heard) {
      this.#heard = heard;
      this.#meter?.close();
      this.#meter = heard === null ? null : meter(this.stream!);
    }
    this.requestUpdate();
  }

  override updated(): void {
    const video = this.renderRoot.querySelector("video");
    if (video !== null && video.srcObject !== this.stream) video.srcObject = this.stream;
  }

  override render() {
    const { wanted, trouble } = app.devices.state;
    const seen = (this.stream?.getVideoTracks().length ?? 0) > 0;
    return html`<div class="stack">
      <div class="preview">
        ${seen
          ? html`<video autoplay muted playsinline aria-label=${t("prejoin.preview")}></video>`
          : html`<span>${t("prejoin.off")}</span>`}
      </div>
      ${this.#closed
        .left(troubleTexts(trouble))
        .map(
          (text) =>
            html`<p class="warn" role="alert">${text} ${closing(this.#closed, text, () => this.requestUpdate())}</p>`,
        )}
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
    </div>`;
  }
}
