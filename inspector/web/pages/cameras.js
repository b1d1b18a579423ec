// @ts-check
// The camera page: each frame as it comes, with how sharp it is and where it is clipped.
// What it is not: a judge of parts, or a way to the camera. All is counted here, from the frame shown, so that neither
// line nor web process works for it.

import { _, byId, heard, listen, mode, text } from "./channel.js";

const BINS = 256;
const WHITE = 250;
const BLACK = 5;
const seen = /** @type {number[]} */ ([]);
let best = 0;
let held = false;
let clipped = false;
let sequence = 0;
let drawnSequence = 0;

const canvas = /** @type {HTMLCanvasElement} */ (byId("picture"));
const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));

/** Grey values of every second pixel of every second row. */
function greys() {
  const { data, width, height } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const [across, down] = [width >> 1, height >> 1];
  const grey = new Uint8Array(across * down);
  for (let y = 0, at = 0; y < down; y += 1)
    for (let x = 0, from = 8 * width * y; x < across; x += 1, from += 8, at += 1)
      grey[at] = (77 * data[from] + 150 * data[from + 1] + 29 * data[from + 2]) >> 8;
  return { grey, across, down };
}

/** Variance of the Laplacian, as the data doctor measures blur; only comparable with itself on the same scene. */
function sharpness(/** @type {{grey: Uint8Array, across: number, down: number}} */ { grey, across, down }) {
  let [sum, squares, count] = [0, 0, 0];
  for (let y = 1; y < down - 1; y += 1)
    for (let x = 1, at = y * across + 1; x < across - 1; x += 1, at += 1) {
      const bend = grey[at - 1] + grey[at + 1] + grey[at - across] + grey[at + across] - 4 * grey[at];
      sum += bend;
      squares += bend * bend;
      count += 1;
    }
  return count ? squares / count - (sum / count) ** 2 : 0;
}

function measure() {
  const found = greys();
  const bins = new Uint32Array(BINS);
  let total = 0;
  for (const value of found.grey) { bins[value] += 1; total += value; }
  const share = (/** @type {number} */ from, /** @type {number} */ to) => bins.slice(from, to).reduce((sum, count) => sum + count, 0) / found.grey.length;
  const focus = sharpness(found);
  best = Math.max(best, focus);
  text("focus", focus.toFixed(0));
  text("focus-best", best.toFixed(0));
  /** @type {HTMLMeterElement} */ (byId("focus-meter")).value = best ? focus / best : 0;
  text("mean", (total / found.grey.length).toFixed(0));
  for (const [id, part] of /** @type {[string, number][]} */ ([["white", share(WHITE, BINS)], ["black", share(0, BLACK + 1)]])) text(id, `${(100 * part).toFixed(1)} %`);
  text("size", `${canvas.width} x ${canvas.height}`);
  drawBins(bins);
  if (clipped) markClipped(found);
}

function drawBins(/** @type {Uint32Array} */ bins) {
  const place = /** @type {HTMLCanvasElement} */ (byId("histogram"));
  const ink = /** @type {CanvasRenderingContext2D} */ (place.getContext("2d"));
  const colour = getComputedStyle(place);
  ink.clearRect(0, 0, place.width, place.height);
  const top = Math.log1p(Math.max(...bins));
  for (let value = 0; value < BINS; value += 1) {
    const tall = top ? (place.height - 2) * Math.log1p(bins[value]) / top : 0;
    ink.fillStyle = value >= WHITE || value <= BLACK ? colour.getPropertyValue("--red") : colour.getPropertyValue("--value");
    ink.fillRect(2 * value, place.height - tall, 2, tall);
  }
}

function markClipped(/** @type {{grey: Uint8Array, across: number, down: number}} */ { grey, across }) {
  for (const [at, value] of grey.entries()) {
    if (value < WHITE && value > BLACK) continue;
    pen.fillStyle = value >= WHITE ? "#e5243f" : "#2f7fd8";
    pen.fillRect(2 * (at % across), 2 * Math.floor(at / across), 2, 2);
  }
}

async function show(/** @type {any} */ header, /** @type {ArrayBuffer} */ jpeg) {
  if (!jpeg.byteLength || held) return;
  const mine = ++sequence;
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
  if (bitmap && mine > drawnSequence && !held) {
    drawnSequence = mine;
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    pen.drawImage(bitmap, 0, 0);
    seen.push(performance.now());
    byId("no-picture").hidden = true;
    measure();
  }
  bitmap?.close();
}

function watch() {
  const now = performance.now();
  while (seen.length > 1 && now - seen[0] > 3000) seen.shift();
  const last = seen[seen.length - 1];
  text("rate", seen.length > 1 ? ((seen.length - 1) * 1000 / (last - seen[0])).toFixed(1) : "-");
  text("age", last === undefined ? "-" : `${((now - last) / 1000).toFixed(1)} s`);
  const stale = last === undefined || now - last > 3000 || mode() !== "" || held;
  canvas.classList.toggle("stale", stale);
  const state = heard.status?.state;
  const why = mode() ? _("No connection to the line.") : state === "Execute" ? _("No frame for a while.") : _("The belt stands: no part, no frame.");
  byId("no-picture").hidden = !stale || (held && last !== undefined);
  text("no-picture", held ? _("Frozen.") : why);
}

const toggle = (/** @type {string} */ id, /** @type {(on: boolean) => void} */ act) => {
  byId(id).onclick = () => {
    const on = byId(id).getAttribute("aria-pressed") !== "true";
    byId(id).setAttribute("aria-pressed", String(on));
    act(on);
  };
};
toggle("hold", (on) => { held = on; });
toggle("mark-clipped", (on) => { clipped = on; });
byId("focus-again").onclick = () => { best = 0; };
listen({ part: show, watch });
