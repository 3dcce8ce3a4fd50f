// Ring tones, made on the spot: no file, and nothing to fetch.
export type Tone = "ring" | "ring-back" | "knock";

const PATTERNS: Record<Tone, { hertz: readonly number[]; on: number; every: number; loud: number }> = {
  ring: { hertz: [660, 880], on: 0.9, every: 2.6, loud: 0.16 },
  knock: { hertz: [330], on: 0.18, every: 0.35, loud: 0.12 },
  "ring-back": { hertz: [425], on: 1, every: 4, loud: 0.05 },
};

/** Plays a tone until the function that it gives is called. Without sound where that is not allowed. */
export function play(tone: Tone): () => void {
  const { hertz, on, every, loud } = PATTERNS[tone];
  const context = new AudioContext();
  const beat = () => {
    if (context.state !== "running") return;
    const gain = context.createGain();
    const now = context.currentTime;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(loud, now + 0.05);
    gain.gain.setValueAtTime(loud, now + on - 0.1);
    gain.gain.linearRampToValueAtTime(0, now + on);
    gain.connect(context.destination);
    for (const frequency of hertz) {
      const oscillator = context.createOscillator();
      oscillator.frequency.value = frequency;
      oscillator.connect(gain);
      oscillator.start(now);
      oscillator.stop(now + on);
    }
  };
  beat();
  const timer = setInterval(beat, every * 1_000);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}
