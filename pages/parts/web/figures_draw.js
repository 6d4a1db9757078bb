// What stands on the page as an SVG of rectangles, texts and pictures: no foreignObject, so every drawing program opens it.
const SVG = "http://www.w3.org/2000/svg";
const PAINTED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "fill-opacity", "stroke-opacity", "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline", "paint-order"];
const measure = document.createElement("canvas").getContext("2d");

function shape(kind, values, inside = []) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, one] of Object.entries(values)) made.setAttribute(name, one);
  made.append(...inside);
  return made;
}

const clear = (colour) => !colour || colour === "transparent" || /^rgba\(.*, 0\)$|\/ 0\)$/.test(colour);
const round = (number) => Math.round(number * 100) / 100;

// Each line of a text by itself: a browser breaks lines, an SVG does not.
function texts(node, style, at) {
  const made = [], range = document.createRange(), all = node.data;
  let from = 0, top = null;
  measure.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const rise = measure.measureText("x").fontBoundingBoxAscent;
  const put = (to) => {
    range.setStart(node, from); range.setEnd(node, to);
    const box = range.getBoundingClientRect(), said = all.slice(from, to).replace(/\s+/g, " ");
    if (!said.trim() || !box.width) return;
    const shown = style.textTransform === "uppercase" ? said.toUpperCase() : said;
    made.push(shape("text", { x: round(box.left - at.left), y: round(box.top - at.top + rise), fill: style.color, "font-family": style.fontFamily, "font-size": style.fontSize, "font-weight": style.fontWeight, "font-style": style.fontStyle }, [shown]));
  };
  for (let place = 0; place < all.length; place += 1) {
    range.setStart(node, place); range.setEnd(node, place + 1);
    const box = range.getClientRects()[0];
    if (!box || !box.width) continue;
    if (top !== null && Math.abs(box.top - top) > 3) { put(place); from = place; }
    top = box.top;
  }
  put(all.length);
  return made;
}

function box(node, style, at) {
  const b = node.getBoundingClientRect(), made = [];
  const place = { x: round(b.left - at.left), y: round(b.top - at.top), width: round(b.width), height: round(b.height) };
  const widths = ["Top", "Right", "Bottom", "Left"].map((side) => (style[`border${side}Style`] === "none" || clear(style[`border${side}Color`]) ? 0 : parseFloat(style[`border${side}Width`])));
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, b.width / 2, b.height / 2);
  const outline = style.clipPath.match(/^path\("(.+)"\)$/)?.[1];
  if (!clear(style.backgroundColor)) {
    made.push(outline ? shape("path", { d: outline, fill: style.backgroundColor, transform: `translate(${place.x} ${place.y})` }) : shape("rect", { ...place, rx: radius, fill: style.backgroundColor }));
  }
  if (widths.every((one) => one && one === widths[0])) {
    const w = widths[0], dashed = style.borderTopStyle === "dashed" ? { "stroke-dasharray": `${3 * w} ${2 * w}` } : {};
    made.push(shape("rect", { x: place.x + w / 2, y: place.y + w / 2, width: Math.max(0, place.width - w), height: Math.max(0, place.height - w), rx: Math.max(0, radius - w / 2), fill: "none", stroke: style.borderTopColor, "stroke-width": w, ...dashed }));
  } else {
    const { x, y, width, height } = place;
    const edges = [[x, y, width, widths[0]], [x + width - widths[1], y, widths[1], height], [x, y + height - widths[2], width, widths[2]], [x, y, widths[3], height]];
    edges.forEach(([left, top, w, h], side) => { if (w && h && widths[side]) made.push(shape("rect", { x: left, y: top, width: w, height: h, fill: style[`border${["Top", "Right", "Bottom", "Left"][side]}Color`] })); });
  }
  return made;
}

function vector(node, at) {
  const b = node.getBoundingClientRect(), copy = node.cloneNode(true);
  const own = [node, ...node.querySelectorAll("*")], made = [copy, ...copy.querySelectorAll("*")];
  own.forEach((one, place) => { const style = getComputedStyle(one); for (const name of PAINTED) made[place].setAttribute(name, style.getPropertyValue(name)); made[place].removeAttribute("class"); });
  const placed = { x: round(b.left - at.left), y: round(b.top - at.top), width: round(b.width), height: round(b.height) };
  for (const [name, one] of Object.entries(placed)) copy.setAttribute(name, one);
  copy.removeAttribute("style");
  copy.setAttribute("overflow", "visible");
  return copy;
}

function image(node, href, at, fit) {
  const b = node.getBoundingClientRect();
  return shape("image", { x: round(b.left - at.left), y: round(b.top - at.top), width: round(b.width), height: round(b.height), href, preserveAspectRatio: fit === "cover" ? "xMidYMid slice" : fit === "contain" ? "xMidYMid meet" : "none" });
}

function walk(node, at, defs) {
  if (node.nodeType === Node.TEXT_NODE) return texts(node, getComputedStyle(node.parentElement ?? node.getRootNode().host), at);
  if (node.nodeType !== Node.ELEMENT_NODE || /^(style|script|template)$/.test(node.localName)) return [];
  const style = getComputedStyle(node);
  if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return [];
  if (node.localName === "svg") return [vector(node, at)];
  const made = style.display === "contents" ? [] : box(node, style, at);
  if (node.localName === "img" && node.naturalWidth) made.push(image(node, node.currentSrc || node.src, at, style.objectFit));
  if (node.localName === "canvas" && node.width) made.push(image(node, node.toDataURL(), at));
  const inside = node.localName === "slot" ? node.assignedNodes() : (node.shadowRoot ?? node).childNodes;
  const drawn = [...inside].flatMap((one) => walk(one, at, defs));
  if (drawn.length && style.overflow !== "visible" && style.display !== "inline") made.push(clipped(node, drawn, at, defs));
  else made.push(...drawn);
  return style.opacity === "1" ? made : [shape("g", { opacity: style.opacity }, made)];
}

function clipped(node, drawn, at, defs) {
  const b = node.getBoundingClientRect(), id = `c${defs.childElementCount}`;
  const whole = { x: round(b.left - at.left), y: round(b.top - at.top), width: round(Math.max(b.width, node.scrollWidth)), height: round(Math.max(b.height, 0)) };
  defs.append(shape("clipPath", { id }, [shape("rect", whole)]));
  return shape("g", { "clip-path": `url(#${id})` }, drawn);
}

// An SVG of a node on its page's own paper; a wide one that scrolls is as wide as what it holds.
function svgOf(node, paper) {
  const bounds = node.getBoundingClientRect(), edge = 12;
  const at = { left: bounds.left - edge, top: bounds.top - edge };
  const width = Math.ceil(Math.max(bounds.width, node.scrollWidth ?? 0)) + 2 * edge, height = Math.ceil(bounds.height) + 2 * edge;
  const defs = shape("defs", {});
  const drawn = walk(node, at, defs);
  const root = shape("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` }, [defs, shape("rect", { width, height, fill: paper }), ...drawn]);
  return new XMLSerializer().serializeToString(root);
}

// The same at twice its size in pixels.
async function pngOf(svg, scale = 2) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth * scale;
  canvas.height = picture.naturalHeight * scale;
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((made) => canvas.toBlob(made, "image/png"));
}

// A chart draws itself: Plotly's own way, on the page's paper, which it has none of on the page.
function chartFile(node, format, filename, paper) {
  const context = node._context, layout = node.layout, before = layout.paper_bgcolor;
  context.toImageButtonOptions = { format, filename, scale: format === "png" ? 2 : 1, width: node.clientWidth, height: node.clientHeight };
  layout.paper_bgcolor = paper;
  node.querySelector('.modebar-btn[data-attr], .modebar-btn').click();
  layout.paper_bgcolor = before;
}
