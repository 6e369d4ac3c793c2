// PMM servers and tokens: made, shown once, connected, disconnected, revoked, with JavaScript and without.
import { expect, test } from './support/test';

const rows = 'table tbody tr';

test('a token is shown once, and the server that it connects shows on an open page', async ({ page, newAdmin, newMember, newBrowser, axe, shot, js }) => {
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const grace = await newMember(admin, 'Grace');
  await grace.takeOver(page);
  await page.goto('/organization');
  await page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name: 'PMM servers' }).click();
  await expect(page.getByRole('heading', { name: 'No PMM servers' })).toBeVisible();
  await expect(page.getByText(/^PMM_DEV_PERCONA_PLATFORM_ADDRESS=http/)).toBeVisible();
  await axe(page);
  await shot(page, 'servers-empty');

  if (js) await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Make token' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Copy the token' })).toBeVisible();
  const secret = (await page.locator('.secret code').textContent())!;
  expect(secret).toMatch(/^opt_[A-Za-z0-9_-]{43}$/);
  await axe(page);
  await shot(page, 'token');
  const copy = page.getByRole('button', { name: 'Copy' });
  if (js) {
    await copy.click();
    await expect(page.getByText('Copied', { exact: true })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(secret);
  } else {
    await expect(copy).toBeHidden();
  }
  // Loaded again, it is not there, and there is no second one.
  await page.reload();
  await expect(page).toHaveURL(/\/organization\/servers#tokens$/);
  await expect(page.getByText('The token was made already')).toBeVisible();
  await expect(page.locator('body')).not.toContainText(secret);
  await expect(page.getByRole('link', { name: /^Revoke/ })).toHaveCount(1);

  // An Admin has the page open while PMM connects.
  const other = await newBrowser();
  await admin.takeOver(other);
  await other.goto('/organization/servers');
  await expect(other.getByRole('heading', { name: 'No PMM servers' })).toBeVisible();
  await grace.connectServer(secret, 'pmm-1', 'Production');
  if (!js) await other.reload();
  await expect(other.locator(rows)).toHaveCount(1, { timeout: 2000 });
  await expect(other.locator(rows)).toContainText('Production');
  if (js) await expect(other.getByText('connected the PMM server')).toBeVisible();
  await expect(other.getByRole('link', { name: 'https://pmm-1.example.com/graph' })).toHaveAttribute('rel', /noopener/);
  await expect(other.getByText('Of Grace')).toBeVisible();
  await axe(other);
  await shot(other, 'servers');

  // Who connected it disconnects it.
  if (!js) await page.reload();
  await page.getByRole('link', { name: 'Disconnect Production' }).click();
  await expect(page.getByText('PMM itself is not told')).toBeVisible();
  await axe(page);
  await shot(page, 'server-disconnect');
  await page.getByRole('button', { name: 'Disconnect' }).click();
  await expect(page.getByText('The PMM server is disconnected.')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'No PMM servers' })).toBeVisible();
  if (!js) await other.reload();
  await expect(other.getByRole('heading', { name: 'No PMM servers' })).toBeVisible({ timeout: 2000 });

  await page.getByRole('link', { name: /^Revoke/ }).click();
  await axe(page);
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByText('The token was revoked.')).toBeVisible();
  await expect(page.getByText('You have no token.')).toBeVisible();
  await expect(grace.connectServer(secret, 'pmm-1', 'Production')).rejects.toThrow('401');
});

test('PMM\'s links lead to the form for a token, and what is wrong is said beside its field', async ({ page, newAdmin, expectStatus, axe, shot }) => {
  expectStatus(422);
  const admin = await newAdmin('Analytical Engines', 'Ada');
  await page.goto('/profile');
  await expect(page).toHaveURL(/\/sign-in\?to=/);
  await page.getByLabel('E-mail').fill(admin.person.email);
  await page.getByLabel('Password').fill(admin.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'New token' })).toBeVisible();
  await axe(page);
  await shot(page, 'token-new');
  await page.getByLabel('Name').fill(' ');
  await page.getByLabel('Read only').check();
  await page.getByLabel('Valid for').selectOption('90 days');
  await page.getByRole('button', { name: 'Make token' }).click();
  await expect(page.locator('#name-error')).toHaveText('Enter a name: what the token is for');
  await expect(page.getByLabel('Read only')).toBeChecked();
  await expect(page.getByLabel('Valid for')).toHaveValue('90 days');
  await axe(page);
  await page.getByLabel('Name').fill('Reports');
  await page.getByRole('button', { name: 'Make token' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Copy the token' })).toBeVisible();
  await page.getByRole('link', { name: 'Done' }).click();
  await expect(page.getByRole('listitem').filter({ hasText: 'Reports' })).toContainText('Read only');
  await page.goto('/login');
  await expect(page).toHaveURL(/\/getting-started$/);
});

test('many servers are searched and sorted', async ({ page, newAdmin, axe, shot }) => {
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const secret = await admin.token();
  for (const [id, name] of [['alpha', 'Zürich'], ['beta', 'Amsterdam'], ['gamma', 'A server with a long name that nobody abbreviated because it says where it stands']]) {
    await admin.connectServer(secret, id, name);
  }
  await admin.takeOver(page);
  await page.goto('/organization/servers');
  await expect(page.locator(rows)).toHaveCount(3);
  await axe(page);
  await shot(page, 'servers-many');
  await page.locator('#sort-name').click();
  await expect(page.locator(rows).first()).toContainText('A server with');
  await page.getByRole('searchbox').fill('zurich');
  await page.getByRole('searchbox').press('Enter');
  await expect(page.locator(rows)).toHaveCount(1);
  await expect(page.locator(rows)).toContainText('Zürich');
  await page.goto('/getting-started');
  await expect(page.getByRole('link', { name: 'View PMM servers' })).toBeVisible();
});
