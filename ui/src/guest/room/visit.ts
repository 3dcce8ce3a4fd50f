// A guest's visit to a room: carries out what the machine asks for, and plays the node's part for the
// page (web/messages/rooms.py).
import { RefusedError, type Question } from "../../node/client.js";
import { visitKey, type VisitKey } from "../../protocol/ed25519.js";
import type { FromNode, FromPage, Participant, PeerMedia, PictureSize, RoomEnd, RoomShown } from "../../node/messages.js";
import type { Bytes } from "../../protocol/noise.js";
import { t } from "../../i18n/index.js";
import { PAGE, type RoomPage, type RoomVisit, type Visitor } from "../client.js";
import type { LineEnd } from "../line.js";
import { hex, type TurnServer } from "../../protocol/guest-messages.js";
import { Machine, type Effect } from "../../protocol/room-machine.js";
import { Pairs } from "./calls.js";
import { roomString } from "../../protocol/room-authentication.js";
import { seatOf, succession, type Roster } from "../../protocol/room-roster.js";
import { clean, cleanLines } from "../../protocol/text.js";
import * as timing from "../../protocol/room-timing.js";
import { Ways } from "./transport.js";
import { unpack, type Card, type FromSeat, type Key } from "../../protocol/room-messages.js";

/** For those in a room to confirm what was said, before whoever said it is told. */
const SAID = 10_000;
const LONGEST_LINE_WAIT = 8_000;
/** Channels are looked after so often. */
const LOOK = 1_000;
/** For last words that go beside media. */
const GOODBYE = 250;
const MAX_SEEN = 4_096;
const NO_CARD = { name: null, country: null, phone: null, email: null };

export class Visit implements RoomVisit {
  #machine: Machine;
  #ways: Ways;
  #pairs: Pairs;
  readonly #me: Key;
  readonly #room: string;
  #servers: readonly TurnServer[] = [];
  #cards = new Map<Key, Card>();
  #hidden = new Set<Key>();
  /** How large we show them. */
  #looks = new Map<Key, PictureSize>();
  #media: PeerMedia | null = null;
  /** Who does not see us, or whom we do not. */
  #blind = new Set<Key>();
  #liars = new Set<Key>();
  #tampered = false;
  #string: { digest: string; digits: string | null } = { digest: "", digits: null };
  #since = 0;
  /** Who is at the other end of the line; null: it is not open. */
  #lineTo: Key | null = null;
  #lineWait = timing.RETRY;
  #lineClosed = false;
  #seen = new Set<string>();
  #cancel: (() => void)[] = [];
  #wake: (() => void) | null = null;
  #publishing = false;
  #published = "";
  #over = false;

  static async enter(page: RoomPage, visitor: Visitor): Promise<Visit> {
    return new Visit(page, visitor, await visitKey(page.random(32)));
  }

  private constructor(
    private readonly page: RoomPage,
    private readonly visitor: Visitor,
    key: VisitKey,
  ) {
    const { browser } = page;
    const me = (this.#me = hex(key.publicKey));
    const room = (this.#room = hex(visitor.room));
    const knock = {
      room: visitor.room,
      host: hex(visitor.host),
      name: visitor.name,
      video: visitor.kinds.includes("video"),
    };
    this.#machine = new Machine(me, knock, browser.now(), (bytes) => page.random(bytes));
    this.#ways = new Ways(
      {
        me: key,
        name: visitor.name,
        room,
        now: () => browser.now(),
        ephemeral: () => browser.key(),
        read: unpack,
        fresh: (ephemeral) => this.#fresh(ephemeral),
      },
      {
        opened: (one, card) => this.#opened(one, card),
        heard: (one, message) => this.#heard(one, message),
        lost: (one) => this.#lost(one),
        carriers: () => (this.#machine.roster === null ? [] : succession(this.#machine.roster)),
        welcome: (one) => this.#machine.roster !== null && this.#machine.welcome(one) && this.#mayOpen(one),
        session: (one) => this.#pairs.of(one)?.connectedSession ?? null,
        line: (one) => this.#lineTo === one,
        lineBroke: () => {
          if (this.#lineTo === null) return;
          this.page.closeLine();
          this.lineEnded("lost");
        },
        carry: (data) => page.carry(data),
        carryMedia: (session, data) => page.take({ t: "carry-media", session, data }),
      },
    );
    this.#pairs = new Pairs({
      me,
      room,
      kinds: visitor.kinds,
      say: (one, message) => this.#ways.say(one, message),
      take: (message) => page.take(message),
      number: () => page.number(),
      random: (bytes) => page.random(bytes),
      after: (ms, run) => page.after(ms, run),
      seated: (one) => this.#machine.seated(one),
      servers: () => this.#servers,
      hidden: (one) => this.#hidden.has(one),
      people: () => this.#machine.roster?.seats.filter((seat) => seat.video).length ?? 0,
      begins: (one) => {
        this.#perform(this.#machine.called(one, this.#now));
        this.#publish();
      },
      changed: (one) => this.#callChanged(one),
      silent: (session) => this.#ways.sessionLost(session),
      over: (one) => this.#perform(this.#machine.callOver(one, this.#now)),
    });
    this.#repeat();
  }

  // ── RoomVisit ─────────────────────────────────────────────────────────────────────────────────
  lineOpen(room: Bytes, host: Bytes): void {
    const key = hex(host);
    this.#lineWait = timing.RETRY;
    // Another room, or somebody of whom we know nothing: the link leads elsewhere by now.
    const ours = hex(room) === this.#room && this.#machine.welcome(key) && this.#machine.opens(key);
    if (!ours && this.#machine.roster === null) return this.#renew();
    if (!ours) return;
    this.#lineTo = key;
    this.#ways.openOnLine(key);
  }

  lineEnded(why: LineEnd): void {
    this.#lineTo = null;
    // What came before the line went is heard first: it may be the last word, and say why.
    void this.#ways.heardOnLine().then(() => this.#lineGone(why));
  }

  #lineGone(why: LineEnd): void {
    this.#ways.lineLost();
    if (this.#over) return;
    if (this.#machine.roster === null) {
      const trying = this.page.trying(why);
      if (trying === null) return this.#end({ at: "failed", why });
      this.page.stage({ at: "knocking", state: "sent", trying });
    } else if (why === "tampered") {
      this.#tampered = true;
      this.#changed();
    }
    this.#later(this.#lineWait, () => {
      const { roster } = this.#machine;
      if (!this.#lineClosed && (roster === null || this.#machine.opens(hex(this.visitor.host)))) this.page.openLine();
    });
    this.#lineWait = Math.min(this.#lineWait * 2, LONGEST_LINE_WAIT);
  }

  carried(data: Bytes): void {
    if (this.#lineTo !== null) this.#ways.fromLine(data);
  }

  /** On the line itself: it leads into the room no more. Who is in stays in. */
  denied(reason: string): void {
    if (this.#machine.roster === null) return this.#end({ at: "denied", reason });
    this.#lineClosed = true;
  }

  /** Those who may not have what was just said: to all, or to one. */
  async #missed(to: Key | null): Promise<Key[]> {
    const seats = () => (this.#machine.roster?.seats ?? []).map((seat) => seat.key).filter((key) => key !== this.#me);
    const has = new Set<Key>();
    const keys = to === null ? seats() : [to];
    const asked = keys.map(async (key) => void ((await this.#ways.flushed(key)) && has.add(key)));
    await Promise.race([Promise.all(asked), new Promise<void>((done) => this.#later(SAID, done))]);
    return keys.filter((key) => !has.has(key) && seats().includes(key));
  }

  leave(): void {
    if (this.#machine.roster === null) this.#end({ at: "over", reason: "cancelled", seconds: 0 });
    else this.#perform(this.#machine.leave(this.#now));
  }

  async ask(question: Question): Promise<FromNode> {
    if (!("room" in question) || question.room !== this.#room) throw new RefusedError("NotAGuests", "");
    switch (question.t) {
      case "change-room":
        if (question.action === "leave") this.leave();
        else if (question.action === "raise-hand" || question.action === "lower-hand")
          this.#perform(this.#machine.raiseHand(question.action === "raise-hand", this.#now));
        else throw new RefusedError("NotAGuests", "");
        break;
      case "change-seat":
        if (question.action !== "hide" && question.action !== "show") throw new RefusedError("NotAGuests", "");
        this.#hide(question.key as string, question.action === "hide");
        break;
      case "say-in-room": {
        const said = this.#machine.say(question.text, question.to ?? null, this.#now);
        if (said === null) throw new RefusedError("NotInRoom", "");
        this.#perform(said);
        this.#line(this.#me, question.text, question.to ?? null);
        return { t: "said-in-room", id: 0, missed: await this.#missed(question.to ?? null) };
      }
      default:
        throw new RefusedError("NotAGuests", "");
    }
    return { t: "done", id: 0 };
  }

  tell(message: FromPage): void {
    switch (message.t) {
      case "carried": {
        const key = this.#pairs.with(message.session);
        if (key !== null) this.#ways.fromMedia(key, message.session, new Uint8Array(message.data));
        break;
      }
      case "tell-media": {
        const { muted, camera_off, sharing } = message;
        this.#media = { muted, camera_off, sharing };
        this.#pairs.tellMedia(this.#media, message.call === this.#room ? null : message.call);
        this.#changed();
        break;
      }
      case "react-in-room":
        this.#perform(this.#machine.react(message.emoji, this.#now));
        this.#reaction(this.#me, message.emoji);
        break;
      case "look-at":
        this.#looks.set(message.key as string, message.size);
        this.#ways.say(message.key as string, { t: "look", size: message.size });
        break;
      default:
        if ("session" in message) this.#pairs.tell(message);
    }
  }

  // ── channels ──────────────────────────────────────────────────────────────────────────────────
  #opened(key: Key, card: Card): void {
    this.#cards.set(key, card);
    this.#perform(this.#machine.opened(key, this.#now));
    const size = this.#looks.get(key);
    if (size !== undefined) this.#ways.say(key, { t: "look", size });
    this.#pairs.of(key)?.sayAgain();
  }

  #lost(key: Key): void {
    if (!this.#machine.seated(key) && this.#pairs.of(key) !== null) {
      this.#pairs.hangUp(key);
      this.#perform(this.#machine.callOver(key, this.#now));
    }
    this.#perform(this.#machine.lost(key, this.#now));
    // Whoever is gone for good is noticed by their media at once.
    this.#pairs.of(key)?.suspect();
  }

  #heard(key: Key, message: FromSeat): void {
    switch (message.t) {
      case "pipe":
        if (seatOf(this.#machine.roster, key)?.role !== "guest") this.#ways.fromPipe(key, message.key, message.pipe, message.data);
        break;
      case "look":
        if (this.#machine.seated(key)) this.#pairs.look(key, message.size);
        break;
      default:
        if ("call" in message) {
          if (this.#machine.welcome(key)) this.#pairs.heard(key, message);
        } else this.#perform(this.#machine.received(key, message, this.#now));
    }
  }

  /** Of those in the room only guests who came later open channels to us. */
  #mayOpen(key: Key): boolean {
    const seat = seatOf(this.#machine.roster, key);
    return seat === null || seat.role === "guest";
  }

  #fresh(ephemeral: string): boolean {
    if (this.#seen.has(ephemeral)) return false;
    this.#seen.add(ephemeral);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  // ── effects ───────────────────────────────────────────────────────────────────────────────────
  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#do(effect);
    this.#sleep();
    this.#changed();
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case "send":
        this.#ways.say(effect.to, effect.message);
        break;
      case "open":
        this.#ways.open(effect.key);
        break;
      case "close":
        this.#ways.close(effect.key);
        break;
      case "ring":
        this.#pairs.ring(effect.key);
        break;
      case "hang-up":
        // When all is over, last words go first: `#end`.
        if (this.#machine.over === null) this.#pairs.hangUp(effect.key);
        break;
      case "changed":
        this.#rosterChanged(effect.roster, effect.before);
        break;
      case "numbered":
        void this.#number(effect.digest, effect.numbers);
        break;
      case "wait":
        this.page.stage({ at: "knocking", state: effect.state });
        break;
      case "lent":
        this.#servers = effect.servers;
        break;
      case "asked":
        this.page.take({ t: "room-mute-asked", room: this.#room, name: this.#nameOf(effect.by) });
        break;
      case "said":
        if (!(effect.private && this.#hidden.has(effect.by)))
          this.#line(effect.by, effect.text, effect.private ? this.#me : null);
        break;
      case "reacted":
        this.#reaction(effect.by, effect.emoji);
        break;
      case "half-blind":
        if (effect.blind) this.#blind.add(effect.key);
        else this.#blind.delete(effect.key);
        break;
      case "lied":
        this.#liars.add(effect.other);
        break;
      case "ended":
        this.#ended(effect.reason);
        break;
    }
  }

  #rosterChanged(roster: Roster, before: Roster | null): void {
    if (before === null) {
      this.#since = Math.floor(Date.now() / 1_000);
      this.#publish();
      this.page.stage({ at: "in" });
    }
    for (const key of [...this.#blind, ...this.#cards.keys()])
      if (!this.#machine.seated(key)) {
        this.#blind.delete(key);
        if (!this.#ways.up(key)) this.#cards.delete(key);
      }
    this.#ways.forget((key) => this.#machine.seated(key) || this.#machine.other(key) !== null);
    this.#pairs.settle();
    if (this.#string.digest !== roster.digest) this.#string = { digest: roster.digest, digits: null };
  }

  async #number(digest: string, numbers: ReadonlyMap<Key, Bytes>): Promise<void> {
    const digits = await roomString(this.#room, numbers);
    if (this.#string.digest !== digest) return;
    this.#string = { digest, digits };
    this.#changed();
  }

  #ended(reason: RoomEnd): void {
    const inside = this.#machine.roster !== null;
    // Nobody could be asked, for as long as somebody might have answered.
    if (!inside && reason === "no-answer" && this.#lineTo === null) return this.#renew();
    const seconds = inside ? Math.max(0, Math.round(Date.now() / 1_000 - this.#since)) : 0;
    this.#end(inside ? { at: "over", reason, seconds } : { at: "denied", reason });
  }

  /** Where this visit stands in nobody's room, another begins anew. */
  #renew(): void {
    if (this.#over) return;
    this.#rest();
    this.#ways.closeAll();
    this.#pairs.closeAll();
    this.page.renew();
  }

  #rest(): void {
    this.#over = true;
    this.#wake?.();
    for (const cancel of this.#cancel) cancel();
  }

  #end(stage: Parameters<RoomPage["finish"]>[0]): void {
    if (this.#over) return;
    this.#rest();
    this.#pairs.sayGoodbye();
    const beside = this.#ways.beside;
    this.#ways.closeAll();
    const finish = () => {
      this.#pairs.closeAll();
      this.page.finish(stage);
    };
    // NOTE: what was just said beside the media would be lost with it.
    if (beside) this.page.after(GOODBYE, finish);
    else finish();
  }

  // ── calls ─────────────────────────────────────────────────────────────────────────────────────
  #callChanged(key: Key): void {
    const up = this.#pairs.of(key)?.state === "connected";
    if (up !== (this.#machine.other(key)?.media ?? false)) this.#perform(this.#machine.media(key, up, this.#now));
    this.#changed();
  }

  /** No private lines of theirs, and media with them by relays alone from now on. They learn nothing. */
  #hide(key: Key, hidden: boolean): void {
    if (!this.#machine.seated(key) || key === this.#me) throw new RefusedError("NotInRoom", "");
    if (hidden === this.#hidden.has(key)) return;
    if (hidden) {
      this.#hidden.add(key);
      this.#pairs.of(key)?.reoffer();
    } else this.#hidden.delete(key);
    this.#changed();
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────────
  #nameOf(key: Key): string {
    return clean(seatOf(this.#machine.roster, key)?.name ?? "") || key.slice(0, 8);
  }

  #line(key: Key, text: string, to: Key | null): void {
    const shown = cleanLines(text);
    const mine = key === this.#me;
    if (shown !== "")
      this.page.take({ t: "room-line", room: this.#room, key, name: this.#nameOf(key), mine, text: shown, to });
  }

  #reaction(key: Key, emoji: string): void {
    const shown = clean(emoji, 16);
    if (shown !== "")
      this.page.take({ t: "room-reaction", room: this.#room, key, name: this.#nameOf(key), emoji: shown });
  }

  #changed(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(() => {
      this.#publishing = false;
      this.#publish();
    });
  }

  #publish(): void {
    const { roster } = this.#machine;
    if (roster === null || this.#over) return;
    const shown: RoomShown = {
      room: this.#room,
      title: clean(roster.title),
      state: "in",
      page: PAGE,
      role: seatOf(roster, this.#me)?.role ?? null,
      locked: roster.locked,
      knock: roster.knock,
      string: this.#string.digits,
      since: this.#since,
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
    this.page.show(shown);
  }

  #participant(key: Key): Participant {
    const me = key === this.#me;
    const other = this.#machine.other(key);
    const call = this.#pairs.of(key);
    const media = me ? this.#media : (call?.peerMedia ?? null);
    const card = this.#cards.get(key);
    const shown = (text: string | null) => (text === null ? null : clean(text, 120) || null);
    return {
      key,
      name: this.#nameOf(key),
      role: seatOf(this.#machine.roster, key)!.role,
      me,
      here: me || other?.up === true,
      media: me || other?.media === true,
      seen: me || other?.here.sees.includes(this.#me) === true,
      hand: me ? this.#machine.hand : other?.here.hand === true,
      muted: media?.muted ?? false,
      camera_off: media?.camera_off ?? false,
      sharing: media?.sharing ?? false,
      path: call?.path ?? null,
      call: call === null ? null : hex(call.id),
      session: call?.session ?? null,
      hidden: this.#hidden.has(key),
      identity: null,
      verified: false,
      card:
        card === undefined
          ? NO_CARD
          : { name: shown(card.name), country: shown(card.country), phone: shown(card.phone), email: shown(card.email) },
    };
  }

  #warnings(): string[] {
    const warnings = [...this.#blind].map((key) => t("guest.room.blind", { name: this.#nameOf(key) }));
    for (const key of this.#liars) warnings.unshift(t("guest.room.lied", { name: this.#nameOf(key) }));
    if (this.#tampered) warnings.unshift(t("guest.room.tampered"));
    return warnings.slice(0, 32);
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────
  get #now(): number {
    return this.page.browser.now();
  }

  #later(ms: number, run: () => void): void {
    const cancel = this.page.after(ms, () => {
      this.#cancel = this.#cancel.filter((one) => one !== cancel);
      if (!this.#over) run();
    });
    this.#cancel.push(cancel);
  }

  #repeat(): void {
    this.#later(LOOK, () => {
      this.#ways.look();
      if (!this.#over) this.#repeat();
    });
  }

  #sleep(): void {
    this.#wake?.();
    this.#wake = null;
    const due = this.#machine.nextTimeout;
    if (due === null || this.#over) return;
    this.#wake = this.page.after(Math.max(0, due - this.#now), () => {
      this.#wake = null;
      this.#perform(this.#machine.tick(this.#now));
    });
  }
}
