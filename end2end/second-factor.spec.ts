import { expect, test, type Page } from './support/test';
import { codeOf } from './support/factors';

/** Goes from the page Account to an app that is set up; gives its key and the recovery codes. */
async function setUp(page: Page, name: string): Promise<{ key: string; codes: string[] }> {
  await page.goto('/account');
  await page.getByRole('link', { name: 'Set up two-step sign-in' }).click();
  await expect(page).toHaveURL('/account/factors');
  await page.getByRole('link', { name: 'Set up an app' }).click();
  await expect(page.getByRole('img', { name: 'QR code of the key below' })).toBeVisible();
  const key = await page.locator('.secret code').innerText();
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Code that the app shows').fill(codeOf(key));
  await page.getByRole('button', { name: 'Set up' }).click();
  await expect(page.getByRole('heading', { name: 'Keep the recovery codes' })).toBeVisible();
  return { key, codes: await page.locator('.codes code').allInnerTexts() };
}

/** The first step, on the sign-in page. */
async function firstStep(page: Page, person: { email: string; password: string }) {
  await page.goto('/sign-in');
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Enter the code' })).toBeVisible();
}

/** Nothing runs over the edge of the smallest phone. */
async function fits(page: Page) {
  const size = page.viewportSize()!;
  await page.setViewportSize({ width: 320, height: 640 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(size);
  expect(width, `no scrolling sideways at 320 px on ${page.url()}`).toBeLessThanOrEqual(320);
}

test('who sets up an app signs in with the password and a code of it', async ({ page, newBrowser, newAccount, portal, axe, shot, js, expectStatus }) => {
  expectStatus(422);
  const client = await newAccount();
  const { person } = client;
  await client.takeOver(page);
  await page.goto('/account/factors');
  await axe(page);
  await page.goto('/account/factors/app');
  await axe(page);
  await shot(page, 'second-factor-app');
  await fits(page);
  // What is wrong is said beside the fields, and the name stays.
  const shown = await page.locator('.secret code').innerText();
  await page.getByLabel('Name').fill('Phone');
  await page.getByLabel('Code that the app shows').fill('12');
  await page.getByRole('button', { name: 'Set up' }).click();
  await expect(page.locator('#code-error')).toHaveText('Enter the 6 digits that the app shows');
  await expect(page.getByLabel('Name')).toHaveValue('Phone');
  await expect(page.locator('.secret code')).toHaveText(shown);
  await axe(page);

  const { key, codes } = await setUp(page, 'Phone');
  expect(codes).toHaveLength(10);
  await axe(page);
  await shot(page, 'second-factor-recovery-codes');
  await fits(page);
  if (js) {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy all' }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(codes.join('\n'));
  }
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await expect(page.getByText('10 are left.')).toBeVisible();
  await axe(page);
  await fits(page);
  await portal.mails.waitFor(person.email, 'An authenticator app was set up');

  const other = await newBrowser();
  await firstStep(other, person);
  await axe(other);
  await shot(other, 'second-factor-code');
  await fits(other);
  await other.getByLabel('Code', { exact: true }).fill(codeOf(key) === '000000' ? '000001' : '000000');
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(other.locator('#code-error')).toHaveText('This code is wrong. Enter the one that the app shows now');
  await expect(other).toHaveTitle(/^Error: Enter the code/);
  await axe(other);
  // The one of now set the app up; the next one is good already.
  await other.getByLabel('Code', { exact: true }).fill(codeOf(key, 1));
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(other).toHaveURL('/getting-started');
  await other.goto('/account');
  await expect(other.getByText('by password and a code of your app')).toBeVisible();
});

test('a recovery code signs in once, and an app can be removed', async ({ page, newBrowser, newAccount, portal, axe, signIn, expectStatus }) => {
  expectStatus(422);
  const client = await newAccount();
  const { person } = client;
  await client.takeOver(page);
  const { codes } = await setUp(page, 'Phone');
  const other = await newBrowser();
  await firstStep(other, person);
  await other.getByRole('link', { name: 'Use a recovery code' }).click();
  await axe(other);
  await other.getByLabel('Recovery code').fill(codes[0].toUpperCase());
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(other).toHaveURL('/getting-started');
  const mail = await portal.mails.waitFor(person.email, 'A recovery code was used');
  expect(mail.text).toContain('9 are left');

  await page.goto('/account/factors');
  await page.getByRole('link', { name: /^Make new ones/ }).click();
  await axe(page);
  await page.getByRole('button', { name: 'Make new codes' }).click();
  const fresh = await page.locator('.codes code').allInnerTexts();
  expect(fresh).toHaveLength(10);
  const third = await newBrowser();
  await firstStep(third, person);
  await third.getByRole('link', { name: 'Use a recovery code' }).click();
  await third.getByLabel('Recovery code').fill(codes[1]);
  await third.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(third.locator('#code-error')).toHaveText('This is none of your recovery codes, or it was used before');

  await page.goto('/account/factors');
  await page.getByRole('link', { name: 'Remove Phone' }).click();
  await expect(page.getByText('It is the last one')).toBeVisible();
  await axe(page);
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page.getByRole('status').filter({ hasText: 'It was removed.' })).toBeVisible();
  await signIn(third, person);
  await expect(third).toHaveURL('/getting-started');
});
