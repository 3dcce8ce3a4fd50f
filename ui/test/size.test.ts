// The guest page as it was built: small, and each of its files held by its hash (make ui).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const BUILT = "../onmeet_node/web/guest/";
const skip = !existsSync(`${BUILT}j.html`);
/** Until the guest can say a name. */
const MOST = 60_000;
/** More to open the line to the host: it comes while the page is shown and the WebSocket is opened. */
const MOST_OF_LINE = 14_000;
/** More for a room: its screen, its channels, and curves. */
const MOST_OF_ROOM = 60_000;

const assets = () => readdirSync(`${BUILT}assets`).map((name) => `assets/${name}`);
const page = (name = "j.html") => readFileSync(BUILT + name, "utf8");
const named = (html: string) =>
  [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)" integrity="([^"]+)"/g)].map(([, file, held]) => [file!, held!] as const);
const map = (html: string) =>
  (JSON.parse(/<script type="importmap">(.*?)<\/script>/.exec(html)![1]!) as { integrity: Record<string, string> }).integrity;
const size = (files: Iterable<string>) =>
  [...files].reduce((sum, name) => sum + gzipSync(readFileSync(BUILT + name), { level: 9 }).length, 0);
const held = (file: string) => `sha384-${createHash("sha384").update(readFileSync(BUILT + file)).digest("base64")}`;

/** The script that begins with this name. */
const part = (name: string) => assets().find((file) => file.startsWith(`assets/${name}-`) && file.endsWith(".js"))!;

/** A script and what it imports at once. */
function withImports(file: string, all = new Set<string>()): Set<string> {
  if (all.has(file)) return all;
  all.add(file);
  for (const [, name] of readFileSync(BUILT + file, "utf8").matchAll(/\b(?:from|import)\s*["'`]\.\/([^"'`]+)["'`]/g))
    withImports(`assets/${name}`, all);
  return all;
}

test("the guest page has at most 60 kB, gzipped, before the guest can say a name", { skip }, () => {
  const first = named(page()).map(([file]) => file);
  const script = first.find((name) => /\/j-[^/]+\.js$/.test(name))!;
  for (const file of withImports(script)) assert.ok(first.includes(file), `${file} is loaded at once and not named`);
  const total = size(["j.html", ...first]);
  assert.ok(total <= MOST, `${total} bytes`);
});

test("what the line to the host needs besides has at most 14 kB, gzipped", { skip }, () => {
  const first = new Set(named(page()).map(([file]) => file));
  const total = size([...withImports(part("noise"))].filter((file) => !first.has(file)));
  assert.ok(total <= MOST_OF_LINE, `${total} bytes`);
});

test("what a room needs besides has at most 60 kB, gzipped", { skip }, () => {
  const before = new Set([...named(page()).map(([file]) => file), ...withImports(part("noise"))]);
  const total = size([...withImports(part("room"))].filter((file) => !before.has(file)));
  assert.ok(total <= MOST_OF_ROOM, `${total} bytes`);
});

test("the page holds each of its files by its hash", { skip }, () => {
  for (const name of ["j.html", "e.html"]) {
    const html = page(name);
    const first = named(html);
    const later = map(html);
    for (const [file, hash] of first) assert.equal(hash, held(file));
    for (const [path, hash] of Object.entries(later)) assert.equal(hash, held(path.slice(1)));
    const all = new Set([...first.map(([file]) => file), ...Object.keys(later).map((path) => path.slice(1))]);
    assert.deepEqual([...all].sort(), assets().sort());
    assert.ok(html.indexOf("importmap") < html.indexOf('type="module"'), "no browser takes a map after a module");
  }
});

test("every text of the call module and the guest page is in the guest page's languages", () => {
  const keys = new Set(
    ["call", "call/alone", "call/inside", "guest", "guest/room"].flatMap((part) =>
      [...readFileSync(`src/i18n/${part}/en.ts`, "utf8").matchAll(/^  "([\w.-]+)":/gm)].map((one) => one[1]!),
    ),
  );
  const files = [
    ...["src/guest", "src/guest/room"].flatMap((folder) =>
      readdirSync(folder).filter((name) => name.endsWith(".ts")).map((name) => `${folder}/${name}`),
    ),
    ...["chat", "details", "devices-panel", "preview", "reasons", "screen"].map((name) => `src/call/${name}.ts`),
    "src/elements/element.ts",
  ];
  for (const file of files)
    for (const [, key] of readFileSync(file, "utf8").matchAll(/\bt\("([\w.-]+)"/g))
      assert.ok(keys.has(key!), `${file} says ${key}`);
});

test("every text of the room screen is in its own languages or those of a call", () => {
  const keys = new Set(
    ["call", "call/inside", "room"].flatMap((part) =>
      [...readFileSync(`src/i18n/${part}/en.ts`, "utf8").matchAll(/^  "([\w.-]+)":/gm)].map((one) => one[1]!),
    ),
  );
  const used = new Set<string>();
  for (const file of [...readdirSync("src/room").map((name) => `src/room/${name}`), "src/elements/dialogs.ts", "src/elements/qr.ts"])
    for (const [, key] of readFileSync(file, "utf8").matchAll(/"((?:room|call|chat|keys)\.[\w.-]+|cancel|copy|copied|close)"/g))
      used.add(key!);
  for (const key of used) assert.ok(keys.has(key), key);
});
