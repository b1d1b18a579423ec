// @ts-check
// The camera page: each frame as it comes, with how sharp it is and where it is clipped; exposure and gain.
// What it is not: a judge of parts, or the camera. All is counted here, from the frame shown, so that neither line nor
// web process works for it.

import { _, byId, heard, listen, mode, text } from "./channel.js";

const BINS = 256;
const WHITE = 250;
const BLACK = 5;
const MEASURE_MS = 95;
const seen = /** @type {number[]} */ ([]);
let best = 0;
let held = false;
let clipped = false;
let asking = false;
let measuredAt = -Infinity;
let sequence = 0;
let drawnSequence = 0;

const canvas = /** @type {HTMLCanvasElement} */ (byId("picture"));
const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
// What is read lies beside what is shown: reading back a canvas that is shown costs it its speed.
const scratch = new OffscreenCanvas(1, 1);
const reading = /** @type {OffscreenCanvasRenderingContext2D} */ (scratch.getContext("2d", { willReadFrequently: true }));

/** Grey values of every second pixel of every second row. @param {ImageBitmap} bitmap */
function greys(bitmap) {
  if (scratch.width !== bitmap.width) scratch.width = bitmap.width;
  if (scratch.height !== bitmap.height) scratch.height = bitmap.height;
  reading.drawImage(bitmap, 0, 0);
  const { data, width, height } = reading.getImageData(0, 0, bitmap.width, bitmap.height);
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

function measure(/** @type {ImageBitmap} */ bitmap) {
  const found = greys(bitmap);
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
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    pen.drawImage(bitmap, 0, 0);
    seen.push(performance.now());
    byId("no-picture").hidden = true;
    // Ten times a second is as fast as numbers are read; what is clipped is marked in each frame.
    if (clipped || performance.now() - measuredAt >= MEASURE_MS) {
      measuredAt = performance.now();
      measure(bitmap);
    }
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
  const free = mode() === "" && (heard.status?.test_left_s ?? null) !== null;
  const why = mode() ? _("No connection to the line.") : state === "Execute" || free ? _("No frame for a while.") : _("The belt stands: no part, no frame.");
  tell(free);
  byId("no-picture").hidden = !stale || (held && last !== undefined);
  text("no-picture", held ? _("Frozen.") : why);
}

/** What the camera says now, and whether it may be set. */
function tell(/** @type {boolean} */ free) {
  const told = mode() ? {} : heard.status?.camera ?? {};
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-told]"))) {
    const said = String(told[place.dataset.told ?? ""] ?? "-");
    if (place.textContent !== said) place.textContent = said;
  }
  byId("refused-by-camera").hidden = !told.refused;
  for (const id of ["exposure-try", "exposure-keep"]) {
    const button = /** @type {HTMLButtonElement | null} */ (document.getElementById(id));
    if (button !== null) button.disabled = !free || asking;
  }
}

async function set(/** @type {boolean} */ keep) {
  if (!form.reportValidity()) return;
  const number = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id)).valueAsNumber;
  const wanted = { exposure_time_us: number("exposure-us"), gain_db: number("gain-db"), keep };
  asking = true;
  let said = keep ? _("Kept in the station file.") : "";
  try {
    const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted) };
    const answer = await fetch("/api/v1/commands/camera", request);
    if (!answer.ok) said = (await answer.json()).error.message;
  } catch {
    said = _("This was not done: there is no connection.");
  }
  asking = false;
  best = 0;
  [byId("exposure-said").textContent, byId("exposure-said").hidden] = [said, said === ""];
}
const form = /** @type {HTMLFormElement} */ (document.getElementById("exposure"));
if (form !== null) {
  form.addEventListener("submit", (event) => { event.preventDefault(); void set(false); });
  byId("exposure-keep").addEventListener("click", () => { void set(true); });
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
listen({ part: show, camera: show, watch });
