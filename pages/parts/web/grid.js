// A grid of pictures that can be clicked or chosen with the arrow keys. Captions are data: only ever textContent.
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
    button.append(caption);
  }
  button.addEventListener("click", () => state.send("picked", item.id));
  return button;
}

function move(state, event) {
  const cells = [...state.grid.children].filter((c) => !c.classList.contains("blank"));
  const at = cells.indexOf(event.target.closest(".cell"));
  if (at < 0) return;
  const wide = cells.filter((c) => c.offsetTop === cells[0].offsetTop).length || 1;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide, Home: -at, End: cells.length - 1 - at }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = Math.min(Math.max(at + step, 0), cells.length - 1);
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
