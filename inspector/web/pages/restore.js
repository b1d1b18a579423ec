// @ts-check
// A backup is sent as it is and checked by a job. What it is not: the restore, which waits for the next start.

import { byId, text } from "./channel.js";

const button = /** @type {HTMLButtonElement | null} */ (document.getElementById("backup-check"));

async function send() {
  const file = /** @type {HTMLInputElement} */ (byId("backup-file")).files?.[0];
  if (!file || !button) return;
  button.disabled = true;
  text("restore-said", "…");
  try {
    const answer = await fetch("/backup/upload", { method: "PUT", body: file, headers: { "Content-Type": "application/octet-stream" } });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error?.message ?? String(answer.status));
    location.assign(`/jobs/${said.job}`);
  } catch (why) {
    byId("restore-said").className = "message alarm";
    text("restore-said", /** @type {Error} */ (why).message);
    button.disabled = false;
  }
}

if (button) button.onclick = () => { void send(); };
