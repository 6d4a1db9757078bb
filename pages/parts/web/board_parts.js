// What the compare board is made of: heads, figures, cards, notes. Names and messages are data: they only become textContent.
const GLYPHS = { same: "✓", category: "~", other: "✕" };

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

function press(className, text, said, act) {
  const button = make("button", className, text);
  button.type = "button";
  if (said) {
    button.title = said;
    button.setAttribute("aria-label", said);
  }
  button.addEventListener("click", act);
  return button;
}

function head(column, state) {
  const box = make("div", "head");
  box.dataset.key = column.key;
  const title = named("title", column.title);
  title.prepend(drawMark(column.mark));
  box.append(title);
  if (!state.tools) return box;
  box.draggable = true;
  if (state.pinned === column.key) box.classList.add("held");
  const more = press("more", "⋯", `${column.title}: what it is, move, pin, hide`, (event) => openMenu(state, column, event.currentTarget));
  more.setAttribute("aria-haspopup", "dialog");
  box.append(more);
  return box;
}

// What stands under a head: family, how many were right, and the time on one scale for all columns.
function meta(column) {
  const box = make("div", "meta");
  const family = named("family", column.family);
  if (column.tier) family.append(make("span", column.tier === "bundled" || column.tier === "packaged" ? "tier" : "tier plain", column.tier));
  box.append(family);
  if (column.second) box.append(Object.assign(named("second", column.second), { title: `Re-ranked: ${column.second}` }));
  if (column.headline && (column.state === "pending" || column.state === "loading")) {
    const line = make("div", "loading", column.headline);
    line.setAttribute("role", "status");
    box.append(line);
  }
  if ((column.stats || []).length) {
    const row = make("div", "stats");
    for (const [value, caption, hint] of column.stats) {
      const cell = make("div", "stat");
      if (hint) cell.title = hint;
      cell.append(make("b", "", value), ` ${caption}`);
      row.append(cell);
    }
    box.append(row);
  }
  box.append(times(column));
  return box;
}

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
  const stages = column.times.stages.map(([stage, words]) => `${stage} ${words}`).join(", ");
  line.title = `${column.times.total} for this query (${column.times.hint}), decoding aside: ${stages}. The longest bar is the slowest encoder shown.`;
  box.append(line, figures);
  return box;
}

function picture(uri, alt) {
  if (!uri) return make("span", "gone", "no preview");
  const image = make("img");
  image.src = uri;
  image.alt = alt;
  image.decoding = "async";
  image.draggable = false;
  return image;
}

// Outlines the object that was found. `fills`: the picture fills its place and is cut there; otherwise all of it is seen.
function outline(image, edges, fills) {
  const box = make("i", "object");
  const place = () => {
    const own = [image.naturalWidth, image.naturalHeight];
    const shown = [image.clientWidth, image.clientHeight];
    if (!own[0] || !shown[0]) return;
    const scale = (fills ? Math.max : Math.min)(shown[0] / own[0], shown[1] / own[1]);
    const at = (edge, axis) => Math.min(Math.max(50 + (100 * (edge - 0.5) * own[axis] * scale) / shown[axis], 0), 100);
    const [x0, y0, x1, y1] = edges.map((edge, number) => at(edge, number % 2));
    Object.assign(box.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
  };
  image.addEventListener("load", place);
  new ResizeObserver(place).observe(image);
  return box;
}

// A score on its encoder's own scale: how full says how close for this encoder, the notch where true neighbours usually lie.
function scale(share, usual, words) {
  const bar = make("div", "bar");
  bar.title = words;
  if (share === null || share === undefined) {
    bar.classList.add("unknown");
    return bar;
  }
  const fill = make("i");
  fill.style.width = `${(100 * share).toFixed(1)}%`;
  bar.append(fill);
  if (usual !== null && usual !== undefined) {
    const notch = make("u");
    notch.style.left = `${(100 * usual).toFixed(1)}%`;
    bar.append(notch);
  }
  return bar;
}

function facts(hit, column) {
  const side = make("div", "facts");
  const line = make("div", "line");
  line.append(make("span", "score", hit.score));
  if (hit.verdict) {
    const words = make("span", "words");
    words.append(make("span", "mark", GLYPHS[hit.verdict]), make("span", "said", hit.words));
    words.title = hit.words;
    line.append(words);
  }
  side.append(line, scale(hit.bar, column.usual, hit.worth), named("label", hit.label || ""));
  if (hit.file) side.append(make("div", "words file", hit.file));
  return side;
}

function card(hit, column, state) {
  const item = make("li", `hit ${hit.verdict || ""}`);
  item.dataset.id = hit.id;
  const open = make("button", "open");
  open.type = "button";
  open.tabIndex = -1;
  const found = hit.letter ? `, also found by another encoder as ${hit.letter}` : hit.only ? ", only this encoder found it" : "";
  const does = state.tools ? "Space opens it large, Enter searches with it." : "Search with this picture.";
  const moved = hit.how ? `, ${hit.how}` : "";
  open.setAttribute("aria-label", `Rank ${hit.rank}${moved}, score ${hit.score}, ${hit.label || hit.alt}${hit.words ? ", " + hit.words : ""}${hit.file ? ", " + hit.file : ""}${hit.frame ? ", by the outlined object in it" : ""}${found}. ${does}`);
  open.title = state.tools ? `${hit.label || hit.alt}: open large` : "Search with this picture";
  const frame = make("div", "frame");
  const shot = state.kept.get(state.pictures[hit.id]) || picture(state.pictures[hit.id], hit.alt);
  shot.alt = hit.alt;
  frame.append(shot, make("span", "rank", hit.rank));
  if (hit.frame) frame.append(outline(shot, hit.frame, true));
  if (hit.moved) {
    const badge = make("span", `moved ${hit.way}`, hit.moved);
    badge.title = hit.how;
    frame.append(badge);
  }
  open.append(frame, facts(hit, column));
  open.addEventListener("click", () => (state.tools ? openDetail(state, hit.id, column.key) : state.say("picked", hit.id)));
  item.draggable = state.tools;
  item.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("text/x-lookalike-item", hit.id);
    event.dataTransfer.effectAllowed = "copy";
  });
  for (const event of ["mouseenter", "focusin"]) item.addEventListener(event, () => light(state, hit.id));
  for (const event of ["mouseleave", "focusout"]) item.addEventListener(event, () => light(state, null));
  item.append(open);
  if (hit.letter) item.append(letter(hit, state));
  if (state.tools) item.append(votes(hit, state));
  return item;
}

// Thumbs: more like this hit, less like it. They show where a card is pointed at or has the focus; + and - do the same.
const VOTES = { plus: "More like this (+)", minus: "Less like this (\u2212)" };
const THUMB = "M2 10.5h3.6V21H2zM7.4 21V10.6L11.6 3c1.2 0 2.1 1 1.9 2.2l-.7 4H19c1.3 0 2.3 1.2 2 2.5l-1.5 7.6A2.1 2.1 0 0 1 17.4 21z";

function thumb(sign) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("class", `thumb ${sign}`);
  drawn.setAttribute("aria-hidden", "true");
  path.setAttribute("d", THUMB);
  drawn.append(path);
  return drawn;
}

// The page answers in its own time: until then the card shows that the vote was taken.
function vote(state, sign, id, box) {
  box?.classList.add("taken");
  for (const one of box?.children ?? []) one.classList.toggle("given", one.dataset.sign === sign);
  act(state, `${sign}:${id}`);
}

function votes(hit, state) {
  const box = make("div", "votes");
  for (const [sign, words] of Object.entries(VOTES)) {
    const button = press("vote", "", words, () => vote(state, sign, hit.id, box));
    button.tabIndex = -1;
    button.dataset.sign = sign;
    button.append(thumb(sign));
    box.append(button);
  }
  return box;
}

function letter(hit, state) {
  const badge = press("letter", hit.letter, `Keep ${hit.letter} lit in every column`, () => {
    state.lit = state.lit === hit.id ? null : hit.id;
    light(state, null);
  });
  badge.tabIndex = -1;
  badge.dataset.pin = hit.id;
  badge.title = `${hit.letter}: a shared hit, found by several encoders. Click to keep it lit in every column.`;
  return badge;
}

function light(state, id) {
  const shown = id ?? state.lit;
  for (const item of state.board.querySelectorAll(".hit")) {
    item.classList.toggle("lit", shown !== null && state.shared.has(shown) && item.dataset.id === shown);
  }
  for (const badge of state.board.querySelectorAll(".letter")) {
    badge.setAttribute("aria-pressed", String(badge.dataset.pin === state.lit));
  }
  state.board.classList.toggle("pinned", state.lit !== null && state.shared.has(state.lit));
}

// A column that can't answer, or not yet: the reason, and what can be done about it.
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
  const row = make("div", "acts");
  for (const [name, text] of column.actions || []) {
    row.append(press(name === "build" ? "action" : "action quiet", text, "", () => act(state, `${name}:${column.key}`)));
  }
  box.append(row);
  return box;
}

function notice(column) {
  const [headline, why] = column.notice;
  const box = make("div", "notice");
  box.setAttribute("role", "note");
  box.append(make("strong", "", headline), make("span", "", why));
  return box;
}

function skeleton(rows) {
  const list = make("ol");
  for (let i = 0; i < rows; i += 1) {
    const bone = make("li", "bone");
    bone.append(make("i"), make("b"), make("b"));
    list.append(bone);
  }
  list.setAttribute("aria-hidden", "true");
  return list;
}

function content(column, state, rows) {
  if (column.state === "pending" || column.state === "loading") return skeleton(Math.min(rows, 6));
  if (column.state !== "done") return note(column, state);
  if (!column.hits.length) {
    return note({ ...column, state: "empty", headline: "Nothing is left to find", message: "What is searched holds no picture but the query. Search more of the gallery." }, state);
  }
  const list = make("ol");
  for (const hit of column.hits) list.append(card(hit, column, state));
  return list;
}

function build(column, state, rows) {
  const box = make("section", `column ${(column.notice || []).length ? "far" : ""}`);
  box.dataset.key = column.key;
  box.setAttribute("aria-label", column.title);
  box.setAttribute("aria-busy", String(["pending", "loading", "busy"].includes(column.state)));
  const told = make("div", "told");
  if ((column.said || []).length) told.append(make("div", "saying", column.said.join(" \u00b7 ")));
  if (column.state === "done" && (column.notice || []).length) told.append(notice(column));
  if (column.remark) told.append(make("div", "remark", column.remark));
  box.append(head(column, state), meta(column), told, content(column, state, rows));
  return box;
}
