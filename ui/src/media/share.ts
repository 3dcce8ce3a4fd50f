// Sharing a screen: how it is asked for, and what of its sound may be sent.
import type { Trouble } from "./trouble.js";

/** `sound`: the picture is shared, and its sound would send the others their own voices back. */
export type ShareTrouble = Trouble | "sound";

type OwnAudio = { readonly restrictOwnAudio?: boolean };
type Handled = { getCaptureHandle?(): { readonly handle: string } | null };
type Handling = { setCaptureHandleConfig?(config: object): void };

/** How it is asked for: without this page, and without what this page plays (Screen Capture, restrictOwnAudio). */
export function shareWish(media: MediaDevices): DisplayMediaStreamOptions {
  const can = (media.getSupportedConstraints?.() ?? {}) as OwnAudio;
  return {
    video: { frameRate: { ideal: 15 } },
    audio: can.restrictOwnAudio === true ? ({ restrictOwnAudio: true } as MediaTrackConstraints) : true,
    selfBrowserSurface: "exclude",
    surfaceSwitching: "exclude",
    ...(can.restrictOwnAudio === true ? {} : { systemAudio: "exclude" }),
  } as DisplayMediaStreamOptions;
}

/**
 * Whether what is shared plays the others' voices: asked for or not, browsers leave this page's sound in.
 * NOTE: Chromium 156 names the constraint as supported and on Linux does nothing for it; its settings say so.
 */
export function echoes(share: MediaStream, handle: string): boolean {
  const sound = share.getAudioTracks()[0];
  if (sound === undefined || (sound.getSettings() as OwnAudio).restrictOwnAudio === true) return false;
  const picture = share.getVideoTracks()[0];
  // Another tab plays no sound of ours; a window, or all of the computer's sound, does.
  if (picture?.getSettings().displaySurface !== "browser") return true;
  return (picture as Handled).getCaptureHandle?.()?.handle === handle;
}

/** Marks this page, so that it is known when it is what is shared (Capture Handle). */
export function mark(media: MediaDevices, handle: string): void {
  try {
    (media as Handling).setCaptureHandleConfig?.({ handle, permittedOrigins: [location.origin] });
  } catch {
    // In a frame it is the page around it that would be marked.
  }
}
