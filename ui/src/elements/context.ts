// The one client, devices and media of this page: the app and the guest page each provide theirs.
import type { Client } from "../node/client.js";
import { Devices } from "../media/devices.js";
import { Media } from "../media/media.js";
import { Pictures } from "../node/pictures.js";
import { circumstances } from "../media/trouble.js";

export interface App {
  readonly client: Client;
  readonly devices: Devices;
  readonly media: Media;
  readonly pictures: Pictures;
}

export let app: App;

/** Before any element is made. `storage` keeps the choice of devices for this window. */
export function provide(client: Client, storage: Pick<Storage, "getItem" | "setItem">): App {
  const devices = new Devices(navigator.mediaDevices, storage, circumstances());
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
  app = { client, devices, media, pictures: new Pictures(client) };
  return app;
}
