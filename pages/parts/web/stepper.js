// Arrows, Page Down and Page Up (what a clicker sends) step through the scenes; Escape ends the show.
const STEPS = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1, Escape: 0 };
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let bar = parentElement.querySelector(".bar");
  if (!bar) {
    bar = document.createElement("div");
    bar.className = "bar";
    for (const [words, step, name] of [["‹", -1, "Previous scene"], ["›", 1, "Next scene"], ["✕", 0, "End the show"]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => parentElement.__step?.(step));
      bar.append(button);
    }
    const place = document.createElement("span");
    place.setAttribute("role", "status");
    bar.append(place);
    parentElement.append(bar);
  }
  bar.querySelector("span").textContent = data.place;
  parentElement.__step = (step) => setTriggerValue("step", step);
  if (bar.__listens) return;
  bar.__listens = true;
  // No clean-up from outside: the page may take a component down and up again with the same elements, in either order. Whoever is gone from the page leaves.
  const pressed = (event) => {
    if (!bar.isConnected) { window.removeEventListener("keydown", pressed); return; }
    const inside = event.composedPath()[0];
    const typing = inside instanceof HTMLInputElement || inside instanceof HTMLTextAreaElement;
    if (event.defaultPrevented || typing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in STEPS) { event.preventDefault(); parentElement.__step(STEPS[event.key]); }
  };
  window.addEventListener("keydown", pressed);
}
