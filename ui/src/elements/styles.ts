// What the elements share: buttons, fields, cards, lists.
import { css } from "lit";

export const shared = css`
  :host {
    display: block;
    color: var(--text);
    overflow-wrap: anywhere; /* names may be one long word */
    min-inline-size: 0;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  h1,
  h2,
  h3,
  p {
    margin: 0;
  }
  h1 {
    font-size: 1.5rem;
    line-height: 1.25;
  }
  h2 {
    font-size: 1.15rem;
    line-height: 1.3;
  }
  h3 {
    font-size: 1rem;
  }
  .quiet {
    color: var(--quiet);
  }
  .small {
    font-size: 0.875rem;
    font-weight: 400;
  }
  .good {
    color: var(--good);
  }
  .warn {
    color: var(--warn);
  }
  .bad {
    color: var(--bad);
  }
  .stack {
    display: grid;
    gap: 1rem;
    align-content: start;
  }
  .tight {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.25rem;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    gap: var(--gap);
    align-items: center;
  }
  .spread {
    justify-content: space-between;
  }
  .grow {
    flex: 1 1 12rem;
    min-inline-size: 0;
  }
  .card {
    background: var(--surface);
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    box-shadow: var(--shadow);
    padding: 1rem;
  }
  /* Of a name that is too long its beginning is shown, whichever way it is written: see bdi. */
  .clip {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    min-inline-size: 0;
    max-inline-size: 100%;
    justify-self: start;
  }
  /* A sentence that stayed in another language keeps its order. */
  [role="alert"] {
    unicode-bidi: plaintext;
  }
  .who {
    display: flex;
    gap: 0.3rem;
    min-inline-size: 0;
  }
  /* Digits, code and what is always English: read from the left, and standing where all begins. */
  :is(p, dd, ul)[dir="ltr"] {
    inline-size: fit-content;
    max-inline-size: 100%;
  }
  bdi {
    overflow-wrap: anywhere;
  }
  button,
  .button {
    overflow-wrap: normal;
    font: inherit;
    color: var(--text);
    background: var(--surface);
    border: 1px solid var(--strong-edge);
    border-radius: var(--round);
    min-block-size: 2.5rem;
    padding: 0.3rem 1rem;
    cursor: pointer;
    display: inline-flex;
    gap: 0.5rem;
    align-items: center;
    justify-content: center;
    text-decoration: none;
    transition: background var(--quick);
  }
  button:hover:not(:disabled) {
    background: var(--sunken);
  }
  button:disabled {
    opacity: 0.6;
    cursor: default;
  }
  button.main,
  .button.main {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--on-accent);
  }
  button.danger {
    background: var(--bad);
    border-color: var(--bad);
    color: var(--on-bad);
  }
  button.plain {
    border-color: transparent;
    background: transparent;
    color: var(--accent);
    padding-inline: 0.5rem;
  }
  button.icon {
    padding: 0;
    inline-size: 2.5rem;
    flex: none;
  }
  button.main:hover:not(:disabled),
  button.danger:hover:not(:disabled) {
    filter: brightness(1.08);
    background: var(--accent);
  }
  button.danger:hover:not(:disabled) {
    background: var(--bad);
  }
  :focus-visible {
    outline: 3px solid var(--focus);
    outline-offset: 2px;
  }
  label {
    display: grid;
    gap: 0.25rem;
    font-weight: 600;
  }
  summary {
    min-block-size: 1.75rem;
    cursor: pointer;
  }
  label.check {
    display: flex;
    gap: 0.6rem;
    align-items: start;
    font-weight: 400;
    min-block-size: 1.75rem;
  }
  input,
  select,
  textarea {
    font: inherit;
    font-weight: 400;
    color: var(--text);
    background: var(--surface);
    border: 1px solid var(--strong-edge);
    border-radius: 0.5rem;
    padding: 0.45rem 0.7rem;
    min-block-size: 2.5rem;
    inline-size: 100%;
    max-inline-size: 100%;
  }
  input[type="checkbox"],
  input[type="radio"] {
    inline-size: 1.35rem;
    block-size: 1.35rem;
    min-block-size: 0;
    flex: none;
    margin: 0.1rem 0 0;
    accent-color: var(--accent);
  }
  input[type="range"] {
    padding: 0;
    accent-color: var(--accent);
  }
  fieldset {
    border: 0;
    padding: 0;
    margin: 0;
    display: grid;
    gap: 0.6rem;
  }
  legend {
    padding: 0;
    font-weight: 600;
    margin-block-end: 0.4rem;
  }
  ul.list {
    list-style: none;
    margin: 0;
    padding: 0;
    display: grid;
    gap: 0.25rem;
  }
  .avatar {
    inline-size: 2.75rem;
    block-size: 2.75rem;
    flex: none;
    border-radius: var(--round);
    background: var(--sunken);
    border: 1px solid var(--edge);
    display: grid;
    place-items: center;
    font-weight: 600;
  }
  .avatar img {
    inline-size: 100%;
    block-size: 100%;
    border-radius: inherit;
    object-fit: cover;
  }
  .tag {
    border: 1px solid var(--edge);
    border-radius: var(--round);
    padding: 0 0.6rem;
    font-size: 0.875rem;
    color: var(--quiet);
    white-space: nowrap;
  }
  code,
  .mono {
    font-family: ui-monospace, "DejaVu Sans Mono", monospace;
    overflow-wrap: anywhere;
  }
  /* What is read out, or compared with another screen. */
  .said {
    font-size: 1.5rem;
    line-height: 1.3;
  }
  dialog {
    color: var(--text);
    background: var(--surface);
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    padding: 1.25rem;
    inline-size: min(34rem, calc(100vw - 2rem));
    max-block-size: calc(100dvh - 2rem);
    overflow: auto;
  }
  dialog::backdrop {
    background: rgb(0 0 0 / 45%);
  }
  .live {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;
