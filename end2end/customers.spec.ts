// Customers that were imported: recreated by their administrator's first sign-in, joined by signing in, waited for; what they
// have bought and whom they can turn to. With JavaScript and without.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type Page, type Person, type Portal } from './support/test';

type Fields = Record<string, string | number | string[]>;

/** A number that no other customer of the portal has. */
const numberOf = (person: Person) => `C${person.email.replace(/\D/g, '')}`;

/** Imports a customer with what is its own, as the operator does. */
async function bring(portal: Portal, name: string, administrator: Person, ...records: Fields[]): Promise<void> {
  const number = numberOf(administrator);
  const customer = { kind: 'customer', number, name, administrator: administrator.email };
  const lines = [customer, ...records.map((record) => ({ customer: number, ...record }))];
  const folder = await mkdtemp(join(tmpdir(), 'org-portal-import-'));
  const file = join(folder, 'customers.jsonl');
  await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
  const said = await portal.run('import', 'customers', file);
  expect(said).toContain('refused: none');
  await rm(folder, { recursive: true });
}

const person = ({ email }: Person, role: 'Admin' | 'Technical user' = 'Technical user') => ({ kind: 'person', email, role });

/** A day, so many days from now. */
const day = (from_now: number) => new Date(Date.now() + from_now * 86_400_000);
const iso = (date: Date) => date.toISOString().slice(0, 10);

const CONTACTS = [
  { kind: 'contact', email: 'maria@vendor.example', name: 'Maria Manager', title: 'Customer success manager', phone: '+49 30 1234-5' },
  { kind: 'contact', email: 'tom@vendor.example', name: 'Tom Technician' },
];
const entitlements = (administrator: Person) => [
  { kind: 'entitlement', number: `E${numberOf(administrator)}-1`, name: 'Premium support', tier: 'Premium', support_level: '24/7', products: ['MySQL', 'PostgreSQL'], start: iso(day(-300)), end: iso(day(20)), units_total: 12_000, units_used: 3456 },
  { kind: 'entitlement', number: `E${numberOf(administrator)}-2`, name: 'Old contract', start: '2024-01-01', end: '2024-12-31' },
];

const tab = (page: Page, name: string | RegExp) => page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name });

/** What a page may not do at any width: make the reader scroll sideways. */
const fits = async (page: Page) =>
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${page.url()} is too wide`).toBe(true);

test("the administrator's first sign-in opens the organization, and a colleague is in it by signing in", async ({ page, portal, newPerson, newBrowser, signUp, axe, shot, js }) => {
  const [ada, grace] = [newPerson('Ada'), newPerson('Grace')];
  await bring(portal, 'Analytical Engines', ada, person(grace));
  await signUp(page, ada);
  await page.goto('/organization');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Analytical Engines');
  // The operator's record says what it is called.
  await expect(page.getByRole('link', { name: 'Rename' })).toHaveCount(0);
  await axe(page);
  await fits(page);
  await shot(page, 'customer-organization');
  await tab(page, /^Members/).click();
  const members = page.getByRole('table', { name: 'Members' }).locator('tbody tr');
  await expect(members).toHaveCount(1);

  const other = await newBrowser();
  await signUp(other, grace);
  await other.goto('/organization');
  await expect(other.getByRole('heading', { level: 1 })).toHaveText('Analytical Engines');
  await axe(other);
  // With JavaScript the open page shows who has come.
  if (!js) await page.reload();
  await expect(members).toHaveCount(2, { timeout: 3000 });
  await expect(members.filter({ hasText: grace.email })).toContainText('Technical user');
});

test('whoever comes before the administrator waits and reminds', async ({ page, portal, newPerson, newBrowser, signUp, axe, shot, js }) => {
  const [ada, grace] = [newPerson('Ada'), newPerson('Grace')];
  await bring(portal, 'Difference Engines', ada, person(grace));
  await signUp(page, grace);
  await page.goto('/getting-started');
  const callout = page.getByRole('region', { name: 'Difference Engines is not open yet' });
  await expect(callout).toContainText('signs in here for the first time');
  await expect(callout, "the administrator's address is not given away").not.toContainText(ada.email);
  await axe(page);
  await fits(page);
  await shot(page, 'customer-waits');
  await callout.getByRole('button', { name: 'Remind the administrator' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The administrator gets a mail' })).toBeVisible();
  await expect(callout).toContainText('was reminded within the last day');
  await expect(callout.getByRole('button')).toHaveCount(0);
  const mail = await portal.mails.waitFor(ada.email, 'waits for Difference Engines');
  expect(mail.text).toContain('Grace');

  const hers = await newBrowser();
  const link = mail.links.find((link) => link.startsWith(portal.url));
  await hers.goto(link!);
  await expect(hers.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await signUp(hers, ada);
  await hers.goto('/organization');
  await expect(hers.getByRole('heading', { level: 1 })).toHaveText('Difference Engines');

  // With JavaScript the page that waits finds out by itself.
  if (!js) await page.goto('/getting-started');
  const open = page.getByRole('region', { name: 'Your organization is Difference Engines' });
  await expect(open).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Join your organization' })).toBeVisible();
  await axe(page);
  await portal.mails.waitFor(grace.email, 'Difference Engines is open');
  await open.getByRole('button', { name: 'Join' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Difference Engines');
  await expect(page.getByRole('status').filter({ hasText: 'You are a member now' })).toBeVisible();
});

test('an Admin sees what was bought and whom to turn to, and copies by one press', async ({ page, context, portal, newPerson, signUp, axe, shot, js }) => {
  const ada = newPerson('Ada');
  await bring(portal, 'Jacquard Looms', ada, ...entitlements(ada), ...CONTACTS);
  await signUp(page, ada);
  await page.goto('/organization');
  await tab(page, 'Entitlements').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Jacquard Looms');
  const rows = page.getByRole('table', { name: 'Entitlements' }).locator('tbody tr');
  await expect(rows).toHaveCount(2);
  const bought = rows.filter({ hasText: 'Premium support' });
  await expect(bought).toContainText('Ends soon');
  await expect(bought).toContainText('MySQL, PostgreSQL');
  await expect(bought).toContainText('3,456 of 12,000');
  await expect(bought.getByRole('meter', { name: 'Units of Premium support that are used' })).toHaveAttribute('value', '3456');
  await axe(page);
  await fits(page);
  await shot(page, 'customer-entitlements');
  await page.getByRole('searchbox').fill('old');
  await page.getByRole('searchbox').press('Enter');
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText('Ended');
  await page.goto('/organization/entitlements');
  await page.locator('#filter-state').click();
  await page.getByRole('navigation', { name: 'State' }).getByRole('link', { name: 'Not ended' }).click();
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText('Premium support');

  await tab(page, 'Contacts').click();
  const maria = page.getByRole('listitem').filter({ hasText: 'Maria Manager' });
  await expect(maria).toContainText('Customer success manager');
  await expect(maria.getByRole('link', { name: 'maria@vendor.example' })).toHaveAttribute('href', 'mailto:maria@vendor.example');
  await expect(maria.getByRole('link', { name: '+49 30 1234-5' })).toHaveAttribute('href', 'tel:+493012345');
  const copy = page.locator('[data-copy]');
  await expect(copy).toHaveCount(3);
  if (!js) {
    for (const button of await copy.all()) await expect(button).toBeHidden();
  } else {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
    for (const text of ['+49 30 1234-5', 'maria@vendor.example']) {
      await maria.getByRole('button', { name: `Copy ${text}` }).click();
      await expect(page.getByRole('status').filter({ hasText: 'Copied' })).toBeVisible();
      await expect.poll(clipboard).toBe(text);
    }
    await page.getByRole('button', { name: 'Dismiss' }).click();
    // By the keyboard, too.
    await page.getByRole('button', { name: 'Copy tom@vendor.example' }).press('Enter');
    await expect(page.getByRole('status').filter({ hasText: 'Copied' })).toBeVisible();
    await expect.poll(clipboard).toBe('tom@vendor.example');
  }
  await axe(page);
  await fits(page);
  await shot(page, 'customer-contacts');
});

test('a Technical user finds nothing of that, as a stranger does', async ({ page, portal, newPerson, newBrowser, newAdmin, signUp, expectStatus, axe }) => {
  expectStatus(404);
  const [ada, grace] = [newPerson('Ada'), newPerson('Grace')];
  await bring(portal, 'Tabulating Machines', ada, person(grace), ...entitlements(ada), ...CONTACTS);
  const hers = await newBrowser();
  await signUp(hers, ada);
  await signUp(page, grace);
  await page.goto('/organization');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Tabulating Machines');
  await expect(tab(page, 'Tickets')).toBeVisible();
  for (const name of ['Entitlements', 'Contacts']) await expect(tab(page, name)).toHaveCount(0);
  const main = (page: Page) => page.locator('main').innerText();
  expect((await page.goto('/organization/nothing'))?.status()).toBe(404);
  const nothing = await main(page);
  for (const path of ['/organization/entitlements', '/organization/contacts']) {
    expect((await page.goto(path))?.status(), path).toBe(404);
    expect(await main(page), path).toBe(nothing);
    await axe(page);
  }
  // And the Admin of another organization sees none of it.
  await (await newAdmin('Another')).takeOver(page);
  await page.goto('/organization/contacts');
  await expect(page.getByRole('heading', { name: 'No contacts' })).toBeVisible();
  await page.goto('/organization/entitlements');
  await expect(page.getByRole('heading', { name: 'No entitlements' })).toBeVisible();
  await axe(page);
});

test.describe('for a reader in New York who reads German', () => {
  test.use({ locale: 'de-DE', timezoneId: 'America/New_York' });

  test("dates and numbers are written in the reader's way", async ({ page, portal, newPerson, signUp, axe, js }) => {
    const ada = newPerson('Ada');
    await bring(portal, 'Punched Cards', ada, ...entitlements(ada));
    await signUp(page, ada);
    await page.goto('/organization/entitlements');
    const bought = page.getByRole('table', { name: 'Entitlements' }).locator('tbody tr').filter({ hasText: 'Premium support' });
    // Where no script runs, the server's words stand, in English.
    const number = new Intl.NumberFormat(js ? 'de-DE' : 'en');
    await expect(bought).toContainText(`${number.format(3456)} of ${number.format(12_000)}`);
    // A day of a contract is the same everywhere.
    const german = new Intl.DateTimeFormat('de-DE', { dateStyle: 'medium', timeZone: 'UTC' });
    const month = new Intl.DateTimeFormat('en-US', { month: 'short', timeZone: 'UTC' });
    const written = (date: Date) => (js ? german.format(date) : `${date.getUTCDate()} ${month.format(date)} ${date.getUTCFullYear()}`);
    await expect(bought.locator('td[data-label=Until]')).toHaveText(written(day(20)));
    await expect(bought.locator('td[data-label=From]')).toHaveText(written(day(-300)));
    await axe(page);
  });
});
