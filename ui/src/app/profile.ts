// The person's own card: each field, the picture, and who sees which (P4).
import { html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { app } from "../elements/context.js";
import type { Field, FieldShown, Share } from "../node/messages.js";
import { smallJpeg } from "../node/pictures.js";
import { t } from "../i18n/index.js";
import { OmElement, words } from "../elements/element.js";
import { MAX_NAME_CHARS } from "../protocol/tables.js";
import { fileField, fileStyles } from "../elements/files.js";
import { MAX_VALUE_CHARS } from "../node/limits.js";

const SHARES: readonly Share[] = ["everyone", "contacts", "nobody"];

@customElement("om-profile")
export class OmProfile extends OmElement {
  static override styles = [OmElement.styles, fileStyles];
  @state() private trouble = "";

  async #try(work: () => Promise<unknown>): Promise<void> {
    this.trouble = "";
    try {
      await work();
    } catch (error) {
      this.trouble = words(error);
    }
  }

  #change(name: Field, change: Partial<FieldShown>): Promise<void> {
    const now = this.app.me?.fields.find((field) => field.name === name);
    if (now === undefined) return Promise.resolve();
    return this.#try(() => app.client.ask({ t: "change-profile", fields: [{ ...now, ...change }] }, "done"));
  }

  async #picture(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    let data: Uint8Array;
    try {
      data = await smallJpeg(file);
    } catch {
      this.trouble = t("picture.bad");
      return;
    }
    await this.#try(() => app.client.ask({ t: "set-picture", data }, "done"));
  }

  override render() {
    const me = this.app.me;
    if (me === null) return nothing;
    const name = me.fields.find((field) => field.name === "name")?.value ?? "";
    return html`<div class="stack">
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row">
        ${this.avatar(name, me.picture)}
        ${fileField(t("picture.choose"), null, "image/*", (input) => {
          void this.#picture(input.files?.[0]);
          input.value = "";
        })}
        ${this.#share("picture", me.picture_share, (share) =>
          this.#try(() => app.client.ask({ t: "change-profile", picture_share: share }, "done")),
        )}
        ${me.picture === null
          ? nothing
          : html`<button
              @click=${() => this.#try(() => app.client.ask({ t: "set-picture", data: null }, "done"))}
            >
              ${t("picture.remove")}
            </button>`}
      </div>
      ${me.fields.map(
        (field) => html`<div class="row">
          <label class="grow"
            >${t(`field.${field.name}`)}
            <input
              .value=${field.value}
              maxlength=${field.name === "name" ? MAX_NAME_CHARS : MAX_VALUE_CHARS}
              @change=${(e: Event) => this.#change(field.name, { value: (e.target as HTMLInputElement).value })}
          /></label>
          ${this.#share(field.name, field.share, (share) => this.#change(field.name, { share }))}
        </div>`,
      )}
    </div>`;
  }

  #share(name: Field, now: Share, choose: (share: Share) => Promise<void>) {
    return html`<label class="grow"
      >${t("share.label", { field: t(`field.${name}`) })}
      <select @change=${(e: Event) => choose((e.target as HTMLSelectElement).value as Share)}>
        ${SHARES.map(
          (share) => html`<option value=${share} ?selected=${share === now}>${t(`share.${share}`)}</option>`,
        )}
      </select></label
    >`;
  }
}
