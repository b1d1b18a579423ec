// @ts-check
// The stage: one part's picture, and over it boxes, measurements or the heat map, at the screen's own resolution.
// What it is not: a verdict (live.js). It draws what it is given, and keeps it while it is frozen.

import { _, byId, text } from "./channel.js";
import { className } from "./said.js";

export const RED = "#c8102e";
const FROZEN_MS = 60_000;
const MODES = [_("Boxes"), _("Heat map"), _("No overlay")];

/** The picture that is shown: the header of its part, or null. */
let drawn = /** @type {any} */ (null);
let mode = Number(localStorage.getItem("overlay") ?? 0) % MODES.length;
let frozenAt = /** @type {number | null} */ (null);
let plain = false; // parts pass unchecked: nothing is drawn over them

export const pictured = () => drawn;
export const frozen = () => frozenAt !== null;
/** @param {string} id */
const canvas = (id) => /** @type {HTMLCanvasElement} */ (byId(id));
const pen = (/** @type {HTMLCanvasElement} */ on) => /** @type {CanvasRenderingContext2D} */ (on.getContext("2d"));

/** Show a part's picture, unless the one before it is frozen. @param {ImageBitmap | null} bitmap @param {any} header */
export function show(bitmap, header) {
  if (frozen()) return;
  drawn = header;
  const on = canvas("picture");
  [on.width, on.height] = [Math.max(1, header.width), Math.max(1, header.height)];
  if (bitmap) pen(on).drawImage(bitmap, 0, 0);
  fit();
}

function fit() {
  const stage = byId("stage");
  const room = { width: stage.clientWidth, height: stage.clientHeight - byId("caption").offsetHeight };
  const scale = drawn?.width ? Math.min(room.width / drawn.width, room.height / drawn.height) : 0;
  const [width, height] = scale ? [drawn.width * scale, drawn.height * scale] : [0, 0];
  for (const id of ["picture", "overlay"]) {
    const style = byId(id).style;
    [style.width, style.height] = [`${width}px`, `${height}px`];
    [style.left, style.top] = [`${(room.width - width) / 2}px`, `${(room.height - height) / 2}px`];
  }
  const on = canvas("overlay");
  const dense = window.devicePixelRatio;
  [on.width, on.height] = [Math.round(width * dense), Math.round(height * dense)];
  if (!scale || plain || mode === 2) return;
  const over = pen(on);
  over.scale(dense, dense);
  if (mode === 1) drawHeat(over, drawn.heat, scale);
  else {
    drawMeasurements(over, drawn.measurements ?? [], scale);
    drawBoxes(over, drawn.boxes, scale, width, height);
  }
}

/** @param {CanvasRenderingContext2D} over @param {any[]} boxes @param {number} scale @param {number} width @param {number} height */
export function drawBoxes(over, boxes, scale, width, height) {
  // The weightiest first. More than three labels would hide the part, and one over another could not be read.
  const sorted = [...boxes].sort((a, b) => (b[5] ?? 0) - (a[5] ?? 0));
  for (const [x, y, w, h] of sorted) outline(over, RED, () => over.strokeRect(x * scale, y * scale, w * scale, h * scale));
  const signs = /** @type {{x: number, y: number, wide: number}[]} */ ([]);
  for (const [x, y, , h, label, score] of sorted.slice(0, 3)) {
    const words = score === null ? className(label) : `${className(label)} ${score.toFixed(2)}`;
    const place = signPlace(over, words, x * scale, y * scale, h * scale, width, height);
    if (signs.some((other) => Math.abs(other.y - place.y) < 28 && place.x < other.x + other.wide && other.x < place.x + place.wide)) continue;
    signs.push(place);
    sign(over, words, RED, place);
  }
}

/** What was measured, where it was measured; what is out of tolerance says its number. */
function drawMeasurements(/** @type {CanvasRenderingContext2D} */ over, /** @type {any[]} */ measurements, /** @type {number} */ scale) {
  const size = { width: over.canvas.clientWidth, height: over.canvas.clientHeight };
  for (const { name, value, unit, ok, shapes } of measurements) {
    const color = ok ? "#7fb2e5" : RED;
    for (const shape of shapes) outline(over, color, () => trace(over, shape, scale));
    const [kind, x, y] = shapes[0] ?? [];
    if (ok || kind === undefined) continue;
    const words = value === null ? `${name}: -` : `${name}: ${value.toFixed(3)} ${unit}`;
    sign(over, words, RED, signPlace(over, words, x * scale, y * scale, 20, size.width, size.height));
  }
}

function trace(/** @type {CanvasRenderingContext2D} */ over, /** @type {any[]} */ [kind, ...numbers], /** @type {number} */ scale) {
  over.beginPath();
  if (kind === "circle") over.arc(numbers[0] * scale, numbers[1] * scale, numbers[2] * scale, 0, 2 * Math.PI);
  else for (let at = 0; at + 1 < numbers.length; at += 2) over.lineTo(numbers[at] * scale, numbers[at + 1] * scale);
  if (kind === "polygon") over.closePath();
  over.stroke();
}

/** A coloured line with a light rim, so that it is seen on any picture. */
function outline(/** @type {CanvasRenderingContext2D} */ over, /** @type {string} */ color, /** @type {() => void} */ stroke) {
  for (const [wide, ink] of /** @type {[number, string][]} */ ([[5, "#fff"], [3, color]])) {
    [over.lineWidth, over.strokeStyle] = [wide, ink];
    stroke();
  }
}

/** Where a label of what lies at `left`, `top` and is `below` high has room: above it, else under it. */
function signPlace(/** @type {CanvasRenderingContext2D} */ over, /** @type {string} */ words, /** @type {number} */ left, /** @type {number} */ top, /** @type {number} */ below, /** @type {number} */ width, /** @type {number} */ height) {
  over.font = "bold 18px sans-serif";
  const wide = over.measureText(words).width + 12;
  return { x: Math.max(0, Math.min(left, width - wide)), y: top >= 28 ? top - 28 : Math.min(top + below, height - 26), wide };
}

function sign(/** @type {CanvasRenderingContext2D} */ over, /** @type {string} */ words, /** @type {string} */ color, /** @type {{x: number, y: number, wide: number}} */ place) {
  over.fillStyle = color; over.fillRect(place.x, place.y, place.wide, 26);
  over.fillStyle = "#fff"; over.fillText(words, place.x + 6, place.y + 19);
}

/** The model's map: clear up to half the threshold, yellow at it, red at twice. @param {CanvasRenderingContext2D} over */
function drawHeat(over, /** @type {any} */ heat, /** @type {number} */ scale) {
  if (!heat) return;
  const cells = Uint8Array.from(atob(heat.cells), (character) => character.charCodeAt(0));
  const image = new ImageData(heat.width, heat.height);
  cells.forEach((cell, at) => {
    const share = Math.max(0, Math.min(1, (cell - 64) / 191));
    image.data.set([200, Math.round(183 * (1 - share)), 20, Math.round(210 * Math.sqrt(share))], 4 * at);
  });
  const small = new OffscreenCanvas(heat.width, heat.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d")).putImageData(image, 0, 0);
  const [a, b, tx, c, d, ty] = heat.to_frame.map((/** @type {number} */ value) => value * scale);
  over.transform(a, c, b, d, tx, ty);
  over.drawImage(small, 0, 0);
}

/** Nothing is drawn over what nobody checks. @param {boolean} on */
export function unchecked(on) {
  if (on !== plain) [plain] = [on], fit();
}

function showTools() {
  text("overlay-word", MODES[mode]);
  const pressed = String(frozen());
  if (byId("freeze").getAttribute("aria-pressed") !== pressed) byId("freeze").setAttribute("aria-pressed", pressed);
  byId("stage").classList.toggle("frozen", frozen());
}

/** A frozen picture lets go by itself: nobody shall find it in an hour and take it for the present. */
export function thaw() {
  if (frozenAt !== null && performance.now() - frozenAt > FROZEN_MS) frozenAt = null;
  showTools();
}

byId("freeze").addEventListener("click", () => {
  frozenAt = frozen() || drawn === null ? null : performance.now();
  showTools();
});
byId("overlay-mode").addEventListener("click", () => {
  mode = (mode + 1) % MODES.length;
  localStorage.setItem("overlay", String(mode));
  showTools();
  fit();
});
new ResizeObserver(fit).observe(byId("stage"));
showTools();
