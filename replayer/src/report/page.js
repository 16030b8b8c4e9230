// Only comfort: read-outs under the pointer (or the arrow keys) and tables that sort. All is on the page without it.
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);

const digits = value => value.toLocaleString('en', { maximumFractionDigits: value < 9.995 ? 2 : value < 99.95 ? 1 : 0 });
const time = us => us < 999.5 ? `${digits(us)} µs` : us < 999500 ? `${digits(us / 1e3)} ms` : `${digits(us / 1e6)} s`;
const say = { us: time, per_s: value => `${digits(value)}/s`, percent: value => `${digits(value)} %`, plain: digits };
const stretch = (from, width) => width > 1 ? `${digits(from)} s and the ${digits(width)} s from there` : `second ${digits(from)}`;

for (const chart of data.charts) overTime(chart);
for (const chart of data.curves) if (chart) lines(chart, chart.at, number => chart.heads[number]);
if (data.heat) map(data.heat);
for (const table of document.querySelectorAll('table.sortable')) sortable(table);

function overTime(chart) {
  const number = chart.t_s.length;
  lines(chart, chart.t_s.map((_, at) => (at + 0.5) / number), at => stretch(chart.t_s[at], chart.width_s));
}

// Values of several lines at the same places.
function lines(chart, places, head) {
  reader(chart.id, places.length, {
    place: at => places[at],
    nearest: share => places.reduce((best, place, at) => Math.abs(place - share) < Math.abs(places[best] - share) ? at : best, 0),
    read: at => [head(at), chart.series.map(one => [one.name, one.values[at] === null ? '–' : say[chart.unit](one.values[at])])],
  });
}

// A map has two directions: up and down go through the fields of a column.
function map(heat) {
  const { columns, buckets, least } = heat;
  const middle = at => (columns[at].from + columns[at].to) / 2;
  const fullest = column => column.first + column.counts.indexOf(Math.max(...column.counts));
  const field = bucket => [buckets[bucket - least], buckets[bucket - least + 1]];
  reader(heat.id, columns.length, {
    place: middle,
    nearest: share => columns.reduce((best, _, at) => Math.abs(middle(at) - share) < Math.abs(middle(best) - share) ? at : best, 0),
    start: at => fullest(columns[at]),
    rows: [least, least + buckets.length - 2],
    row: share => Math.max(0, buckets.findLastIndex(bucket => bucket.at <= share)) + least,
    read: (at, bucket) => {
      const column = columns[at], [from, to] = field(Math.min(bucket, least + buckets.length - 2));
      return [stretch(column.t_s, heat.width_s), [
        [`${time(from.us)} to ${time(to.us)}`, digits(column.counts[bucket - column.first] ?? 0)],
        ['of', `${digits(column.counts.reduce((sum, count) => sum + count, 0))} requests`],
      ]];
    },
    spot: (at, bucket) => ({ from: columns[at].from, to: columns[at].to, low: field(bucket)[0].at, high: field(bucket)[1].at }),
  });
}

// A slider over a plot: for the pointer, the arrow keys and whoever reads the screen aloud.
function reader(id, number, plotted) {
  const figure = document.getElementById(id), svg = figure?.querySelector('svg.frame'), plot = figure?.querySelector('.plot');
  if (!svg || number === 0) return;
  const hair = svg.querySelector('.hair'), make = name => plot.appendChild(Object.assign(document.createElement('div'), { className: name }));
  const spot = make('spot'), slider = make('reader'), box = make('read');
  let at = -1, row = 0;
  box.setAttribute('aria-hidden', 'true');
  for (const [name, value] of Object.entries({ role: 'slider', tabindex: 0, 'aria-label': `Values of ${svg.querySelector('title').textContent}`, 'aria-valuemin': 0, 'aria-valuemax': number - 1, 'aria-valuenow': 0, 'aria-valuetext': 'arrow keys read values' })) slider.setAttribute(name, value);
  slider.style.height = `${svg.clientHeight}px`;

  const show = (next, nextRow) => {
    at = Math.max(0, Math.min(number - 1, next));
    if (plotted.rows) row = Math.max(plotted.rows[0], Math.min(plotted.rows[1], nextRow ?? row));
    const [head, values] = plotted.read(at, row), share = plotted.place(at);
    const title = document.createElement('b');
    title.textContent = head;
    box.replaceChildren(title, ...values.map(([name, value]) => {
      const line = document.createElement('div'), left = document.createElement('span'), right = document.createElement('span');
      left.textContent = name;
      right.textContent = value;
      line.append(left, right);
      return line;
    }));
    slider.setAttribute('aria-valuenow', at);
    slider.setAttribute('aria-valuetext', `${head}: ${values.map(([name, value]) => `${name} ${value}`).join(', ')}`);
    hair.setAttribute('x1', `${share * 100}%`);
    hair.setAttribute('x2', `${share * 100}%`);
    hair.style.visibility = 'visible';
    box.style.visibility = 'visible';
    const frame = svg.getBoundingClientRect(), left = frame.left - plot.getBoundingClientRect().left, x = left + share * frame.width;
    box.style.left = `${share < 0.5 ? x + 12 : Math.max(0, x - 12 - box.offsetWidth)}px`;
    if (plotted.spot) {
      const { from, to, low, high } = plotted.spot(at, row);
      Object.assign(spot.style, { visibility: 'visible', left: `${left + from * frame.width}px`, width: `${(to - from) * frame.width}px`, top: `${svg.getBoundingClientRect().top - plot.getBoundingClientRect().top + (1 - high) * frame.height}px`, height: `${(high - low) * frame.height}px` });
    }
  };
  const hide = () => { for (const one of [box, hair, spot]) one.style.visibility = 'hidden'; };
  const begin = () => at < 0 ? show(0, plotted.start?.(0)) : show(at);

  slider.addEventListener('pointermove', event => {
    const frame = svg.getBoundingClientRect();
    show(plotted.nearest((event.clientX - frame.left) / frame.width), plotted.row?.(1 - (event.clientY - frame.top) / frame.height));
  });
  slider.addEventListener('pointerleave', () => { if (document.activeElement !== slider) hide(); });
  slider.addEventListener('focus', begin);
  slider.addEventListener('blur', hide);
  slider.addEventListener('keydown', event => {
    const along = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -number, End: number }[event.key];
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === 'Escape') hide();
    if (event.ctrlKey || event.metaKey || event.altKey || !(along || up)) return;
    event.preventDefault();
    if (up && plotted.rows) show(at, row + up); else show(at + (along ?? up), row);
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
