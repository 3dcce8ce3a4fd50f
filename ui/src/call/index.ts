// The elements of a call, from choosing devices to its end.
import "./after.js";
import "./chat.js";
import "./devices-panel.js";
import "./prejoin.js";
import "./ring.js";
import "./screen.js";
