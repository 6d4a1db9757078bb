// Between Streamlit and the maps: large pieces (places, pictures) come once and are kept by their key, so that a click sends little.
const store = (window.__lookalikeStore ??= new Map());
const MOST = 80;
const ASKED = new Set(["hovered", "needed"]);  // what the drawing asks for; all else a person did

function whole(value, missing) {
  if (typeof value === "string" && value.startsWith("@")) {
    const found = store.get(value);
    if (found === undefined) missing.push(value);
    return found ?? "";
  }
  if (Array.isArray(value)) return value.map((one) => whole(one, missing));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, whole(v, missing)]));
  return value;
}

// A piece is asked for a few times and no more, so that one that can't be had never makes a circle.
function ask(maps, name) {
  const asked = (maps.asked ??= new Map());
  asked.set(name, (asked.get(name) ?? 0) + 1);
  return asked.get(name) <= 3;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  for (const [key, text] of Object.entries(data.pieces)) { store.delete(key); store.set(key, text); }
  while (store.size > MOST) store.delete(store.keys().next().value);
  let maps = parentElement.__maps;
  if (!maps) maps = parentElement.__maps = lookalikeMaps(parentElement);
  saying(maps, setTriggerValue, data.heard);
  maps.state.send = (event, value) => (ASKED.has(event) ? maps.send : maps.say)(event, value);
  const text = JSON.stringify(data.view);
  if (data.under) maps.pin.answer(data.under);
  if (maps.text === text) return;
  const missing = [], view = whole(data.view, missing), late = data.view.atlas?.sheets ?? [];
  // The small pictures come last: the dots need not wait for them.
  const drawable = missing.every((name) => late.includes(name));
  if (missing.length && ask(maps, missing[0])) setTimeout(() => maps.send("needed", missing[0]), drawable ? 60 : 0);
  if (!drawable) return;
  maps.text = missing.length ? "" : text;
  maps.load(view);
  (parentElement.host ?? parentElement).dataset.drawn = "";  // its place is kept until now (style.css)
}
