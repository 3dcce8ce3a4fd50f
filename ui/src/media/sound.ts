// Whether this page may make a sound: most browsers want it to be touched once before (autoplay policy).

/** What ends the silence: a touch counts when it is let go, and a key when it is pressed. */
const TOUCHES = ["pointerup", "mousedown", "touchend", "keydown", "click"] as const;

export class Sound {
  /** A tone would be heard. */
  allowed = false;
  #context: AudioContext | null = null;
  #listeners = new Set<() => void>();

  constructor(
    private readonly make: () => AudioContext,
    private readonly touched: Pick<EventTarget, "addEventListener" | "removeEventListener">,
  ) {}

  /** Looks whether it may, now and whenever the page is touched, until it may. */
  begin(): void {
    let context: AudioContext;
    try {
      context = this.#context = this.make();
    } catch {
      return; // no sound in this browser
    }
    const touch = () => void context.resume().catch(() => undefined);
    const look = () => {
      if (this.allowed || context.state !== "running") return;
      this.allowed = true;
      for (const name of TOUCHES) this.touched.removeEventListener(name, touch, true);
      this.rest();
      for (const listener of this.#listeners) listener();
    };
    for (const name of TOUCHES) this.touched.addEventListener(name, touch, true);
    context.onstatechange = look;
    look();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The context that was touched, for a browser where another one starts silent; call `rest` after. */
  wake(): AudioContext | null {
    if (!this.allowed) return null;
    void this.#context?.resume().catch(() => undefined);
    return this.#context;
  }

  /** A context that runs keeps the sound card, and some computers, awake. */
  rest(): void {
    void this.#context?.suspend().catch(() => undefined);
  }
}

export const sound = new Sound(() => new AudioContext(), globalThis);
