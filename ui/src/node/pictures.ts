// Pictures of people: those of others by what the node names them, one's own made from a file.
import type { Client } from "./client.js";
import { MAX_PICTURE_BYTES } from "./limits.js";

const SIDE = 256;
const LARGEST_FILE = 30_000_000;
const QUALITIES = [0.85, 0.7, 0.5, 0.3, 0.15];

export class Pictures {
  #urls = new Map<string, string | null>();

  constructor(private readonly client: Client) {}

  /** Where a picture is shown from; null while it is fetched, or if it is gone. `ready` runs once. */
  url(picture: string, ready: () => void): string | null {
    const known = this.#urls.get(picture);
    if (known !== undefined) return known;
    this.#urls.set(picture, null);
    this.client.ask({ t: "get-picture", picture }, "picture-shown").then(
      ({ data }) => {
        if (data.length === 0) return;
        const file = new Blob([data.slice()], { type: "image/jpeg" });
        this.#urls.set(picture, URL.createObjectURL(file));
        ready();
      },
      () => this.#urls.delete(picture), // the next look asks again
    );
    return null;
  }
}

/**
 * The middle square of a picture file as a small JPEG, drawn anew: what else was in the file, such
 * as where it was taken, is not. Rejects if the browser cannot read it.
 */
export async function smallJpeg(file: Blob): Promise<Uint8Array> {
  if (file.size > LARGEST_FILE) throw new RangeError("too large");
  const drawn = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const side = Math.min(drawn.width, drawn.height);
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#fff"; // a JPEG has no transparency
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(drawn, (drawn.width - side) / 2, (drawn.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  drawn.close();
  for (const quality of QUALITIES) {
    const made = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", quality));
    if (made !== null && made.size <= MAX_PICTURE_BYTES) return new Uint8Array(await made.arrayBuffer());
  }
  throw new RangeError("too large");
}
