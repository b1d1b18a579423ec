// @ts-check
// Maintenance on the page of inputs and outputs: an output fired, a signal of the PLC forced, each by a long hold.
// What it is not: any authority: the line, and the controller after it, refuse what must not be.

import { _, byId, heard, listen, mode, stationTime, text, time } from "./channel.js";
import { heldToDo } from "./hold.js";

let busy = false;
const maintenance = /** @type {HTMLButtonElement} */ (byId("maintenance"));
const chosen = /** @type {HTMLSelectElement | null} */ (document.getElementById("force-what"));
const tools = () => /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("#io-outputs button, #io-force button"));
const left = () => (mode() !== "" ? null : heard.status?.test_left_s ?? null);
const ready = () => left() !== null;

/** @param {Record<string, any>} wanted @param {string} done what to say then */
async function ask(wanted, done = "") {
  [busy] = [true], watch();
  try {
    const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted) };
    const answer = await fetch("/api/v1/commands/maintenance", request);
    say(answer.ok ? done : (await answer.json()).error.message);
  } catch {
    say(_("This was not done: there is no connection."));
  } finally {
    [busy] = [false], watch();
  }
}

function say(/** @type {string} */ words) {
  [byId("io-said").textContent, byId("io-said").hidden] = [words, words === ""];
}

function watch() {
  const seconds = left();
  maintenance.disabled = busy || mode() !== "";
  maintenance.setAttribute("aria-pressed", String(seconds !== null));
  text("maintenance-left", seconds === null ? _("off") : _("ends by itself in {seconds} s", { seconds: Math.round(seconds) }));
  for (const button of tools()) button.disabled = busy || !ready();
}

maintenance.addEventListener("click", () => { void ask({ what: left() === null ? "begin" : "end" }); });
for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("#io-outputs button"))) {
  const [output, name] = [button.dataset.output, button.dataset.name];
  heldToDo(button, ready, () => { void ask({ what: "fire", output }, _("{output}: a pulse was asked for at {time}.", { output: name, time: time(stationTime()) })); });
}
if (chosen !== null) {
  const wanted = () => /** @type {HTMLOptionElement} */ (chosen.selectedOptions[0]).dataset;
  heldToDo(/** @type {HTMLButtonElement} */ (byId("force")), ready, () => {
    void ask({ what: "force", signal: wanted().signal, value: Number(wanted().value) });
  });
  byId("force-end").addEventListener("click", () => { void ask({ what: "force", signal: wanted().signal, value: null }); });
}

listen({ watch });
