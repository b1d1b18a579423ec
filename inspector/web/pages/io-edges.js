// @ts-check
// The last edges of the handshake as a timing diagram: one lane for each signal that moved.
// What it is not: older than the log of the line; what lies before its first edge is not drawn.

const SVG = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, ROW, HIGH, FOOT] = [210, 20, 26, 16, 24];

function add(/** @type {Element} */ parent, /** @type {string} */ tag, /** @type {Record<string, any>} */ attributes, said = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = said;
  parent.append(made);
}

/** Lanes of `edges` (oldest first) over the last `span` seconds. `wanted` are the signals, in the order of their lanes.
 * @param {SVGSVGElement} svg @param {any[]} edges @param {number} span @param {string[]} wanted */
export function drawEdges(svg, edges, span, wanted) {
  const width = Math.max(600, svg.clientWidth || 600);
  const moved = new Set(edges.map((edge) => edge.signal));
  const names = wanted.filter((name) => moved.has(name));
  const height = names.length * ROW + FOOT;
  const oldest = edges.length ? edges[0].ago_ms : 0;
  const across = (/** @type {number} */ ago) => LEFT + (width - LEFT - RIGHT) * (1 - Math.min(ago, span * 1000) / (span * 1000));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  for (let tick = 0; tick <= 5; tick += 1) {
    const x = across(tick * span * 200);
    add(svg, "line", { class: "grid", x1: x, x2: x, y1: 0, y2: height - FOOT });
    add(svg, "text", { class: "tick", x, y: height - 6, "text-anchor": tick ? "middle" : "end" }, tick ? `-${(tick * span) / 5} s` : "0");
  }
  names.forEach((name, row) => {
    const low = row * ROW + ROW - 4;
    const own = edges.filter((edge) => edge.signal === name);
    const level = (/** @type {boolean} */ value) => (value ? low - HIGH : low);
    let y = level(!own[0].value);
    let way = `M${across(oldest)} ${y}`;
    for (const edge of own) {
      y = level(edge.value);
      // What came before the span only says where the lane begins.
      way = edge.ago_ms > span * 1000 ? `M${LEFT} ${y}` : `${way}H${across(edge.ago_ms)}V${y}`;
    }
    add(svg, "text", { x: 4, y: low - 3 }, name);
    add(svg, "path", { class: "lane", "data-signal": name, d: `${way}H${across(0)}` });
  });
}
