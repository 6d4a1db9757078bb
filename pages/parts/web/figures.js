// Saves every chart, board and table that stands on the page. Nothing is asked of the server: what is saved is what is seen.
const PICTURES = ["SVG", "PNG"], TABLES = ["CSV", "JSON", "LaTeX", "Markdown"];
const ENDINGS = { SVG: "svg", PNG: "png", CSV: "csv", JSON: "json", LaTeX: "tex", Markdown: "md" };
const TYPES = { SVG: "image/svg+xml", CSV: "text/csv", JSON: "application/json", LaTeX: "text/x-tex", Markdown: "text/markdown" };
const MAKERS = { CSV: csv, JSON: json, LaTeX: latex, Markdown: markdown };

function keep(file, filename, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file instanceof Blob ? file : new Blob([file], { type }));
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const slug = (words) => words.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60);

async function save(figure, form, page) {
  const filename = slug(`${page} ${figure.name}`), paper = getComputedStyle(document.querySelector(".stApp")).backgroundColor;
  if (form in MAKERS) return keep(MAKERS[form](numbers(figure), figure.name, location.href), `${filename}.${ENDINGS[form]}`, TYPES[form]);
  if (figure.kind === "chart") return chartFile(figure.node, ENDINGS[form], filename, paper);
  const svg = svgOf(figure.node, paper);
  keep(form === "SVG" ? svg : await pngOf(svg), `${filename}.${ENDINGS[form]}`, TYPES[form]);
}

function row(figure, page) {
  const made = document.createElement("div");
  made.className = "figure";
  made.setAttribute("role", "group");
  const name = document.createElement("b");
  name.textContent = figure.name;
  made.append(name);
  made.setAttribute("aria-label", figure.name);
  for (const form of [...PICTURES, ...(figure.kind !== "board" || figure.node.dataset.numbers ? TABLES : [])]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = form;
    button.addEventListener("click", () => save(figure, form, page));
    made.append(button);
  }
  return made;
}

function open(panel, chip, page) {
  const found = find(document.querySelector(".stMainBlockContainer"));
  const said = document.createElement("p");
  said.textContent = found.length ? "As they stand on the page now; PNG at twice their size." : "No chart and no table stands on this page now.";
  panel.replaceChildren(said, ...found.map((figure) => row(figure, page)));
  panel.showPopover();
  const b = chip.getBoundingClientRect(), wide = panel.offsetWidth;
  panel.style.left = `${Math.max(8, Math.min(b.right - wide, innerWidth - wide - 8))}px`;
  panel.style.top = `${b.bottom + 6}px`;
  panel.style.maxHeight = `${innerHeight - b.bottom - 20}px`;
}

export default function (component) {
  const { data, parentElement } = component;
  let chip = parentElement.querySelector(".chip");
  if (!chip) {
    chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    const icon = document.createElement("span"), words = document.createElement("span");
    icon.className = "icon";
    icon.setAttribute("aria-hidden", "true");
    icon.textContent = "image";
    words.textContent = "Figures";
    chip.append(icon, words);
    chip.title = "Save the charts and tables of this page";
    chip.setAttribute("aria-haspopup", "dialog");
    const panel = document.createElement("div");
    panel.className = "figures";
    panel.setAttribute("popover", "auto");
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", "Save charts and tables");
    chip.addEventListener("click", () => (panel.matches(":popover-open") ? panel.hidePopover() : open(panel, chip, parentElement.__page)));
    parentElement.append(chip, panel);
  }
  parentElement.__page = data.page;
}
