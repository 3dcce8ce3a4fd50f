import assert from "node:assert/strict";
import { test } from "node:test";
import { guarded, type Store } from "../src/node/stores.js";
import { Places } from "../src/guest/place.js";

const forbidden = (): Store => {
  throw new DOMException("Access is denied for this document.", "SecurityError");
};

function memory(): Store & { map: Map<string, string> } {
  const map = new Map<string, string>();
  return {
    map,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  };
}

test("a page whose browser forbids storage keeps things as long as it is there", () => {
  const store = guarded(forbidden);
  assert.equal(store.getItem("a"), null);
  store.setItem("a", "1");
  assert.equal(store.getItem("a"), "1");
  store.removeItem("a");
  assert.equal(store.getItem("a"), null);
});

test("a store that is full, or is none, is no error", () => {
  const full = { ...memory(), setItem: () => { throw new DOMException("full", "QuotaExceededError"); } };
  for (const one of [full, null as unknown as Store]) {
    const store = guarded(() => one);
    store.setItem("a", "1");
    assert.equal(store.getItem("a"), "1");
  }
});

test("a guest who reloads while they wait has their name and their place", () => {
  const store = memory();
  const first = new Places(store, "door", () => 1_000);
  first.put({ name: "Gina", waits: true, muted: true, cameraOff: true });
  first.leave();
  const second = new Places(store, "door", () => 2_000);
  assert.deepEqual([second.returns, second.before?.name, second.before?.muted], [true, "Gina", true]);
  assert.equal(new Places(store, "door", () => 3_000).returns, false, "a copy of the tab is not the guest");
});

test("a tab that is opened again much later, or for another link, walks into nothing by itself", () => {
  const store = memory();
  const first = new Places(store, "door", () => 1_000);
  first.put({ name: "Gina", waits: true });
  first.leave();
  assert.equal(new Places(store, "another", () => 2_000).before, null);
  const late = new Places(store, "door", () => 100_000);
  assert.deepEqual([late.returns, late.before?.name], [false, "Gina"]);
});

test("when the call is over nothing of the guest stays in the tab", () => {
  const store = memory();
  const place = new Places(store, "door");
  place.put({ name: "Gina", waits: true });
  place.forget();
  assert.equal(store.map.size, 0);
});
