// The guest page in a frame of another site: takes a few commands, tells a few events, and no secret.
import type { App } from "../elements/context.js";
import { HANDSHAKE, readCommand, type EmbedCommand, type EmbedEvent } from "../embed/protocol.js";
import { speakOnly } from "../i18n/index.js";
import type { GuestClient } from "./client.js";
import type { OmGuest } from "./page.js";

/** Waits for the page around us to hand over its end of a channel: once, and from the parent alone. */
export function listenToParent(app: App, guest: GuestClient, page: OmGuest): void {
  const take = (event: MessageEvent<unknown>) => {
    const port = event.ports[0];
    // Which sites may be the parent at all, the operator says (frame-ancestors).
    if (event.source !== window.parent || event.data !== HANDSHAKE || port === undefined) return;
    window.removeEventListener("message", take);
    serve(port, app, guest, page);
  };
  window.addEventListener("message", take);
}

function serve(port: MessagePort, app: App, guest: GuestClient, page: OmGuest): void {
  const tell = (event: EmbedEvent) => port.postMessage(event);
  const stage = () => {
    const now = guest.stage;
    const reason = now.at === "denied" || now.at === "over" ? now.reason : now.at === "failed" ? now.why : undefined;
    tell({ event: "stage", stage: now.at, ...(reason === undefined ? {} : { reason }) });
  };
  page.addEventListener("om-stage", stage);
  app.media.subscribe((call) => {
    const view = app.media.view(call);
    if (view !== null)
      tell({
        event: "media",
        muted: view.muted,
        cameraOff: view.cameraOff,
        sharing: view.sharing,
        connected: view.connected,
      });
  });
  port.onmessage = (event: MessageEvent<unknown>) => {
    const command = readCommand(event.data);
    if (command !== null) void obey(command, app, guest, page);
  };
  tell({ event: "ready" });
  stage();
}

async function obey(command: EmbedCommand, app: App, guest: GuestClient, page: OmGuest): Promise<void> {
  const call = app.client.state.calls[0]?.call ?? guest.room?.room;
  switch (command.command) {
    case "mute":
      if (call === undefined) await app.devices.setWanted("microphone", !command.on);
      else await app.media.setMuted(call, command.on);
      break;
    case "camera":
      if (call === undefined) await app.devices.setWanted("camera", command.on);
      else await app.media.setCameraOff(call, !command.on);
      break;
    case "share":
      if (call !== undefined) await (command.on ? app.media.startShare(call) : app.media.stopShare(call));
      break;
    case "display-name":
      guest.name = command.name;
      page.requestUpdate();
      break;
    case "language":
      speakOnly(command.language);
      break;
    case "theme":
      document.documentElement.dataset["theme"] = command.theme;
      break;
    case "hangup":
      guest.leave();
      break;
  }
}
