// Works from a file, without a network: hover or focus lights up the same picture in all columns, a click on a head sorts.
for (const hit of document.querySelectorAll('.hit[data-id]')) {
  const light = (on) => document.querySelectorAll('.hit[data-id]').forEach((one) => {
    if (one.dataset.id === hit.dataset.id) one.classList.toggle('lit', on);
  });
  hit.addEventListener('mouseenter', () => light(true));
  hit.addEventListener('mouseleave', () => light(false));
  hit.addEventListener('focus', () => light(true));
  hit.addEventListener('blur', () => light(false));
}

const value = (cell) => {
  const said = cell.firstChild?.nodeType === Node.COMMENT_NODE ? cell.firstChild.data : cell.textContent.trim();
  const number = parseFloat(said.replace(/,/g, ''));
  return Number.isNaN(number) ? said : number;
};
for (const head of document.querySelectorAll('thead th')) {
  head.tabIndex = 0;
  const sort = () => {
    const table = head.closest('table'), at = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute('aria-sort') !== 'descending';
    table.querySelectorAll('th[aria-sort]').forEach((one) => one.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[at]), row]);
    rows.sort(([a], [b]) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))) * (down ? -1 : 1));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  head.addEventListener('click', sort);
  head.addEventListener('keydown', (event) => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); sort(); } });
}

// What is folded away on the screen stands on paper.
const unfolded = [];
addEventListener('beforeprint', () => document.querySelectorAll('details:not([open])').forEach((one) => { one.open = true; unfolded.push(one); }));
addEventListener('afterprint', () => unfolded.splice(0).forEach((one) => { one.open = false; }));
