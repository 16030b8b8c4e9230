// Opens a report in headless Chromium, over its DevTools protocol on a pipe, and says as JSON what a person would find:
// errors, requests, axe-core's findings, what the keyboard reaches, whether tables sort. With a third argument, a folder,
// it leaves pictures there.
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { withBrowser } = require('./browser.js');

const [page, axe, pictures] = process.argv.slice(2);
const DESKTOP = { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false };
const NARROW = { width: 390, height: 844, deviceScaleFactor: 2, mobile: true };
const TABS_MAX = 2000;

async function picture(browser, name) {
  if (!pictures) return;
  const { cssContentSize: { width, height } } = await browser.send('Page.getLayoutMetrics');
  const { data } = await browser.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width, height, scale: 1 } });
  writeFileSync(path.join(pictures, `${name}.png`), Buffer.from(data, 'base64'));
}

async function look(browser) {
  const said = { errors: [], requests: [], axe: {}, overflow: {} };
  const url = `file://${path.resolve(page)}`;
  browser.listeners.push(({ method, params }) => {
    if (method === 'Runtime.exceptionThrown') said.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) said.errors.push(params.args.map(one => one.value ?? one.description).join(' '));
    if (method === 'Log.entryAdded') said.errors.push(params.entry.text);
    if (method === 'Page.javascriptDialogOpening') said.errors.push(`a dialog: ${params.message}`);
    if (method === 'Network.requestWillBeSent' && params.request.url !== url) said.requests.push(params.request.url);
  });
  await browser.begin('Page', 'Runtime', 'Log', 'Network');

  for (const scheme of ['light', 'dark']) {
    for (const [name, screen] of [['desktop', DESKTOP], ['narrow', NARROW]]) {
      await browser.open(url, screen, scheme);
      said.overflow[`${name} ${scheme}`] = await browser.run('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      await picture(browser, `${name}-${scheme}`);
      await browser.run(readFileSync(axe, 'utf8'));
      said.axe[`${name} ${scheme}`] = await browser.run(`axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.map(one => \`\${one.id}: \${one.nodes.slice(0, 3).map(node => node.target.join(' ') + ' ' + node.failureSummary).join('; ')}\`))`);
    }
  }

  await browser.open(url, DESKTOP, 'light');
  said.scripts = await browser.run('document.scripts.length');
  said.links = await browser.run(`[...document.querySelectorAll('a')].map(one => one.href).filter(href => !href.startsWith(${JSON.stringify(url)} + '#'))`);
  said.named = await browser.run(`[...document.querySelectorAll('tbody th')].map(one => one.firstChild?.textContent ?? '')`);
  // Parts as the contents lead to them, each with its text.
  said.parts = await browser.run(`Object.fromEntries([...document.querySelectorAll('nav a')].map(one => [one.hash.slice(1), document.getElementById(one.hash.slice(1))?.innerText ?? null]))`);
  said.tables = await sorted(browser);
  said.charts = await browser.run(`[...document.querySelectorAll('figure.chart')].map(one => one.id)`);
  Object.assign(said, await byKeyboard(browser));

  await browser.send('Emulation.setEmulatedMedia', { media: 'print' });
  const { data } = await browser.send('Page.printToPDF', { printBackground: true, preferCSSPageSize: true });
  const pdf = Buffer.from(data, 'base64');
  said.print_pages = (pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length;
  if (pictures) writeFileSync(path.join(pictures, 'print.pdf'), pdf);
  await browser.send('Emulation.setDeviceMetricsOverride', { ...DESKTOP, width: 794 });
  await picture(browser, 'print');
  return said;
}

// Each column that sorts, pressed twice: its keys in both orders.
function sorted(browser) {
  return browser.run(`[...document.querySelectorAll('table.sortable')].map(table => ({
    rows: table.tBodies[0].rows.length,
    columns: [...table.querySelectorAll('th button')].map(button => {
      const head = button.closest('th'), column = Number(head.dataset.column), keys = () => [...table.tBodies[0].rows].map(row => column === 0 ? (row.cells[0].dataset.value ?? row.cells[0].textContent) : Number(row.cells[column]?.dataset.value));
      const press = () => { button.click(); return [head.getAttribute('aria-sort'), keys()]; };
      return { name: button.textContent, orders: [press(), press()] };
    }),
  }))`);
}

// From the top with Tab alone: what is reached, and what the arrow keys read there.
async function byKeyboard(browser) {
  const reached = [], reads = {};
  await browser.run('document.activeElement.blur(); scrollTo(0, 0)');
  for (let pressed = 0; pressed < TABS_MAX; pressed += 1) {
    await browser.key('Tab', 9);
    const here = await browser.run(`(() => { const one = document.activeElement; if (one === document.body || one.dataset.seen) return null; one.dataset.seen = 1; return { tag: one.localName, role: one.getAttribute('role'), figure: one.closest('figure')?.id ?? null, outlined: getComputedStyle(one).outlineStyle !== 'none' }; })()`);
    if (here === null) break;
    reached.push(here);
    if (here.role !== 'slider') continue;
    const read = () => browser.run(`document.activeElement.getAttribute('aria-valuetext') + ' | ' + getComputedStyle(document.activeElement.parentElement.querySelector('.read')).visibility`);
    const values = [await read()];
    for (const [key, code] of [['End', 35], ['ArrowLeft', 37], ['ArrowUp', 38], ['Home', 36]]) {
      await browser.key(key, code);
      values.push(await read());
    }
    reads[here.figure] = values;
  }
  return { reached, reads };
}

withBrowser(look);
