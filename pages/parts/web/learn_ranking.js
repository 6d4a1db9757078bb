// A ranked list that is put in order by hand: drag a picture, or move it with the arrow keys. The order goes to the page.
function card(one, place, state) {
  const cell = made("div", "cell");
  cell.tabIndex = 0;
  cell.dataset.id = one.id;
  cell.dataset.verdict = one.right ? "right" : "wrong";
  cell.setAttribute("role", "listitem");
  cell.setAttribute("aria-label", `Rank ${place + 1}: ${one.name}, ${one.right ? "relevant" : "not relevant"}. Arrow keys move it.`);
  const picture = made("img");
  picture.src = one.uri;
  picture.alt = "";
  picture.draggable = false;
  const move = made("span", "moves");
  for (const [text, by, said] of [["‹", -1, "Move one place up the list"], ["›", 1, "Move one place down the list"]]) {
    const button = made("button", "", text);
    button.type = "button";
    button.tabIndex = -1;
    button.setAttribute("aria-label", said);
    button.addEventListener("click", () => shift(state, one.id, by));
    button.addEventListener("pointerdown", (event) => event.stopPropagation());
    move.append(button);
  }
  cell.append(picture, made("b", "rank", String(place + 1)), made("i", "sign", one.right ? "✓" : "✕"), move);
  cell.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    shift(state, one.id, by);
  });
  cell.addEventListener("pointerdown", (event) => drag(event, cell, one.id, state));
  return cell;
}

function shift(state, id, by) {
  const from = state.order.indexOf(id), to = from + by;
  if (to < 0 || to >= state.order.length) return;
  put(state, id, to);
  state.home.querySelector(`[data-id="${CSS.escape(id)}"]`)?.focus();
}

function put(state, id, place) {
  const left = state.order.filter((one) => one !== id);
  left.splice(place, 0, id);
  if (left.join() === state.order.join()) return;
  state.order = left;
  draw(state);
  state.number = Math.max(Date.now(), (state.number ?? 0) + 1);
  state.send("order", { ids: left, number: state.number });
}

function drag(event, cell, id, state) {
  if (event.button > 0) return;
  event.preventDefault();
  cell.focus();
  cell.setPointerCapture(event.pointerId);
  cell.classList.add("held");
  const [x, y] = [event.clientX, event.clientY];
  let over = null;
  const move = (now) => {
    cell.style.transform = `translate(${now.clientX - x}px, ${now.clientY - y}px)`;
    const near = [...state.home.children].filter((one) => one !== cell).find((one) => {
      const box = one.getBoundingClientRect();
      return now.clientX >= box.left && now.clientX <= box.right && now.clientY >= box.top && now.clientY <= box.bottom;
    });
    over?.classList.remove("over");
    over = near ?? null;
    over?.classList.add("over");
  };
  const end = () => {
    cell.removeEventListener("pointermove", move);
    cell.classList.remove("held");
    cell.style.transform = "";
    const to = over && state.order.indexOf(over.dataset.id);
    over?.classList.remove("over");
    if (over) put(state, id, to);
  };
  cell.addEventListener("pointermove", move);
  cell.addEventListener("pointerup", end, { once: true });
  cell.addEventListener("pointercancel", end, { once: true });
}

function draw(state) {
  const known = new Map(state.items.map((one) => [one.id, one]));
  state.home.replaceChildren(...state.order.map((id, place) => card(known.get(id), place, state)));
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let state = parentElement.__ranking;
  if (!state) {
    state = parentElement.__ranking = { home: made("div", "ranking"), text: "" };
    state.home.setAttribute("role", "list");
    parentElement.append(state.home);
  }
  state.send = setStateValue;
  if (data.heard < state.number) return; // the answer to an earlier order
  const text = JSON.stringify([data.items, data.turn]);
  if (text === state.text) return;
  state.text = text;
  const order = data.items.map((one) => one.id), same = state.turn === data.turn && order.join() === state.order?.join();
  state.items = data.items;
  state.turn = data.turn;
  if (same) return; // the page says what was put here: whoever moves a picture by keys keeps hold of it
  state.order = order;
  state.home.setAttribute("aria-label", data.label);
  draw(state);
}
