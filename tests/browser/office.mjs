// The office's pages in a headless Chromium, as people use them.
//
//   node office.mjs walk SERVER PASSWORD HAZARD PHOTO
//       three people rectify, verify and close a hazard: prints what its page shows after each, and what the browser minded
//   node office.mjs axe SERVER PASSWORD WIDTH < [{"login", "paths"}]
//       visits each page as each account and prints what axe-core finds against WCAG 2 A and AA; an empty login is nobody
//
// Logins are the names of roles.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const [purpose, server, password, ...rest] = process.argv.slice(2);

// Types a login and a password into the page that asks for them.
async function signIn(page, login) {
  await page.goto(`${server}/login`);
  await page.fill("#login", login);
  await page.fill("#password", password);
  await Promise.all([page.waitForURL(`${server}/`), page.press("#password", "Enter")]);
}

// Opens a command from the page of the hazard, fills its form in and sends it; what the page of the hazard shows then.
async function give(page, hazard, command, fill) {
  await page.goto(`${server}/hazards/${hazard}`);
  await page.click(`a[href="/hazards/${hazard}/commands/${command}"]`);
  await page.waitForSelector("form.login");
  await fill(page);
  await Promise.all([page.waitForURL(`${server}/hazards/${hazard}?done=${command}`), page.click("form.login button")]);
  return page.evaluate(async () => ({
    done: document.querySelector("[role=status]")?.textContent ?? "",
    state: document.querySelector("main section b")?.textContent ?? "",
    photos: await Promise.all([...document.querySelectorAll("main img")].map(async (image) => {
      image.scrollIntoView();
      await image.decode();
      return image.naturalWidth;
    })),
  }));
}

async function walk(browser, hazard, photo) {
  const said = [];
  const shown = [];
  const as = async (login, command, fill) => {
    const context = await browser.newContext({ locale: "zh-CN" });
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    await signIn(page, login);
    shown.push(await give(page, hazard, command, fill));
    await context.close();
  };
  await as("clerk", "rectify", async (page) => {
    await page.fill("#quantity", "3");
    await page.fill("#measures", "伐除超高树木三株");
    await page.setInputFiles("#file", photo);
  });
  await as("reinspector", "verify", async (page) => {
    await page.fill("#verdict", "合格");
    await page.fill("#measured_dm", "6.4");
  });
  await as("reviewer", "close", async () => {});
  return { shown, said };
}

// What axe-core finds on a page that is loaded.
async function violations(page) {
  return page.evaluate(async () => {
    const found = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    return found.violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => ({ id, html: node.html.slice(0, 240), why: node.failureSummary })));
  });
}

async function axe(browser, width, visits) {
  const source = readFileSync(join(here, "node_modules/axe-core/axe.min.js"), "utf8");
  const seen = new Set();
  const report = { visited: 0, examined: 0, statuses: {}, violations: [] };
  for (const { login, paths } of visits) {
    const context = await browser.newContext({ viewport: { width, height: 800 } });
    const page = await context.newPage();
    if (login) await signIn(page, login);
    for (const path of paths) {
      const reply = await page.goto(server + path);
      report.visited += 1;
      report.statuses[reply.status()] = [...(report.statuses[reply.status()] ?? []), `${login} ${path}`];
      if (!(reply.headers()["content-type"] ?? "").startsWith("text/html")) continue;
      // What differs by nothing but its seal was examined already.
      const text = await page.evaluate(() => document.documentElement.outerHTML.replace(/name="csrf" value="[^"]*"/g, ""));
      if (seen.has(text)) continue;
      seen.add(text);
      report.examined += 1;
      // The page's own policy lets no script in: the debugger puts it there.
      await page.evaluate(source);
      for (const found of await violations(page)) report.violations.push({ login, path, ...found });
    }
    await context.close();
  }
  return report;
}

const browser = await chromium.launch({
  executablePath: process.env.FIREBREAK_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const report = purpose === "walk"
    ? await walk(browser, ...rest)
    : await axe(browser, Number(rest[0]), JSON.parse(readFileSync(0, "utf8")));
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
