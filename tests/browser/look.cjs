// Looks at a page in Chromium and prints as JSON what it saw: node look.cjs WHAT URL [PICTURE]
"use strict";
const { readFileSync } = require("fs");
const { chromium } = require("playwright-core");

const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SIZES = [[390, 844], [1280, 900], [1600, 1000]];

// What axe finds, whether it is wider than the window, and whether anything in it ran that should not.
async function accessible(browser, url) {
  const seen = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      // The policy of the page lets no other script run; axe is no script of the page.
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, bypassCSP: true });
      const page = await context.newPage();
      await page.goto(url);
      await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
      await page.evaluate(AXE);
      const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
      seen.push({
        width,
        colorScheme,
        passes: found.passes.length,
        violations: found.violations.map((each) => [each.id, each.nodes.map((node) => node.html.slice(0, 200))]),
        overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
      });
      await context.close();
    }
  }
  return seen;
}

// What the page says about its policy and scripts while it is brought up to date.
async function watched(page) {
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("dialog", (dialog) => (said.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  return said;
}

// Opens, looks for something and scrolls, then waits for the next state of things.
async function refreshed(browser, url) {
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
  const said = await watched(page);
  await page.clock.install();
  await page.goto(url);
  const shown = async () => ({
    when: await page.textContent("[data-part=when]"),
    open: await page.evaluate(() => [...document.querySelectorAll("details[open]")].map((each) => each.id)),
    rows: await page.evaluate(() => [...document.querySelectorAll("#in-metrics tbody tr")].filter((row) => row.checkVisibility()).length),
    wanted: await page.inputValue("#find-metrics"),
    focus: await page.evaluate(() => document.activeElement.id),
    scrolled: await page.evaluate(() => Math.round(scrollY)),
    lines: await page.textContent(".fact dd.detail"),
  });
  await page.click("#more-rules summary");
  await page.fill("#find-metrics", "metric_1");
  await page.evaluate(() => scrollTo({ top: 600, behavior: "instant" }));
  const before = await shown();
  console.error("ready");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const answered = page.waitForResponse((answer) => answer.request().resourceType() === "fetch");
  await page.clock.runFor(6000);
  await answered;
  await page.waitForFunction((was) => document.querySelector("[data-part=when]").textContent !== was, before.when);
  const after = await shown();
  console.error("stop");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  await page.clock.runFor(6000);
  await page.waitForSelector("#silent:not([hidden])");
  return { before, after, silent: await page.textContent("#silent"), title: await page.title(), said };
}

// Without its script.
async function plain(browser, url) {
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(url);
  return { rows: await page.locator("#in-metrics tbody tr").count(), box: await page.locator(".find").first().isVisible() };
}

(async () => {
  const [what, url] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  const result = await { accessible, refreshed, plain }[what](browser, url);
  await browser.close();
  console.log(JSON.stringify(result));
  process.exit(0);
})().catch((error) => (console.error(String(error)), process.exit(1)));
