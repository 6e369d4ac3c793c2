import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { live, memberRows } from './support/members';
import { expect, test } from './support/test';

const SIGNED_OUT = ['/sign-in', '/sign-up', '/forgot-password', '/check-your-mail', '/invitation?token=x', '/reset-password?token=x', '/verify-email?token=x', '/no/such/page'];

test('pages for who is signed out load no script and no WebAssembly, and forbid both', async ({ page, expectStatus }) => {
  expectStatus(404, 410);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  for (const path of SIGNED_OUT) {
    const response = await page.goto(path);
    const policy = response!.headers()['content-security-policy'];
    expect(policy, path).toContain("default-src 'none'");
    expect(policy, path).toContain("script-src 'none'");
    expect(policy, path).toContain("frame-ancestors 'none'");
    expect(policy, path).toContain("form-action 'self'");
    expect(policy, path).not.toContain('unsafe-inline');
    expect(await page.locator('script, link[rel=modulepreload]').count(), path).toBe(0);
  }
  expect(asked.filter((path) => /\.(wasm|js)$/.test(path))).toEqual([]);
});

test('every page has its headers, and what a signed-in person sees is kept nowhere', async ({ newAdmin }) => {
  const admin = await newAdmin();
  for (const path of ['/getting-started', '/organization', '/organization/members', '/account', '/roles', '/no/such/page', '/organization/members/invite']) {
    const { headers } = await admin.get(path);
    expect(headers.get('cache-control'), path).toBe('no-store');
    expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    expect(headers.get('x-frame-options'), path).toBe('DENY');
    expect(headers.get('referrer-policy'), path).toBe('same-origin');
    expect(headers.get('cross-origin-opener-policy'), path).toBe('same-origin');
    const policy = headers.get('content-security-policy')!;
    expect(policy, path).toContain("base-uri 'none'");
    expect(policy, path).toMatch(/script-src ('none'|'nonce-[^']{16,}' 'strict-dynamic' 'wasm-unsafe-eval')/);
    expect(policy, path).not.toContain('unsafe-inline');
    expect(policy, path).not.toContain("'unsafe-eval'");
  }
});

test('the nonce is another one each time, and every script has it', async ({ newAdmin }) => {
  const admin = await newAdmin();
  const nonces = new Set<string>();
  for (let i = 0; i < 3; i += 1) {
    const { headers, html } = await admin.get('/organization/members');
    const [, nonce] = /'nonce-([^']+)'/.exec(headers.get('content-security-policy')!)!;
    nonces.add(nonce);
    for (const [script] of html.matchAll(/<script[^>]*>/g)) expect(script).toContain(`nonce="${nonce}"`);
    expect(html).not.toMatch(/ on[a-z]+="|style="|javascript:/);
  }
  expect(nonces.size).toBe(3);
});

test('no page breaks its own policy', async ({ page, newAdmin, newMember, js, expectStatus }) => {
  expectStatus(404);
  const admin = await newAdmin();
  await newMember(admin);
  await admin.takeOver(page);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  if (js) await page.addInitScript(() => addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  for (const path of ['/getting-started', '/organization', '/organization/members', '/organization/members/invite', '/organization/leave', '/organization/rename', '/organization/delete', '/account', '/account/email', '/account/delete', '/roles', '/no/such/page']) {
    await page.goto(path);
    // Nothing comes from anywhere else.
    await expect(page.locator('h1').first()).toBeVisible();
  }
  await page.goto('/organization/members');
  await live(page, js);
  const { origin } = new URL(page.url());
  expect(asked.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))).toEqual([]);
  // Without JavaScript the browser may still fetch ahead what the page names.
  if (js) expect(asked.some((url) => url.endsWith('.wasm'))).toBe(true);
});

test('the island runs: what only it can do happens', async ({ page, newAdmin, js }) => {
  test.skip(!js, 'only with JavaScript');
  await (await newAdmin()).takeOver(page);
  await page.goto('/organization/members');
  await live(page, true);
  // A search as one types, which the server's page alone does not do, and no navigation.
  let navigations = 0;
  page.on('framenavigated', () => (navigations += 1));
  const [call] = await Promise.all([page.waitForRequest('**/do/list_members'), page.getByRole('searchbox').pressSequentially('nobody')]);
  expect(call.method()).toBe('POST');
  expect(call.headers()['content-type']).toContain('application/json');
  await expect(page.getByRole('heading', { name: 'No members found' })).toBeVisible();
  await page.getByRole('searchbox').press('Escape');
  await expect(memberRows(page)).toHaveCount(1);
});

test('the session is out of reach of scripts and of other sites', async ({ page, newAccount, signIn }) => {
  const { person } = await newAccount();
  await signIn(page, person);
  const cookies = await page.context().cookies();
  const session = cookies.find(({ name }) => name === 'session');
  expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/' });
  for (const cookie of cookies) expect(cookie.httpOnly, cookie.name).toBe(true);
  expect(await page.evaluate(() => document.cookie).catch(() => '')).toBe('');
});

test('a form posted from another site is refused and changes nothing', async ({ page, portal, newAccount, expectStatus }) => {
  expectStatus(403);
  const client = await newAccount();
  await client.takeOver(page);
  // The other site: the same machine under another name, so the cookie's SameSite is not what saves it alone.
  const fields = { theme: 'dark', 'form[first_name]': 'Stolen', 'form[last_name]': '' };
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join('');
  const evil = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<link rel="icon" href="data:,"><form method="post" action="${portal.url}/do/change_name">${inputs}<button>Win a prize</button></form>`);
  }).listen(0, '127.0.0.1');
  await once(evil, 'listening');
  const { port } = evil.address() as AddressInfo;
  try {
    for (const host of ['localhost', '127.0.0.1']) {
      // A page each: after a refusal the browser may stand on a page of its own.
      const other = await page.context().newPage();
      await other.goto(`http://${host}:${port}/`);
      const [response] = await Promise.all([other.waitForResponse('**/do/change_name'), other.getByRole('button').click()]);
      expect(response.status(), host).toBe(403);
    }
  } finally {
    evil.close();
    evil.closeAllConnections();
  }
  expect((await client.get('/account')).html).not.toContain('Stolen');
});

test('the portal is in no frame', async ({ page, portal, troubles }) => {
  await page.route('http://frame.example/', (route) => route.fulfill({ contentType: 'text/html', body: `<link rel="icon" href="data:,"><iframe src="${portal.url}/sign-in"></iframe>` }));
  await page.goto('http://frame.example/');
  await expect(page.frameLocator('iframe').getByRole('heading', { name: 'Sign in' })).toHaveCount(0);
  troubles.said.length = 0;
});

test('the browser keeps nothing but cookies that no script can read', async ({ page, newAdmin, newMember, js }) => {
  test.skip(!js, 'what a script could keep');
  const admin = await newAdmin();
  await newMember(admin);
  await admin.takeOver(page);
  for (const path of ['/getting-started', '/organization', '/organization/members', '/organization/tickets', '/organization/servers', '/account', '/roles']) {
    await page.goto(path);
    await expect(page.locator('h1').first()).toBeVisible();
  }
  await page.goto('/organization/members');
  await live(page, true);
  await page.getByRole('searchbox').pressSequentially('grace');
  await expect(memberRows(page)).toHaveCount(1);
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches?.keys().catch(() => []),
    workers: (await navigator.serviceWorker?.getRegistrations().catch(() => []))?.length ?? 0,
    cookies: document.cookie,
  }));
  expect(kept).toEqual({ local: {}, session: {}, databases: [], caches: [], workers: 0, cookies: '' });
});

test('what is for who builds the portal is not in a release', async ({ portal, newAccount }) => {
  const account = await newAccount();
  const nothing = await account.get('/no/such/page');
  // A mail server is set: there is no mailbox. The gallery is of debug builds.
  for (const path of ['/dev/mail', '/dev/gallery', '/dev', '/metrics', '/debug', '/.git/HEAD', '/pkg/org-portal.js']) {
    const answer = await account.get(path);
    expect(answer.status, path).toBe(404);
    if (path.startsWith('/dev/')) expect(answer.html.replace(/<[^>]*drawn[^>]*>/g, ''), path).toBe(nothing.html.replace(/<[^>]*drawn[^>]*>/g, ''));
  }
  expect(portal.log()).not.toMatch(/\b(DEBUG|TRACE)\b/);
});
