// The compare board: one column an encoder, laid out so that every column is seen, or a strip says which are not.
const NARROWEST = 104;
const NARROWEST_PHONE = 150;
const PHONE = 480;
const PEEK = 28;
const SIGNS = { "+": "plus", "=": "plus", "-": "minus", "\u2212": "minus" };
const SIDEWAYS = new Set(["ArrowLeft", "ArrowRight"]);
const SIZES = { S: "Small: a list", M: "Medium", L: "Large pictures" };

// How many pictures stand side by side in a column of this width.
function abreast(size, width) {
  if (size === "S") return Math.max(1, Math.floor((width + 10) / 220));
  if (size === "L") return Math.max(1, Math.floor((width + 10) / 230));
  return width < 215 ? 1 : Math.max(2, Math.floor((width + 8) / 158));
}

// Columns shrink to fit; where even narrow ones can't, as many as are readable stand whole and the edge shows there are more.
function layout(state) {
  const wide = state.root.clientWidth;
  const count = state.data?.columns.length;
  if (!wide || !count) return;
  const gap = count > 4 || wide < PHONE ? 10 : 16;
  const least = wide < PHONE ? NARROWEST_PHONE : NARROWEST;
  let width = (wide - gap * (count - 1)) / count;
  const strip = width < least && count > 1;
  let whole = count;
  if (strip) {
    const held = state.pinned && wide < PHONE ? 2 : 1;
    whole = wide < PHONE ? held : Math.max(2, Math.floor((wide - PEEK) / (150 + gap)));
    whole = Math.min(whole, count - 1);
    width = (wide - PEEK - gap * whole) / whole;
  }
  const { board } = state;
  board.classList.toggle("strip", strip);
  board.classList.toggle("phone", wide < PHONE);
  board.classList.toggle("slim", width < 170);
  board.classList.toggle("roomy", width >= 215);
  board.classList.toggle("ample", width >= 290);
  board.dataset.size = state.size;
  board.style.setProperty("--count", count);
  board.style.setProperty("--width", `${Math.floor(width)}px`);
  board.style.setProperty("--gap", `${gap}px`);
  board.style.setProperty("--abreast", abreast(state.size, width));
  state.whole = whole;
  place(state, strip);
  edges(state);
}

// Where all columns are seen their heads stick together at the top; in a strip each column keeps its own.
function place(state, strip) {
  for (const column of state.columns.children) {
    const top = state.heads.querySelector(`.head[data-key="${CSS.escape(column.dataset.key)}"]`);
    const own = column.querySelector(":scope > .head");
    if (strip) { if (top) column.prepend(top); } else if (own) state.heads.append(own);
  }
  const keys = [...state.columns.children].map((column) => column.dataset.key);
  for (const one of [...state.heads.querySelectorAll(".head")]) if (!keys.includes(one.dataset.key)) one.remove();
  for (const key of keys) {
    const top = state.heads.querySelector(`.head[data-key="${CSS.escape(key)}"]`);
    if (top) state.heads.append(top);
  }
}

function drawStrip(state) {
  const asked = press("asked", "", `The query, ${state.data.query?.title}: go to it`, () => toQuery());
  if (state.data.query) asked.append(picture(state.data.query.uri, ""));
  const names = make("div", "names");
  state.data.columns.forEach((column) => {
    const chip = press("chip", "", "", () => toColumn(state, column.key));
    chip.dataset.key = column.key;
    chip.append(drawMark(column.mark), make("span", "", column.title));
    names.append(chip);
  });
  state.strip.replaceChildren(...(state.data.query && state.tools ? [asked] : []), names, state.before, state.after);
}

function toQuery() {
  const panel = document.querySelector(".st-key-panel_query");
  panel?.scrollIntoView({ behavior: "smooth", block: "start" });
  panel?.querySelector("button, [tabindex]")?.focus({ preventScroll: true });
}

function toColumn(state, key) {
  const column = columnOf(state, key);
  if (!column) return;
  const held = state.columns.querySelector(".column.held");
  const room = held && held !== column ? held.offsetWidth + 10 : 0;
  state.columns.scrollTo({ left: column.offsetLeft - state.columns.offsetLeft - room, behavior: "smooth" });
}

function columnOf(state, key) {
  return [...state.columns.children].find((one) => one.dataset.key === key);
}

// Which columns are in view: their names are marked in the strip, and how many are hidden at either side is said.
function edges(state) {
  if (!state.board.classList.contains("strip")) return;
  const view = state.columns.getBoundingClientRect();
  const pinned = state.columns.querySelector(".column.held");
  const left = pinned ? pinned.getBoundingClientRect().right : view.left;
  let before = 0;
  let after = 0;
  for (const column of state.columns.children) {
    const box = column.getBoundingClientRect();
    const held = column === pinned;
    const seen = held || Math.min(box.right, view.right) - Math.max(box.left, left) > box.width * 0.6;
    if (!seen) { if (box.left < left) before += 1; else after += 1; }
    const chip = [...state.strip.querySelectorAll(".chip")].find((one) => one.dataset.key === column.dataset.key);
    if (chip) chip.setAttribute("aria-current", String(seen));
  }
  for (const [button, count, way] of [[state.before, before, "left"], [state.after, after, "right"]]) {
    button.hidden = count === 0;
    button.textContent = way === "left" ? `‹ +${count}` : `+${count} ›`;
    button.setAttribute("aria-label", `${count} more to the ${way}: show the next`);
  }
  state.board.classList.toggle("more-left", before > 0);
  state.board.classList.toggle("more-right", after > 0);
  const seen = [...state.strip.querySelectorAll('.chip[aria-current="true"]')];
  const first = seen.find((chip) => chip.dataset.key !== pinned?.dataset.key) ?? seen[0];
  const names = state.strip.querySelector(".names");
  if (first && names) names.scrollTo({ left: first.offsetLeft - names.offsetLeft - 8, behavior: "smooth" });
}

function page(state, step) {
  const wide = state.columns.firstElementChild?.offsetWidth + 10;
  state.columns.scrollBy({ left: step * wide * Math.max(state.whole, 1), behavior: "smooth" });
}

function drawTools(state) {
  const hint = make("div", "hint", "Open a picture to see why it was found.");
  const keys = press("quietly", "? Keys", "All keys", () => showKeys(state));
  const away = make("div", "away");
  for (const one of state.data.look.hidden) {
    const chip = press("chip", "", `Show ${one.title} again`, () => act(state, `show:${one.key}`));
    chip.append(drawMark(one.mark), make("span", "", `${one.title} hidden`), make("b", "", "show"));
    away.append(chip);
  }
  const sizes = make("div", "sizes");
  sizes.setAttribute("role", "radiogroup");
  sizes.setAttribute("aria-label", "Size of the pictures");
  for (const [name, words] of Object.entries(SIZES)) {
    const choice = press("size", name, words, () => setSize(state, name));
    choice.setAttribute("role", "radio");
    choice.setAttribute("aria-checked", String(state.size === name));
    sizes.append(choice);
  }
  state.toolbar.replaceChildren(hint, keys, away, sizes);
}

function setSize(state, name) {
  if (name !== state.size) act(state, `size:${name}`);
}

function reorder(state, key, to) {
  const columns = state.data.columns.slice();
  const from = columns.findIndex((one) => one.key === key);
  const [moved] = columns.splice(from, 1);
  columns.splice(to, 0, moved);
  act(state, `order:${columns.map((one) => one.key).join(",")}`);
}

// What is done here is seen at once, and told to the page.
function act(state, action) {
  state.say("acted", action);
  if (action.split(":", 1)[0] in ARRANGED) redraw(state, arranged(state, state.data, action));
}

const ARRANGED = {
  size(state, data, name) { state.size = name; return data; },
  pin(state, data, key) {
    state.pinned = key;
    return { ...data, columns: data.columns.slice().sort((a, b) => (b.key === key) - (a.key === key)) };
  },
  order(state, data, names) {
    const place = ({ key }) => { const at = `,${names},`.indexOf(`,${key},`); return at < 0 ? Infinity : at; };
    const columns = data.columns.slice().sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
    if (columns[0]?.key !== state.pinned) state.pinned = "";
    return { ...data, columns };
  },
  hide(state, data, key) {
    const gone = data.columns.filter((one) => one.key === key);
    return { ...data, columns: data.columns.filter((one) => one.key !== key), look: { ...data.look, hidden: [...data.look.hidden, ...gone] } };
  },
};

function arranged(state, data, action) {
  const at = action.indexOf(":");
  return ARRANGED[action.slice(0, at)]?.(state, data, action.slice(at + 1)) ?? data;
}

// A head that is dragged onto another takes its place.
function dragging(state) {
  const clear = () => { for (const one of state.board.querySelectorAll(".drop")) one.classList.remove("drop"); };
  state.board.addEventListener("dragstart", (event) => {
    const from = event.target.closest?.(".head");
    if (!from) return;
    state.dragged = from.dataset.key;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", from.dataset.key);
  });
  state.board.addEventListener("dragover", (event) => {
    const over = event.target.closest?.(".head");
    if (!state.dragged || !over) return;
    event.preventDefault();
    clear();
    if (over.dataset.key !== state.dragged) over.classList.add("drop");
  });
  state.board.addEventListener("drop", (event) => {
    const over = event.target.closest?.(".head");
    if (!state.dragged || !over || over.dataset.key === state.dragged) return;
    event.preventDefault();
    reorder(state, state.dragged, state.data.columns.findIndex((one) => one.key === over.dataset.key));
  });
  state.board.addEventListener("dragend", () => { clear(); state.dragged = null; });
}

// While a talk is presented left and right are the talk's.
function presented(state) {
  return getComputedStyle(state.root).getPropertyValue("--ll-controls").trim() === "none";
}

// One card is in the tab order; arrows move between ranks (up, down; in a grid also along it) and encoders (left, right).
function move(state, event) {
  const at = event.target.closest?.(".hit");
  if (SIDEWAYS.has(event.key) && presented(state)) return;
  if (!at || event.altKey || event.ctrlKey || event.metaKey) return;
  const columns = [...state.columns.querySelectorAll("ol")].map((list) => [...list.querySelectorAll(".hit")]).filter((c) => c.length);
  let x = columns.findIndex((c) => c.includes(at));
  let y = columns[x].indexOf(at);
  if (event.key === "ArrowDown") y += 1;
  else if (event.key === "ArrowUp") y -= 1;
  else if (event.key === "ArrowRight") x += 1;
  else if (event.key === "ArrowLeft") x -= 1;
  else if (event.key === "Home") y = 0;
  else if (event.key === "End") y = Infinity;
  else if (event.key === "Enter" && event.target.closest(".open")) { event.preventDefault(); state.say("picked", at.dataset.id); return; }
  else if (event.key === "p" || event.key === "P") { at.querySelector(".letter")?.click(); return; }
  else if (state.tools && event.key in SIGNS) { event.preventDefault(); vote(state, SIGNS[event.key], at.dataset.id, at.querySelector(".votes")); return; }
  else return;
  event.preventDefault();
  const column = columns[Math.min(Math.max(x, 0), columns.length - 1)];
  focusCard(state, column[Math.min(Math.max(y, 0), column.length - 1)]);
}

function focusCard(state, item) {
  for (const open of state.board.querySelectorAll(".open")) open.tabIndex = -1;
  const open = item.querySelector(".open");
  open.tabIndex = 0;
  open.focus();
}

// Keys that work wherever the page is, unless somebody types or a window is open.
function anywhere(state, event) {
  const at = event.composedPath()[0];
  const busy = at instanceof Element && at.closest("input, textarea, select, [contenteditable=true], [role=dialog], dialog, [role=combobox], [role=listbox]");
  if (busy || event.altKey || event.ctrlKey || event.metaKey) return;
  const size = event.key.toUpperCase();
  if (event.key === "?") showKeys(state);
  else if (size in SIZES) setSize(state, size);
  else if (event.key >= "1" && event.key <= "8") {
    const column = state.columns.children[Number(event.key) - 1];
    if (column) { toColumn(state, column.dataset.key); const first = column.querySelector(".hit"); if (first) focusCard(state, first); }
  } else return;
  event.preventDefault();
}

function stick(state) {
  const box = state.board.getBoundingClientRect();
  const top = (state.board.classList.contains("strip") ? state.strip : state.heads).getBoundingClientRect().top;
  state.board.classList.toggle("stuck", box.top < -40 && top < 2);
  state.board.classList.toggle("cornered", box.left < 48);
}

function begin(parentElement) {
  const state = { root: make("div", "root"), board: make("div", "board"), toolbar: make("div", "toolbar"), strip: make("div", "tabs"),
    heads: make("div", "heads"), columns: make("div", "columns"), seen: new Map(), details: new Map(), explained: new Map(), why: null, linked: "", lit: null, pinned: "", size: "M" };
  state.board.append(state.toolbar, state.strip, state.heads, state.columns);
  state.root.append(state.board);
  state.board.dataset.figure = "Comparison";
  parentElement.append(state.root);
  (parentElement.host ?? parentElement).dataset.drawn = "";  // its place is kept until now (style.css)
  state.columns.setAttribute("role", "group");
  state.before = press("extra", "", "", () => page(state, -1));
  state.after = press("extra", "", "", () => page(state, 1));
  state.board.addEventListener("keydown", (event) => move(state, event));
  state.columns.addEventListener("scroll", () => edges(state), { passive: true });
  dragging(state);
  new ResizeObserver(() => layout(state)).observe(state.root);
  return state;
}

function redraw(state, data) {
  state.data = data;
  state.shared = new Set();
  const once = new Set();
  for (const column of data.columns) for (const { id } of column.hits || []) (once.has(id) ? state.shared : once).add(id);
  const { columns } = state;
  columns.setAttribute("aria-label", `Answers of ${data.columns.length} encoders side by side`);
  const before = new Map([...columns.children].map((node) => [node.dataset.key, node]));
  const at = state.root.getRootNode().activeElement ?? document.activeElement;
  const focused = at?.closest?.(".column")?.dataset.key;
  const fresh = new Map();
  const nodes = data.columns.map((column) => {
    const { times: _, ...rest } = column;
    const text = JSON.stringify([rest, data.rows, (column.hits || []).map((h) => h.id in state.pictures), state.pinned === column.key]);
    fresh.set(column.key, text);
    const node = before.get(column.key);
    if (state.seen.get(column.key) !== text || !node) {
      state.heads.querySelector(`.head[data-key="${CSS.escape(column.key)}"]`)?.remove();
      state.kept = new Map(node && [...node.querySelectorAll(".frame > img")].map((image) => [image.src, image]));  // a new one is blank until it is decoded
      return build(column, state, data.rows);
    }
    node.querySelector(".times").replaceWith(times(column));  // new times leave the pictures as they are
    refresh(node, state);
    return node;
  });
  for (const node of nodes) node.classList.toggle("held", node.dataset.key === state.pinned);
  const same = nodes.length === columns.children.length && nodes.every((node, i) => node === columns.children[i]);
  if (!same) columns.replaceChildren(...nodes);
  state.seen = fresh;
  if (state.lit !== null && !state.shared.has(state.lit)) state.lit = null;
  if (state.tools) drawTools(state);
  drawStrip(state);
  layout(state);
  if (!columns.querySelector('.open[tabindex="0"]')) {
    const first = columns.querySelector(".open");
    if (first) first.tabIndex = 0;
  }
  if (focused && !same) {
    const again = nodes.find((node) => node.dataset.key === focused)?.querySelector(".hit");
    if (again) focusCard(state, again);
  }
  light(state, null);
  if (state.opened) drawDetail(state);
}

// Another size sends the same pictures larger or smaller.
function refresh(column, state) {
  for (const hit of column.querySelectorAll(".hit")) {
    const image = hit.querySelector(".frame img");
    const uri = state.pictures[hit.dataset.id];
    if (image && uri && image.src !== uri) image.src = uri;
  }
}

// What the page says is older than what was done here and is on its way to it.
function follow(state, data) {
  state.size = data.look.size;
  state.pinned = data.look.pinned;
  return (state.unheard.acted ?? []).reduce((now, [, action]) => arranged(state, now, action), data);
}

export default function (component) {
  const { data: [data], parentElement, setTriggerValue } = component;
  const state = (parentElement.__board ??= begin(parentElement));
  if (!(data.at < state.at)) {  // while the browser still loads this script, an earlier board may be handed over last
    state.at = data.at;
    saying(state, setTriggerValue, data.heard);
    state.pictures = data.pictures || {};
    state.tools = Boolean(data.tools);
    if (state.asked !== data.query?.key) { state.details.clear(); state.explained.clear(); }
    state.asked = data.query?.key;
    if (data.detail) state.details.set(data.detail.id, data.detail);
    if (data.why?.known) state.explained.set(data.why.known.key, data.why.known);
    redraw(state, follow(state, data));
    followWhy(state, data.why);
  }
  state.bound?.abort();  // every update comes here; listeners of the document are not to pile up
  state.bound = new AbortController();
  const { signal } = state.bound;
  document.addEventListener("scroll", () => stick(state), { passive: true, capture: true, signal });
  if (state.tools) document.addEventListener("keydown", (event) => anywhere(state, event), { signal });
  return () => state.bound.abort();
}
