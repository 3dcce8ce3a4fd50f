// What a call's connection is, and the string that two people compare.
import { html, nothing } from "lit";
import type { CallShown, Person } from "../node/messages.js";
import type { Quality } from "../media/stats.js";
import { has, number, t } from "../i18n/index.js";
import { answers, compared, open, withoutNumber } from "./compare.js";

function pathText(call: CallShown): string {
  if (call.path === null) return t("call.network.unknown");
  if (call.path !== "relay") return t("call.path.direct");
  const region = `region.${call.region ?? ""}`;
  return has(region) ? t("call.path.relay.in", { region: t(region) }) : t("call.path.relay");
}

const size = (one: Quality["videoIn"]) => (one === null ? "–" : `${one.width}×${one.height}@${one.fps}`);

export function details(call: CallShown, quality: Quality, people: readonly Person[]) {
  const person = people.find((one) => one.identity === call.identity);
  return html`<div class="stack">
    <section class="stack">
      <h2>${t("call.sas")}</h2>
      ${call.sas === null
        ? html`<p>${withoutNumber(call)}</p>`
        : html`<p class="sas" dir="ltr">${call.sas}</p>
            <p>${t("call.sas.lead")}</p>
            ${person === undefined
              ? nothing
              : html`<p role="status">${compared(call) ?? (person.verified ? t("people.verified") : nothing)}</p>
                  ${call.compares && open(call) ? html`<div class="row">${answers(call)}</div>` : nothing}`}`}
    </section>
    <section class="stack">
      <h2>${t("call.more")}</h2>
      <p>${t(`call.network.${quality.grade}`)}</p>
      <p>${pathText(call)}</p>
      <dl>
        <dt>${t("call.details.trip")}</dt>
        <dd>${quality.roundTripMs === null ? "–" : t("call.ms", { n: number(quality.roundTripMs) })}</dd>
        <dt>${t("call.details.loss")}</dt>
        <dd>${quality.lossPercent === null ? "–" : t("call.percent", { n: number(quality.lossPercent) })}</dd>
        <dt>${t("call.details.rate")}</dt>
        <dd>
          ${t("call.kbps", {
            out: quality.sendKbps === null ? "–" : number(quality.sendKbps),
            in: quality.receiveKbps === null ? "–" : number(quality.receiveKbps),
          })}
        </dd>
        <dt>${t("call.details.picture")}</dt>
        <dd dir="ltr">${size(quality.videoIn)} / ${size(quality.videoOut)}</dd>
        <dt>${t("call.details.codec")}</dt>
        <dd dir="ltr">${[quality.codec.audio, quality.codec.video].filter((one) => one !== null).join(", ") || "–"}</dd>
      </dl>
    </section>
  </div>`;
}
