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
    const bars = this.rows.flatMap((row, y) =>
      [...row.matchAll(/1+/g)].map(
        (run) => svg`<rect x=${run.index + QUIET} y=${y + QUIET} width=${run[0].length} height="1"></rect>`,
      ),
    );
    return html`<svg
      viewBox="0 0 ${size} ${size}"
      role="img"
      aria-label=${this.label}
      shape-rendering="crispEdges"
    >
      ${bars}
    </svg>`;
  }
}
