// The media of one call in this page: its sessions, its lines, and what a screen shows of them.
import { Lines, type ChatLine } from "./lines.js";
import type { Sending, SendingView } from "./sending.js";
import type { Session } from "./session.js";
import { quality, UNKNOWN, type Look, type Quality } from "./stats.js";

/** What a screen shows of a call's media. A new object at every change. */
export interface CallMediaView extends SendingView {
  readonly call: string;
  readonly remote: MediaStream;
  readonly connected: boolean;
  /** Whether the other side can take a picture of us in this call. */
  readonly takesPicture: boolean;
  readonly chat: readonly ChatLine[];
  readonly quality: Quality;
}

export class CallMedia {
  sessions: Session[] = [];
  /** What this call was accepted with has been told. */
  attached = false;
  /** The room's list of people has named it. */
  listed = false;
  readonly lines = new Lines();
  timer: ReturnType<typeof setInterval> | null = null;
  #quality: Quality = UNKNOWN;
  #last: Look | null = null;

  constructor(
    readonly id: string,
    readonly sending: Sending,
  ) {}

  /** The session that plays: the newest connected one, be it silent just now, or the newest. */
  get playing(): Session | undefined {
    const connected = this.sessions.filter((one) => one.connected);
    return connected.findLast((one) => !one.lost) ?? connected.at(-1) ?? this.sessions.at(-1);
  }

  get view(): CallMediaView {
    const { playing } = this;
    return {
      ...this.sending.view,
      call: this.id,
      remote: playing?.remote ?? new MediaStream(),
      connected: playing?.connected === true && !playing.lost,
      takesPicture: playing?.takesPicture !== false,
      chat: this.lines.all,
      quality: this.#quality,
    };
  }

  /** Looks how good the line is; false if there is none yet. */
  async look(): Promise<boolean> {
    const session = this.playing;
    if (session === undefined || session.pc.connectionState === "new") return false;
    const now = await session.look();
    this.#quality = quality(this.#last, now, session.lost);
    this.#last = now;
    return true;
  }

  /** A session is closed; true if that was the last. */
  dropped(session: Session): boolean {
    this.sessions = this.sessions.filter((other) => other !== session);
    this.#last = null;
    return this.sessions.length === 0;
  }

  /** Writes a line, which goes out as soon as it can. */
  write(text: string): void {
    this.#say(this.lines.write(text, Date.now()));
  }

  /** A line that was not delivered, once more. */
  writeAgain(number: number): void {
    const line = this.lines.again(number, Date.now());
    if (line !== null) this.#say(line);
  }

  #say(line: ChatLine): void {
    // Over any channel that is open: the one that plays may be silent just now.
    if (this.sessions.map((session) => session.say(line.text, line.number!)).includes(true)) this.lines.handed(line);
  }
}
