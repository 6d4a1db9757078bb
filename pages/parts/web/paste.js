// Takes a picture from the clipboard: Ctrl+V anywhere on the page, or the button where the browser allows reading.
const LIMIT = 25 * 1024 * 1024;
const SIDE = 1600;

async function shrink(blob) {
  if (blob.size > LIMIT) throw new Error("The picture in the clipboard has more than 25 MB. Save a smaller copy and upload it.");
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error("The clipboard holds a picture that this browser can't read. Save it as a file and upload it.");
  }
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const paper = canvas.getContext("2d");
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const url = canvas.toDataURL("image/png");
  return url.length < 4e6 ? url : canvas.toDataURL("image/jpeg", 0.92);
}

function typing(target) {
  return target instanceof Element && target.closest("input, textarea, [contenteditable=true]");
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let state = parentElement.__paste;
  if (!state) {
    state = parentElement.__paste = { chip: document.createElement("button"), said: document.createElement("div") };
    state.chip.type = "button";
    state.chip.className = "chip";
    state.chip.textContent = data.label;
    state.chip.title = "Ctrl+V anywhere on the page does the same";
    state.said.className = "said";
    state.said.setAttribute("role", "status");
    parentElement.append(state.chip, state.said);
  }
  state.send = setTriggerValue;
  const say = (text) => { state.said.textContent = text; };
  const take = async (blob) => {
    try {
      const url = await shrink(blob);
      say("");
      state.send("pasted", url);
    } catch (error) {
      say(error.message);
    }
  };
  const onPaste = (event) => {
    const files = [...(event.clipboardData?.items || [])].filter((item) => item.kind === "file");
    const found = files.find((item) => item.type.startsWith("image/"));
    if (!found) {
      if (!typing(event.composedPath()[0])) say("The clipboard holds no picture. Copy one first, then press Ctrl+V.");
      return;
    }
    event.preventDefault();
    take(found.getAsFile());
  };
  const onClick = async () => {
    try {
      const entries = await navigator.clipboard.read();
      for (const entry of entries) {
        const type = entry.types.find((name) => name.startsWith("image/"));
        if (type) return take(await entry.getType(type));
      }
      say("The clipboard holds no picture. Copy one first, then press Ctrl+V.");
    } catch {
      say("Press Ctrl+V (⌘V on a Mac) to paste the copied picture.");
    }
  };
  document.addEventListener("paste", onPaste);
  state.chip.addEventListener("click", onClick);
  return () => {
    document.removeEventListener("paste", onPaste);
    state.chip.removeEventListener("click", onClick);
  };
}
