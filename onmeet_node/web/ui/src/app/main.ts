// Where the page begins.
import { app } from "../core/context.js";
import { beginLanguage } from "../i18n/index.js";
import "./codes.js";
import "./dialogs.js";
import "./first-run.js";
import "./guests.js";
import "./history.js";
import "./people.js";
import "./qr.js";
import "./profile.js";
import "./settings.js";
import "./shell.js";
import "../call/index.js";

beginLanguage();
void app.client.start();
void app.devices.refresh();
