// Rows of a query and what one encoder or two found for it. Names are data: only ever textContent.
function make(tag, name, text) {
  const node = document.createElement(tag);
  node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function picture(uri, alt) {
  const image = make(uri ? "img" : "span", uri ? "" : "gone");
  if (uri) {
    image.src = uri;
    image.alt = alt;
    image.decoding = "async";
  }
  return image;
}

function hit(one, rank, pictures) {
  const said = `Rank ${rank}, ${one.right ? "relevant" : "not relevant"}: ${one.id}`;
  const node = make("span", one.right ? "hit right" : "hit");
  node.title = said;
  node.append(picture(pictures[one.id], said), make("b", "", one.right ? "✓" : "✕"));
  node.lastChild.setAttribute("aria-hidden", "true");
  return node;
}

function side(one, about, pictures, places) {
  const node = make("div", "side");
  const head = make("div", "head");
  const name = make("span", "name", about.title);
  name.prepend(drawMark(about.mark));
  head.append(name, make("b", "", one.score), make("small", "", one.note || ""));
  const strip = make("div", "strip");
  strip.style.setProperty("--places", places);
  if (one.why) strip.append(make("p", "", one.why));
  one.hits.forEach((found, index) => strip.append(hit(found, index + 1, pictures)));
  node.append(head, strip);
  return node;
}

function row(one, data, state) {
  const node = make("div", data.sides.length === 1 ? "duel alone" : "duel");
  node.dataset.id = one.id;
  const ask = make("button", "ask");
  ask.type = "button";
  ask.setAttribute("aria-label", one.label);
  ask.title = one.label;
  const name = make("span", "what", one.name);
  name.dir = "auto";
  ask.append(picture(data.pictures[one.id], ""), name, make("small", "", one.words));
  ask.addEventListener("click", (event) => { event.stopPropagation(); state.send("picked", one.id); });
  node.addEventListener("click", () => state.send("picked", one.id));
  node.append(ask, ...one.sides.map((found, index) => side(found, data.sides[index], data.pictures, data.places)));
  return node;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let state = parentElement.__duels;
  if (!state) {
    state = parentElement.__duels = { list: make("div", "duels"), text: "" };
    state.list.dataset.figure = "Queries and their hits";
    parentElement.append(state.list);
  }
  state.send = setTriggerValue;
  const text = JSON.stringify(data);
  if (text === state.text) return;
  state.text = text;
  state.list.replaceChildren(...data.rows.map((one) => row(one, data, state)));
}
