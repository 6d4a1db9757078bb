// One to four linked maps on canvases: move, zoom, lasso, box, hover pictures, lines to neighbours, morph. No library, no network.
// Names are data: they only ever become textContent or canvas text.
function lookalikeMaps(root) {
  const make = (tag, cls, text) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const shape = (mark) => {  // the mark of an encoder, a square of 12 pixels with an outline
    const node = make("i");
    node.style.cssText = "display: inline-block; width: 12px; height: 12px; margin-right: 6px; vertical-align: -1px";
    node.style.background = mark.colour;
    node.style.clipPath = `path("${mark.path}")`;
    return node;
  };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const box = make("div", "maps");
  root.append(box);
  // With a finger, dragging scrolls the page until a tool is chosen; with a mouse, dragging selects.
  const finger = window.matchMedia("(pointer: coarse)").matches;
  const state = { tool: finger ? "move" : "lasso", views: [], hover: -1, only: -1, t: 0, send: () => {}, data: null, sheets: [], tip: null };

  // ---- data -------------------------------------------------------------------------------------------------------
  function load(data) {
    const kept = state.data && state.data.layout === data.layout;
    state.data = data;
    state.t = data.morph ? (kept ? state.t : data.morph.t || 0) : 0;
    state.only = -1;
    state.label = data.label ? new Uint16Array(bytes(data.label).buffer) : null;
    state.slot = data.atlas ? new Uint16Array(bytes(data.atlas.slot).buffer) : null;
    state.picked = data.selection ? bytes(data.selection) : null;
    if (data.atlas && data.atlas.sheets[0] && state.atlasKey !== data.atlas.key) {
      state.atlasKey = data.atlas.key;
      state.sheets = data.atlas.sheets.map((uri) => { const image = new Image(); image.onload = drawAll; image.src = uri; return image; });
    }
    if (!kept) build();
    data.maps.forEach((map, i) => {
      const view = state.views[Math.min(i, state.views.length - 1)];
      const points = unpack(map);
      if (data.morph && i === 1) { view.other = points; view.otherMap = map; return; }
      Object.assign(view, { map, points, other: null, raster: picture(view, "raster", map.raster), chosen: picture(view, "chosen", map.chosen) });
      view.title.textContent = map.title; view.title.title = map.title;
      if (map.mark) view.title.prepend(shape(map.mark));
      view.figures.replaceChildren(...(map.figures || []).flatMap(([value, name]) => [make("b", "", value), ` ${name} `]));
      view.figures.title = map.hint || "";
      view.figures.disabled = !map.hint;
      view.why.textContent = map.hint || "";
      view.place.style.aspectRatio = String(shapeOf(map));
      view.note.textContent = map.note || "";
      view.canvas.setAttribute("aria-label", `${map.title}. ${map.note || ""} Arrow keys move, plus and minus zoom, Escape clears the selection.`);
    });
    legend();
    drawAll();
    kit.pin.show();
  }

  function unpack(map) {
    const raw = new Uint16Array(bytes(map.xy).buffer);
    const [x0, y0, span] = map.box;
    const xy = new Float32Array(raw.length);
    for (let i = 0; i < raw.length; i += 2) { xy[i] = x0 + (raw[i] / 65535) * span; xy[i + 1] = y0 + (raw[i + 1] / 65535) * span; }
    return { xy, colour: bytes(map.colour), n: raw.length / 2 };
  }

  function picture(view, name, uri) {
    if (!uri) { view[`${name}Uri`] = ""; return null; }
    if (view[`${name}Uri`] === uri) return view[name];
    const image = new Image();
    image.onload = () => draw(view);
    image.src = uri;
    view[`${name}Uri`] = uri;
    return image;
  }

  // ---- frame ------------------------------------------------------------------------------------------------------
  function build() {
    const { data } = state;
    box.replaceChildren(bar());
    const count = data.morph ? 1 : data.maps.length;
    const grid = make("div", `maps-grid n${count}`);
    state.views = Array.from({ length: count }, (_, i) => frame(i, grid));
    if (data.morph) box.append(slider());
    state.legend = make("div", "maps-legend");
    grid.append(state.legend);
    box.append(grid);
    watch.disconnect();
    state.views.forEach((view) => watch.observe(view.place));
  }

  function bar() {
    const row = make("div", "maps-bar");
    const tools = make("div", "maps-tools");
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", "What dragging does");
    for (const [name, text] of [["lasso", "Lasso"], ["box", "Box"], ["move", "Move"]]) {
      const button = make("button", "", text);
      button.type = "button";
      button.setAttribute("aria-pressed", String(state.tool === name));
      button.onclick = () => {
        state.tool = name;
        for (const other of tools.children) other.setAttribute("aria-pressed", String(other === button));
        state.views.forEach((view) => view.place.classList.toggle("move", name === "move"));
      };
      tools.append(button);
    }
    const whole = make("div", "maps-tools");
    const reset = make("button", "", "Whole map");
    reset.type = "button";
    reset.onclick = () => { state.whole = true; state.views.forEach((view) => { view.zoom = 1; view.dx = view.dy = 0; }); drawAll(); };
    whole.append(reset);
    const leads = state.data.layout === "file" ? "" : ", double-click to compare with it";
    const hands = finger ? "Tap a dot to see it, zoom with two fingers; choose Lasso or Box, then drag to select pictures."
      : `Drag to select pictures, scroll to zoom, click a dot to see it${leads}.`;
    row.append(tools, whole, make("span", "maps-hint", state.data.hint || hands));
    return row;
  }

  function frame(i, grid) {
    const card = make("section", "maps-card");
    const head = make("div", "maps-head");
    const view = { i, zoom: 1, dx: 0, dy: 0, path: null, card, title: make("div", "maps-title"), figures: make("button", "maps-figures"), why: make("p", "maps-why"),
      place: make("div", `maps-place${state.tool === "move" ? " move" : ""}`), canvas: make("canvas"), note: make("div", "maps-note") };
    view.canvas.tabIndex = 0;
    view.canvas.setAttribute("role", "img");
    view.title.dir = view.note.dir = "auto";
    view.figures.type = "button";
    view.why.hidden = true;
    view.figures.setAttribute("aria-expanded", "false");
    view.figures.onclick = () => {
      view.why.hidden = !view.why.hidden;
      view.figures.setAttribute("aria-expanded", String(!view.why.hidden));
    };
    head.append(view.title, view.figures);
    view.place.append(view.canvas);
    card.append(head, view.why, view.place, view.note);
    grid.append(card);
    lookalikeListen(view, kit);
    return view;
  }

  function slider() {
    const row = make("div", "maps-morph");
    const input = make("input");
    Object.assign(input, { type: "range", min: 0, max: 1, step: 0.01, value: state.t });
    const [from, to] = state.data.morph.names;
    input.setAttribute("aria-label", `From the map of ${from} to the map of ${to}`);
    input.oninput = () => { state.t = Number(input.value); drawAll(); };
    input.onchange = () => state.send("morphed", state.t);
    const play = make("button", "", "Play");
    play.type = "button";
    play.onclick = () => {
      const start = performance.now(), begin = state.t > 0.5 ? 1 : 0;
      const step = (now) => {
        const share = Math.min((now - start) / 2400, 1);
        state.t = begin ? 1 - share : share;
        input.value = state.t;
        drawAll();
        if (share < 1 && input.isConnected) requestAnimationFrame(step); else state.send("morphed", state.t);
      };
      requestAnimationFrame(step);
    };
    row.append(make("span", "", from), input, make("span", "", to), play);
    return row;
  }

  function legend() {
    const { data } = state;
    state.legend.replaceChildren();
    if (data.scale) {
      const scale = make("div", "maps-scale");
      const strip = make("i");
      strip.style.background = `linear-gradient(90deg, ${data.palette.slice(0, 64).join(",")})`;
      scale.append(make("span", "", `${data.scale.name}  ${data.scale.low}`), strip, make("span", "", data.scale.high));
      if (data.scale.missing) {
        const dot = make("em");
        dot.style.background = data.palette[data.palette.length - 1];
        scale.append(dot, make("span", "", data.scale.missing));
      }
      state.legend.append(scale);
      return;
    }
    for (const [index, name, count] of data.legend || []) {
      const button = make("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.title = `Show only ${name}`;
      const dot = make("i");
      dot.style.background = data.palette[index];
      const text = make("span", "", name);
      text.dir = "auto";
      button.append(dot, text, make("b", "", count === null ? "" : count.toLocaleString("en")));
      button.onclick = () => {
        state.only = state.only === index ? -1 : index;
        for (const other of state.legend.children) other.setAttribute("aria-pressed", String(other === button && state.only === index));
        drawAll();
      };
      state.legend.append(button);
    }
  }

  // The frame has the shape of the cloud, so that the cloud fills it; distances mean the same in both directions.
  function shapeOf(map) {
    const [, , span, w, h] = map.focus || map.box;
    return Math.min(Math.max((w || span) / (h || span), 0.75), state.views.length > 1 ? 1.4 : 1.9).toFixed(3);
  }

  // ---- places -----------------------------------------------------------------------------------------------------
  function fit(view) {
    const { width, height } = view.size, margin = 14;
    const [x0, y0, span, w, h] = state.whole ? view.map.box : view.map.focus || view.map.box;
    const scale = Math.min((width - 2 * margin) / (w || span), (height - 2 * margin) / (h || span)) * view.zoom;
    return { scale, left: width / 2 - (x0 + (w || span) / 2) * scale + view.dx, top: height / 2 + (y0 + (h || span) / 2) * scale + view.dy };
  }
  const toScreen = (at, x, y) => [at.left + x * at.scale, at.top - y * at.scale];
  const toMap = (at, x, y) => [(x - at.left) / at.scale, (at.top - y) / at.scale];
  function spot(view, row) {
    const { xy } = view.points;
    if (!view.other || !state.t) return [xy[2 * row], xy[2 * row + 1]];
    const t = state.t, o = view.other.xy;
    return [xy[2 * row] * (1 - t) + o[2 * row] * t, xy[2 * row + 1] * (1 - t) + o[2 * row + 1] * t];
  }

  // ---- drawing ----------------------------------------------------------------------------------------------------
  const drawAll = () => state.views.forEach(draw);
  const watch = new ResizeObserver(drawAll);

  function draw(view) {
    const bounds = view.place.getBoundingClientRect();
    if (!view.map || !bounds.width) return;
    const ratio = window.devicePixelRatio || 1;
    view.size = { width: bounds.width, height: bounds.height };
    const { canvas } = view, wide = Math.round(bounds.width * ratio), high = Math.round(bounds.height * ratio);
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, bounds.width, bounds.height);
    const at = fit(view), ink = inks();
    rasters(view, pen, at);
    dots(view, pen, at, bounds);
    if (state.data.pictures) pictures(view, pen, at, bounds);
    names(view, pen, at, ink, bounds);
    marks(view, pen, at, ink);
    outline(view, pen, at, ink);
    kit.pin.follow(view);
  }

  // A canvas can't read var() or light-dark(): an element that wears the colour says what it is now.
  function inks() {
    const probe = make("span");
    box.append(probe);
    const found = {};
    for (const [name, colour] of [["accent", "var(--ll-accent, #0F6E66)"], ["text", "var(--ll-ink, currentColor)"], ["panel", "var(--ll-panel, #fff)"]]) {
      probe.style.color = colour;
      found[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    return found;
  }

  function rasters(view, pen, at) {
    const [x0, y0, span] = view.map.box, ratio = window.devicePixelRatio || 1;
    for (const [image, dim] of [[view.raster, view.chosen ? 0.22 : 1], [view.chosen, 1]]) {
      if (!image || !image.complete || !image.naturalWidth) continue;
      const [left, bottom] = toScreen(at, x0, y0);
      pen.globalAlpha = dim;
      pen.imageSmoothingEnabled = image !== view.chosen && span * at.scale * ratio < 2 * image.naturalWidth;
      pen.imageSmoothingQuality = "high";
      pen.drawImage(image, left, bottom - span * at.scale, span * at.scale, span * at.scale);
      pen.globalAlpha = 1;
    }
  }

  function dots(view, pen, at, bounds) {
    const { points } = view, { palette } = state.data, n = points.n;
    if (view.raster && !state.data.overlay) return;
    const size = (n > 8000 ? 2.2 : n > 1500 ? 3.6 : n > 300 ? 5 : 8) * Math.min(Math.sqrt(view.zoom), 3) * (bounds.width < 380 ? 0.8 : 1);
    const groups = palette.map(() => []), faint = palette.map(() => []);
    for (let row = 0; row < n; row += 1) {
      const c = points.colour[row];
      const dim = (state.only >= 0 && c !== state.only) || (state.picked && !(state.picked[row >> 3] & (1 << (row & 7))));
      (dim ? faint : groups)[c].push(row);
    }
    const rest = palette.length - 1;
    const order = [rest, ...palette.keys()].filter((c, i) => c !== rest || i === 0);
    const base = state.data.pictures ? 0.35 : n > 8000 ? 0.75 : 0.85;
    const paint = (rows, colour, alpha, scale) => {
      pen.fillStyle = colour;
      pen.globalAlpha = alpha;
      pen.beginPath();
      const r = (size * scale) / 2;
      for (const row of rows) {
        const [x, y] = toScreen(at, ...spot(view, row));
        if (x < -9 || y < -9 || x > bounds.width + 9 || y > bounds.height + 9) continue;
        if (size < 3) pen.rect(x - r, y - r, 2 * r, 2 * r); else { pen.moveTo(x + r, y); pen.arc(x, y, r, 0, 6.2832); }
      }
      pen.fill();
    };
    for (const c of order) paint(faint[c], palette[c], 0.13, 0.9);
    // Over a picture of all dots the quiet ones stay faint, so that they do not cover the colours of the others.
    const quiet = view.raster ? 0.28 : 0.55;
    for (const c of order) paint(groups[c], palette[c], c === rest && !state.data.scale && !state.picked ? base * quiet : base, 1);
    pen.globalAlpha = 1;
  }

  function sprite(row) {
    const { atlas } = state.data;
    if (!atlas || state.slot[row] === 65535) return null;
    const slot = state.slot[row], image = state.sheets[Math.floor(slot / atlas.per)];
    if (!image || !image.complete || !image.naturalWidth) return null;
    const at = slot % atlas.per;
    return [image, (at % atlas.columns) * atlas.side, Math.floor(at / atlas.columns) * atlas.side, atlas.side, atlas.side];
  }

  function pictures(view, pen, at, bounds) {
    const side = bounds.width < 420 ? 24 : 32, taken = new Set(), { n } = view.points, stride = n % 7919 ? 7919 : 7907;
    pen.imageSmoothingEnabled = true;
    // In a mixed but fixed order: rows stand class by class, and the first of a cell is the one that shows.
    for (let turn = 0; turn < n; turn += 1) {
      const row = (turn * stride) % n;
      if (state.picked && !(state.picked[row >> 3] & (1 << (row & 7)))) continue;
      if (state.only >= 0 && view.points.colour[row] !== state.only) continue;
      const [x, y] = toScreen(at, ...spot(view, row));
      if (x < 0 || y < 0 || x > bounds.width || y > bounds.height) continue;
      const cell = `${Math.floor(x / (side + 3))},${Math.floor(y / (side + 3))}`;
      if (taken.has(cell)) continue;
      const part = sprite(row);
      if (!part) continue;
      taken.add(cell);
      const [cx, cy] = cell.split(",").map((v) => (Number(v) + 0.5) * (side + 3));
      const left = view.zoom > 2.5 ? x - side / 2 : cx - side / 2, top = view.zoom > 2.5 ? y - side / 2 : cy - side / 2;
      pen.fillStyle = state.data.palette[view.points.colour[row]];
      pen.fillRect(left - 1.5, top - 1.5, side + 3, side + 3);
      pen.drawImage(...part, left, top, side, side);
    }
  }

  function marks(view, pen, at, ink) {
    const { map } = view;
    const ring = ([x, y], r, colour, width, fill) => {
      pen.beginPath(); pen.arc(...toScreen(at, x, y), r, 0, 6.2832);
      if (fill) { pen.fillStyle = fill; pen.fill(); }
      pen.strokeStyle = colour; pen.lineWidth = width; pen.stroke();
    };
    if (map.query && !state.data.morph) {
      const q = toScreen(at, ...map.query);
      pen.strokeStyle = ink.accent; pen.lineWidth = 1.4; pen.globalAlpha = 0.75;
      for (const end of map.lines || []) { pen.beginPath(); pen.moveTo(...q); pen.lineTo(...toScreen(at, ...end)); pen.stroke(); }
      pen.globalAlpha = 1;
      for (const end of map.lines || []) ring(end, 4.5, ink.accent, 2, ink.panel);
      pen.beginPath();
      for (let i = 0; i < 4; i += 1) pen.lineTo(q[0] + [0, 8, 0, -8][i], q[1] + [-8, 0, 8, 0][i]);
      pen.closePath(); pen.fillStyle = ink.accent; pen.fill(); pen.strokeStyle = ink.panel; pen.lineWidth = 2; pen.stroke();
    }
    for (const end of map.near || []) ring(end, 6.5, ink.text, 1.5);
    if (map.chosenAt) { ring(map.chosenAt, 8, ink.panel, 5); ring(map.chosenAt, 8, ink.text, 2.5); }
    if (view.far) ring(view.far, 7, ink.text, 2);
    if (state.hover >= 0 && state.hover < view.points.n) ring(spot(view, state.hover), 7, ink.text, 2);
  }

  // What most of a cluster is, over it, or beside the query's mark: the largest first, and none over another.
  function names(view, pen, at, ink, bounds) {
    if (state.data.morph || state.data.pictures || !view.map.names) return;
    pen.font = `600 11.5px ${getComputedStyle(view.canvas).fontFamily}`;
    pen.textAlign = "center"; pen.textBaseline = "middle"; pen.lineJoin = "round";
    const marked = view.map.query && toScreen(at, ...view.map.query);
    const taken = [];
    for (const [x, y, text] of view.map.names) {
      const half = pen.measureText(text).width / 2 + 4, [middle, centre] = toScreen(at, x, y);
      const cx = Math.min(Math.max(middle, half), bounds.width - half);
      const over = (y) => marked && Math.abs(cx - marked[0]) < half + 8 && Math.abs(y - marked[1]) < 15;
      const cy = [centre, centre - 16, centre + 16].find((y) => !over(y));
      if (Math.abs(cx - middle) > half || cy < 8 || cy > bounds.height - 8) continue;
      if (taken.some(([left, right, mid]) => cx - half < right && cx + half > left && Math.abs(cy - mid) < 15)) continue;
      taken.push([cx - half, cx + half, cy]);
      pen.strokeStyle = ink.panel; pen.lineWidth = 4; pen.globalAlpha = 0.85; pen.strokeText(text, cx, cy);
      pen.globalAlpha = 1; pen.fillStyle = ink.text; pen.fillText(text, cx, cy);
    }
  }

  function outline(view, pen, at, ink) {
    const path = view.path || (view.map.lasso || []).map(([x, y]) => toScreen(at, x, y));
    if (path.length < 2) return;
    pen.beginPath();
    path.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fillStyle = ink.accent; pen.globalAlpha = 0.1; pen.fill(); pen.globalAlpha = 1;
    pen.strokeStyle = ink.accent; pen.lineWidth = 1.5; pen.setLineDash([5, 4]); pen.stroke(); pen.setLineDash([]);
  }
  const kit = { state, load, draw, drawAll, fit, toMap, toScreen, spot, sprite, make, box };
  kit.pin = lookalikePin(kit);
  return kit;
}
