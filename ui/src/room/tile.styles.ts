// Looks of one person's tile: dark in both schemes, as pictures are.
import { css } from "lit";

export const tileStyles = css`
  :host {
    position: absolute;
    inset-block-start: var(--y);
    inset-inline-start: var(--x);
    inline-size: var(--w);
    block-size: var(--h);
    background: #222b36;
    color: var(--on-stage);
    border-radius: var(--radius);
    overflow: hidden;
    container-type: size;
    transition:
      inset var(--quick),
      inline-size var(--quick),
      block-size var(--quick);
  }
  :host([hidden]) {
    display: none;
  }
  :host::after {
    content: "";
    position: absolute;
    inset: 0;
    border-radius: inherit;
    pointer-events: none;
  }
  :host([speaking])::after {
    box-shadow: inset 0 0 0 3px #7fd6a3;
  }
  video {
    position: absolute;
    inset: 0;
    inline-size: 100%;
    block-size: 100%;
    object-fit: cover;
  }
  video.whole {
    object-fit: contain;
    background: #0b0f14;
  }
  video.mirrored {
    transform: scaleX(-1);
  }
  .absent {
    position: absolute;
    inset: 0;
    display: grid;
    place-items: center;
  }
  .absent .avatar {
    inline-size: clamp(2.5rem, 34cqmin, 8rem);
    block-size: clamp(2.5rem, 34cqmin, 8rem);
    font-size: clamp(1rem, 13cqmin, 3rem);
    background: #3a4655;
    border: 0;
  }
  .label {
    position: absolute;
    inset-block-end: 0.4rem;
    inset-inline-start: 0.4rem;
    max-inline-size: calc(100% - 0.8rem);
    display: flex;
    gap: 0.35rem;
    align-items: center;
    background: rgb(11 15 20 / 78%);
    border-radius: 0.5rem;
    padding: 0.1rem 0.5rem;
    font-size: 0.875rem;
    line-height: 1.5rem;
  }
  .label .glyph {
    inline-size: 1rem;
    block-size: 1rem;
    flex: none;
    color: #ff9a92;
  }
  .label .role {
    color: var(--stage-quiet);
    white-space: nowrap;
  }
  .bars {
    flex: none;
  }
  .bars.good {
    color: #7fd6a3;
  }
  .bars.fair {
    color: #ffc27a;
  }
  .bars.poor,
  .bars.lost {
    color: #ff9a92;
  }
  .corner {
    position: absolute;
    inset-block-start: 0.4rem;
    inset-inline-start: 0.4rem;
    display: flex;
    gap: 0.35rem;
  }
  .raised {
    background: #ffd76a;
    color: #33270a;
    border-radius: var(--round);
    inline-size: 2rem;
    block-size: 2rem;
    display: grid;
    place-items: center;
  }
  .raised .glyph {
    inline-size: 1.35rem;
    block-size: 1.35rem;
  }
  .emoji {
    position: absolute;
    inset-block-end: 2.5rem;
    inset-inline: 0;
    text-align: center;
    font-size: clamp(2rem, 30cqmin, 5rem);
    line-height: 1;
    pointer-events: none;
    animation: rise 4s ease-out both;
  }
  @keyframes rise {
    from {
      transform: translateY(40%) scale(0.4);
      opacity: 0;
    }
    12% {
      transform: none;
      opacity: 1;
    }
    80% {
      opacity: 1;
    }
    to {
      transform: translateY(-40%);
      opacity: 0;
    }
  }
  .pin {
    position: absolute;
    inset-block-start: 0.4rem;
    inset-inline-end: 0.4rem;
    min-block-size: 2.25rem;
    inline-size: 2.25rem;
    padding: 0;
    background: rgb(11 15 20 / 78%);
    border-color: transparent;
    color: var(--on-stage);
    opacity: 0;
  }
  .pin:hover:not(:disabled) {
    background: #3c4856;
  }
  .pin .glyph {
    inline-size: 1.15rem;
    block-size: 1.15rem;
  }
  :host(:hover) .pin,
  .pin:focus-visible,
  .pin.set {
    opacity: 1;
  }
  .pin.set {
    background: var(--on-stage);
    color: var(--stage);
  }
  .wrong {
    position: absolute;
    inset-block-start: 0;
    inset-inline: 0;
    background: rgb(11 15 20 / 84%);
    padding: 0.5rem 3rem 0.5rem 0.75rem;
    padding-inline: 0.75rem 3rem;
    font-size: 0.875rem;
    line-height: 1.3;
  }
  .wrong strong {
    color: #ffc27a;
  }
  .waiting {
    position: absolute;
    inset-block-start: 0.4rem;
    inset-inline: 0.4rem;
    text-align: center;
    font-size: 0.875rem;
  }
  .waiting span {
    background: rgb(11 15 20 / 78%);
    border-radius: var(--round);
    padding: 0.1rem 0.75rem;
  }
  @container (max-width: 16rem) {
    .remedy,
    .label .role {
      display: none;
    }
  }
  @container (max-height: 6.5rem) or (max-width: 8rem) {
    .label {
      font-size: 0.75rem;
      line-height: 1.25rem;
      inset-block-end: 0.25rem;
      inset-inline-start: 0.25rem;
    }
    .pin {
      min-block-size: 1.75rem;
      inline-size: 1.75rem;
    }
    .label .bars {
      display: none;
    }
  }
  @media (hover: none) {
    .pin {
      opacity: 0.85;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .emoji {
      animation: none;
    }
  }
`;
