// Looks of the call screen: dark in both schemes, the other person in the middle.
import { css } from "lit";

export const screenStyles = css`
  :host {
    display: grid;
    grid-template-rows: 1fr auto;
    grid-row: 1 / -1;
    grid-column: 1 / -1;
    block-size: 100dvh;
    background: var(--stage);
    color: var(--on-stage);
    min-block-size: 20rem;
  }
  .stage {
    position: relative;
    min-block-size: 0;
    overflow: hidden;
    display: grid;
  }
  .remote {
    inline-size: 100%;
    block-size: 100%;
    object-fit: contain;
    min-block-size: 0;
  }
  .absent {
    position: absolute;
    inset: 0;
    display: grid;
    place-content: center;
    justify-items: center;
    gap: 1rem;
    text-align: center;
    padding: 1rem;
  }
  .absent .avatar {
    inline-size: 7rem;
    block-size: 7rem;
    font-size: 2.5rem;
    background: var(--stage-control);
    border: 0;
  }
  .speaking .avatar {
    outline: 4px solid #7fd6a3;
  }
  .top {
    position: absolute;
    inset-block-start: 0;
    inset-inline: 0;
    padding: 0.75rem 1rem;
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem 0.75rem;
    align-items: center;
    background: rgb(16 21 28 / 78%);
  }
  .hints {
    position: absolute;
    inset-block-start: 4rem;
    inset-inline: 1rem;
    display: grid;
    gap: 0.5rem;
    justify-items: center;
  }
  .hint {
    background: var(--stage-control);
    border-radius: 1.1rem; /* round at one line, and at several */
    padding: 0.3rem 1rem;
    text-align: center;
  }
  .hint button {
    color: inherit;
    padding: 0 0.4rem;
    min-block-size: 1.5rem;
  }
  .self {
    position: absolute;
    inline-size: clamp(6rem, 22vw, 14rem);
    aspect-ratio: 4 / 3;
    border-radius: var(--radius);
    overflow: hidden;
    border: 2px solid var(--stage-quiet);
    background: #000;
    padding: 0;
    cursor: grab;
    touch-action: none;
    display: block;
  }
  .self video {
    inline-size: 100%;
    block-size: 100%;
    object-fit: cover;
    transform: scaleX(-1);
    display: block;
  }
  .self.sharing video {
    transform: none;
    object-fit: contain;
  }
  .self.top-start {
    inset-block-start: 4rem;
    inset-inline-start: 1rem;
  }
  .self.top-end {
    inset-block-start: 4rem;
    inset-inline-end: 1rem;
  }
  .self.bottom-start {
    inset-block-end: 1rem;
    inset-inline-start: 1rem;
  }
  .self.bottom-end {
    inset-block-end: 1rem;
    inset-inline-end: 1rem;
  }
  .bar {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem;
    justify-content: center;
    padding: 0.75rem;
    background: var(--stage);
  }
  .bar button,
  .dark {
    background: var(--stage-control);
    color: var(--on-stage);
    border-color: transparent;
  }
  .bar button:hover:not(:disabled),
  .dark:hover:not(:disabled) {
    background: #3c4856;
  }
  .top h1 {
    font-size: 1rem;
  }
  .bar button:is([aria-pressed="true"], .on, .off),
  .bar button:is([aria-pressed="true"], .on, .off):hover:not(:disabled) {
    background: var(--on-stage);
    color: var(--stage);
  }
  .bar button.danger,
  .bar button.danger:hover {
    background: #c5352b;
    color: #fff;
  }
  .panel {
    position: absolute;
    inset-block: 0;
    inset-inline-end: 0;
    inline-size: min(24rem, 100%);
    background: var(--surface);
    color: var(--text);
    padding: 1rem;
    overflow: auto;
    display: grid;
    grid-template-rows: auto minmax(0, 1fr);
    gap: 0.5rem;
    z-index: 1;
  }
  .ask {
    background: var(--surface);
    color: var(--text);
    border-radius: 0.75rem;
    padding: 0.75rem 1rem;
    max-inline-size: 28rem;
    display: grid;
    gap: 0.5rem;
    pointer-events: auto;
  }
  .ask p {
    margin: 0;
  }
  .number,
  .sas {
    font-size: 1.35rem;
    font-weight: 700;
    letter-spacing: 0.03em;
  }
  dl {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 0.25rem 1rem;
    margin: 0;
  }
  dd {
    margin: 0;
    overflow-wrap: break-word;
  }
  .dot {
    inline-size: 0.75rem;
    block-size: 0.75rem;
    border-radius: var(--round);
    background: var(--stage-quiet);
    display: inline-block;
  }
  .dot.good {
    background: #7fd6a3;
  }
  .dot.fair {
    background: #ffc27a;
  }
  .dot.poor,
  .dot.lost {
    background: #ff9a92;
  }
  @media (max-width: 40rem) {
    .bar button {
      padding-inline: 0.75rem;
      font-size: 0.9rem;
    }
    .wide {
      display: none;
    }
  }
`;
