// "Why this hit?": the panel of a hit that is opened large. What is open is the page's to know, so that its link says it.
const WHY_AGAIN_MS = 4000;

function whyKey(state) {
  return state.why && state.opened ? `${state.why.method}|${state.opened.key}|${state.opened.id}` : "";
}

function whyKnown(state) {
  return state.why ? state.explained.get(whyKey(state)) : undefined;
}

// Say what is open; said again where the page did not hear it, as a click that falls into a run of it may get lost.
function tellWhy(state, tries = 6) {
  clearTimeout(state.whyTimer);
  const key = whyKey(state);
  state.linked = key || state.linked;
  state.whyTold = key;
  state.send("why", key);
  state.whyTimer = setTimeout(() => { if (tries && whyKey(state) === key && state.data.why.open !== key) tellWhy(state, tries - 1); }, WHY_AGAIN_MS);
}

function whyButton(state) {
  const button = press("action quiet", "Why this hit?", "", () => {
    state.why = state.why ? null : { method: "", plain: false };
    tellWhy(state);
    drawDetail(state);
    state.dialog.querySelector(".whybutton")?.focus();
  });
  button.classList.add("whybutton");
  button.setAttribute("aria-pressed", String(Boolean(state.why)));
  return button;
}

// A link that was opened, or gone back to, says which explanation is open.
function followWhy(state, why) {
  if (why?.known) state.explained.set(why.known.key, why.known);
  if (state.whyTold === (why?.open ?? "")) state.whyTold = null;  // heard; anything older says nothing of what is open now
  const left = state.why && state.whyHeard === whyKey(state) && (state.whyTold ?? null) === null;
  state.whyHeard = why?.open ?? "";
  if (!why?.open) {
    state.linked = "";
    if (left) { state.why = null; drawDetail(state); }  // gone back from
    return;
  }
  if (left ? why.open === whyKey(state) : state.opened || state.linked === why.open) return;
  const [method, key, ...rest] = why.open.split("|");
  const id = rest.join("|");
  const column = state.data.columns.find((one) => one.key === key);
  if (!column?.hits?.some((hit) => hit.id === id)) return;
  state.linked = why.open;
  state.why = { method, plain: false };
  openDetail(state, id, key);
}

// Both pictures with their maps, in place of the plain ones.
function whySides(state, known, sides) {
  if (!known || known.failed) return;
  const stages = ["query", "hit"].map((name, at) => {
    const old = sides.children[at].querySelector("img");
    const box = stage(known[name], old?.alt ?? name);
    sides.children[at].querySelector(".shot").replaceWith(box);
    return box;
  });
  sides.classList.toggle("plain", Boolean(state.why.plain));
  for (const block of known.blocks) {
    if (block.kind === "lines") strung(sides, stages, block);
    if (block.kind === "dots") ["query", "hit"].forEach((name, at) => dotted(stages[at], block[name]));
  }
  return stages;
}

function whyPanel(state, known, stages) {
  const panel = make("section", "why");
  panel.setAttribute("aria-label", "Why this hit?");
  panel.setAttribute("aria-busy", String(!known));
  if (!known) {
    panel.append(make("p", "quiet", "Working it out …"));
    return panel;
  }
  if (known.failed) {
    const words = make("p", "failed", known.failed);
    words.setAttribute("role", "alert");
    panel.append(words, make("p", "quiet", known.message));
    return panel;
  }
  const said = make("p", "about", known.about);
  said.setAttribute("aria-live", "polite");
  if (known.links && stages) linked(stages, known.links, (words) => { said.textContent = words || known.about; });
  panel.append(whyTop(state, known), said);
  const tested = make("div", known.weak ? "tested weak" : "tested");
  for (const words of known.remarks) tested.append(make("p", "", words));
  const facts = make("div", "told");
  facts.append(pairs([["Score", known.score], ...known.facts]), tested);
  panel.append(facts, ...known.blocks.map((block) => DRAWN[block.kind](block)));
  return panel;
}

function whyTop(state, known) {
  const top = make("div", "whytop");
  const choices = make("div", "sizes");
  choices.setAttribute("role", "radiogroup");
  choices.setAttribute("aria-label", "How it is explained");
  for (const [name, title, about] of known.methods) {
    const choice = press("size", title, about, () => { state.why = { ...state.why, method: name }; tellWhy(state); drawDetail(state); });
    choice.setAttribute("role", "radio");
    choice.setAttribute("aria-checked", String(known.method === name));
    choice.setAttribute("aria-label", title);
    choices.append(choice);
  }
  top.append(choices);
  if (known.query.map || known.hit.map) {
    const veil = press("quietly", state.why.plain ? "Show what counts" : "Show the plain pictures", "", () => {
      state.why.plain = !state.why.plain;
      drawDetail(state);
      state.dialog.querySelector(".whytop .quietly")?.focus();
    });
    top.append(veil);
  }
  const hints = make("span", "quiet");
  if (known.query.map || known.hit.map) hints.append("The thin line goes round the fifth that counts most. ");
  if (known.links) hints.append(make("span", "hover", "Point at a region to see its counterpart."));
  if (hints.hasChildNodes()) top.append(hints);
  return top;
}
