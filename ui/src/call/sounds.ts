// Ring tones, made on the spot: no file, and nothing to fetch.
import { sound } from "../media/sound.js";

export type Tone = "ring" | "ring-back" | "knock";

const PATTERNS: Record<Tone, { hertz: readonly number[]; on: number; every: number; loud: number }> = {
  ring: { hertz: [660, 880], on: 0.9, every: 2.6, loud: 0.16 },
  knock: { hertz: [330], on: 0.18, every: 0.35, loud: 0.12 },
  "ring-back": { hertz: [425], on: 1, every: 4, loud: 0.05 },
};

/** Plays a tone until the function that it gives is called. Without sound where that is not allowed. */
export function play(tone: Tone): () => void {
  const { hertz, on, every, loud } = PATTERNS[tone];
  const own = new AudioContext();
  const touched = sound.wake();
  const beat = () => {
    const context = [own, touched].find((one) => one?.state === "running");
    if (context == null) return;
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
  // It begins to run a moment after it was made.
  if (own.state === "running") beat();
  else own.onstatechange = beat;
  const timer = setInterval(beat, every * 1_000);
  return () => {
    clearInterval(timer);
    own.onstatechange = null;
    void own.close();
    sound.rest();
  };
}

const CHIMES = {
  joined: [523, 784],
  left: [784, 523],
  hand: [659],
  knock: [330, 330],
} as const;
const NOTE = 0.14;

/** A short sound for what happened in a room. */
export function chime(name: keyof typeof CHIMES): void {
  const context = new AudioContext();
  const notes = CHIMES[name];
  notes.forEach((hertz, n) => {
    const [gain, oscillator] = [context.createGain(), context.createOscillator()];
    const start = context.currentTime + n * NOTE;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(0.08, start + 0.02);
    gain.gain.linearRampToValueAtTime(0, start + NOTE * 1.8);
    oscillator.frequency.value = hertz;
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(start);
    oscillator.stop(start + NOTE * 2);
  });
  setTimeout(() => void context.close(), notes.length * NOTE * 1_000 + 400);
}
