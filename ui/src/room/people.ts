// Everybody in the room: who waits at the door, who is in, and what may be done about each.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { confirmed } from "../elements/dialogs.js";
import { OmElement, said, words } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { Participant, Role, RoomShown, SeatAction } from "../node/messages.js";
import { plural, t } from "../i18n/index.js";
import type { Contact } from "./changes.js";
import "./invite.js";
import { bars, icon } from "./icons.js";

/** Who may let in, remove, ask to mute, lock. */
export const leads = (role: Role | null): boolean => role === "host" || role === "co-host";

@customElement("om-room-people")
export class OmRoomPeople extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        gap: 1.25rem;
        align-content: start;
      }
      li.one {
        border-block-end: 1px solid var(--edge);
        padding-block: 0.5rem;
      }
      .head {
        display: flex;
        gap: 0.6rem;
        align-items: center;
      }
      .marks {
        display: flex;
        gap: 0.4rem;
        align-items: center;
      }
      .marks .glyph {
        inline-size: 1.15rem;
        block-size: 1.15rem;
        color: var(--quiet);
      }
      .bars.good {
        color: var(--good);
      }
      .bars.fair {
        color: var(--warn);
      }
      .bars.poor,
      .bars.lost {
        color: var(--bad);
      }
      .more {
        gap: 0.6rem;
        padding-block: 0.5rem;
        padding-inline-start: 3.35rem;
      }
      .more button {
        min-block-size: 2.25rem;
      }
      button.icon .glyph {
        inline-size: 1.25rem;
      }
      .knock {
        border-color: var(--accent);
      }
      .knock .row {
        flex-wrap: nowrap;
      }
      .knock .grow {
        flex-basis: 0;
      }
    `,
  ];
  @property({ attribute: false }) room!: RoomShown;
  @property({ attribute: false }) contacts: ReadonlyMap<string, Contact> = new Map();
  @property({ attribute: false }) volumes: ReadonlyMap<string, number> = new Map();
  @property({ attribute: false }) speaks: (key: string) => boolean = () => false;
  @state() private open: string | null = null;
  @state() private told = "";
  @state() private trouble = "";

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.media.subscribe(() => this.requestUpdate()));
  }

  async #do(key: string, action: SeatAction): Promise<void> {
    this.trouble = this.told = "";
    await app.client.ask({ t: "change-seat", room: this.room.room, key, action }, "done").then(
      () => (this.told = action === "ask-mute" ? t("room.do.asked") : ""),
      (error: unknown) => (this.trouble = words(error)),
    );
  }

  async #remove(one: Participant): Promise<void> {
    if (await confirmed(t("room.do.remove.ask", { name: one.name }), t("room.do.remove"))) await this.#do(one.key, "remove");
  }

  #emit(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  override render() {
    const { room } = this;
    const hands = room.people.filter((one) => one.hand);
    const rest = room.people.filter((one) => !one.hand);
    return html`${room.warnings.length === 0
        ? nothing
        : html`<section class="card stack" role="alert">
            <h3 class="bad">${t("room.warning")}</h3>
            ${room.warnings.map((warning) => said(warning))}
          </section>`}
      ${room.knocking.length === 0
        ? nothing
        : html`<section class="card stack knock">
            <h3>${t("room.knocks")}</h3>
            <ul class="list">
              ${repeat(
                room.knocking,
                (one) => one.key,
                (one) => html`<li class="row spread">
                  <bdi class="grow">${one.name}</bdi>
                  <span class="row">
                    <button class="main" @click=${() => this.#do(one.key, "admit")}>${t("room.admit")}</button>
                    <button @click=${() => this.#do(one.key, "deny")}>${t("room.deny")}</button>
                  </span>
                </li>`,
              )}
            </ul>
            <p class="quiet small">${t("room.knock.unproven")}</p>
          </section>`}
      <section>
        <h3>${plural("room.count", room.people.length)}</h3>
        <ul class="list">
          ${repeat([...hands, ...rest], (one) => one.key, (one) => this.#person(one))}
        </ul>
        <p class="bad" role="alert">${this.trouble}</p>
        <p class="live" role="status">${this.told}</p>
      </section>
      <om-room-door .room=${room}></om-room-door>`;
  }

  #person(one: Participant) {
    const open = this.open === one.key;
    const contact = this.contacts.get(one.key) ?? "fine";
    const known = one.identity === null ? undefined : this.app.people.find((other) => other.identity === one.identity);
    const picture = one.me ? (this.app.me?.picture ?? null) : (known?.picture ?? null);
    return html`<li class="one">
      <div class="head">
        ${this.avatar(one.name, picture)}
        <div class="tight grow">
          <span class="who"
            ><bdi class="clip"><strong>${one.name}</strong></bdi>${one.me ? html` <span class="quiet">(${t("room.you")})</span>` : nothing}</span
          >
          <span class="small quiet">${this.#line(one, contact)}</span>
        </div>
        <span class="marks">${this.#marks(one, contact)}</span>
        ${one.me
          ? nothing
          : html`<button
              class="icon plain"
              aria-expanded=${open}
              aria-label=${t("room.about", { name: one.name })}
              @click=${() => (this.open = open ? null : one.key)}
            >
              ${icon("more")}
            </button>`}
      </div>
      ${open ? this.#more(one, known?.name ?? null) : nothing}
    </li>`;
  }

  /** Role and state in words. */
  #line(one: Participant, contact: Contact): string {
    const parts = [t(`room.role.${one.role}`)];
    if (one.hidden) parts.push(t("room.hidden"));
    if (contact !== "fine") parts.push(t(`room.state.${contact}`));
    else if (this.speaks(one.key)) parts.push(t("room.speaks"));
    return parts.join(" · ");
  }

  #marks(one: Participant, contact: Contact) {
    const grade = one.call === null ? "unknown" : (app.media.view(one.call)?.quality.grade ?? "unknown");
    const network = t(`call.network.${grade}`);
    const mark = (name: Parameters<typeof icon>[0], text: string) =>
      html`<span role="img" aria-label=${text} title=${text}>${icon(name)}</span>`;
    const mine = one.me ? app.media.roomView(this.room.room) : null;
    return html`${one.hand ? mark("hand", t("room.hand")) : nothing}
      ${one.verified ? mark("verified", t("people.verified")) : nothing}
      ${(mine?.muted ?? one.muted) ? mark("mic-off", t("room.muted")) : nothing}
      ${(mine?.cameraOff ?? one.camera_off) ? mark("camera-off", t("call.peer.camera", { name: one.name })) : nothing}
      ${one.me || contact !== "fine" || grade === "unknown"
        ? nothing
        : html`<span role="img" aria-label=${network} title=${network}>${bars(grade)}</span>`}`;
  }

  #more(one: Participant, known: string | null) {
    const lead = leads(this.room.role);
    const host = this.room.role === "host";
    const card = (["country", "phone", "email"] as const).filter((field) => one.card[field]);
    const volume = this.volumes.get(one.key) ?? 1;
    const set = (event: Event) =>
      this.#emit("om-volume", { key: one.key, volume: Number((event.target as HTMLInputElement).value) });
    return html`<div class="more stack">
      <p class="small">
        ${one.identity === null ? t("room.unknown") : t("room.known", { name: known ?? one.name })}
        ${one.verified ? html`<span class="tag good">${t("people.verified")}</span>` : nothing}
      </p>
      ${card.map((field) => html`<p class="small">${t(`room.card.${field}`)}: <bdi>${one.card[field]}</bdi></p>`)}
      <label class="small"
        >${t("room.volume", { name: one.name })}
        <input type="range" min="0" max="1" step="0.05" .value=${String(volume)} @input=${set}
      /></label>
      <div class="row">
        ${one.here && !one.hidden
          ? html`<button @click=${() => this.#emit("om-private", one.key)}>${t("room.do.private")}</button>`
          : nothing}
        ${lead && !one.muted
          ? html`<button @click=${() => this.#do(one.key, "ask-mute")}>${t("room.do.ask-mute")}</button>`
          : nothing}
        ${host && one.role === "member"
          ? html`<button @click=${() => this.#do(one.key, "promote")}>${t("room.do.promote")}</button>`
          : nothing}
        ${host && one.role === "co-host"
          ? html`<button @click=${() => this.#do(one.key, "demote")}>${t("room.do.demote")}</button>`
          : nothing}
        <button aria-describedby="hide" @click=${() => this.#do(one.key, one.hidden ? "show" : "hide")}>
          ${one.hidden ? t("room.do.show") : t("room.do.hide")}
        </button>
        ${lead && one.role !== "host"
          ? html`<button class="danger" @click=${() => this.#remove(one)}>${t("room.do.remove")}</button>`
          : nothing}
      </div>
      <p id="hide" class="small quiet">${t("room.do.hide.hint")}</p>
    </div>`;
  }
}
