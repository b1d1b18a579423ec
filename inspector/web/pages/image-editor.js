// @ts-check
// <image-editor src="...">: polygons on a picture, drawn and bent by mouse, pen or finger.
// What it is: shapes in fractions of the picture, a change event, undo. What it is not: what the shapes mean; it shows
// each in the colour of its `kind`, and whoever uses it keeps names and limits (recipe-edit.js).

import { _ } from "./channel.js";

const REACH = 24; // a handle is a circle of 48 CSS pixels
const COLOURS = /** @type {Record<string, string>} */ ({ zone: "#2f5d8a", ignore_region: "#1b1f23" });
const SVG = "http://www.w3.org/2000/svg";

/** @typedef {{kind: string, name: string, polygon: number[][], threshold?: number}} Shape */

const drawn = (/** @type {string} */ tag, /** @type {Record<string, any>} */ given) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) made.setAttribute(name, String(value));
  return made;
};
const clamp = (/** @type {number} */ value) => Math.min(1, Math.max(0, Math.round(value * 1e4) / 1e4));

class ImageEditor extends HTMLElement {
  shapes = /** @type {Shape[]} */ ([]);
  chosen = -1;
  corner = -1;
  mode = "select";
  kind = "ignore_region";
  #undo = /** @type {string[]} */ ([]);
  #draft = /** @type {number[][]} */ ([]);
  #pointers = /** @type {Map<number, {x: number, y: number}>} */ (new Map());
  #grip = /** @type {any} */ (null);
  #view = { scale: 1, x: 0, y: 0 };

  connectedCallback() {
    const tool = (/** @type {string} */ name, /** @type {string} */ said, /** @type {() => void} */ act) => {
      const button = document.createElement("button");
      [button.type, button.textContent, button.dataset.tool] = ["button", said, name];
      button.addEventListener("click", act);
      return button;
    };
    this.tools = document.createElement("div");
    this.tools.className = "tools";
    this.tools.append(
      tool("select", _("Select"), () => this.use("select")),
      tool("rectangle", _("Rectangle"), () => this.use("rectangle")),
      tool("polygon", _("Polygon"), () => this.use("polygon")),
      tool("finish", _("Finish"), () => this.finish()),
      tool("undo", _("Undo"), () => this.undo()),
      tool("delete", _("Delete"), () => this.remove()),
      tool("closer", "+", () => this.zoom(1.5)),
      tool("farther", "−", () => this.zoom(1 / 1.5)),
    );
    for (const [name, said] of [["closer", _("Closer")], ["farther", _("Farther")]])
      this.tools.querySelector(`[data-tool=${name}]`)?.setAttribute("aria-label", said);
    this.stage = document.createElement("div");
    this.stage.className = "canvas";
    this.picture = document.createElement("img");
    this.picture.alt = _("A good part, as the model sees it");
    this.picture.draggable = false;
    this.board = /** @type {SVGSVGElement} */ (drawn("svg", { tabindex: 0, role: "application", "aria-label": _("Regions on the picture") }));
    this.stage.append(this.picture, this.board);
    this.append(this.tools, this.stage);
    this.picture.onload = () => this.fit();
    this.picture.onerror = () => { this.picture.hidden = true; this.stage.dataset.trouble = _("There is no taught picture of this model."); };
    this.picture.src = this.getAttribute("src") ?? "";
    new ResizeObserver(() => this.fit()).observe(this.stage);
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.board.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    this.board.addEventListener("pointerdown", (event) => { this.board.setPointerCapture(event.pointerId); this.press(event.pointerId, at(event)); });
    this.board.addEventListener("pointermove", (event) => { if (this.#pointers.has(event.pointerId)) this.move(event.pointerId, at(event)); });
    for (const name of ["pointerup", "pointercancel"])
      this.board.addEventListener(name, (event) => this.release(/** @type {PointerEvent} */ (event).pointerId, name === "pointerup"));
    this.board.addEventListener("keydown", (event) => this.key(event));
    this.use("select");
  }

  /** Show these shapes; what was undone before is forgotten. @param {Shape[]} shapes */
  load(shapes) {
    [this.shapes, this.#undo, this.chosen] = [shapes, [], shapes.length ? 0 : -1];
    this.draw();
  }

  /** Before each change, so that it can be taken back. */
  keep() { this.#undo = [...this.#undo.slice(-99), JSON.stringify(this.shapes)]; }
  changed() { this.draw(); this.dispatchEvent(new Event("change")); }
  undo() {
    if (this.#draft.length) { this.#draft.pop(); this.draw(); return; }
    const before = this.#undo.pop();
    if (before === undefined) return;
    this.shapes = JSON.parse(before);
    [this.chosen, this.corner] = [Math.min(this.chosen, this.shapes.length - 1), -1];
    this.changed();
  }
  remove() {
    const shape = this.shapes[this.chosen];
    if (!shape) return;
    this.keep();
    if (this.corner >= 0 && shape.polygon.length > 3) shape.polygon.splice(this.corner, 1);
    else { this.shapes.splice(this.chosen, 1); this.chosen = this.shapes.length - 1; }
    this.corner = -1;
    this.changed();
  }
  use(/** @type {string} */ mode) {
    [this.mode, this.#draft, this.corner] = [mode, [], -1];
    this.draw();
  }
  add(/** @type {number[][]} */ polygon) {
    this.keep();
    const taken = new Set(this.shapes.map((shape) => shape.name));
    let number = 1;
    while (taken.has(`region ${number}`)) number += 1;
    this.shapes.push({ kind: this.kind, name: `region ${number}`, polygon });
    [this.chosen, this.mode, this.#draft] = [this.shapes.length - 1, "select", []];
    this.changed();
  }
  finish() { if (this.#draft.length >= 3) this.add(this.#draft); else this.use("select"); }

  fit() {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    if (!width) return;
    const scale = Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height);
    this.#view = { scale, x: (this.stage.clientWidth - width * scale) / 2, y: (this.stage.clientHeight - height * scale) / 2 };
    this.draw();
  }
  zoom(/** @type {number} */ factor, at = { x: this.stage.clientWidth / 2, y: this.stage.clientHeight / 2 }) {
    const view = this.#view;
    const scale = Math.min(20, Math.max(0.05, view.scale * factor));
    this.#view = { scale, x: at.x - (at.x - view.x) * scale / view.scale, y: at.y - (at.y - view.y) * scale / view.scale };
    this.draw();
  }
  /** From fractions to the board's pixels, and back. @param {number[]} place */
  place([x, y]) { return { x: x * this.picture.naturalWidth * this.#view.scale + this.#view.x, y: y * this.picture.naturalHeight * this.#view.scale + this.#view.y }; }
  fraction(/** @type {{x: number, y: number}} */ at) {
    return [clamp((at.x - this.#view.x) / this.#view.scale / this.picture.naturalWidth), clamp((at.y - this.#view.y) / this.#view.scale / this.picture.naturalHeight)];
  }

  press(/** @type {number} */ id, /** @type {{x: number, y: number}} */ at) {
    this.#pointers.set(id, at);
    this.board.focus({ preventScroll: true });
    if (this.#pointers.size === 2) { this.#letGo(false); this.#grip = { what: "pinch" }; return; }
    if (this.#pointers.size > 2) return;
    if (this.mode === "rectangle") this.#grip = { what: "rectangle", from: at, to: at };
    else if (this.mode === "polygon") this.#grip = { what: "tap", at };
    else this.#grip = this.#gripAt(at);
    this.draw();
  }
  #gripAt(/** @type {{x: number, y: number}} */ at) {
    const near = (/** @type {number[]} */ corner) => { const p = this.place(corner); return Math.hypot(p.x - at.x, p.y - at.y); };
    const polygon = this.shapes[this.chosen]?.polygon ?? [];
    const ends = polygon.map((corner, index) => ({ index, far: near(corner) })).sort((a, b) => a.far - b.far)[0];
    if (ends && ends.far <= REACH) { this.corner = ends.index; return { what: "corner", from: at, before: JSON.stringify(this.shapes) }; }
    const middles = polygon.map((corner, index) => ({ index, middle: this.#middle(polygon, index) })).sort((a, b) => near(a.middle) - near(b.middle))[0];
    if (middles && near(middles.middle) <= REACH) return { what: "edge", index: middles.index, from: at, before: JSON.stringify(this.shapes) };
    const under = this.shapes.findLastIndex((shape) => inside(this.fraction(at), shape.polygon));
    [this.chosen, this.corner] = [under < 0 ? this.chosen : under, -1];
    if (under >= 0) this.dispatchEvent(new Event("choose"));
    return under < 0 ? { what: "pan", last: at } : { what: "shape", from: at, before: JSON.stringify(this.shapes) };
  }
  #middle(/** @type {number[][]} */ polygon, /** @type {number} */ index) {
    const [a, b] = [polygon[index], polygon[(index + 1) % polygon.length]];
    return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  }
  move(/** @type {number} */ id, /** @type {{x: number, y: number}} */ at) {
    const grip = this.#grip;
    const before = [...this.#pointers.values()];
    this.#pointers.set(id, at);
    if (!grip) return;
    const polygon = this.shapes[this.chosen]?.polygon;
    if (grip.what === "pinch") this.#pinch(before, [...this.#pointers.values()]);
    else if (grip.what === "rectangle") grip.to = at;
    else if (grip.what === "pan") { this.#view.x += at.x - grip.last.x; this.#view.y += at.y - grip.last.y; grip.last = at; }
    else if (grip.from && !grip.moved && Math.hypot(at.x - grip.from.x, at.y - grip.from.y) < 4) return;
    else if (grip.what === "edge") { polygon.splice(grip.index + 1, 0, this.fraction(at)); this.corner = grip.index + 1; grip.what = "corner"; grip.moved = true; }
    else if (grip.what === "corner") { polygon[this.corner] = this.fraction(at); grip.moved = true; }
    else if (grip.what === "shape") this.#shift(grip, at);
    this.draw();
  }
  #shift(/** @type {any} */ grip, /** @type {{x: number, y: number}} */ at) {
    const start = /** @type {number[][]} */ (JSON.parse(grip.before)[this.chosen].polygon);
    const dx = (at.x - grip.from.x) / this.#view.scale / this.picture.naturalWidth;
    const dy = (at.y - grip.from.y) / this.#view.scale / this.picture.naturalHeight;
    this.shapes[this.chosen].polygon = start.map(([x, y]) => [clamp(x + dx), clamp(y + dy)]);
    grip.moved = true;
  }
  #pinch(/** @type {{x: number, y: number}[]} */ before, /** @type {{x: number, y: number}[]} */ now) {
    if (before.length < 2 || now.length < 2) return;
    const span = (/** @type {{x: number, y: number}[]} */ [a, b]) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
    const centre = (/** @type {{x: number, y: number}[]} */ [a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
    const [from, to] = [centre(before), centre(now)];
    this.#view.x += to.x - from.x;
    this.#view.y += to.y - from.y;
    this.zoom(span(now) / span(before), to);
  }
  release(/** @type {number} */ id, /** @type {boolean} */ meant) {
    this.#pointers.delete(id);
    if (this.#grip?.what === "pinch") { if (this.#pointers.size === 0) this.#grip = null; return; }
    this.#letGo(meant);
  }
  #letGo(/** @type {boolean} */ meant) {
    const grip = this.#grip;
    this.#grip = null;
    if (!grip) return;
    if (grip.what === "rectangle" && meant) {
      const [[x1, y1], [x2, y2]] = [this.fraction(grip.from), this.fraction(grip.to)];
      if (Math.hypot(grip.to.x - grip.from.x, grip.to.y - grip.from.y) > 8 && x1 !== x2 && y1 !== y2)
        this.add([[Math.min(x1, x2), Math.min(y1, y2)], [Math.max(x1, x2), Math.min(y1, y2)], [Math.max(x1, x2), Math.max(y1, y2)], [Math.min(x1, x2), Math.max(y1, y2)]]);
    } else if (grip.what === "tap" && meant) {
      const first = this.#draft.length >= 3 ? this.place(this.#draft[0]) : null;
      if (first && Math.hypot(first.x - grip.at.x, first.y - grip.at.y) <= REACH) this.finish();
      else this.#draft.push(this.fraction(grip.at));
    } else if (grip.moved) {
      if (meant) { this.#undo = [...this.#undo.slice(-99), grip.before]; this.changed(); }
      else this.shapes = JSON.parse(grip.before);
    }
    this.draw();
  }
  key(/** @type {KeyboardEvent} */ event) {
    const steps = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [-0.005, 0], ArrowRight: [0.005, 0], ArrowUp: [0, -0.005], ArrowDown: [0, 0.005] });
    const polygon = this.shapes[this.chosen]?.polygon;
    if (event.key === "Delete") this.remove();
    else if (event.key === "Escape") this.use("select");
    else if (event.key === "Enter") this.finish();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else if (steps[event.key] && polygon) {
      this.keep();
      const [dx, dy] = steps[event.key];
      for (const [index, corner] of polygon.entries())
        if (this.corner < 0 || index === this.corner) polygon[index] = [clamp(corner[0] + dx), clamp(corner[1] + dy)];
      this.changed();
    } else return;
    event.preventDefault();
  }

  draw() {
    if (!this.board) return;
    const { scale, x, y } = this.#view;
    this.picture.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    const points = (/** @type {number[][]} */ polygon) => polygon.map((corner) => { const p = this.place(corner); return `${p.x},${p.y}`; }).join(" ");
    const parts = this.shapes.map((shape, index) => drawn("polygon", {
      points: points(shape.polygon), fill: COLOURS[shape.kind], "fill-opacity": shape.kind === "zone" ? 0.15 : 0.5,
      stroke: index === this.chosen ? "#f2b705" : "#fff", "stroke-width": index === this.chosen ? 4 : 2,
    }));
    const polygon = this.mode === "select" ? this.shapes[this.chosen]?.polygon ?? [] : [];
    for (const [index, corner] of polygon.entries()) parts.push(...this.#handle(corner, index === this.corner), ...this.#handle(this.#middle(polygon, index), false, 4));
    for (const [index, corner] of this.#draft.entries()) parts.push(...this.#handle(corner, index === 0));
    if (this.#draft.length > 1) parts.push(drawn("polyline", { points: points(this.#draft), fill: "none", stroke: "#f2b705", "stroke-width": 3 }));
    const grip = this.#grip;
    if (grip?.what === "rectangle") parts.push(drawn("rect", {
      x: Math.min(grip.from.x, grip.to.x), y: Math.min(grip.from.y, grip.to.y), width: Math.abs(grip.to.x - grip.from.x),
      height: Math.abs(grip.to.y - grip.from.y), fill: "none", stroke: "#f2b705", "stroke-width": 3,
    }));
    this.board.replaceChildren(...parts);
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (this.tools.querySelectorAll("button"))) {
      const name = button.dataset.tool ?? "";
      if (["select", "rectangle", "polygon"].includes(name)) button.setAttribute("aria-pressed", String(name === this.mode));
      if (name === "undo") button.disabled = !this.#undo.length && !this.#draft.length;
      if (name === "delete") button.disabled = this.chosen < 0;
      if (name === "finish") button.disabled = this.#draft.length < 3;
    }
  }
  #handle(/** @type {number[]} */ corner, /** @type {boolean} */ active, seen = 8) {
    const { x, y } = this.place(corner);
    const reach = drawn("circle", { cx: x, cy: y, r: REACH, class: "reach", fill: "#fff", "fill-opacity": seen > 4 ? 0.18 : 0.06 });
    return [reach, drawn("circle", { cx: x, cy: y, r: seen, fill: active ? "#f2b705" : "#fff", stroke: "#1b1f23", "stroke-width": 2 })];
  }
}

/** Even-odd rule, as the station judges by. */
function inside(/** @type {number[]} */ [x, y], /** @type {number[][]} */ polygon) {
  let found = false;
  for (const [index, [x1, y1]] of polygon.entries()) {
    const [x2, y2] = polygon[(index + 1) % polygon.length];
    if ((y1 <= y) !== (y2 <= y) && x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)) found = !found;
  }
  return found;
}

customElements.define("image-editor", ImageEditor);
