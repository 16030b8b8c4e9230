// Only comfort: read-outs under the pointer and tables that sort. Everything is on the page without it.
'use strict';
for (const figure of document.querySelectorAll('figure[data-chart]')) {
  const svg = figure.querySelector('svg'), hair = svg.querySelector('.hair'), out = figure.querySelector('.read');
  const chart = JSON.parse(figure.querySelector('script').textContent);
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * chart.width;
    const at = Math.round((x - chart.left) / (chart.right - chart.left) * (chart.points.length - 1));
    const point = chart.points[Math.max(0, Math.min(chart.points.length - 1, at))];
    if (!point) return;
    hair.setAttribute('x1', point.x); hair.setAttribute('x2', point.x); hair.style.visibility = 'visible';
    out.textContent = point.label;
  });
  svg.addEventListener('pointerleave', () => { hair.style.visibility = 'hidden'; out.textContent = ''; });
}
for (const head of document.querySelectorAll('th[data-sort]')) {
  head.addEventListener('click', () => {
    const body = head.closest('table').tBodies[0], column = head.cellIndex, down = head.getAttribute('aria-sort') !== 'descending';
    for (const other of head.parentNode.cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const order = (a, b) => (isNaN(key(a)) || isNaN(key(b)) ? String(key(a)).localeCompare(key(b)) : key(a) - key(b));
    [...body.rows].sort((a, b) => down ? order(b, a) : order(a, b)).forEach(row => body.append(row));
  });
}
