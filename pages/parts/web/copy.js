// Copies the address of the view. Where the browser blocks the clipboard (plain http), it shows the address, selected.
export default function (component) {
  const { data, parentElement } = component;
  if (parentElement.__chip) return;
  const chip = (parentElement.__chip = document.createElement("button"));
  chip.type = "button";
  chip.className = "chip";
  const icon = document.createElement("span"), words = document.createElement("span");
  icon.className = "icon";
  icon.setAttribute("aria-hidden", "true");
  icon.textContent = "link";
  words.textContent = data.label;
  chip.append(icon, words);
  const said = document.createElement("div");
  said.className = "said";
  said.setAttribute("role", "status");
  parentElement.append(chip, said);
  let timer = 0;
  chip.addEventListener("click", async () => {
    clearTimeout(timer);
    said.replaceChildren();
    try {
      await navigator.clipboard.writeText(window.location.href);
      words.textContent = "Copied";
      icon.textContent = "check";
      chip.dataset.tone = "good";
      timer = setTimeout(() => { words.textContent = data.label; icon.textContent = "link"; delete chip.dataset.tone; }, 1800);
    } catch {
      const field = document.createElement("input");
      field.readOnly = true;
      field.value = window.location.href;
      field.setAttribute("aria-label", "Address of this view");
      said.append("Press Ctrl+C to copy:", field);
      field.select();
    }
  });
  return () => clearTimeout(timer);
}
