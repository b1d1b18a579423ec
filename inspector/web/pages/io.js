// @ts-check
// The page of inputs and outputs: signals, registers and counters of the PLC, five times a second.
// What it is not: the handshake, or maintenance (io-maintenance.js).

import { _, byId, element, listen, mode, text } from "./channel.js";
import { codes } from "./io-controller.js";
import { drawEdges } from "./io-edges.js";

const EVERY_MS = 200;
const OLD_MS = 3000;
let told = /** @type {any} */ (null);
let answeredAt = -Infinity;
let frozen = false;
let span = 10;
const filter = /** @type {HTMLInputElement} */ (byId("io-filter"));

const matches = (/** @type {string} */ words) => words.toLowerCase().includes(filter.value.trim().toLowerCase());
const age = (/** @type {number | null} */ s) =>
  s === null || s === undefined ? "-" : s < 60 ? `${s.toFixed(1)} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`;
const hex = (/** @type {number[]} */ words) =>
  words.slice(0, 2).map((word) => word.toString(16).toUpperCase().padStart(4, "0")).join(" ") + (words.length > 2 ? " …" : "");

/** Rows of a table by their names, made once and then only changed where they differ. @param {string} id */
function rows(id, /** @type {{name: string, cells: any[], state?: string, fresh?: boolean}[]} */ wanted) {
  const body = byId(id);
  const known = new Map([...body.children].map((row) => [/** @type {HTMLElement} */ (row).dataset.name, row]));
  for (const { name, cells, state = "", fresh = false } of wanted) {
    let row = /** @type {HTMLElement | undefined} */ (known.get(name));
    if (row === undefined) {
      row = document.createElement("tr");
      row.dataset.name = name;
      for (const cell of cells) row.append(element("td", "", typeof cell === "number" ? "number" : "long"));
      body.append(row);
    }
    cells.forEach((cell, place) => {
      const shown = String(cell);
      const there = /** @type {HTMLElement} */ (row).children[place];
      if (there.textContent !== shown) there.textContent = shown;
    });
    if (state) row.dataset.state = state;
    row.toggleAttribute("data-fresh", fresh);
    row.hidden = !matches(cells.join(" "));
  }
}

const bits = (/** @type {any} */ register) => register.bits.map((/** @type {any} */ bit) => ({
  name: bit.name,
  cells: [bit.bit, bit.name, bit.on ? "1" : "0", age(bit.unchanged_s), bit.changes],
  state: bit.on ? "on" : "off",
  fresh: bit.unchanged_s !== null && bit.unchanged_s < 1,
}));

function draw() {
  const byName = new Map(told.registers.map((/** @type {any} */ register) => [register.name, register]));
  rows("io-control", bits(byName.get("control")));
  rows("io-status", bits(byName.get("status")));
  rows("io-registers", told.registers.map((/** @type {any} */ one) => ({
    name: one.name,
    cells: [one.address, one.name, one.to_station ? "→" : "←", `${one.value} ${one.unit}`.trim(), hex(one.words), (one.names ?? []).join(" "), age(one.unchanged_s)],
    fresh: one.unchanged_s < 1,
  })));
  for (const part of ["refused", "server"])
    rows(`io-${part}`, Object.entries(told[part]).map(([name, count]) => ({ name, cells: [codes[part]?.[name] ?? name, count] })));
  text("io-wiring", told.wiring);
  text("io-owner", told.owner || _("nobody"));
  const signals = ["control", "status"].flatMap((name) => byName.get(name).bits.map((/** @type {any} */ bit) => bit.name));
  signals.push(...told.outputs.map((/** @type {string} */ output) => `FIRE_${output.toUpperCase()}`));
  drawEdges(/** @type {any} */ (byId("io-edges")), told.edges, span, signals.filter(matches));
  text("forced", Object.entries(told.forced).map(([name, value]) => `${name} = ${value}`).join(", "));
}

const isOld = () => mode() !== "" || performance.now() - answeredAt > OLD_MS;

async function poll() {
  const began = performance.now();
  try {
    const answer = await fetch("/api/v1/plc", { signal: AbortSignal.timeout(OLD_MS) });
    if (answer.ok) {
      const now = await answer.json();
      answeredAt = performance.now();
      if (!frozen) [told] = [now], draw();
    }
  } catch { /* the watch below says how old all is */ }
  setTimeout(poll, Math.max(20, EVERY_MS - (performance.now() - began)));
}

function watch() {
  const old = isOld();
  document.body.toggleAttribute("data-old", old && !frozen);
  const chip = byId("io-age");
  text("io-age", told === null ? _("connecting") : frozen ? _("frozen") : old ? _("not of now") : _("of now"));
  chip.className = frozen || old ? "chip warning" : "chip";
}

filter.addEventListener("input", () => { if (told !== null) draw(); });
byId("io-freeze").addEventListener("click", () => {
  frozen = !frozen;
  byId("io-freeze").setAttribute("aria-pressed", String(frozen));
  watch();
});
for (const button of document.querySelectorAll("[data-span]"))
  button.addEventListener("click", () => {
    span = Number(/** @type {HTMLElement} */ (button).dataset.span);
    for (const other of document.querySelectorAll("[data-span]")) other.setAttribute("aria-pressed", String(other === button));
    if (told !== null) draw();
  });

listen({ watch });
void poll();
