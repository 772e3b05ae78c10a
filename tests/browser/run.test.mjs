// One run: live graph, table, timeline; a step's panel; stop; a server that dies and comes back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { kCached, kGated, kWaits, wide } from "./pipelines.mjs";
import { axe, Gate, openBrowser, openContext, Regatta, until } from "./support.mjs";

let regatta;
let browser;
let context;

before(async () => {
  regatta = await Regatta.start();
  browser = await openBrowser();
  context = await openContext(browser, regatta);
});
after(async () => {
  await browser?.close();
  await regatta?.close();
});

const box = (page, name) => page.locator(`[data-step="${name}"]`);
const inState = (page, name, state) =>
  page.locator(`[data-step="${name}"][data-state="${state}"]`).waitFor();
const runState = (page, state) => page.locator(`[data-run-state="${state}"]`).waitFor();
const panel = (page) => page.getByRole("complementary");
const tab = (page, name) => page.getByRole("tab", { name, exact: true }).click();

async function gated(name) {
  const folder = await regatta.folder(name, kGated);
  const gates = Object.fromEntries(
    ["first.0.1", "first.0.2", "second.0.1", "second.0.2"].map((gate) => [
      gate,
      Gate.make(folder, gate),
    ]),
  );
  return { folder, gates, run: await regatta.start(folder, name) };
}

test("the graph follows a run live, and a step's panel shows everything about it", async () => {
  const { gates, run } = await gated("live");
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs/${run.id}`);
  await inState(page, "prepare", "succeeded");
  await inState(page, "train", "running");
  await inState(page, "train-1", "running");
  await inState(page, "publish", "pending");
  assert.match(await page.locator('[data-group="train"]').innerText(), /2 iterations/);

  // Logs follow, and are text.
  await box(page, "train").click();
  await panel(page).getByRole("heading", { name: "train", exact: true }).waitFor();
  assert.ok(new URL(page.url()).searchParams.get("step"));
  await tab(page, "Logs");
  const log = panel(page).getByRole("log");
  await log.getByText("rate 0.1").waitFor();
  await tab(page, "Metrics");
  await page.locator('[data-metric="loss"][data-points="1"]').waitFor();
  await gates["first.0.1"].open("<i>line</i>");
  await page.locator('[data-metric="loss"][data-points="2"] canvas').waitFor();
  await tab(page, "Logs");
  await log.getByText("got <i>line</i> <b>bold</b>").waitFor();
  assert.equal(await log.locator("b, i").count(), 0);

  // An address restores view, step and tab.
  const again = await context.newPage();
  await again.goto(page.url());
  await again.getByRole("log").getByText("rate 0.1").waitFor();
  await again.close();

  for (const gate of ["second.0.1", "first.0.2", "second.0.2"]) await gates[gate].open();
  await runState(page, "succeeded");
  for (const step of ["train", "train-1", "publish", "report"]) {
    await inState(page, step, "succeeded");
  }
  await panel(page).locator('[data-log-status="ended"]').waitFor();

  // Artifacts: a picture that really is one, text, a folder.
  await box(page, "publish").click();
  await tab(page, "Artifacts");
  const picture = page.locator('[data-artifact="picture"] img');
  await picture.waitFor();
  await until(() => picture.evaluate((image) => image.naturalWidth === 8), "the picture is read");
  await page.locator('[data-artifact="report"]').getByText("accuracy 0.97").waitFor();
  const bundle = page.locator('[data-artifact="bundle"]');
  await bundle.getByText("inside.png").waitFor();
  await bundle.getByText("weights", { exact: true }).waitFor();
  await bundle.getByRole("button", { name: "Preview" }).click();
  const inside = bundle.locator("img");
  await inside.waitFor();
  await until(
    () => inside.evaluate((image) => image.naturalWidth === 8),
    "the picture in the folder",
  );
  const download = page.waitForEvent("download");
  await bundle.getByRole("link", { name: "Download weights" }).click();
  assert.equal((await download).suggestedFilename(), "weights");

  // Parameters, command, processes.
  await box(page, "prepare").click();
  await tab(page, "Overview");
  await panel(page).getByText('echo "rows 3"').first().waitFor();
  await panel(page)
    .getByRole("row", { name: /^rows 3/ })
    .waitFor();
  await panel(page).locator('[data-rank="0"]').getByText("exit 0").waitFor();
  await page.keyboard.press("Escape");
  await panel(page).waitFor({ state: "detached" });

  // The other views.
  await tab(page, "Steps");
  await page.getByRole("table", { name: "Steps of the run" }).getByText("train-1").waitFor();
  await page
    .getByRole("cell", { name: /loss 0.25/ })
    .first()
    .waitFor();
  await tab(page, "Timeline");
  await page.getByRole("button", { name: /Succeeded ?train-1/ }).waitFor();
  await tab(page, "YAML");
  await page.getByText("loop_argument: [0.1, 0.2]").waitFor();
  assert.equal(new URL(page.url()).searchParams.get("tab"), "yaml");
  await page.close();
});

test("a second run shows what came from the cache, and why the rest ran", async () => {
  const folder = await regatta.folder("cached", kCached);
  const first = await regatta.start(folder, "cached-1");
  await regatta.reaches(first.id, "succeeded");
  const second = await regatta.start(folder, "cached-2", "-p", "scale.factor=3");
  await regatta.reaches(second.id, "succeeded");
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs/${second.id}`);
  await inState(page, "load", "cached");
  await inState(page, "scale", "succeeded");
  await box(page, "load").click();
  await tab(page, "Why");
  await page.locator('[data-outcome="hit"]').waitFor();
  await page.getByRole("link", { name: first.id }).waitFor();
  await box(page, "scale").click();
  await tab(page, "Why");
  await page.locator('[data-outcome="miss"]').waitFor();
  const changed = await page.locator('[data-changed="true"]').allInnerTexts();
  assert.ok(
    changed.some((text) => /parameter factor/.test(text) && /2/.test(text) && /3/.test(text)),
    `the changed parameter is marked: ${changed.join(" / ")}`,
  );
  await page.goto(`${regatta.url}/runs`);
  await page
    .getByRole("row", { name: /cached-2/ })
    .getByText("1 cached")
    .waitFor();
  await page.close();
});

test("stopping asks first, and the run ends stopped", async () => {
  const folder = await regatta.folder("stopped", kWaits);
  Gate.make(folder, "gate");
  const run = await regatta.start(folder, "stopped");
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs/${run.id}`);
  await inState(page, "wait", "running");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal((await regatta.run(run.id)).state, "running");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByRole("dialog").getByRole("checkbox").check();
  await page.getByRole("dialog").getByRole("button", { name: "Stop the run" }).click();
  await runState(page, "terminated");
  await inState(page, "wait", "terminated");
  await inState(page, "after", "cancelled");
  await page.getByRole("button", { name: "Stop", exact: true }).waitFor({ state: "detached" });
  assert.equal((await regatta.run(run.id)).state, "terminated");
  await page.close();
});

test("a server that is killed and comes back in mid-run loses nothing on the page", async () => {
  const { gates, run } = await gated("restart");
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs/${run.id}`);
  await inState(page, "train", "running");
  await box(page, "train").click();
  await tab(page, "Logs");
  await page.getByRole("log").getByText("rate 0.1").waitFor();
  await regatta.kill();
  await page.getByText("Reconnecting…").first().waitFor();
  assert.ok(await box(page, "train").isVisible(), "what was shown stays");
  for (const gate of Object.values(gates).slice(0, 2)) await gate.open("during");
  await regatta.serve(regatta.port);
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("log").getByText("got during").waitFor();
  for (const gate of Object.values(gates).slice(2)) await gate.open();
  await runState(page, "succeeded");
  await inState(page, "publish", "succeeded");
  await page.close();
});

test("a loop of 2,000 is one group; the table draws only what is in view, quickly", async () => {
  const folder = await regatta.folder("wide", wide(2000));
  const run = await regatta.start(folder, "wide");
  await regatta.reaches(run.id, "succeeded");
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs/${run.id}`);
  const group = page.locator('[data-group="work"]');
  await group.waitFor();
  assert.match(await group.innerText(), /2000 iterations/);
  assert.equal(await page.locator("[data-step]").count(), 2);
  await tab(page, "Steps");
  const table = page.getByRole("table", { name: "Steps of the run" });
  await table.getByText("work", { exact: true }).waitFor();
  assert.equal(await table.getAttribute("aria-rowcount"), "2003");
  assert.ok((await table.getByRole("row").count()) < 100);
  const took = await page.evaluate(async () => {
    const grid = document.querySelector(".grid");
    const start = performance.now();
    grid.scrollTop = grid.scrollHeight;
    while (!grid.textContent.includes("work-1999")) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return performance.now() - start;
  });
  assert.ok(took < 200, `scrolling to the end took ${took} ms`);
  await tab(page, "Graph");
  await page.getByRole("button", { name: "Expand work" }).click();
  await box(page, "work-59").waitFor({ state: "attached" });
  await page.close();
});

test("axe finds nothing serious on a run with its panel", async () => {
  const [run] = (await regatta.runs()).filter((one) => one.name === "live");
  const steps = await regatta.steps(run.id);
  const train = steps.find((step) => step.name === "train");
  for (const view of ["graph", "steps", "gantt", "yaml"]) {
    for (const part of ["overview", "why", "logs", "metrics"]) {
      if (view !== "graph" && part !== "overview") continue;
      const page = await context.newPage();
      await page.goto(`${regatta.url}/runs/${run.id}?tab=${view}&step=${train.id}&panel=${part}`);
      await panel(page).getByRole("heading", { name: "train", exact: true }).waitFor();
      // What fades in has too little contrast on its way.
      await until(async () => (await page.locator(".loading").count()) === 0, "all is loaded");
      assert.deepEqual(await axe(page), [], `${view}, ${part}`);
      await page.close();
    }
  }
});

test("nothing broke the content policy or threw", () => assert.deepEqual(context.problems, []));
