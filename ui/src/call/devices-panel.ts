// Which camera, microphone and speaker.
import { html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { OmElement } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { Device, DeviceKind } from "../media/devices.js";
import { t } from "../i18n/index.js";

@customElement("om-devices")
export class OmDevices extends OmElement {
  /** The call whose devices change at once; none: those of the next call. */
  @property() call: string | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.devices.subscribe(() => this.requestUpdate()));
    void app.devices.refresh();
  }

  async #choose(kind: DeviceKind, id: string): Promise<void> {
    const chosen = id === "" ? null : id; // what the system chooses is a choice, too
    if (this.call !== null && kind !== "speaker") await app.media.changeDevice(this.call, kind, chosen);
    else await app.devices.choose(kind, chosen);
  }

  override render() {
    const { cameras, microphones, speakers } = app.devices.state;
    return html`<div class="stack">
      ${this.#picker("camera", cameras)} ${this.#picker("microphone", microphones)}
      ${speakers.length > 0 ? this.#picker("speaker", speakers) : nothing}
    </div>`;
  }

  #picker(kind: DeviceKind, devices: readonly Device[]) {
    const chosen = app.devices.state.chosen[kind];
    return html`<label
      >${t(`prejoin.${kind}`)}
      <select @change=${(e: Event) => this.#choose(kind, (e.target as HTMLSelectElement).value)}>
        <option value="" ?selected=${chosen === null}>${t("prejoin.default")}</option>
        ${devices.map(
          (one, index) =>
            html`<option value=${one.id} ?selected=${one.id === chosen}>
              ${one.label || `${t(`prejoin.${kind}`)} ${index + 1}`}
            </option>`,
        )}
        ${chosen === null || devices.length === 0 || devices.some((one) => one.id === chosen)
          ? nothing
          : html`<option value=${chosen} selected>${t("prejoin.absent")}</option>`}
      </select></label
    >`;
  }
}
