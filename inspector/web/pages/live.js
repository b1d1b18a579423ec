// @ts-check
// The live page: one message is one part's picture, verdict and counts; or the station's status.
// What it is not: a source of truth. `watch` below is the only code that shows or hides a verdict, and it goes by
// when this browser received something, on this browser's own clock.

import { SILENCE_MS, _, byId, element, heard, listen, mode, text, time } from "./channel.js";

/** The part that is shown, and when it came (performance.now). Forgotten with the connection. */
const shown = {
  part: /** @type {any} */ (null), partAt: -Infinity, takt: /** @type {number[]} */ ([]), sequence: 0, drawn: 0,
};
let picture = { width: 0, height: 0, boxes: /** @type {any[]} */ ([]) };

/** The controller's boot and the running number in it, out of a 64-bit id. @param {string} id */
const partName = (id) => `#${BigInt(id) & 0xffffffffn} / ${BigInt(id) >> 32n}`;

const VERDICTS = /** @type {Record<string, any>} */ ({
  PASS: { word: _("PASS"), icon: "pass", tone: "pass" },
  REJECT: { word: _("REJECT"), icon: "reject", tone: "alarm" },
  NOT_INSPECTED: { word: _("NOT\nINSPECTED"), icon: "warning", tone: "warning" },
});
const STATES = /** @type {Record<string, any>} */ ({
  Stopped: { word: _("LINE\nSTOPPED"), icon: "stop", tone: "", detail: _("Not ready. Parts that pass are rejected.") },
  Idle: { word: _("READY"), icon: "stop", tone: "", detail: _("The line is stopped and can be started.") },
  Held: { word: _("HELD"), icon: "warning", tone: "warning", detail: _("See the alarms, then reset.") },
  Aborted: { word: _("ABORTED"), icon: "down", tone: "alarm", detail: _("Parts are not inspected. See the alarms, then reset.") },
});

function why(/** @type {any} */ part) {
  const reason = part.reasons[0];
  if (!reason) return part.score === null ? "" : _("score {score}", { score: part.score.toFixed(2) });
  const numbers = reason.value === null ? "" : ` ${reason.value.toFixed(2)}`;
  const limit = reason.limit === null ? "" : ` ${_("(limit {limit})", { limit: reason.limit.toFixed(2) })}`;
  return `${(reason.text || reason.code).replaceAll("_", " ")}${numbers}${limit}`;
}

/** Which of the page's states holds now. Order matters: the worst first. */
function presentation() {
  const now = performance.now();
  const where = mode();
  if (where === "offline") {
    const since = heard.at === -Infinity ? "" : _("What is shown is old, since {time}.", { time: time(heard.since) });
    const caption = `${_("Connection lost.")} ${since}`;
    return { mode: "offline", word: _("NO\nCONNECTION"), icon: "offline", tone: "alarm", detail: since, caption };
  }
  if (where === "down") {
    const caption = `${_("The line process does not answer.")} ${heard.line.trouble}`;
    const detail = _("Parts are not inspected: the controller rejects them.");
    return { mode: "down", word: _("LINE DOWN"), icon: "down", tone: "alarm", detail, caption };
  }
  const { state } = heard.status;
  if (state !== "Execute") return { mode: "state", ...(STATES[state] ?? { word: state, icon: "warning", tone: "warning", detail: "" }) };
  const { part } = shown;
  if (part === null) return { mode: "waiting", word: _("WAITING"), icon: "clock", tone: "", detail: _("For the first part.") };
  const verdict = VERDICTS[part.verdict] ?? VERDICTS.NOT_INSPECTED;
  const takt = [...shown.takt].sort((a, b) => a - b)[shown.takt.length >> 1] ?? 0;
  const age = now - shown.partAt;
  if (age > Math.max(SILENCE_MS, 2 * takt)) {
    const last = { verdict: verdict.word.replace("\n", " "), part: partName(part.part_id), seconds: Math.round(age / 1000) };
    return { mode: "waiting", word: _("WAITING"), icon: "clock", tone: "old", detail: _("Last: {verdict} {part}, {seconds} s ago", last) };
  }
  return { mode: "verdict", ...verdict, detail: `${partName(part.part_id)}\n${why(part)}` };
}

/** The watchdog: the only writer of the verdict panel. Runs after each message and every TICK_MS. */
function watch() {
  const now = presentation();
  document.body.dataset.mode = now.mode;
  byId("verdict").className = now.tone ? `tone-${now.tone}` : "";
  text("word", now.word);
  const widest = Math.max(...now.word.split("\n").map((/** @type {string} */ line) => line.length));
  byId("word").className = widest > 10 ? "longer" : now.word.length > 6 ? "long" : "";
  byId("icon").setAttribute("href", `#icon-${now.icon}`);
  text("detail", now.detail);
  if (now.caption) text("caption", now.caption);
  else text("caption", shown.part === null ? _("No picture yet. One comes with the next part.") : caption(shown.part));
}

function caption(/** @type {any} */ part) {
  const named = { part: partName(part.part_id), time: time(new Date(part.at_utc)) };
  return part.width ? _("Part {part}, {time}", named) : _("Part {part}, {time}, without a picture", named);
}

function showCounts(/** @type {any} */ counts) {
  for (const [name, value] of Object.entries(counts)) text(name, value);
}

function showStatus(/** @type {any} */ header) {
  const status = header.status;
  if (status === null) return;
  // Verdict and counts never disagree: while a part is shown, counts of a later one wait for its own message.
  if (shown.part === null || shown.part.part_id === status.last_part_id || status.state !== "Execute") showCounts(status.counts);
  byId("alarm-list").replaceChildren(...status.alarms.map(alarmItem));
  if (status.alarms.length === 0) byId("alarm-list").append(element("li", _("None.")));
}

function alarmItem(/** @type {any} */ alarm) {
  const item = element("li", "", alarm.severity);
  const since = _("(since {time})", { time: time(new Date(alarm.since_utc)) });
  item.append(element("b", alarm.text), element("span", `${alarm.advice} ${since}`));
  return item;
}

function fit() {
  const stage = byId("stage");
  const room = { width: stage.clientWidth, height: stage.clientHeight - byId("caption").offsetHeight };
  const scale = picture.width ? Math.min(room.width / picture.width, room.height / picture.height) : 0;
  const [width, height] = [picture.width * scale, picture.height * scale];
  for (const id of ["picture", "boxes"]) {
    const style = byId(id).style;
    [style.width, style.height] = [`${width}px`, `${height}px`];
    [style.left, style.top] = [`${(room.width - width) / 2}px`, `${(room.height - height) / 2}px`];
  }
  drawBoxes(width, height, scale);
}

/** Boxes lie on a canvas of the screen's own resolution, so that labels do not shrink with the picture. */
function drawBoxes(/** @type {number} */ width, /** @type {number} */ height, /** @type {number} */ scale) {
  const canvas = /** @type {HTMLCanvasElement} */ (byId("boxes"));
  const dense = window.devicePixelRatio;
  [canvas.width, canvas.height] = [Math.round(width * dense), Math.round(height * dense)];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(dense, dense);
  pen.font = "bold 18px sans-serif";
  // The weightiest last, so that it lies on top; more than three labels would hide the part.
  const boxes = [...picture.boxes].sort((a, b) => (a[5] ?? 0) - (b[5] ?? 0));
  for (const [place, [x, y, w, h, label, score]] of boxes.entries()) {
    const [left, top] = [x * scale, y * scale];
    pen.lineWidth = 5; pen.strokeStyle = "#fff"; pen.strokeRect(left, top, w * scale, h * scale);
    pen.lineWidth = 3; pen.strokeStyle = "#c8102e"; pen.strokeRect(left, top, w * scale, h * scale);
    if (place < boxes.length - 3) continue;
    const words = score === null ? label : `${label} ${score.toFixed(2)}`;
    const wide = pen.measureText(words).width + 12;
    const from = { x: Math.max(0, Math.min(left, width - wide)), y: top >= 28 ? top - 28 : Math.min(top + h * scale, height - 26) };
    pen.fillStyle = "#c8102e"; pen.fillRect(from.x, from.y, wide, 26);
    pen.fillStyle = "#fff"; pen.fillText(words, from.x + 6, from.y + 19);
  }
}

function draw(/** @type {ImageBitmap | null} */ bitmap, /** @type {any} */ header) {
  const canvas = /** @type {HTMLCanvasElement} */ (byId("picture"));
  picture = { width: header.width, height: header.height, boxes: header.boxes };
  [canvas.width, canvas.height] = [Math.max(1, header.width), Math.max(1, header.height)];
  if (bitmap) /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(bitmap, 0, 0);
  fit();
}

/** Picture, boxes, verdict and counts of one part appear together, and never after those of a later one. */
async function showPart(/** @type {any} */ header, /** @type {ArrayBuffer} */ jpeg) {
  const sequence = ++shown.sequence;
  const at = performance.now();
  const bitmap = jpeg.byteLength ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null) : null;
  if (sequence > shown.drawn) {
    shown.drawn = sequence;
    draw(bitmap, header);
    if (shown.part !== null) shown.takt = [...shown.takt.slice(-8), at - shown.partAt];
    [shown.part, shown.partAt] = [header, at];
    showCounts(header.counts);
  }
  bitmap?.close();
}

new ResizeObserver(fit).observe(byId("stage"));
listen({ status: showStatus, part: showPart, closed: () => { shown.part = null; }, watch });
