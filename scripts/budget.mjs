// What the first visit loads, compressed, against what it may: `budget.mjs FOLDER`, of a folder that pack.mjs laid out.
// The last line is `N passed, N failed`.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const bytes = (n) => n.toLocaleString('en').padStart(9);
const sizes = { js: 0, wasm: 0, css: 0 };
console.log('       raw    brotli  file');
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  const kind = entry.name.split('.').pop();
  if (!entry.isFile() || !(kind in sizes)) continue;
  const raw = statSync(path).size;
  const brotli = existsSync(`${path}.br`) ? statSync(`${path}.br`).size : raw;
  sizes[kind] += brotli;
  console.log(`${bytes(raw)} ${bytes(brotli)}  ${entry.name}`);
}
const checks = [
  ['JavaScript and WASM', sizes.js + sizes.wasm, 112_640],
  ['JavaScript, WASM and CSS', sizes.js + sizes.wasm + sizes.css, 133_120],
];
let failed = 0;
for (const [what, is, may] of checks) {
  const ok = is > 0 && is <= may;
  if (!ok) failed += 1;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${what}: ${is.toLocaleString('en')} of ${may.toLocaleString('en')} bytes (${Math.round((100 * is) / may)} %)`);
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
