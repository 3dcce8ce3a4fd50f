// End reasons in the person's language (P14).
import { has, t } from "../i18n/index.js";

export function reasonText(reason: string | null, name: string): string {
  const key = `reason.${reason ?? "none"}`;
  return t(has(key) ? key : "reason.none", { name });
}
