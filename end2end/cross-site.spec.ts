// A page of another origin, in a browser in which somebody is signed in: whatever it sends is refused, and it reads nothing.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test, type Client, type Page } from './support/test';

// The table of the program itself: no function is left out.
const ROUTES = readFileSync(join(import.meta.dirname, '../src/routes.rs'), 'utf8');
const FUNCTIONS = [...ROUTES.matchAll(/^\s+(?:function|with_files)\("(\w+)"/gm)].map(([, name]) => name!);
const CALLS = [...ROUTES.matchAll(/^\s+call!\((\w+) "([^"]+)"/gm)].map(([, method, path]) => ({ method: method!, path: path!.replace(/\{\w+\}/g, '00000000-0000-0000-0000-000000000000') }));

/** What a form may be sent with that does something where it is believed. */
const FIELDS: Record<string, string> = {
  'form[email]': 'evil@evil.example',
  'form[first_name]': 'Stolen',
  'form[last_name]': '',
  'form[name]': 'Stolen',
  'form[role]': 'Admin',
  'form[subject]': 'Stolen',
  'form[description]': 'Stolen',
  'form[body]': 'Stolen',
  'form[password]': 'correct horse battery staple 9',
  'form[new_password]': 'stolen horse battery staple 9',
  'form[current_password]': 'correct horse battery staple 9',
  'form[answer]': 'allow',
  theme: 'dark',
};

/** Another site: `/form/NAME` sends a form by itself where there is JavaScript, `/` is blank. */
async function otherSite(target: string): Promise<Server> {
  const inputs = Object.entries(FIELDS).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join('');
  const server = createServer((request, response) => {
    const name = /^\/form\/(\w+)/.exec(request.url!)?.[1];
    const kind = new URL(request.url!, 'http://x').searchParams.get('kind') ?? '';
    response.setHeader('content-type', 'text/html');
    const form = `<form method="post" action="${target}/do/${name}" enctype="${kind}">${inputs}<button>Win a prize</button></form><script>document.forms[0].submit()</script>`;
    response.end(`<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Elsewhere</title>${name ? form : ''}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** What a person sees of what could have been changed, without what differs each time. */
async function seen(client: Client): Promise<string[]> {
  const pages: string[] = [];
  for (const path of ['/account', '/organization', '/organization/members', '/organization/invitations?state=all', '/organization/servers', '/organization/tickets', '/organization/activity']) {
    const { status, html } = await client.get(path);
    expect(status, path).toBe(200);
    const text = html.replace(/<script[\s\S]*?<\/script>/g, '').replace(/<time[\s\S]*?<\/time>/g, '').replace(/<input type="hidden"[^>]*>/g, '').replace(/ (nonce|mark|data-props)="[^"]*"/g, '').replace(/last used [^<]*/g, '');
    pages.push(`${path} ${/data-theme="\w+"/.exec(html)?.[0] ?? ''} ${text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')}`);
  }
  return pages;
}

/** The origins of the other site: of another host, and of the same one with another port. */
const origins = (server: Server) => ['localhost', '127.0.0.1'].map((host) => `http://${host}:${(server.address() as AddressInfo).port}`);

async function signedIn(page: Page, newAdmin: () => Promise<Client>): Promise<Client> {
  const admin = await newAdmin();
  await admin.invite('waiting@customer.example');
  // The notice of it is shown once.
  await admin.get('/account');
  await admin.takeOver(page);
  return admin;
}

test('the tables are read whole', () => {
  expect(FUNCTIONS.length).toBeGreaterThan(40);
  expect(new Set(FUNCTIONS).size).toBe(FUNCTIONS.length);
  for (const name of ['sign_in', 'change_name', 'raise_ticket', 'lock_account', 'allow_server']) expect(FUNCTIONS).toContain(name);
  expect(CALLS.length).toBeGreaterThan(25);
});

test('forms of another site are refused at every function and change nothing', async ({ page, portal, newAdmin, expectStatus, js }, info) => {
  test.skip(info.project.name.startsWith('phone'), 'the same on a phone');
  test.setTimeout(480_000);
  expectStatus(403);
  const admin = await signedIn(page, newAdmin);
  const before = await seen(admin);
  const mails = portal.mails.to('evil@evil.example').length;
  const evil = await otherSite(portal.url);
  try {
    let sent = 0;
    for (const origin of origins(evil)) {
      for (const name of FUNCTIONS) {
        for (const kind of ['', 'text/plain', 'multipart/form-data']) {
          // Without JavaScript somebody presses the button; of one kind is enough.
          if (!js && (kind !== '' || sent >= 2 * FUNCTIONS.length)) continue;
          const other = await page.context().newPage();
          const answer = other.waitForResponse(`**/do/${name}`);
          await other.goto(`${origin}/form/${name}?kind=${kind}`, { waitUntil: 'commit' });
          if (!js) await other.getByRole('button').click();
          const response = await answer;
          expect(response.status(), `${origin} ${name} ${kind}`).toBe(403);
          expect(response.request().method()).toBe('POST');
          // What is refused sets no cookie, either.
          expect((await response.allHeaders())['set-cookie'], name).toBeUndefined();
          sent += 1;
          await other.close();
        }
      }
    }
    expect(sent).toBeGreaterThanOrEqual(2 * FUNCTIONS.length);
  } finally {
    evil.close();
    evil.closeAllConnections();
  }
  expect(await seen(admin)).toEqual(before);
  expect(portal.mails.to('evil@evil.example')).toHaveLength(mails);
  // The person is signed in as before.
  expect((await page.goto('/account'))?.status()).toBe(200);
});

test('scripts of another site are refused at every function and read nothing', async ({ page, portal, newAdmin, troubles, js }, info) => {
  test.skip(!js || info.project.name.startsWith('phone'), 'of scripts; the same on a phone');
  test.setTimeout(180_000);
  const admin = await signedIn(page, newAdmin);
  const before = await seen(admin);
  const evil = await otherSite(portal.url);
  try {
    for (const origin of origins(evil)) {
      const other = await page.context().newPage();
      const logged = portal.log().length;
      await other.goto(`${origin}/`);
      const read = await other.evaluate(
        async ({ target, functions, calls, fields }) => {
          const read: string[] = [];
          const form = () => new URLSearchParams(fields);
          const whole = () => Object.entries(fields).reduce((data, [name, value]) => (data.append(name, value), data), new FormData());
          const json = JSON.stringify({ form: { first_name: 'Stolen', email: 'evil@evil.example', role: 'Admin', name: 'Stolen' }, drawn: { page: '/' } });
          const send = async (path: string, init: RequestInit) => {
            try {
              const response = await fetch(target + path, { credentials: 'include', ...init });
              if (response.type !== 'opaque' && response.type !== 'opaqueredirect') read.push(`${init.method} ${path}: ${response.type} ${response.status}`);
            } catch {
              // Refused by the browser, after a preflight or for want of a header.
            }
          };
          for (const name of functions) {
            const path = `/do/${name}`;
            for (const mode of ['no-cors', 'cors'] as const) {
              await send(path, { method: 'POST', mode, body: form() });
              await send(path, { method: 'POST', mode, body: whole() });
              await send(path, { method: 'POST', mode, body: json, headers: { 'content-type': 'text/plain' } });
            }
            await send(path, { method: 'POST', mode: 'cors', body: json, headers: { 'content-type': 'application/json' } });
            await send(path, { method: 'PUT', mode: 'cors', body: json });
            navigator.sendBeacon(target + path, form());
          }
          for (const { method, path } of calls) {
            await send(path, { method, mode: 'cors', body: method === 'GET' ? undefined : json, headers: { 'content-type': 'application/json' } });
            if (method === 'POST') await send(path, { method, mode: 'no-cors', body: json });
          }
          for (const path of ['/account', '/organization/members', '/organization/members.csv', '/organization/activity.csv', '/live', '/oauth2/userinfo', '/docs/api']) {
            await send(path, { method: 'GET', mode: 'cors' });
          }
          // What loads without asking: pictures, scripts, styles, frames, streams.
          const loaded: string[] = [];
          for (const tag of ['img', 'script', 'iframe', 'embed'] as const) {
            for (const path of ['/account', '/do/sign_out', '/organization/members.csv', '/login/signout']) {
              const element = document.createElement(tag);
              element.setAttribute('src', target + path);
              await new Promise((resolve) => {
                element.addEventListener('load', resolve);
                element.addEventListener('error', resolve);
                setTimeout(resolve, 1500);
                document.documentElement.append(element);
              });
              if (tag === 'iframe') {
                try {
                  if ((element as HTMLIFrameElement).contentDocument?.body?.textContent?.includes('Sign out')) loaded.push(path);
                } catch {
                  // Another origin's.
                }
              }
            }
          }
          const stream = new EventSource(`${target}/live`, { withCredentials: true });
          await new Promise((resolve) => {
            stream.addEventListener('ready', () => (loaded.push('/live'), resolve(undefined)));
            stream.addEventListener('error', resolve);
            setTimeout(resolve, 2000);
          });
          stream.close();
          return [...read, ...loaded];
        },
        { target: portal.url, functions: FUNCTIONS, calls: CALLS, fields: FIELDS },
      );
      expect(read, `what a page of ${origin} could read`).toEqual([]);
      // As the server saw it: browsers hide what they block.
      const answers = () =>
        [...portal.log().slice(logged).matchAll(/answered status=(\d+) ms=\d+ id=\S+ method=(\w+) path=(\S+)/g)].map(([, status, method, path]) => ({ method: method!, path: path!, status: Number(status) }));
      const written = () => answers().filter(({ method, path }) => !['GET', 'HEAD', 'OPTIONS'].includes(method) && path.startsWith('/do/'));
      await expect.poll(() => written().length, { message: origin }).toBeGreaterThanOrEqual(6 * FUNCTIONS.length);
      expect(written().filter(({ status }) => status !== 403), origin).toEqual([]);
      // Cookies mean nothing to the calls of programs; what is for anybody is done for anybody.
      const called = answers().filter(({ method, path }) => method === 'POST' && path.startsWith('/v1/') && !path.startsWith('/v1/auth/') && !/\/v1\/(telemetry|check)\//.test(path));
      expect(called.length, origin).toBeGreaterThan(0);
      expect(called.filter(({ status }) => status !== 401), origin).toEqual([]);
      await other.close();
    }
  } finally {
    evil.close();
    evil.closeAllConnections();
  }
  // What the browser said of all that it refused.
  troubles.said.length = 0;
  expect(await seen(admin)).toEqual(before);
  expect((await page.goto('/account'))?.status()).toBe(200);
});
