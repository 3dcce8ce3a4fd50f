// The first minutes: a name, who guards the key, a code to give away, a backup.
import { html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { app } from "../elements/context.js";
import type { Keeper, LinkCodeShown, LinkWords } from "../node/messages.js";
import { tabStore } from "../node/stores.js";
import { t } from "../i18n/index.js";
import { OmElement, words } from "../elements/element.js";
import { MAX_BOOTSTRAP_CHARS, MAX_PASSPHRASE_CHARS } from "../node/limits.js";
import { fileField, fileStyles } from "../elements/files.js";
import { SHORTEST } from "./passphrase.js";
import { MAX_NAME_CHARS } from "../protocol/tables.js";

/** The name as far as it is typed: a reload, or a look at the other way to begin, loses none of it. */
const TYPED = "onmeet-name-typed";

@customElement("om-first-run")
export class OmFirstRun extends OmElement {
  static override styles = [OmElement.styles, fileStyles];
  @state() private keeper: Keeper = app.client.state.welcome?.keyring ? "keyring" : "passphrase";
  @state() private importing = false;
  @state() private linking = false;
  @state() private offered: LinkCodeShown | null = null;
  @state() private shown: LinkWords | null = null;
  /** The name of the backup that was chosen. */
  @state() private file: string | null = null;
  @state() private busy = false;
  @state() private trouble = "";

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() =>
      app.client.hear((message) => {
        if (message.t === "link-code-shown") this.offered = message;
        if (message.t === "link-words") this.shown = message;
      }),
    );
  }

  #passphrase(): string | null | undefined {
    if (this.keeper !== "passphrase") return undefined;
    const [one, two] = [this.field("passphrase").value, this.field("again").value];
    if (one.length < SHORTEST) this.trouble = t("first.passphrase.short");
    else if (one !== two) this.trouble = t("first.passphrase.differ");
    else return one;
    this.field("passphrase").focus();
    return null;
  }

  async #begin(event: Event): Promise<void> {
    event.preventDefault();
    const passphrase = this.#passphrase();
    if (passphrase === null) return;
    this.busy = true;
    this.trouble = "";
    try {
      if (this.linking) {
        const bootstrap = this.field("way").value.trim();
        await app.client.ask(
          {
            t: "link-home",
            keeper: this.keeper,
            passphrase: passphrase ?? null,
            bootstrap: bootstrap === "" ? null : bootstrap,
          },
          "done",
        );
      } else if (this.importing) {
        const file = this.field("file").files?.[0];
        if (file)
          await app.client.importHome(file, this.field("export").value, this.keeper, passphrase);
      } else {
        const name = this.field("name").value.trim();
        await app.client.ask(
          { t: "create-home", name, keeper: this.keeper, passphrase: passphrase ?? null },
          "done",
        );
        tabStore.removeItem(TYPED);
        this.dispatchEvent(new CustomEvent("om-welcome", { bubbles: true, composed: true }));
      }
    } catch (error) {
      this.trouble = words(error);
    } finally {
      this.busy = false;
      this.offered = this.shown = null;
    }
  }

  /** What the other device needs; what was typed here stays, for another try. */
  #link(waits: boolean) {
    const said = (text: string) =>
      html`<p><strong class="mono said" dir="ltr" lang="en" translate="no">${text}</strong></p>`;
    return html`<p class="quiet" ?hidden=${waits}>${t("link.lead")}</p>
      <div role="status" class="stack">
        ${!waits
          ? nothing
          : this.shown !== null
            ? html`<p>${t("link.words")}</p>
                ${said(this.shown.words.join(" "))}`
            : this.offered === null
              ? html`<p>${t("say.looking")}</p>`
              : html`<p>${t("link.code")}</p>
                  ${said(this.offered.code)}
                  <om-qr .rows=${this.offered.rows} label=${t("link.title")}></om-qr>
                  <p class="quiet">${t("link.waits")}</p>`}
      </div>
      <label ?hidden=${waits}
        >${t("link.bootstrap")}
        <input id="way" dir="ltr" maxlength=${MAX_BOOTSTRAP_CHARS} aria-describedby="way-hint" />
        <span id="way-hint" class="quiet small">${t("link.bootstrap.hint")}</span></label
      >`;
  }

  override render() {
    const waits = this.linking && this.busy;
    return html`<form class="stack" @submit=${this.#begin}>
      <h1>${this.linking ? t("link.title") : this.importing ? t("import.title") : t("first.title")}</h1>
      ${this.linking
        ? this.#link(waits)
        : this.importing
        ? html`${fileField(t("import.file"), this.file, "", (input) => (this.file = input.files?.[0]?.name ?? null))}
            <label
              >${t("import.passphrase")}
              <input id="export" type="password" autocomplete="off" required
            /></label>`
        : html`<p class="quiet">${t("first.lead")}</p>
            <label
              >${t("first.name")}
              <input
                id="name"
                autocomplete="name"
                maxlength=${MAX_NAME_CHARS}
                required
                autofocus
                aria-describedby="name-hint"
                .value=${tabStore.getItem(TYPED) ?? ""}
                @input=${(event: Event) => tabStore.setItem(TYPED, (event.target as HTMLInputElement).value)}
              />
              <span id="name-hint" class="quiet small">${t("first.name.hint")}</span></label
            >`}
      <fieldset ?hidden=${waits}>
        <legend>${t("first.keeper")}</legend>
        ${this.#choice("passphrase", t("first.keeper.passphrase"))}
        ${this.app.welcome?.keyring ? this.#choice("keyring", t("first.keeper.keyring")) : nothing}
        ${this.#choice("key-file", t("first.keeper.keyfile"))}
      </fieldset>
      ${this.keeper === "passphrase"
        ? html`<label ?hidden=${waits}
              >${t("first.passphrase")}
              <input
                id="passphrase"
                type="password"
                autocomplete="new-password"
                maxlength=${MAX_PASSPHRASE_CHARS}
                aria-describedby="hint"
                required
              />
              <span id="hint" class="quiet small">${t("first.passphrase.hint")}</span></label
            >
            <label ?hidden=${waits}
              >${t("first.passphrase.again")}
              <input id="again" type="password" autocomplete="new-password" required
            /></label>`
        : nothing}
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row">
        <button class="main" ?hidden=${waits} ?disabled=${this.busy}>
          ${this.busy ? t("first.making") : this.linking ? t("link.go") : this.importing ? t("import.go") : t("first.begin")}
        </button>
        <button
          type="button"
          class="plain"
          ?disabled=${this.busy && !waits}
          @click=${() => {
            if (waits) return location.reload(); // the node gives up what this page asked for
            this.importing = !this.importing && !this.linking;
            this.linking = false;
          }}
        >
          ${this.importing || this.linking ? t("back") : t("first.import")}
        </button>
        ${this.importing || this.linking
          ? nothing
          : html`<button
              type="button"
              class="plain"
              ?disabled=${this.busy}
              @click=${() => (this.linking = true)}
            >
              ${t("first.link")}
            </button>`}
      </div>
    </form>`;
  }

  #choice(keeper: Keeper, text: string) {
    return html`<label class="check"
      ><input
        type="radio"
        name="keeper"
        value=${keeper}
        .checked=${this.keeper === keeper}
        @change=${() => (this.keeper = keeper)}
      />${text}</label
    >`;
  }
}

@customElement("om-locked")
export class OmLocked extends OmElement {
  @state() private busy = false;
  @state() private trouble = "";

  async #open(event: Event): Promise<void> {
    event.preventDefault();
    this.busy = true;
    try {
      await app.client.ask({ t: "unlock-home", passphrase: this.field("passphrase").value }, "done");
    } catch (error) {
      this.trouble = words(error);
    } finally {
      this.busy = false;
    }
  }

  override render() {
    return html`<form class="stack" @submit=${this.#open}>
      <h1>${t("locked.title")}</h1>
      <label
        >${t("first.passphrase")}
        <input id="passphrase" type="password" autocomplete="current-password" required autofocus
      /></label>
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row"><button class="main" ?disabled=${this.busy}>${t("locked.open")}</button></div>
    </form>`;
  }
}

/** What somebody who has just begun needs: a code to give away, a backup, and the way on. */
@customElement("om-welcome")
export class OmWelcome extends OmElement {
  @state() private trouble = "";
  #making = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.client.subscribe(() => this.#make()));
    this.#make();
  }

  #make(): void {
    if (this.#making || this.app.home?.phase !== "running" || this.app.codes.length > 0) return;
    this.#making = true;
    app.client.ask({ t: "new-code" }, "done").catch((error: unknown) => {
      this.trouble = words(error);
    });
  }

  override render() {
    const code = this.app.codes[0];
    return html`<div class="stack">
      <h1>${t("welcome.title")}</h1>
      <section class="card stack" aria-labelledby="code">
        <h2 id="code">${t("welcome.code")}</h2>
        <p>${t("welcome.code.lead")}</p>
        ${code ? html`<om-code .code=${code}></om-code>` : nothing}
        <p class="bad" role="alert">${this.trouble}</p>
      </section>
      <om-add class="card"></om-add>
      <details class="card">
        <summary>${t("welcome.more")}</summary>
        <om-profile></om-profile>
      </details>
      <section class="card stack">
        <h2>${t("settings.export")}</h2>
        <p>${t("welcome.backup.lead")}</p>
        <om-backup></om-backup>
      </section>
      <div class="row">
        <button
          class="main"
          @click=${() =>
            this.dispatchEvent(new CustomEvent("om-go", { detail: "people", bubbles: true, composed: true }))}
        >
          ${t("next")}
        </button>
      </div>
    </div>`;
  }
}
