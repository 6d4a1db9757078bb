// The mark of an encoder: one shape in one colour, from its name. Used by every component that names an encoder.
function drawMark(mark) {
  const space = "http://www.w3.org/2000/svg";
  const box = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  box.setAttribute("viewBox", "0 0 12 12");
  box.setAttribute("class", "shape");
  box.setAttribute("aria-hidden", "true");
  path.setAttribute("d", mark.path);
  path.setAttribute("fill", mark.colour);
  box.append(path);
  return box;
}
