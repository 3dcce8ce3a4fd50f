// The part of the guest page that a call needs besides; loaded while the guest is at the door.
import "../call/chat.js";
import "../call/devices-panel.js";
import "../call/screen.js";
