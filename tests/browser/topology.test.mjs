// How a machine is wired: the real one of the test, and an 8-GPU machine with 8 rails.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { axe, openBrowser, openContext, Regatta } from "./support.mjs";

const kMachine = fileURLToPath(
  new URL("../../src/topology/testdata/hgx-h100.nccl.xml", import.meta.url),
);

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

/** Answers as the server of such a machine would: the program writes both documents itself. */
async function pretend(page, change = (json) => json) {
  const json = JSON.parse(await regatta.cli("topo", "-o", "json", kMachine));
  const svg = await regatta.cli("topo", "-o", "svg", kMachine);
  await page.route("**/api/v1/topology", (route) => route.fulfill({ json: change(json) }));
  await page.route("**/api/v1/topology.svg", (route) =>
    route.fulfill({ contentType: "image/svg+xml", body: svg }),
  );
}

const picture = (page) => page.locator(".topology-picture img");
const drawn = (page) =>
  picture(page).evaluate(async (image) => {
    await image.decode();
    return image.naturalWidth;
  });

test("this machine is shown, and that it has no accelerator is said", async () => {
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs`);
  await page.getByRole("link", { name: "Topology" }).click();
  await page.getByRole("heading", { name: "Topology", exact: true }).waitFor();
  await page.getByRole("heading", { name: "How it is wired" }).waitFor();
  assert.ok((await drawn(page)) > 100, "the server's picture is drawn");
  const known = await regatta.get("/api/v1/topology");
  const accelerators = known.parts.filter((part) => part.kind === "accelerator").length;
  const said = page.getByText("No accelerator was found on this machine.");
  assert.equal(await said.count(), accelerators === 0 ? 1 : 0);
  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "JSON" }).click();
  assert.equal((await downloading).suggestedFilename(), "topology.json");
  await page.close();
});

test("an 8-GPU machine with 8 rails has its distances and measured links in words", async () => {
  const page = await context.newPage();
  await pretend(page, (json) => {
    const nics = json.parts.filter((part) => part.kind === "nic");
    nics.forEach((nic, place) =>
      json.links.push({
        a: nic.id,
        b: 0,
        kind: "network",
        measured: true,
        latency_us: 2.5,
        gigabytes_per_second: place === 3 ? 11 : 48,
      }),
    );
    return json;
  });
  await page.goto(`${regatta.url}/topology`);
  await page.getByText("1 host · 8 accelerators · 8 NICs · 8 rails").waitFor();
  assert.ok((await drawn(page)) > 500);
  const matrix = page.getByRole("table", { name: "Distances" });
  const row = matrix
    .getByRole("row")
    .filter({ has: page.getByRole("rowheader", { name: "GPU 0" }) });
  const cells = await row.getByRole("cell").allInnerTexts();
  assert.deepEqual(cells.slice(0, 9), ["", ...Array(7).fill("NVL"), "PIX"]);
  assert.equal(cells[12], "SYS", "the NICs of the other socket");
  const legend = page.getByRole("list", { name: "Distance classes, nearest first" });
  assert.match(await legend.innerText(), /NVL\s+NVLink/);
  assert.doesNotMatch(await legend.innerText(), /PXB/, "only what occurs is explained");
  const slow = page
    .getByRole("table", { name: "Measured links" })
    .getByRole("row", { name: /slow/ });
  assert.match(await slow.innerText(), /mlx5_3[\s\S]*11 GB\/s/);
  assert.equal(await slow.count(), 1);
  assert.deepEqual(await axe(page), []);
  if (process.env.TOPOLOGY_PICTURES) {
    await page.screenshot({ path: `${process.env.TOPOLOGY_PICTURES}/light.png`, fullPage: true });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: `${process.env.TOPOLOGY_PICTURES}/dark.png`, fullPage: true });
  }
  await page.close();
});
