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

const about = (one: OwnDevice) =>
  [one.here && t("own.here"), one.holds_identity && t("own.holds"), one.since > 0 && when(one.since)]
    .filter(Boolean)
    .join(" · ");

@customElement("om-own-devices")
export class OmOwnDevices extends OmElement {
  @state() private devices: readonly OwnDevice[] = [];
  @state() private asked: LinkWords | null = null;
  /** How far the device that is being added has come. */
  @state() private adding: "looked-for" | "met" | null = null;
  /** The name of the one that was just added. */
  @state() private added: string | null = null;
  @state() private trouble = "";

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#load();
    this.attend(() =>
      app.client.hear((message) => {
        // What another device says of the devices comes with what it says of its person.
        if (message.t === "me" || message.t === "people") void this.#load();
        if (message.t !== "link-words" || this.adding === null) return;
        this.asked = message;
        this.adding = "met";
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
    const before = new Set(this.devices.map((one) => one.key));
    this.adding = "looked-for";
    this.added = null;
    await this.#try(async () => {
      await app.client.ask({ t: "add-device", code: field.value.trim() }, "done");
      field.value = "";
    });
    // As it is listed: two machines may be called the same.
    if (this.trouble === "") this.added = this.devices.find((one) => !before.has(one.key))?.name ?? null;
    this.adding = this.asked = null;
  }

  #answer(yes: boolean): void {
    this.asked = null;
    app.client.ask({ t: "confirm-device", yes }, "done").catch((error: unknown) => (this.trouble = words(error)));
  }

  override render() {
    const holds = this.devices.some((one) => one.here && one.holds_identity);
    return html`<div class="stack"><p class="quiet">${t(holds || this.devices.length === 0 ? "own.lead" : "own.lead.linked")}</p>
      <ul class="list">
        ${repeat(
          this.devices,
          (one) => one.key,
          (one) => html`<li class="row spread">
            <span class="grow tight"><span><bdi>${one.name}</bdi></span><span class="quiet small">${about(one)}</span></span>
            ${holds && !one.here
              ? html`<button aria-label="${t("own.revoke")} ${one.name}" @click=${() => this.#revoke(one)}>
                  ${t("own.revoke")}
                </button>`
              : nothing}
          </li>`,
        )}
      </ul>
      ${holds
        ? html`<form class="stack" @submit=${this.#add} ?hidden=${this.asked !== null}>
            <label
              >${t("own.add.code")}
              <input
                id="link"
                class="mono"
                dir="ltr"
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                maxlength=${MAX_CODE_CHARS}
                required
            /></label>
            <div class="row"><button ?disabled=${this.adding !== null}>${t("own.add")}</button></div>
          </form>`
        : nothing}
      <div role="status" class="stack">
        ${this.adding === "looked-for" ? html`<p>${t("own.looking")}</p>` : nothing}
        ${this.added === null ? nothing : html`<p class="good">${t("own.added", { name: this.added })}</p>`}
        ${this.asked === null
          ? nothing
          : html`<p>${t("own.words", { name: this.asked.name })}</p>
              <p><strong class="mono said" dir="ltr" lang="en" translate="no">${this.asked.words.join(" ")}</strong></p>
              <div class="row">
                <button class="main" @click=${() => this.#answer(true)}>${t("own.words.same")}</button>
                <button @click=${() => this.#answer(false)}>${t("own.words.differ")}</button>
              </div>`}
      </div>
      <p class="bad" role="alert">${this.trouble}</p></div>`;
  }
}
