// Looks of the room screen: the pictures are dark in both schemes, the panel beside them is not.
import { css } from "lit";

export const roomStyles = css`
  :host {
    display: grid;
    grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) auto;
    grid-row: 1 / -1;
    grid-column: 1 / -1;
    block-size: 100dvh;
    min-block-size: 20rem;
    background: var(--stage);
    color: var(--on-stage);
    position: relative;
  }
  .head {
    grid-row: 1;
    grid-column: 1 / -1;
    display: flex;
    gap: 0.2rem 0.9rem;
    align-items: center;
    padding: 0.5rem 1rem;
    min-block-size: 2.75rem;
  }
  .head h1 {
    font-size: 1rem;
    min-inline-size: 0;
  }
  .head .quiet {
    color: var(--stage-quiet);
    white-space: nowrap;
  }
  .head .glyph {
    inline-size: 1.1rem;
    block-size: 1.1rem;
    vertical-align: -0.2rem;
  }
  om-room-stage {
    grid-row: 2;
    grid-column: 1;
    margin: 0 0.5rem;
  }
  om-room-bar {
    grid-row: 3;
    grid-column: 1 / -1;
  }
  .toasts {
    grid-row: 2;
    grid-column: 1;
    place-self: start center;
    margin: 0.5rem 1rem;
    max-inline-size: min(38rem, calc(100% - 2rem));
    display: grid;
    gap: 0.5rem;
    justify-items: center;
    z-index: 3;
    pointer-events: none;
  }
  .toast {
    pointer-events: auto;
    background: var(--surface);
    color: var(--text);
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    box-shadow: 0 6px 24px rgb(0 0 0 / 40%);
    padding: 0.5rem 1rem;
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 1rem;
    align-items: center;
    justify-content: center;
  }
  .said {
    pointer-events: none;
    background: rgb(11 15 20 / 84%);
    color: var(--on-stage);
    border-radius: var(--round);
    padding: 0.2rem 1rem;
    font-size: 0.9rem;
  }
  .panel {
    grid-row: 2;
    grid-column: 2;
    inline-size: 23rem;
    margin-inline-end: 0.5rem;
    border-radius: var(--radius);
    background: var(--surface);
    color: var(--text);
    display: grid;
    grid-template-rows: auto minmax(0, 1fr);
    min-block-size: 0;
    overflow: hidden;
  }
  .panel .row {
    padding: 0.6rem 0.6rem 0.4rem 1rem;
    padding-inline: 1rem 0.6rem;
    flex-wrap: nowrap;
  }
  .panel .content {
    overflow: auto;
    padding: 0.25rem 1rem 1rem;
    min-block-size: 0;
  }
  .panel .content.chat {
    overflow: hidden;
  }
  .panel button.icon {
    border-color: transparent;
    background: transparent;
  }
  .apart {
    grid-row: 1 / -1;
    grid-column: 1 / -1;
    place-self: center;
    display: grid;
    gap: 1rem;
    justify-items: center;
    text-align: center;
    padding: 1.5rem;
    inline-size: min(34rem, 100%);
    max-block-size: 100dvh;
    overflow: auto;
  }
  .apart om-preview {
    inline-size: min(26rem, 100%);
    text-align: start;
    background: var(--surface);
    color: var(--text);
    border-radius: var(--radius);
    padding: 1rem;
  }
  dl {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 0.25rem 1rem;
    margin: 0;
  }
  dd {
    margin: 0;
  }
  @media (max-width: 52rem) {
    .head {
      padding-inline: 0.75rem;
    }
    .panel {
      grid-row: 1 / 3;
      grid-column: 1 / -1;
      inline-size: auto;
      margin: 0;
      border-radius: 0;
      z-index: 2;
    }
    .wide {
      display: none;
    }
  }
`;
