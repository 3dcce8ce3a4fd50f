import { en } from "./en.js";
export const fr: Record<keyof typeof en, string> = en;
