// The Activity tab: who did what, seen by an Admin, with JavaScript and without.
import { readFileSync } from 'node:fs';
import { expect, test, type Page } from './support/test';

const events = (page: Page) => page.getByRole('table', { name: 'Activity' }).locator('tbody tr');

test('an Admin reads who did what, filters it and takes it along', async ({ page, newAdmin, newMember, expectStatus, axe }) => {
  expectStatus(404);
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const grace = await newMember(admin, 'Grace');
  await newMember(admin, 'Mary');
  await admin.takeOver(page);
  await page.goto('/organization');
  await page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name: 'Activity' }).click();
  await expect(page).toHaveURL(/\/organization\/activity$/);
  await expect(events(page)).toHaveCount(5);
  await expect(events(page).last()).toContainText('added the organization Analytical Engines');
  await axe(page);

  await page.locator('#filter-kind').click();
  await page.getByRole('link', { name: 'Organization', exact: true }).and(page.locator('.menu-item')).click();
  await expect(page).toHaveURL(/kind=organization/);
  await expect(events(page)).toHaveCount(1);
  await page.goBack();
  await expect(events(page)).toHaveCount(5);

  await events(page).filter({ hasText: 'joined' }).first().getByRole('link').click();
  await expect(page).toHaveURL(/person=/);
  await expect(events(page)).toHaveCount(1);
  await page.getByRole('link', { name: /^By: / }).click();
  await expect(events(page)).toHaveCount(5);

  await page.getByRole('searchbox').fill('grace');
  await page.getByRole('searchbox').press('Enter');
  await expect(events(page)).toHaveCount(2);
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export CSV' }).click();
  const text = readFileSync(await (await download).path(), 'utf8').trim().split('\r\n');
  expect(text).toHaveLength(3);
  expect(text[0]).toBe('Time,Who,What,Outcome,Address,Program,Request');

  // A day in the past shows nothing and says so.
  await page.goto('/organization/activity?to=2020-01-01');
  await expect(page.getByRole('heading', { name: 'No activity found' })).toBeVisible();
  await page.getByRole('link', { name: 'Clear search and filters' }).click();
  await expect(events(page)).toHaveCount(5);

  await grace.takeOver(page);
  expect((await page.goto('/organization/activity'))?.status()).toBe(404);
});

test('days are chosen in the chip, and the page says which', async ({ page, newAdmin }) => {
  const admin = await newAdmin();
  await admin.takeOver(page);
  await page.goto('/organization/activity?kind=organization');
  await page.locator('#filter-time').click();
  const today = new Date().toISOString().slice(0, 10);
  await page.getByLabel('From').fill(today);
  await page.getByLabel('To').fill(today);
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(new RegExp(`kind=organization&.*from=${today}&to=${today}`));
  await expect(events(page)).toHaveCount(1);
  await expect(page.locator('#filter-time')).toContainText(String(new Date().getUTCFullYear()));
});

test('what happens meanwhile shows by itself', async ({ page, newAdmin, newMember, js }) => {
  test.skip(!js, 'only with JavaScript');
  const admin = await newAdmin();
  await admin.takeOver(page);
  const open = page.waitForResponse((response) => new URL(response.url()).pathname === '/live' && response.ok());
  await page.goto('/organization/activity');
  await open;
  await expect(events(page)).toHaveCount(1);
  await newMember(admin, 'Grace');
  await expect(events(page)).toHaveCount(3, { timeout: 2000 });
});
