// @ts-check
// The live page: one message is one part's picture, verdict and counts; or the station's status.
// What it is not: a source of truth. `watch` below is the only code that shows or hides a verdict, and it goes by
// when this browser received something, on this browser's own clock.

const SILENCE_MS = 3000;
const TICK_MS = 250;
const UNKNOWN = "-";

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const text = (/** @type {string} */ id, /** @type {any} */ value) => {
  const shown = value === null || value === undefined || value === "" ? UNKNOWN : String(value);
  if (byId(id).textContent !== shown) byId(id).textContent = shown;
};
const time = (/** @type {Date} */ moment) => moment.toLocaleTimeString([], { hour12: false });

/** What was heard, and when (performance.now). `part` is forgotten with the connection. */
const heard = {
  at: -Infinity, since: new Date(), status: /** @type {any} */ (null), line: /** @type {any} */ (null),
  part: /** @type {any} */ (null), partAt: -Infinity, takt: /** @type {number[]} */ ([]), sequence: 0, drawn: 0,
};
let picture = { width: 0, height: 0, boxes: /** @type {any[]} */ ([]) };
let ticked = performance.now();
let socket = /** @type {WebSocket | null} */ (null);
let wait = 500;

/** The controller's boot and the running number in it, out of a 64-bit id. @param {string} id */
const partName = (id) => `#${BigInt(id) & 0xffffffffn} / ${BigInt(id) >> 32n}`;

const VERDICTS = {
  PASS: { word: "PASS", icon: "pass", tone: "pass" },
  REJECT: { word: "REJECT", icon: "reject", tone: "alarm" },
  NOT_INSPECTED: { word: "NOT\nINSPECTED", icon: "warning", tone: "warning" },
};
const STATES = {
  Stopped: { word: "LINE\nSTOPPED", icon: "stop", tone: "", detail: "Not ready. Parts that pass are rejected." },
  Idle: { word: "READY", icon: "stop", tone: "", detail: "The line is stopped and can be started." },
  Held: { word: "HELD", icon: "warning", tone: "warning", detail: "See the alarms, then reset." },
  Aborted: { word: "ABORTED", icon: "down", tone: "alarm", detail: "Parts are not inspected. See the alarms, then reset." },
};

function why(/** @type {any} */ part) {
  const reason = part.reasons[0];
  if (!reason) return part.score === null ? "" : `score ${part.score.toFixed(2)}`;
  const numbers = reason.value === null ? "" : ` ${reason.value.toFixed(2)}`;
  const limit = reason.limit === null ? "" : ` (limit ${reason.limit.toFixed(2)})`;
  return `${(reason.text || reason.code).replaceAll("_", " ")}${numbers}${limit}`;
}

/** Which of the page's states holds now. Order matters: the worst first. */
function presentation() {
  const now = performance.now();
  const since = heard.at === -Infinity ? "" : `What is shown is old, since ${time(heard.since)}.`;
  if (now - heard.at > SILENCE_MS) {
    return { mode: "offline", word: "NO\nCONNECTION", icon: "offline", tone: "alarm", detail: since, caption: `Connection lost. ${since}` };
  }
  const silent = heard.line.status_age_s === null || heard.line.status_age_s > SILENCE_MS / 1000;
  if (!heard.line.connected || silent) {
    const caption = `The line process does not answer. ${heard.line.trouble}`;
    return { mode: "down", word: "LINE DOWN", icon: "down", tone: "alarm", detail: "Parts are not inspected: the controller rejects them.", caption };
  }
  const { state } = heard.status;
  if (state !== "Execute") return { mode: "state", ...(STATES[state] ?? { word: state, icon: "warning", tone: "warning", detail: "" }) };
  const { part } = heard;
  if (part === null) return { mode: "waiting", word: "WAITING", icon: "clock", tone: "", detail: "For the first part." };
  const verdict = VERDICTS[part.verdict] ?? VERDICTS.NOT_INSPECTED;
  const takt = [...heard.takt].sort((a, b) => a - b)[heard.takt.length >> 1] ?? 0;
  const age = now - heard.partAt;
  if (age > Math.max(SILENCE_MS, 2 * takt)) {
    const last = `Last: ${verdict.word.replace("\n", " ")} ${partName(part.part_id)}, ${Math.round(age / 1000)} s ago`;
    return { mode: "waiting", word: "WAITING", icon: "clock", tone: "old", detail: last };
  }
  return { mode: "verdict", ...verdict, detail: `${partName(part.part_id)}\n${why(part)}` };
}

/** The watchdog: the only writer of the verdict panel. Runs after each message and every TICK_MS. */
function watch() {
  const shown = presentation();
  document.body.dataset.mode = shown.mode;
  byId("verdict").className = shown.tone ? `tone-${shown.tone}` : "";
  text("word", shown.word);
  byId("word").className = shown.word.length > 6 ? "long" : "";
  byId("icon").setAttribute("href", `#icon-${shown.icon}`);
  text("detail", shown.detail);
  text("connection", shown.mode === "offline" ? "offline" : "connected");
  if (shown.caption) text("caption", shown.caption);
  else text("caption", heard.part === null ? "No picture yet. One comes with the next part." : caption(heard.part));
  text("clock", time(new Date()));
}

const caption = (/** @type {any} */ part) =>
  `Part ${partName(part.part_id)}, ${time(new Date(part.at_utc))}${part.width ? "" : ", without a picture"}`;

function showCounts(/** @type {any} */ counts) {
  for (const [name, value] of Object.entries(counts)) if (document.getElementById(name)) text(name, value);
}

function showStatus(/** @type {any} */ header) {
  heard.line = header.line;
  heard.status = header.status;
  const status = header.status;
  if (status === null) return;
  text("station", status.station);
  text("recipe", `${status.recipe_id} (${status.recipe_rev})`);
  text("state", status.state);
  // Verdict and counts never disagree: while a part is shown, counts of a later one wait for its own message.
  if (heard.part === null || heard.part.part_id === status.last_part_id || status.state !== "Execute") showCounts(status.counts);
  byId("alarm-list").replaceChildren(...status.alarms.map(alarmItem));
  if (status.alarms.length === 0) byId("alarm-list").append(element("li", "None."));
}

function element(/** @type {string} */ tag, /** @type {string} */ words, kind = "") {
  const made = document.createElement(tag);
  made.textContent = words;
  made.className = kind;
  return made;
}

function alarmItem(/** @type {any} */ alarm) {
  const item = element("li", "", alarm.severity);
  item.append(element("b", alarm.text), element("span", `${alarm.advice} (since ${time(new Date(alarm.since_utc))})`));
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
  for (const [x, y, w, h, label, score] of picture.boxes) {
    const [left, top] = [x * scale, y * scale];
    pen.lineWidth = 5; pen.strokeStyle = "#fff"; pen.strokeRect(left, top, w * scale, h * scale);
    pen.lineWidth = 3; pen.strokeStyle = "#c8102e"; pen.strokeRect(left, top, w * scale, h * scale);
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
  const sequence = ++heard.sequence;
  const at = performance.now();
  const bitmap = jpeg.byteLength ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null) : null;
  if (sequence > heard.drawn) {
    heard.drawn = sequence;
    draw(bitmap, header);
    if (heard.part !== null) heard.takt = [...heard.takt.slice(-8), at - heard.partAt];
    [heard.part, heard.partAt] = [header, at];
    showCounts(header.counts);
  }
  bitmap?.close();
}

async function take(/** @type {ArrayBuffer} */ data, /** @type {WebSocket} */ from) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  if (header.kind === "status") showStatus(header);
  if (header.kind === "part") await showPart(header, data.slice(4 + length));
  if (from !== socket) return;
  if (header.kind === "status" || heard.line !== null) [heard.at, heard.since] = [performance.now(), new Date()];
  if (from.readyState === WebSocket.OPEN) from.send("a");
  watch();
}

function connect() {
  const made = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`);
  made.binaryType = "arraybuffer";
  made.onopen = () => { wait = 500; };
  made.onmessage = (event) => { void take(event.data, made); };
  made.onclose = () => {
    if (made !== socket) return;
    heard.part = null;
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, 5000);
  };
  socket = made;
}

setInterval(() => {
  const now = performance.now();
  // This page slept (a suspended panel, a hidden tab): what waits in the connection is of then, not of now.
  if (now - ticked > SILENCE_MS) socket?.close();
  ticked = now;
  watch();
}, TICK_MS);
new ResizeObserver(fit).observe(byId("stage"));
connect();
