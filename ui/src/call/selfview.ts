// Where one's own picture stands: in a corner, by dragging or by the arrow keys.
export type Corner = "top-start" | "top-end" | "bottom-start" | "bottom-end";

/** The corner nearest to a point of a box; `rtl` turns start and end around. */
export function nearest(x: number, y: number, width: number, height: number, rtl: boolean): Corner {
  const top = y < height / 2;
  const start = x < width / 2 !== rtl;
  return `${top ? "top" : "bottom"}-${start ? "start" : "end"}`;
}

/** The corner that an arrow key leads to; null for another key. */
export function moved(corner: Corner, key: string, rtl: boolean): Corner | null {
  const [row, side] = corner.split("-") as ["top" | "bottom", "start" | "end"];
  const left = rtl ? "end" : "start";
  const right = rtl ? "start" : "end";
  switch (key) {
    case "ArrowUp":
      return `top-${side}`;
    case "ArrowDown":
      return `bottom-${side}`;
    case "ArrowLeft":
      return `${row}-${left}`;
    case "ArrowRight":
      return `${row}-${right}`;
    default:
      return null;
  }
}
