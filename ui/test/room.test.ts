import assert from "node:assert/strict";
import { test } from "node:test";
import type { Participant, PictureSize, RoomShown } from "../src/node/messages.js";
import { changes, Contacts } from "../src/room/changes.js";
import { grid, place, type Box, type Rect } from "../src/room/layout.js";
import { Looks, sizes } from "../src/room/picture-sizes.js";
import { Speakers } from "../src/room/speaker.js";

const PHONE: Box = { width: 344, height: 600 };
const LAPTOP: Box = { width: 1_264, height: 590 };
const DESK: Box = { width: 1_904, height: 950 };
const columns = (tiles: readonly Rect[]) => new Set(tiles.map((one) => Math.round(one.y))).size;

function apart(tiles: readonly Rect[]): boolean {
  return tiles.every((a, i) =>
    tiles.every(
      (b, j) =>
        i >= j || a.x + a.width <= b.x + 0.01 || b.x + b.width <= a.x + 0.01 || a.y + a.height <= b.y + 0.01 || b.y + b.height <= a.y + 0.01,
    ),
  );
}
const within = (tiles: readonly Rect[], box: Box) =>
  tiles.every((one) => one.x > -0.01 && one.y > -0.01 && one.x + one.width < box.width + 0.01 && one.y + one.height < box.height + 0.01);

// ── layout ───────────────────────────────────────────────────────────────────────────────────────
test("tiles never overlap nor leave the stage, for any count, box, view and page", () => {
  for (const box of [PHONE, LAPTOP, DESK, { width: 700, height: 300 }, { width: 800, height: 1_000 }])
    for (let count = 1; count <= 12; count++)
      for (const front of [false, true])
        for (const page of [0, 1, 5]) {
          const layout = place(count, front, page, box);
          const all = layout.front === null ? layout.tiles : [layout.front, ...layout.tiles];
          assert.ok(apart(all) && within(all, box), `${count} ${front} ${page} ${box.width}`);
          assert.ok(layout.tiles.length > 0);
        }
});

test("every tile is on exactly one page", () => {
  for (const box of [PHONE, LAPTOP])
    for (const front of [false, true])
      for (let count = 1; count <= 12; count++) {
        const seen: number[] = [];
        const { pages } = place(count, front, 0, box);
        for (let page = 0; page < pages; page++) {
          const { first, tiles } = place(count, front, page, box);
          for (let n = 0; n < tiles.length; n++) seen.push(first + n);
        }
        assert.deepEqual(seen, Array.from({ length: count }, (_, n) => n));
      }
});

test("a phone has at most six tiles on a page, of one size on all of them", () => {
  const [first, second] = [place(8, false, 0, PHONE), place(8, false, 1, PHONE)];
  assert.deepEqual([first.tiles.length, second.tiles.length, first.pages], [6, 2, 2]);
  assert.equal(first.tiles[0]!.width, second.tiles[0]!.width);
});

test("rows suit the count and the screen", () => {
  const rows = (box: Box) => [1, 2, 3, 5, 8].map((count) => columns(grid(count, box)));
  assert.deepEqual(rows(LAPTOP), [1, 1, 2, 2, 2]);
  assert.deepEqual(rows(DESK).slice(0, 3), [1, 1, 2]);
  assert.deepEqual([1, 2, 3, 5, 6].map((count) => columns(grid(count, PHONE))), [1, 2, 3, 3, 3]);
});

test("a page that there is no more leads to the last one", () => {
  assert.equal(place(8, false, 9, PHONE).page, 1);
  assert.equal(place(3, false, 9, PHONE).page, 0);
});

// ── speakers ─────────────────────────────────────────────────────────────────────────────────────
/** Plays levels, four times a second; who is in front at the end of each second. */
function play(speakers: Speakers, from: number, seconds: number, levels: Record<string, number>): string | null {
  for (let tick = 0; tick < seconds * 4; tick++) speakers.take(new Map(Object.entries(levels)), from + tick * 250);
  return speakers.active;
}

test("who speaks comes to the front, and stays there in silence", () => {
  const speakers = new Speakers();
  assert.equal(play(speakers, 0, 1, { anna: 0, ben: 0.2 }), "ben");
  assert.equal(play(speakers, 1_000, 5, { anna: 0, ben: 0 }), "ben");
  assert.equal(play(speakers, 6_000, 1, { anna: 0.2, ben: 0 }), "anna");
});

test("a cough takes the front from nobody who speaks; a second of speech does", () => {
  const speakers = new Speakers();
  play(speakers, 0, 2, { anna: 0.1, ben: 0 });
  assert.equal(play(speakers, 2_000, 0.5, { anna: 0.1, ben: 0.9 }), "anna");
  assert.equal(play(speakers, 2_500, 1, { anna: 0.1, ben: 0 }), "anna");
  assert.equal(play(speakers, 4_000, 2, { anna: 0.1, ben: 0.3 }), "ben");
});

test("noise is nobody, and who left is not in front", () => {
  const speakers = new Speakers();
  assert.equal(play(speakers, 0, 3, { anna: 0.005 }), null);
  play(speakers, 3_000, 1, { anna: 0.3, ben: 0 });
  assert.equal(play(speakers, 4_000, 0.25, { ben: 0 }), null);
});

test("somebody speaks on through the pause between two words", () => {
  const speakers = new Speakers();
  speakers.take(new Map([["anna", 0.3]]), 0);
  assert.equal(speakers.speaking("anna", 500), true);
  assert.equal(speakers.speaking("anna", 700), false);
});

// ── looks ────────────────────────────────────────────────────────────────────────────────────────
const others = ["a", "b", "c", "d", "e"];
const shown = (more: object) =>
  sizes({ others, visible: new Set(others), front: null, active: null, away: false, ...more });

test("few are all large, of many the one who speaks", () => {
  assert.deepEqual([...new Set(shown({ others: ["a", "b", "c"] }).values())], ["large"]);
  const many = shown({ active: "b" });
  assert.deepEqual(others.filter((key) => many.get(key) === "large"), ["b"]);
});

test("beside the one in front everybody is small, and who is on another page is nothing", () => {
  const looks = shown({ front: "c", active: "a", visible: new Set(["a", "c"]) });
  assert.deepEqual(others.map((key) => looks.get(key)), ["small", "none", "large", "none", "none"]);
});

test("a page that nobody looks at wants no picture", () => {
  assert.deepEqual([...new Set(shown({ away: true }).values())], ["none"]);
});

test("only changes are told, once they stand", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const told: [string, PictureSize][] = [];
  const looks = new Looks((key, size) => told.push([key, size]));
  const want = (more: Record<string, PictureSize>) => looks.want(new Map(Object.entries(more)));
  want({ a: "large" });
  want({ a: "small" });
  context.mock.timers.tick(300);
  assert.deepEqual(told, [["a", "small"]]);
  want({ a: "small", b: "none" });
  context.mock.timers.tick(300);
  assert.deepEqual(told.slice(1), [["b", "none"]]);
  want({ b: "none" }); // a left …
  context.mock.timers.tick(300);
  want({ a: "small", b: "none" }); // … and came back
  context.mock.timers.tick(300);
  assert.deepEqual(told.slice(2), [["a", "small"]]);
  for (let n = 0; n < 5; n++) {
    want({ a: "none", b: "none" }); // a screen that is drawn all the time
    context.mock.timers.tick(100);
  }
  assert.deepEqual(told.slice(3), [["a", "none"]]);
  want({ a: "large", b: "none" });
  context.mock.timers.tick(300);
  looks.stop(true);
  assert.deepEqual(told.slice(4), [["a", "large"], ["a", "none"]]);
});

// ── changes ──────────────────────────────────────────────────────────────────────────────────────
const person = (key: string, more: Partial<Participant> = {}): Participant =>
  ({ key, name: key, me: false, role: "member", here: true, media: true, seen: true, hand: false, sharing: false, ...more }) as Participant;
const room = (people: Participant[], more: Partial<RoomShown> = {}): RoomShown =>
  ({ state: "in", people, knocking: [], locked: false, ...more }) as RoomShown;

test("what happens in a room is said once, and one's own doings are not", () => {
  const me = person("me", { me: true });
  const before = room([me, person("anna"), person("ben")]);
  const after = room([person("me", { me: true, hand: true, role: "co-host" }), person("anna", { hand: true, sharing: true }), person("cem")], {
    knocking: [{ key: "k", name: "Dana" }],
    locked: true,
  });
  assert.deepEqual(
    changes(before, after).map((one) => `${one.what} ${one.name}`),
    ["left ben", "role co-host", "hand anna", "sharing anna", "joined cem", "knock Dana", "locked "],
  );
  assert.deepEqual(changes(after, after), []);
});

test("coming in is no news of all who were there", () => {
  assert.deepEqual(changes(room([], { state: "knocking" }), room([person("anna")])), []);
});

test("two who do not hear each other learn it after ten seconds, not before", () => {
  const contacts = new Contacts();
  const state = (now: number, more: Partial<Participant>) => contacts.take([person("anna", more)], now).get("anna");
  assert.equal(state(0, { here: false, media: false, seen: false }), "connecting");
  assert.equal(state(1_000, { media: false, seen: false }), "connecting");
  assert.equal(state(12_000, { media: false, seen: false }), "unheard");
  assert.equal(state(13_000, { seen: false }), "unseen");
  assert.equal(state(14_000, {}), "fine");
  assert.equal(state(15_000, { seen: false }), "fine");
  assert.equal(state(16_000, { here: false, media: false, seen: false }), "reconnecting");
});
