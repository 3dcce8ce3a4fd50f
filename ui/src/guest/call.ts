// One call of a guest, with a host or with somebody in a room: its generations of media, as
// protocol/call/leg.py has them, and what both sides tell each other of it.
import type { FromNode, FromPage, Kind, MediaPath, OpenMedia, PeerMedia, State } from "../node/messages.js";
import type { Bytes } from "../protocol/bytes.js";
import { hex, type FromGuest, type FromHost } from "../protocol/guest-messages.js";
import { NonceExchange, StringAllowance, type Doubt, type Nonces } from "../protocol/call-authentication.js";
import { NONCE_BYTES, PATH } from "../protocol/tables.js";

const LAST_GENERATION = 65_000;
/** Of the other side's messages that wait for us to take its call. */
const MAX_EARLY = 64;

/** Ends that the other side says, and a guest reads in words of their own. */
const TOLD: ReadonlySet<string> = new Set(["media-failed", "connection-lost", "shutdown", "fault"]);

const nonce = (): Bytes => crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
const live = (leg: Leg) => leg.connected && !leg.lost;

interface Leg {
  readonly session: number;
  readonly generation: number;
  readonly ours: boolean;
  local: string | null;
  remote: string | null;
  connected: boolean;
  /** It was connected, and is silent; it may yet come back. */
  lost: boolean;
  candidates: FoundCandidates[];
  readonly exchange: NonceExchange;
  /** What became of the exchange was told. */
  told: boolean;
}
type FoundCandidates = Extract<FromPage, { t: "found" }>;
type OfSession = Extract<FromPage, { session: number }>;

export interface CallOwner {
  say(message: FromGuest): void;
  take(message: FromNode): void;
  /** A number for a session, never given twice. */
  number(): number;
  /** How a peer connection is to be made now. */
  opening(): Pick<OpenMedia, "servers" | "relay_only" | "room" | "carry">;
  /** Something of what is shown of the call is different. */
  changed(): void;
  /** Both descriptions of a generation are there, and what its string is made of, or why it has none. */
  agreed(local: string, remote: string, outcome: Nonces | Doubt): void;
  /** It is over, and its media closed. */
  over(reason: string): void;
  /** Runs later; gives the function that prevents it. */
  after(ms: number, run: () => void): () => void;
}

export class Call {
  state: State = "connecting";
  path: MediaPath | null = null;
  /** Unix seconds. */
  answered: number | null = null;
  session: number | null = null;
  peerMedia: PeerMedia | null = null;
  #legs: Leg[] = [];
  #top = -1;
  #accepted = false;
  #early: FromHost[] = [];
  #told: PeerMedia | null = null;
  #forget: (() => void) | null = null;
  #allowance = new StringAllowance();

  /** `odd`: our key is the greater one, so that our re-offers have odd generations. */
  constructor(
    readonly id: Bytes,
    readonly outgoing: boolean,
    private readonly odd: boolean,
    private readonly kinds: readonly Kind[],
    private readonly owner: CallOwner,
  ) {}

  get seconds(): number {
    return this.answered === null ? 0 : Math.max(0, Math.round(Date.now() / 1_000 - this.answered));
  }

  get accepted(): boolean {
    return this.#accepted;
  }

  /** Whether media was agreed on in this session. */
  has(session: number): boolean {
    return this.#legs.some((leg) => leg.session === session);
  }

  get connectedSession(): number | null {
    return this.#legs.find(live)?.session ?? null;
  }

  // ── what we do ────────────────────────────────────────────────────────────────────────────────
  /** Dials: the offer goes with the invite. */
  begin(): void {
    this.#offer(0);
    this.#expectMedia();
  }

  /** Takes the other side's call. */
  accept(): void {
    this.#answer();
    this.owner.say({ t: "accept", call: this.id, kinds: this.kinds });
    this.#expectMedia();
    for (const message of this.#early.splice(0)) this.heard(message);
  }

  hangUp(): void {
    this.owner.say({ t: "hangup", call: this.id, reason: "normal" });
    this.close();
  }

  /** Closes all media of it, without a word. */
  close(): void {
    this.#forget?.();
    for (const leg of [...this.#legs]) this.#closeLeg(leg);
  }

  tellMedia(told: PeerMedia): void {
    this.#told = told;
    this.#sayMedia();
  }

  /** Is there still somebody at the other end? */
  suspect(): void {
    for (const leg of this.#legs) if (live(leg)) this.owner.take({ t: "suspect-media", session: leg.session });
  }

  /** A new peer connection, ours to offer: after a path that was lost, or by another path. */
  reoffer(): void {
    if (this.#top >= LAST_GENERATION) return;
    this.#offer(2 * (Math.floor(Math.max(this.#top, 0) / 2) + 1) + Number(this.odd));
    this.#expectMedia();
  }

  /** The other side can be told again: what it may have missed, once more. */
  sayAgain(): void {
    if (!this.outgoing && this.#accepted) this.owner.say({ t: "accept", call: this.id, kinds: this.kinds });
    const leg = this.#legs.find((one) => one.generation === this.#top);
    if (leg !== undefined && leg.local !== null && !leg.connected && (!leg.ours || leg.remote === null)) this.#sayLocal(leg);
    this.#sayMedia();
    // Either side may be the one that noticed: who reveals says it again, who awaits it asks by the answer.
    for (const one of this.#legs) {
      this.#reveal(one);
      if (!one.ours && one.connected && one.exchange.outcome === null) this.#sayLocal(one);
    }
  }

  // ── what the other side says ──────────────────────────────────────────────────────────────────
  heard(message: FromHost): void {
    if (!this.outgoing && !this.#accepted && (message.t === "renegotiate" || message.t === "candidates")) {
      if (this.#early.length < MAX_EARLY) this.#early.push(message);
      return;
    }
    switch (message.t) {
      case "accept":
        if (!this.#accepted) this.#answer();
        for (const leg of this.#legs) if (leg.local !== null) this.#attach(leg);
        break;
      case "answer": {
        const leg = this.#legs.find((one) => one.generation === message.generation && one.ours);
        if (leg?.local == null) break;
        if (leg.remote === null) {
          leg.remote = message.sdp;
          leg.exchange.answered(message.nonce);
          this.owner.take({ t: "take-answer", session: leg.session, sdp: message.sdp });
        }
        this.#reveal(leg);
        this.#agree(leg);
        break;
      }
      case "renegotiate": {
        const known = this.#legs.find((one) => one.generation === message.generation);
        if (known?.local != null) this.#sayLocal(known);
        // Of all offers the greatest generation counts (protocol/call/leg.py).
        if (known !== undefined || message.generation <= this.#top || this.#isOurs(message.generation)) break;
        const leg = this.#leg(message.generation, false);
        leg.remote = message.sdp;
        leg.exchange.offered(message.commitment);
        this.owner.take({ t: "take-offer", session: leg.session, sdp: message.sdp });
        if (this.connectedSession === null) this.#expectMedia();
        break;
      }
      case "reveal": {
        const leg = this.#legs.find((one) => one.generation === message.generation);
        leg?.exchange.revealed(message.nonce);
        if (leg !== undefined) this.#agree(leg);
        break;
      }
      case "candidates": {
        const leg = this.#legs.find((one) => one.generation === message.generation);
        if (leg !== undefined)
          this.owner.take({
            t: "take-candidates",
            session: leg.session,
            candidates: [...message.candidates],
            end: false,
          });
        break;
      }
      case "media-state":
        this.peerMedia = { muted: message.muted, camera_off: message.camera_off, sharing: message.sharing };
        this.owner.changed();
        break;
      case "decline":
        this.#over(message.reason === "busy" ? "peer-busy" : "peer-declined");
        break;
      case "hangup":
        this.#over(
          TOLD.has(message.reason) ? message.reason : "peer-hung-up",
        );
        break;
      default:
        break;
    }
  }

  /** What the page's media says: the node's page_endpoint.py takes the same messages. */
  media(message: OfSession): void {
    const leg = this.#legs.find((one) => one.session === message.session);
    if (leg === undefined) return;
    switch (message.t) {
      case "described":
        leg.local = message.sdp;
        if (leg.ours) leg.exchange.offer(nonce());
        else leg.exchange.answer(nonce());
        this.#sayLocal(leg);
        if (this.#accepted) this.#attach(leg);
        this.#agree(leg);
        break;
      case "found":
        leg.candidates.push(message);
        if (leg.local !== null) this.#sayFound(leg, message);
        break;
      case "media-connected":
        leg.connected = true;
        leg.lost = false;
        for (const older of this.#legs.filter((one) => one.generation < leg.generation)) this.#closeLeg(older);
        this.path = message.path;
        this.#become("connected");
        break;
      case "media-path-lost":
        // It is closed when another took its place: until then it may come back.
        leg.lost = true;
        if (this.connectedSession !== null) break;
        this.#become("reconnecting");
        if (this.#pending === undefined) this.reoffer();
        break;
      case "media-failed":
        this.#closeLeg(leg);
        if (this.connectedSession === null) this.#become("reconnecting");
        this.reoffer();
        break;
      default:
        break;
    }
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  /** What is being negotiated. */
  get #pending(): Leg | undefined {
    return this.#legs.find((leg) => !leg.connected);
  }

  #answer(): void {
    this.#accepted = true;
    this.answered = Math.floor(Date.now() / 1_000);
    this.owner.changed();
  }

  #offer(generation: number): void {
    this.owner.take({ t: "make-offer", session: this.#leg(generation, true).session });
  }

  #leg(generation: number, ours: boolean): Leg {
    if (this.#pending !== undefined) this.#closeLeg(this.#pending);
    const session = this.owner.number();
    const exchange = new NonceExchange(this.id, generation, this.#allowance, ours);
    const leg: Leg = { session, generation, ours, local: null, remote: null, connected: false, lost: false, candidates: [], exchange, told: false };
    this.#top = generation;
    this.#legs.push(leg);
    const call = hex(this.id);
    this.owner.take({ t: "open-media", session, call, kinds: [...this.kinds], ...this.owner.opening() });
    this.session = session;
    this.owner.changed();
    return leg;
  }

  #closeLeg(leg: Leg): void {
    this.#legs = this.#legs.filter((one) => one !== leg);
    this.owner.take({ t: "close-media", session: leg.session });
  }

  #isOurs(generation: number): boolean {
    return generation === 0 ? this.outgoing : generation % 2 === Number(this.odd);
  }

  #expectMedia(): void {
    this.#forget?.();
    this.#forget = this.owner.after(PATH, () => {
      if (this.connectedSession !== null) return;
      this.owner.say({ t: "hangup", call: this.id, reason: "media-failed" });
      this.#over(this.answered === null ? "media-failed" : "connection-lost");
    });
  }

  #sayLocal(leg: Leg): void {
    const sdp = leg.local!;
    const { generation } = leg;
    const { commitment, shown } = leg.exchange;
    if (!leg.ours) this.owner.say({ t: "answer", call: this.id, generation, sdp, nonce: shown ?? undefined });
    else if (generation === 0) this.owner.say({ t: "invite", call: this.id, kinds: this.kinds, sdp, commitment });
    else this.owner.say({ t: "renegotiate", call: this.id, generation, sdp, commitment });
    for (const found of leg.candidates) this.#sayFound(leg, found);
  }

  #sayFound(leg: Leg, { candidates, end }: FoundCandidates): void {
    this.owner.say({
      t: "candidates",
      call: this.id,
      generation: leg.generation,
      candidates: candidates ?? [],
      end: end ?? false,
    });
  }

  #reveal(leg: Leg): void {
    const nonce = leg.exchange.shown;
    if (leg.ours && nonce !== null) this.owner.say({ t: "reveal", call: this.id, generation: leg.generation, nonce });
  }

  #agree(leg: Leg): void {
    const { outcome } = leg.exchange;
    if (outcome === null || leg.told || leg.local === null || leg.remote === null) return;
    leg.told = true;
    this.owner.agreed(leg.local, leg.remote, outcome);
  }

  #sayMedia(): void {
    if (this.#told !== null) this.owner.say({ t: "media-state", call: this.id, ...this.#told });
  }

  #attach(leg: Leg): void {
    this.owner.take({ t: "attach-media", session: leg.session, kinds: [...this.kinds] });
  }

  #become(state: State): void {
    this.state = state;
    this.owner.changed();
  }

  #over(reason: string): void {
    this.close();
    this.owner.over(reason);
  }
}
