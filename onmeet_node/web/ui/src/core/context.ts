// The one client, devices and media of this page.
import { Client } from "./client.js";
import { Devices } from "./devices.js";
import { Media } from "./media.js";
import { Pictures } from "./pictures.js";

function takeCode(): string | null {
  const found = /^#c=([\w-]{1,200})$/.exec(location.hash);
  // The address bar, the history and whoever copies the address shall not have it.
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return found?.[1] ?? null;
}

const client = new Client({
  connect: () => new WebSocket(`ws://${location.host}/ws`),
  fetch: (...request) => fetch(...request),
  storage: sessionStorage,
  takeCode,
  later: (run, ms) => setTimeout(run, ms),
  language: navigator.language.slice(0, 35) || "en",
});
const devices = new Devices(navigator.mediaDevices, sessionStorage);
const media = new Media(client, devices, {
  peer: (configuration) => new RTCPeerConnection(configuration),
  media: navigator.mediaDevices,
  mix(tracks) {
    const context = new AudioContext();
    const mixed = context.createMediaStreamDestination();
    for (const track of tracks) context.createMediaStreamSource(new MediaStream([track])).connect(mixed);
    return { track: mixed.stream.getAudioTracks()[0]!, close: () => void context.close() };
  },
});

const pictures = new Pictures(client);

export const app = { client, devices, media, pictures };
