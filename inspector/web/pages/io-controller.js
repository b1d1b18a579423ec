// @ts-check
// The reject controller's part of the page of inputs and outputs: its link and the slack, as the line tells them.
// What it is not: a judge of them (alarms are).

import { _, heard, listen, text } from "./channel.js";

/** What numbers and names of the line mean, by the key they come under. */
export const codes = JSON.parse(document.getElementById("codes")?.textContent || "{}");
/** A number that stands for something in its words, as on the page of health. @param {string} key @param {any} value */
function shown(key, value) {
  if (typeof value === "boolean") return value ? _("yes") : _("no");
  const words = codes[key];
  if (words === undefined || typeof value !== "number") return value;
  if (key !== "fault" || !codes.bits || value === 0) return words[value] ?? value;
  return Object.keys(words).filter((bit) => value & Number(bit)).map((bit) => words[bit]).join(", ") || value;
}

listen({
  status() {
    const { link = {}, slack_ms: slack = {} } = heard.status ?? {};
    for (const place of document.querySelectorAll("[id^=link-]")) text(place.id, shown(place.id.slice(5), link[place.id.slice(5)]));
    for (const place of document.querySelectorAll("[id^=slack-]")) text(place.id, slack[place.id.slice(6)]);
  },
});
