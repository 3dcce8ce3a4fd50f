// Everybody we know: requests first, then contacts, and the page of one person.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import type { Field, Kind, Person, PersonAction } from "../node/messages.js";
import { ago, t } from "../i18n/index.js";
import { dropCode } from "./codes.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, words } from "../elements/element.js";
import { MAX_NAME_CHARS } from "../protocol/tables.js";

const SEEN = [
  ["default", null],
  ["always", true],
  ["never", false],
] as const;

export interface CallWish {
  identity: string;
  kinds: Kind[];
}

@customElement("om-people")
export class OmPeople extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      .name {
        justify-self: start;
        max-inline-size: 100%;
        padding: 0;
        min-block-size: 1.75rem;
      }
    `,
  ];
  @state() private search = "";
  @state() private trouble = "";

  async #change(identity: string, action: PersonAction): Promise<void> {
    this.trouble = "";
    await app.client.ask({ t: "change-person", who: identity, action }, "done").catch((error: unknown) => {
      this.trouble = words(error);
    });
  }

  #emit(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  override render() {
    const people = this.app.people;
    const requests = people.filter((one) => one.status === "requested-by-them");
    const wanted = this.search.trim().toLocaleLowerCase();
    const contacts = people.filter(
      (one) =>
        (one.status === "accepted" || one.status === "requested-by-us") &&
        one.name.toLocaleLowerCase().includes(wanted),
    );
    const blocked = people.filter((one) => one.status === "blocked");
    return html`<div class="stack">
      <h1>${t("people.title")}</h1>
      ${requests.length === 0
        ? nothing
        : html`<section class="stack" aria-labelledby="requests">
            <h2 id="requests">${t("people.requests")}</h2>
            <ul class="list">
              ${repeat(requests, (one) => one.identity, (one) => this.#request(one))}
            </ul>
          </section>`}
      <label>${t("people.search")} <input type="search" @input=${(e: InputEvent) => (this.search = (e.target as HTMLInputElement).value)} /></label>
      ${contacts.length === 0
        ? html`<p class="quiet">${wanted === "" ? t("people.none") : t("people.nomatch")}</p>`
        : html`<ul class="list" aria-label=${t("people.contacts")}>
            ${repeat(contacts, (one) => one.identity, (one) => this.#contact(one))}
          </ul>`}
      <p class="bad" role="alert">${this.trouble}</p>
      <om-guests></om-guests>
      <om-add class="card"></om-add>
      <om-say></om-say>
      <om-codes></om-codes>
      ${blocked.length === 0
        ? nothing
        : html`<section class="stack" aria-labelledby="blocked">
            <h2 id="blocked">${t("people.blocked")}</h2>
            <ul class="list">
              ${repeat(
                blocked,
                (one) => one.identity,
                (one) => html`<li class="row spread">
                  <bdi>${one.name}</bdi>
                  <button @click=${() => this.#change(one.identity, "unblock")}>${t("people.unblock")}</button>
                </li>`,
              )}
            </ul>
          </section>`}
    </div>`;
  }

  #request(one: Person) {
    return html`<li class="card stack">
      <div class="row">
        ${this.avatar(one.name, one.picture)}
        <div class="tight grow">
          <span><strong><bdi>${one.name}</bdi></strong> ${t("people.asks")}</span>
          ${one.note ? html`<q><bdi>${one.note}</bdi></q>` : nothing}
          ${one.code === null ? nothing : html`<span class="quiet small">${t("people.by", { label: one.code })}</span>`}
        </div>
      </div>
      <div class="row">
        <button class="main" @click=${() => this.#change(one.identity, "accept")}>${t("people.accept")}</button>
        <button @click=${() => this.#change(one.identity, "ignore")}>${t("people.ignore")}</button>
        <button @click=${() => this.#change(one.identity, "block")}>${t("people.block")}</button>
        ${one.code === null
          ? nothing
          : html`<button class="plain" @click=${() => this.#revoke(one.code!)}>${t("codes.drop")}</button>`}
      </div>
    </li>`;
  }

  async #revoke(label: string): Promise<void> {
    this.trouble = (await dropCode(label)) ?? "";
  }

  #contact(one: Person) {
    const state =
      one.status === "requested-by-us"
        ? t("people.waiting")
        : one.connected
          ? t("people.online")
          : one.last_seen === null
            ? t("people.never")
            : t("people.seen", { when: ago(one.last_seen) });
    return html`<li class="card row">
      ${this.avatar(one.name, one.picture)}
      <div class="tight grow">
        <button class="plain name" @click=${() => this.#emit("om-person", one.identity)}>
          <bdi class="clip"><strong>${one.name}</strong></bdi>
        </button>
        <span class="small ${one.connected ? "good" : "quiet"}">${state}</span>
      </div>
      <button
        class="main"
        aria-label=${t("people.call.who", { name: one.name })}
        @click=${() => this.#emit("om-call", { identity: one.identity, kinds: ["audio", "video"] } satisfies CallWish)}
      >
        ${t("people.call")}
      </button>
    </li>`;
  }
}

@customElement("om-person")
export class OmPerson extends OmElement {
  @property() identity = "";
  @state() private look: "" | "looking" | "reachable" | "unreachable" | "offline" = "";
  @state() private safety: { number: string; rows: readonly string[] } | null = null;
  @state() private trouble = "";

  get #person(): Person | undefined {
    return this.app.people.find((one) => one.identity === this.identity);
  }

  async #try(work: () => Promise<unknown>): Promise<void> {
    this.trouble = "";
    try {
      await work();
    } catch (error) {
      this.trouble = words(error);
    }
  }

  #change(action: PersonAction): Promise<void> {
    return this.#try(() =>
      app.client.ask({ t: "change-person", who: this.identity, action }, "done"),
    );
  }

  #emit(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #call(...kinds: Kind[]): void {
    this.#emit("om-call", { identity: this.identity, kinds } satisfies CallWish);
  }

  async #lookFor(): Promise<void> {
    this.look = "looking";
    await this.#try(async () => {
      const found = await app.client.ask({ t: "look-for", who: this.identity }, "presence");
      this.look = found.reachable ? "reachable" : this.app.home?.reachable ? "unreachable" : "offline";
    });
    if (this.trouble !== "") this.look = "";
  }

  async #leave(ask: string, act: string, action: PersonAction): Promise<void> {
    if (!(await confirmed(ask, act))) return;
    await this.#change(action);
    this.#emit("om-go", "people");
  }

  #sees(one: Person) {
    const me = this.app.me;
    const fields = [...(me?.fields ?? []).filter((field) => field.value !== "").map((field) => field.name)];
    if (me?.picture != null) fields.push("picture");
    return html`<section class="card stack">
      <h2>${t("person.sees", { name: one.name })}</h2>
      ${fields.map((name) => {
        const chosen = one.sees.find((seen) => seen.name === name)?.shown ?? null;
        return html`<label
          >${t(`field.${name}`)}
          <select
            @change=${(e: Event) =>
              this.#show(name, SEEN.find(([key]) => key === (e.target as HTMLSelectElement).value)?.[1] ?? null)}
          >
            ${SEEN.map(
              ([key, shown]) => html`<option value=${key} ?selected=${shown === chosen}>${t(`sees.${key}`)}</option>`,
            )}
          </select></label
        >`;
      })}
    </section>`;
  }

  #show(name: Field, shown: boolean | null): Promise<void> {
    return this.#try(() => app.client.ask({ t: "show-to", who: this.identity, name, shown }, "done"));
  }

  override render() {
    const one = this.#person;
    if (one === undefined) return html`<p>${t("people.nomatch")}</p>`;
    const card = (["phone", "email", "country"] as const).filter((field) => one.card[field]);
    return html`<div class="stack">
      <div class="row">
        <button class="plain" @click=${() => this.#emit("om-go", "people")}>${t("back")}</button>
      </div>
      <div class="row">
        ${this.avatar(one.name, one.picture)}
        <h1 class="grow"><bdi>${one.name}</bdi></h1>
        ${one.verified ? html`<span class="tag good">${t("people.verified")}</span>` : nothing}
      </div>
      <div class="row">
        <button class="main" @click=${() => this.#call("audio", "video")}>${t("people.call.video")}</button>
        <button @click=${() => this.#call("audio")}>${t("people.call.audio")}</button>
        <button ?disabled=${this.look === "looking"} @click=${this.#lookFor}>${t("person.look")}</button>
      </div>
      <p role="status">
        ${this.look === "looking" ? t("person.looking") : this.look === "" ? nothing : t(`person.${this.look}`)}
      </p>
      <section class="card stack">
        <h2>${t("person.card")}</h2>
        ${card.length === 0
          ? html`<p class="quiet">${t("person.card.none")}</p>`
          : card.map((field) => html`<p>${t(`field.${field}`)}: <bdi>${one.card[field]}</bdi></p>`)}
        <label
          >${t("person.rename")}
          <input
            maxlength=${MAX_NAME_CHARS}
            .value=${one.name}
            @change=${(e: Event) =>
              this.#try(() =>
                app.client.ask(
                  { t: "rename-person", who: one.identity, name: (e.target as HTMLInputElement).value },
                  "done",
                ),
              )}
        /></label>
        <label class="check"
          ><input
            type="checkbox"
            .checked=${one.favourite}
            @change=${() => this.#change(one.favourite ? "no-favourite" : "favourite")}
          />${t("person.favourite")}</label
        >
      </section>
      ${one.status === "accepted" ? this.#sees(one) : nothing}
      <section class="card stack">
        <h2>${t("person.verify")}</h2>
        <p>${t("person.verify.lead")}</p>
        ${this.safety === null
          ? html`<div class="row">
              <button
                @click=${() =>
                  this.#try(async () => {
                    this.safety = await app.client.ask({ t: "verify", who: one.identity }, "safety-number");
                  })}
              >
                ${t("person.verify")}
              </button>
            </div>`
          : html`<p class="mono" dir="ltr">${this.safety.number.match(/\d{1,5}/g)?.join(" ")}</p>
              <om-qr .rows=${this.safety.rows} label=${t("person.verify")}></om-qr>
              <div class="row">
                <button class="main" ?disabled=${one.verified} @click=${() => this.#change("mark-verified")}>
                  ${one.verified ? t("people.verified") : t("person.verify.same")}
                </button>
              </div>`}
      </section>
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row">
        <button
          @click=${() => this.#leave(t("person.block.ask", { name: one.name }), t("people.block"), "block")}
        >
          ${t("people.block")}
        </button>
        <button
          @click=${() => this.#leave(t("person.remove.ask", { name: one.name }), t("person.remove"), "remove")}
        >
          ${t("person.remove")}
        </button>
      </div>
    </div>`;
  }
}
