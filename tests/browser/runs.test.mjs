// The list of runs: appears by itself, filters, sorts, pages, all in the address.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { kQuick, kWaits } from "./pipelines.mjs";
import { axe, Gate, openBrowser, openContext, Regatta, until } from "./support.mjs";

let regatta;
let browser;
let context;
let quick;

before(async () => {
  regatta = await Regatta.start();
  browser = await openBrowser();
  context = await openContext(browser, regatta);
  quick = await regatta.folder("quick", kQuick);
});
after(async () => {
  await browser?.close();
  await regatta?.close();
});

const rows = (page) =>
  page.locator('[role="rowgroup"] [role="row"][aria-rowindex]:has([role="cell"])');
const names = (page) => rows(page).locator('a[href^="/runs/"]').allInnerTexts();

test("the empty page says how to start, and the first run appears by itself in two tabs", async () => {
  const pages = [await context.newPage(), await context.newPage()];
  for (const page of pages) {
    await page.goto(`${regatta.url}/`);
    await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  }
  assert.ok(
    await pages[0].getByText("regatta run examples/digits/pipeline.yaml").isVisible(),
    "it names the command",
  );
  const folder = await regatta.folder("waits", kWaits);
  const gate = Gate.make(folder, "gate");
  await regatta.start(folder, "first");
  for (const page of pages) {
    await page.getByRole("link", { name: "first" }).waitFor();
    await rows(page).getByText("Running").waitFor();
  }
  await gate.open();
  for (const page of pages) await rows(page).getByText("Succeeded").waitFor();
  for (const page of pages) await page.close();
});

test("filter, order and size are in the address and come back from it", async () => {
  for (const name of ["beta", "alpha"]) {
    const run = await regatta.start(quick, name);
    await regatta.reaches(run.id, "succeeded");
  }
  const broken = await regatta.start(quick, "broken", "-p", "only.code=3");
  await regatta.reaches(broken.id, "failed");

  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs`);
  await until(async () => (await rows(page).count()) === 4, "four rows");
  assert.deepEqual(await names(page), ["broken", "alpha", "beta", "first"]);

  await page.getByRole("button", { name: "Name", exact: true }).click();
  await page.getByRole("button", { name: "Name", exact: true }).click();
  await until(async () => (await names(page))[0] === "alpha", "the names in order");
  assert.deepEqual(await names(page), ["alpha", "beta", "broken", "first"]);

  const states = page.getByRole("group", { name: "Filter by state" });
  await states.getByRole("button", { name: "Failed" }).click();
  await until(async () => (await rows(page).count()) === 1, "one failed run");
  await states.getByRole("button", { name: "Succeeded" }).click();
  await until(async () => (await rows(page).count()) === 4, "failed and succeeded ones");

  await page.getByRole("searchbox").fill("al");
  await until(async () => (await names(page)).join() === "alpha", "the name filter");
  await page.getByLabel("Rows a page").selectOption("25");
  const url = new URL(page.url());
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    state: "succeeded,failed",
    name: "al",
    sort: "name",
    order: "asc",
    size: "25",
  });

  const again = await context.newPage();
  await again.goto(page.url());
  await again.getByRole("link", { name: "alpha" }).waitFor();
  assert.deepEqual(await names(again), ["alpha"]);
  assert.equal(await again.getByRole("searchbox").inputValue(), "al");
  assert.equal(
    await again.getByRole("button", { name: "Failed" }).getAttribute("aria-pressed"),
    "true",
  );
  await again.close();
  await page.close();
});

test("pages lead forward and back, also by the browser's own button", async () => {
  for (let i = 0; i < 26; i += 1) await regatta.start(quick, `page-${i}`);
  await until(
    async () => (await regatta.runs()).every((run) => run.finished_at !== undefined),
    "all runs end",
  );
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs?size=25&name=page-`);
  await page.getByText("26 runs").waitFor();
  await page.getByRole("link", { name: "page-25" }).waitFor();
  const next = page.getByRole("button", { name: "Next page" });
  await next.click();
  await page.getByText("Page 2").waitFor();
  await until(async () => (await names(page)).join() === "page-0", "the oldest run on page two");
  assert.equal(await next.isDisabled(), true);
  assert.ok(new URL(page.url()).searchParams.get("cursor"));
  await page.reload();
  await page.getByText("Page 2").waitFor();
  await page.getByRole("button", { name: "Previous page" }).click();
  await page.getByRole("link", { name: "page-25" }).waitFor();
  await page.goBack();
  await until(async () => (await names(page)).join() === "page-0", "back on page two");
  await page.close();
});

test("hostile names are shown as text", async () => {
  const name = "<img src=x onerror=alert(1)> \u202Egnp.x 🏁";
  await regatta.start(quick, name);
  const page = await context.newPage();
  let dialogs = 0;
  page.on("dialog", (dialog) => {
    dialogs += 1;
    void dialog.dismiss();
  });
  await page.goto(`${regatta.url}/runs`);
  const link = page.getByRole("link", { name, exact: true });
  await link.waitFor();
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  await link.click();
  await page.getByRole("heading", { name, exact: true }).waitFor();
  await page.locator("[data-step]").first().waitFor();
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  assert.equal(dialogs, 0);
  await page.close();
});

test("the keyboard alone reaches a run and moves along the rows", async () => {
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs?sort=name&order=asc&name=a`);
  await page.getByRole("link", { name: "alpha" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  for (let i = 0; i < 40; i += 1) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement.textContent)) === "alpha") break;
  }
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "beta");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "beta" }).waitFor();
  await page.close();
});

test("language and appearance are switched and remembered", async () => {
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs`);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await background(), "rgb(255, 255, 255)");
  const menu = page.getByRole("button", { name: "Settings and account" });
  await menu.click();
  await page.getByRole("menuitem", { name: "Dark" }).click();
  await until(async () => (await background()) === "rgb(16, 19, 24)", "a dark page");
  await menu.click();
  await page.getByRole("menuitem", { name: "中文" }).click();
  await page.getByRole("heading", { name: "运行" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "运行" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  assert.equal(await background(), "rgb(16, 19, 24)");
  await page.evaluate(() => localStorage.clear());
  await page.close();
});

test("axe finds nothing serious, light or dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await context.newPage();
    await page.emulateMedia({ colorScheme });
    await page.goto(`${regatta.url}/runs?name=alpha`);
    await page.getByRole("link", { name: "alpha" }).waitFor();
    assert.deepEqual(await axe(page), [], colorScheme);
    await page.close();
  }
});

test("nothing broke the content policy or threw", () => assert.deepEqual(context.problems, []));
