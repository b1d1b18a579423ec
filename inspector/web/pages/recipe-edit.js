// @ts-check
// The recipe editor's list of regions beside the picture, and the form's hidden field that carries both.
// What it is not: the drawing (image-editor.js) or the check of values, which the station does when the form is sent.

import { _, byId, element } from "./channel.js";
import "./image-editor.js";

const editor = /** @type {any} */ (byId("editor"));
const field = /** @type {HTMLInputElement} */ (byId("shapes"));
let number = 0;

function keep() { field.value = JSON.stringify(editor.shapes); }

function row(/** @type {any} */ shape, /** @type {number} */ index) {
  const item = element("li", "");
  if (index === editor.chosen) item.setAttribute("aria-current", "true");
  const kind = document.createElement("select");
  for (const [value, said] of [["ignore_region", _("ignored")], ["zone", _("own limit")]]) kind.add(new Option(said, value, false, value === shape.kind));
  kind.setAttribute("aria-label", _("What the region is"));
  kind.onchange = () => { editor.keep(); shape.kind = kind.value; if (shape.kind === "zone") shape.threshold ??= 1; changed(); };
  const name = document.createElement("input");
  [name.value, name.maxLength] = [shape.name, 40];
  name.setAttribute("aria-label", _("Name"));
  name.onchange = () => { editor.keep(); shape.name = name.value; changed(); };
  const limit = document.createElement("input");
  [limit.value, limit.inputMode, limit.disabled] = [shape.kind === "zone" ? String(shape.threshold) : "", "decimal", shape.kind !== "zone"];
  limit.setAttribute("aria-label", _("Limit"));
  limit.onchange = () => { editor.keep(); shape.threshold = limit.value.trim() === "" || Number.isNaN(Number(limit.value)) ? limit.value : Number(limit.value); changed(); };
  item.append(kind, name, limit);
  item.addEventListener("focusin", () => { if (editor.chosen !== index) { editor.chosen = index; editor.draw(); mark(); } });
  return item;
}

function mark() {
  for (const [index, item] of [...byId("regions").children].entries()) item.toggleAttribute("aria-current", index === editor.chosen);
}
function list() { byId("regions").replaceChildren(...editor.shapes.map(row)); }
function changed() { keep(); editor.draw(); list(); }

editor.addEventListener("change", () => { keep(); list(); });
editor.addEventListener("choose", mark);
editor.load(JSON.parse(field.value || "[]"));
list();

byId("another").onclick = () => {
  number += 1;
  editor.picture.src = `${editor.getAttribute("src")}&number=${number}`;
};
