// All pictures of a room: who is where, how large, and what is wanted of whom.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { OmElement } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { Participant, RoomShown } from "../node/messages.js";
import { number, t } from "../i18n/index.js";
import { Contacts, type Contact } from "./changes.js";
import { icon } from "./icons.js";
import { place, type Box, type Layout } from "./layout.js";
import { Looks, sizes } from "./picture-sizes.js";
import { Speakers } from "./speaker.js";
import "./tile.js";
import type { OmRoomTile } from "./tile.js";

const TICK_MS = 250;
const REACTION_MS = 4_000;
/** A finger that moved this far sideways turns the page. */
const SWIPE = 60;

@customElement("om-room-stage")
export class OmRoomStage extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        position: relative;
        min-block-size: 0;
        overflow: hidden;
        color: var(--on-stage);
        --focus: #7cc0ff;
        touch-action: pan-y;
      }
      nav {
        position: absolute;
        inset-block-end: 0;
        inset-inline-end: 0;
        block-size: 40px;
        display: flex;
        gap: 0.5rem;
        align-items: center;
        justify-content: center;
        inline-size: var(--pager, 100%);
      }
      nav button {
        background: var(--stage-control);
        border-color: transparent;
        color: var(--on-stage);
      }
      nav button:hover:not(:disabled) {
        background: #3c4856;
      }
      :host(:dir(rtl)) nav .glyph {
        transform: scaleX(-1);
      }
    `,
  ];
  @property({ attribute: false }) room!: RoomShown;
  @property() view: "grid" | "speaker" = "grid";
  @property({ attribute: false }) volumes: ReadonlyMap<string, number> = new Map();
  @property({ type: Boolean }) deaf = false;
  @property({ type: Boolean }) selfSpeaks = false;
  @state() private pinned: string | null = null;
  @state() private page = 0;
  @state() private box: Box = { width: 0, height: 0 };
  #speakers = new Speakers();
  #contacts = new Contacts();
  #standing: ReadonlyMap<string, Contact> = new Map();
  /** Who shares, the newest last. */
  #sharers: string[] = [];
  #looks = new Looks((key, size) => app.client.tell({ t: "look-at", room: this.room.room, key, size }));
  #layout: Layout | null = null;
  #order: readonly Participant[] = [];
  #swipe = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    const size = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      this.box = { width, height };
    });
    size.observe(this);
    const seen = () => this.#look();
    document.addEventListener("visibilitychange", seen);
    const timer = setInterval(() => this.#tick(), TICK_MS);
    this.attend(() => app.media.subscribe(() => this.requestUpdate()));
    this.attend(() => () => {
      size.disconnect();
      document.removeEventListener("visibilitychange", seen);
      clearInterval(timer);
      // A call came between: the room goes on, unseen.
      this.#looks.stop(this.app.rooms.rooms.some((one) => one.room === this.room.room));
    });
  }

  /** Plays what the browser held back; within a click. */
  play(): void {
    for (const tile of this.renderRoot.querySelectorAll<OmRoomTile>("om-room-tile")) tile.play();
  }

  get contacts(): ReadonlyMap<string, Contact> {
    return this.#standing;
  }

  speaks(key: string): boolean {
    return this.#speakers.speaking(key, performance.now());
  }

  #tick(): void {
    const levels = new Map(
      this.room.people.flatMap((one) =>
        one.call === null || one.muted ? [] : [[one.key, app.media.level(one.call)] as const],
      ),
    );
    const before = [...this.#standing.values()].join();
    this.#standing = this.#contacts.take(this.room.people, performance.now());
    const changed = this.#speakers.take(levels, performance.now()) || before !== [...this.#standing.values()].join();
    if (changed || this.app.reactions.some((one) => Date.now() - one.at < REACTION_MS + TICK_MS)) this.requestUpdate();
  }

  /** What is large: what was pinned, else the newest screen, else who speaks if that is wanted. */
  get #front(): string | null {
    const { people } = this.room;
    const there = (key: string | null | undefined) => (people.some((one) => one.key === key) ? key! : null);
    if (people.length < 2) return null;
    const chosen = there(this.pinned) ?? there(this.#sharers.at(-1));
    if (chosen !== null || this.view === "grid") return chosen;
    return there(this.#speakers.active) ?? people.find((one) => !one.me)?.key ?? null;
  }

  override willUpdate(): void {
    const { people } = this.room;
    const sharing = people.filter((one) => one.sharing && !one.me).map((one) => one.key);
    this.#sharers = [
      ...this.#sharers.filter((key) => sharing.includes(key)),
      ...sharing.filter((key) => !this.#sharers.includes(key)),
    ];
    const front = this.#front;
    // One's own tile is the last of the first page: it is always there, and never in the way.
    const rest = people.filter((one) => !one.me && one.key !== front);
    const me = people.find((one) => one.me && one.key !== front);
    const count = rest.length + (me === undefined ? 0 : 1);
    const each = place(count, front !== null, 0, this.box).tiles.length;
    if (me !== undefined) rest.splice(Math.max(0, Math.min(rest.length, each - 1)), 0, me);
    this.#order = rest;
    this.#layout = place(count, front !== null, this.page, this.box);
    this.page = this.#layout.page;
  }

  override updated(): void {
    const layout = this.#layout!;
    const front = this.#front;
    for (const tile of this.renderRoot.querySelectorAll<OmRoomTile>("om-room-tile")) {
      const { key } = tile.person;
      const at = this.#order.findIndex((one) => one.key === key) - layout.first;
      const rect = key === front ? layout.front : layout.tiles[at];
      tile.hidden = rect == null;
      if (rect == null) continue;
      tile.style.setProperty("--x", `${rect.x}px`);
      tile.style.setProperty("--y", `${rect.y}px`);
      tile.style.setProperty("--w", `${rect.width}px`);
      tile.style.setProperty("--h", `${rect.height}px`);
    }
    const beside = layout.front !== null && layout.front.width < this.box.width;
    this.style.setProperty("--pager", beside ? `${this.box.width - layout.front.width - 8}px` : "100%");
    this.#look();
  }

  #look(): void {
    const layout = this.#layout;
    if (layout === null || this.room.state !== "in" || this.box.width === 0) return;
    const front = this.#front;
    const onPage = this.#order.slice(layout.first, layout.first + layout.tiles.length).map((one) => one.key);
    this.#looks.want(
      sizes({
        others: this.room.people.filter((one) => !one.me).map((one) => one.key),
        visible: new Set(front === null ? onPage : [...onPage, front]),
        front,
        active: this.#speakers.active,
        away: document.hidden,
      }),
    );
  }

  #turn(by: number): void {
    this.page = Math.max(0, this.page + by);
  }

  #moved(end: PointerEvent): void {
    const by = end.clientX - this.#swipe;
    if (end.pointerType !== "touch" || Math.abs(by) < SWIPE) return;
    this.#turn(by < 0 === (document.documentElement.dir !== "rtl") ? 1 : -1);
  }

  override render() {
    const { room } = this;
    const front = this.#front;
    const now = Date.now();
    const reactions = this.app.reactions.filter((one) => one.room === room.room && now - one.at < REACTION_MS);
    const layout = this.#layout!;
    return html`<div
        role="group"
        aria-label=${t("room.tiles")}
        @pointerdown=${(event: PointerEvent) => (this.#swipe = event.clientX)}
        @pointerup=${this.#moved}
        @om-pin=${(event: CustomEvent<string>) => {
          this.pinned = this.pinned === event.detail ? null : event.detail;
        }}
      >
        ${repeat(
          room.people,
          (one) => one.key,
          (one) =>
            html`<om-room-tile
              .person=${one}
              .media=${one.call === null ? null : app.media.view(one.call)}
              .mine=${one.me ? app.media.roomView(room.room) : null}
              .contact=${this.#standing.get(one.key) ?? "fine"}
              .speaking=${one.me ? this.selfSpeaks : this.speaks(one.key)}
              .pinned=${this.pinned === one.key}
              .alone=${room.people.length < 2 || (one.key === front && this.pinned !== one.key)}
              .emoji=${reactions.findLast((other) => other.key === one.key)?.emoji ?? ""}
              .volume=${this.volumes.get(one.key) ?? 1}
              .deaf=${this.deaf}
            ></om-room-tile>`,
        )}
      </div>
      ${layout.pages > 1 ? this.#pager(layout) : nothing}`;
  }

  #pager({ page, pages }: Layout) {
    return html`<nav aria-label=${t("room.tiles")}>
      <button class="icon" ?disabled=${page === 0} aria-label=${t("room.page.back")} @click=${() => this.#turn(-1)}>
        ${icon("back")}
      </button>
      <span role="status">${t("room.page", { page: number(page + 1), pages: number(pages) })}</span>
      <button
        class="icon"
        ?disabled=${page === pages - 1}
        aria-label=${t("room.page.next")}
        @click=${() => this.#turn(1)}
      >
        ${icon("next")}
      </button>
    </nav>`;
  }
}
