// The part of the guest page that a call needs besides; loaded while the guest is at the door.
import "../call/chat.js";
import "../call/devices-panel.js";
import "../call/screen.js";
import { texts as alone } from "../i18n/call/alone/index.js";
import { texts } from "../i18n/call/inside/index.js";
import { provide } from "../i18n/index.js";

provide(texts, alone);
