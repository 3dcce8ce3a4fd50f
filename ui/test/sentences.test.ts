// What the node says in English, in the language of the page.
import assert from "node:assert/strict";
import { test } from "node:test";

const page = { lang: "", dir: "" };
Object.assign(globalThis, { document: { documentElement: page }, localStorage: { getItem: () => null, setItem: () => undefined } });
const { speakOnly } = await import("../src/i18n/index.js");
const { translated } = await import("../src/i18n/sentences/index.js");

test("a sentence of the node is said in the language of the page, with its values", () => {
  speakOnly("de");
  assert.equal(translated("There is no code ‘work’. See them with: onmeet code list"), "Es gibt keinen Code ‘work’.");
  assert.equal(translated("3 relays hold a place."), "3 Relays halten einen Platz.");
  speakOnly("fr");
  assert.equal(translated("1 relay holds a place."), "1 relais garde une place.");
  speakOnly("en");
  assert.equal(translated("3 relays hold a place."), "3 relays hold a place.");
});

test("values that are sentences, or spans of time, are said in it as well", () => {
  speakOnly("de");
  assert.equal(
    translated("They took the call, but no path for sound and picture was found: the TURN server could not be used: it did not answer. Run: onmeet doctor"),
    "Der Anruf wurde angenommen, aber für Ton und Bild fand sich kein Weg: der TURN-Server war nicht zu benutzen: er antwortete nicht. Starten Sie: onmeet doctor",
  );
  assert.equal(translated("This machine's clock is 10 minutes ahead."), "Die Uhr dieses Rechners geht 10 Minuten vor.");
});

test("a name among Arabic words does not turn them round, and what is unknown stays as it is", () => {
  speakOnly("ar");
  assert.match(translated("You and Ann do not see each other, or only one of you does.")!, /\u2068Ann\u2069/);
  assert.equal(translated("A sentence of a node that is newer."), null);
});
