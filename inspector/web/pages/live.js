// @ts-check
// The live page: one message is one part's picture, verdict and counts; or the station's status.
// What it is not: a source of truth. `watch` below is the only code that shows or hides a verdict, and it goes by
// when this browser received something, on this browser's own clock.

import { SILENCE_MS, _, byId, element, heard, listen, mode, text, time } from "./channel.js";
import { command } from "./commands.js";
import { frozen, pictured, show, thaw, unchecked } from "./picture.js";
import { partName } from "./rejects.js";
import { alarmWords, detail, reasonWords } from "./said.js";

/** The part that is shown, and when it came (performance.now). Forgotten with the connection. */
const shown = {
  part: /** @type {any} */ (null), partAt: -Infinity, takt: /** @type {number[]} */ ([]), sequence: 0, drawn: 0, withoutPicture: 0,
};
const STALE_MS = 1000;

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
const SEVERITIES = ["stop", "high", "medium", "warning", "low"];

function why(/** @type {any} */ part) {
  const reason = part.reasons[0];
  if (!reason) return part.score === null ? "" : _("score {score}", { score: part.score.toFixed(2) });
  return reasonWords(reason);
}

/** What keeps this page from knowing anything of now; null where nothing does. */
function disconnected() {
  const where = mode();
  if (where === "offline") {
    const since = heard.at === -Infinity ? "" : _("What is shown is old, since {time}.", { time: time(heard.since) });
    const caption = `${_("Connection lost.")} ${since}`;
    return { mode: "offline", word: _("NO\nCONNECTION"), icon: "offline", tone: "alarm", detail: since, caption };
  }
  if (where !== "down") return null;
  const caption = _("The line process does not answer.");
  const detail = _("Parts are not inspected: the controller rejects them.");
  return { mode: "down", word: _("LINE DOWN"), icon: "down", tone: "alarm", detail, caption, more: heard.line.trouble };
}

/** What the status says that comes before any verdict; null where parts are judged. */
function abnormal(/** @type {any} */ status) {
  if (status.state === "Aborted") return { mode: "state", ...STATES.Aborted };
  if (status.camera_trouble) {
    const placeholder = _("Camera {camera} gives no pictures. Check its cable and its power.", { camera: byId("stage").dataset.camera });
    const detail = _("Parts are not inspected: the controller rejects them.");
    return { mode: "camera", word: _("NO CAMERA"), icon: "camera", tone: "alarm", detail, placeholder, more: status.camera_trouble };
  }
  if (status.test_left_s !== null) return { mode: "test", word: _("TEST"), icon: "test", tone: "warning", detail: _("Outputs are forced by hand.") };
  if (status.unchecked !== null) {
    return { mode: "bypass", word: _("BYPASS"), icon: "bypass", tone: "warning", detail: _("{count} parts passed unchecked.", { count: status.unchecked }) };
  }
  if (status.state === "Execute") return null;
  if (status.preparing) {
    return { mode: "preparing", word: _("PREPARING"), icon: "clock", tone: "", detail: _("Loading recipe {recipe}. Parts are rejected.", { recipe: status.preparing }) };
  }
  return { mode: "state", ...(STATES[status.state] ?? { word: status.state, icon: "warning", tone: "warning", detail: "" }) };
}

/** Which of the page's states holds now. Order matters: the worst first. */
function presentation() {
  const first = disconnected() ?? abnormal(heard.status);
  if (first !== null) return first;
  const age = performance.now() - shown.partAt;
  const { part } = shown;
  if (heard.status.counts.without_picture > shown.withoutPicture && age > STALE_MS) {
    const caption = part === null ? _("No new picture.") : _("No new picture for {seconds} s.", { seconds: Math.round(age / 1000) });
    return { mode: "stale", word: _("NO NEW\nPICTURE"), icon: "offline", tone: "warning", detail: _("Parts pass without a picture: they are rejected."), caption };
  }
  if (part === null) return { mode: "waiting", word: _("WAITING"), icon: "clock", tone: "", detail: _("For the first part.") };
  const verdict = VERDICTS[part.verdict] ?? VERDICTS.NOT_INSPECTED;
  const takt = [...shown.takt].sort((a, b) => a - b)[shown.takt.length >> 1] ?? 0;
  if (age > Math.max(SILENCE_MS, 2 * takt)) {
    const last = { verdict: verdict.word.replace("\n", " "), part: partName(part.part_id), seconds: Math.round(age / 1000) };
    return { mode: "waiting", word: _("WAITING"), icon: "clock", tone: "old", detail: _("Last: {verdict} {part}, {seconds} s ago", last) };
  }
  return { mode: "verdict", ...verdict, detail: `${partName(part.part_id)}\n${why(part)}` };
}

/** As large as the panel has room for: it is read from three metres away, in any language. */
let fitted = "";
function fitWord() {
  const word = byId("word");
  const room = word.clientWidth;
  const as = `${word.textContent} ${room}`;
  if (as === fitted || room === 0) return;
  fitted = as;
  word.style.fontSize = "100px";
  const range = document.createRange();
  range.selectNodeContents(word);
  const wide = range.getBoundingClientRect().width;
  const most = (word.textContent ?? "").includes("\n") ? .14 : .225;
  word.style.fontSize = `${Math.floor(Math.min(most * room, 98 * room / wide))}px`;
}

/** The watchdog: the only writer of the verdict panel. Runs after each message and every TICK_MS. */
function watch() {
  const now = presentation();
  document.body.dataset.mode = now.mode;
  byId("verdict").className = now.tone ? `tone-${now.tone}` : "";
  text("word", now.word);
  fitWord();
  byId("icon").setAttribute("href", `#icon-${now.icon}`);
  text("detail", now.detail);
  unchecked(now.mode === "bypass");
  thaw();
  text("placeholder-text", now.placeholder ?? "");
  text("caption-text", now.placeholder ? "" : now.caption ?? caption(pictured()));
  for (const place of ["placeholder", "caption"]) {
    const more = now.more && place === (now.placeholder ? "placeholder" : "caption") ? now.more : "";
    if (byId(`${place}-detail`).textContent !== more) byId(`${place}-detail`).textContent = more;
  }
}

function caption(/** @type {any} */ part) {
  if (part === null) return _("No picture yet. One comes with the next part.");
  const named = { part: partName(part.part_id), time: time(new Date(part.at_utc)) };
  if (frozen()) return _("Frozen: part {part}, {time}", named);
  return part.width ? _("Part {part}, {time}", named) : _("Part {part}, {time}, without a picture", named);
}

function showCounts(/** @type {any} */ counts) {
  for (const name of ["rejected", "passed", "not_inspected", "open"]) text(name, counts[name]);
  text("inspected", counts.passed + counts.rejected);
  const ended = counts.passed + counts.rejected + counts.not_inspected;
  const share = ended ? counts.passed / ended : null;
  const target = Number(byId("counts").dataset.yieldTarget);
  text("yield", share === null ? null : `${(100 * share).toFixed(1)} %`);
  byId("yield-bar").classList.toggle("under", share !== null && share < target);
  byId("yield-bar").style.setProperty("--share", String(share ?? 0));
  byId("yield-bar").style.setProperty("--target-share", String(target));
}

function showStatus(/** @type {any} */ header) {
  const status = header.status;
  if (status === null) return;
  // Verdict and counts never disagree: while a part is shown, counts of a later one wait for its own message.
  if (shown.part === null || shown.part.part_id === status.last_part_id || status.state !== "Execute") showCounts(status.counts);
  showAlarms(status.alarms);
}

let told = "";
function showAlarms(/** @type {any[]} */ alarms) {
  const as = JSON.stringify(alarms);
  if (as === told) return; // a button that is made anew under a finger does not feel it
  told = as;
  const weight = (/** @type {any} */ alarm) => (SEVERITIES.indexOf(alarm.severity) + 1) || SEVERITIES.length + 1;
  const sorted = [...alarms].sort((a, b) => weight(a) - weight(b));
  byId("alarm-list").replaceChildren(...sorted.map(alarmItem));
  text("alarm-title", alarms.length > 1 ? _("Alarms ({count})", { count: alarms.length }) : _("Alarms"));
  if (alarms.length === 0) byId("alarm-list").append(element("li", _("None.")));
}

const ICONS = /** @type {Record<string, string>} */ ({ stop: "down", high: "down", medium: "warning", warning: "warning" });
function alarmItem(/** @type {any} */ alarm) {
  const item = element("li", "", alarm.severity);
  const since = _("(since {time})", { time: time(new Date(alarm.since_utc)) });
  const words = element("div", "");
  const [what, todo, more] = alarmWords(alarm);
  words.append(element("b", what), element("span", `${todo} ${since}`));
  if (more) words.append(detail(more));
  const button = element("button", _("Acknowledge"));
  button.addEventListener("click", () => { void command("ack", { code: alarm.code }); });
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.classList.add("icon");
  icon.append(document.createElementNS("http://www.w3.org/2000/svg", "use"));
  /** @type {Element} */ (icon.firstChild).setAttribute("href", `#icon-${ICONS[alarm.severity] ?? "clock"}`);
  item.append(icon, words, button);
  return item;
}

/** Picture, boxes, verdict and counts of one part appear together, and never after those of a later one. */
async function showPart(/** @type {any} */ header, /** @type {ArrayBuffer} */ jpeg) {
  const sequence = ++shown.sequence;
  const at = performance.now();
  const bitmap = jpeg.byteLength ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null) : null;
  if (sequence > shown.drawn) {
    shown.drawn = sequence;
    show(bitmap, header);
    if (shown.part !== null) shown.takt = [...shown.takt.slice(-8), at - shown.partAt];
    [shown.part, shown.partAt, shown.withoutPicture, first] = [header, at, header.counts.without_picture, false];
    showCounts(header.counts);
  }
  bitmap?.close();
}

// What was without a picture before this page looked is not news.
let first = true;
listen({
  status(header) {
    if (first && header.status !== null) [first, shown.withoutPicture] = [false, header.status.counts.without_picture];
    showStatus(header);
  },
  part: showPart,
  closed() { [shown.part, shown.partAt, first] = [null, -Infinity, true]; },
  watch,
});
