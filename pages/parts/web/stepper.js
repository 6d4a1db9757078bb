// The keys of a talk. Page Down and Page Up (what a clicker sends) always step through the scenes; arrows do too, but where the focus is in a control that
// uses them they are the control's. Escape closes what is open, leaves such a control, or else ends the show.
const PAGES = { PageDown: 1, PageUp: -1 }, ARROWS = { ArrowRight: 1, ArrowLeft: -1 };
const USES = "input:not([type=checkbox], [type=button], [type=submit], [type=file]), textarea, select, [contenteditable=true], [role=application], "
  + ["combobox", "grid", "listbox", "menu", "radio", "radiogroup", "slider", "spinbutton", "tab", "tablist", "tree"].map((role) => `[role=${role}]`).join(", ");
const OPEN = "dialog[open], [role=dialog], [role=listbox], [role=menu], [data-testid=stPopoverBody]";
const KEYS = [["→ ←", "next and previous scene; in a slider, a list or a field, what they do there"], ["Page ↓ ↑", "next and previous scene, always: a clicker sends them"],
  ["Esc", "close what is open, or leave a control; else end the show"], ["?", "these keys"]];

const made = (tag, look, text) => Object.assign(document.createElement(tag), { className: look, textContent: text ?? "" });
const uses = (event) => event.composedPath().find((node) => node.matches?.(USES));
const roots = (root) => [root, ...[...root.querySelectorAll("*")].flatMap((node) => (node.shadowRoot ? roots(node.shadowRoot) : []))];
const open = (own) => roots(document).some((root) => root !== own && [...root.querySelectorAll(OPEN)].some((node) => node.checkVisibility()));

// One for the window, as a page takes its bar down and the next one brings another: where the show is (`at` of `count`), and where it was asked to go to (-1: its
// end) until a page says that it is there, with what was `sent` on its way. So a key that is pressed while pages change is not lost, and one that is sent twice steps once.
const talk = (window.lookalikeTalk ??= { bar: null, show: "", at: 0, count: 1, wanted: null, sent: null, tries: 0 });
const TRIES = 5, END = -1;

function go(step) {
  const place = (talk.wanted ?? talk.at) + step;
  talk.wanted = step ? Math.min(Math.max(place, 0), talk.count - 1) : END;
  talk.tries = 0;
  tell();
}

function tell() {
  if ((talk.wanted === talk.at && talk.sent === null) || talk.tries >= TRIES) { talk.wanted = talk.sent = null; return; }
  if (!talk.bar.isConnected) return;
  talk.tries += 1;
  talk.send((talk.sent = talk.wanted));
}

function drawn(home) {
  const bar = made("div", "bar"), help = made("dl", "keys"), hint = made("span", "hint");
  for (const [words, step, name] of [["‹", -1, "Previous scene"], ["›", 1, "Next scene"], ["✕", 0, "End the show"]]) {
    const button = Object.assign(made("button", "", words), { type: "button", title: name });
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => go(step));
    bar.append(button);
  }
  const place = made("span", "place"), keys = Object.assign(made("button", "", "?"), { type: "button", title: "Keys" });
  place.setAttribute("role", "status");
  keys.setAttribute("aria-label", "Keys");
  help.id = "keys";
  help.hidden = true;
  keys.setAttribute("aria-controls", "keys");
  bar.help = (shown) => { help.hidden = !shown; keys.setAttribute("aria-expanded", String(shown)); };
  bar.help(false);
  keys.addEventListener("click", () => bar.help(help.hidden));
  for (const [key, words] of KEYS) help.append(made("dt", "", key), made("dd", "", words));
  bar.append(place, keys, hint, help);
  home.append(bar);
  return bar;
}

// What a key does: null where it is none of the talk's, or another's now.
function meant(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return null;
  const { bar } = talk, here = bar.isConnected;
  if (!here && (talk.wanted === null || talk.wanted === END)) return null;
  const step = PAGES[event.key] ?? (!event.defaultPrevented && !uses(event) ? ARROWS[event.key] : undefined);
  if (step) return () => go(step);
  if (event.defaultPrevented) return null;
  const helped = here && !bar.querySelector(".keys").hidden;
  if (event.key === "?" && here && !uses(event)) return () => bar.help(!helped);
  if (event.key !== "Escape") return null;
  if (helped) return () => bar.help(false);
  if (open(bar.getRootNode())) return null;
  return uses(event) ? () => event.composedPath()[0].blur() : () => go(0);
}

function listen() {
  const pressed = (event) => {
    const does = meant(event);
    if (!does) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    does();
  };
  const early = (event) => event.key in PAGES || event.key === "?"; // before a slider takes them, or the board shows keys of its own
  window.addEventListener("keydown", (event) => { if (early(event)) pressed(event); }, true);
  window.addEventListener("keydown", (event) => { if (!early(event)) pressed(event); });
  window.addEventListener("focusin", (event) => hint(uses(event)));
  window.addEventListener("focusout", () => hint(false));
}

function hint(held) {
  talk.bar.querySelector(".hint").textContent = held ? "arrows move the control, Page ↓ the talk" : "";
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const bar = parentElement.querySelector(".bar") ?? drawn(parentElement);
  bar.querySelector(".place").textContent = `${data.at + 1} / ${data.count}`;
  if (!talk.bar) listen();
  if (talk.show !== data.show) talk.wanted = talk.sent = null;
  if (talk.sent === data.at) talk.sent = null;
  Object.assign(talk, data, { bar, send: (place) => setTriggerValue("to", place) });
  hint(document.activeElement?.closest(USES));
  if (talk.wanted !== null) tell();
}
