// A grid of pictures that can be clicked or chosen with the arrow keys. Captions are data: only ever textContent.
function pair(item, state, index) {
  const both = document.createElement("div");
  both.className = "pair";
  both.append(cell(item, state, index), cell(item.below, state, index + 0.5));
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
  button.addEventListener("click", () => state.send("picked", item.id));
  return button;
}

// Where an arrow leads: the nearest cell on its side, within the line for left and right before any other.
const SIDES = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
function beside(cells, at, key) {
  if (!SIDES[key]) return undefined;
  const [right, down] = SIDES[key];
  const middle = (c) => { const box = c.querySelector("img, .gone").getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
  const [x, y] = middle(cells[at]);
  let next = at, least = Infinity;
  cells.forEach((c, i) => {
    const [dx, dy] = middle(c).map((value, axis) => value - [x, y][axis]);
    const along = dx * right + dy * down, off = Math.abs(dx * down) + Math.abs(dy * right);
    if (along > 1 && along + 3 * off < least) [next, least] = [i, along + 3 * off];
  });
  if (next === at && down === 0) next = Math.min(Math.max(at + right, 0), cells.length - 1);
  return next;
}

function move(state, event) {
  const cells = [...state.grid.querySelectorAll(".cell:not(.blank)")];
  const at = cells.indexOf(event.target.closest(".cell"));
  if (at < 0) return;
  const next = { Home: 0, End: cells.length - 1 }[event.key] ?? beside(cells, at, event.key);
  if (next === undefined) return;
  event.preventDefault();
  cells.forEach((c, i) => { c.tabIndex = i === next ? 0 : -1; });
  cells[next].focus();
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let state = parentElement.__grid;
  if (!state) {
    state = parentElement.__grid = { grid: document.createElement("div"), text: "" };
    state.grid.className = "ll-grid";
    state.grid.setAttribute("role", "group");
    state.grid.addEventListener("keydown", (event) => move(state, event));
    parentElement.append(state.grid);
  }
  state.send = setTriggerValue;
  const text = JSON.stringify(data);
  if (text === state.text) return;
  state.text = text;
  state.selected = data.selected;
  const at = data.items.findIndex((item) => !item.blank && item.id === data.selected);
  state.at = at < 0 ? data.items.findIndex((item) => !item.blank) : at;
  state.grid.style.setProperty("--side", `${data.side}px`);
  state.grid.setAttribute("aria-label", data.label);
  state.grid.replaceChildren(...data.items.map((item, index) => cell(item, state, index)));
}
