// What a visit does later, and never once it is over.
export class Timers {
  #cancel = new Set<() => void>();
  #wake: (() => void) | null = null;
  over = false;

  constructor(private readonly after: (ms: number, run: () => void) => () => void) {}

  later(ms: number, run: () => void): void {
    const cancel = this.after(ms, () => {
      this.#cancel.delete(cancel);
      if (!this.over) run();
    });
    this.#cancel.add(cancel);
  }

  /** In place of what was to be done at the last such time; null: nothing. */
  wake(ms: number | null, run: () => void): void {
    this.#wake?.();
    this.#wake = ms === null || this.over ? null : this.after(ms, run);
  }

  stop(): void {
    this.over = true;
    this.#wake?.();
    for (const cancel of this.#cancel) cancel();
    this.#cancel.clear();
  }
}
