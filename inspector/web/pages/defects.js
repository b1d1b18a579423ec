// @ts-check
// The list of parts: choosing one shows it beside the list, keys J and K go on, 1 to 5 label it; ticked parts are labelled
// together; older rows are fetched when the end comes near. What it is not: the list; the server has made it.

import { _, byId } from "./channel.js";
import { buttonOf, kindOf, say, show, typing } from "./labelling.js";

const parts = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#parts > .part")]);
const ticked = () => /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("#parts .pick input:checked")]);
let shown = /** @type {HTMLElement | null} */ (null);
let asked = 0;
let anchor = /** @type {HTMLInputElement | null} */ (null);

const fragment = async (/** @type {string} */ url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
};

/** Show a part beside the list; only the newest choice wins. */
async function choose(/** @type {HTMLElement | undefined} */ part) {
  if (!part) return;
  shown?.setAttribute("aria-selected", "false");
  shown = part;
  part.setAttribute("aria-selected", "true");
  part.focus({ preventScroll: true });
  part.scrollIntoView({ block: "nearest" });
  const mine = ++asked;
  try {
    const made = await fragment(`/parts/${part.dataset.part}/pane${location.search}`);
    if (mine === asked) byId("pane").replaceChildren(...made.body.childNodes);
  } catch (why) {
    const said = document.createElement("p");
    said.className = "message alarm";
    said.textContent = _("This part cannot be shown: {why}", { why: String(why) });
    if (mine === asked) byId("pane").replaceChildren(said);
  }
}

/** Label what is shown and go on to the next. */
async function label(/** @type {string} */ word) {
  const part = shown;
  if (!part) return;
  const said = await say([part.dataset.part ?? ""], word, kindOf(byId("pane")));
  if (said === null) return;
  show(part, said[0]);
  const next = parts()[parts().indexOf(part) + 1];
  if (part === shown) await choose(next ?? part);
}

async function labelTicked(/** @type {string} */ word) {
  const boxes = ticked();
  if (word) {
    const said = await say(boxes.map((box) => box.value), word);
    if (said === null) return;
    for (const reviewed of said) {
      const part = document.querySelector(`#parts > .part[data-part="${reviewed.part_id}"]`);
      if (part) show(part, reviewed);
    }
  }
  for (const box of boxes) box.checked = false;
  showTicked();
}

function showTicked() {
  const boxes = ticked();
  const bar = byId("chosen");
  bar.hidden = boxes.length === 0;
  /** @type {HTMLElement} */ (bar.querySelector("b")).textContent = _("{count} parts", { count: boxes.length });
  const passed = boxes.map((box) => /** @type {HTMLElement} */ (box.closest(".part")).dataset.verdict === "PASS");
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (bar.querySelectorAll("button"))) {
    const word = button.dataset.say ?? "";
    button.disabled = ["escape", "true_pass"].includes(word) ? passed.includes(false) : ["true_reject", "false_reject"].includes(word) ? passed.includes(true) : false;
  }
}

/** Ticking with Shift ticks all between this and the last one. */
function tick(/** @type {HTMLInputElement} */ box, /** @type {boolean} */ between) {
  const boxes = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("#parts .pick input")]);
  if (between && anchor && boxes.includes(anchor)) {
    const [low, high] = [boxes.indexOf(anchor), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const one of boxes.slice(low, high + 1)) one.checked = box.checked;
  }
  anchor = box;
  showTicked();
}

let fetching = false;
async function more() {
  const link = /** @type {HTMLAnchorElement | null} */ (document.getElementById("more"));
  if (!link || fetching) return;
  fetching = true;
  try {
    const made = await fragment(link.dataset.rows ?? "");
    byId("parts").append(...made.querySelectorAll("#parts > .part"));
    const next = made.querySelector("p.more");
    if (next) link.closest("p")?.replaceWith(next);
    else link.closest("p")?.remove();
  } catch {
    return; // The link stays, and leads to the same rows.
  } finally {
    fetching = false;
  }
  const fresh = document.getElementById("more");
  if (fresh) ends.observe(fresh);
}
// A search that looked at enough waits for a person to say "on".
const ends = new IntersectionObserver((seen) => {
  if (seen.some((one) => one.isIntersecting && !(/** @type {HTMLElement} */ (one.target).dataset.searched))) void more();
}, { rootMargin: "600px" });
const link = document.getElementById("more");
if (link) ends.observe(link);

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const box = /** @type {HTMLInputElement | null} */ (target.closest(".pick input"));
  const button = /** @type {HTMLButtonElement | null} */ (target.closest("#chosen button"));
  const said = /** @type {HTMLButtonElement | null} */ (target.closest("#pane form.label button"));
  if (box) return tick(box, event.shiftKey);
  if (button) return void labelTicked(button.dataset.say ?? "");
  if (said) { event.preventDefault(); return void label(said.value); }
  if (target.closest("#more") && !event.ctrlKey) { event.preventDefault(); return void more(); }
  const part = /** @type {HTMLElement | null} */ (target.closest("#parts > .part"));
  if (!part || target.closest(".pick") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  void choose(part);
});

document.addEventListener("keydown", (event) => {
  if (typing(event)) return;
  const all = parts();
  const place = shown ? all.indexOf(shown) : -1;
  const key = event.key.toLowerCase();
  if (key === "j") void choose(all[Math.min(place + 1, all.length - 1)]);
  else if (key === "k") void choose(all[Math.max(place - 1, 0)]);
  else if (key === "x" && shown) /** @type {HTMLElement} */ (shown.querySelector(".pick input")).click();
  else if (key === "enter" && shown && document.activeElement === shown) location.assign(/** @type {HTMLAnchorElement} */ (shown.querySelector("a")).href);
  else if (buttonOf(byId("pane"), event.key)) void label(/** @type {HTMLButtonElement} */ (buttonOf(byId("pane"), event.key)).value);
  else return;
  event.preventDefault();
});
