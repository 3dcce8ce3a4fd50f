// The page as a media endpoint: obeys the node, opens the devices, and shows each call's media.
import type { AppState, Client } from "../node/client.js";
import type { Heard } from "../node/codec.js";
import { CallMedia, type CallMediaView } from "./call-media.js";
import type { Devices } from "./devices.js";
import type { FromNode, FromPage, Kind } from "../node/messages.js";
import { Sending, type SendingBrowser, type SendingView, type Told } from "./sending.js";
import { Session, type SessionOwner } from "./session.js";
import { MAX_DEVICE_CHARS, MAX_WHY_CHARS, RELOAD } from "../node/limits.js";

const LOOK_EVERY = 2_000;
/** A preview that waits for a room which has no name yet. */
export const NEW_ROOM = "new-room";

/**
 * Calls of one room share camera, microphone and screen: what is done about these is asked for by
 * the room's id, and for any other call by its own.
 */
export class Media implements SessionOwner {
  #calls = new Map<string, CallMedia>();
  #sendings = new Map<string, Sending>();
  #sessions = new Map<number, Session>();
  #listeners = new Set<(id: string) => void>();
  #views = new Map<string, CallMediaView>();
  #roomViews = new Map<string, SendingView>();
  /** Work on one session is done in the order it was asked for. */
  #order = new Map<number, Promise<void>>();
  #alone: ReturnType<typeof setTimeout> | null = null;
  /** Lists that the node gave since it is there: before, a call that is missing is not over. */
  #heard = new Set<FromNode["t"]>();
  /** Lines of the call that ended last which the other side is not known to have. */
  undelivered: { readonly call: string; readonly texts: readonly string[] } | null = null;
  /** Calls that are answered with the camera on, or off, whatever calls begin with. */
  #camerasOff = new Map<string, boolean>();

  constructor(
    private readonly client: Client,
    private readonly devices: Devices,
    private readonly browser: SendingBrowser & { peer(configuration: RTCConfiguration): RTCPeerConnection },
  ) {
    client.hear((message) => this.#take(message));
    client.subscribe((state) => {
      if (state.link !== "open") {
        // A node that is gone knows these sessions no more; the call comes back in new ones.
        for (const id of [...this.#sessions.keys()]) this.#close(id);
        this.#heard.clear();
        // A call outlives a node that does not answer for as long as the node keeps it.
        this.#alone ??= setTimeout(() => this.#endAll(), RELOAD);
        return;
      }
      if (this.#alone !== null) clearTimeout(this.#alone);
      this.#alone = null;
      this.#closePreview(state);
      this.#compare(state);
    });
    devices.subscribe(() => {
      for (const one of this.#sendings.values()) one.devicesChanged();
    });
    devices.onReturn((kind, id) => {
      for (const one of this.#sendings.values()) one.returned(kind, id);
    });
  }

  /** This one call begins with the camera on, or off. */
  beginWith(call: string, camera: boolean): void {
    const prepared = this.#sendings.get(call); // while it rang
    if (prepared === undefined) this.#camerasOff.set(call, !camera);
    else void prepared.setCameraOff(!camera);
  }

  subscribe(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What to show of this call; null while this page has none of its media. */
  view(call: string): CallMediaView | null {
    return this.#views.get(call) ?? null;
  }

  /** What to show of oneself in this room; null while this page does not carry it. */
  roomView(room: string): SendingView | null {
    return this.#roomViews.get(room) ?? null;
  }

  /** How loud the other side is now: 0 … 1. */
  level(call: string): number {
    return this.#calls.get(call)?.playing?.level ?? 0;
  }

  /** The microphone as it is even while muted; see `Sending`. */
  ear(room: string): MediaStreamTrack | null {
    return this.#sendings.get(room)?.ear ?? null;
  }

  async setMuted(id: string, muted: boolean): Promise<void> {
    await this.#sendings.get(id)?.setMuted(muted);
  }

  /** Push-to-talk: opens the microphone until it is let go, whatever happens to this page meanwhile. */
  async talk(id: string, open: boolean): Promise<void> {
    await this.#sendings.get(id)?.setMuted(!open, open);
  }

  async setCameraOff(id: string, off: boolean): Promise<void> {
    await this.#sendings.get(id)?.setCameraOff(off);
  }

  async startShare(id: string): Promise<void> {
    await this.#sendings.get(id)?.startShare();
  }

  async stopShare(id: string): Promise<void> {
    await this.#sendings.get(id)?.stopShare();
  }

  /** Another camera or microphone in mid-call, without a pause of the other. Null: the system's choice. */
  async changeDevice(id: string, kind: "camera" | "microphone", device: string | null): Promise<void> {
    await this.devices.choose(kind, device);
    await this.#sendings.get(id)?.changeDevice(kind === "camera" ? "video" : "audio");
  }

  /** Writes a line, which goes out as soon as it can; false if there is no such call. */
  sendChat(call: string, text: string): boolean {
    const one = this.#calls.get(call);
    if (one === undefined || text === "") return false;
    one.write(text);
    this.#show(call);
    return true;
  }

  /** A line that was not delivered, once more. */
  sendAgain(call: string, number: number): void {
    this.#calls.get(call)?.writeAgain(number);
    this.#show(call);
  }

  /** The first picture is on the screen (requestVideoFrameCallback). */
  firstPicture(call: string): void {
    this.#calls.get(call)?.playing?.firstPicture();
  }

  // ── SessionOwner, and the owner of what is sent ──────────────────────────────────────────────────
  tell(message: FromPage): void {
    this.client.tell(message);
  }

  changed(session: Session): void {
    this.#show(session.open.call);
  }

  chat(session: Session, line: Heard): void {
    this.#calls.get(session.open.call)?.lines.heard(line, Date.now());
    this.#show(session.open.call);
  }

  taken(session: Session, number: number): void {
    this.#calls.get(session.open.call)?.lines.taken(number);
    this.#show(session.open.call);
  }

  chatOpen(session: Session): void {
    const one = this.#calls.get(session.open.call);
    for (const line of one?.lines.waiting ?? []) session.say(line.text, line.number!);
  }

  changedSending(sending: Sending): void {
    for (const { id } of sending.to) this.#show(id);
    this.#keep(sending);
    if (!sending.ofRoom || sending.over) return;
    this.#roomViews.set(sending.id, sending.view);
    for (const listener of this.#listeners) listener(sending.id);
  }

  // ── what the node asks ────────────────────────────────────────────────────────────────────────
  #take(message: FromNode): void {
    switch (message.t) {
      case "calls":
      case "rooms":
        this.#heard.add(message.t);
        this.#compare(this.client.state);
        // What changed while the node was away, it has not heard.
        if (message.t === "calls") for (const one of this.#sendings.values()) this.#keep(one);
        break;
      case "open-media": {
        const one = this.#call(message.call, message.room);
        const session = new Session(message, this, (configuration) => this.browser.peer(configuration));
        one.sessions.push(session);
        this.#sessions.set(message.session, session);
        one.timer ??= setInterval(() => void this.#look(one), LOOK_EVERY);
        this.#show(message.call);
        break;
      }
      case "make-offer":
        this.#do(message.session, (session) => session.makeOffer());
        break;
      case "take-offer":
        this.#do(message.session, (session) => session.takeOffer(message.sdp));
        break;
      case "take-answer":
        this.#do(message.session, (session) => session.takeAnswer(message.sdp));
        break;
      case "take-candidates":
        this.#do(message.session, (session) => session.takeCandidates(message.candidates));
        break;
      case "attach-media":
        this.#do(message.session, (session) => this.#attach(session, message.kinds), false);
        break;
      case "shape-media":
        this.#do(message.session, (session) => session.limit(message), false);
        break;
      case "carry-media":
        this.#sessions.get(message.session)?.carry(message.data);
        break;
      case "mute-media": {
        const call = this.#sessions.get(message.session)?.open.call;
        const sending = call === undefined ? undefined : this.#calls.get(call)?.sending;
        if (message.kind === "audio") void sending?.setMuted(message.muted);
        else void sending?.setCameraOff(message.muted);
        break;
      }
      case "suspect-media":
        void this.#sessions.get(message.session)?.suspect();
        break;
      case "close-media":
        this.#close(message.session);
        break;
      default: // for the screens
        break;
    }
  }

  #call(id: string, room: string | null): CallMedia {
    const known = this.#calls.get(id);
    if (known !== undefined) return known;
    const one = new CallMedia(id, this.#sending(room ?? id, room !== null));
    one.sending.to.add(one);
    this.#calls.set(id, one);
    return one;
  }

  #sending(id: string, ofRoom: boolean): Sending {
    let one = this.#sendings.get(id);
    if (one !== undefined) return one;
    // While it rings nobody has decided anything: what this page begins with holds.
    const rings = this.client.state.calls.some((one) => one.call === id && one.state === "ringing-in");
    const kept = rings ? null : this.client.kept(id);
    const camera = this.#camerasOff.get(id);
    if (kept !== null) this.devices.takeOver(kept);
    one = new Sending(
      id,
      ofRoom,
      this.devices,
      this.browser,
      {
        changed: (sending) => this.changedSending(sending),
        told: (sending) => {
          for (const call of sending.to) this.#tellMedia(call.id, sending.told);
        },
      },
      kept ?? (camera === undefined ? null : { muted: null, camera_off: camera }),
    );
    this.#camerasOff.delete(id);
    this.#sendings.set(id, one);
    this.#keep(one);
    return one;
  }

  #keep(sending: Sending): void {
    if (sending.over || this.#sendings.get(sending.id) !== sending) return;
    const { camera, microphone, speaker } = this.devices.state.chosen;
    const { muted, camera_off } = sending.wish;
    this.client.keep(sending.id, {
      muted,
      camera_off,
      camera: (camera ?? "").slice(0, MAX_DEVICE_CHARS),
      microphone: (microphone ?? "").slice(0, MAX_DEVICE_CHARS),
      speaker: (speaker ?? "").slice(0, MAX_DEVICE_CHARS),
    });
  }

  /** `fatal`: the session cannot go on when this fails. */
  #do(id: number, work: (session: Session) => Promise<void>, fatal = true): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const before = this.#order.get(id) ?? Promise.resolve();
    const next = before
      .then(() => (this.#sessions.has(id) ? work(session) : undefined))
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        if (fatal) this.tell({ t: "media-failed", session: id, why: why.slice(0, MAX_WHY_CHARS) });
      });
    this.#order.set(id, next);
  }

  async #attach(session: Session, kinds: readonly Kind[]): Promise<void> {
    const one = this.#calls.get(session.open.call);
    if (one === undefined) return;
    session.attached = true;
    const first = !one.attached;
    one.attached = true;
    // Whoever joins later hears how things stand in the room.
    if (!one.sending.begin(kinds) && first) this.#tellMedia(one.id, one.sending.told);
    await one.sending.sendTo(session);
  }

  #tellMedia(call: string, { muted, cameraOff, sharing }: Told): void {
    this.tell({ t: "tell-media", call, muted, camera_off: cameraOff, sharing });
  }

  async #look(one: CallMedia): Promise<void> {
    if (one.lines.age(Date.now())) this.#show(one.id);
    if (await one.look()) this.#show(one.id);
  }

  // ── what there is, and what is over ─────────────────────────────────────────────────────────────
  #closePreview(state: AppState): void {
    const { previewFor } = this.devices;
    if (previewFor === null || previewFor === NEW_ROOM) return;
    const waited =
      state.calls.some((one) => one.call === previewFor) || state.rooms.rooms.some((one) => one.room === previewFor);
    if (!waited) this.devices.closePreview();
  }

  /** Ends what is over, or moved to another page; goes into the rooms that this page carries. */
  #compare(state: AppState): void {
    const page = state.welcome?.page;
    const { rooms } = state.rooms;
    for (const room of rooms)
      if (room.state === "in" && room.page === page) this.#sending(room.room, true).begin(["audio", "video"]);
    for (const one of [...this.#sendings.values()]) {
      const shown = one.ofRoom
        ? rooms.find((other) => other.room === one.id)
        : state.calls.find((other) => other.call === one.id);
      one.here ||= shown?.page != null && shown.page === page;
      const elsewhere = one.here && shown?.page != null && shown.page !== page;
      // NOTE: media of a room's call may be asked for before the room is shown.
      const over = shown === undefined && (one.ofRoom ? one.here && this.#heard.has("rooms") : this.#heard.has("calls"));
      if (elsewhere || over) this.#end(one);
    }
    if (!this.#heard.has("rooms")) return;
    for (const one of [...this.#calls.values()]) {
      if (!one.sending.ofRoom) continue;
      const people = rooms.find((other) => other.room === one.sending.id)?.people ?? [];
      const listed = people.some((other) => other.call === one.id);
      if (one.listed && !listed) this.#endCall(one);
      one.listed = listed;
    }
  }

  #close(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#order.delete(id);
    session.close();
    const one = this.#calls.get(session.open.call);
    if (one === undefined) return;
    const last = one.dropped(session);
    if (last && one.sending.ofRoom && !one.listed) this.#endCall(one);
    else this.#show(one.id);
  }

  #endCall(one: CallMedia): void {
    one.listed = true;
    if (!one.sending.ofRoom) this.undelivered = { call: one.id, texts: one.lines.waiting.map((line) => line.text) };
    for (const session of [...one.sessions]) this.#close(session.id);
    if (one.timer !== null) clearInterval(one.timer);
    one.sending.to.delete(one);
    this.#calls.delete(one.id);
    this.#views.delete(one.id);
    for (const listener of this.#listeners) listener(one.id);
  }

  #end(sending: Sending): void {
    sending.end();
    this.#sendings.delete(sending.id);
    this.#roomViews.delete(sending.id);
    for (const { id } of [...sending.to]) this.#endCall(this.#calls.get(id)!);
    for (const listener of this.#listeners) listener(sending.id);
  }

  #endAll(): void {
    for (const one of [...this.#sendings.values()]) this.#end(one);
    this.devices.closePreview();
  }

  #show(call: string): void {
    const one = this.#calls.get(call);
    if (one === undefined) return;
    this.#views.set(call, one.view);
    for (const listener of this.#listeners) listener(call);
  }
}
