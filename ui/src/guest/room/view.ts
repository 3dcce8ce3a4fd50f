// What a guest is shown of a room: who is in and how they are, what is said, and what is wrong. It plays
// the part of onmeet_node/web/room_snapshots.py.
import { t } from "../../i18n/index.js";
import type { FromNode, Participant, PeerMedia, RoomShown } from "../../node/messages.js";
import type { Bytes } from "../../protocol/bytes.js";
import { hex } from "../../protocol/guest-messages.js";
import { roomString } from "../../protocol/room-authentication.js";
import type { Room } from "../../protocol/room-machine.js";
import type { Card, Key } from "../../protocol/room-messages.js";
import { seatOf, type Roster } from "../../protocol/room-roster.js";
import { MAX_FIELD_CHARS, MAX_REACTION_CHARS } from "../../protocol/room-tables.js";
import { clean, cleanLines } from "../../protocol/text.js";
import { PAGE } from "../stage.js";
import type { RoomCalls } from "./calls.js";

const NO_CARD = { name: null, country: null, phone: null, email: null };

export interface ViewOwner {
  take(message: FromNode): void;
  show(room: RoomShown): void;
}

export class RoomView {
  /** Of ours, as everybody was told last. */
  media: PeerMedia | null = null;
  /** The line was meddled with. */
  tampered = false;
  /** Of whom we see and hear nothing in private. */
  readonly hidden = new Set<Key>();
  /** Who does not see us, or whom we do not. */
  readonly oneWay = new Set<Key>();
  /** To whom the host told something else than to us. */
  readonly mismatched = new Set<Key>();
  /** When we came in, Unix seconds. */
  since = 0;
  #cards = new Map<Key, Card>();
  #string: { digest: string; digits: string | null } = { digest: "", digits: null };
  #publishing = false;
  #published = "";
  #over = false;

  constructor(
    private readonly id: string,
    private readonly machine: Room,
    private readonly calls: Pick<RoomCalls, "of">,
    private readonly owner: ViewOwner,
  ) {}

  /** Nothing is shown any more. */
  stop(): void {
    this.#over = true;
  }

  // ── what happens ──────────────────────────────────────────────────────────────────────────────
  /** A channel with somebody is open, and this is what they show of themselves. */
  met(key: Key, card: Card): void {
    this.#cards.set(key, card);
  }

  /** `up`: whether a channel with somebody is open. */
  rosterChanged(roster: Roster, up: (key: Key) => boolean): void {
    for (const key of [...this.oneWay, ...this.#cards.keys()])
      if (!this.machine.seated(key)) {
        this.oneWay.delete(key);
        if (!up(key)) this.#cards.delete(key);
      }
    if (this.#string.digest !== roster.digest) this.#string = { digest: roster.digest, digits: null };
  }

  async stringReady(digest: string, nonces: ReadonlyMap<Key, Bytes>): Promise<void> {
    const digits = await roomString(this.id, nonces);
    if (this.#string.digest !== digest) return;
    this.#string = { digest, digits };
    this.changed();
  }

  /** `to`: who alone has it. */
  line(key: Key, text: string, to: Key | null): void {
    const shown = cleanLines(text);
    if (shown !== "") this.owner.take({ t: "room-line", ...this.#by(key), mine: key === this.machine.me, text: shown, to });
  }

  reaction(key: Key, emoji: string): void {
    const shown = clean(emoji, MAX_REACTION_CHARS);
    if (shown !== "") this.owner.take({ t: "room-reaction", ...this.#by(key), emoji: shown });
  }

  /** Something may be different; shown once all of it is. */
  changed(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(() => {
      this.#publishing = false;
      this.publish();
    });
  }

  publish(): void {
    const { roster, me } = this.machine;
    if (roster === null || this.#over) return;
    const shown: RoomShown = {
      room: this.id,
      title: clean(roster.title),
      state: "in",
      page: PAGE,
      role: seatOf(roster, me)?.role ?? null,
      locked: roster.locked,
      knock: roster.knock,
      string: this.#string.digits,
      since: this.since,
      standing: false,
      code: null,
      link: null,
      people: [...roster.seats].sort((a, b) => a.order - b.order).map((seat) => this.#participant(seat.key)),
      knocking: [],
      warnings: this.#warnings(),
    };
    const said = JSON.stringify(shown);
    if (said === this.#published) return;
    this.#published = said;
    this.owner.show(shown);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  nameOf(key: Key): string {
    return clean(seatOf(this.machine.roster, key)?.name ?? "") || key.slice(0, 8);
  }

  #by(key: Key): { room: string; key: Key; name: string } {
    return { room: this.id, key, name: this.nameOf(key) };
  }

  #participant(key: Key): Participant {
    const { machine } = this;
    const me = key === machine.me;
    const other = machine.other(key);
    const call = this.calls.of(key);
    const media = me ? this.media : (call?.peerMedia ?? null);
    const card = this.#cards.get(key);
    const shown = (text: string | null) => (text === null ? null : clean(text, MAX_FIELD_CHARS) || null);
    return {
      key,
      name: this.nameOf(key),
      role: seatOf(machine.roster, key)!.role,
      me,
      here: me || other?.up === true,
      media: me || other?.media === true,
      seen: me || other?.here.sees.includes(machine.me) === true,
      hand: me ? machine.hand : other?.here.hand === true,
      muted: media?.muted ?? false,
      camera_off: media?.camera_off ?? false,
      sharing: media?.sharing ?? false,
      path: call?.path ?? null,
      call: call === null ? null : hex(call.id),
      session: call?.session ?? null,
      hidden: this.hidden.has(key),
      identity: null,
      verified: false,
      card:
        card === undefined
          ? NO_CARD
          : { name: shown(card.name), country: shown(card.country), phone: shown(card.phone), email: shown(card.email) },
    };
  }

  #warnings(): string[] {
    const warnings = [...this.oneWay].map((key) => t("guest.room.oneway", { name: this.nameOf(key) }));
    for (const key of this.mismatched) warnings.unshift(t("guest.room.mismatch", { name: this.nameOf(key) }));
    if (this.tampered) warnings.unshift(t("guest.room.tampered"));
    return warnings.slice(0, 32);
  }
}
