// Small pictures for buttons; the words stand beside them, or in the button's name.
import { svg, html, type TemplateResult } from "lit";

const MIC = "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4";
const CAMERA = "M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5zM15 11l6-3.5v9L15 13";
const SLASH = "M4 4l16 16";

const PATHS = {
  mic: MIC,
  "mic-off": `${MIC}${SLASH}`,
  camera: CAMERA,
  "camera-off": `${CAMERA}${SLASH}`,
  share: "M4 5h16v11H4zM9 20h6M12 13V8M9.5 10.5 12 8l2.5 2.5",
  hand: "M8 12V6a1.5 1.5 0 0 1 3 0v5V4.5a1.5 1.5 0 0 1 3 0V11V6a1.5 1.5 0 0 1 3 0v8a6 6 0 0 1-6 6c-3 0-4.3-1.6-5.5-4L4 12.6a1.4 1.4 0 0 1 2.4-1.4L8 13.5",
  react: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.5 14a4 4 0 0 0 7 0M9 9.5v.01M15 9.5v.01",
  chat: "M4 5h16v11H10l-4 4v-4H4z",
  people: "M9 5.5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM3 19a6 6 0 0 1 12 0M16 6a2.8 2.8 0 0 1 0 5.4M17.5 14a5.5 5.5 0 0 1 3.5 5",
  grid: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  speaker: "M4 5h16v9H4zM4 17h4v2.5H4zM10 17h4v2.5h-4zM16 17h4v2.5h-4z",
  devices: "M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h9M17 17h3M15 15v4",
  more: "M5 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M17 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  leave: "M3.5 14.5v-2C8 8 16 8 20.5 12.5v2l-4.5.8-.8-3.3a12 12 0 0 0-6.4 0L8 15.3z",
  pin: "M9 4h6l-1 6 3 3v1.5H7V13l3-3zM12 14.5V20",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  next: "M9 5l7 7-7 7",
  back: "M15 5l-7 7 7 7",
  full: "M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4",
  keys: "M3 7h18v10H3zM8 14h8M7 10.5v.01M10.5 10.5v.01M14 10.5v.01M17 10.5v.01",
  close: "M6 6l12 12M18 6 6 18",
  verified: "M5 12.5l4.5 4.5L19 7.5",
  alone: "M12 5.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM5 20a7 7 0 0 1 14 0",
} as const;

export type Icon = keyof typeof PATHS;

const lines = (path: string) =>
  svg`<path d=${path} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"></path>`;

export const icon = (name: Icon): TemplateResult =>
  html`<svg class="glyph" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">${lines(PATHS[name])}</svg>`;

const BARS = { good: 3, fair: 2, poor: 1, lost: 0, unknown: 0 } as const;

/** How good a line is, as three bars. */
export const bars = (grade: keyof typeof BARS): TemplateResult =>
  html`<svg class="bars ${grade}" viewBox="0 0 16 14" width="16" height="14" aria-hidden="true">
    ${[0, 1, 2].map(
      (n) =>
        svg`<rect x=${1 + n * 5} y=${9 - n * 4} width="4" height=${4 + n * 4} rx="1" fill="currentColor" opacity=${n < BARS[grade] ? 1 : 0.3}></rect>`,
    )}
  </svg>`;
