// Only comfort: read-outs under the pointer (or the arrow keys) and tables that sort. All is on the page without it.
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);

const digits = value => value.toLocaleString('en', { maximumFractionDigits: value < 9.995 ? 2 : value < 99.95 ? 1 : 0 });
const time = us => us < 999.5 ? `${digits(us)} µs` : us < 999500 ? `${digits(us / 1e3)} ms` : `${digits(us / 1e6)} s`;
const say = { us: time, per_s: value => `${digits(value)}/s`, percent: value => `${digits(value)} %` };

for (const chart of data.charts) readOut(chart, document.getElementById(chart.id));
for (const table of document.querySelectorAll('table.endpoints')) sortable(table);

function readOut(chart, figure) {
  const svg = figure.querySelector('svg.frame'), plot = figure.querySelector('.plot');
  if (!svg) return;
  const hair = svg.querySelector('.hair'), box = document.createElement('div'), last = chart.t_s.length - 1;
  let at = -1;
  box.className = 'read';
  box.hidden = true;
  box.setAttribute('role', 'status');
  plot.append(box);

  const show = number => {
    at = Math.max(0, Math.min(last, number));
    const from = chart.t_s[at], share = (at + 0.5) / (last + 1);
    const head = document.createElement('b');
    head.textContent = chart.width_s > 1 ? `${from.toLocaleString('en')} s and the ${chart.width_s} s from there` : `second ${from.toLocaleString('en')}`;
    box.replaceChildren(head, ...chart.series.map(one => {
      const row = document.createElement('div'), name = document.createElement('span'), value = document.createElement('i');
      name.textContent = one.name;
      value.textContent = one.values[at] === null ? '–' : say[chart.unit](one.values[at]);
      value.style.fontStyle = 'normal';
      row.append(name, value);
      return row;
    }));
    hair.setAttribute('x1', `${share * 100}%`);
    hair.setAttribute('x2', `${share * 100}%`);
    hair.style.visibility = 'visible';
    box.hidden = false;
    const x = svg.getBoundingClientRect().left - plot.getBoundingClientRect().left + share * svg.clientWidth;
    box.style.left = `${share < 0.5 ? x + 12 : x - 12 - box.offsetWidth}px`;
  };
  const hide = () => { at = -1; box.hidden = true; hair.style.visibility = 'hidden'; };

  plot.addEventListener('pointermove', event => {
    const frame = svg.getBoundingClientRect();
    show(Math.floor((event.clientX - frame.left) / frame.width * (last + 1)));
  });
  plot.addEventListener('pointerleave', hide);
  svg.setAttribute('tabindex', '0');
  svg.addEventListener('blur', hide);
  svg.addEventListener('keydown', event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === 'Escape') hide();
    if (!step) return;
    event.preventDefault();
    show(at < 0 ? 0 : at + step);
  });
}

function sortable(table) {
  const body = table.tBodies[0];
  for (const head of table.querySelectorAll('th[data-column]')) {
    const button = document.createElement('button'), column = Number(head.dataset.column);
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') === 'descending' || (column === 0 && !head.hasAttribute('aria-sort'));
      for (const other of table.querySelectorAll('th[aria-sort]')) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const key = row => row.cells[column]?.dataset.value ?? row.cells[column]?.textContent ?? '';
      const order = (a, b) => column === 0 ? key(a).localeCompare(key(b)) : key(a) - key(b);
      body.append(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
    });
  }
}
