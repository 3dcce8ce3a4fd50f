// The guest page as it was built: small, and each of its files held by its hash (make ui).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const BUILT = "../guest/";
const MOST = 60_000;

test("the guest page has at most 60 kB, gzipped", { skip: !existsSync(BUILT) }, () => {
  const files = ["j.html", ...readdirSync(`${BUILT}assets`).map((name) => `assets/${name}`)];
  const size = files.reduce((sum, name) => sum + gzipSync(readFileSync(BUILT + name), { level: 9 }).length, 0);
  assert.ok(size <= MOST, `${size} bytes`);
});

test("the page holds its script and its style by their hashes", { skip: !existsSync(BUILT) }, () => {
  for (const page of ["j.html", "e.html"]) {
    const html = readFileSync(BUILT + page, "utf8");
    const named = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)" integrity="sha384-([^"]+)"/g)];
    assert.equal(named.length, readdirSync(`${BUILT}assets`).length);
    for (const [, file, digest] of named)
      assert.equal(createHash("sha384").update(readFileSync(BUILT + file!)).digest("base64"), digest);
  }
});

test("every text of the call module and the guest page is in the guest page's languages", () => {
  const keys = new Set(
    ["call", "guest"].flatMap((part) =>
      [...readFileSync(`src/i18n/${part}/en.ts`, "utf8").matchAll(/^  "([\w.-]+)":/gm)].map((one) => one[1]!),
    ),
  );
  const files = [
    ...readdirSync("src/guest").map((name) => `src/guest/${name}`),
    ...["chat", "details", "devices-panel", "preview", "reasons", "screen"].map((name) => `src/call/${name}.ts`),
    "src/app/element.ts",
  ];
  for (const file of files)
    for (const [, key] of readFileSync(file, "utf8").matchAll(/\bt\("([\w.-]+)"/g))
      assert.ok(keys.has(key!), `${file} says ${key}`);
});

test("every text of the room screen is in its own languages or those of a call", () => {
  const keys = new Set(
    ["call", "room"].flatMap((part) =>
      [...readFileSync(`src/i18n/${part}/en.ts`, "utf8").matchAll(/^  "([\w.-]+)":/gm)].map((one) => one[1]!),
    ),
  );
  const used = new Set<string>();
  for (const file of [...readdirSync("src/room").map((name) => `src/room/${name}`), "src/app/dialogs.ts", "src/app/qr.ts"])
    for (const [, key] of readFileSync(file, "utf8").matchAll(/"((?:room|call|chat|keys)\.[\w.-]+|cancel|copy|copied|close)"/g))
      used.add(key!);
  for (const key of used) assert.ok(keys.has(key), key);
});
