// What hands do on a map: pointers, wheel, keys; and the picture that hovers beside the pointer.
function lookalikeListen(view, kit) {
  const { state, draw, drawAll, fit, toMap, toScreen, spot, sprite, make } = kit;
  const { canvas } = view;
  const pointers = new Map();
  let down = null, pinch = 0;
  const local = (event) => { const b = canvas.getBoundingClientRect(); return [event.clientX - b.left, event.clientY - b.top]; };
  const linked = () => (state.data.linked ? state.views : [view]);

  function nearest(x, y, reach) {
    const at = fit(view);
    let best = -1, least = reach * reach;
    for (let row = 0; row < view.points.n; row += 1) {
      const [px, py] = toScreen(at, ...spot(view, row));
      const d = (px - x) ** 2 + (py - y) ** 2;
      if (d < least) { least = d; best = row; }
    }
    return best;
  }

  function hover(row, event) {
    if (row !== state.hover) { state.hover = row; drawAll(); }
    view.place.classList.toggle("over", row >= 0);
    state.tip?.remove();
    state.tip = null;
    if (row < 0) return;
    const part = sprite(row);
    const paint = (tip) => {
      const paper = make("canvas");
      paper.width = paper.height = 216;
      const pen = paper.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(...part, 0, 0, 216, 216);
      tip.append(paper);
    };
    kit.pin.tip(event, state.label ? state.data.labels[state.label[row]] : "", paint, Boolean(part));
  }

  function rest(x, y, event) {
    const row = nearest(x, y, view.raster ? 3 : 12);
    if (view.far) { view.far = null; draw(view); }
    hover(row, event);
    if (row < 0) kit.pin.ask(view, x, y, event); else kit.pin.forget();
  }

  function zoomAt(x, y, factor) {
    for (const other of linked()) {
      const before = other.zoom;
      other.zoom = Math.min(Math.max(before * factor, 0.5), 60);
      const real = other.zoom / before, { width, height } = other.size || view.size;
      other.dx = (x - width / 2) * (1 - real) + other.dx * real;
      other.dy = (y - height / 2) * (1 - real) + other.dy * real;
      draw(other);
    }
  }

  function pan(dx, dy) { for (const other of linked()) { other.dx += dx; other.dy += dy; draw(other); } }

  function finish() {
    const at = fit(view), path = view.path;
    view.path = null;
    if (path && path.length > 2) {
      const step = Math.max(1, Math.ceil(path.length / 60));
      state.send("selected", { map: view.i, polygon: path.filter((_, i) => i % step === 0).map(([x, y]) => toMap(at, x, y)) });
    }
    draw(view);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    kit.pin.forget();
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, local(event));
    down = { at: local(event), moved: false, tool: event.shiftKey ? "lasso" : state.tool };
    if (pointers.size === 2) { view.path = null; down.tool = "move"; pinch = 0; }
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = local(event);
    if (!down) return rest(x, y, event);
    const was = pointers.get(event.pointerId);
    if (!was) return;
    pointers.set(event.pointerId, [x, y]);
    if (!down.moved && Math.hypot(x - down.at[0], y - down.at[1]) < 5) return;
    down.moved = true;
    if (state.hover >= 0) hover(-1, event);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (pinch) zoomAt((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, apart / pinch);
      pinch = apart;
    } else if (down.tool === "move") pan(x - was[0], y - was[1]);
    else {
      if (down.tool === "box") view.path = [down.at, [x, down.at[1]], [x, y], [down.at[0], y]];
      else (view.path ??= [down.at]).push([x, y]);
      draw(view);
    }
  });
  const up = (event) => {
    pointers.delete(event.pointerId);
    if (!down || pointers.size) return;
    const was = down;
    down = null;
    if (was.moved) return finish();
    hover(-1, event);
    const [x, y] = local(event), row = nearest(x, y, view.raster ? 3 : event.pointerType === "touch" ? 22 : 12);
    if (event.type === "pointerup" && (row >= 0 || view.raster)) {
      const [mx, my] = row >= 0 ? spot(view, row) : toMap(fit(view), x, y);
      state.send("picked", { map: view.i, x: mx, y: my, row, t: state.t });
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("dblclick", (event) => {
    const [x, y] = local(event), row = nearest(x, y, view.raster ? 3 : 12);
    if (row < 0 && !view.raster) return;
    const [mx, my] = row >= 0 ? spot(view, row) : toMap(fit(view), x, y);
    state.send("opened", { map: view.i, x: mx, y: my });
  });
  canvas.addEventListener("pointerleave", (event) => { kit.pin.forget(); view.far = null; if (!down) hover(-1, event); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomAt(...local(event), Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 240));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const { width, height } = view.size;
    const act = {
      ArrowLeft: () => pan(40, 0), ArrowRight: () => pan(-40, 0), ArrowUp: () => pan(0, 40), ArrowDown: () => pan(0, -40),
      "+": () => zoomAt(width / 2, height / 2, 1.25), "=": () => zoomAt(width / 2, height / 2, 1.25), "-": () => zoomAt(width / 2, height / 2, 0.8),
      Escape: () => state.send("selected", { map: -1, polygon: [] }),
    }[event.key];
    if (act && !event.ctrlKey && !event.metaKey) { event.preventDefault(); act(); }
  });
}
