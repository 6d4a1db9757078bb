// On a phone the menu lies over the page: a choice folds it, as its own button does.
const OVER = 768;  // Streamlit lays its sidebar over narrower pages

export default function () {
  if (window.lookalikeMenu) return;
  window.lookalikeMenu = true;
  document.addEventListener("click", (event) => {
    if (window.innerWidth > OVER || !event.target.closest?.('section[data-testid="stSidebar"] a')) return;
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  });
}
