// The devices of this person: which there are, adding one by its code, revoking one that is lost.
import { html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, words } from "../elements/element.js";
import { t, when } from "../i18n/index.js";
import { MAX_CODE_CHARS } from "../node/limits.js";
import type { LinkWords, OwnDevice } from "../node/messages.js";

@customElement("om-own-devices")
export class OmOwnDevices extends OmElement {
  @state() private devices: readonly OwnDevice[] = [];
  @state() private asked: LinkWords | null = null;
  @state() private linking = false;
  @state() private trouble = "";

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#load();
    this.attend(() =>
      app.client.hear((message) => {
        if (message.t === "link-words" && this.linking) this.asked = message;
      }),
    );
  }

  async #load(): Promise<void> {
    try {
      this.devices = (await app.client.ask({ t: "list-devices" }, "devices-shown")).devices;
    } catch (error) {
      this.trouble = words(error);
    }
  }

  async #try(work: () => Promise<unknown>): Promise<void> {
    this.trouble = "";
    try {
      await work();
    } catch (error) {
      this.trouble = words(error);
    }
    await this.#load();
  }

  async #revoke(device: OwnDevice): Promise<void> {
    const { name } = device;
    if (!(await confirmed(t("own.revoke.ask", { name }), t("own.revoke")))) return;
    await this.#try(() => app.client.ask({ t: "revoke-device", device: device.key }, "done"));
  }

  async #add(event: Event): Promise<void> {
    event.preventDefault();
    const field = this.field("link");
    this.linking = true;
    await this.#try(async () => {
      await app.client.ask({ t: "add-device", code: field.value.trim() }, "done");
      field.value = "";
    });
    this.linking = false;
    this.asked = null;
  }

  #answer(yes: boolean): void {
    this.asked = null;
    app.client.ask({ t: "confirm-device", yes }, "done").catch((error: unknown) => (this.trouble = words(error)));
  }

  override render() {
    const holds = this.devices.some((one) => one.here && one.holds_identity);
    return html`<p class="quiet">${t("own.lead")}</p>
      <p class="bad" role="alert">${this.trouble}</p>
      <ul class="list">
        ${repeat(
          this.devices,
          (one) => one.key,
          (one) => html`<li class="row spread">
            <span class="grow"
              ><bdi>${one.name}</bdi>
              <span class="quiet small"
                >${one.since > 0 ? when(one.since) : nothing} ${one.here ? t("own.here") : nothing}
                ${one.holds_identity ? t("own.holds") : nothing}</span
              ></span
            >
            ${holds && !one.here
              ? html`<button aria-label="${t("own.revoke")} ${one.name}" @click=${() => this.#revoke(one)}>
                  ${t("own.revoke")}
                </button>`
              : nothing}
          </li>`,
        )}
      </ul>
      ${holds
        ? html`<form class="row" @submit=${this.#add}>
            <input
              id="link"
              class="grow"
              dir="ltr"
              aria-label=${t("own.add.code")}
              placeholder=${t("own.add.code")}
              maxlength=${MAX_CODE_CHARS}
              required
            />
            <button ?disabled=${this.linking}>${t("own.add")}</button>
          </form>`
        : nothing}
      <div role="status">
        ${this.asked === null
          ? nothing
          : html`<p>${t("own.words", { name: this.asked.name })}</p>
              <p dir="ltr"><strong>${this.asked.words.join(" ")}</strong></p>
              <div class="row">
                <button class="main" @click=${() => this.#answer(true)}>${t("own.words.same")}</button>
                <button @click=${() => this.#answer(false)}>${t("own.words.differ")}</button>
              </div>`}
      </div>`;
  }
}
