// @ts-check
// The last six rejects, out of the records, and one of them large when it is tapped.
// What it is not: a verdict of now. The large one closes by itself, and with the connection.

import { _, byId, element, listen, mode, time } from "./channel.js";
import { drawBoxes } from "./picture.js";
import { className, reasonWords } from "./said.js";

const SHOWN = 6;
const PAUSE_MS = 1500;
const OPEN_MS = 30_000;

let known = /** @type {number | null} */ (null);
let askedAt = -Infinity;
let asking = false;
let openedAt = /** @type {number | null} */ (null);

/** @param {string} id */
export const partName = (id) => `#${BigInt(id) & 0xffffffffn} / ${BigInt(id) >> 32n}`;
const what = (/** @type {any} */ record) =>
  record.defects.length ? className(record.defects[0].label) : record.reasons.length ? className(record.reasons[0].code) : "-";

async function refresh(/** @type {number} */ rejected) {
  if (asking || rejected === known || performance.now() - askedAt < PAUSE_MS) return;
  [asking, askedAt] = [true, performance.now()];
  try {
    const answer = await fetch(`/api/v1/records?verdict=REJECT&limit=${SHOWN}`);
    if (!answer.ok) return; // a station without records yet; asked again
    show((await answer.json()).records);
    known = rejected;
  } catch { /* the connection is gone; the bar says so */ } finally {
    asking = false;
  }
}

function show(/** @type {any[]} */ records) {
  const items = records.map((record) => {
    const button = element("button", "");
    button.dataset.part = record.part_id;
    if (record.image === "kept") {
      const picture = document.createElement("img");
      [picture.src, picture.alt] = [`/api/v1/images/${record.part_id}?width=240`, ""];
      button.append(picture);
    } else button.append(element("i", _("no picture")));
    button.append(element("span", `${partName(record.part_id).split(" ")[0]} ${what(record)}`));
    button.addEventListener("click", () => open(record));
    const item = document.createElement("li");
    item.append(button);
    return item;
  });
  if (items.length) byId("reject-list").replaceChildren(...items);
}

async function open(/** @type {any} */ record) {
  const lines = [`${partName(record.part_id)}   ${time(new Date(record.seen_at_utc))}`];
  lines.push(...record.reasons.map(reasonWords));
  if (record.image !== "kept") lines.push(_("no picture"));
  byId("sheet-text").textContent = lines.join("\n");
  byId("sheet").hidden = false;
  openedAt = performance.now();
  const canvas = /** @type {HTMLCanvasElement} */ (byId("sheet-picture"));
  [canvas.width, canvas.height] = [1, 1];
  const answer = record.image === "kept" ? await fetch(`/api/v1/images/${record.part_id}`).catch(() => null) : null;
  if (!answer?.ok) return;
  const bitmap = await createImageBitmap(await answer.blob());
  const room = canvas.getBoundingClientRect().top;
  const below = byId("sheet-close").getBoundingClientRect().top;
  const scale = Math.min(byId("stage").clientWidth / bitmap.width, Math.max(100, below - room - 16) / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  [canvas.width, canvas.height] = [width, height];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.drawImage(bitmap, 0, 0, width, height);
  drawBoxes(pen, record.defects.map((/** @type {any} */ found) => [...found.box_px, found.label, found.score]), scale, width, height);
  bitmap.close();
}

function close() {
  [openedAt, byId("sheet").hidden] = [null, true];
}

byId("sheet-close").addEventListener("click", close);
addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
listen({
  status({ status }) { if (status !== null) void refresh(status.counts.rejected); },
  closed() { known = null; },
  watch() { if (openedAt !== null && (mode() || performance.now() - openedAt > OPEN_MS)) close(); },
});
