// The lessons: as cards, or as a list beside a lesson. What is finished comes from this browser.
const WORDS = { none: "", begun: "begun", finished: "finished" }, SIGNS = { none: "", begun: "◐", finished: "✓" };

function entry(lesson, data, send) {
  const button = made("button", data.compact ? "row" : "card"), state = stateOf(lesson.name, lesson.questions);
  button.type = "button";
  button.dataset.state = state;
  if (lesson.name === data.here) button.setAttribute("aria-current", "page");
  const title = made("span", "title");
  title.append(made("i", "number", String(lesson.number)), made("b", "", lesson.title));
  button.append(title);
  if (!data.compact) button.append(made("span", "purpose", lesson.purpose));
  const said = made("span", "state", data.compact ? SIGNS[state] : `${SIGNS[state]} ${WORDS[state]}`.trim());
  if (data.compact && WORDS[state]) said.setAttribute("aria-label", WORDS[state]);
  if (said.textContent || data.compact) button.append(said);
  button.addEventListener("click", () => send("opened", lesson.name));
  return button;
}

function summary(lessons) {
  const finished = lessons.filter((one) => stateOf(one.name, one.questions) === "finished").length;
  const line = made("div", "summary"), track = made("div", "track"), bar = made("i");
  bar.style.width = `${(100 * finished) / Math.max(lessons.length, 1)}%`;
  track.append(bar);
  line.append(made("span", "", `${finished} of ${lessons.length} lessons finished`), track);
  if (Object.keys(progress()).length) {
    const again = made("button", "again", "Forget my progress");
    again.type = "button";
    again.addEventListener("click", () => keep({}));
    line.append(again);
  }
  return line;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let home = parentElement.querySelector(".lessons");
  if (!home) parentElement.append((home = made("div", "lessons")));
  home.classList.toggle("compact", data.compact);
  const lessons = data.groups.flatMap((group) => group.lessons);
  return watch(parentElement, () => {
    const held = parentElement.getRootNode().activeElement?.textContent;
    home.replaceChildren(summary(lessons), ...data.groups.map((group) => {
      const part = made("section");
      const grid = made("div", "grid");
      grid.append(...group.lessons.map((lesson) => entry(lesson, data, setTriggerValue)));
      part.append(made("h2", "", group.name), grid);
      return part;
    }));
    if (held) [...home.querySelectorAll("button")].find((one) => one.textContent === held)?.focus();
  });
}
