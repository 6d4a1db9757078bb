// The exported page: what a lasso or a click selects is shown below the maps, all in the browser.
const data = JSON.parse(document.getElementById("data").textContent);
const maps = lookalikeMaps(document.getElementById("maps"));
const inside = (x, y, ring) => ring.reduce((odd, [x1, y1], i) => {
  const [x0, y0] = ring[(i || ring.length) - 1];
  return (y0 > y) !== (y1 > y) && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0 ? !odd : odd; }, false);
const show = (rows) => {
  const names = {};
  for (const row of rows) { const name = data.labels[maps.state.label[row]]; names[name] = (names[name] || 0) + 1; }
  const most = Object.entries(names).sort((a, b) => b[1] - a[1]).slice(0, 8).map(([name, n]) => `${name} ${n}`).join(", ");
  document.getElementById("said").textContent = rows.length ? `${rows.length.toLocaleString("en")} picture${rows.length > 1 ? "s" : ""} selected: ${most}` : "";
  document.getElementById("picked").replaceChildren(...rows.slice(0, 240).flatMap((row) => {
    const part = maps.sprite(row);
    if (!part) return [];
    const paper = document.createElement("canvas");
    paper.width = paper.height = 144;
    paper.title = data.names[row];
    paper.getContext("2d").drawImage(...part, 0, 0, 144, 144);
    return [paper]; }));
};
maps.state.send = (what, value) => {
  if (what === "morphed" || what === "opened") return; // there is no other page to open a picture on
  const view = maps.state.views[value.map];
  let rows = [];
  if (what === "picked") rows = value.row >= 0 ? [value.row] : [];
  else if (view) for (let row = 0; row < view.points.n; row += 1) if (inside(...maps.spot(view, row), value.polygon)) rows.push(row);
  const flags = new Uint8Array(Math.ceil(data.count / 8));
  for (const row of rows) flags[row >> 3] |= 1 << (row & 7);
  maps.state.picked = rows.length ? flags : null;
  maps.drawAll();
  show(rows);
};
maps.load(data);
