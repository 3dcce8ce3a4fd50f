// A QR code from the rows of modules that the node draws.
import { css, html, svg, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { OmElement } from "./element.js";

const QUIET = 4;

@customElement("om-qr")
export class OmQr extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      svg {
        inline-size: min(15rem, 100%);
        block-size: auto;
        background: #fff;
        border-radius: 0.5rem;
        display: block;
      }
    `,
  ];
  @property({ attribute: false }) rows: readonly string[] = [];
  @property() label = "";

  override render() {
    if (this.rows.length === 0) return nothing;
    const size = this.rows.length + 2 * QUIET;
    const path = this.rows
      .flatMap((row, y) =>
        [...row].map((bit, x) => (bit === "1" ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")),
      )
      .join("");
    return html`<svg
      viewBox="0 0 ${size} ${size}"
      role="img"
      aria-label=${this.label}
      shape-rendering="crispEdges"
    >
      ${svg`<path d=${path} fill="#000"></path>`}
    </svg>`;
  }
}
