// @ts-check
// The pad for a PIN: taps become characters; without a script the form is filled in with a keyboard.
// What it is not: a check of anything; the server says what is right, and how long to wait.

/** Make the pad of a form work. @param {HTMLFormElement} form */
export function wire(form) {
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const names = /** @type {NodeListOf<HTMLButtonElement>} */ (form.querySelectorAll("[data-name]"));
  const mark = () => names.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.name === field("name").value)));
  form.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.dataset.name) {
      [field("name").value, field("secret").value] = [button.dataset.name, ""];
      mark();
    } else if (button?.dataset.digit) field("secret").value += button.dataset.digit;
    else if (button && "erase" in button.dataset) field("secret").value = field("secret").value.slice(0, -1);
  });
  field("name").addEventListener("input", mark);
}

for (const form of document.querySelectorAll("form.pin")) wire(/** @type {HTMLFormElement} */ (form));
