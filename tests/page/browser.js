// Headless Chromium over its DevTools protocol on a pipe.
'use strict';
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

class Browser {
  constructor(profile) {
    const flags = ['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${profile}`, '--no-first-run', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars', 'about:blank'];
    this.process = spawn('chromium', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    [this.number, this.waiting, this.listeners, this.rest] = [0, new Map(), [], ''];
    this.loaded = new Set();
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

  // To be called once, before anything is loaded.
  async begin(...domains) {
    this.listeners.push(({ method, params }) => { if (method === 'Page.lifecycleEvent' && params.name === 'load') this.loaded.add(params.loaderId); });
    for (const domain of domains) await this.send(`${domain}.enable`);
    await this.send('Page.setLifecycleEventsEnabled', { enabled: true });
  }

  // When a document for which this is true has been loaded. A document is known by its loader: the load event of the empty page
  // may come as late as that of the page that takes its place.
  untilLoaded(isMeant) {
    return new Promise(resolve => {
      const look = () => {
        if (![...this.loaded].some(isMeant)) return;
        this.listeners.splice(this.listeners.indexOf(look), 1);
        resolve();
      };
      this.listeners.push(look);
      look();
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
    await this.load(url);
  }

  async load(url) {
    const { loaderId, errorText } = await this.send('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await this.untilLoaded(loader => loader === loaderId);
  }

  // Does what leads to another document, and waits for it.
  async follow(expression) {
    const before = new Set(this.loaded);
    await this.run(expression);
    await this.untilLoaded(loader => !before.has(loader));
  }
}

// Chromium's helpers may still write when it has ended, and rmSync's own retries never look for new files. A folder that stays
// behind in the end says nothing of the page.
async function removed(folder) {
  for (let tries = 0; tries < 100; tries += 1) {
    try { return rmSync(folder, { recursive: true, force: true }); } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
}

// Gives `visit` a browser with an empty tab, and prints what it returns as JSON.
exports.withBrowser = async visit => {
  const profile = mkdtempSync(path.join(tmpdir(), 'reenact-page-'));
  const browser = new Browser(profile);
  try {
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' }, undefined);
    browser.session = (await browser.send('Target.attachToTarget', { targetId, flatten: true }, undefined)).sessionId;
    console.log(JSON.stringify(await visit(browser)));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    browser.process.kill();
    await browser.ended;
    await removed(profile);
  }
};
