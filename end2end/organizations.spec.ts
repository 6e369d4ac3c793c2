import { expect, test } from './support/test';

test('somebody new sees what to do first, and what opens later', async ({ page, newAccount }) => {
  await (await newAccount()).takeOver(page);
  await page.goto('/');
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByText('0 of 2 done')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Add Organization' })).toBeVisible();
  await expect(page.getByRole('listitem').filter({ hasText: 'Invite members' })).toContainText('Opens when you have an organization.');
  await expect(page.getByRole('link', { name: 'View Organization' })).toHaveCount(0);
});

test('an organization is added, its details stand there, and Getting Started follows', async ({ page, newAccount, newPerson }) => {
  const admin = await newAccount();
  await admin.takeOver(page);
  await page.goto('/getting-started');
  await page.getByRole('link', { name: 'Add Organization' }).click();
  await page.getByLabel('Name').fill('  Analytical Engines  ');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page).toHaveURL('/organization');
  await expect(page.getByRole('status').filter({ hasText: 'Your organization has been created.' })).toBeVisible();
  await expect(page.getByRole('heading', { level: 1, name: 'Analytical Engines' })).toBeVisible();
  const facts = page.locator('main dl');
  for (const [term, text] of [
    ['Name', 'Analytical Engines'],
    ['Created by', `${admin.person.firstName} ${admin.person.lastName}`],
    ['Members', '1'],
    ['Your role', 'Admin'],
  ]) {
    await expect(facts.locator('div', { has: page.locator('dt').getByText(term, { exact: true }) }).locator('dd')).toContainText(text);
  }
  await expect(facts.locator('time')).toHaveAttribute('datetime', /^\d{4}-\d\d-\d\dT/);
  await expect(page).toHaveTitle('Details · Analytical Engines · Org Portal');
  // What is said is said once.
  await page.reload();
  await expect(page.getByText('Your organization has been created.')).toHaveCount(0);

  await page.goto('/getting-started');
  await expect(page.getByText('1 of 2 done')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Add Organization' })).toHaveCount(0);
  await expect(page.getByRole('listitem').filter({ hasText: 'Add an organization' })).toContainText('Done:');
  await page.getByRole('link', { name: 'View Organization' }).click();
  await expect(page).toHaveURL('/organization');

  await admin.invite(newPerson('Grace').email);
  await page.goto('/getting-started');
  await expect(page.getByText('2 of 2 done')).toBeVisible();
});

test('a name that does not do is refused beside the field, and what was typed stays', async ({ page, newAccount, expectStatus }) => {
  expectStatus(422);
  await (await newAccount()).takeOver(page);
  await page.goto('/organization/add');
  const name = page.getByLabel('Name');
  for (const [typed, reason] of [
    ['', 'Enter the name of your organization'],
    ['   ', 'Enter the name of your organization'],
    ['é'.repeat(256), 'Use at most 255 characters'],
    ['Analytical\u0007Engines', 'Leave out control characters'],
    ['Analytical \u202EsenignE', 'Leave out control characters and characters that change the direction of text'],
  ]) {
    // What a browser would not let through by itself is sent all the same.
    await name.evaluate((input: HTMLInputElement) => input.removeAttribute('maxlength')).catch(() => {});
    await name.fill(typed);
    const [response] = await Promise.all([page.waitForResponse('**/do/add_organization'), page.getByRole('button', { name: 'Save' }).click()]);
    expect(response.status(), JSON.stringify(typed)).toBe(422);
    await expect(page.locator('#name-error')).toContainText(reason);
    await expect(name).toHaveValue(typed);
    await expect(name).toHaveAttribute('aria-invalid', 'true');
    await expect(page).toHaveTitle(/^Error: Add Organization/);
  }
  await page.goto('/getting-started');
  await expect(page.getByText('0 of 2 done')).toBeVisible();
});

for (const name of ['<script>alert(1)</script>', '</textarea></title>"><img src=x onerror=alert(1)>', 'é'.repeat(255), 'שלום עולם']) {
  test(`an organization may be called ${name.slice(0, 30)}, and its name is only text`, async ({ page, newAccount }) => {
    page.on('dialog', () => expect(false, 'something ran').toBe(true));
    await (await newAccount()).takeOver(page);
    await page.goto('/organization/add');
    await page.getByLabel('Name').fill(name);
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
    await expect(page.locator('h1 bdi')).toHaveText(name);
    await expect(page).toHaveTitle(`Details · ${name} · Org Portal`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth).catch(() => true)).toBe(true);
  });
}

test('a second organization is refused, also from a page that was left open', async ({ page, newAccount, newBrowser, expectStatus }) => {
  expectStatus(409);
  const client = await newAccount();
  await client.takeOver(page);
  const tab = await newBrowser();
  await client.takeOver(tab);
  await tab.goto('/organization/add');
  await tab.getByLabel('Name').fill('The second');
  await client.addOrganization('The first');
  const [response] = await Promise.all([tab.waitForResponse('**/do/add_organization'), tab.getByRole('button', { name: 'Save' }).click()]);
  expect(response.status()).toBe(409);
  await expect(tab.getByRole('alert')).toContainText('You belong to an organization already.');
  await tab.getByRole('link', { name: 'View Organization' }).click();
  await expect(tab.getByRole('heading', { level: 1, name: 'The first' })).toBeVisible();
  await page.goto('/organization/add');
  await expect(page.getByText('You belong to The first already.')).toBeVisible();
  await expect(page.getByLabel('Name')).toHaveCount(0);
});

test('an organization that is not yours answers like none', async ({ page, newAccount, newAdmin, newMember, expectStatus }) => {
  expectStatus(404);
  const admin = await newAdmin();
  await newMember(admin);
  const { html } = await admin.get('/organization/members');
  const member = /data-id="([^"]+)"/.exec(html)![1];
  await (await newAccount('Stranger')).takeOver(page);
  const answers = [];
  for (const path of ['/organization', '/organization/members', `/organization/members/${member}/edit`, '/organization/members/00000000-0000-0000-0000-000000000000/edit', '/no/such/page']) {
    const response = await page.goto(path);
    expect(response?.status(), path).toBe(404);
    await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible();
    answers.push((await response!.text()).replaceAll(/\d{4}-\d\d-\d\dT[^"]*/g, ''));
  }
  expect(new Set(answers).size).toBe(1);
});
