// @ts-check
// Bringing pictures along: each file is a request of its own, three at a time, so that thousands can be watched,
// stopped and counted. What it is not: a judge of files; the station says what it does not take, and why.

import { _, byId, element, text } from "./channel.js";

const AT_ONCE = 3;
const REFUSED_SHOWN = 20;
const place = document.getElementById("upload");
let stopped = false;

async function bring(/** @type {File} */ file) {
  const archive = file.name.toLowerCase().endsWith(".zip");
  const url = `/teach/${place?.dataset.set}/${archive ? "archive" : `picture?name=${encodeURIComponent(file.name)}`}`;
  const answer = await fetch(url, { method: "PUT", body: file, headers: { "Content-Type": "application/octet-stream" } });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error?.message ?? String(answer.status));
  if (said.job) location.assign(`/jobs/${said.job}`);
  return said;
}

async function bringAll(/** @type {File[]} */ files) {
  const bar = /** @type {HTMLProgressElement} */ (byId("upload-progress"));
  const stop = /** @type {HTMLButtonElement} */ (byId("upload-stop"));
  let [next, done, taken] = [0, 0, 0];
  let trouble = "";
  [stopped, stop.disabled] = [false, false];
  byId("upload-refused").replaceChildren();
  const refuse = (/** @type {string} */ said) => {
    if (byId("upload-refused").childElementCount < REFUSED_SHOWN) byId("upload-refused").append(element("li", said));
  };
  const work = async () => {
    while (next < files.length && !stopped && !trouble) {
      const file = files[next++];
      try {
        const said = await bring(file);
        if (said.taken) taken += 1;
        else if (said.why) refuse(`${file.name}: ${said.why}`);
      } catch (why) {
        trouble = `${file.name}: ${/** @type {Error} */ (why).message}`;
      }
      done += 1;
      bar.value = done / files.length;
      text("upload-said", _("{done} of {total} sent, {taken} taken", { done, total: files.length, taken }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  stop.disabled = true;
  text("count", Number(byId("count").textContent) + taken);
  /** @type {HTMLButtonElement} */ (byId("examine")).disabled = byId("count").textContent === "0";
  if (trouble) { byId("upload-said").className = "message alarm"; text("upload-said", trouble); }
}

if (place) {
  for (const id of ["files", "tree"]) {
    const input = /** @type {HTMLInputElement} */ (byId(id));
    const start = () => { void bringAll([...(input.files ?? [])]).then(() => { input.value = ""; }); };
    input.onchange = start;
    if (input.files?.length) start(); // chosen before this module was there
  }
  byId("upload-stop").onclick = () => { stopped = true; };
}
