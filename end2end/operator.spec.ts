// The operator's console: found by operators alone; accounts are locked there and organizations suspended, with JavaScript
// and without.
import { readFileSync } from 'node:fs';
import { expect, test, type Page } from './support/test';

const tab = (page: Page, name: string) => page.getByRole('navigation', { name: 'Operator' }).getByRole('link', { name, exact: true });

/** What a page may not do at any width: make the reader scroll sideways. */
const fits = async (page: Page) =>
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${page.url()} is too wide`).toBe(true);

test('only an operator sees the console, and walks through its tabs', async ({ page, newAdmin, newOperator, expectStatus, axe, shot }) => {
  // Seven pages that list what every other test has made, each read by axe.
  test.slow();
  expectStatus(404);
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const operator = await newOperator();
  await admin.takeOver(page);
  await page.goto('/account');
  await expect(page.locator('a[href="/operator"]')).toHaveCount(0);
  expect((await page.goto('/operator'))?.status()).toBe(404);

  await operator.takeOver(page);
  await page.goto('/operator');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Overview');
  for (const [name, heading] of [
    ['Customers', 'Customers'],
    ['Organizations', 'Organizations'],
    ['Accounts', 'Accounts'],
    ['Audit log', 'Audit log'],
    ['Imports', 'Imports'],
    ['Outbox', 'Outbox'],
    ['Overview', 'Overview'],
  ]) {
    await tab(page, name).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(heading);
    await expect(tab(page, name)).toHaveAttribute('aria-current', 'page');
    await axe(page);
    await fits(page);
    await shot(page, `operator-${name.toLowerCase().replace(' ', '-')}`);
  }
});

test('an account is locked and unlocked', async ({ page, newBrowser, newAdmin, newMember, newOperator, expectStatus, axe }) => {
  expectStatus(401, 422);
  const admin = await newAdmin('Difference Engines', 'Ada');
  const grace = await newMember(admin, 'Grace');
  const operator = await newOperator();
  await operator.takeOver(page);
  await page.goto('/operator');
  await page.getByRole('searchbox', { name: /^Search accounts/ }).fill(grace.person.email);
  await page.getByRole('searchbox', { name: /^Search accounts/ }).press('Enter');
  await expect(page).toHaveURL(/\/operator\/accounts\?q=/);
  await page.getByRole('table', { name: 'Accounts' }).locator('tbody').getByRole('link').click();
  await page.getByRole('link', { name: 'Lock account' }).click();
  await axe(page);
  await page.getByRole('button', { name: 'Lock account' }).click();
  await expect(page.getByRole('alert')).toContainText('Say why');
  await page.getByLabel('Reason').fill('Sends spam');
  await page.getByLabel('Last day').fill('2099-12-31');
  await page.getByRole('button', { name: 'Lock account' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The account is locked' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Locked' })).toBeVisible();
  await axe(page);
  await fits(page);

  const other = await newBrowser();
  await grace.takeOver(other);
  await other.goto('/organization');
  await expect(other.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await other.getByLabel('E-mail').fill(grace.person.email);
  await other.getByLabel('Password').fill(grace.person.password);
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(other.getByRole('alert')).toContainText('This account is locked');
  await expect(other.locator('body')).not.toContainText('Sends spam');

  await page.getByRole('button', { name: 'Unlock account' }).click();
  await expect(page.getByRole('link', { name: 'Lock account' })).toBeVisible();
  await other.getByLabel('Password').fill(grace.person.password);
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(other).not.toHaveURL(/sign_in|sign-in/);

  // What was done stands in the log, and leaves as a file.
  await tab(page, 'Audit log').click();
  await expect(page.getByRole('table', { name: 'Activity' })).toContainText('locked the account of Grace');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export CSV' }).click();
  const text = readFileSync(await (await download).path(), 'utf8');
  expect(text.split('\r\n')[0]).toBe('Time,Who,Account,What,Organization,Outcome,Address,Program,Request');
});

test('an organization is suspended and opened again', async ({ page, newBrowser, newAdmin, newOperator, expectStatus, axe, js }) => {
  expectStatus(403);
  const admin = await newAdmin('Bouchon Looms', 'Ada');
  const operator = await newOperator();
  const members = await newBrowser();
  await admin.takeOver(members);
  await members.goto('/organization');
  await operator.takeOver(page);
  await page.goto('/operator/organizations?q=bouchon');
  await page.getByRole('table', { name: 'Organizations' }).locator('tbody').getByRole('link').first().click();
  await expect(page.getByRole('table', { name: 'Members' })).toContainText('Ada');
  await page.getByRole('link', { name: 'Suspend organization' }).click();
  await page.getByLabel('Reason').fill('The bills of May are open');
  await page.getByRole('button', { name: 'Suspend organization' }).click();
  await expect(page.getByRole('heading', { name: 'Suspended' })).toBeVisible();
  await axe(page);

  // With JavaScript the open page finds out by itself.
  if (!js) await members.goto('/organization');
  await expect(members.getByRole('heading', { name: 'Your organization is suspended' })).toBeVisible();
  await expect(members.locator('main')).toContainText('The bills of May are open');
  await axe(members);
  const start = await members.context().newPage();
  await start.goto('/getting-started');
  await expect(start.locator('main')).toContainText('Bouchon Looms is suspended');
  await expect(start.getByRole('heading', { level: 2 })).toHaveCount(0);
  await axe(start);

  await page.getByRole('button', { name: 'Open it again' }).click();
  await expect(page.getByRole('link', { name: 'Suspend organization' })).toBeVisible();
  // And that it is open again, on the page that said so and on the one with the steps.
  if (js) {
    await expect(members.getByRole('heading', { level: 1 })).toHaveText('Bouchon Looms');
    await start.bringToFront();
    await expect(start.getByRole('heading', { name: 'Invite members' })).toBeVisible();
    await expect(start.locator('main')).not.toContainText('suspended');
  }
  await start.close();
  expect((await members.goto('/organization/activity'))?.status()).toBe(200);
  await expect(members.locator('main')).toContainText('The operator suspended the organization');
});
