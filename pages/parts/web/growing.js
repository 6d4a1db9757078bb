// Recall against time while it is measured. Places are percentages of the plot, so it follows the width by itself.
const SVG = "http://www.w3.org/2000/svg";

function shape(kind, values, className, title) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(values)) made.setAttribute(name, value);
  if (className) made.setAttribute("class", className);
  if (title) {
    const words = document.createElementNS(SVG, "title");
    words.textContent = title;
    made.append(words);
  }
  return made;
}

function words(text, className, style) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  Object.assign(made.style, style);
  return made;
}

function line(a, b, className, values = {}) {
  return shape("line", { x1: `${a[0]}%`, y1: `${100 - a[1]}%`, x2: `${b[0]}%`, y2: `${100 - b[1]}%`, ...values }, className);
}

function drawn(data) {
  const svg = shape("svg", { width: "100%", height: "100%" });
  for (const [x] of data.columns) svg.append(line([x, 0], [x, 100], "grid"));
  for (const [y] of data.rows) svg.append(line([0, y], [100, y], "grid"));
  svg.append(line([0, data.wanted[0]], [100, data.wanted[0]], "wanted"));
  for (const { colour, dashed, dots } of data.lines) {
    for (let at = 1; at < dots.length; at += 1) {
      svg.append(line(dots[at - 1], dots[at], dashed ? "dashed" : "", { stroke: colour, "stroke-width": 2 }));
    }
    for (const [x, y, said] of dots) svg.append(shape("circle", { cx: `${x}%`, cy: `${100 - y}%`, r: 4, fill: colour }, "", said));
  }
  if (data.best) svg.append(shape("circle", { cx: `${data.best[0]}%`, cy: `${100 - data.best[1]}%`, r: 9 }, "best"));
  return svg;
}

export default function (component) {
  const { data, parentElement } = component;
  let chart = parentElement.querySelector(".growing");
  if (!chart) {
    chart = document.createElement("div");
    chart.className = "growing";
    chart.setAttribute("role", "img");
    parentElement.append(chart);
  }
  chart.style.height = `${data.height}px`;
  chart.setAttribute("aria-label", data.alt);
  const plot = document.createElement("div");
  plot.className = "plot";
  plot.append(
    drawn(data),
    ...data.columns.map(([x, text]) => words(text, "column", { left: `${x}%` })),
    ...data.rows.map(([y, text]) => words(text, "line", { bottom: `${y}%` })),
    words(data.wanted[1], "aim", { bottom: `${data.wanted[0]}%` }),
  );
  chart.replaceChildren(plot, words(data.across, "across", {}), words(data.up, "up", {}));
}
