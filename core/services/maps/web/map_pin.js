// What stands beside a dot: the card of the clicked one, and on a map of very many dots the answer to "what is under the pointer?".
function lookalikePin(kit) {
  const { state, make, box, fit, toScreen, toMap } = kit;
  let card = null, timer = 0, asked = null;

  // The card of the clicked picture, in the map that was clicked; its first button leads on.
  function show() {
    card?.remove();
    card = null;
    const told = state.data.card, view = told && state.views[Math.min(told.map, state.views.length - 1)];
    if (!view || !view.map.chosenAt) return;
    card = make("div", "maps-pin");
    card.setAttribute("role", "group");
    card.setAttribute("aria-label", told.name);
    const image = make("img");
    image.src = told.uri;
    image.alt = "";
    const name = make("div", "", told.name);
    name.dir = "auto";
    const go = make("button", "go", "Compare with it"), shut = make("button", "shut", "×");
    go.type = shut.type = "button";
    shut.setAttribute("aria-label", "Close");
    go.onclick = () => state.send("opened", { id: told.id });
    shut.onclick = () => state.send("picked", { map: -1 });
    card.append(image, name, go, shut);
    card.view = view;
    view.place.append(card);
    follow(view);
  }

  // Beside its dot wherever the map is moved to; out of sight with it.
  function follow(view) {
    if (!card || card.view !== view || !view.map.chosenAt) return;
    const { width, height } = view.size || view.place.getBoundingClientRect();
    if (!view.size) return;
    const [x, y] = toScreen(fit(view), ...view.map.chosenAt), wide = card.offsetWidth, high = card.offsetHeight;
    card.hidden = x < 0 || y < 0 || x > width || y > height;
    card.style.left = `${Math.max(4, x + 16 + wide > width ? x - wide - 16 : x + 16)}px`;
    card.style.top = `${Math.max(4, Math.min(y - high / 2, height - high - 4))}px`;
  }

  // The dots of a large map are one picture: when the pointer rests, the page is asked which of them is nearest.
  function ask(view, x, y, event) {
    clearTimeout(timer);
    asked = null;
    if (!view.raster || state.data.morph || event.pointerType === "touch") return;
    timer = setTimeout(() => {
      const at = fit(view), [mx, my] = toMap(at, x, y);
      asked = { view, event };
      state.send("hovered", { map: view.i, x: mx, y: my, reach: 10 / at.scale });
    }, 90);
  }
  function forget() { clearTimeout(timer); asked = null; }

  function answer(told) {
    if (!asked || !told || told.map !== asked.view.i) return;
    const { view, event } = asked;
    asked = null;
    if (!told.id) return;
    view.far = [told.x, told.y];
    kit.draw(view);
    tip(event, told.name, (paper) => { const image = make("img"); image.src = told.uri; image.alt = ""; paper.append(image); }, true);
  }

  function tip(event, name, paint, drawn) {
    state.tip?.remove();
    const paper = (state.tip = make("div", "maps-tip"));
    if (drawn) paint(paper);
    if (name) { const line = make("div", "", name); line.dir = "auto"; paper.append(line); }
    if (!drawn) paper.append(make("small", "", "Click to see it"));
    box.append(paper);
    const wide = 122, high = drawn ? 148 : 60;
    paper.style.left = `${Math.max(4, Math.min(event.clientX + 16, window.innerWidth - wide - 8))}px`;
    paper.style.top = `${Math.max(4, event.clientY + 16 + high > window.innerHeight ? event.clientY - high - 12 : event.clientY + 16)}px`;
  }
  return { show, follow, ask, forget, answer, tip };
}
