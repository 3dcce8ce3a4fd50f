// A room: everybody's picture, what one does there, and what happens.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, words } from "../elements/element.js";
import "../call/devices-panel.js";
import { Closed, closing, troubleTexts } from "../call/hints.js";
import { OmLive } from "../call/live-screen.js";
import "../call/preview.js";
import { chime } from "../call/sounds.js";
import type { Reaction, RoomChatLine } from "../node/client.js";
import { app } from "../elements/context.js";
import type { RoomAction, RoomShown, SeatAction } from "../node/messages.js";
import type { SendingView } from "../media/sending.js";
import { clock, has, inOurs, plural, t } from "../i18n/index.js";
import "./bar.js";
import type { OmRoomBar } from "./bar.js";
import { changes, type Change } from "./changes.js";
import "./chat.js";
import { icon } from "./icons.js";
import { HELP, KEYS, type RoomDeed } from "./keys.js";
import { leads } from "./people.js";
import { roomStyles } from "./screen.styles.js";
import "./stage.js";
import type { OmRoomStage } from "./stage.js";
import { Unnoticed } from "./unnoticed.js";

type Panel = "chat" | "people" | "devices" | null;
const SAID_MS = 5_000;

@customElement("om-room")
export class OmRoom extends OmLive<RoomDeed> {
  static override styles = [OmElement.styles, roomStyles];
  @property({ attribute: false }) room!: RoomShown;
  /** A call came between, for which we were muted here. */
  @property({ type: Boolean }) held = false;
  @state() private panel: Panel = null;
  @state() private view: "grid" | "speaker" = "grid";
  @state() private deaf = false;
  @state() private trouble = "";
  @state() private said = "";
  @state() private to = "";
  @state() private volumes: ReadonlyMap<string, number> = new Map();
  #closed = new Closed();
  @query("om-room-stage") private stage!: OmRoomStage | null;
  @query("om-room-bar") private bar!: OmRoomBar | null;
  protected readonly keys: Readonly<Record<string, RoomDeed>> = KEYS;
  protected readonly help = HELP;
  #unnoticed = new Unnoticed();
  #saidUntil = 0;
  #read: RoomChatLine | undefined;
  #line: RoomChatLine | undefined;
  #reaction: Reaction | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.media.subscribe(() => this.requestUpdate()));
    this.attend(() => () => this.#unnoticed.close());
  }

  protected get target(): string {
    return this.room.room;
  }

  protected get muted(): boolean | null {
    return this.#mine?.muted ?? null;
  }

  get #mine(): SendingView | null {
    return app.media.roomView(this.room.room);
  }

  get #lines(): readonly RoomChatLine[] {
    return this.app.roomLines.get(this.room.room) ?? [];
  }

  get #unread(): number {
    const lines = this.#lines;
    const read = this.#read === undefined ? -1 : lines.indexOf(this.#read);
    return lines.slice(read + 1).filter((line) => !line.mine).length;
  }

  // ── what happens ────────────────────────────────────────────────────────────────────────────────
  override willUpdate(changed: Map<string, unknown>): void {
    const before = changed.get("room") as RoomShown | undefined;
    if (before !== undefined && before.room === this.room.room) this.#happened(changes(before, this.room));
    const line = this.#lines.at(-1);
    const reaction = this.app.reactions.findLast((one) => one.room === this.room.room);
    if (!this.hasUpdated) [this.#read, this.#line, this.#reaction] = [line, line, reaction]; // no news
    if (this.panel === "chat") this.#read = line;
    else if (line !== undefined && line !== this.#line && !line.mine)
      this.#say(t(line.to === null ? "room.chat.new" : "room.chat.new.private", { name: line.name, text: line.text }));
    this.#line = line;
    const mine = this.room.people.find((one) => one.me)?.key;
    if (reaction !== undefined && reaction !== this.#reaction && reaction.key !== mine)
      this.#say(t("room.said.reaction", { name: reaction.name, emoji: reaction.emoji }));
    this.#reaction = reaction;
    if (this.held && this.#mine?.muted === false) {
      this.held = false;
      app.client.keep(this.room.room, { held: false });
    }
  }

  override updated(): void {
    // The preview of somebody who waits goes on in the room.
    if (this.room.state === "knocking") app.devices.keepPreviewFor(this.room.room);
  }

  #happened(found: readonly Change[]): void {
    if (found.length === 0) return;
    const text = (one: Change) => {
      const role = `room.role.${one.name}`;
      if (one.what === "role") return t("room.said.role", { role: has(role) ? t(role) : one.name });
      return one.what === "knock" ? t("room.knock", { name: one.name }) : t(`room.said.${one.what}`, { name: one.name });
    };
    this.#say(found.map(text).join(" "));
    // Who knocks is on the screen already, with what may be done about it.
    if (found.every((one) => one.what === "knock")) this.#saidUntil = 0;
    const sound = (["knock", "joined", "left", "hand"] as const).find((what) => found.some((one) => one.what === what));
    if (sound !== undefined) chime(sound);
  }

  #say(text: string): void {
    this.said = text;
    this.#saidUntil = Date.now() + SAID_MS;
  }

  protected override tick(): void {
    const muted = this.#mine?.muted !== false;
    this.#unnoticed.tick(app.media.ear(this.room.room), muted, this.talking);
    if (muted && this.app.muteAsked?.room === this.room.room) app.client.dismissMuteAsked(); // it is done
    this.requestUpdate(); // the clock
  }

  // ── what a person does ──────────────────────────────────────────────────────────────────────────
  protected override escape(): void {
    if (this.panel !== null) this.#close();
  }

  protected override act(deed: RoomDeed, pressed = true, emoji = ""): void {
    const mine = this.#mine;
    const { room } = this.room;
    if (mine === null) return;
    switch (deed) {
      case "mute":
        void this.#mute(!mine.muted);
        break;
      case "camera":
        void app.media.setCameraOff(room, !mine.cameraOff);
        break;
      case "share":
        void (mine.sharing ? app.media.stopShare(room) : app.media.startShare(room));
        break;
      case "hand": {
        const up = this.#hand;
        this.#say(t(up ? "room.said.hand.down" : "room.said.hand.up"));
        void this.#do(up ? "lower-hand" : "raise-hand");
        break;
      }
      case "talk":
        this.talk(pressed);
        break;
      case "react":
        app.client.tell({ t: "react-in-room", room, emoji });
        break;
      case "view":
        this.view = this.view === "grid" ? "speaker" : "grid";
        this.#say(t(this.view === "grid" ? "room.view.grid.now" : "room.view.speaker.now"));
        break;
      case "chat":
      case "people":
      case "devices":
        if (this.panel === deed) this.#close();
        else this.#open(deed);
        break;
      case "fullscreen":
        void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
        break;
      case "help":
        this.showHelp();
        break;
      case "lock":
        void this.#do(this.room.locked ? "unlock" : "lock");
        break;
      case "end":
        void confirmed(t("room.end.ask"), t("room.end")).then((yes) => (yes ? this.#do("end") : undefined));
        break;
      case "leave":
        void this.#do("leave");
        break;
    }
  }

  get #hand(): boolean {
    return this.room.people.find((one) => one.me)?.hand === true;
  }

  async #mute(muted: boolean): Promise<void> {
    await this.setMuted(muted);
    this.#say(t(this.#mine?.muted ? "call.muted.now" : "call.unmuted.now"));
  }

  #open(panel: Exclude<Panel, null>): void {
    this.panel = panel;
    if (panel === "chat") return; // the line to write takes the focus
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(".panel button")?.focus());
  }

  #close(): void {
    const from = this.panel;
    this.panel = null;
    if (from !== null) this.bar?.focusOn(from);
  }

  async #do(action: RoomAction): Promise<void> {
    this.trouble = "";
    await app.client
      .ask({ t: "change-room", room: this.room.room, action }, "done")
      .catch((error: unknown) => (this.trouble = words(error)));
  }

  async #seat(key: string, action: SeatAction): Promise<void> {
    await app.client
      .ask({ t: "change-seat", room: this.room.room, key, action }, "done")
      .catch((error: unknown) => (this.trouble = words(error)));
  }

  // ── what is shown ───────────────────────────────────────────────────────────────────────────────
  get #title(): string {
    return this.room.title === "" ? t("room.untitled") : this.room.title;
  }

  override render() {
    const { room } = this;
    if (room.page !== this.app.welcome?.page) return this.#elsewhere();
    if (room.state === "knocking") return this.#waiting();
    const mine = this.#mine;
    if (mine === null) return html`<p class="apart" role="status">${t("room.state.connecting")}</p>`;
    return html`<div class="head">
        <h1 class="who"><bdi class="clip">${this.#title}</bdi></h1>
        <span class="quiet">${clock(Math.max(0, Date.now() / 1_000 - room.since))}</span>
        <span class="quiet wide">${plural("room.count", room.people.length)}</span>
        ${room.locked ? html`<span class="quiet">${icon("lock")} ${t("room.islocked")}</span>` : nothing}
      </div>
      <om-room-stage
        .room=${room}
        .view=${this.view}
        .volumes=${this.volumes}
        .deaf=${this.deaf}
        .selfSpeaks=${this.#unnoticed.speaking}
        @om-deaf=${() => (this.deaf = true)}
      ></om-room-stage>
      <div class="toasts">${this.#toasts(mine)}</div>
      ${this.panel === null ? nothing : this.#panel(this.panel)}
      <om-room-bar
        .room=${room}
        .mine=${mine}
        .view=${this.view}
        .panel=${this.panel}
        .unread=${this.#unread}
        .hand=${this.#hand}
        @om-deed=${(event: CustomEvent<{ deed: RoomDeed; emoji: string }>) =>
          this.act(event.detail.deed, true, event.detail.emoji)}
      ></om-room-bar>
      ${this.helpDialog()}`;
  }

  #toasts(mine: SendingView): TemplateResult {
    const { room } = this;
    const asked = this.app.muteAsked?.room === room.room && !mine.muted ? this.app.muteAsked : null;
    const knock = this.panel !== "people" && leads(room.role) ? room.knocking[0] : undefined;
    const hint = this.#unnoticed.told ? t("room.muted.speaking") : this.held ? t("room.onhold") : "";
    return html`<span class="live" role="status">${this.said}</span>
      <span class="said" aria-hidden="true" ?hidden=${Date.now() > this.#saidUntil}>${this.said}</span>
      ${knock === undefined
        ? nothing
        : html`<div class="toast" role="group" aria-label=${t("room.knocks")}>
            <span>${t("room.knock", { name: knock.name })}</span>
            <span class="row">
              <button class="main" @click=${() => this.#seat(knock.key, "admit")}>${t("room.admit")}</button>
              <button @click=${() => this.#seat(knock.key, "deny")}>${t("room.deny")}</button>
            </span>
          </div>`}
      ${asked === null
        ? nothing
        : html`<div class="toast" role="alert">
            <span>${t("room.mute.asked", { name: asked.name })}</span>
            <span class="row">
              <button
                class="main"
                @click=${() => {
                  app.client.dismissMuteAsked();
                  void this.#mute(true);
                }}
              >
                ${t("room.mic.mute")}
              </button>
              <button @click=${() => app.client.dismissMuteAsked()}>${t("room.mute.no")}</button>
            </span>
          </div>`}
      ${this.deaf
        ? html`<button
            class="toast main"
            @click=${() => {
              this.deaf = false;
              this.stage?.play();
            }}
          >
            ${t("room.hear")}
          </button>`
        : nothing}
      ${room.people.length < 2 && this.panel === null
        ? html`<div class="toast">
            <span>${t("room.alone")}</span>
            <button class="main" @click=${() => this.#open("people")}>${t("room.alone.invite")}</button>
          </div>`
        : nothing}
      ${hint === "" ? nothing : html`<div class="toast" role="status">${hint}</div>`}
      ${repeat(
        this.#closed.left(this.#troubles(mine)),
        (text) => text,
        (text) =>
          html`<div class="toast" role="alert">
            <bdi>${text}</bdi>
            ${closing(this.#closed, text, () => this.requestUpdate())}
          </div>`,
      )}`;
  }

  #troubles(mine: SendingView): string[] {
    const found = troubleTexts(mine.trouble);
    // That somebody may be lying must not wait for a panel to be opened.
    found.push(...this.room.warnings.map((one) => inOurs(one) ?? one));
    if (this.trouble !== "") found.push(this.trouble);
    return found;
  }

  #panel(panel: Exclude<Panel, null>) {
    const { room } = this;
    const title = panel === "chat" ? t("chat.title") : panel === "people" ? t("room.people") : t("call.devices");
    return html`<aside class="panel" aria-label=${title}>
      <div class="row spread">
        <h2>${title}</h2>
        <button class="icon" aria-label=${t("close")} title=${t("close")} @click=${() => this.#close()}>${icon("close")}</button>
      </div>
      <div
        class="content ${panel}"
        @om-volume=${(event: CustomEvent<{ key: string; volume: number }>) =>
          (this.volumes = new Map(this.volumes).set(event.detail.key, event.detail.volume))}
        @om-private=${(event: CustomEvent<string>) => {
          this.to = event.detail;
          this.#open("chat");
        }}
      >
        ${panel === "chat"
          ? html`<om-room-chat .room=${room} .to=${this.to}></om-room-chat>`
          : panel === "people"
            ? html`<om-room-people
                .room=${room}
                .contacts=${this.stage?.contacts ?? new Map()}
                .volumes=${this.volumes}
                .speaks=${(key: string) => this.stage?.speaks(key) === true}
              ></om-room-people>`
            : html`<om-devices .call=${room.room}></om-devices>`}
      </div>
    </aside>`;
  }

  #waiting() {
    return html`<div class="apart">
      <h1><bdi>${this.#title}</bdi></h1>
      <p role="status"><strong>${t("room.wait")}</strong><br />${t("room.wait.lead")}</p>
      <om-preview></om-preview>
      <button class="danger" @click=${() => this.#do("leave")}>${t("room.wait.away")}</button>
      <p role="alert">${this.trouble}</p>
    </div>`;
  }

  #elsewhere() {
    return html`<div class="apart">
      <h1><bdi>${this.#title}</bdi></h1>
      <p role="status">${t(this.room.page === null ? "room.elsewhere.headless" : "room.elsewhere")}</p>
      <div class="row">
        <button class="main" @click=${() => this.#do("move-here")}>${t("room.here")}</button>
        <button class="danger" @click=${() => this.#do("leave")}>${t("room.leave")}</button>
      </div>
      <p role="alert">${this.trouble}</p>
    </div>`;
  }
}
