// A question before something that cannot be undone.
import { html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { t } from "../i18n/index.js";
import { OmElement } from "./element.js";

interface Question {
  text: string;
  act: string;
  done(yes: boolean): void;
}

@customElement("om-confirm")
export class OmConfirm extends OmElement {
  @state() private question: Question | null = null;

  /** Asks; true if the person chose `act`. */
  ask(text: string, act: string): Promise<boolean> {
    return new Promise((done) => {
      this.question = { text, act, done };
      void this.updateComplete.then(() => this.renderRoot.querySelector("dialog")?.showModal());
    });
  }

  #answer(yes: boolean): void {
    const question = this.question;
    this.question = null;
    question?.done(yes);
  }

  override render() {
    const question = this.question;
    if (question === null) return nothing;
    return html`<dialog aria-describedby="question" @close=${() => this.#answer(false)}>
      <div class="stack">
        <p id="question">${question.text}</p>
        <div class="row">
          <button class="danger" @click=${() => this.#answer(true)}>${question.act}</button>
          <button autofocus @click=${() => this.#answer(false)}>${t("cancel")}</button>
        </div>
      </div>
    </dialog>`;
  }
}

/** The page's one confirmation element. */
export function confirmed(text: string, act: string): Promise<boolean> {
  let element = document.querySelector<OmConfirm>("om-confirm");
  if (element === null) {
    element = document.createElement("om-confirm") as OmConfirm;
    document.body.append(element);
  }
  return element.ask(text, act);
}
