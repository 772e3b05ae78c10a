// A real server in a directory of its own, a real browser, and the waits the tests need.
//
// REGATTA_BIN names the executable. Everything is removed at the end; only processes started here are
// ended.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const require = createRequire(new URL("../../console/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const kAxe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const kChromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
const kFlags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const kPatience = 30_000;

// npm runs the tests in console/: a relative path is meant from where npm was started.
const bin = process.env.REGATTA_BIN && resolve(process.env.INIT_CWD ?? "", process.env.REGATTA_BIN);
assert.ok(bin && existsSync(bin), "REGATTA_BIN must name the regatta executable");
assert.ok(existsSync(kChromium), `${kChromium} is missing: apt-get install chromium`);

/** A state directory and its server. */
export class Regatta {
  static async start() {
    const root = await mkdtemp(join(tmpdir(), "regatta-browser-"));
    const regatta = new Regatta(root);
    await mkdir(regatta.home);
    await regatta.serve(0);
    return regatta;
  }

  constructor(root) {
    this.root = root;
    this.home = join(root, "home");
    this.env = { ...process.env, REGATTA_HOME: this.home, NO_COLOR: "1" };
    this.log = "";
  }

  /** Starts `regatta serve` and waits until it answers. */
  async serve(port) {
    this.process = spawn(bin, ["serve", "--port", String(port)], {
      env: this.env,
      cwd: this.root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
    const address = await new Promise((resolve, reject) => {
      const look = (data) => {
        this.log += data;
        const match = /http:\/\/127\.0\.0\.1:(\d+)/.exec(this.log);
        if (match) resolve(match);
      };
      this.process.stdout.on("data", look);
      this.process.stderr.on("data", look);
      this.ended.then((code) => reject(new Error(`regatta serve ended (${code}):\n${this.log}`)));
    });
    [this.url, this.port] = [address[0], Number(address[1])];
    await until(
      async () => (await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok,
      "readyz",
    );
  }

  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
    this.log = "";
  }

  /** Runs the command line and gives its output. */
  async cli(...args) {
    const { stdout } = await promisify(execFile)(bin, args, {
      env: this.env,
      cwd: this.root,
    });
    return stdout;
  }

  /** A fresh address that logs in once. */
  async loginAddress() {
    const match = /http:\S+#code=\S+/.exec(await this.cli("console"));
    assert.ok(match, "`regatta console` prints an address with a code");
    return match[0];
  }

  /** A folder for one pipeline, with its file. */
  async folder(name, yaml) {
    const folder = join(this.root, name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "pipeline.yaml"), yaml);
    return folder;
  }

  /** Starts a run and gives it as the API tells of it, without waiting for its end. */
  async start(folder, name, ...args) {
    const before = new Set((await this.runs()).map((run) => run.id));
    await promisify(execFile)(bin, ["run", "--detach", "--name", name, ...args, "pipeline.yaml"], {
      env: this.env,
      cwd: folder,
    });
    const run = (await this.runs()).find((one) => !before.has(one.id));
    assert.ok(run, `a run "${name}" was stored`);
    return run;
  }

  /** Logs in outside the browser, to compare what the page shows with what the server knows. */
  async get(path) {
    if (!this.cookie) {
      const code = (await this.loginAddress()).split("#code=")[1];
      const answer = await fetch(`${this.url}/api/v1/session`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code }),
      });
      assert.equal(answer.status, 200);
      this.cookie = answer.headers.get("set-cookie").split(";")[0];
    }
    const answer = await fetch(this.url + path, {
      headers: { cookie: this.cookie },
    });
    assert.equal(answer.status, 200, path);
    return answer.json();
  }

  async runs() {
    return (await this.get("/api/v1/runs?limit=1000")).items;
  }

  async run(id) {
    return this.get(`/api/v1/runs/${id}`);
  }

  async steps(id) {
    return (await this.get(`/api/v1/runs/${id}/steps?limit=1000`)).items;
  }

  /** Waits until a run is in one of these states. */
  async reaches(id, ...states) {
    return until(
      async () => {
        const run = await this.run(id);
        return states.includes(run.state) ? run : undefined;
      },
      `run ${id} reaches ${states.join(" or ")}`,
    );
  }

  async close() {
    // Steps that still run are the shims' children: let the engine end them.
    for (const run of await this.runs().catch(() => [])) {
      if (run.finished_at === undefined) {
        await this.cli("runs", "stop", "--force", run.id).catch(() => undefined);
        await this.reaches(run.id, "terminated", "failed", "succeeded").catch(() => undefined);
      }
    }
    this.process.kill("SIGTERM");
    await this.ended;
    await rm(this.root, { recursive: true, force: true });
  }
}

/** A place where steps wait until the test lets them go on. */
export class Gate {
  static make(folder, name) {
    const path = join(folder, name);
    execFileSync("mkfifo", [path]);
    return new Gate(path);
  }

  constructor(path) {
    this.path = path;
  }

  /** Lets one step that waits with `read line < NAME` go on. */
  async open(line = "go") {
    await writeFile(this.path, `${line}\n`);
  }
}

/** Asks again until `look` gives something; says what it waited for when it never does. */
export async function until(look, what, patience = kPatience) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${patience} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function openBrowser() {
  return chromium.launch({ executablePath: kChromium, args: kFlags });
}

/** A browser of its own (cookies, storage), logged in unless told otherwise. Collects page errors. */
export async function openContext(browser, regatta, options = {}) {
  const { login = true, ...rest } = options;
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: "en-US",
    colorScheme: "light",
    reducedMotion: "reduce",
    ...rest,
  });
  context.setDefaultTimeout(kPatience);
  context.problems = [];
  context.on("weberror", (error) => context.problems.push(String(error.error())));
  context.on("console", (message) => {
    const text = message.text();
    // What the server refuses or a killed server does is expected; broken policy or code is not.
    if (message.type() === "error" && !/Failed to load resource|net::ERR_/.test(text)) {
      context.problems.push(text);
    }
  });
  if (login) {
    const page = await context.newPage();
    await page.goto(await regatta.loginAddress());
    await page.getByRole("heading", { name: "Runs" }).or(page.locator("h1")).first().waitFor();
    await page.close();
  }
  return context;
}

/** What axe-core finds that is serious or critical. */
export async function axe(page) {
  // Injected through the debugger: the page's policy allows no foreign script.
  await page.evaluate(kAxe);
  const { violations } = await page.evaluate("axe.run()");
  return violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}
