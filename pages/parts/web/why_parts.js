// What an explanation is made of: pictures under a veil, lines between them, and the drawings below. Words are data: they only become textContent.
const SVG = "http://www.w3.org/2000/svg";
const VEIL = [20, 21, 20];
const DARKEST = 0.78;
const GROUPS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"];

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function percent(value, digits = 1) {
  return `${(100 * value).toFixed(digits)} %`;
}

// A picture with a veil over it: clear where a map says most, dark where it says nothing.
function stage(part, alt) {
  const box = make("div", "stage");
  box.style.setProperty("--ratio", part.wide / part.high);
  const veil = make("canvas", "veil");
  veil.width = 256;
  veil.height = Math.max(1, Math.round((256 * part.high) / part.wide));
  veil.setAttribute("aria-hidden", "true");
  const cell = make("i", "cell");
  cell.hidden = true;
  box.append(picture(part.uri, alt), veil, cell);
  box.part = part;
  lay(box, part.map, true);
  return box;
}

// Lay a map (values 0..255, rows x columns, over a box of the picture) on a stage; none takes the veil away. `outlined`: with a line round the fifth that counts most.
function lay(box, map, outlined = false) {
  const veil = box.querySelector(".veil");
  const pen = veil.getContext("2d");
  pen.clearRect(0, 0, veil.width, veil.height);
  if (!map) return;
  const small = document.createElement("canvas");
  small.width = map.columns;
  small.height = map.rows;
  const image = new ImageData(map.columns, map.rows);
  map.values.forEach((value, at) => image.data.set([...VEIL, DARKEST * (255 - value)], 4 * at));
  small.getContext("2d").putImageData(image, 0, 0);
  const [x0, y0, x1, y1] = map.box;
  const place = [x0 * veil.width, y0 * veil.height, (x1 - x0) * veil.width, (y1 - y0) * veil.height].map(Math.round);
  pen.fillStyle = `rgba(${VEIL}, ${DARKEST})`;
  pen.fillRect(0, 0, veil.width, veil.height);
  pen.clearRect(...place);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, ...place);
  if (outlined) outlineFifth(pen, within(place, veil));
}

function within([left, top, wide, high], veil) {
  const [x, y] = [Math.max(left, 0), Math.max(top, 0)]; // an encoder that pads looks beyond the picture
  return [x, y, Math.min(left + wide, veil.width) - x, Math.min(top + high, veil.height) - y];
}

// A line round the fifth that is clearest: on a dark thing the veil alone is hard to tell from the picture.
function outlineFifth(pen, [left, top, wide, high]) {
  const image = pen.getImageData(left, top, wide, high);
  const alpha = Uint8Array.from({ length: wide * high }, (_, at) => image.data[4 * at + 3]);
  const darkest = Math.floor(255 * DARKEST);
  const limit = Math.min(alpha.slice().sort()[Math.floor(alpha.length / 5)], darkest - 1);
  const inside = (x, y) => x >= 0 && y >= 0 && x < wide && y < high && alpha[y * wide + x] <= limit;
  for (let y = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      if (inside(x, y) && ![[1, 0], [-1, 0], [0, 1], [0, -1]].every(([dx, dy]) => inside(x + dx, y + dy))) image.data.set([255, 255, 255, 235], 4 * (y * wide + x));
    }
  }
  pen.putImageData(image, left, top);
}

// Outline one cell of a grid over the part of a picture that is looked at.
function outlineCell(box, grid, at) {
  const cell = box.querySelector(".cell");
  cell.hidden = at === null;
  if (at === null) return;
  const [rows, columns] = grid;
  const [x0, y0, x1, y1] = box.part.map?.box ?? [0, 0, 1, 1];
  const row = Math.floor(at / columns);
  cell.style.left = `${100 * (x0 + ((x1 - x0) * (at % columns)) / columns)}%`;
  cell.style.top = `${100 * (y0 + ((y1 - y0) * row) / rows)}%`;
  cell.style.width = `${(100 * (x1 - x0)) / columns}%`;
  cell.style.height = `${(100 * (y1 - y0)) / rows}%`;
}

// Point at a region of one picture: the other one shows what goes with it.
function linked(stages, links, said) {
  const grids = [links.query, links.hit];
  const width = grids[1][0] * grids[1][1];
  const value = (one, other) => links.values[one * width + other];
  const rest = () => { stages.forEach((box, side) => { lay(box, box.part.map, true); outlineCell(box, grids[side], null); }); said(""); };
  const show = (side, at) => {
    const count = grids[1 - side][0] * grids[1 - side][1];
    const row = Array.from({ length: count }, (_, other) => (side ? value(other, at) : value(at, other)));
    const most = Math.max(...row, 1);
    const best = row.indexOf(Math.max(...row));
    const map = { rows: grids[1 - side][0], columns: grids[1 - side][1], box: stages[1 - side].part.map?.box ?? [0, 0, 1, 1] };
    lay(stages[1 - side], { ...map, values: row.map((one) => (255 * one) / most) });
    outlineCell(stages[side], grids[side], at);
    outlineCell(stages[1 - side], grids[1 - side], best);
    const names = side ? ["hit", "query"] : ["query", "hit"];
    const share = links.whole === null ? "" : ` It adds ${percent((links.whole * row.reduce((a, b) => a + b, 0)) / 255)} of the score, the outlined pair ${percent((links.whole * row[best]) / 255)}.`;
    said(`Outlined: a region of the ${names[0]}, and what goes best with it in the ${names[1]}.${share}`);
  };
  stages.forEach((box, side) => pointing(box, grids[side], (at) => show(side, at), rest));
}

function pointing(box, [rows, columns], show, rest) {
  let at = Math.floor(rows / 2) * columns + Math.floor(columns / 2);
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", `${box.querySelector("img")?.alt}: arrow keys choose a region, its counterpart is outlined in the other picture`);
  box.addEventListener("pointermove", (event) => {
    const frame = box.getBoundingClientRect();
    const [x0, y0, x1, y1] = box.part.map?.box ?? [0, 0, 1, 1];
    const x = ((event.clientX - frame.left) / frame.width - x0) / (x1 - x0);
    const y = ((event.clientY - frame.top) / frame.height - y0) / (y1 - y0);
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return rest();
    at = Math.floor(y * rows) * columns + Math.floor(x * columns);
    show(at);
  });
  box.addEventListener("pointerleave", rest);
  box.addEventListener("focus", () => { if (box.matches(":focus-visible")) show(at); });
  box.addEventListener("blur", rest);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    at = Math.min(Math.max(at + step, 0), rows * columns - 1);
    show(at);
  });
}

// Lines between the pictures: matched key points, those that agree with one view over the others.
function strung(sides, stages, block) {
  const svg = shape("svg", { class: "strings", "aria-hidden": "true" });
  sides.append(svg);
  const draw = () => {
    const frame = sides.getBoundingClientRect();
    if (!frame.width) return;
    svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    const at = (box, x, y) => {
      const own = box.getBoundingClientRect();
      return [own.left - frame.left + x * own.width, own.top - frame.top + y * own.height];
    };
    const order = block.ends.map((_, one) => one).sort((a, b) => block.kept[a] - block.kept[b]);
    svg.replaceChildren(...order.map((one) => {
      const [x0, y0, x1, y1] = block.ends[one];
      const [left, top] = at(stages[0], x0, y0);
      const [right, bottom] = at(stages[1], x1, y1);
      return shape("line", { x1: left, y1: top, x2: right, y2: bottom, class: block.kept[one] ? "kept" : "" });
    }));
  };
  new ResizeObserver(draw).observe(sides);
}

function dotted(box, points) {
  for (const [x, y, group] of points) {
    const dot = make("i", "dot");
    dot.style.left = `${100 * x}%`;
    dot.style.top = `${100 * y}%`;
    dot.style.borderColor = GROUPS[group];
    box.append(dot);
  }
}

const DRAWN = {
  drawings: (block) => {
    const row = make("div", "drawings");
    for (const [caption, uri] of block.pictures) {
      const one = make("figure");
      one.append(picture(uri, `${block.title}: ${caption}`), make("figcaption", "", caption));
      row.append(one);
    }
    return titled(block.title, row);
  },
  lines: (block) => {
    const kept = block.kept.filter(Boolean).length;
    return titled("Lines", make("p", "quiet", `Strong: ${kept} that agree with one view of one thing. Thin: ${block.kept.length - kept} that do not.`));
  },
  dots: (block) => {
    const list = make("div", "names");
    block.names.forEach((name, group) => {
      const one = make("span", "", name);
      const dot = make("i", "dot still");
      dot.style.borderColor = GROUPS[group];
      one.prepend(dot);
      list.append(one);
    });
    return titled("The strongest words, and their key points above", list);
  },
  swatches: (block) => {
    const table = make("table", "swatches");
    const head = make("tr");
    for (const text of ["Colour", "Of the query", "Of the hit", "Adds to the score"]) head.append(Object.assign(make("th", "", text), { scope: "col" }));
    table.append(head);
    const most = Math.max(...block.rows.flatMap((row) => [row.query, row.hit, row.score]), 1e-6);
    for (const row of block.rows) {
      const line = make("tr");
      const colour = make("i", "swatch");
      colour.style.background = row.colour;
      const first = make("th");
      first.scope = "row";
      first.append(colour, make("span", "hex", row.colour));
      line.append(first);
      for (const [value, words] of [[row.query, percent(row.query)], [row.hit, percent(row.hit)], [row.score, row.score.toFixed(3)]]) {
        const cell = make("td");
        const bar = make("i", "share");
        bar.style.setProperty("--part", value / most);
        cell.append(bar, make("span", "", words));
        line.append(cell);
      }
      table.append(line);
    }
    return titled("Shared colours", table);
  },
  histogram: (block) => titled("Distances of this gallery's pairs: 0 is the same vector", histogram(block)),
  bits: (block) => {
    const grid = make("div", block.bands ? "bits banded" : "bits");
    const draw = (one) => make("i", block.equal[one] ? "equal" : "");
    if (block.bands) {
      block.bands.forEach((met, band) => {
        const box = make("span", met ? "band met" : "band");
        for (let one = band * block.rows; one < (band + 1) * block.rows; one += 1) box.append(draw(one));
        grid.append(box);
      });
    } else block.equal.forEach((_, one) => grid.append(draw(one)));
    return titled(block.bands ? "Filled: equal. Framed: a whole band is equal" : "Filled: equal bits", grid);
  },
};

function titled(title, body) {
  const box = make("div", "block");
  box.append(make("h3", "", title), body);
  return box;
}

// Distances along the axis: 0 at the left, the largest of unit vectors is 2.
function ticks(svg, most, x, high) {
  for (let value = 0; value <= most + 1e-6; value += 0.5) {
    const at = x(value);
    const anchor = at < 10 ? "start" : x(most) - at < 10 ? "end" : "middle";
    const label = shape("text", { x: at, y: high + 16, class: "tick", "text-anchor": anchor });
    label.textContent = value.toFixed(1);
    svg.append(shape("line", { x1: at, x2: at, y1: high, y2: high + 4, class: "axis" }), label);
  }
}

// Two curves on one axis, each a share of its kind, and where this pair lies.
function histogram(block) {
  const [wide, high] = [innerWidth > 640 ? 560 : 300, 130]; // drawn smaller, its words could not be read
  const svg = shape("svg", { class: "histogram", viewBox: `0 0 ${wide} ${high + 64}`, role: "img", "aria-label": `Distance ${block.value.toFixed(2)} among pairs of ${block.noun} and of different things` });
  const most = Math.max(...block.same, ...block.different);
  const x = (value) => (value / block.most) * wide;
  for (const [name, values] of [["different", block.different], ["same", block.same]]) {
    const points = values.map((value, at) => `${((at + 0.5) / values.length) * wide},${high - (value / most) * (high - 18)}`);
    svg.append(shape("polyline", { points: points.join(" "), class: name }));
    const peak = values.indexOf(Math.max(...values));
    const at = Math.min(Math.max(((peak + 0.5) / values.length) * wide, 60), wide - 60);
    const label = shape("text", { x: at, y: high - (values[peak] / most) * (high - 18) - 5, class: name, "text-anchor": "middle" });
    label.textContent = name === "same" ? block.noun : "different";
    svg.append(label);
  }
  svg.append(shape("line", { x1: 0, x2: wide, y1: high, y2: high, class: "axis" }));
  ticks(svg, block.most, x, high);
  const mark = (value, words, row, name) => {
    svg.prepend(shape("line", { x1: x(value), x2: x(value), y1: 0, y2: high + 22 + 18 * row, class: name }));
    const middle = Math.min(Math.max(x(value), 70), wide - 70);
    const label = shape("text", { x: middle, y: high + 36 + 18 * row, class: name, "text-anchor": "middle" });
    label.textContent = words;
    svg.append(label);
  };
  mark(block.value, `this pair ${block.value.toFixed(2)}`, 0, "here");
  if (block.threshold !== null) mark(block.threshold, `its threshold ${block.threshold.toFixed(2)}`, 1, "threshold");
  return svg;
}
