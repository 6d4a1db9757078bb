// What lies over the compare board: a column's menu, a hit opened large, the list of keys.
const KEYS = [
  ["← → ↑ ↓", "move between encoders and ranks"], ["Home, End", "first and last rank"], ["Enter", "search with this picture"],
  ["Space", "open it large, beside the query"], ["P", "pin it: keep the same picture lit in every column"],
  ["+, \u2212", "more like this hit, less like it"], ["1 … 8", "go to a column"], ["S, M, L", "size of the pictures"], ["Ctrl V", "search with the picture in the clipboard"], ["?", "these keys"],
];

function closer(dialog) {
  const button = press("close", "✕", "Close", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return button;
}

function pairs(rows) {
  const list = make("dl", "pairs");
  for (const [name, value] of rows) {
    const text = make("dd", "", value);
    text.dir = "auto";
    list.append(make("dt", "", name), text);
  }
  return list;
}

function showKeys(state) {
  const dialog = make("dialog", "over keys");
  dialog.setAttribute("aria-label", "Keys");
  dialog.append(closer(dialog), make("h2", "", "Keys"), pairs(KEYS));
  dialog.addEventListener("close", () => dialog.remove());
  state.root.append(dialog);
  dialog.showModal();
}

function openMenu(state, column, button) {
  const menu = make("div", "over menu");
  menu.popover = "auto";
  menu.setAttribute("role", "dialog");
  menu.setAttribute("aria-label", column.title);
  const title = make("h2", "", column.title);
  title.prepend(drawMark(column.mark));
  menu.append(title, make("p", "", column.about), pairs(column.facts));
  const at = state.data.columns.findIndex((one) => one.key === column.key);
  const last = state.data.columns.length - 1;
  const held = state.pinned === column.key;
  const acts = make("div", "choices");
  const add = (text, act, off = false) => {
    const choice = press("choice", text, "", () => { menu.hidePopover(); act(); });
    choice.disabled = off;
    acts.append(choice);
  };
  if (column.rerank) menu.append(oneOf(state, menu, "Re-rank the first hits", column.rerank, `rerank:${column.key}`));
  if (column.matcher?.choices.length > 1) menu.append(oneOf(state, menu, "Match key points by", column.matcher, `rematch:${column.key}`));
  if (!column.joined) {
    add("Move left", () => reorder(state, column.key, at - 1), at <= 0);
    add("Move right", () => reorder(state, column.key, at + 1), at >= last || state.data.columns[at + 1].joined);
    add(held ? "Unpin" : "Pin at the left", () => act(state, `pin:${held ? "" : column.key}`));
  }
  add("Hide this column", () => act(state, `hide:${column.key}`), last < 1);
  for (const [action, text] of column.links) add(text, () => act(state, `${action}:${column.key}`));
  menu.append(acts);
  menu.addEventListener("toggle", (event) => { if (event.newState === "closed") { menu.remove(); button.focus(); } });
  state.root.append(menu);
  menu.showPopover();
  const box = button.getBoundingClientRect();
  const left = Math.min(Math.max(box.right - menu.offsetWidth, 8), window.innerWidth - menu.offsetWidth - 8);
  menu.style.left = `${left}px`;
  menu.style.top = `${Math.max(Math.min(box.bottom + 4, window.innerHeight - menu.offsetHeight - 8), 8)}px`;
  acts.querySelector(".choice:not(:disabled)")?.focus();
}

// What gives the first hits of a column a new order, or how its key points are matched: one choice.
function oneOf(state, menu, legend, given, action) {
  const group = make("fieldset", "rerankers");
  group.append(make("legend", "", legend));
  for (const [name, text, about] of given.choices) {
    const line = make("label", "reranker");
    line.title = about;
    const choice = Object.assign(make("input"), { type: "radio", name: "reranker", value: name, checked: name === given.now });
    choice.addEventListener("change", () => act(state, `${action}~${name}`));
    line.addEventListener("click", () => { if (choice.checked) setTimeout(() => menu.hidePopover()); });
    line.append(choice, make("span", "", text));
    group.append(line);
  }
  return group;
}

// A click that falls into a run of the page can get lost on its way: it is said again until the page has answered.
function askDetail(state, id, tries = 8) {
  if (state.details.has(id) || state.opened?.id !== id || !tries) return;
  state.send("opened", id);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => askDetail(state, id, tries - 1), 3000);
}

function openDetail(state, id, key) {
  state.opened = { id, key };
  if (!state.dialog) {
    const dialog = (state.dialog = make("dialog", "over detail"));
    dialog.addEventListener("close", () => {
      const { id: last, key: of } = state.opened;
      const explained = state.why !== null;
      state.opened = state.why = null;
      if (explained) tellWhy(state);
      const card = [...state.board.querySelectorAll(".hit")].find((one) => one.dataset.id === last && one.closest(".column").dataset.key === of);
      if (card) focusCard(state, card);
    });
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, ...(presented(state) ? {} : { ArrowRight: 1, ArrowLeft: -1 }) }[event.key];
      if (step) { event.preventDefault(); stepDetail(state, step); }
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    state.root.append(dialog);
  }
  drawDetail(state);
  if (!state.dialog.open) state.dialog.showModal();
  state.dialog.querySelector(".action").focus();
  askDetail(state, id);
  if (state.why && state.data.why.open !== whyKey(state)) tellWhy(state);
}

function stepDetail(state, step) {
  const column = state.data.columns.find((one) => one.key === state.opened.key);
  const at = column.hits.findIndex((hit) => hit.id === state.opened.id) + step;
  if (at < 0 || at >= column.hits.length) return;
  openDetail(state, column.hits[at].id, column.key);
}

function side(caption, name, uri, alt, frame) {
  const box = make("figure", "side");
  const words = make("figcaption");
  words.append(make("span", "", caption), named("name", name));
  const shot = picture(uri, alt);
  const held = make("div", "shot");
  held.append(shot);
  if (frame) held.append(frameObject(shot, frame, false));
  box.append(held, words);
  return box;
}

function drawDetail(state) {
  const { id, key } = state.opened;
  const column = state.data.columns.find((one) => one.key === key);
  const hit = column?.hits?.find((one) => one.id === id);
  if (!hit) return state.dialog.close();
  const known = state.details.get(id);
  const { dialog } = state;
  const name = hit.label || hit.alt;
  dialog.setAttribute("aria-label", `${name}, beside the query`);
  const sides = make("div", "sides");
  const right = side(`Rank ${hit.rank} of ${column.title}`, name, known?.uri || state.pictures[id], hit.alt, hit.frame);
  if (hit.verdict) right.querySelector("figcaption").append(verdictWords(hit));
  if (hit.file) right.querySelector("figcaption").append(make("div", "words file", hit.file));
  right.classList.add(hit.verdict || "unknown");
  sides.append(side("Query", state.data.query.title, known?.query || state.data.query.uri, `Query: ${state.data.query.title}`), right);
  const why = whyKnown(state);
  const stages = whySides(state, why, sides);
  const below = make("div", "below");
  below.append(places(state, id, known), known ? pairs(known.facts) : make("p", "quiet", "Looking it up …"));
  const acts = make("div", "acts");
  const lit = state.lit === id;
  acts.append(press("action", "Search with this", "", () => { dialog.close(); state.say("picked", id); }));
  if (state.shared.has(id)) {
    acts.append(press("action quiet", lit ? "Unpin" : "Pin", "", () => { state.lit = lit ? null : id; light(state, null); drawDetail(state); }));
  }
  acts.append(whyButton(state));
  for (const [sign, words] of Object.entries(VOTES)) {
    const vote = press("action quiet vote", "", words, () => { dialog.close(); act(state, `${sign}:${id}`); });
    vote.append(thumb(sign));
    acts.append(vote);
  }
  const at = column.hits.indexOf(hit);
  const previous = press("action quiet step", "‹", "Previous rank", () => stepDetail(state, -1));
  const next = press("action quiet step", "›", "Next rank", () => stepDetail(state, 1));
  previous.disabled = at === 0;
  next.disabled = at === column.hits.length - 1;
  acts.append(make("span", "gap"), previous, next);
  const held = state.root.getRootNode().activeElement;
  const inside = dialog.contains(held);
  dialog.replaceChildren(closer(dialog), sides, acts, ...(state.why ? [whyPanel(state, why, stages)] : []), below);
  if (inside && dialog.open) (again(dialog, held) ?? dialog.querySelector(".action")).focus();
}

// What is drawn anew in place of something that had the focus.
function again(dialog, held) {
  const said = (one) => one.getAttribute("aria-label") || one.textContent;
  return [...dialog.querySelectorAll("button, [tabindex]")].find((one) => said(one) === said(held));
}

function verdictWords(hit) {
  const words = make("div", "words");
  words.append(make("span", "mark", GLYPHS[hit.verdict]), hit.words);
  return words;
}

// Rank and score of the picture in every column, also where it stands below what is shown.
function places(state, id, known) {
  const table = make("table", "places");
  const top = make("tr");
  for (const text of ["Encoder", "Rank", "Score", "For this encoder"]) top.append(Object.assign(make("th", "", text), { scope: "col" }));
  const body = make("tbody");
  for (const column of state.data.columns) {
    const hit = (column.hits || []).find((one) => one.id === id);
    const found = hit ? { rank: hit.rank, score: hit.score, share: hit.bar, worth: hit.worth } : known?.places?.[column.key];
    const line = make("tr", column.key === state.opened.key ? "here" : "");
    const who = make("th", "", column.title);
    who.scope = "row";
    who.prepend(drawMark(column.mark));
    const bar = make("td", "worth");
    if (found && !found.missing) bar.append(scale(found.share, column.usual, found.worth), make("span", "", found.worth || ""));
    else bar.textContent = found?.missing || (column.state === "done" ? (known ? "" : "…") : "has not answered");
    line.append(who, make("td", "num", found?.rank?.toLocaleString("en") ?? "–"), make("td", "num", found?.score ?? "–"), bar);
    body.append(line);
  }
  const heads = make("thead");
  heads.append(top);
  table.append(heads, body);
  return table;
}
