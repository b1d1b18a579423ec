// @ts-check
// The page of a job that is not over: how far it is, once a second; when it is over the page is loaded anew.
// What it is not: the job's only watcher; it goes on without any page.

import { _, byId, text } from "./channel.js";

const place = document.getElementById("job");

function left(/** @type {number | null} */ s) {
  if (s === null || s === undefined) return "";
  return s < 90 ? _("about {seconds} s left", { seconds: Math.ceil(s) }) : _("about {minutes} min left", { minutes: Math.ceil(s / 60) });
}

async function look() {
  try {
    const answer = await fetch(`/jobs/${place?.dataset.job}/state`);
    if (!answer.ok) throw new Error(String(answer.status));
    const { over, word, cancelling, progress } = await answer.json();
    if (over) { location.reload(); return; }
    text("job-state", cancelling ? _("is being cancelled") : word);
    text("job-stage", progress.stage ? `${progress.stage}: ${progress.done} / ${progress.total}` : "");
    const bar = /** @type {HTMLProgressElement} */ (byId("job-progress"));
    if (progress.total) bar.value = progress.done / progress.total;
    text("job-left", left(progress.eta_s));
  } catch {
    text("job-left", _("The station does not answer; asking again."));
  }
  setTimeout(look, 1000);
}

if (place) void look();
