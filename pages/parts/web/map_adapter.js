// Between Streamlit and the maps: large pieces (places, pictures) come once and are kept by their key, so that a click sends little.
const store = (window.__lookalikeStore ??= new Map());
const MOST = 80;

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

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  for (const [key, text] of Object.entries(data.pieces)) { store.delete(key); store.set(key, text); }
  while (store.size > MOST) store.delete(store.keys().next().value);
  let maps = parentElement.__maps;
  if (!maps) maps = parentElement.__maps = lookalikeMaps(parentElement);
  maps.state.send = setTriggerValue;
  const text = JSON.stringify(data.view);
  if (data.under) maps.pin.answer(data.under);
  if (maps.text === text) return;
  const missing = [], view = whole(data.view, missing);
  if (missing.length) { setTriggerValue("needed", missing[0]); return; }
  maps.text = text;
  maps.load(view);
}
