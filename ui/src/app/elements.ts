// Every element of the app.
import "./codes.js";
import "../elements/dialogs.js";
import "./entry.js";
import "./first-run.js";
import "./guests.js";
import "./history.js";
import "./people.js";
import "../elements/qr.js";
import "./profile.js";
import "./rooms.js";
import "./own-devices.js";
import "./settings.js";
import "./shell.js";
import "../call/index.js";
import "../room/index.js";
