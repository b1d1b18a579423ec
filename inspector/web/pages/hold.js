// @ts-check
// A button that must be held: what it does comes once, at the end of the hold, by pointer, finger or key.
// What it is not: a permission; who answers the request says whether it may be.

export const HOLD_MS = 2000;

/** Do `act` after `button` was held for HOLD_MS without a break, and `ready()` all the while.
 * @param {HTMLButtonElement} button @param {() => boolean} ready @param {() => void} act */
export function heldToDo(button, ready, act) {
  let since = 0;
  let turn = 0;
  const end = () => {
    since = 0;
    cancelAnimationFrame(turn);
    button.removeAttribute("data-held");
    button.style.setProperty("--held", "0");
  };
  const look = () => {
    if (!since) return;
    if (!ready() || button.disabled || document.hidden) return end();
    const share = (performance.now() - since) / HOLD_MS;
    button.style.setProperty("--held", String(Math.min(1, share)));
    if (share >= 1) {
      end();
      return act();
    }
    turn = requestAnimationFrame(look);
  };
  const begin = () => {
    if (since || button.disabled || !ready()) return;
    since = performance.now();
    button.setAttribute("data-held", "");
    look();
  };
  button.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    // Without this a finger that slides off would still hold.
    if (button.hasPointerCapture(event.pointerId)) button.releasePointerCapture(event.pointerId);
    begin();
  });
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur", "contextmenu"]) button.addEventListener(name, end);
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return end();
    event.preventDefault();
    if (!event.repeat) begin();
  });
  button.addEventListener("keyup", end);
}
