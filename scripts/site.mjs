// The browser's files as the server carries them, kept in a folder of the cache whose name is a hash of their sources.
//
//   site.mjs find CACHE VERSIONS…                   prints the folder, if the sources as they are were built before
//   site.mjs pack CACHE VERSIONS… -- SITE DEPINFO   makes it of what cargo-leptos built, and prints it
//
// The sources of the browser's side are those that the compiler said it read the last time (most of src/ is the
// server's alone); all, where there was no last time. What it reads is determined by what it read: no other file comes
// in without being named by one of these.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const KEPT = 30;
const [command, cache, ...rest] = process.argv.slice(2);
const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
const versions = rest.slice(0, end);
const [site, depinfo] = rest.slice(end + 1);
const list = join(cache, 'sources');

const below = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

function folder() {
  const sources = existsSync(list) ? readFileSync(list, 'utf8').trim().split('\n') : below('src');
  const others = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'scripts/env.sh', 'scripts/build.sh', 'scripts/site.mjs'];
  const hash = createHash('sha256').update(versions.join('\0'));
  for (const name of [...sources, ...below('style'), ...below('public'), ...others].sort()) {
    const bytes = existsSync(name) ? readFileSync(name) : Buffer.from('\0none');
    hash.update(`\0${name}\0${bytes.length}\0`).update(bytes);
  }
  return join(cache, hash.digest('hex').slice(0, 32));
}

// What the compiler read, in make's syntax: `target: file file`, a space in a name behind a backslash.
function read() {
  const line = readFileSync(depinfo, 'utf8').split('\n').find((line) => line.includes('.wasm: '));
  return line
    .slice(line.indexOf('.wasm: ') + 7)
    .split(/(?<!\\) /)
    .map((name) => relative('.', resolve(name.replaceAll('\\ ', ' '))))
    .filter((name) => name.startsWith('src/'));
}

function pack(to) {
  const half = `${to}.new`;
  rmSync(half, { recursive: true, force: true });
  const files = new Map();
  for (const path of below(site)) {
    // The folder `pkg` goes away: its files and the public ones lie side by side.
    const name = relative(site, path).replace(/^pkg\//, '');
    if (name.endsWith('.d.ts')) continue;
    if (files.has(name)) throw new Error(`${name}: a public file has the name of a built one`);
    files.set(name, path);
  }
  for (const name of ['org-portal.js', 'org-portal.wasm', 'org-portal.css']) {
    if (!files.has(name)) throw new Error(`${site}: no ${name}`);
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

// What is older than the newest thirty is built again, if it is ever needed.
function forget() {
  const folders = readdirSync(cache, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const aged = folders.map(({ name }) => ({ path: join(cache, name), time: statSync(join(cache, name)).mtimeMs })).sort((a, b) => b.time - a.time);
  for (const { path } of aged.slice(KEPT)) rmSync(path, { recursive: true, force: true });
}

mkdirSync(cache, { recursive: true });
if (command === 'pack') {
  writeFileSync(list, `${read().sort().join('\n')}\n`);
  pack(folder());
  forget();
}
const found = folder();
if (!existsSync(join(found, 'hash'))) process.exit(1);
console.log(found);
