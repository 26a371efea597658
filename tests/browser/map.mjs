// Draws tiles of a running server with MapLibre GL in a headless Chromium, under a strict content security policy, and
// prints what is to be seen as JSON.
//
//   node map.mjs SERVER TOKEN LON LAT ZOOM…
//
// The page, its script and the library are served from here, and `/ogc/` is handed on to the server, so that everything is
// of one origin and the policy can be as strict as a bureau's own page would have it.

import { createServer, request } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const [server, token, lon, lat, ...zooms] = process.argv.slice(2);

const POLICY = [
  "default-src 'none'", "script-src 'self'", "worker-src 'self'", "style-src 'self'", "connect-src 'self'",
  "img-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>地图</title>
<link rel="stylesheet" href="/maplibre-gl.css"><link rel="stylesheet" href="/page.css">
<script src="/maplibre-gl-csp.js"></script><script src="/page.js"></script></head>
<body><div id="map"></div></body></html>`;

const library = join(here, "node_modules/maplibre-gl/dist");
const FILES = {
  "/": ["text/html; charset=utf-8", async () => PAGE],
  "/page.css": ["text/css", async () => "#map { position: absolute; inset: 0; } body { margin: 0; }"],
  "/page.js": ["text/javascript", () => readFile(join(here, "page.js"))],
  "/maplibre-gl.css": ["text/css", () => readFile(join(library, "maplibre-gl.css"))],
  "/maplibre-gl-csp.js": ["text/javascript", () => readFile(join(library, "maplibre-gl-csp.js"))],
  "/maplibre-gl-csp-worker.js": ["text/javascript", () => readFile(join(library, "maplibre-gl-csp-worker.js"))],
};

const statuses = {};

// The host stays the one that the browser asked, so that links in replies lead back here.
function handOn(incoming, outgoing) {
  const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
  const target = request(new URL(incoming.url, server), { method: incoming.method, headers }, (reply) => {
    statuses[reply.statusCode] = (statuses[reply.statusCode] ?? 0) + 1;
    outgoing.writeHead(reply.statusCode, reply.headers);
    reply.pipe(outgoing);
  });
  target.on("error", () => outgoing.destroy());
  incoming.pipe(target);
}

const web = createServer(async (incoming, outgoing) => {
  if (incoming.url.startsWith("/ogc/")) return handOn(incoming, outgoing);
  const file = FILES[incoming.url];
  if (!file) return outgoing.writeHead(404).end();
  outgoing.writeHead(200, { "content-type": file[0], "content-security-policy": POLICY });
  outgoing.end(await file[1]());
});
await new Promise((ready) => web.listen(0, "127.0.0.1", ready));
const origin = `http://127.0.0.1:${web.address().port}`;

// How many pixels of a picture are nearly of each colour: counted in the browser, which can read what it drew.
async function coloursOf(page, picture) {
  return page.evaluate(async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    const counted = { counts: 0, hazards: 0, lines: 0, background: 0 };
    const wanted = { counts: [208, 0, 0], hazards: [0, 0, 208], lines: [0, 160, 0], background: [255, 255, 255] };
    for (let at = 0; at < data.length; at += 4) {
      for (const [name, colour] of Object.entries(wanted)) {
        if (colour.every((value, channel) => Math.abs(data[at + channel] - value) < 16)) counted[name] += 1;
      }
    }
    return counted;
  }, picture.toString("base64"));
}

const browser = await chromium.launch({
  executablePath: process.env.FIREBREAK_CHROMIUM ?? "/usr/bin/chromium",
  timeout: 0, // The test has a limit of its own.
  args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
});
const views = [];
try {
  const page = await browser.newPage({ viewport: { width: 512, height: 512 } });
  page.setDefaultTimeout(0);
  const said = [];
  page.on("console", (message) => message.type() === "error" && said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(origin);
  for (const zoom of zooms) {
    const view = { lon: Number(lon), lat: Number(lat), zoom: Number(zoom) };
    const features = await page.evaluate((view) => window.show(view), view);
    views.push({ zoom: view.zoom, features, pixels: await coloursOf(page, await page.screenshot()) });
  }
  const violations = await page.evaluate(() => window.violations);
  console.log(JSON.stringify({ views, said, violations, statuses }));
} finally {
  await browser.close();
  web.closeAllConnections();
  web.close();
}
