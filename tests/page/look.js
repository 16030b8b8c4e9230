// Opens a report in headless Chromium, over its DevTools protocol on a pipe, and says as JSON what a person would find:
// errors, requests, axe-core's findings, what the keyboard reaches, whether tables sort. With a third argument, a folder,
// it leaves pictures there.
'use strict';
const { spawn } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const [page, axe, pictures] = process.argv.slice(2);
const DESKTOP = { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false };
const NARROW = { width: 390, height: 844, deviceScaleFactor: 2, mobile: true };
const TABS_MAX = 2000;

class Browser {
  constructor(profile) {
    const flags = ['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${profile}`, '--no-first-run', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars', 'about:blank'];
    this.process = spawn('chromium', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    [this.number, this.waiting, this.listeners, this.rest] = [0, new Map(), [], ''];
    this.ended = new Promise(end => this.process.on('exit', end));
    this.process.stdio[4].setEncoding('utf8').on('data', text => this.take(text));
  }

  take(text) {
    const messages = (this.rest + text).split('\0');
    this.rest = messages.pop();
    for (const message of messages.map(JSON.parse)) {
      const waiting = this.waiting.get(message.id);
      if (!waiting) { this.listeners.forEach(listener => listener(message)); continue; }
      this.waiting.delete(message.id);
      if (message.error) waiting.reject(new Error(JSON.stringify(message.error))); else waiting.resolve(message.result);
    }
  }

  send(method, params = {}, sessionId = this.session) {
    const id = ++this.number;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  event(name) {
    return new Promise(resolve => {
      const listener = message => {
        if (message.method !== name) return;
        this.listeners.splice(this.listeners.indexOf(listener), 1);
        resolve(message.params);
      };
      this.listeners.push(listener);
    });
  }

  async run(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression.slice(0, 80)}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  async key(key, code = 0) {
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key, windowsVirtualKeyCode: code });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode: code });
  }

  async open(url, screen, scheme) {
    await this.send('Emulation.setDeviceMetricsOverride', screen);
    await this.send('Emulation.setEmulatedMedia', { media: 'screen', features: [{ name: 'prefers-color-scheme', value: scheme }] });
    const loaded = this.event('Page.loadEventFired');
    await this.send('Page.navigate', { url });
    await loaded;
  }

  async picture(name) {
    if (!pictures) return;
    const { cssContentSize: { width, height } } = await this.send('Page.getLayoutMetrics');
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width, height, scale: 1 } });
    writeFileSync(path.join(pictures, `${name}.png`), Buffer.from(data, 'base64'));
  }
}

async function look(browser) {
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' }, undefined);
  browser.session = (await browser.send('Target.attachToTarget', { targetId, flatten: true }, undefined)).sessionId;
  const said = { errors: [], requests: [], axe: {}, overflow: {} };
  const url = `file://${path.resolve(page)}`;
  browser.listeners.push(({ method, params }) => {
    if (method === 'Runtime.exceptionThrown') said.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) said.errors.push(params.args.map(one => one.value ?? one.description).join(' '));
    if (method === 'Log.entryAdded') said.errors.push(params.entry.text);
    if (method === 'Page.javascriptDialogOpening') said.errors.push(`a dialog: ${params.message}`);
    if (method === 'Network.requestWillBeSent' && params.request.url !== url) said.requests.push(params.request.url);
  });
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.send(`${domain}.enable`);

  for (const scheme of ['light', 'dark']) {
    for (const [name, screen] of [['desktop', DESKTOP], ['narrow', NARROW]]) {
      await browser.open(url, screen, scheme);
      said.overflow[`${name} ${scheme}`] = await browser.run('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      await browser.picture(`${name}-${scheme}`);
      await browser.run(readFileSync(axe, 'utf8'));
      said.axe[`${name} ${scheme}`] = await browser.run(`axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.map(one => \`\${one.id}: \${one.nodes.slice(0, 3).map(node => node.target.join(' ') + ' ' + node.failureSummary).join('; ')}\`))`);
    }
  }

  await browser.open(url, DESKTOP, 'light');
  said.scripts = await browser.run('document.scripts.length');
  said.links = await browser.run(`[...document.querySelectorAll('a')].map(one => one.href).filter(href => !href.startsWith(${JSON.stringify(url)} + '#'))`);
  said.named = await browser.run(`[...document.querySelectorAll('tbody th')].map(one => one.firstChild?.textContent ?? '')`);
  said.tables = await sorted(browser);
  said.charts = await browser.run(`[...document.querySelectorAll('figure.chart')].map(one => one.id)`);
  Object.assign(said, await byKeyboard(browser));

  await browser.send('Emulation.setEmulatedMedia', { media: 'print' });
  const { data } = await browser.send('Page.printToPDF', { printBackground: true, preferCSSPageSize: true });
  const pdf = Buffer.from(data, 'base64');
  said.print_pages = (pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length;
  if (pictures) writeFileSync(path.join(pictures, 'print.pdf'), pdf);
  await browser.send('Emulation.setDeviceMetricsOverride', { ...DESKTOP, width: 794 });
  await browser.picture('print');
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

const profile = mkdtempSync(path.join(tmpdir(), 'reenact-page-'));
const browser = new Browser(profile);
look(browser).then(said => console.log(JSON.stringify(said)), error => { console.error(error); process.exitCode = 1; }).finally(async () => {
  browser.process.kill();
  await browser.ended;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
});
