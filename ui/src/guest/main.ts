// Where the guest page begins, by itself or in a frame of another site.
import "../call/preview.js";
import { provide } from "../elements/context.js";
import { parseLink, USED } from "../protocol/guest-link.js";
import { tabStore } from "../node/stores.js";
import { texts as callTexts } from "../i18n/call/index.js";
import { texts as guestTexts } from "../i18n/guest/index.js";
import { beginLanguage, provide as provideTexts } from "../i18n/index.js";
import { GuestClient } from "./client.js";
import { listenToParent } from "./frame.js";
import { lineBrowser } from "./line.js";
import { NoNode } from "./no-node.js";
import type { OmGuest } from "./page.js";
import "./page.js";

provideTexts(callTexts, guestTexts);
// Not needed to say a name: they come while the page is looked at.
void import("../i18n/trouble/index.js").then(({ texts }) => provideTexts(texts)).catch(() => undefined);
beginLanguage();
// NOTE: the fragment stays in the address, so that a reload works, for as long as the link does. No
// request carries it, and the referrer policy names no page at all. Mail programs may have encoded the #,
// and then the gateway was sent it; that is mended at once.
const encoded = /^\/([je])(?=%23)/i.exec(location.pathname);
if (encoded) history.replaceState(null, "", `/${encoded[1]!}#${location.pathname.slice(5)}`);
const link = parseLink(location.hash);
const guest =
  typeof link === "string"
    ? link
    : new GuestClient(
        link,
        lineBrowser(`${location.origin.replace(/^http/, "ws")}/door`),
        (run, ms) => setTimeout(run, ms),
        (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
        { call: () => import("./call-part.js"), room: async () => (await import("./room/index.js")).visit },
      );
// What a guest chooses is forgotten with the tab: nothing outlives it but a language they chose.
const app = provide(typeof guest === "string" ? new NoNode() : guest, tabStore);
// Who muted themselves and reloads begins muted, in the preview already.
const before = typeof guest === "string" ? null : guest.places.before;
if (before !== null && before.muted !== null && before.cameraOff !== null)
  app.devices.beginWith({ microphone: !before.muted, camera: !before.cameraOff });
const page = document.createElement("om-guest") as OmGuest;
page.guest = guest;
if (typeof guest !== "string") {
  void app.client.start();
  void app.devices.refresh();
}
if (typeof guest !== "string")
  guest.onUsed = () => history.replaceState(null, "", `${location.pathname}${location.search}#${USED}`);
document.body.prepend(page);
if (window.parent !== window && typeof guest !== "string") listenToParent(app, guest, page);
addEventListener("hashchange", () => location.reload());
