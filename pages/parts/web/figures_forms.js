// A table as the files that other programs read.
const TEX = { "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", _: "\\_", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}", "<": "\\textless{}", ">": "\\textgreater{}" };
const NUMBER = /^[-+\u2212]?[\d,]*\.?\d+(e[-+]?\d+)?$/i;

// What a cell says as a number, where it is one.
function value(cell) {
  if (typeof cell === "number") return cell;
  const text = String(cell);
  return NUMBER.test(text) ? Number(text.replace(/,/g, "").replace("\u2212", "-")) : text;
}

const numeric = ({ rows }, at) => rows.length > 0 && rows.every((row) => row[at] === "" || typeof value(row[at]) === "number");

// A spreadsheet takes a text that begins so for a formula.
const safe = (text) => (typeof value(text) === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

function csv({ head, rows }) {
  const quoted = (cell) => { const text = safe(String(cell)); return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text; };
  return `\ufeff${[head, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
}

function json({ head, rows }, name, link) {
  const keys = head.map((one, at) => one || `column ${at + 1}`);
  const taken = keys.map((one, at) => (keys.indexOf(one) === at ? one : `${one} (${at + 1})`));
  return `${JSON.stringify({ name, link, rows: rows.map((row) => Object.fromEntries(taken.map((key, at) => [key, value(row[at])]))) }, null, 1)}\n`;
}

function markdown(table) {
  const cell = (one) => String(one).replace(/\|/g, "\\|");
  const line = (row) => `| ${row.map(cell).join(" | ")} |`;
  return `${[line(table.head), `|${table.head.map((_, at) => (numeric(table, at) ? "---:" : "---")).join("|")}|`, ...table.rows.map(line)].join("\n")}\n`;
}

function latex(table) {
  const cell = (one) => String(one).replace(/[&%$#_{}~^\\<>]/g, (letter) => TEX[letter]);
  const line = (row) => `${row.map(cell).join(" & ")} \\\\`;
  const form = table.head.map((_, at) => (numeric(table, at) ? "r" : "l")).join("");
  return `${[`\\begin{tabular}{${form}}`, "\\toprule", line(table.head), "\\midrule", ...table.rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n")}\n`;
}
