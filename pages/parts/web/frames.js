// The subject on the query picture: found boxes as numbered frames, and the box that is searched with: drawn, moved, resized.
const STEP = 0.01, LEAST = 0.03, MOVED_PX = 5, PAUSE_MS = 500, DIGITS = 1e4;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HANDLES = ["n", "s", "w", "e", "nw", "ne", "sw", "se"];
const HINT = "Drop, paste, click", DRAW_HINT = "Drag over the subject";
const KEYS = "Arrows move it, Shift and arrows resize it, Delete searches with the whole picture.";

const within = (value, low = 0, high = 1) => Math.min(Math.max(value, low), high);
const percent = (value) => `${Math.round(value * 100)}\u00a0%`;
const same = (a, b) => Boolean(a && b) && a.every((edge, place) => Math.abs(edge - b[place]) < 1.5 / DIGITS);
const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
const told = ([x0, y0, x1, y1]) => `left ${percent(x0)}, top ${percent(y0)}, width ${percent(x1 - x0)}, height ${percent(y1 - y0)}`;

function lay(one, [x0, y0, x1, y1]) {
  Object.assign(one.style, { left: `${x0 * 100}%`, top: `${y0 * 100}%`, width: `${(x1 - x0) * 100}%`, height: `${(y1 - y0) * 100}%` });
}

function beginFrames(state) {
  const chip = (text, label) => { const made = node("button", "chip", text); made.type = "button"; made.setAttribute("aria-label", label); made.title = label; return made; };
  Object.assign(state, { sheet: node("div", "sheet"), shade: node("div", "shade"), hole: node("div", "hole"), chosen: node("div", "chosen"), parts: node("div", "parts"),
    why: node("div", "why"), note: node("p"), rule: node("details"), summary: node("summary"), reason: node("p"), spoken: node("div", "spoken"),
    frames: [], whole: chip("Whole", "Whole picture"), main: chip("Subject", "Main subject"), draw: chip("Draw", "Draw a box") });
  state.chosen.tabIndex = 0;
  state.chosen.setAttribute("role", "application");  // arrows are keys of the box, not of the reader
  state.chosen.setAttribute("aria-roledescription", "box");
  for (const edge of HANDLES) { const handle = node("span", `handle ${edge}`); handle.dataset.edge = edge; state.chosen.append(handle); }
  state.shade.append(state.hole);
  state.sheet.append(state.shade, state.chosen);
  state.parts.append(state.whole, state.main, state.draw);
  state.parts.setAttribute("role", "group");
  state.parts.setAttribute("aria-label", "What is searched with");
  state.rule.append(state.summary, state.reason);
  state.note.setAttribute("role", "status");
  state.why.append(state.note, state.rule);
  state.spoken.setAttribute("role", "status");
  state.image.addEventListener("load", () => fit(state));
}

// The sheet lies on the picture itself, not on the empty margins beside it.
function fit(state) {
  const { naturalWidth: wide, naturalHeight: high } = state.image;
  if (!wide) return;
  state.sheet.style.width = `${100 * Math.min(1, wide / high)}%`;
  state.sheet.style.height = `${100 * Math.min(1, high / wide)}%`;
}

// What was found may come after the page was drawn (found.js): it is of the same query, by the same detector.
function newestSubject(subject) {
  const later = window.__lookalikeSubject;
  if (!subject?.looking || later?.of !== subject.of || later.by !== subject.by) return subject;
  return { ...later, box: subject.box, serial: subject.serial };
}

function takeSubject(state, subject) {
  state.subject = newestSubject(subject);
  paint(state);
}

function drawSubject(state, subject, on) {
  for (const part of [state.sheet, state.parts, state.why]) part.hidden = !subject;
  if (!subject) { state.hint.textContent = HINT; state.hint.hidden = false; return; }
  state.serial ??= -1;  // another picture: what was chosen on the last one is no answer to wait for
  if (subject.serial >= state.serial && !state.drag && !state.timer) { state.serial = subject.serial; state.box = subject.box; }
  takeSubject(state, subject);
  on(window, "lookalike-subject", () => takeSubject(state, subject));
  on(state.zone, "pointerdown", (event) => press(state, event));
  on(document, "pointermove", (event) => pull(state, event));
  on(document, "pointerup", (event) => release(state, event));
  on(document, "pointercancel", () => { if (state.drag) { state.box = state.drag.before; state.drag = null; paint(state); } });
  state.zone.addEventListener("click", (event) => { if (state.pulled) { event.stopPropagation(); event.preventDefault(); } }, { capture: true, signal: state.bound.signal });
  on(state.chosen, "keydown", (event) => keyed(state, event));
  on(state.zone, "keydown", (event) => { if (event.key === "Escape") setDrawing(state, false); });
  on(state.whole, "click", () => choose(state, null));
  on(state.main, "click", () => choose(state, state.subject.frames[state.subject.main].part));
  on(state.draw, "click", (event) => {
    if (event.detail) return setDrawing(state, !state.drawing);
    choose(state, state.box ?? [0.25, 0.25, 0.75, 0.75]);  // with the keyboard: a box to begin with
    return state.chosen.focus();
  });
}

function paint(state) {
  const { subject, box } = state, { frames, main } = subject;
  while (state.frames.length > frames.length) state.frames.pop().remove();
  frames.forEach((frame, place) => { state.frames[place] ??= addFrame(state, place); show(state, state.frames[place], frame, place); });
  state.chosen.hidden = state.shade.hidden = !box;
  if (box) {
    lay(state.chosen, box);
    lay(state.hole, box);
    state.chosen.style.zIndex = layer(box);
    state.chosen.setAttribute("aria-label", `Box that is searched with: ${told(box)}. ${KEYS}`);
  }
  const onMain = main !== null && same(box, frames[main].part), onFrame = frames.some((frame) => same(box, frame.part));
  state.main.hidden = subject.off;
  state.main.disabled = main === null;
  setPressed(state.whole, !box && !state.drawing);
  setPressed(state.main, onMain);
  setPressed(state.draw, Boolean(state.drawing || (box && !onFrame)));
  state.note.textContent = subject.note;
  state.rule.hidden = !subject.rule;
  state.summary.textContent = main === null ? "" : `Box ${main + 1} of ${frames.length} is the main subject`;
  state.reason.textContent = subject.rule;
  state.hint.textContent = state.drawing ? DRAW_HINT : HINT;
  state.hint.hidden = Boolean(box) && !state.drawing;  // it would lie on the box
}

const setPressed = (button, on) => button.setAttribute("aria-pressed", String(on));
const layer = (edges) => String(10 + Math.round((1 - area(edges)) * 1000));  // a small one can be clicked inside a large one

function addFrame(state, place) {
  const made = node("button", "frame");
  made.type = "button";
  made.append(node("span", "number", String(place + 1)));
  made.addEventListener("click", () => { choose(state, state.subject.frames[place].part); state.chosen.focus({ preventScroll: true }); });
  state.sheet.append(made);
  return made;
}

function show(state, one, frame, place) {
  const main = place === state.subject.main, on = same(state.box, frame.part);
  lay(one, frame.edges);
  one.style.zIndex = layer(frame.edges);
  one.classList.toggle("main", main);
  one.setAttribute("aria-pressed", String(on));
  one.setAttribute("aria-label", `Box ${place + 1} of ${state.subject.frames.length}${main ? ", the main subject" : ""}: ${frame.said}. Search with it.`);
  one.title = `${main ? "Main subject" : "Box"}, ${frame.said}`;
}

function setDrawing(state, on) {
  state.drawing = on;
  state.root.classList.toggle("drawing", on);
  paint(state);
}

function choose(state, box) {
  clearTimeout(state.timer);
  state.timer = 0;
  if (state.root.classList.contains("busy")) return;  // another picture is on its way: of two messages the last one stays
  state.box = box && box.map((edge) => Math.round(edge * DIGITS) / DIGITS);
  state.serial += 1;
  state.spoken.textContent = box ? `Searching with the box: ${told(box)}` : "Searching with the whole picture";
  state.send("boxed", `${state.serial}|${state.box ? state.box.join(",") : ""}|${state.subject.of}`);
  setDrawing(state, false);
}

function pointAt(state, event) {
  const sheet = state.sheet.getBoundingClientRect();
  return [within((event.clientX - sheet.left) / sheet.width), within((event.clientY - sheet.top) / sheet.height)];
}

function press(state, event) {
  if (event.button !== 0 || state.drag) return;
  state.pulled = false;
  const at = event.composedPath()[0], edge = at.dataset?.edge;
  const kind = edge ? "resize" : at === state.chosen && !state.drawing ? "move" : "draw";
  if (kind === "draw" && event.pointerType === "touch" && !state.drawing) return;  // a finger scrolls the page and taps
  state.drag = { kind, edge, id: event.pointerId, start: pointAt(state, event), x: event.clientX, y: event.clientY, before: state.box };
}

function pull(state, event) {
  const { drag } = state;
  if (!drag || event.pointerId !== drag.id) return;
  if (!state.pulled && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < MOVED_PX) return;
  state.pulled = true;
  state.box = pulled(drag, pointAt(state, event));
  paint(state);
}

function pulled({ kind, edge, start, before }, [x, y]) {
  if (kind === "draw") return [Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1])];
  return kind === "move" ? moved(before, x - start[0], y - start[1]) : resized(before, edge, x - start[0], y - start[1]);
}

function moved([x0, y0, x1, y1], dx, dy) {
  const right = within(dx, -x0, 1 - x1), down = within(dy, -y0, 1 - y1);
  return [x0 + right, y0 + down, x1 + right, y1 + down];
}

function resized([x0, y0, x1, y1], edge, dx, dy) {
  return [
    edge.includes("w") ? within(x0 + dx, 0, x1 - LEAST) : x0, edge.includes("n") ? within(y0 + dy, 0, y1 - LEAST) : y0,
    edge.includes("e") ? within(x1 + dx, x0 + LEAST, 1) : x1, edge.includes("s") ? within(y1 + dy, y0 + LEAST, 1) : y1,
  ];
}

function release(state, event) {
  const { drag } = state;
  if (!drag || event.pointerId !== drag.id) return;
  state.drag = null;
  if (!state.pulled) return;
  setTimeout(() => { state.pulled = false; });  // the click that ends the pull is none
  const [x0, y0, x1, y1] = state.box;
  if (x1 - x0 < LEAST || y1 - y0 < LEAST) { state.box = drag.before; paint(state); return; }
  choose(state, state.box);
  state.chosen.focus({ preventScroll: true });
}

function keyed(state, event) {
  const arrow = ARROWS[event.key];
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (arrow) {
    const [dx, dy] = arrow.map((way) => way * STEP);
    state.box = event.shiftKey ? resized(state.box, "se", dx, dy) : moved(state.box, dx, dy);
    clearTimeout(state.timer);
    state.timer = setTimeout(() => choose(state, state.box), PAUSE_MS);
    paint(state);
  } else if (event.key === "Enter") choose(state, state.box);
  else if (event.key === "Delete" || event.key === "Backspace") { choose(state, null); state.whole.focus(); }
  else return;
  event.preventDefault();
  event.stopPropagation();
}
