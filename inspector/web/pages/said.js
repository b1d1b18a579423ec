// @ts-check
// What the line says of alarms and reasons, in the page's language.
// What it is not: a judge of them. A code without words is shown as the line said it.

import { _ } from "./channel.js";

const words = JSON.parse(document.getElementById("said")?.textContent || "{}");
const fill = (/** @type {string} */ text, /** @type {Record<string, string>} */ fields) =>
  Object.entries(fields).reduce((filled, [name, value]) => filled.replaceAll(`{${name}}`, () => value), text);

/** What is so, and what to do. @param {any} alarm @returns {string[]} */
export const alarmWords = (alarm) =>
  (words.alarms?.[alarm.code] ?? [alarm.text, alarm.advice]).map((/** @type {string} */ text) => fill(text, alarm.fields));

/** @param {string} code */
export const said = (code) => words.reasons?.[code] ?? code.replaceAll("_", " ");

/** Why a part was not passed, in a line: the number found and the limit with it. @param {any} reason */
export function reasonWords(reason) {
  const number = reason.value === null ? "" : ` ${reason.value.toFixed(2)}`;
  const limit = reason.limit === null ? "" : ` ${_("(limit {limit})", { limit: reason.limit.toFixed(2) })}`;
  const known = words.reasons?.[reason.code];
  return `${known ?? (reason.text || reason.code).replaceAll("_", " ")}${number}${limit}`;
}
