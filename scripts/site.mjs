// Prints a folder with the browser's files as the server carries them: `site.mjs CACHE VERSION…`.
//
// The folder lies in the cache, and its name is a hash of the files' sources and of the tools' versions; where these
// were never built before, cargo-leptos builds them now. The sources are those that the compiler said it read the last
// time (most of src/ is the server's alone); all of src/, where there was no last time. What it reads is determined by
// what it read: no other file comes in without being named by one of these.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const KEPT = 30;
const SITE = 'target/site';
const DEPINFO = join(process.env.CARGO_TARGET_DIR, 'front/wasm32-unknown-unknown/wasm-release/org_portal.d');
const [cache, ...versions] = process.argv.slice(2);

// Where the standard library's source is there, it is built along, for size and without the words of panics, which no
// user reads: a tenth less to load. The flags for that are the compiler's unstable ones.
const sysroot = execFileSync(process.env.RUSTC ?? 'rustc', ['--print', 'sysroot'], { encoding: 'utf8' }).trim();
const small = existsSync(join(sysroot, 'lib/rustlib/src/rust/library/Cargo.lock'));
const flags = process.env.CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS ?? '';
const env = small
  ? {
      ...process.env,
      RUSTC_BOOTSTRAP: '1',
      CARGO_UNSTABLE_BUILD_STD: 'std,panic_abort',
      CARGO_UNSTABLE_BUILD_STD_FEATURES: 'optimize_for_size',
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: `${flags} -Zunstable-options -Cpanic=immediate-abort`.trim(),
    }
  : process.env;
versions.push(small ? 'small' : 'plain');
const list = join(cache, 'sources');

const below = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** The hash of each file that can be a source, by name. */
function hashes() {
  const others = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'scripts/env.sh', 'scripts/build.sh', 'scripts/site.mjs'];
  const names = [...below('src'), ...below('style'), ...below('public'), ...others];
  return new Map(names.map((name) => [name, createHash('sha256').update(readFileSync(name)).digest('hex')]));
}

/** The sources among these, with their hashes. */
function sources(all) {
  const read = existsSync(list) ? new Set(readFileSync(list, 'utf8').trim().split('\n')) : undefined;
  return [...all].filter(([name]) => !read || !name.startsWith('src/') || read.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
}

const folder = (all) => join(cache, createHash('sha256').update(JSON.stringify([versions, sources(all)])).digest('hex').slice(0, 32));

/** What the compiler read, in make's syntax: `target: file file`, a space in a name behind a backslash. */
function read() {
  const line = readFileSync(DEPINFO, 'utf8').split('\n').find((line) => line.includes('.wasm: '));
  return line
    .slice(line.indexOf('.wasm: ') + 7)
    .split(/(?<!\\) /)
    .map((name) => relative('.', resolve(name.replaceAll('\\ ', ' '))))
    .filter((name) => name.startsWith('src/'));
}

/** Lays out what was built, each file also compressed where that makes it smaller, and the hash of all contents. */
function pack(to) {
  const half = `${to}.new`;
  rmSync(half, { recursive: true, force: true });
  const files = new Map();
  for (const path of below(SITE)) {
    // The folder `pkg` goes away: its files and the public ones lie side by side.
    const name = relative(SITE, path).replace(/^pkg\//, '');
    if (name.endsWith('.d.ts')) continue;
    if (files.has(name)) throw new Error(`${name}: a public file has the name of a built one`);
    files.set(name, path);
  }
  for (const name of ['org-portal.js', 'org-portal.wasm', 'org-portal.css']) {
    if (!files.has(name)) throw new Error(`${SITE}: no ${name}`);
  }
  const hash = createHash('sha256');
  for (const [name, path] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const bytes = readFileSync(path);
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
    const into = join(half, name);
    mkdirSync(dirname(into), { recursive: true });
    copyFileSync(path, into);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    for (const [ending, smaller] of [['br', brotliCompressSync(bytes, { params })], ['gz', gzipSync(bytes, { level: 9 })]]) {
      if (smaller.length < bytes.length) writeFileSync(`${into}.${ending}`, smaller);
    }
  }
  writeFileSync(join(half, 'hash'), `${hash.digest('hex').slice(0, 16)}\n`);
  rmSync(to, { recursive: true, force: true });
  renameSync(half, to);
}

/** What is older than the newest thirty is built again, if it is ever needed. */
function forget() {
  const folders = readdirSync(cache, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const aged = folders.map(({ name }) => ({ path: join(cache, name), time: statSync(join(cache, name)).mtimeMs })).sort((a, b) => b.time - a.time);
  for (const { path } of aged.slice(KEPT)) rmSync(path, { recursive: true, force: true });
}

mkdirSync(cache, { recursive: true });
let all = hashes();
if (!existsSync(join(folder(all), 'hash'))) {
  for (;;) {
    execFileSync('cargo', ['leptos', 'build', '--release', '--frontend-only'], { env, stdio: ['ignore', 2, 2] });
    writeFileSync(list, `${read().sort().join('\n')}\n`);
    const now = hashes();
    const same = folder(all) === folder(now);
    all = now;
    if (same) break;
    console.error('A source of the browser\'s side was changed meanwhile: once more.');
  }
  pack(folder(all));
  forget();
}
console.log(folder(all));
