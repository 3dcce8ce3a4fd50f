import { en } from "./en.js";
export const ar: Record<keyof typeof en, string> = en;
