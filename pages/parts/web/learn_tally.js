// How the predictions of a lesson went so far; an outcome that is told is kept in this browser.
export default function (component) {
  const { data, parentElement } = component;
  let home = parentElement.querySelector(".tally");
  if (!home) parentElement.append((home = made("div", "tally")));
  if (data.outcome) note(data.lesson, "predictions", data.outcome.query, data.outcome.right);
  return watch(parentElement, () => {
    const made_ = Object.values(done(data.lesson).predictions), right = made_.filter(Boolean).length;
    home.textContent = made_.length ? `Your predictions in this lesson: ${right} of ${made_.length} right.` : data.empty;
  });
}
