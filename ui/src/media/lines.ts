// Lines of a call's chat: what was written, what the other side has, and what must be said again.
import type { Heard } from "../node/codec.js";

const MAX_LINES = 1_000;
/** For the other side to confirm a line, before it is shown as not delivered. */
const PATIENCE = 10_000;

/** `sent`: handed over to somebody whose program confirms nothing. Theirs are `taken`. */
export type LineState = "sending" | "sent" | "taken" | "failed";

export interface ChatLine {
  readonly mine: boolean;
  readonly text: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** What it is confirmed by; of theirs, null if they ask for nothing. */
  readonly number: number | null;
  readonly state: LineState;
}

export class Lines {
  all: readonly ChatLine[] = [];
  /** Of theirs, so that one said again is shown once. */
  #theirs = new Set<number>();
  /** Lines of theirs came without a number: they confirm none of ours. */
  #plain = false;
  #since = new Map<number, number>();

  /** Begins anywhere: a page that goes on with a call numbers on from no other page's lines. */
  #next = Math.floor(Math.random() * 2 ** 31);

  write(text: string, now: number): ChatLine {
    const line: ChatLine = { mine: true, text, at: now, number: this.#next++, state: "sending" };
    this.#since.set(line.number!, now);
    this.#add(line);
    return line;
  }

  heard({ text, number }: Heard, now: number): void {
    if (number === null) {
      this.#plain = true;
      for (const line of this.waiting) this.handed(line);
    } else if (this.#theirs.has(number)) return;
    else this.#theirs.add(number);
    if (this.#theirs.size > MAX_LINES) this.#theirs.delete(this.#theirs.values().next().value!);
    this.#add({ mine: false, text, at: now, number, state: "taken" });
  }

  /** It went out; whether it arrives, the other side says, or nobody does. */
  handed(line: ChatLine): void {
    if (this.#plain) this.#become(line.number, "sent");
  }

  taken(number: number): void {
    this.#become(number, "taken");
  }

  /** A person tries it again. */
  again(number: number, now: number): ChatLine | null {
    this.#since.set(number, now);
    this.#become(number, "sending");
    return this.all.find((line) => line.mine && line.number === number) ?? null;
  }

  /** What the other side is not known to have: said again over a new channel. */
  get waiting(): readonly ChatLine[] {
    return this.all.filter((line) => line.mine && (line.state === "sending" || line.state === "failed"));
  }

  /** Whether a line waited too long just now. */
  age(now: number): boolean {
    const late = this.all.filter((line) => line.state === "sending" && now - this.#since.get(line.number!)! >= PATIENCE);
    for (const line of late) this.#become(line.number, "failed");
    return late.length > 0;
  }

  #add(line: ChatLine): void {
    this.all = [...this.all, line].slice(-MAX_LINES);
  }

  #become(number: number | null, state: LineState): void {
    this.all = this.all.map((line) => (line.mine && line.number === number && line.state !== "taken" ? { ...line, state } : line));
  }
}
