// The call of a guest with the host of a link, as the page is shown it.
import type { CallShown, FromNode, FromPage, Kind } from "../node/messages.js";
import type { FromGuest, FromHost, TurnServer } from "../protocol/guest-messages.js";
import { hex } from "../protocol/guest-messages.js";
import { join, type Bytes } from "../protocol/bytes.js";
import type { Doubt, Nonces } from "../protocol/call-authentication.js";
import { fingerprint, sas, sorted } from "../protocol/sas.js";
import { Call } from "./call.js";
import { PAGE } from "./stage.js";

export interface HostCallOwner {
  /** The host's, of the link. */
  readonly key: Bytes;
  readonly kinds: readonly Kind[];
  /** What the host shows as its name. */
  name(): string;
  say(message: FromGuest): void;
  take(message: FromNode): void;
  /** A number for a session, never given twice. */
  number(): number;
  after(ms: number, run: () => void): () => void;
  over(reason: string): void;
}

export class HostCall {
  /** Since when its line is away and its media as well. */
  broken: number | null = null;
  #call: Call;
  #began = Math.floor(Date.now() / 1_000);
  #sas: string | null = null;
  #doubt: Doubt | null = null;
  #closed = false;

  /** `guest`: the key by which the host knows us. */
  constructor(
    id: Bytes,
    private guest: Bytes,
    private servers: readonly TurnServer[],
    private readonly owner: HostCallOwner,
  ) {
    this.#call = new Call(id, true, true, owner.kinds, {
      say: (message) => owner.say(message),
      take: (message) => owner.take(message),
      number: () => owner.number(),
      opening: () => ({ servers: [...this.servers], relay_only: false, room: null, carry: false }),
      changed: () => this.#show(),
      agreed: (local, remote, outcome) => this.#authenticate(local, remote, outcome),
      over: (reason) => owner.over(reason),
      after: (ms, run) => owner.after(ms, run),
    });
  }

  get seconds(): number {
    return this.#call.seconds;
  }

  /** Sound and picture need no line. */
  get connected(): boolean {
    return this.#call.connectedSession !== null;
  }

  begin(): void {
    this.#show();
    this.#call.begin();
  }

  /** On the way back, over another line. */
  admitted(guest: Bytes, servers: readonly TurnServer[]): void {
    this.broken = null;
    this.guest = guest;
    this.servers = servers;
    this.#call.sayAgain();
  }

  heard(message: FromHost): void {
    if ("call" in message && message.call === hex(this.#call.id)) this.#call.heard(message);
  }

  tell(message: FromPage): void {
    if ("session" in message) this.#call.media(message);
    else if (message.t === "tell-media") {
      const { muted, camera_off, sharing } = message;
      this.#call.tellMedia({ muted, camera_off, sharing });
    }
  }

  suspect(): void {
    this.#call.suspect();
  }

  hangUp(): void {
    this.#call.hangUp();
  }

  close(): void {
    this.#call.close();
    this.#closed = true;
  }

  #authenticate(local: string, remote: string, outcome: Nonces | Doubt): void {
    const [mine, theirs] = [fingerprint(local), fingerprint(remote)];
    if (mine === null || theirs === null) return this.owner.over("media-failed");
    const made = typeof outcome !== "string";
    this.#sas = made ? sas(join(...sorted(this.owner.key, this.guest)), mine, theirs, outcome) : null;
    this.#doubt = made ? null : outcome;
    this.#show();
  }

  #show(): void {
    if (this.#closed) return;
    const call = this.#call;
    const shown: CallShown = {
      call: hex(call.id),
      identity: "",
      name: this.owner.name(),
      outgoing: true,
      state: call.state,
      ring: null,
      kinds: [...this.owner.kinds],
      began: this.#began,
      answered: call.answered,
      path: call.path,
      region: null,
      sas: this.#sas,
      doubt: this.#doubt,
      chats: true,
      compares: false,
      ask: false,
      compared: null,
      peer_compared: null,
      page: PAGE,
      session: call.session,
      peer_media: call.peerMedia,
    };
    this.owner.take({ t: "calls", calls: [shown] });
  }
}
