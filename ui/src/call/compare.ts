// The number that two people compare aloud in a call: the question, and what came of it.
import { html } from "lit";
import { app } from "../elements/context.js";
import type { CallShown, Person } from "../node/messages.js";
import { t } from "../i18n/index.js";

/** Why there is no number, or that it is not there yet. */
export const withoutNumber = (call: CallShown): string => t(`call.doubt.${call.doubt ?? "waiting"}`);

/** What both said, in words; null while nobody did. */
export function compared(call: CallShown): string | null {
  const { compared: ours, peer_compared: theirs, name } = call;
  if (ours === false || theirs === false) return t("call.compare.differs");
  if (ours && theirs) return t("call.compare.done", { name });
  if (ours) return t("call.compare.waiting", { name });
  return theirs ? t("call.compare.theirs", { name }) : null;
}

function say(call: CallShown, same: boolean): void {
  // What came of it is shown with the call; a refusal means that the call is over.
  void app.client.ask({ t: "compare-string", call: call.call, same }, "done").catch(() => undefined);
}

/** Yes and no, as long as nothing was said here. */
export const answers = (call: CallShown) => html`<button class="main" @click=${() => say(call, true)}>
    ${t("call.compare.same")}</button
  ><button @click=${() => say(call, false)}>${t("call.compare.other")}</button>`;

/** Whether there is still something to say: where the other one said no, a yes is worth nothing. */
export const open = (call: CallShown): boolean => call.sas !== null && call.compared === null && call.peer_compared !== false;

/** Whether it is asked by itself: of whoever is in a call with a contact that is not verified. */
export function asks(call: CallShown, people: readonly Person[]): boolean {
  const person = people.find((one) => one.identity === call.identity);
  return call.ask && open(call) && person !== undefined && !person.verified;
}

/** The question, with what the other one has said already. */
export function question(call: CallShown, later: () => void) {
  return html`<section class="ask" aria-label=${t("call.sas")}>
    <p role="status">${t(call.peer_compared ? "call.compare.theirs" : "call.compare.ask", { name: call.name })}</p>
    <p class="number" dir="ltr">${call.sas}</p>
    <div class="row">${answers(call)}<button @click=${later}>${t("call.compare.later")}</button></div>
  </section>`;
}
