import { expect, test } from './support/test';

test('the portal is healthy', async ({ request }) => {
  const response = await request.get('/healthz');
  expect(response.status()).toBe(200);
  const ready = await request.get('/readyz');
  expect(ready.status()).toBe(200);
});

test('the sign-in page is there, whole and usable', async ({ page, axe, shot }) => {
  const response = await page.goto('/sign-in');
  expect(response?.status()).toBe(200);
  await expect(page).toHaveTitle('Sign in · Org Portal');
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
  // The styles came: without them the page would have the browser's own font size.
  await expect(page.locator('.card').first()).toHaveCSS('display', 'grid');
  await axe(page);
  await shot(page, 'sign-in');
});

test('the reference of the API can be read, without a script', async ({ page, axe }) => {
  const response = await page.goto('/docs/api');
  expect(response?.status()).toBe(200);
  await expect(page.getByRole('heading', { level: 1, name: 'API' })).toBeVisible();
  await expect(page.getByRole('heading', { level: 3, name: 'POST /v1/orgs/{org_id}/tickets:search' })).toBeVisible();
  expect(await page.locator('script').count()).toBe(0);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
  await axe(page);
});

test("the browser's files come compressed and stay", async ({ page, request }) => {
  await page.goto('/sign-in');
  const address = await page.locator('link[rel=stylesheet]').first().getAttribute('href');
  expect(address).toMatch(/^\/assets\/[0-9a-f]{16}\/org-portal\.css$/);
  const folder = address!.slice(0, address!.lastIndexOf('/'));
  for (const [file, type] of [
    ['org-portal.css', 'text/css; charset=utf-8'],
    ['org-portal.js', 'text/javascript; charset=utf-8'],
    ['org-portal.wasm', 'application/wasm'],
    ['favicon.svg', 'image/svg+xml; charset=utf-8'],
  ]) {
    for (const coding of ['br', 'gzip', 'identity']) {
      const response = await request.get(`${folder}/${file}`, { headers: { 'accept-encoding': coding } });
      const headers = response.headers();
      expect(response.status(), file).toBe(200);
      expect(headers['content-type'], file).toBe(type);
      expect(headers['content-encoding'] ?? 'identity', file).toBe(coding);
      expect(headers['cache-control'], file).toBe('public, max-age=31536000, immutable');
      expect(headers['vary']?.toLowerCase(), file).toContain('accept-encoding');
      expect(headers['x-content-type-options'], file).toBe('nosniff');
      expect(headers['content-security-policy'], file).toContain("default-src 'none'");
    }
  }
  const old = await request.get('/assets/0123456789abcdef/org-portal.css');
  expect(old.status()).toBe(404);
  expect(old.headers()['cache-control']).toBe('no-store');
});
