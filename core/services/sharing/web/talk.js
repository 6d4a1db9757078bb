// Presents the scenes one after another, or leaves them as a page to read. R opens what a scene hides until then.
const all = [...document.querySelectorAll('.scene')];
const STEPS = { ArrowRight: 1, PageDown: 1, ' ': 1, ArrowLeft: -1, PageUp: -1 };
let now = 0;
const showing = () => document.body.classList.contains('show');

function place(at) {
  now = Math.min(Math.max(at, 0), all.length - 1);
  all.forEach((scene, number) => scene.classList.toggle('now', number === now));
  history.replaceState(null, '', `#${now + 1}`);
  if (showing()) scrollTo(0, 0); else all[now].scrollIntoView();
}

function present(on) {
  document.body.classList.toggle('show', on);
  place(now);
}

document.addEventListener('keydown', (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.('thead, summary')) return;
  const key = event.key.toLowerCase();
  if (key === 'p') present(!showing());
  else if (key === 'r') all[now].querySelectorAll('details').forEach((one) => { one.open = !one.open; });
  else if (key === 'n') document.querySelectorAll('.notes').forEach((one) => { one.hidden = !one.hidden; });
  else if (event.key === 'Escape' && showing()) present(false);
  else if (event.key === 'Home' || event.key === 'End') place(event.key === 'Home' ? 0 : all.length - 1);
  else if (event.key in STEPS && (showing() || event.key.startsWith('Arrow'))) place(now + STEPS[event.key]);
  else return;
  event.preventDefault();
});
const asked = parseInt(location.hash.slice(1), 10);
if (asked) place(asked - 1);
