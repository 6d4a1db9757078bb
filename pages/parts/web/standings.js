// The leaderboard. A header sorts at once, here; the page is only told, so that its link can say it. Names are data: only textContent.
const ARROWS = { up: "▲", down: "▼" };
const SPOKEN = { up: "ascending", down: "descending" };
const OTHER = { up: "down", down: "up" };

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

// A long name may break at its dots, those of numbers excepted, and before an @, and nowhere in a word.
function name(tag, text) {
  const node = make(tag);
  node.dir = "auto";
  text.split(/(?<=[._])(?!\d)|(?=@)/).forEach((part, at) => node.append(...(at ? [make("wbr")] : []), part));
  return node;
}

function bar(one) {
  const node = make("div", "span");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", one.said);
  node.title = one.said;
  node.style.setProperty("--c", one.colour);
  const mean = make("i");
  mean.style.width = `${100 * one.mean}%`;
  const whiskers = make("u");
  whiskers.style.left = `${100 * one.low}%`;
  whiskers.style.width = `${Math.max(100 * (one.high - one.low), 0.4)}%`;
  node.append(mean, whiskers);
  return node;
}

function row(one, columns) {
  const node = make("tr");
  node.dataset.key = one.key;
  for (const column of columns) {
    const cell = make("td", `${column.kind} ${column.key}`);
    if (column.kind === "who") {
      const title = name("span", one.title);
      title.prepend(drawMark(one.mark));
      cell.append(title, name("small", one.name));
      if (one.seen) {
        const seen = make("small", "seen", one.seen.text);
        seen.title = one.seen.hint;
        cell.append(seen);
      }
      cell.title = one.name;
    } else if (column.kind === "bar") cell.append(bar(one.bar));
    else cell.textContent = one.texts[column.key] ?? "";
    if (column.kind === "rank") cell.title = one.hint;
    if (column.kind === "num" && typeof one.values[column.key] === "number") cell.dataset.value = one.values[column.key];
    node.append(cell);
  }
  return node;
}

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
}

// Rows come best first, and stay so among equals; what was not measured is last either way.
function arrange(state) {
  const [key, way] = state.sort;
  const sign = way === "down" ? -1 : 1;
  const value = (at) => state.rows[at].values[key] ?? null;
  const order = state.rows.map((_, at) => at).sort((a, b) => {
    if (value(a) === null || value(b) === null) return (value(a) === null) - (value(b) === null) || a - b;
    return sign * compare(value(a), value(b)) || a - b;
  });
  state.body.replaceChildren(...order.map((at) => state.nodes[at]));
  for (const head of state.heads) {
    const here = head.dataset.key === key;
    head.setAttribute("aria-sort", here ? SPOKEN[way] : "none");
    head.querySelector(".arrow").textContent = ARROWS[here ? way : head.dataset.first];
  }
}

// A click that falls into a run of the page can get lost on its way: it is said again until the page answers with it.
function tell(state, tries = 10) {
  state.send("sorted", state.asked);
  clearTimeout(state.timer);
  if (tries) state.timer = setTimeout(() => { if (state.asked !== null) tell(state, tries - 1); }, 1000);
}

function head(column, state) {
  const node = make("th", `${column.kind} ${column.key}`);
  node.scope = "col";
  node.dataset.key = column.key;
  node.dataset.first = column.first;
  const button = name("button", column.label);
  button.type = "button";
  button.title = column.hint;
  const arrow = make("span", "arrow");
  arrow.setAttribute("aria-hidden", "true");
  button.append(arrow);
  button.addEventListener("click", () => {
    state.sort = [column.key, state.sort[0] === column.key ? OTHER[state.sort[1]] : column.first];
    state.asked = state.sort.join(" ");
    arrange(state);
    tell(state);
  });
  node.append(button);
  return node;
}

function build(state, data) {
  const table = make("table");
  table.setAttribute("aria-label", data.label);
  const top = make("tr");
  state.heads = data.columns.map((column) => head(column, state));
  state.rows = data.rows;
  state.nodes = data.rows.map((one) => row(one, data.columns));
  state.body = make("tbody");
  top.append(...state.heads);
  const heads = make("thead");
  heads.append(top);
  table.append(heads, state.body);
  state.box.replaceChildren(table);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let state = parentElement.__standings;
  if (!state) {
    state = parentElement.__standings = { box: make("div", "scroll"), text: "", given: null, asked: null };
    parentElement.append(state.box);
  }
  state.send = setTriggerValue;
  const { sort, ...rest } = data;
  const text = JSON.stringify(rest);
  const fresh = text !== state.text;
  if (state.asked === sort) state.asked = null;
  const told = sort !== state.given && state.asked === null; // the answer to an earlier click is older than what is shown
  state.given = sort;
  if (told || !state.sort) state.sort = sort.split(" ");
  if (fresh) {
    state.text = text;
    build(state, rest);
  }
  if (fresh || told) arrange(state);
}
