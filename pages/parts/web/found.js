// What a detector found after the query was drawn: the query's picture takes it from here (newestSubject in frames.js).
export default function ({ data }) {
  window.__lookalikeSubject = data;
  window.dispatchEvent(new CustomEvent("lookalike-subject"));
}
