import { ar } from "./ar.js";
import { de } from "./de.js";
import { en } from "./en.js";
import { fr } from "./fr.js";

export const texts = { en, fr, de, ar };
