// Rooms: coming into one, making one, and the meetings that stay.
import { css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { play } from "../call/sounds.js";
import { app } from "../elements/context.js";
import type { Invitation, Meeting, Repeats } from "../node/messages.js";
import { copied, notify } from "../elements/optional.js";
import { t } from "../i18n/index.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, words } from "../elements/element.js";
import type { RoomWish } from "./room-prejoin.js";
import "./room-prejoin.js";
import { MAX_CODE_CHARS } from "../node/limits.js";
import { MAX_NAME_CHARS } from "../protocol/tables.js";

const REPEATS: readonly Repeats[] = ["once", "daily", "weekly"];
const INVITED_MS = 1_500;
const HOUR = 3_600_000;

/** The next full hour, as a field for local times wants it. */
function nextHour(): string {
  const hour = new Date(Math.ceil(Date.now() / HOUR) * HOUR);
  return new Date(hour.getTime() - hour.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

abstract class RoomElement extends OmElement {
  @state() protected trouble = "";

  protected wish(wish: RoomWish): void {
    this.dispatchEvent(new CustomEvent("om-room-wish", { detail: wish, bubbles: true, composed: true }));
  }

  protected async attempt(work: () => Promise<unknown>): Promise<void> {
    this.trouble = "";
    await work().catch((error: unknown) => (this.trouble = words(error)));
  }

  protected dismiss(room: string): Promise<void> {
    return this.attempt(() => app.client.ask({ t: "dismiss-invitation", room }, "done"));
  }
}

@customElement("om-rooms")
export class OmRooms extends RoomElement {
  @state() private planning: string | null = null;
  @state() private copied: string | null = null;

  #make(event: Event): void {
    event.preventDefault();
    const title = this.field("title").value.trim();
    const standing = this.field("standing").checked;
    if (standing && title === "") this.field("title").focus();
    else this.wish({ how: "new", title, standing });
  }

  #join(event: Event): void {
    event.preventDefault();
    const code = this.field("code").value.trim();
    if (code !== "") this.wish({ how: "code", code });
  }

  async #copy(meeting: Meeting): Promise<void> {
    await copied(meeting.code);
    this.copied = meeting.title;
  }

  async #forget({ title }: Meeting): Promise<void> {
    if (await confirmed(t("rooms.forget.ask", { title }), t("rooms.forget")))
      await this.attempt(() => app.client.ask({ t: "forget-meeting", title }, "done"));
  }

  async #plan(event: Event, title: string): Promise<void> {
    event.preventDefault();
    await this.attempt(async () => {
      const file = await app.client.ask(
        {
          t: "plan-meeting",
          title,
          start: Math.floor(new Date(this.field("start").value).getTime() / 1_000),
          minutes: Number(this.field("minutes").value),
          repeats: this.field("repeats").value as Repeats,
          zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
          guests: this.field("guests").checked,
        },
        "calendar",
      );
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([file.text], { type: "text/calendar" }));
      link.download = file.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      this.planning = null;
    });
  }

  override render() {
    const { invitations, meetings } = this.app.rooms;
    return html`<div class="stack">
      <h1>${t("rooms.title")}</h1>
      <p class="quiet">${t("rooms.lead")}</p>
      <p class="bad" role="alert">${this.trouble}</p>
      ${invitations.length === 0
        ? nothing
        : html`<section class="stack" aria-labelledby="invitations">
            <h2 id="invitations">${t("rooms.invitations")}</h2>
            <ul class="list">
              ${repeat(invitations, (one) => one.room, (one) => this.#invitation(one))}
            </ul>
          </section>`}
      <form class="card stack" @submit=${this.#make}>
        <h2>${t("rooms.new")}</h2>
        <label>${t("rooms.name")} <input id="title" maxlength=${MAX_NAME_CHARS} autocomplete="off" /></label>
        <label class="check"><input id="standing" type="checkbox" />${t("rooms.standing")}</label>
        <div class="row"><button class="main">${t("rooms.prepare")}</button></div>
      </form>
      <form class="card stack" @submit=${this.#join}>
        <h2>${t("rooms.join")}</h2>
        <label
          >${t("rooms.code")}
          <textarea id="code" class="mono" dir="ltr" rows="2" maxlength=${MAX_CODE_CHARS} required aria-describedby="hint"></textarea>
          <span id="hint" class="quiet small">${t("rooms.code.hint")}</span></label
        >
        <div class="row"><button>${t("rooms.prepare")}</button></div>
      </form>
      ${meetings.length === 0
        ? nothing
        : html`<section class="stack" aria-labelledby="meetings">
            <h2 id="meetings">${t("rooms.meetings")}</h2>
            <ul class="list">
              ${repeat(meetings, (one) => one.code, (one) => this.#meeting(one))}
            </ul>
          </section>`}
    </div>`;
  }

  #invitation(one: Invitation) {
    const { room, title } = one;
    return html`<li class="card row spread">
      ${this.avatar(one.name, this.pictureOf(one.identity))}
      <div class="tight grow">
        <span>${t("rooms.invites", { name: one.name })}</span>
        ${title === "" ? nothing : html`<span class="quiet small"><bdi>${title}</bdi></span>`}
      </div>
      <div class="row">
        <button class="main" @click=${() => this.wish({ how: "invitation", room, title })}>${t("rooms.enter")}</button>
        <button @click=${() => this.dismiss(room)}>${t("rooms.dismiss")}</button>
      </div>
    </li>`;
  }

  #meeting(one: Meeting) {
    const { title } = one;
    const planning = this.planning === title;
    return html`<li class="card stack">
      <div class="row spread">
        <strong class="grow"><bdi>${title}</bdi></strong>
        <div class="row">
          <button
            class="main"
            aria-label=${t("rooms.start.who", { title })}
            @click=${() => this.wish({ how: "new", title, standing: true })}
          >
            ${t("rooms.start")}
          </button>
          <button @click=${() => this.#copy(one)}>${this.copied === title ? t("copied") : t("rooms.code.copy")}</button>
          <button aria-expanded=${planning} @click=${() => (this.planning = planning ? null : title)}>
            ${t("rooms.plan")}
          </button>
          <button @click=${() => this.#forget(one)}>${t("rooms.forget")}</button>
        </div>
      </div>
      ${planning ? this.#calendar(title) : nothing}
    </li>`;
  }

  #calendar(title: string) {
    return html`<form class="stack" @submit=${(event: Event) => this.#plan(event, title)}>
      <div class="row">
        <label class="grow"
          >${t("rooms.plan.start")} <input id="start" type="datetime-local" required .value=${nextHour()}
        /></label>
        <label class="grow"
          >${t("rooms.plan.minutes")} <input id="minutes" type="number" min="1" max="10080" required value="60"
        /></label>
        <label class="grow"
          >${t("rooms.plan.repeats")}
          <select id="repeats">
            ${REPEATS.map((repeats) => html`<option value=${repeats}>${t(`rooms.repeats.${repeats}`)}</option>`)}
          </select></label
        >
      </div>
      <label class="check"><input id="guests" type="checkbox" checked />${t("rooms.plan.guests")}</label>
      <div class="row"><button class="main">${t("rooms.plan.go")}</button></div>
    </form>`;
  }
}

/** Invitations that come while one looks elsewhere: above everything, a call included. */
@customElement("om-invitations")
export class OmInvitations extends RoomElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        position: fixed;
        inset-block-end: 5rem;
        inset-inline: 0;
        margin-inline: auto;
        inline-size: min(30rem, calc(100% - 1rem));
        z-index: 20;
        display: grid;
        gap: 0.5rem;
      }
      .card {
        box-shadow: 0 4px 24px rgb(0 0 0 / 35%);
      }
    `,
  ];
  #heard: Set<string> | null = null;
  @state() private closed: ReadonlySet<string> = new Set();

  override updated(): void {
    const { invitations } = this.app.rooms;
    const fresh = invitations.filter((one) => this.#heard?.has(one.room) === false);
    // What is there when the page opens is in its section; it makes no sound.
    if (this.app.link === "open") this.#heard = new Set([...(this.#heard ?? []), ...invitations.map((one) => one.room)]);
    if (fresh.length === 0) return;
    const quiet = play("knock");
    setTimeout(quiet, INVITED_MS);
    notify(t("rooms.invites", { name: fresh[0]!.name }), { tag: fresh[0]!.room });
  }

  override render() {
    const { calls, rooms } = this.app;
    const inside = new Set(rooms.rooms.map((one) => one.room));
    const busy = calls.length > 0 || inside.size > 0;
    const shown = rooms.invitations.filter((one) => !inside.has(one.room) && !this.closed.has(one.room));
    return repeat(shown.slice(0, 2), (one) => one.room, (one) => this.#card(one, busy));
  }

  #card(one: Invitation, busy: boolean) {
    const { room, title } = one;
    const close = () => (this.closed = new Set([...this.closed, room]));
    return html`<div class="card row spread" role="alert">
      <div class="tight grow">
        <strong>${t("rooms.invites", { name: one.name })}</strong>
        ${title === "" ? nothing : html`<span class="quiet small"><bdi>${title}</bdi></span>`}
        ${busy ? html`<span class="quiet small">${t("rooms.later")}</span>` : nothing}
      </div>
      <div class="row">
        ${busy
          ? html`<button @click=${close}>${t("close")}</button>`
          : html`<button
                class="main"
                @click=${() => {
                  close();
                  this.wish({ how: "invitation", room, title });
                }}
              >
                ${t("rooms.enter")}
              </button>
              <button @click=${() => this.dismiss(room)}>${t("rooms.dismiss")}</button>`}
      </div>
    </div>`;
  }
}
