// @ts-check
// Start, stop, reset and acknowledge; a PIN is asked for in place where it lacks.
// What it is not: a decision whether something may be done; the line and the server say no, and why.

import { _, byId, heard, listen, mode } from "./channel.js";
import { sayWho } from "./shell.js";

const MAY = /** @type {Record<string, string[]>} */ ({ start: ["Idle"], stop: ["Execute"], reset: ["Held", "Aborted"] });
const dialog = /** @type {HTMLDialogElement} */ (byId("login"));
const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
const trouble = /** @type {HTMLElement} */ (form.querySelector(".pin-trouble"));
let busy = false;
let wanted = /** @type {(() => void) | null} */ (null);
let saidAt = -Infinity;

const post = (/** @type {string} */ path, /** @type {any} */ body) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Ask the line for something; where nobody is logged in, ask for a PIN and then again. @param {string} what @param {any} body */
export async function command(what, body = {}) {
  if (busy) return;
  [busy] = [true], watch();
  try {
    const answer = await post(`/api/v1/commands/${what}`, body);
    if (answer.ok) return say("");
    const { code, message } = (await answer.json()).error;
    if (code !== "token_missing" && code !== "forbidden") return say(message);
    wanted = () => { void command(what, body); };
    trouble.hidden = true;
    dialog.showModal();
  } catch {
    say(_("This was not done: there is no connection."));
  } finally {
    [busy] = [false], watch();
  }
}

function say(/** @type {string} */ words) {
  const notice = byId("notice");
  [notice.dataset.command, notice.textContent, notice.hidden] = [words, words, words === ""];
  saidAt = performance.now();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = new FormData(form);
  const secret = /** @type {HTMLInputElement} */ (form.elements.namedItem("secret"));
  const answer = await post("/api/v1/login", { name: given.get("name"), secret: given.get("secret") }).catch(() => null);
  secret.value = "";
  const told = answer === null ? null : await answer.json();
  if (!answer?.ok) {
    trouble.textContent = told?.error.message ?? _("This was not done: there is no connection.");
    trouble.hidden = false;
    return;
  }
  sayWho(told);
  dialog.close();
  wanted?.();
  wanted = null;
});
byId("login-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => form.reset());

for (const button of document.querySelectorAll("[data-command]")) {
  const what = /** @type {HTMLElement} */ (button).dataset.command ?? "";
  button.addEventListener("click", () => { void command(what); });
}

/** Buttons that cannot work now say so; they never go away. */
function watch() {
  const state = mode() ? "" : heard.status?.state ?? "";
  for (const [what, states] of Object.entries(MAY)) {
    /** @type {HTMLButtonElement} */ (byId(what)).disabled = busy || !states.includes(state);
  }
  for (const button of document.querySelectorAll("#alarm-list button")) /** @type {HTMLButtonElement} */ (button).disabled = busy || mode() !== "";
  if (byId("notice").dataset.command && performance.now() - saidAt > 10_000) say("");
}

listen({ watch });
