// The line to the host, made anew for as long as it is wanted.
import type { GuestLink } from "../protocol/guest-link.js";
import type { FromGuest, FromHost } from "../protocol/guest-messages.js";
import { Line, type LineBrowser, type LineEnd } from "./line.js";
import type { Trying } from "./stage.js";
import { CROWDED } from "../protocol/tables.js";

const FIRST_WAIT = 500;
/** Between tries in a call. */
export const LONGEST_WAIT = 5_000;
/** Ends of a line that another try does not mend. */
const FINAL: ReadonlySet<LineEnd> = new Set(["tampered", "malformed"]);

export interface HostLineOwner {
  heard(message: FromHost): void;
  /** `met`: the host had been at its other end. */
  ended(why: LineEnd, met: boolean): void;
  /** The line is wanted, now or when it can be had. */
  awaits(): boolean;
}

export class HostLine {
  #line: Line | null = null;
  #wait = FIRST_WAIT;
  #tries = 0;
  /** When the host was proven to be at its other end. */
  #met: number | null = null;
  /** Numbers what was planned last: one try at a time. */
  #planned = 0;

  constructor(
    private readonly link: GuestLink,
    private readonly browser: LineBrowser,
    private readonly later: (run: () => void, ms: number) => unknown,
    private readonly owner: HostLineOwner,
  ) {}

  /** Whether the host was proven to be at its other end. */
  get open(): boolean {
    return this.#line?.open === true;
  }

  say(message: FromGuest): void {
    this.#line?.say(message);
  }

  /** Makes one, unless there is one. */
  begin(): void {
    if (this.#line !== null) return;
    this.#planned += 1;
    const line: Line = new Line(
      this.link,
      {
        heard: (message) => this.owner.heard(message),
        ended: (why) => {
          if (this.#line === line) this.#ended(why);
        },
      },
      this.browser,
    );
    this.#line = line;
  }

  close(): void {
    const line = this.#line;
    this.#line = null;
    line?.close();
  }

  /** Nothing is wanted of it any more; what is begun after this is begun afresh. */
  forget(): void {
    this.close();
    this.#planned += 1;
    this.#tries = 0;
    this.#wait = FIRST_WAIT;
  }

  /** The host is at its other end. */
  met(): void {
    this.#tries = 0;
    this.#met = this.browser.now();
  }

  /** The host has answered: the next break is looked after at once. */
  answered(): void {
    this.#wait = FIRST_WAIT;
  }

  /**
   * A door that is not there may be there in a moment: a gateway or a host that begins again. Null: it
   * stays away. `used`: the link was for one guest, who came.
   */
  trying(why: LineEnd, used: boolean): Trying | null {
    const { expires } = this.link;
    const closed = why === "no-door" && (used || (expires !== null && expires * 1_000 < Date.now()));
    return FINAL.has(why) || closed ? null : { why, tries: ++this.#tries };
  }

  /** Another try, in a while. */
  again(why: LineEnd, longest: number): void {
    const plan = ++this.#planned;
    this.later(() => {
      if (plan === this.#planned && this.owner.awaits()) this.begin();
    }, why === "too-many" ? CROWDED : this.#wait);
    this.#wait = Math.min(this.#wait * 2, longest);
  }

  #ended(why: LineEnd): void {
    this.#line = null;
    const met = this.#met;
    // One that was good is looked for at once; one that goes as soon as it comes, is not.
    if (met !== null && this.browser.now() - met >= LONGEST_WAIT) this.#wait = FIRST_WAIT;
    this.#met = null;
    this.owner.ended(why, met !== null);
  }
}
