// A page that nobody has touched may make no sound: it knows, and the first touch ends it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sound } from "../src/media/sound.js";

class FakeContext {
  state: "suspended" | "running" = "suspended";
  onstatechange: (() => void) | null = null;
  constructor(readonly mayStart: () => boolean) {}
  async resume(): Promise<void> {
    if (!this.mayStart()) return;
    this.#become("running");
  }
  async suspend(): Promise<void> {
    this.#become("suspended");
  }
  #become(state: "suspended" | "running"): void {
    if (this.state === state) return;
    this.state = state;
    this.onstatechange?.();
  }
}

function page(touchable = true) {
  const window = new EventTarget();
  let touched = false;
  const context = new FakeContext(() => touched);
  const sound = new Sound(() => context as unknown as AudioContext, window);
  const told: boolean[] = [];
  sound.subscribe(() => told.push(sound.allowed));
  const touch = () => {
    touched = touchable;
    window.dispatchEvent(new Event("click"));
  };
  return { sound, context, told, touch };
}

test("a page that nobody touched is silent, and one touch lets it ring for good", () => {
  const { sound, context, told, touch } = page();
  sound.begin();
  assert.equal(sound.allowed, false);
  assert.equal(sound.wake(), null);
  touch();
  assert.equal(sound.allowed, true);
  assert.deepEqual(told, [true]);
  assert.equal(context.state, "suspended", "the sound card rests until something rings");
  assert.notEqual(sound.wake(), null);
  assert.equal(context.state, "running");
  sound.rest();
  assert.equal(sound.allowed, true);
});

test("a browser that lets every page ring asks for nothing", () => {
  const { sound, context, told } = page();
  context.state = "running";
  sound.begin();
  assert.equal(sound.allowed, true);
  assert.deepEqual(told, [true]);
});

test("a touch that does not count leaves it silent", () => {
  const { sound, told, touch } = page(false);
  sound.begin();
  touch();
  assert.equal(sound.allowed, false);
  assert.deepEqual(told, []);
});

test("a browser without sound stays silent, and nothing breaks", () => {
  const sound = new Sound(() => {
    throw new Error("none");
  }, new EventTarget());
  sound.begin();
  assert.equal(sound.allowed, false);
});
