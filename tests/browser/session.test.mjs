// Logging in, out, and back to where one was.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, openContext, Regatta } from "./support.mjs";
import { kQuick } from "./pipelines.mjs";

let regatta;
let browser;

before(async () => {
  regatta = await Regatta.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await regatta?.close();
});

test("without a session the page says how to get in", async () => {
  const context = await openContext(browser, regatta, { login: false });
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs`);
  await page.getByRole("heading", { name: "Log in to Regatta" }).waitFor();
  assert.ok(await page.getByText("regatta console", { exact: true }).isVisible());
  assert.deepEqual(context.problems, []);
  await context.close();
});

test("an address logs in once, and its code stays nowhere", async () => {
  const context = await openContext(browser, regatta, { login: false });
  const page = await context.newPage();
  const address = await regatta.loginAddress();
  await page.goto(address);
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  assert.equal(new URL(page.url()).hash, "");
  const history = await page.evaluate(() =>
    performance.getEntriesByType("resource").map((e) => e.name),
  );
  assert.ok(history.every((name) => !name.includes("code=")));
  const [cookie] = await context.cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  await context.close();

  const other = await openContext(browser, regatta, { login: false });
  const second = await other.newPage();
  await second.goto(address);
  await second.getByRole("alert").waitFor();
  assert.match(await second.getByRole("alert").innerText(), /not accepted/);
  await other.close();
});

test("a pasted address logs in too, and nonsense is refused before it is sent", async () => {
  const context = await openContext(browser, regatta, { login: false });
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs`);
  const field = page.getByLabel("Or paste the address or its code");
  await field.fill("what?");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("neither an address with a code").waitFor();
  await field.fill(await regatta.loginAddress());
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  await context.close();
});

test("a session that ends returns to the same page after login", async () => {
  const folder = await regatta.folder("quick", kQuick);
  const run = await regatta.start(folder, "come-back");
  await regatta.reaches(run.id, "succeeded");
  const context = await openContext(browser, regatta);
  const page = await context.newPage();
  const path = `/runs/${run.id}?tab=gantt`;
  await page.goto(regatta.url + path);
  await page.getByRole("heading", { name: "come-back" }).waitFor();
  await context.clearCookies();
  await page.reload();
  await page.getByRole("heading", { name: "Log in to Regatta" }).waitFor();
  assert.equal(page.url(), regatta.url + path);

  await page.goto(await regatta.loginAddress());
  await page.getByRole("heading", { name: "come-back" }).waitFor();
  assert.equal(page.url(), regatta.url + path);
  await context.close();
});

test("a tab that waits for a login goes on when another tab logs in", async () => {
  const context = await openContext(browser, regatta, { login: false });
  const waiting = await context.newPage();
  await waiting.goto(`${regatta.url}/runs?state=failed`);
  await waiting.getByRole("heading", { name: "Log in to Regatta" }).waitFor();
  const other = await context.newPage();
  await other.goto(await regatta.loginAddress());
  await waiting.getByRole("heading", { name: "Runs" }).waitFor();
  assert.equal(waiting.url(), `${regatta.url}/runs?state=failed`);
  await context.close();
});

test("logging out ends the session on the server", async () => {
  const context = await openContext(browser, regatta);
  const page = await context.newPage();
  await page.goto(`${regatta.url}/runs`);
  const [cookie] = await context.cookies();
  await page.getByRole("button", { name: "Settings and account" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to Regatta" }).waitFor();
  const answer = await fetch(`${regatta.url}/api/v1/session`, {
    headers: { cookie: `${cookie.name}=${cookie.value}` },
  });
  assert.equal(answer.status, 401);
  await context.close();
});
