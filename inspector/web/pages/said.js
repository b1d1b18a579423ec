// @ts-check
// What the line says of alarms and reasons, in the page's language.
// What it is not: a judge of them. A code without words is shown as the line said it.

import { _, element } from "./channel.js";

const words = JSON.parse(document.getElementById("said")?.textContent || "{}");
const fill = (/** @type {string} */ text, /** @type {Record<string, string>} */ fields) =>
  Object.entries(fields).reduce((filled, [name, value]) => filled.replaceAll(`{${name}}`, () => value), text);

/** What is so and what to do, and what the line adds in English. @param {any} alarm @returns {string[]} */
export function alarmWords(alarm) {
  const known = words.alarms?.[alarm.code];
  if (!known) return [alarm.text, alarm.advice, ""];
  return [...known.map((/** @type {string} */ text) => fill(text, alarm.fields)), alarm.fields.trouble ?? ""];
}

/** What a driver or the system said, for whoever looks deeper: English, after our words and smaller. */
export function detail(/** @type {string} */ said) {
  const made = element("small", said, "detail");
  made.lang = "en";
  return made;
}

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
