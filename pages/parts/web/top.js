// Another view of the same page begins at its top: Streamlit stays where the page was scrolled to, which is where the button of the view before was.
export default function ({ data }) {
  const before = window.__lookalikeView;
  window.__lookalikeView = data.view;
  if (before !== undefined && before !== data.view) document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
}
