// On a phone the menu lies over the page: a choice folds it, as its own button does. And the menu, which every page has, tells when the system goes from
// dark to light or back: what the server draws (charts, maps) has the colours of the theme that it was asked in.
const OVER = 768;  // Streamlit lays its sidebar over narrower pages
const THEMED_MS = 200;  // Streamlit hears of it too, and says the new theme with whatever is sent after that

// One step of a person is one step of Back. Streamlit makes an entry of the address's parameters, another one of its page, and another one when the page has
// said its whole link: Back then led to the same page again, or to the parameters of one page on another.
function oneStepEach() {
  const push = history.pushState;
  let used = false;
  for (const name of ["pointerdown", "click", "keydown", "drop", "paste"]) window.addEventListener(name, () => { used = true; }, true);
  window.addEventListener("popstate", () => { used = false; }, true);
  history.pushState = function (...entry) {
    (used ? push : history.replaceState).apply(history, entry);
    used = false;
  };
}

// What Streamlit says of a server that does not answer names itself and asks for the internet, on one's own machine, too.
const AWAY = {
  "Connection error": "No connection",
  "Streamlit server is not responding. Are you connected to the internet?":
    "Lookalike does not answer. What is shown here stays, jobs that run go on, and so does this page by itself once the connection is back.",
};

function sayAway() {
  const inOurWords = () => {
    for (const dialog of document.querySelectorAll("body > .stDialog")) {
      const texts = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); text; text = texts.nextNode()) if (AWAY[text.data]) text.data = AWAY[text.data];
    }
  };
  new MutationObserver(inOurWords).observe(document.body, { childList: true });
}

// A field says what was typed once it is left. A tap leaves it and opens the other page in one moment: the field, heard last, would bring its page back.
const LEFT_MS = 150;

function typedFirst() {
  let left = -Infinity;
  document.addEventListener("focusout", (event) => { if (event.target.matches?.("input, textarea")) left = performance.now(); }, true);
  window.addEventListener("click", (event) => {
    const link = event.target.closest?.('section[data-testid="stSidebar"] a');
    if (!link || performance.now() - left > LEFT_MS || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    setTimeout(() => link.click(), LEFT_MS + 10);
  }, true);
}

export default function ({ setTriggerValue }) {
  const menu = (window.lookalikeMenu ??= {});
  menu.send = setTriggerValue;
  if (menu.listens) return;
  menu.listens = true;
  oneStepEach();
  typedFirst();
  sayAway();
  document.addEventListener("click", (event) => {
    if (window.innerWidth > OVER || !event.target.closest?.('section[data-testid="stSidebar"] a')) return;
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (now) => setTimeout(() => menu.send("themed", now.matches), THEMED_MS));
}
