// @ts-check
// The bar of every page: station, recipe, state, connection, clock. What it is not: a place for verdicts (live.js).

import { _, byId, heard, listen, mode, text, time } from "./channel.js";

export const STATE_WORDS = /** @type {Record<string, string>} */ ({
  Stopped: _("Stopped"), Idle: _("Ready"), Execute: _("Running"), Held: _("Held"), Aborted: _("Aborted"),
});

function watch() {
  const now = mode();
  if (!document.body.classList.contains("panel")) document.body.dataset.mode = now || "state";
  const connection = byId("connection");
  text("connection", now === "offline" ? _("offline") : now === "down" ? _("no line") : _("connected"));
  connection.className = now ? "chip alarm" : "chip";
  text("clock", time(new Date()));
  if (heard.status !== null) {
    const state = heard.status.state;
    text("state", STATE_WORDS[state] ?? state);
    byId("state").className = ["Execute", "Idle"].includes(state) ? "chip" : "chip warning";
  }
}

listen({
  status({ status }) {
    if (status === null) return;
    text("station", status.station);
    text("recipe", `${status.recipe_id} (${status.recipe_rev})`);
  },
  watch,
});
