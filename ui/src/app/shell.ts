// The frame: sections, the node's state, news, and the call that covers everything.
import { css, html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { keyed } from "lit/directives/keyed.js";
import { repeat } from "lit/directives/repeat.js";
import { app } from "../elements/context.js";
import { sound } from "../media/sound.js";
import type { CallShown, Kind, News, RoomShown } from "../node/messages.js";
import { t } from "../i18n/index.js";
import { OmElement } from "../elements/element.js";
import type { CallWish } from "./people.js";
import type { RoomWish } from "./room-prejoin.js";

type Section = "people" | "rooms" | "history" | "settings";
const SECTIONS: readonly Section[] = ["people", "rooms", "history", "settings"];

/** A page that may make a sound finds out within milliseconds. */
const SILENT_AFTER = 1_500;

@customElement("om-app")
export class OmApp extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        grid-template-rows: auto 1fr auto;
        min-block-size: 100dvh;
      }
      main {
        padding: 1rem;
        inline-size: min(46rem, 100%);
        margin-inline: auto;
        min-inline-size: 0;
      }
      nav {
        display: flex;
        position: sticky;
        inset-block-end: 0;
        background: var(--surface);
        border-block-start: 1px solid var(--edge);
        padding: 0.25rem;
      }
      nav button {
        flex: 1 1 auto;
        font-size: 0.9rem;
        border-color: transparent;
        background: transparent;
        border-radius: var(--radius);
        min-inline-size: 0;
        padding-inline: 0.25rem;
      }
      nav button[aria-current="page"] {
        background: var(--sunken);
        font-weight: 600;
      }
      .brand,
      .state {
        display: none;
      }
      .banner {
        padding: 0.6rem 1rem;
        background: var(--sunken);
        border-block-end: 1px solid var(--edge);
        text-align: center;
      }
      /* Over the page, not in it: what is being pressed must not move away underneath. */
      .news {
        position: fixed;
        inset-block-end: 4.5rem;
        inset-inline: 0;
        display: grid;
        gap: 0.5rem;
        inline-size: min(34rem, calc(100% - 1rem));
        margin-inline: auto;
        z-index: 10;
        pointer-events: none;
      }
      .news .card {
        pointer-events: auto;
        box-shadow: 0 4px 24px rgb(0 0 0 / 35%);
      }
      .over {
        position: fixed;
        inset-block-start: 3.5rem;
        inset-inline: 0.5rem;
        margin-inline: auto;
        inline-size: min(32rem, calc(100% - 1rem));
        max-block-size: calc(100dvh - 8rem);
        overflow: auto;
        z-index: 10;
        border-radius: var(--radius);
        box-shadow: 0 8px 40px rgb(0 0 0 / 60%);
      }
      .over om-ring {
        min-block-size: 0;
      }
      .over main {
        background: var(--surface);
        inline-size: auto;
      }
      @media (min-width: 52rem) {
        :host {
          grid-template: auto 1fr / 14rem 1fr;
        }
        .top {
          grid-column: 2;
        }
        .news {
          inset-block-end: 1rem;
          inset-inline-start: 14rem;
        }
        main {
          grid-area: 2 / 2;
          padding: 2rem;
        }
        main.alone {
          grid-area: 2 / 1 / 3 / 3;
        }
        nav {
          grid-area: 1 / 1 / 3 / 2;
          flex-direction: column;
          gap: 0.25rem;
          block-size: 100dvh;
          inset-block-start: 0;
          border-block-start: 0;
          border-inline-end: 1px solid var(--edge);
          padding: 1rem;
        }
        nav button {
          flex: none;
          font-size: inherit;
          justify-content: start;
          padding-inline: 1rem;
        }
        .brand {
          display: block;
          font-weight: 700;
          font-size: 1.2rem;
          padding: 0.25rem 1rem 1rem;
        }
        .state {
          display: block;
          margin-block-start: auto;
          padding: 1rem;
        }
      }
    `,
  ];
  @state() private section: Section = "people";
  @state() private person: string | null = null;
  @state() private welcoming = false;
  @state() private wish: CallWish | null = null;
  @state() private answering: string | null = null;
  @state() private roomWish: RoomWish | null = null;
  /** The browser has had time to say whether this page may make a sound. */
  @state() private silent = false;
  /** The room in which we were muted for a call. */
  @state() private held: string | null = null;
  /** The call for which that was done. */
  #heldFor: string | null = null;
  #called = false;

  override connectedCallback(): void {
    super.connectedCallback();
    const listen = (name: string, act: (detail: never) => void) => {
      const handler = (event: Event) => act((event as CustomEvent).detail as never);
      this.addEventListener(name, handler);
      this.attend(() => () => this.removeEventListener(name, handler));
    };
    listen("om-welcome", () => (this.welcoming = true));
    listen("om-go", (section: Section) => this.#go(section));
    listen("om-person", (identity: string) => (this.person = identity));
    listen("om-call", (wish: CallWish) => {
      app.client.dismissOver();
      this.wish = wish;
    });
    listen("om-room-wish", (wish: RoomWish) => {
      app.client.dismissRoomOver();
      this.roomWish = wish;
    });
    listen("om-prepare", (call: string) => (this.answering = call));
    listen("om-prejoin-end", () => {
      this.wish = null;
      this.answering = null;
      this.roomWish = null;
    });
    this.attend(() => sound.subscribe(() => this.requestUpdate()));
    const timer = setTimeout(() => (this.silent = true), SILENT_AFTER);
    this.attend(() => () => clearTimeout(timer));
    const focus = () => app.client.tell({ t: "focus" });
    window.addEventListener("focus", focus);
    this.attend(() => () => window.removeEventListener("focus", focus));
  }

  override willUpdate(): void {
    const { calls } = this.app;
    // The call is there (or was): what prepared it has done its work, devices included.
    if (calls.length > 0) this.wish = null;
    if (!calls.some((call) => call.call === this.answering)) this.answering = null;
    if (this.#called && calls.length === 0) app.devices.closePreview();
    this.#called = calls.length > 0;
    const room = this.#room;
    if (room !== null) this.roomWish = null;
    // Another page may have done it, which is gone.
    this.held = room !== null && app.client.kept(room.room)?.held === true ? room.room : null;
    const taken = calls.find((call) => call.state !== "ringing-in");
    if (taken === undefined) this.#heldFor = null;
    else if (room !== null && this.#heldFor !== taken.call) this.#hold(room.room, taken.call);
  }

  /** The room that covers everything: one that this page carries, else any. */
  get #room(): RoomShown | null {
    const { rooms } = this.app.rooms;
    return rooms.find((one) => one.page === this.app.welcome?.page) ?? rooms[0] ?? null;
  }

  /** Nobody in the room shall hear or see the call that comes between. */
  #hold(room: string, call: string): void {
    if (app.media.roomView(room) === null) return;
    this.#heldFor = call;
    this.held = room;
    app.client.keep(room, { held: true });
    void app.media.stopShare(room);
    void app.media.setMuted(room, true);
    void app.media.setCameraOff(room, true);
  }

  #go(section: Section): void {
    this.section = section;
    this.person = null;
    this.welcoming = false;
  }

  override render() {
    const { link, home } = this.app;
    if (link === "unauthorized")
      return this.#plain(html`<om-entry class="stack"></om-entry>`);
    if (link === "outdated")
      return this.#plain(html`<h1>${t("link.outdated")}</h1>
        <button class="main" @click=${() => location.reload()}>${t("link.reload")}</button>`);
    if (home === null)
      return this.#plain(html`<p role="status">${link === "lost" ? t("link.lost") : t("link.connecting")}</p>`);
    switch (home.phase) {
      case "new":
        return this.#plain(html`<om-first-run></om-first-run>`);
      case "locked":
        return this.#plain(html`<om-locked></om-locked>`);
      case "starting":
        return this.#plain(html`<p role="status">${home.trouble ?? t("phase.starting")}</p>`);
      case "stopped":
        return this.#plain(html`<p role="status">${t("phase.stopped")}</p>`);
      case "running":
        return this.welcoming ? this.#plain(html`<om-welcome></om-welcome>`) : this.#running();
    }
  }

  #plain(content: TemplateResult) {
    return html`${this.#banner()}<main class="stack alone">${content}</main>`;
  }

  #banner() {
    const lost = this.app.link === "lost" && this.app.home !== null;
    return html`<om-asking></om-asking>${lost
        ? html`<div class="banner top" role="status">${t("link.lost")}</div>`
        : nothing}`;
  }

  #running() {
    const { home, news } = this.app;
    const stage = this.#stage();
    const room = this.#room;
    const between = this.#between();
    const seen = this.section === "rooms" && stage === null && room === null; // they stand there
    const knocks = html`<om-knocks></om-knocks><om-invitations ?hidden=${seen}></om-invitations>`;
    // A call that only rings stands over the room, which goes on; one that was taken, in its place.
    if (room !== null && (between === null || this.#ringing !== undefined))
      return html`${this.#banner()}${knocks}
        <om-room role="main" .room=${room} .held=${this.held === room.room}></om-room>
        ${between === null ? nothing : html`<div class="over">${between}</div>`}`;
    if (stage !== null) return html`${this.#banner()}${knocks}${stage}`;
    const state = !home?.reachable
      ? t("status.waiting")
      : home.bootstraps === 0
        ? t("status.alone")
        : t("status.reachable");
    return html`${knocks}<div class="top">
        ${this.#banner()}
        <div class="news" role="log">${this.#silence()}${repeat(
          news.filter((one) => this.#stands(one)),
          (one) => one,
          (one) => this.#news(one),
        )}</div>
      </div>
      <main id="main">
        ${this.person !== null
          ? html`<om-person .identity=${this.person}></om-person>`
          : this.section === "people"
            ? html`<om-people></om-people>`
            : this.section === "rooms"
              ? html`<om-rooms></om-rooms>`
              : this.section === "history"
                ? html`<om-history></om-history>`
                : html`<om-settings></om-settings>`}
      </main>
      <nav aria-label=${t("nav.label")}>
        <span class="brand">${t("app.name")}</span>
        ${SECTIONS.map(
          (section) => html`<button
            aria-current=${section === this.section ? "page" : "false"}
            @click=${() => this.#go(section)}
          >
            ${t(`nav.${section}`)}
          </button>`,
        )}
        <span class="state small quiet" role="status">${state}</span>
      </nav>`;
  }

  get #ringing(): CallShown | undefined {
    return this.app.calls.find((call) => call.state === "ringing-in");
  }

  /** A call with one person, from ringing to its end. */
  #between(): unknown {
    const { calls } = this.app;
    const ringing = this.#ringing;
    if (ringing !== undefined) {
      const answer = this.answering === ringing.call;
      return answer ? this.#prejoin(ringing.identity, ringing.name, ringing.kinds, ringing.call) : this.#ring(ringing);
    }
    const dialing = calls.find((call) => call.state === "dialing" || call.state === "ringing-out");
    if (dialing !== undefined) return this.#ring(dialing);
    const going = calls[0];
    return going === undefined ? null : html`<om-call-screen role="main" .call=${going}></om-call-screen>`;
  }

  /** What covers everything: a call, the preparation of one or of a room, and what is over. */
  #stage(): unknown {
    const { over, roomOver } = this.app;
    const between = this.#between();
    if (between !== null) return between;
    if (this.wish !== null) {
      const { identity, kinds } = this.wish;
      const name = this.app.people.find((one) => one.identity === identity)?.name ?? identity.slice(0, 12);
      return this.#prejoin(identity, name, kinds, null);
    }
    if (this.roomWish !== null)
      return html`<main class="alone"><om-room-prejoin .wish=${this.roomWish}></om-room-prejoin></main>`;
    if (over !== null) return html`<main class="alone"><om-after .over=${over}></om-after></main>`;
    if (roomOver !== null) return html`<main class="alone"><om-room-over .over=${roomOver}></om-room-over></main>`;
    return null;
  }

  #ring(call: CallShown): unknown {
    // Each has buttons of its own: a press that was begun for one never answers the next.
    return keyed(call.call, html`<om-ring role="main" .call=${call}></om-ring>`);
  }

  #prejoin(identity: string, name: string, kinds: readonly Kind[], answer: string | null) {
    return html`<main class="alone">
      <om-prejoin .identity=${identity} .name=${name} .kinds=${kinds} .answer=${answer}></om-prejoin>
    </main>`;
  }

  /** Any touch of the page ends it; here is one that does nothing else. */
  #silence() {
    return this.silent && !sound.allowed
      ? html`<div class="card row spread">
          <span>${t("silence")}</span>
          <button class="main">${t("silence.end")}</button>
        </div>`
      : nothing;
  }

  /** Whether it is still news: a request that was answered is none. */
  #stands(one: News): boolean {
    if (one.what !== "contact-request") return true;
    return this.app.people.some(
      (person) => person.identity === one.identity && person.status === "requested-by-them",
    );
  }

  #news(one: News) {
    return html`<div class="card row spread">
      <span>${t(`news.${one.what}`, { name: one.name })}</span>
      <button class="plain" @click=${() => app.client.dismissNews(one)}>${t("news.dismiss")}</button>
    </div>`;
  }
}
