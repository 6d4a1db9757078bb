// Finds the charts, boards and tables that stand on the page, those inside components too, and reads the numbers in them.
const HEADINGS = "h1, h2, h3, summary";
const BOARDS = "[data-figure], svg[role=img], canvas[role=img]";
const SMALLEST = [120, 48];

const plain = (words) => (words ?? "").replace(/\s+/g, " ").trim();

function seen(node) {
  const box = node.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && getComputedStyle(node).visibility !== "hidden";
}

function big(node) {
  const box = node.getBoundingClientRect();
  return box.width >= SMALLEST[0] && box.height >= SMALLEST[1];
}

// Words of a cell or a heading: what is only drawn is left out, what is only said aloud is taken.
function words(node) {
  if (node.dataset?.value) return node.dataset.value;
  const copy = node.cloneNode(true);
  copy.querySelectorAll("[aria-hidden=true], svg, style").forEach((one) => one.remove());
  copy.querySelectorAll("[role=img][aria-label]").forEach((one) => { one.textContent = one.getAttribute("aria-label"); });
  copy.querySelectorAll("span, small, div, p, br, b").forEach((one) => one.before(" "));
  return plain(copy.textContent);
}

function kind(node) {
  if (node.classList.contains("js-plotly-plot")) return "chart";
  if (node.localName === "table") return node.rows.length > 1 ? "table" : null;
  return node.matches(BOARDS) && big(node) ? "board" : null;
}

// Everything under a node in the order of the page: {kind, node, name}.
function find(root, found = [], last = { heading: "" }) {
  for (const node of root.children) {
    if (node.matches(".st-key-head, [role=dialog], style, script")) continue;
    if (node.matches(HEADINGS) && seen(node)) last.heading = words(node);
    const what = kind(node);
    if (what && seen(node)) found.push({ kind: what, node, name: named(node, last.heading) });
    if (what && what !== "board") continue;
    if (what && !node.matches("[data-figure]")) continue;
    if (node.shadowRoot) find(node.shadowRoot, found, last);
    find(node, found, last);
  }
  return found;
}

function named(node, heading) {
  const own = node.dataset.figure || node.getAttribute("aria-label") || node.closest("[aria-label]")?.getAttribute("aria-label");
  return plain(own || heading || "Figure").split(". ")[0].slice(0, 90);
}

// The numbers of a figure as {head, rows}; null where it is a picture alone.
function numbers(figure) {
  const { node, kind: what } = figure;
  if (what === "board") return node.dataset.numbers ? JSON.parse(node.dataset.numbers) : null;
  return what === "chart" ? ofChart(node) : ofTable(node);
}

function ofTable(node) {
  const lines = [...node.rows].filter((row) => getComputedStyle(row).display !== "none");
  const cells = lines.map((row) => [...row.cells].flatMap((cell) => [words(cell), ...Array(cell.colSpan - 1).fill("")]));
  const wide = Math.max(...cells.map((row) => row.length));
  const filled = cells.map((row) => [...row, ...Array(wide - row.length).fill("")]);
  return node.tHead ? { head: filled[0], rows: filled.slice(1) } : { head: filled[0].map((_, at) => (at ? `Column ${at + 1}` : "")), rows: filled };
}

const ERRORS = { error_x: "x", error_y: "y" };
const untagged = (words) => plain(String(words ?? "").replace(/<[^>]*>/g, " "));

// One row a point of each line, bar or cell that is shown; whiskers as their two ends.
function ofChart(node) {
  const rows = [];
  node._fullData.forEach((trace) => {
    if (trace.visible !== true || trace.meta === "guide") return;
    const series = untagged(node.data[trace.index].name);
    rows.push(...(trace.z ? cells(trace, series) : points(trace, series)));
  });
  const head = [...new Set(rows.flatMap(Object.keys))];
  const title = (axis) => untagged(node.layout[`${axis}axis`]?.title?.text) || axis;
  const called = head.map((one) => (/^[xy]\b/.test(one) ? title(one[0]) + one.slice(1) : one));
  const kept = head.map((one, at) => at).filter((at) => head[at] !== "series" || rows.some((row) => row.series));
  return { head: kept.map((at) => called[at]), rows: rows.map((row) => kept.map((at) => row[head[at]] ?? "")) };
}

function cells(trace, series) {
  return Array.from(trace.z).flatMap((line, y) => Array.from(line).map((value, x) => ({ series, x: untagged(trace.x?.[x] ?? x), y: untagged(trace.y?.[y] ?? y), value })));
}

function points(trace, series) {
  const length = Math.max(trace.x?.length ?? 0, trace.y?.length ?? 0);
  return Array.from({ length }, (_, at) => {
    const row = { series, x: trace.x?.[at] ?? at, y: trace.y?.[at] ?? at };
    const text = Array.isArray(trace.text) ? trace.text[at] : trace.text;
    if (text) row.text = untagged(text);
    for (const [key, axis] of Object.entries(ERRORS)) {
      const { array, arrayminus, symmetric } = trace[key] ?? {};
      if (!array) continue;
      row[`${axis} low`] = row[axis] - (symmetric === false ? arrayminus?.[at] ?? 0 : array[at]);
      row[`${axis} high`] = row[axis] + array[at];
    }
    return row;
  }).filter((row) => row.x !== null && row.y !== null);
}
