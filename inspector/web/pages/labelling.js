// @ts-check
// Saying what a part turned out to be, without leaving the page. What it is not: the rules; the server has them, and what
// it refuses is shown in its words.

import { _, byId } from "./channel.js";

export const REVIEWS = /** @type {Record<string, string>} */ ({
  true_reject: _("true reject"), false_reject: _("false reject"), escape: _("escape"), true_pass: _("good pass"),
  unsure: _("unsure"), disputed: _("disputed"),
});

/** Say `label` of parts; what each comes to, or null where it was refused. @param {string[]} parts @param {string} label */
export async function say(parts, label, kind = "") {
  const notice = byId("notice");
  notice.hidden = true;
  try {
    const answer = await fetch("/api/v1/labels", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ part_ids: parts, label, kind }),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error.message);
    return /** @type {any[]} */ (said);
  } catch (why) {
    notice.hidden = false;
    notice.textContent = _("Not saved: {why}", { why: why instanceof Error ? why.message : String(why) });
    return null;
  }
}

/** Whether keys belong to what is being typed. */
export const typing = (/** @type {KeyboardEvent} */ event) =>
  event.ctrlKey || event.altKey || event.metaKey || (event.target instanceof Element && event.target.closest("input:not([type=checkbox]), select, textarea") !== null);

/** The button of a key among those that say a label. @param {ParentNode} place @param {string} key */
export const buttonOf = (place, key) => /** @type {HTMLButtonElement | null} */ (place.querySelector(`form.label button[data-key="${CSS.escape(key)}"]:not(:disabled)`));

/** The class that is typed beside the buttons. @param {ParentNode} place */
export const kindOf = (place) => /** @type {HTMLInputElement | null} */ (place.querySelector("form.label input[name=kind]"))?.value ?? "";

/** Put what a part comes to where its review stands. @param {Element} place @param {any} reviewed */
export function show(place, reviewed) {
  const cell = place.querySelector(".review");
  if (!cell) return;
  const word = document.createElement("span");
  word.textContent = reviewed.label ? REVIEWS[reviewed.label] ?? reviewed.label : _("not reviewed");
  word.className = reviewed.label ? `reviewed ${reviewed.label}` : "muted";
  cell.replaceChildren(word);
}
