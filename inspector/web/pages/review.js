// @ts-check
// The keys of the review queue: 1 bad, 2 good, 4 unsure, J later, U undo. Without it the buttons do the same.

import { typing } from "./labelling.js";

document.addEventListener("keydown", (event) => {
  if (typing(event) || event.repeat) return;
  const key = event.key.toLowerCase();
  const target = key === "j" ? "#skip" : key === "u" ? "#undo" : /^[124]$/.test(key) ? `.verdicts [data-key="${key}"]` : "";
  if (target) /** @type {HTMLElement | null} */ (document.querySelector(target))?.click();
});
