// @ts-check
// The live channel of a page: what was heard, when, and words in the page's language.
// What it is not: a judge of what may be shown (shell.js for the bar, live.js for verdicts); it tells how old all is,
// by this browser's own clock since it was received.

export const SILENCE_MS = 3000;
const TICK_MS = 250;

const words = JSON.parse(document.getElementById("words")?.textContent || "{}");
/** The message in the page's language, its {fields} filled in. @param {string} message @param {Record<string, any>} [fields] */
export const _ = (message, fields = {}) =>
  Object.entries(fields).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, String(value)), words[message] ?? message);

/** @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** Put a text where it differs: an unchanged one costs no layout. @param {string} id @param {any} value */
export function text(id, value) {
  const shown = value === null || value === undefined || value === "" ? "-" : String(value);
  const place = document.getElementById(id);
  if (place && place.textContent !== shown) place.textContent = shown;
}
export const time = (/** @type {Date} */ moment) => moment.toLocaleTimeString([], { hour12: false });
export function element(/** @type {string} */ tag, /** @type {string} */ said, kind = "") {
  const made = document.createElement(tag);
  [made.textContent, made.className] = [said, kind];
  return made;
}

/** What was heard, and when (performance.now). */
export const heard = { at: -Infinity, since: new Date(), status: /** @type {any} */ (null), line: /** @type {any} */ (null) };

/** The station's time, as far as it was told: a browser's own clock may be wrong by hours. */
let ahead = Date.now() - performance.now();
export const stationTime = () => new Date(performance.now() + ahead);

/** Where the page stands: "offline", "down" (no line), or "" when what the status says is of now. */
export function mode() {
  if (performance.now() - heard.at > SILENCE_MS) return "offline";
  const age = heard.line.status_age_s;
  return !heard.line.connected || age === null || age > SILENCE_MS / 1000 ? "down" : "";
}

/** @type {{status: (header: any) => void, part: (header: any, jpeg: ArrayBuffer) => Promise<void>, camera: (header: any, jpeg: ArrayBuffer) => Promise<void>, closed: () => void, watch: () => void}[]} */
const listeners = [];
/** Hear the channel; `watch` comes after each message and every 250 ms. @param {Partial<typeof listeners[0]>} listener */
export function listen(listener) {
  listeners.push({ status() {}, async part() {}, async camera() {}, closed() {}, watch() {}, ...listener });
}
const watchAll = () => { for (const listener of listeners) listener.watch(); };

let socket = /** @type {WebSocket | null} */ (null);
let wait = 500;
let ticked = performance.now();

async function take(/** @type {ArrayBuffer} */ data, /** @type {WebSocket} */ from) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  if (header.kind === "status") {
    [heard.line, heard.status] = [header.line, header.status];
    const told = Date.parse(header.status?.at_utc) + 1000 * header.line.status_age_s - performance.now();
    if (Number.isFinite(told)) ahead = told;
    for (const listener of listeners) listener.status(header);
  }
  if (header.kind === "part") for (const listener of listeners) await listener.part(header, data.slice(4 + length));
  if (header.kind === "camera") for (const listener of listeners) await listener.camera(header, data.slice(4 + length));
  if (from !== socket) return;
  if (header.kind === "status" || heard.line !== null) [heard.at, heard.since] = [performance.now(), stationTime()];
  if (from.readyState === WebSocket.OPEN) from.send("a");
  watchAll();
}

function connect() {
  const picture = document.getElementById("picture");
  const channel = picture === null ? "live?pictures=false" : picture.dataset.channel ?? "live";
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const made = new WebSocket(`${scheme}://${location.host}/api/v1/${channel}`);
  made.binaryType = "arraybuffer";
  made.onopen = () => { wait = 500; };
  made.onmessage = (event) => { void take(event.data, made); };
  made.onclose = () => {
    if (made !== socket) return;
    for (const listener of listeners) listener.closed();
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, 5000);
  };
  socket = made;
}

setInterval(() => {
  const at = performance.now();
  // This page slept (a suspended panel, a hidden tab): what waits in the connection is of then, not of now.
  if (at - ticked > SILENCE_MS) socket?.close();
  ticked = at;
  watchAll();
}, TICK_MS);
// After the modules of the page, which listen.
setTimeout(connect, 0);
