// The program as it is released, on a free port, with a database and a mail server of its own.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Mails } from './mails';

const BINARY = process.env.ORG_PORTAL_BIN ?? resolve(import.meta.dirname, '../../target/org-portal');
/** So many lines of what the server said last are kept: for who looks at a failed test, and for tests of what it was asked. */
const LINES = 50_000;

export type Portal = {
  /** Its address, without a slash at the end. */
  url: string;
  /** The file of its database. */
  database: string;
  mails: Mails;
  /** The last lines of its log. */
  log(): string;
  /** Runs a command of the program on the portal's database; gives what it printed. */
  run(...command: string[]): Promise<string>;
  stop(): Promise<void>;
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a portal. `settings` go before what holds here otherwise; `host` is what people type. */
export async function startPortal(settings: Record<string, string> = {}, host = '127.0.0.1'): Promise<Portal> {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is not there: run scripts/build.sh first`);
  const folder = mkdtempSync(join(tmpdir(), 'org-portal-e2e-'));
  const mails = await Mails.start();
  const port = await freePort();
  const url = `http://${host}:${port}`;
  const database = join(folder, 'org-portal.db');
  const options = {
    cwd: folder,
    // Nothing from outside, but where programs are.
    env: {
      PATH: process.env.PATH,
      // A debug build finds the browser's files where cargo-leptos leaves them; a release carries them.
      LEPTOS_SITE_ROOT: process.env.LEPTOS_SITE_ROOT ?? resolve(import.meta.dirname, '../../target/site'),
      DATABASE_URL: `sqlite:${database}`,
      ORG_PORTAL_LISTEN: `127.0.0.1:${port}`,
      ORG_PORTAL_PUBLIC_URL: url,
      ORG_PORTAL_SMTP_URL: `smtp://127.0.0.1:${mails.port}`,
      ORG_PORTAL_MAIL_FROM: 'Org Portal <portal@portal.example>',
      // All browsers of a test run come from one address.
      ORG_PORTAL_SIGN_IN_RATE: '1000/1',
      ORG_PORTAL_SIGN_IN_ADDRESS_RATE: '100000/1',
      ORG_PORTAL_SECOND_FACTOR_RATE: '1000/1',
      ORG_PORTAL_MAIL_RATE: '1000/1',
      ORG_PORTAL_MAIL_ADDRESS_RATE: '100000/1',
      ORG_PORTAL_INVITATION_RATE: '100000/1',
      ...settings,
    },
  };
  const server = spawn(BINARY, ['serve'], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const run = async (...command: string[]) => (await promisify(execFile)(BINARY, command, options)).stdout;
  const lines: string[] = [];
  for (const stream of [server.stdout, server.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.split('\n').filter((line) => line !== ''));
      lines.splice(0, lines.length - LINES);
    });
  }
  const log = () => lines.join('\n');
  let ended: string | undefined;
  const exit = new Promise<void>((resolve) => {
    const end = (how: string) => {
      ended ??= how;
      resolve();
    };
    server.once('error', (error) => end(String(error)));
    server.once('exit', (code, signal) => end(`exit ${code ?? signal}`));
  });

  const stop = async () => {
    server.kill('SIGTERM');
    const late = after(5_000, 'late', { ref: false });
    if ((await Promise.race([exit, late])) === 'late') server.kill('SIGKILL');
    await exit;
    await mails.stop();
    rmSync(folder, { recursive: true, force: true });
  };

  const deadline = Date.now() + 15_000;
  for (;;) {
    const healthy = await fetch(`${url}/healthz`).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return { url, database, mails, log, run, stop };
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Error(`the portal did not start (${ended ?? 'it does not answer'}):\n${log()}`);
    }
    await after(25);
  }
}
