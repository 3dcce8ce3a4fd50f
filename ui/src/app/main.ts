// Where the app begins.
import { browserKey } from "../node/browser-key.js";
import { Client } from "../node/client.js";
import { provide } from "../elements/context.js";
import { canNotify, onNotifying } from "../elements/optional.js";
import { sound } from "../media/sound.js";
import { tabStore } from "../node/stores.js";
import { texts as appTexts } from "../i18n/app/index.js";
import { texts as aloneTexts } from "../i18n/call/alone/index.js";
import { texts as insideTexts } from "../i18n/call/inside/index.js";
import { texts as callTexts } from "../i18n/call/index.js";
import { texts as roomTexts } from "../i18n/room/index.js";
import { texts as troubleTexts } from "../i18n/trouble/index.js";
import "./elements.js";
import { beginLanguage, provide as provideTexts, provideSentences } from "../i18n/index.js";
import { translated } from "../i18n/sentences/index.js";
import { MAX_LANGUAGE_CHARS } from "../node/limits.js";

function takeCode(): string | null {
  const found = /^#c=([\w-]{1,200})$/.exec(location.hash);
  // The address bar, the history and whoever copies the address shall not have it.
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return found?.[1] ?? null;
}

provideTexts(callTexts, aloneTexts, insideTexts, appTexts, roomTexts, troubleTexts);
provideSentences(translated);
const { client, devices } = provide(
  new Client({
    connect: () => new WebSocket(`ws://${location.host}/ws`),
    fetch: (...request) => fetch(...request),
    storage: tabStore,
    takeCode,
    browserKey,
    later: (run, ms) => setTimeout(run, ms),
    language: navigator.language.slice(0, MAX_LANGUAGE_CHARS) || "en",
  }),
  tabStore,
);
beginLanguage();
// A caller is told that it rings where somebody can notice it, and nowhere else.
const tellNoticeable = () => client.tell({ t: "noticeable", noticeable: sound.allowed || canNotify() });
client.hear((message) => {
  if (message.t === "welcome") tellNoticeable();
});
sound.subscribe(tellNoticeable);
void onNotifying(tellNoticeable);
sound.begin();
void client.start();
// An address that differs in its code alone loads nothing: it is put into a tab that is there already.
addEventListener("hashchange", () => {
  void client.readdressed().then(() => {
    if (client.state.link === "outdated") location.reload();
  });
});
void devices.refresh();
// NOTE: made here, and not in index.html, where it would be made before anything is provided.
document.body.prepend(document.createElement("om-app"));
