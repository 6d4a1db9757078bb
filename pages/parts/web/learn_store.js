// What a student has done in the lessons, kept in this browser alone: lesson -> { predictions: { query: right }, answers: { place: option } }.
const KEY = "lookalike.learn", CHANGED = "lookalike-learn";

function progress() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch { // a browser that keeps nothing: the page alone remembers
    return window.__lookalikeLearn ?? {};
  }
}

function keep(all) {
  window.__lookalikeLearn = all;
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch { /* kept for this page */ }
  window.dispatchEvent(new CustomEvent(CHANGED));
}

function done(lesson) {
  return { predictions: {}, answers: {}, ...progress()[lesson] };
}

function note(lesson, part, name, value) {
  const own = done(lesson);
  if (own[part][name] === value) return;
  own[part] = { ...own[part], [name]: value };
  keep({ ...progress(), [lesson]: own });
}

// none, begun or finished: a prediction made and every question answered
function stateOf(lesson, questions) {
  const own = done(lesson), answered = Object.keys(own.answers).length, predicted = Object.keys(own.predictions).length;
  if (predicted && answered >= questions) return "finished";
  return predicted || answered ? "begun" : "none";
}

function watch(parent, draw) {
  window.removeEventListener(CHANGED, parent.__drawn);
  parent.__drawn = draw;
  window.addEventListener(CHANGED, draw);
  draw();
  return () => window.removeEventListener(CHANGED, draw);
}

function made(kind, className, text) {
  const element = document.createElement(kind);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
