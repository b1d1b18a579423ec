// @ts-check
// The page of one part: the keys that label it, and those to its neighbours. Its forms work without this.

import { buttonOf, typing } from "./labelling.js";

document.addEventListener("keydown", (event) => {
  if (typing(event)) return;
  const link = /** @type {HTMLAnchorElement | null} */ (
    document.querySelector({ j: "a[rel=prev]", k: "a[rel=next]" }[event.key.toLowerCase()] ?? "#none"));
  if (link) link.click();
  else buttonOf(document, event.key)?.click();
});
