// @ts-check
// The bar of every page: station, recipe, state, connection, clock, who; and what must be seen on every page: outputs
// that a person forces, parts that pass unchecked, a login that has ended. What it is not: a place for verdicts (live.js).

import { _, byId, heard, listen, mode, stationTime, text, time } from "./channel.js";

export const STATE_WORDS = /** @type {Record<string, string>} */ ({
  Stopped: _("Stopped"), Idle: _("Ready"), Execute: _("Running"), Held: _("Held"), Aborted: _("Aborted"),
});
const SESSION_MS = 15_000;
let askedAt = performance.now();

/** Say who this browser is logged in as. @param {{name: string, by: string}} who */
export function sayWho({ name, by }) {
  document.body.dataset.by = by;
  text("who", by === "open" ? _("open to this machine") : name || _("watching"));
}

/** A login ends by itself; a page that still shows its name would be believed. */
async function checkSession() {
  if (document.body.dataset.by !== "session" || performance.now() - askedAt < SESSION_MS) return;
  askedAt = performance.now();
  const answer = await fetch("/api/v1/session").catch(() => null);
  if (!answer?.ok) return;
  const who = await answer.json();
  if (who.by === document.body.dataset.by) return;
  sayWho(who);
  if (!document.body.classList.contains("panel")) byId("notice").dataset.ended = _("Your login has ended. Log in again to change something.");
}

/** What every page must show, the worst first. @param {any} status */
function notices(status) {
  const notice = byId("notice");
  const left = status?.test_left_s ?? null;
  const unchecked = status?.unchecked ?? null;
  document.body.toggleAttribute("data-test", left !== null);
  document.body.toggleAttribute("data-bypass", unchecked !== null);
  const words = left !== null ? _("TEST: outputs are forced by hand. It ends by itself in {seconds} s.", { seconds: Math.round(left) })
    : unchecked !== null ? _("BYPASS: parts pass unchecked, {count} so far.", { count: unchecked })
    : notice.dataset.command || notice.dataset.ended || "";
  if (notice.textContent !== words) notice.textContent = words;
  notice.hidden = words === "";
}

function watch() {
  const now = mode();
  if (!document.body.classList.contains("panel")) document.body.dataset.mode = now || "state";
  const connection = byId("connection");
  text("connection", now === "offline" ? _("offline") : now === "down" ? _("no line") : _("connected"));
  connection.className = now ? "chip alarm" : "chip";
  text("clock", time(stationTime()));
  if (heard.status !== null) {
    const state = heard.status.state;
    text("state", STATE_WORDS[state] ?? state);
    byId("state").className = ["Execute", "Idle"].includes(state) ? "chip" : "chip warning";
  }
  notices(heard.status);
  void checkSession();
}

listen({
  status({ status }) {
    if (status === null) return;
    text("station", status.station);
    text("recipe", `${status.recipe_id} (${status.recipe_rev})`);
  },
  watch,
});
