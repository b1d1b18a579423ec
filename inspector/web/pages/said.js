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

/** A class of defects, or the reason that stands in its place; a measurement by the name that its recipe gives it. */
export function className(/** @type {string} */ code) {
  const name = code.replace(/^(measure|defect):/, "");
  if (code.startsWith("measure:")) return fill(words.measure ?? "{name}", { name: name.replaceAll("_", " ") });
  return words.classes?.[name] ?? name.replaceAll("_", " ");
}

/** Why a part was not passed, in a line: the number found and the limit with it. @param {any} reason */
export function reasonWords(reason) {
  const number = reason.value === null ? "" : ` ${reason.value.toFixed(2)}`;
  const limit = reason.limit === null ? "" : ` ${_("(limit {limit})", { limit: reason.limit.toFixed(2) })}`;
  const named = /^(measure|defect):/.test(reason.code) ? className(reason.code) : reason.text || className(reason.code);
  return `${words.reasons?.[reason.code] ?? named}${number}${limit}`;
}
