// A visit to the site of tests/peers/storefront.py in headless Chromium: loads the page, reads an event stream, talks over a
// WebSocket, uploads, downloads and posts the form. Prints as JSON everything that a person or a page would notice.
//
// Usage: visit.js http://HOST:PORT
'use strict';
const { withBrowser } = require('./browser.js');

const [origin] = process.argv.slice(2);

const DIGEST = `const digest = async bytes => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map(byte => byte.toString(16).padStart(2, '0')).join('');`;

const EVENTS = `new Promise((resolve, reject) => {
  const stream = new EventSource('/events'), seen = [];
  stream.addEventListener('tick', async event => {
    seen.push([event.lastEventId, event.data]);
    await fetch('/acknowledge/' + event.lastEventId, { method: 'POST' });
    if (seen.length === 5) { stream.close(); resolve(seen); }
  });
  // The server ends the stream when the last one is acknowledged, which may be seen before the acknowledgement's answer.
  stream.onerror = () => { if (seen.length < 5) return reject(new Error('after ' + JSON.stringify(seen))); stream.close(); resolve(seen); };
})`;

const SOCKET = `new Promise((resolve, reject) => {
  const socket = new WebSocket('ws://' + location.host + '/socket?a=b'), seen = [];
  const sent = ['', 'ä text', 'x'.repeat(126), 'y'.repeat(70000), Uint8Array.from({ length: 300000 }, (_, at) => at * 7)];
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => { sent.forEach(one => socket.send(one)); socket.send('close'); };
  socket.onmessage = ({ data }) => {
    const was = sent[seen.length];
    seen.push(typeof data === 'string' ? data === was : new Uint8Array(data).every((byte, at) => byte === was[at]) && data.byteLength === was.length);
  };
  socket.onclose = ({ code, reason, wasClean }) => resolve({ seen, code, reason, wasClean, extensions: socket.extensions });
  setTimeout(() => reject(new Error('no end of the socket')), 120000);
})`;

const UPLOAD = `(async () => {
  const form = new FormData();
  form.append('text', 'ä');
  form.append('file', new Blob([new Uint8Array(300000).fill(65)]), 'a.bin');
  const plain = await (await fetch('/upload', { method: 'PUT', body: 'z'.repeat(200000) })).json();
  const { kind } = await (await fetch('/upload', { method: 'POST', body: form })).json();
  return { plain, kind };
})()`;

const DOWNLOAD = `(async () => { ${DIGEST} const answer = await fetch('/long'); return [answer.status, await digest(await answer.arrayBuffer())]; })()`;

const PAGE = `({
  title: document.title,
  heading: document.querySelector('h1').textContent,
  color: getComputedStyle(document.querySelector('h1')).color,
  picture: document.querySelector('img').naturalWidth,
  forms: window.began,
})`;

withBrowser(async browser => {
  const said = { errors: [], answers: [] };
  const known = url => url.replace(origin, '');
  browser.listeners.push(({ method, params }) => {
    if (method === 'Runtime.exceptionThrown') said.errors.push(params.exceptionDetails.text);
    if (method === 'Log.entryAdded') said.errors.push(`${known(params.entry.url ?? '')} ${params.entry.text}`);
    // What the page itself ended is no failure.
    if (method === 'Network.loadingFailed' && !params.canceled) said.errors.push(params.errorText);
    if (method === 'Network.responseReceived' && params.response.url.startsWith(origin)) {
      const { url, status, mimeType, protocol } = params.response;
      said.answers.push(`${known(url)} ${status} ${mimeType} ${protocol}`);
    }
  });
  await browser.begin('Page', 'Runtime', 'Log', 'Network');
  await browser.load(`${origin}/`);
  said.page = await browser.run(PAGE);
  said.events = await browser.run(EVENTS);
  said.socket = await browser.run(SOCKET);
  said.upload = await browser.run(UPLOAD);
  said.download = await browser.run(DOWNLOAD);
  said.missing = await browser.run(`fetch('/missing').then(answer => answer.status)`);
  await browser.follow(`document.querySelector('button').click()`);
  said.ordered = await browser.run('[document.title, document.body.textContent, location.pathname]');
  said.answers.sort();
  return said;
});
