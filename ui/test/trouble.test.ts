// Each cause of a missing camera has its own words and its own remedy, though browsers give several one name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { causeOf, causeOfEnd, causeOfNone, inApp, type Circumstances } from "../src/media/trouble.js";

const around = (change: Partial<Circumstances> = {}): Circumstances => ({
  secure: true,
  framed: false,
  agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36",
  allowed: () => null,
  permission: async () => null,
  ...change,
});
const named = (name: string, text = "") => Object.assign(new Error(text), { name });
const refused = named("NotAllowedError", "Permission denied");

test("each failure of a device has a name", async () => {
  const cause = (error: unknown) => causeOf(error, "camera", around());
  assert.equal(await cause(refused), "denied");
  assert.equal(await cause(named("NotAllowedError", "Permission dismissed")), "dismissed");
  assert.equal(await cause(named("NotFoundError")), "missing");
  assert.equal(await cause(named("NotReadableError")), "busy");
  assert.equal(await cause("odd"), "other");
});

test("one refusal has several causes", async () => {
  const cause = (change: Partial<Circumstances>, error = refused) => causeOf(error, "camera", around(change));
  const [framed, no] = [true, () => false];
  assert.equal(await cause({ framed, allowed: no }), "frame");
  assert.equal(await cause({ allowed: no }), "policy");
  assert.equal(await cause({ framed }), "embedded");
  assert.equal(await cause({ framed, allowed: () => true }), "denied");
  const gecko = named("NotAllowedError", "The request is not allowed by the user agent or the platform");
  assert.equal(await cause({ permission: async () => "granted" }, gecko), "system");
  assert.equal(await cause({ permission: async () => "denied" }, gecko), "denied");
  assert.equal(await cause({ permission: async () => "granted" }), "denied", "Chromium would name the system");
  assert.equal(await cause({}, named("NotAllowedError", "Permission denied by system")), "system");
  assert.equal(await cause({ agent: "… Instagram 361.0 …" }), "in-app");
});

test("a screen that was not picked is forbidden by nobody, and one that the system withholds is", async () => {
  const granted = around({ permission: async () => "granted" });
  assert.equal(await causeOf(refused, "display-capture", granted), "denied");
  const system = named("NotAllowedError", "Permission denied by system");
  assert.equal(await causeOf(system, "display-capture", granted), "system");
  assert.equal(await causeOf(refused, "display-capture", around({ framed: true, allowed: () => false })), "frame");
});

test("a browser without any devices is told from a page without a secure connection", () => {
  assert.equal(causeOfNone(around()), "in-app");
  assert.equal(causeOfNone(around({ secure: false })), "insecure");
});

test("browsers inside other apps are known by what they call themselves", () => {
  const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
  const android = (rest: string) => `Mozilla/5.0 (Linux; Android 14; Pixel 8${rest}`;
  for (const agent of [
    `${phone} Mobile/15E148 [FBAN/FBIOS;FBAV/460.0]`,
    `${phone} Mobile/15E148 Instagram 330.0`,
    `${phone} Mobile/15E148`,
    android("; wv) AppleWebKit/537.36 Version/4.0 Chrome/125.0 Mobile Safari/537.36"),
    android(") AppleWebKit/537.36 Chrome/125.0 Mobile Safari/537.36 Telegram-Android/10.14"),
  ])
    assert.ok(inApp(agent), agent);
  for (const agent of [
    `${phone} Version/17.5 Mobile/15E148 Safari/604.1`,
    `${phone} CriOS/125.0 Mobile/15E148 Safari/604.1`,
    android(") AppleWebKit/537.36 Chrome/125.0 Mobile Safari/537.36"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
  ])
    assert.ok(!inApp(agent), agent);
});

test("a track that ends by itself was unplugged, taken away, or forbidden", async () => {
  const one = (deviceId: string) => [{ kind: "videoinput", deviceId } as MediaDeviceInfo];
  const end = (found: MediaDeviceInfo[], permission: PermissionState | null = null) =>
    causeOfEnd("camera", "desk", found, around({ permission: async () => permission }));
  assert.equal(await end([]), "unplugged");
  assert.equal(await end(one("other")), "unplugged");
  assert.equal(await end(one("desk"), "granted"), "stopped");
  assert.equal(await end(one("desk")), "stopped");
  assert.equal(await end(one("desk"), "prompt"), "withdrawn");
  assert.equal(await end(one("desk"), "denied"), "withdrawn");
  assert.equal(await end(one("")), "withdrawn");
});
