// The questions of a lesson: an answer is explained at once, and kept in this browser.
function option(question, place, text, chosen, choose) {
  const button = made("button", "option"), picked = chosen === place;
  button.type = "button";
  button.setAttribute("aria-pressed", String(picked));
  const right = place === question.right;
  const verdict = chosen === undefined ? "" : right ? "right" : picked ? "wrong" : "";
  if (verdict) button.dataset.verdict = verdict;
  button.append(made("i", "letter", verdict === "right" ? "✓" : verdict === "wrong" ? "✕" : "ABCDEF"[place]), made("span", "", text));
  button.addEventListener("click", () => choose(place));
  return button;
}

function asked(lesson, question, number) {
  const chosen = done(lesson).answers[number], part = made("section");
  const options = made("div", "options");
  options.setAttribute("role", "group");
  options.setAttribute("aria-label", question.ask);
  options.append(...question.options.map((text, place) => option(question, place, text, chosen, (at) => note(lesson, "answers", number, at))));
  part.append(made("p", "ask", `${number + 1}. ${question.ask}`), options);
  const why = made("p", "why");
  why.setAttribute("role", "status");
  if (chosen !== undefined) why.append(made("b", chosen === question.right ? "right" : "wrong", chosen === question.right ? "Right. " : "Not quite. "), question.why);
  part.append(why);
  return part;
}

export default function (component) {
  const { data, parentElement } = component;
  let home = parentElement.querySelector(".quiz");
  if (!home) parentElement.append((home = made("div", "quiz")));
  return watch(parentElement, () => {
    const buttons = () => [...home.querySelectorAll("button")];
    const held = buttons().indexOf(parentElement.getRootNode().activeElement);
    home.replaceChildren(...data.questions.map((question, number) => asked(data.lesson, question, number)));
    if (held >= 0) buttons()[held]?.focus();
  });
}
