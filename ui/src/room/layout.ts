// Where each tile stands: arithmetic only. `x` counts from the side where a line of text begins.
export interface Box {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Box {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  /** What is shown large, if anything is. */
  readonly front: Rect | null;
  /** The tiles of this page, in order, from tile `first` on. */
  readonly tiles: readonly Rect[];
  readonly first: number;
  readonly page: number;
  readonly pages: number;
}

const GAP = 8;
/** A box narrower than this is a phone's. */
const NARROW = 640;
const MOST_ON_PHONE = 6;
const MOST = 12;
const WIDEST = 16 / 9;
/** Buttons that turn the page stand below the tiles. */
const PAGER = 48;
const STRIP_SHARE = 0.18;
const STRIP = { least: 150, most: 260 };
const STRIP_ON_PHONE = { columns: 3, tallest: 130 };
/** How much a cropped picture is worth against a whole one of the same size: between 0, as much, and 1. */
const CROPPED = 0.25;

export const isNarrow = (box: Box): boolean => box.width < NARROW;

/** All tiles in rows of equal tiles, as large as they can be; the last row in the middle. */
export function grid(count: number, box: Box): Rect[] {
  const tallest = isNarrow(box) ? 3 / 4 : 1;
  let best = { columns: 1, width: 0, height: 0, worth: -1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    let width = (box.width - GAP * (columns - 1)) / columns;
    let height = (box.height - GAP * (rows - 1)) / rows;
    if (width <= 0 || height <= 0) continue;
    if (width / height > WIDEST) width = height * WIDEST;
    else if (width / height < tallest) height = width / tallest;
    const worth = width * height * (width / height / WIDEST) ** CROPPED;
    if (worth > best.worth) best = { columns, width, height, worth };
  }
  const { columns, width, height } = best;
  const rows = Math.ceil(count / columns);
  const top = (box.height - rows * height - GAP * (rows - 1)) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const start = (box.width - inRow * width - GAP * (inRow - 1)) / 2;
    return {
      x: start + (index - row * columns) * (width + GAP),
      y: top + row * (height + GAP),
      width,
      height,
    };
  });
}

/** `count` tiles beside the one in front, or alone; `page` is taken to the nearest that there is. */
export function place(count: number, front: boolean, page: number, box: Box): Layout {
  if (box.width <= 0 || box.height <= 0) return { front: null, tiles: [], first: 0, page: 0, pages: 1 };
  if (front && count > 0) return strip(count, page, box);
  if (front)
    return { front: { x: 0, y: 0, ...box }, tiles: [], first: 0, page: 0, pages: 1 };
  const turn = turned(count, isNarrow(box) ? MOST_ON_PHONE : MOST, page);
  const space = turn.pages > 1 ? { width: box.width, height: box.height - PAGER } : box;
  // A last page that is not full has tiles as large as on the others.
  const tiles = grid(turn.pages > 1 ? turn.each : turn.here, space).slice(0, turn.here);
  return { front: null, tiles, ...turn };
}

function strip(count: number, page: number, box: Box): Layout {
  return isNarrow(box) || box.width < box.height ? below(count, page, box) : beside(count, page, box);
}

function beside(count: number, page: number, box: Box): Layout {
  const width = Math.min(STRIP.most, Math.max(STRIP.least, box.width * STRIP_SHARE));
  const height = width / WIDEST;
  const fits = (space: number) => Math.max(1, Math.floor((space + GAP) / (height + GAP)));
  const each = count <= fits(box.height) ? count : fits(box.height - PAGER);
  const turn = turned(count, each, page);
  const x = box.width - width;
  const all = each * height + (each - 1) * GAP;
  const top = (box.height - (turn.pages > 1 ? PAGER : 0) - all) / 2;
  const tiles = Array.from({ length: turn.here }, (_, n) => ({ x, y: top + n * (height + GAP), width, height }));
  return { front: { x: 0, y: 0, width: x - GAP, height: box.height }, tiles, ...turn };
}

function below(count: number, page: number, box: Box): Layout {
  const { columns, tallest } = STRIP_ON_PHONE;
  const width = Math.min(STRIP.most, (box.width - GAP * (columns - 1)) / columns);
  const height = Math.min(width, tallest);
  const fits = Math.max(columns, Math.floor((box.width + GAP) / (width + GAP)));
  const turn = turned(count, fits, page);
  const foot = turn.pages > 1 ? PAGER : 0;
  const y = box.height - foot - height;
  const start = (box.width - turn.here * width - (turn.here - 1) * GAP) / 2;
  const tiles = Array.from({ length: turn.here }, (_, n) => ({ x: start + n * (width + GAP), y, width, height }));
  return { front: { x: 0, y: 0, width: box.width, height: y - GAP }, tiles, ...turn };
}

function turned(count: number, each: number, page: number) {
  const pages = Math.max(1, Math.ceil(count / each));
  const now = Math.min(Math.max(0, page), pages - 1);
  const first = now * each;
  return { each, pages, page: now, first, here: Math.min(each, count - first) };
}
