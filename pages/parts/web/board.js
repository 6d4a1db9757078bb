// The compare board: one column an encoder, one card a hit. Names and messages are data: they only ever become textContent.
const MARKS = { same: "✓", category: "~", other: "✕" };

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

function named(className, text) {
  const node = make("div", className, text);
  node.title = text;
  node.dir = "auto";
  return node;
}

function header(column) {
  const head = make("div", "head");
  const names = make("div", "names");
  names.append(named("title", column.title), named("family", column.family));
  head.append(names);
  if (column.tier) head.append(make("span", column.tier === "bundled" ? "tier" : "tier plain", column.tier));
  return head;
}

function stats(column) {
  const row = make("div", "stats");
  if (column.state === "loading") row.append(loading(column));
  for (const [value, caption, hint] of column.stats || []) {
    const cell = make("div", "stat");
    if (hint) cell.title = hint;
    cell.append(make("b", "", value), caption);
    row.append(cell);
  }
  return row;
}

// One bar on one scale for all columns: its whole width is the slowest encoder. The figures below say the same.
function times(column) {
  const box = make("div", "times");
  if (!column.times) return box;
  const bar = make("div", "spent");
  bar.setAttribute("aria-hidden", "true");
  const figures = make("dl", "stages");
  for (const [stage, words, share] of column.times.stages) {
    const part = make("i", stage);
    part.style.width = `${100 * share}%`;
    bar.append(part);
    const cell = make("div", stage);
    cell.append(make("dt", "", stage), make("dd", "", words));
    figures.append(cell);
  }
  const line = make("div", "total");
  line.append(bar, make("b", "", column.times.total));
  if (column.times.runs) line.append(make("span", "runs", column.times.runs));
  line.title = `${column.times.total} for this query (${column.times.hint}), decoding aside; the longest bar is the slowest encoder shown`;
  box.append(line, figures);
  return box;
}

function picture(hit, uri) {
  const frame = make("div", "frame");
  if (uri) {
    const image = make("img");
    image.src = uri;
    image.alt = hit.alt;
    image.decoding = "async";
    frame.append(image);
  } else {
    frame.append(make("span", "gone", "no preview"));
  }
  frame.append(make("span", "rank", hit.rank));
  return frame;
}

function facts(hit) {
  const side = make("div");
  side.style.minWidth = 0;
  const line = make("div", "line");
  line.append(make("span", "score", hit.score), named("label", hit.label || ""));
  const bar = make("div", "bar");
  const fill = make("i");
  fill.style.width = `${Math.round(100 * Math.min(Math.max(hit.bar, 0), 1))}%`;
  bar.append(fill);
  side.append(line, bar);
  if (hit.verdict) {
    const words = make("div", "words");
    words.append(make("span", "mark", MARKS[hit.verdict]), hit.words);
    words.title = hit.words;
    side.append(words);
  }
  if (hit.file) side.append(named("words file", hit.file));
  return side;
}

function card(hit, column, state) {
  const item = make("li", `hit ${hit.verdict || ""}`);
  item.dataset.id = hit.id;
  const open = make(state.still ? "div" : "button", "open");
  if (!state.still) open.type = "button";
  open.tabIndex = -1;
  const found = hit.letter ? `, also found by another encoder as ${hit.letter}` : hit.only ? ", only this encoder found it" : "";
  open.setAttribute("aria-label",
    `Rank ${hit.rank}, score ${hit.score}, ${hit.label || hit.alt}${hit.words ? ", " + hit.words : ""}${hit.file ? ", " + hit.file : ""}${found}.`
    + (state.still ? "" : " Search with this picture."));
  if (!state.still) open.title = "Search with this picture";
  open.append(picture(hit, state.pictures[hit.id]), facts(hit));
  open.addEventListener("click", () => { if (!state.still) state.send("picked", hit.id); });
  for (const event of ["mouseenter", "focusin"]) item.addEventListener(event, () => light(state, hit.id));
  for (const event of ["mouseleave", "focusout"]) item.addEventListener(event, () => light(state, null));
  item.append(open);
  if (hit.letter) item.append(letter(hit, state));
  else if (hit.only) {
    const ring = make("span", "only");
    ring.title = "Only this encoder found it";
    item.append(ring);
  }
  return item;
}

function letter(hit, state) {
  const badge = make("button", "letter", hit.letter);
  badge.type = "button";
  badge.tabIndex = -1;
  badge.dataset.pin = hit.id;
  badge.title = `${hit.letter}: found by several encoders. Click to keep it lit in every column.`;
  badge.setAttribute("aria-label", `Keep ${hit.letter} lit in every column`);
  badge.addEventListener("click", () => {
    state.pinned = state.pinned === hit.id ? null : hit.id;
    light(state, null);
  });
  return badge;
}

function light(state, id) {
  const shown = id ?? state.pinned;
  for (const item of state.board.querySelectorAll(".hit")) {
    const others = shown !== null && state.shared.has(shown);
    item.classList.toggle("lit", others && item.dataset.id === shown);
  }
  for (const badge of state.board.querySelectorAll(".letter")) {
    badge.setAttribute("aria-pressed", String(badge.dataset.pin === state.pinned));
  }
  state.board.classList.toggle("pinned", state.pinned !== null && state.shared.has(state.pinned));
}

function note(column, state) {
  const box = make("div", `note ${column.state}`);
  if (column.state === "failed") box.setAttribute("role", "alert");
  const title = make("strong", "", column.headline || "");
  title.dir = "auto";
  const text = make("span", "", column.message || "");
  text.dir = "auto";
  box.append(title, text);
  if (column.state === "busy") {
    const track = make("div", column.progress == null ? "track busy" : "track");
    const fill = make("i");
    if (column.progress != null) fill.style.width = `${Math.round(100 * column.progress)}%`;
    track.append(fill);
    track.setAttribute("role", "progressbar");
    track.setAttribute("aria-label", `${column.title}: ${column.headline || "working"}`);
    if (column.progress != null) track.setAttribute("aria-valuenow", Math.round(100 * column.progress));
    box.append(track);
  }
  const row = make("div");
  for (const [name, text] of column.actions || []) {
    const button = make("button", name === "cancel" ? "action quiet" : "action", text);
    button.type = "button";
    button.addEventListener("click", () => state.send("acted", `${name}:${column.key}`));
    row.append(button);
  }
  box.append(row);
  return box;
}

// An answer that is far from everything says so. Columns that do not say it keep the same room, so that ranks stay in line.
function notice(column, state) {
  const told = (column.notice || []).length ? column.notice : null;
  const [headline, why] = told || state.notice;
  const box = make("div", told ? "notice" : "notice room");
  if (told) box.setAttribute("role", "note");
  else box.setAttribute("aria-hidden", "true");
  box.append(make("strong", "", headline), make("span", "", why));
  return box;
}

function loading(column) {
  const line = make("div", "loading", column.headline);
  line.setAttribute("role", "status");
  return line;
}

function skeleton(rows) {
  const list = make("ol");
  for (let i = 0; i < rows; i += 1) list.append(make("li", "bone"));
  list.setAttribute("aria-hidden", "true");
  return list;
}

function build(column, state, rows) {
  const box = make("section", "column");
  box.dataset.key = column.key;
  box.setAttribute("aria-label", column.title);
  box.setAttribute("aria-busy", String(["pending", "loading", "busy"].includes(column.state)));
  box.append(header(column), stats(column), times(column));
  if (column.state === "done") {
    if (state.notice) box.append(notice(column, state));
    const list = make("ol");
    for (const hit of column.hits) list.append(card(hit, column, state));
    box.append(list);
  } else if (column.state === "pending" || column.state === "loading") {
    box.append(skeleton(Math.min(rows, 6)));
  } else {
    box.append(note(column, state));
  }
  return box;
}

// One card is in the tab order; arrows move between ranks (up, down) and encoders (left, right).
function move(state, event) {
  const at = event.target.closest(".hit");
  if (!at || event.altKey || event.ctrlKey || event.metaKey) return;
  const columns = [...state.board.querySelectorAll("ol")].map((list) => [...list.querySelectorAll(".hit")]).filter((c) => c.length);
  let x = columns.findIndex((c) => c.includes(at));
  let y = columns[x].indexOf(at);
  if (event.key === "ArrowDown") y += 1;
  else if (event.key === "ArrowUp") y -= 1;
  else if (event.key === "ArrowRight") x += 1;
  else if (event.key === "ArrowLeft") x -= 1;
  else if (event.key === "Home") y = 0;
  else if (event.key === "End") y = Infinity;
  else if (event.key === "p" || event.key === "P") { at.querySelector(".letter")?.click(); return; }
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

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let state = parentElement.__board;
  if (!state) {
    state = parentElement.__board = { board: make("div", "board"), seen: new Map(), pinned: null };
    parentElement.append(state.board);
    state.board.setAttribute("role", "group");
    state.board.addEventListener("keydown", (event) => move(state, event));
  }
  if (data.at < state.at) return;  // while the browser still loads this script, an earlier board may be handed over last
  state.at = data.at;
  state.send = setTriggerValue;
  state.pictures = data.pictures || {};
  state.still = Boolean(data.still);
  const counts = new Map();
  for (const column of data.columns) for (const hit of column.hits || []) counts.set(hit.id, (counts.get(hit.id) || 0) + 1);
  state.shared = new Set([...counts].filter(([, n]) => n > 1).map(([id]) => id));
  state.notice = data.columns.map((column) => column.notice || []).find((told) => told.length) || null;
  const { board } = state;
  board.setAttribute("aria-label", `Answers of ${data.columns.length} encoders side by side`);
  board.classList.toggle("many", data.columns.length > 4);
  board.classList.toggle("still", state.still);
  const before = new Map([...board.children].map((node) => [node.dataset.key, node]));
  const focused = (parentElement.activeElement || document.activeElement)?.closest?.(".column")?.dataset.key;
  const fresh = new Map();
  const nodes = data.columns.map((column) => {
    const { times: _, ...rest } = column;
    const seen = (column.hits || []).map((h) => h.id in state.pictures);
    const text = JSON.stringify([rest, state.still, data.rows, seen, Boolean(state.notice)]);
    fresh.set(column.key, text);
    if (state.seen.get(column.key) !== text || !before.has(column.key)) return build(column, state, data.rows);
    before.get(column.key).querySelector(".times").replaceWith(times(column));  // new times leave the pictures as they are
    return before.get(column.key);
  });
  const same = nodes.length === board.children.length && nodes.every((node, i) => node === board.children[i]);
  if (!same) board.replaceChildren(...nodes);
  state.seen = fresh;
  if (state.pinned !== null && !state.shared.has(state.pinned)) state.pinned = null;
  if (!board.querySelector('.open[tabindex="0"]')) {
    const first = board.querySelector(".open");
    if (first) first.tabIndex = 0;
  }
  if (focused && !same) {
    const again = nodes.find((node) => node.dataset.key === focused)?.querySelector(".hit");
    if (again) focusCard(state, again);
  }
  light(state, null);
}
