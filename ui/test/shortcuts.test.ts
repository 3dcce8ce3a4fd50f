import assert from "node:assert/strict";
import { test } from "node:test";
import { actionOf, ACTIONS } from "../src/call/shortcuts.js";

const press = (key: string, code: string, within: readonly string[] = []) =>
  actionOf({ key, code, ctrlKey: false, altKey: false, metaKey: false, within }, ACTIONS);

test("the key for the microphone is the same on keyboards that are not Latin", () => {
  for (const key of ["m", "M", "ь", "ة", "μ", "צ", "ㅡ"]) assert.equal(press(key, "KeyM"), "mute", key);
  assert.equal(press("لا", "KeyB"), null);
  assert.equal(press("؟", "Slash"), "help");
});

test("a Latin letter counts as it is written, wherever it stands", () => {
  assert.equal(press("m", "Semicolon"), "mute", "AZERTY");
  assert.equal(press("ñ", "KeyM"), null);
  assert.equal(press("Dead", "KeyM"), null);
  assert.equal(press("Process", "KeyM"), null);
});

test("nothing is done while somebody types", () => {
  assert.equal(press("ь", "KeyM", ["input", "om-chat"]), null);
  assert.equal(press(" ", "Space", ["textarea"]), null);
});
