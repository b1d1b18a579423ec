// @ts-check
// The reject controller's part of the page of inputs and outputs: its link and the slack, as the line tells them.
// What it is not: a judge of them (alarms are).

import { _, heard, listen, text } from "./channel.js";

const shown = (/** @type {any} */ value) => typeof value === "boolean" ? (value ? _("yes") : _("no")) : value;

listen({
  status() {
    const { link = {}, slack_ms: slack = {} } = heard.status ?? {};
    for (const place of document.querySelectorAll("[id^=link-]")) text(place.id, shown(link[place.id.slice(5)]));
    for (const place of document.querySelectorAll("[id^=slack-]")) text(place.id, slack[place.id.slice(6)]);
  },
});
