// A plane with points that are dragged, by pointer or by arrow keys. What is drawn comes from the page; where a point was put goes back to it.
const SVG = "http://www.w3.org/2000/svg", SEND_MS = 90;

function shape(kind, values, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== null) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Plane to pixels of the picture: x and y in the units of the page, y upward.
function scale(data) {
  const [left, bottom, right, top] = data.frame, wide = data.width, high = data.height;
  return {
    at: ([x, y]) => [((x - left) / (right - left)) * wide, (1 - (y - bottom) / (top - bottom)) * high],
    back: (x, y) => [left + (x / wide) * (right - left), bottom + (1 - y / high) * (top - bottom)],
    clamp: ([x, y]) => [Math.min(Math.max(x, left), right), Math.min(Math.max(y, bottom), top)],
  };
}

const DRAW = {
  line(one, to) {
    const [x1, y1] = to.at(one.from), [x2, y2] = to.at(one.to);
    return shape("line", { x1, y1, x2, y2, class: `line ${one.look ?? ""}`, stroke: one.colour });
  },
  path(one, to) {
    return shape("polyline", { points: one.points.map((point) => to.at(point).join(",")).join(" "), class: `line ${one.look ?? ""}`, stroke: one.colour });
  },
  arrow(one, to) {
    const [x1, y1] = to.at(one.from), [x2, y2] = to.at(one.to), long = Math.hypot(x2 - x1, y2 - y1) || 1;
    const ux = (x2 - x1) / long, uy = (y2 - y1) / long, group = shape("g", { class: `arrow ${one.look ?? ""}`, style: one.colour ? `--c:${one.colour}` : undefined });
    const head = [[x2, y2], [x2 - 11 * ux + 5 * uy, y2 - 11 * uy - 5 * ux], [x2 - 11 * ux - 5 * uy, y2 - 11 * uy + 5 * ux]];
    group.append(shape("line", { x1, y1, x2: x2 - 8 * ux, y2: y2 - 8 * uy }), shape("polygon", { points: head.map((point) => point.join(",")).join(" ") }));
    return group;
  },
  circle(one, to) {
    const [cx, cy] = to.at(one.at), [edge] = to.at([one.at[0] + one.radius, one.at[1]]);
    return shape("circle", { cx, cy, r: edge - cx, class: `circle ${one.look ?? ""}`, stroke: one.colour });
  },
  dots(one, to) {
    const group = shape("g", { class: `dots ${one.look ?? ""}`, fill: one.colour });
    for (const place of one.places) {
      const [cx, cy] = to.at(place);
      group.append(shape("circle", { cx, cy, r: one.size ?? 3 }));
    }
    return group;
  },
  image(one, to) {
    const [x, y] = to.at(one.at), side = one.side;
    const group = shape("g", { class: `image ${one.look ?? ""}` });
    group.append(shape("image", { href: one.uri, x: x - side / 2, y: y - side / 2, width: side, height: side, preserveAspectRatio: "xMidYMid slice" }), shape("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, rx: 3 }));
    if (one.text) group.append(shape("text", { x, y: y + side / 2 + 13, "text-anchor": "middle" }, one.text));
    return group;
  },
  text(one, to) {
    const [x, y] = to.at(one.at);
    return shape("text", { x: x + (one.dx ?? 0), y: y + (one.dy ?? 0), class: `words ${one.look ?? ""}`, "text-anchor": one.anchor ?? "start" }, one.text);
  },
};

function handle(one, state) {
  const [x, y] = state.to.at(one.at), group = shape("g", { class: "handle", tabindex: 0, role: "slider", "aria-label": one.label, "aria-valuetext": one.said ?? "", style: one.colour ? `--c:${one.colour}` : undefined });
  group.dataset.name = one.name;
  group.append(shape("circle", { cx: x, cy: y, r: 22, class: "reach" }), shape("circle", { cx: x, cy: y, r: 9, class: "knob" }));
  if (one.short) group.append(shape("text", { x, y: y - 15, class: "words strong", "text-anchor": "middle" }, one.short));
  group.addEventListener("pointerdown", (event) => grab(event, one, group, state));
  group.addEventListener("keydown", (event) => step(event, one, state));
  return group;
}

function placed(group, [x, y]) {
  for (const circle of group.querySelectorAll("circle")) { circle.setAttribute("cx", x); circle.setAttribute("cy", y); }
  const text = group.querySelector("text");
  if (text) { text.setAttribute("x", x); text.setAttribute("y", y - 15); }
}

// A point that lies on a curve stays on it: the height at x between the points that the page sent.
function onto(along, x) {
  const right = along.findIndex(([at]) => at >= x);
  if (right <= 0) return right ? along.at(-1) : along[0];
  const [[x0, y0], [x1, y1]] = [along[right - 1], along[right]];
  return [x, y0 + ((y1 - y0) * (x - x0)) / (x1 - x0 || 1)];
}

function moved(one, place, state, last) {
  const inside = state.to.clamp(place);
  one.at = one.along ? onto(one.along, inside[0]) : inside;
  clearTimeout(state.timer);
  state.number = Math.max(Date.now(), (state.number ?? 0) + 1);
  state.unheard.set(one.name, one.at.map((value) => Math.round(value * 1e4) / 1e4));
  const send = () => { state.sent = performance.now(); state.send("moved", { at: Object.fromEntries(state.unheard), number: state.number }); };
  if (last || performance.now() - state.sent > SEND_MS) send();
  else state.timer = setTimeout(send, SEND_MS);
}

function grab(event, one, group, state) {
  event.preventDefault();
  group.setPointerCapture(event.pointerId);
  state.held = one.name;
  const at = (now) => {
    const box = state.svg.getBoundingClientRect();
    return state.to.back(((now.clientX - box.left) / box.width) * state.data.width, ((now.clientY - box.top) / box.height) * state.data.height);
  };
  const move = (now) => { moved(one, at(now), state, false); placed(group, state.to.at(one.at)); };
  const end = (now) => {
    group.removeEventListener("pointermove", move);
    state.held = null;
    if (now.type === "pointerup") moved(one, at(now), state, true);
    if (state.late) { state.late = false; draw(state); }
  };
  group.addEventListener("pointermove", move);
  group.addEventListener("pointerup", end, { once: true });
  group.addEventListener("pointercancel", end, { once: true });
}

function step(event, one, state) {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!by) return;
  event.preventDefault();
  const [left, bottom, right, top] = state.data.frame, far = event.shiftKey ? 0.1 : 0.02;
  moved(one, [one.at[0] + by[0] * far * (right - left), one.at[1] + by[1] * far * (top - bottom)], state, true);
  draw(state);
}

// A point in the hand stays in the hand: only what lies around it is drawn anew.
function draw(state) {
  const { data, svg } = state, kept = state.held && svg.querySelector(`[data-name="${state.held}"]`);
  const focused = svg.getRootNode().activeElement?.dataset?.name;
  const marks = shape("g", {});
  marks.append(...data.marks.map((one) => DRAW[one.kind](one, state.to)));
  if (kept) {
    svg.querySelector(".marks")?.replaceWith(marks);
    marks.setAttribute("class", "marks");
    state.late = true;
    return;
  }
  marks.setAttribute("class", "marks");
  svg.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  svg.setAttribute("aria-label", data.alt);
  svg.style.maxWidth = `${data.width}px`;
  svg.replaceChildren(marks, ...data.handles.map((one) => handle(one, state)));
  if (focused) svg.querySelector(`[data-name="${focused}"]`)?.focus();
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let state = parentElement.__sketch;
  if (!state) {
    state = parentElement.__sketch = { svg: shape("svg", { class: "sketch", role: "group" }), sent: 0, held: null, unheard: new Map() };
    parentElement.append(state.svg);
  }
  const held = state.held && state.data.handles.find((one) => one.name === state.held);
  state.data = data;
  if (!(data.heard < state.number)) state.unheard.clear();  // else the page answers an earlier place
  data.handles = data.handles.map((one) => (one.name === held?.name ? held : { ...one, at: state.unheard.get(one.name) ?? one.at }));
  state.to = scale(data);
  state.send = setStateValue;
  draw(state);
}
