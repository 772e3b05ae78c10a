// The pictures of the documentation, from a real run. UPDATE_SCREENSHOTS=1 stores them in docs/images.

import assert from "node:assert/strict";
import { mkdir, stat } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { kQuick, kShown } from "./pipelines.mjs";
import { openBrowser, openContext, Regatta } from "./support.mjs";

const kImages = fileURLToPath(new URL("../../docs/images", import.meta.url));

test("the documentation's pictures can be taken, each under 300 KB", async () => {
  const regatta = await Regatta.start();
  const browser = await openBrowser();
  try {
    const folder =
      process.env.UPDATE_SCREENSHOTS === "1" ? kImages : await regatta.folder("images", "");
    await mkdir(folder, { recursive: true });
    const quick = await regatta.folder("quick", kQuick);
    const shown = await regatta.folder("shown", kShown);
    const smoke = await regatta.start(quick, "smoke-test");
    await regatta.reaches(smoke.id, "succeeded");
    const first = await regatta.start(shown, "rates-first");
    await regatta.reaches(first.id, "failed");
    const run = await regatta.start(shown, "rates", "-p", "deploy.code=4");
    await regatta.reaches(run.id, "failed");

    const context = await openContext(browser, regatta);
    const page = await context.newPage();
    await page.goto(`${regatta.url}/runs`);
    await page.getByRole("link", { name: "smoke-test" }).waitFor();
    await page.screenshot({ path: `${folder}/console-runs.png` });
    const train = (await regatta.steps(run.id)).find((step) => step.name === "train");
    await page.goto(`${regatta.url}/runs/${run.id}?step=${train.id}&panel=metrics`);
    await page.locator('[data-step="deploy"][data-state="failed"]').waitFor();
    await page.locator('[data-metric="loss"] canvas').waitFor();
    await page.screenshot({ path: `${folder}/console-run.png` });
    for (const name of ["console-runs.png", "console-run.png"]) {
      assert.ok((await stat(`${folder}/${name}`)).size < 300 * 1024, name);
    }
  } finally {
    await browser.close();
    await regatta.close();
  }
});
