// A grid of pictures that can be clicked or chosen with the arrow keys. Captions are data: only ever textContent.
function pair(item, state, index) {
  const both = document.createElement("div");
  both.className = "pair";
  both.append(cell(item, state, index), cell(item.below, state, item.blank ? index : -1));
  return both;
}

function cell(item, state, index) {
  if (item.blank) {
    const empty = document.createElement("span");
    empty.className = "cell blank";
    empty.tabIndex = -1;
    return empty;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "cell";
  button.dataset.id = item.id;
  button.tabIndex = index === state.at ? 0 : -1;
  button.setAttribute("aria-pressed", String(item.id === state.selected));
  button.setAttribute("aria-label", item.alt);
  button.title = item.alt;
  const picture = document.createElement(item.uri ? "img" : "span");
  if (item.uri) {
    picture.src = item.uri;
    picture.alt = "";
    picture.decoding = "async";
  } else {
    picture.className = "gone";
    picture.textContent = "no preview";
  }
  button.append(picture);
  if (item.mark) button.classList.add(item.mark);
  for (const name of ["rank", "badge"]) {
    if (!item[name]) continue;
    const tag = document.createElement("span");
    tag.className = name;
    tag.textContent = item[name];
    button.append(tag);
  }
  if (item.caption) {
    const caption = document.createElement("div");
    caption.className = "caption";
    caption.dir = "auto";
    caption.textContent = item.caption;
    if (item.caption.includes("\n")) caption.classList.add("lines");
    button.append(caption);
  }
  button.addEventListener("click", () => state.say("picked", item.id));
  return button;
}

// Where an arrow leads, past empty places: left and right along the row, up and down to the cell of the same column.
function beside(state, cell, key) {
  const columns = [...state.grid.children], at = columns.findIndex((column) => column.contains(cell));
  const deep = columns[at] === cell ? 1 : 2, own = columns[at].lastChild === cell && deep === 2 ? 1 : 0;
  const place = (column, row) => (deep === 1 ? columns[column] : columns[column].children[row]);
  const wide = columns.filter((column) => column.offsetTop === columns[0].offsetTop).length;
  const side = { ArrowRight: 1, ArrowLeft: -1 }[key], down = { ArrowDown: 1, ArrowUp: -1 }[key];
  const found = [];
  for (let column = at + side; side && column in columns; column += side) found.push(place(column, own));
  const rows = Math.ceil(columns.length / wide) * deep;
  for (let row = Math.floor(at / wide) * deep + own + down; down && row >= 0 && row < rows; row += down) {
    found.push(place(Math.min(Math.floor(row / deep) * wide + (at % wide), columns.length - 1), row % deep));
  }
  return found.find((other) => !other.classList.contains("blank")) ?? cell;
}

function move(state, event) {
  const cells = [...state.grid.querySelectorAll(".cell:not(.blank)")], cell = event.target.closest(".cell");
  if (!cells.includes(cell)) return;
  const next = { Home: cells[0], End: cells.at(-1) }[event.key] ?? (event.key.startsWith("Arrow") ? beside(state, cell, event.key) : null);
  if (!next) return;
  event.preventDefault();
  cells.forEach((c) => { c.tabIndex = c === next ? 0 : -1; });
  next.focus();
}

export default function (component) {
  const { data: [{ heard, ...data }], parentElement, setTriggerValue } = component;
  let state = parentElement.__grid;
  if (!state) {
    state = parentElement.__grid = { grid: document.createElement("div"), text: "" };
    state.grid.className = "ll-grid";
    state.grid.setAttribute("role", "group");
    state.grid.addEventListener("keydown", (event) => move(state, event));
    parentElement.append(state.grid);
  }
  saying(state, setTriggerValue, heard);
  const text = JSON.stringify(data);
  if (text === state.text) return;
  state.text = text;
  state.selected = data.selected;
  const at = data.items.findIndex((item) => !item.blank && item.id === data.selected);
  state.at = at < 0 ? data.items.findIndex((item) => !item.blank || item.below) : at;
  state.grid.style.setProperty("--side", `${data.side}px`);
  state.grid.setAttribute("aria-label", data.label);
  state.grid.replaceChildren(...data.items.map((item, index) => (item.below ? pair : cell)(item, state, index)));
}
