// The query: one picture that is a place to drop, paste or choose another one.
const LIMIT = 25 * 1024 * 1024;
const LARGE = 3 * 1024 * 1024;
const SIDE = 1600;
const TOO_LARGE = "This picture has more than 25 MB. Save a smaller copy of it.";

// A large picture is sent smaller: encoders look at a few hundred pixels. What the browser can't read goes as it is.
async function shrink(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    return null;
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

function asIs(blob) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new Error("This file can't be read. It may have moved."));
    reader.readAsDataURL(blob);
  });
}

function typing(target) {
  return target instanceof Element && target.closest("input:not([type=file]), textarea, [contenteditable=true]");
}

function node(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function begin(parentElement) {
  const state = { root: node("div", "box"), zone: node("div", "zone"), pick: node("button", "pick"), image: node("img"), over: node("span", "over", "Drop the picture here"),
    hint: node("span", "hint", "Drop, paste, click"), file: node("input"), ways: node("div", "ways"), said: node("div", "said"), asked: node("div", "ll-asked"), title: node("b"), detail: node("span") };
  state.pick.type = "button";
  state.image.draggable = false;  // a press and a move on the picture draws a box
  state.file.type = "file";
  state.file.hidden = true;
  state.said.setAttribute("role", "status");
  state.pick.append(state.image);
  beginFrames(state);
  state.zone.append(state.pick, state.sheet, state.hint, state.over);
  state.upload = node("button", "chip", "Upload");
  state.paste = node("button", "chip", "Paste");
  for (const one of [state.upload, state.paste]) one.type = "button";
  state.upload.title = "Choose a file, or drop one on the picture";
  state.paste.title = "Ctrl+V anywhere on the page does the same";
  state.ways.append(state.upload, state.paste);
  for (const one of [state.title, state.detail]) one.dir = "auto";
  state.asked.append(state.title, state.detail);
  state.root.append(state.zone, state.file, state.asked, state.parts, state.why, state.ways, state.said, state.spoken);
  parentElement.append(state.root);
  return state;
}

function taker(state) {
  const say = (text) => { state.said.textContent = text; state.root.classList.toggle("busy", text.endsWith("…")); };
  return { say, async take(blob, copied = false) {
    if (blob.size > LIMIT) return say(TOO_LARGE);
    say("Sending the picture …");
    try {
      const smaller = copied || blob.size > LARGE ? await shrink(blob) : null;
      state.send("given", smaller ?? (await asIs(blob)));
    } catch (error) {
      say(error.message);
    }
    return undefined;
  } };
}

const carries = (event) => [...(event.dataTransfer?.types || [])].some((type) => type === "Files" || type === "text/x-lookalike-item");

export default function (component) {
  const { data: [data], parentElement, setTriggerValue } = component;
  const state = (parentElement.__query ??= begin(parentElement));
  state.send = setTriggerValue;
  const { say, take } = taker(state);
  if (state.image.getAttribute("src") !== data.uri) { state.image.src = data.uri; state.serial = undefined; say(""); }
  state.image.alt = `Query: ${data.title}`;
  state.title.textContent = state.title.title = data.title;
  state.detail.textContent = data.detail.split("/").pop();
  state.detail.title = data.detail;
  state.pick.setAttribute("aria-label", `Query: ${data.title}. Choose another picture: click, drop one here, or press Ctrl+V.`);
  state.file.accept = data.types.join(",");
  if (data.turn !== state.turn) { state.turn = data.turn; say(""); }
  state.bound?.abort();  // every update comes here; listeners are not to pile up
  state.bound = new AbortController();
  const on = (target, name, act) => target.addEventListener(name, act, { signal: state.bound.signal });
  on(state.pick, "click", () => state.file.click());
  on(state.upload, "click", () => state.file.click());
  on(state.file, "change", () => { if (state.file.files[0]) take(state.file.files[0]); state.file.value = ""; });
  on(document, "dragover", (event) => { if (carries(event)) { event.preventDefault(); state.root.classList.add("dropping"); } });
  on(document, "dragleave", (event) => { if (!event.relatedTarget) state.root.classList.remove("dropping"); });
  on(document, "dragend", () => state.root.classList.remove("dropping"));
  on(document, "drop", (event) => {
    state.root.classList.remove("dropping");
    if (!carries(event)) return;
    const file = [...event.dataTransfer.files][0];
    const item = event.dataTransfer.getData("text/x-lookalike-item");
    if (item && !event.composedPath().includes(state.zone)) return;  // a hit is dropped on the picture, a file anywhere
    event.preventDefault();
    if (item) state.send("given", `item:${item}`);
    else if (file) take(file);
  });
  on(document, "paste", (event) => {
    const files = [...(event.clipboardData?.items || [])].filter((item) => item.kind === "file");
    const found = files.find((item) => item.type.startsWith("image/"));
    if (found) { event.preventDefault(); take(found.getAsFile(), true); }
    else if (!typing(event.composedPath()[0])) say("The clipboard holds no picture. Copy one first, then press Ctrl+V.");
  });
  on(state.paste, "click", async () => {
    try {
      for (const entry of await navigator.clipboard.read()) {
        const type = entry.types.find((name) => name.startsWith("image/"));
        if (type) return take(await entry.getType(type), true);
      }
      say("The clipboard holds no picture. Copy one first, then press Ctrl+V.");
    } catch {
      say("Press Ctrl+V (⌘V on a Mac) to paste the copied picture.");
    }
    return undefined;
  });
  drawSubject(state, data.subject, on);
  return () => state.bound.abort();
}
