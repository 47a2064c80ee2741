// Plays one URL in headless Chromium for a while and prints what it saw as JSON.
//
//   node watch.mjs PLAYER URL SECONDS [SCREENSHOT]
//
// PLAYER is `native` (the browser's own HLS), `hls` (hls.js), `mpegts` (mpegts.js, FLV or TS over HTTP or
// WebSocket), `page` (the server's own player page: URL is the page, the first stream listed is played) or
// `page:LABEL` (the same, and then the way of playing called LABEL is chosen).
// Seconds count from the moment at which pictures move. The page stands on an origin of its own, so that
// the server's CORS headers are judged as well.
import { chromium } from 'playwright-core';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [wanted, url, seconds, screenshot] = process.argv.slice(2);
const [player, way] = wanted.split(':');
const here = path.dirname(fileURLToPath(import.meta.url));
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--mute-audio',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--autoplay-policy=no-user-gesture-required'];
const scripts = { hls: 'hls.js/dist/hls.js', mpegts: 'mpegts.js/dist/mpegts.js' };

// Runs in the page: sets up the player. What goes wrong is gathered in `window.faults`.
function begin([player, url]) {
  const video = document.createElement('video');
  video.muted = true;
  video.autoplay = true;
  document.body.append(video);
  if (player === 'native') video.src = url;
  if (player === 'hls') {
    const hls = new Hls({ liveSyncDurationCount: 2 });
    hls.on(Hls.Events.ERROR, (_, data) => window.faults.push(`${data.type} ${data.details}`));
    hls.loadSource(url);
    hls.attachMedia(video);
  }
  if (player === 'mpegts') {
    const type = /\.ts$/.test(url) ? 'mpegts' : 'flv';
    const live = mpegts.createPlayer({ type, isLive: true, url }, { enableStashBuffer: false });
    live.on(mpegts.Events.ERROR, (...error) => window.faults.push(error.slice(0, 2).join(' ')));
    live.attachMediaElement(video);
    live.load();
    live.play().catch((error) => window.faults.push(String(error)));
  }
}

// Runs in the page: waits until pictures move, then looks on for `seconds`.
async function look(seconds) {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const start = performance.now();
  let video;
  for (;;) {
    video = document.querySelector('video');
    if (video && video.currentTime > 0.2 && video.getVideoPlaybackQuality().totalVideoFrames > 5) break;
    if (performance.now() - start > 25000) return { began: false, faults: window.faults };
    await pause(100);
  }
  const waits = [];
  for (const name of ['waiting', 'error', 'ended', 'pause']) {
    video.addEventListener(name, () => waits.push(`${name} at ${video.currentTime.toFixed(2)}`));
  }
  const frames = () => video.getVideoPlaybackQuality().totalVideoFrames;
  const before = { time: video.currentTime, frames: frames() };
  await pause(seconds * 1000);
  return {
    began: true,
    startup_ms: Math.round(performance.now() - start - seconds * 1000),
    advanced: video.currentTime - before.time,
    frames: frames() - before.frames,
    dropped: video.getVideoPlaybackQuality().droppedVideoFrames,
    width: video.videoWidth,
    height: video.videoHeight,
    audio_bytes: video.webkitAudioDecodedByteCount,
    waits,
    faults: window.faults,
  };
}

const blank = http.createServer((_, answer) => {
  answer.setHeader('Content-Type', 'text/html');
  answer.end('<!doctype html><title>watch</title><body>');
});
await new Promise((done) => blank.listen(0, '127.0.0.1', done));
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'watch-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags,
  viewport: { width: 1200, height: 800 },
});
try {
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(`page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  await page.addInitScript(() => { window.faults = []; });
  let listed = null;
  if (player === 'page') {
    await page.goto(url);
    const card = page.locator('article.card').first();
    await card.waitFor({ timeout: 10000 });
    listed = await card.innerText();
    await card.getByRole('button', { name: 'Play' }).click();
    if (way) await page.getByRole('button', { name: way, exact: true }).click();
  } else {
    await page.goto(`http://127.0.0.1:${blank.address().port}/`);
    if (scripts[player]) await page.addScriptTag({ path: path.join(here, 'node_modules', scripts[player]) });
    await page.evaluate(begin, [player, url]);
  }
  const seen = await page.evaluate(look, Number(seconds));
  if (screenshot) await page.screenshot({ path: screenshot });
  console.log(JSON.stringify({ ...seen, listed, console: faults }));
} finally {
  await context.close();
  blank.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
