// Guests: links for people who have nothing but a browser, and who knocks by them.
import { css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { play } from "../call/sounds.js";
import { app } from "../elements/context.js";
import type { GuestShown, Kind, LinkShown } from "../node/messages.js";
import { copied, notify } from "../elements/optional.js";
import { plural, t, when } from "../i18n/index.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, words } from "../elements/element.js";
import { MAX_NAME_CHARS } from "../protocol/tables.js";

const HOURS = [1, 24, 7 * 24, 30 * 24] as const;
const KNOCK_MS = 1_500;

@customElement("om-guests")
export class OmGuests extends OmElement {
  @state() private shown: string | null = null;
  @state() private copied: string | null = null;
  @state() private rows: readonly string[] = [];
  @state() private mail: { plain: string; html: string } | null = null;
  @state() private trouble = "";

  async #make(event: Event): Promise<void> {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    this.trouble = "";
    try {
      const made = await app.client.ask(
        {
          t: "new-link",
          title: this.field("title").value.trim(),
          seconds: Number(this.field("hours").value) * 3_600,
          once: this.field("once").checked,
          knock: this.field("knock").checked,
        },
        "link-made",
      );
      this.mail = made;
      form.reset();
      form.closest("details")!.open = false;
      await this.#show(made.link);
    } catch (error) {
      this.trouble = words(error);
    }
  }

  async #show(link: string | null): Promise<void> {
    if (link !== this.shown) this.copied = null;
    this.shown = link;
    this.rows = [];
    const url = this.app.guests.links.find((one) => one.link === link)?.url;
    if (url === undefined) return;
    this.rows = await app.client.ask({ t: "draw-qr", text: url }, "qr").then(
      (qr) => qr.rows,
      () => [],
    );
  }

  async #copy(link: LinkShown): Promise<void> {
    const field = this.renderRoot.querySelector<HTMLTextAreaElement>("textarea")!;
    field.select();
    if (!(await copied(field.value))) document.execCommand("copy");
    this.copied = link.link;
  }

  /** With the button for mail programs that take HTML, and the words for all others. */
  async #copyMail(): Promise<void> {
    if (this.mail === null) return;
    const { plain, html: rich } = this.mail;
    if (await copied(plain, rich)) this.copied = "mail";
    else this.trouble = t("guests.mail.failed");
  }

  async #close(link: LinkShown): Promise<void> {
    if (!(await confirmed(t("guests.close.ask"), t("guests.close")))) return;
    await app.client.ask({ t: "close-link", link: link.link }, "done").catch((error: unknown) => {
      this.trouble = words(error);
    });
  }

  override render() {
    const { links, possible } = this.app.guests;
    return html`<section class="stack" aria-labelledby="guests">
      <h2 id="guests">${t("guests.title")}</h2>
      <p class="quiet">${t("guests.lead")}</p>
      <ul class="list">
        ${repeat(links, (link) => link.link, (link) => this.#link(link))}
      </ul>
      ${possible
        ? this.#form()
        : html`<p class="quiet">${t("guests.impossible")}</p>`}
      <p class="bad" role="alert">${this.trouble}</p>
    </section>`;
  }

  #link(link: LinkShown) {
    const open = this.shown === link.link;
    return html`<li class="card stack">
      <div class="row spread">
        <div class="tight">
          <strong><bdi>${link.title === "" ? t("guests.untitled") : link.title}</bdi></strong>
          <span class="quiet small">
            ${link.once ? t("guests.once") : t("guests.room")}${link.knock ? "" : ` · ${t("guests.letin")}`}
            ${link.expires === null ? "" : ` · ${t("codes.expires", { when: when(link.expires) })}`}
          </span>
          ${link.open ? nothing : html`<span class="warn small" role="status">${t("guests.away")}</span>`}
        </div>
        <div class="row">
          <button aria-expanded=${open} @click=${() => this.#show(open ? null : link.link)}>
            ${open ? t("close") : t("codes.show")}
          </button>
          <button @click=${() => this.#close(link)}>${t("guests.close")}</button>
        </div>
      </div>
      ${open ? this.#details(link) : nothing}
    </li>`;
  }

  #details(link: LinkShown) {
    const mail = `mailto:?subject=${encodeURIComponent(t("guests.mail.subject"))}&body=${encodeURIComponent(
      t("guests.mail.body", { link: link.url }),
    )}`;
    return html`<om-qr .rows=${this.rows} label=${t("guests.qr")}></om-qr>
      <textarea class="mono small" rows="3" readonly aria-label=${t("guests.link")}>${link.url}</textarea>
      <div class="row">
        <button class="main" @click=${() => this.#copy(link)}>
          ${this.copied === link.link ? t("copied") : t("copy")}
        </button>
        <a class="button" href=${mail}>${t("codes.mail")}</a>
        ${this.mail === null
          ? nothing
          : html`<button @click=${this.#copyMail}>
              ${this.copied === "mail" ? t("copied") : t("guests.mail.copy")}
            </button>`}
        <span class="live" role="status">${this.copied === null ? "" : t("copied")}</span>
      </div>`;
  }

  #form() {
    return html`<details class="card">
      <summary>${t("guests.new")}</summary>
      <form class="stack" @submit=${this.#make}>
        <label>${t("guests.about")} <input id="title" maxlength=${MAX_NAME_CHARS} /></label>
        <label
          >${t("codes.days")}
          <select id="hours">
            <option value="0">${t("guests.forever")}</option>
            ${HOURS.map(
              (hours) => html`<option value=${hours} ?selected=${hours === 24}>
                ${hours < 24 ? plural("guests.hours.n", hours) : plural("codes.days.n", hours / 24)}
              </option>`,
            )}
          </select></label
        >
        <label class="check"><input id="once" type="checkbox" checked />${t("guests.once.choose")}</label>
        <label class="check"><input id="knock" type="checkbox" checked />${t("guests.knock.choose")}</label>
        <div class="row"><button class="main">${t("guests.make")}</button></div>
      </form>
    </details>`;
  }
}

/** Cards above everything, a call included, until somebody decides. */
export const questions = css`
  :host {
    position: fixed;
    inset-block-start: 0.5rem;
    inset-inline: 0;
    margin-inline: auto;
    inline-size: min(34rem, calc(100% - 1rem));
    z-index: 20;
    display: grid;
    gap: 0.5rem;
    max-block-size: calc(100dvh - 1rem);
    overflow-y: auto; /* which would cut shadows of what is inside */
    border-radius: var(--radius);
    box-shadow: 0 4px 24px rgb(0 0 0 / 35%);
  }
`;

/** Who knocks. */
@customElement("om-knocks")
export class OmKnocks extends OmElement {
  static override styles = [OmElement.styles, questions];
  @state() private trouble = "";
  #heard = new Set<string>();

  override updated(): void {
    const knocking = this.app.guests.guests.filter((one) => !one.inside);
    const fresh = knocking.filter((one) => !this.#heard.has(one.guest));
    this.#heard = new Set(knocking.map((one) => one.guest));
    if (fresh.length === 0) return;
    const quiet = play("knock");
    setTimeout(quiet, KNOCK_MS);
    notify(t("knock.wants", { name: fresh[0]!.name }), { tag: fresh[0]!.guest });
  }

  async #admit(guest: string, ...kinds: Kind[]): Promise<void> {
    this.trouble = "";
    await app.client.ask({ t: "admit-guest", guest, kinds }, "done").catch((error: unknown) => {
      this.trouble = words(error);
    });
  }

  async #away(guest: string, close_link: boolean): Promise<void> {
    this.trouble = "";
    await app.client.ask({ t: "send-guest-away", guest, close_link }, "done").catch((error: unknown) => {
      this.trouble = words(error);
    });
  }

  override render() {
    const knocking = this.app.guests.guests.filter((one) => !one.inside);
    // In a call nobody can be let in, and who is talked to is to be seen. Who comes by a link into
    // the room itself knocks there.
    return this.app.calls.length > 0 || this.app.rooms.rooms.length > 0
      ? repeat(knocking.slice(0, 2), (one) => one.guest, (one) => this.#waits(one))
      : repeat(knocking, (one) => one.guest, (one) => this.#knock(one));
  }

  #waits(one: GuestShown) {
    return html`<div class="card row spread" role="status">
      <span>${t("knock.waits", { name: one.name })}</span>
      <button @click=${() => this.#away(one.guest, false)}>${t("knock.deny")}</button>
    </div>`;
  }

  #knock(one: GuestShown) {
    return html`<div class="card stack" role="alertdialog" aria-label=${t("knock.wants", { name: one.name })}>
      <p>
        <strong>${t("knock.wants", { name: one.name })}</strong>
        ${one.title === "" ? nothing : html`<br /><span class="quiet small"><bdi>${one.title}</bdi></span>`}
        <br /><span class="quiet small">${t("knock.unproven")}</span>
      </p>
      <div class="row">
        <button class="main" @click=${() => this.#admit(one.guest, "audio", "video")}>${t("knock.admit")}</button>
        <button @click=${() => this.#admit(one.guest, "audio")}>${t("knock.admit.voice")}</button>
        <button @click=${() => this.#away(one.guest, false)}>${t("knock.deny")}</button>
        <button @click=${() => this.#away(one.guest, true)}>${t("knock.deny.close")}</button>
      </div>
      <p class="bad" role="alert">${this.trouble}</p>
    </div>`;
  }
}
