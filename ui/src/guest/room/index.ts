// The part of the guest page that a link into a room needs besides; loaded when the host says so.
import "../../room/screen.js";
import { texts as insideTexts } from "../../i18n/call/inside/index.js";
import { texts } from "../../i18n/guest/room/index.js";
import { provide } from "../../i18n/index.js";
import { texts as roomTexts } from "../../i18n/room/index.js";
import type { VisitRoom } from "../stage.js";
import { GuestVisit } from "./visit.js";

provide(insideTexts, texts, roomTexts);

export const visit: VisitRoom = (page, options) => GuestVisit.enter(page, options);
