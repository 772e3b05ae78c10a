// Fails when the first load of the runs page is over its budget.
//
// Counts, gzip-ed as the server sends them: index.html, what it names, and the code of the runs page
// with everything that imports statically. What loads later (graph, plots, Chinese) does not count.
// Usage: node scripts/size.mjs [folder of the build]

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const kBudget = 500 * 1024;
const dist = process.argv[2] ?? new URL("../dist", import.meta.url).pathname;

const seen = new Map();
function add(path) {
  if (seen.has(path)) return;
  const bytes = readFileSync(join(dist, path));
  seen.set(path, gzipSync(bytes, { level: 9 }).length);
  const text = bytes.toString("utf8");
  if (path.endsWith(".js")) {
    // Static imports of a built chunk are all of the form from"./name.js" or import"./name.js".
    for (const match of text.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) {
      add(`assets/${match[1]}`);
    }
  }
}

const html = readFileSync(join(dist, "index.html"), "utf8");
add("index.html");
for (const match of html.matchAll(/(?:src|href)="\/([^"]+)"/g)) add(match[1]);

// The page's own chunk is imported dynamically by the router: find it by its name.
const entry = [...seen.keys()].filter((path) => path.endsWith(".js"));
let pages = 0;
for (const path of entry) {
  const text = readFileSync(join(dist, path), "utf8");
  for (const match of text.matchAll(
    /assets\/(runs-page-[\w-]+\.(?:js|css))|"\.\/(runs-page-[\w-]+\.js)"/g,
  )) {
    add(`assets/${match[1] ?? match[2]}`);
    pages += 1;
  }
}
if (pages === 0) {
  console.error(
    "size: no chunk named runs-page-* is imported by the entry; this check is out of date",
  );
  process.exit(1);
}

const rows = [...seen].sort((a, b) => b[1] - a[1]);
const total = rows.reduce((sum, row) => sum + row[1], 0);
for (const [path, bytes] of rows) console.log(`${String(bytes).padStart(8)}  ${path}`);
console.log(`${String(total).padStart(8)}  first load of the runs page, gzip (budget ${kBudget})`);
if (total > kBudget) {
  console.error(`size: the first load is ${total} bytes, over the budget of ${kBudget}`);
  process.exit(1);
}
