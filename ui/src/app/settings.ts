// Profile, privacy, devices, network, data, about.
import { html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import type { Finding } from "../node/messages.js";
import { askToNotify, notifying } from "../elements/optional.js";
import { chooseLanguage, language, LANGUAGES, t, type Language } from "../i18n/index.js";
import { shortcutsSwitch } from "../call/live-screen.js";
import { OmElement, said, words } from "../elements/element.js";
import { MAX_BOOTSTRAP_CHARS, MAX_PASSPHRASE_CHARS } from "../node/limits.js";
import { SHORTEST } from "./passphrase.js";

@customElement("om-settings")
export class OmSettings extends OmElement {
  @state() private trouble = "";
  @state() private findings: readonly Finding[] | "going" | null = null;

  async #try(work: () => Promise<unknown>): Promise<void> {
    this.trouble = "";
    try {
      await work();
    } catch (error) {
      this.trouble = words(error);
    }
  }

  override render() {
    const me = this.app.me;
    if (me === null) return nothing;
    return html`<div class="stack">
      <h1>${t("settings.title")}</h1>
      <p class="bad" role="alert">${this.trouble}</p>
      <section class="card stack">
        <h2>${t("settings.profile")}</h2>
        <p class="quiet">${t("settings.profile.lead")}</p>
        <om-profile></om-profile>
      </section>
      <section class="card stack">
        <h2>${t("settings.privacy")}</h2>
        <fieldset>
          <legend>${t("settings.reach")}</legend>
          ${(["anyone", "codes", "contacts"] as const).map(
            (reach) => html`<label class="check"
              ><input
                type="radio"
                name="reach"
                .checked=${me.reach === reach}
                @change=${() => this.#try(() => app.client.ask({ t: "change-profile", reach }, "done"))}
              />${t(`settings.reach.${reach}`)}</label
            >`,
          )}
        </fieldset>
        <fieldset>
          <legend>${t("settings.busy")}</legend>
          ${(["tell", "hide"] as const).map(
            (busy) => html`<label class="check"
              ><input
                type="radio"
                name="busy"
                .checked=${me.busy === busy}
                @change=${() => this.#try(() => app.client.ask({ t: "change-profile", busy }, "done"))}
              />${t(`settings.busy.${busy}`)}</label
            >`,
          )}
        </fieldset>
        <label class="check"
          ><input
            type="checkbox"
            .checked=${me.relay_only}
            @change=${() =>
              this.#try(() => app.client.ask({ t: "change-settings", relay_only: !me.relay_only }, "done"))}
          />${t("settings.relay")}</label
        >
      </section>
      <section class="card stack">
        <h2>${t("settings.devices")}</h2>
        <om-devices></om-devices>
      </section>
      <section class="card stack">
        <h2>${t("own.title")}</h2>
        <om-own-devices></om-own-devices>
      </section>
      ${this.#notifications()}
      <section class="card stack">
        <h2>${t("keys.title")}</h2>
        ${shortcutsSwitch("settings.shortcuts")}
      </section>
      ${this.#network()}
      <section class="card stack">
        <h2>${t("settings.language")}</h2>
        <label
          >${t("settings.language")}
          <select @change=${(e: Event) => chooseLanguage((e.target as HTMLSelectElement).value as Language)}>
            ${(Object.keys(LANGUAGES) as Language[]).map(
              (one) =>
                html`<option value=${one} lang=${one} ?selected=${one === language()}>${LANGUAGES[one]}</option>`,
            )}
          </select></label
        >
      </section>
      <section class="card stack">
        <h2>${t("settings.data")}</h2>
        <h3>${t("settings.export")}</h3>
        <om-backup></om-backup>
        <h3>${t("settings.delete")}</h3>
        <p>${t("settings.delete.lead")}</p>
        <form
          class="row"
          @submit=${(e: Event) => {
            e.preventDefault();
            void this.#try(() =>
              app.client.ask({ t: "delete-everything", name: this.field("confirm").value }, "done"),
            );
          }}
        >
          <input id="confirm" class="grow" aria-label=${t("settings.delete.lead")} required />
          <button class="danger">${t("settings.delete")}</button>
        </form>
      </section>
      <section class="card stack">
        <h2>${t("settings.about")}</h2>
        <p>${t("settings.release", { release: this.app.welcome?.release ?? "" })}</p>
        <p>${t("settings.policy")}</p>
        <p>${t("settings.licence")}</p>
        <p class="small">${t("settings.identity")}: <code>${me.identity}</code></p>
      </section>
    </div>`;
  }

  #notifications() {
    const state = notifying();
    return html`<section class="card stack">
      <h2>${t("settings.notifications")}</h2>
      <p>
        ${state === "granted"
          ? t("settings.notifications.on")
          : state === "default"
            ? t("settings.notifications.off")
            : t(state === "denied" ? "settings.notifications.denied" : "settings.notifications.unsupported")}
      </p>
      ${state === "default"
        ? html`<div class="row">
            <button
              @click=${async () => {
                await askToNotify();
                this.requestUpdate();
              }}
            >
              ${t("settings.notifications.allow")}
            </button>
          </div>`
        : nothing}
    </section>`;
  }

  #network() {
    const me = this.app.me!;
    const region = me.region ?? "any";
    return html`<section class="card stack">
      <h2>${t("settings.network")}</h2>
      <label
        >${t("settings.region")}
        <select
          @change=${(e: Event) =>
            this.#try(() =>
              app.client.ask({ t: "change-settings", region: (e.target as HTMLSelectElement).value }, "done"),
            )}
        >
          ${(["any", "ca", "de"] as const).map(
            (one) =>
              html`<option value=${one} ?selected=${one === region}>${t(`settings.region.${one}`)}</option>`,
          )}
        </select></label
      >
      <h3>${t("settings.bootstraps")}</h3>
      <ul class="list">
        ${repeat(
          me.bootstraps,
          (address) => address,
          (address) => html`<li class="row spread">
            <code class="grow" dir="ltr">${address}</code>
            <button
              aria-label="${t("settings.remove")} ${address}"
              @click=${() =>
                this.#try(() =>
                  app.client.ask({ t: "change-settings", remove_bootstrap: address }, "done"),
                )}
            >
              ${t("settings.remove")}
            </button>
          </li>`,
        )}
      </ul>
      <form
        class="row"
        @submit=${(e: Event) => {
          e.preventDefault();
          const field = this.field("bootstrap");
          void this.#try(async () => {
            await app.client.ask({ t: "change-settings", add_bootstrap: field.value.trim() }, "done");
            field.value = "";
          });
        }}
      >
        <input
          id="bootstrap"
          class="grow"
          dir="ltr"
          aria-label=${t("settings.bootstrap.add")}
          placeholder=${t("settings.bootstrap.add")}
          maxlength=${MAX_BOOTSTRAP_CHARS}
          required
        />
        <button>${t("settings.add")}</button>
      </form>
      <div class="row">
        <button
          ?disabled=${this.findings === "going"}
          @click=${() =>
            this.#try(async () => {
              this.findings = "going";
              try {
                this.findings = (await app.client.ask({ t: "examine" }, "findings")).findings;
              } catch (error) {
                this.findings = null;
                throw error;
              }
            })}
        >
          ${t("settings.doctor")}
        </button>
      </div>
      <div role="status">
        ${this.findings === "going"
          ? t("settings.doctor.going")
          : html`<ul class="list">
              ${(this.findings ?? []).map(
                (one) => html`<li class=${one.grade === "good" ? "good" : one.grade === "bad" ? "bad" : "warn"}>
                  ${said(one.sentence)} ${one.remedy ? said(one.remedy, "quiet") : nothing}
                </li>`,
              )}
            </ul>`}
      </div>
    </section>`;
  }
}

/** Makes the encrypted backup file and hands it to the browser's downloads. */
@customElement("om-backup")
export class OmBackup extends OmElement {
  @state() private trouble = "";
  @state() private busy = false;

  async #make(event: Event): Promise<void> {
    event.preventDefault();
    this.busy = true;
    this.trouble = "";
    try {
      const blob = await app.client.exportHome(this.field("passphrase").value);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `onmeet-${new Date().toISOString().slice(0, 10)}.backup`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      (event.target as HTMLFormElement).reset();
    } catch (error) {
      this.trouble = words(error);
    } finally {
      this.busy = false;
    }
  }

  override render() {
    return html`<form class="stack" @submit=${this.#make}>
      <p class="quiet">${t("settings.export.lead")}</p>
      <label
        >${t("settings.export.passphrase")}
        <input id="passphrase" type="password" autocomplete="new-password" minlength=${SHORTEST} maxlength=${MAX_PASSPHRASE_CHARS} required
      /></label>
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row"><button ?disabled=${this.busy}>${t("settings.export")}</button></div>
    </form>`;
  }
}
