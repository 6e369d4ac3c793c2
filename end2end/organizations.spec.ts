import { expect, test } from './support/test';

test('somebody new sees what to do first, and what opens later', async ({ page, newAccount }) => {
  await (await newAccount()).takeOver(page);
  await page.goto('/');
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByText('0 of 4 done')).toBeVisible();
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
  await expect(page.getByText('1 of 4 done')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Add Organization' })).toHaveCount(0);
  await expect(page.getByRole('listitem').filter({ hasText: 'Add an organization' })).toContainText('Done:');
  await page.getByRole('link', { name: 'View Organization' }).click();
  await expect(page).toHaveURL('/organization');

  await admin.invite(newPerson('Grace').email);
  await page.goto('/getting-started');
  await expect(page.getByText('2 of 4 done')).toBeVisible();
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
  await expect(page.getByText('0 of 4 done')).toBeVisible();
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
  await expect(tab.getByRole('alert')).toContainText('You belong to The first already.');
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

test('an Admin renames the organization, and a Technical user finds no way to', async ({ page, newAdmin, newMember, newBrowser, axe, expectStatus }) => {
  expectStatus(404, 422);
  const admin = await newAdmin('Analytical Engines');
  const grace = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/organization');
  await page.getByRole('link', { name: 'Rename' }).click();
  await axe(page);
  const name = page.getByLabel('Name');
  await expect(name).toHaveValue('Analytical Engines');
  await name.fill('  ');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.locator('#name-error')).toHaveText('Enter the name of your organization');
  await name.fill('Difference Engines');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page).toHaveURL('/organization');
  await expect(page.getByRole('status').filter({ hasText: 'The organization has its new name.' })).toBeVisible();
  await expect(page.getByRole('heading', { level: 1, name: 'Difference Engines' })).toBeVisible();
  await expect(page.locator('.topbar-org')).toHaveText('Difference Engines');

  const hers = await newBrowser();
  await grace.takeOver(hers);
  await hers.goto('/organization');
  await expect(hers.getByRole('heading', { level: 1, name: 'Difference Engines' })).toBeVisible();
  await expect(hers.getByRole('link', { name: /Rename|Delete organization/ })).toHaveCount(0);
  for (const path of ['/organization/rename', '/organization/delete']) expect((await hers.goto(path))?.status(), path).toBe(404);
});

test('an organization is deleted by typing its name; its members begin anew, and its invitations are dead', async ({ page, newAdmin, newMember, newPerson, newBrowser, axe, expectStatus }) => {
  expectStatus(404, 410, 422);
  const admin = await newAdmin('Analytical Engines');
  const grace = await newMember(admin, 'Grace');
  const link = await admin.invite(newPerson('Zoe').email);
  await admin.takeOver(page);
  await page.goto('/organization');
  await page.getByRole('link', { name: 'Delete organization' }).click();
  await expect(page.getByText('You and 1 other member lose access at once.')).toBeVisible();
  await expect(page.getByText('1 pending invitation ends')).toBeVisible();
  await axe(page);
  await page.getByLabel('Name of the organization').fill('analytical engines');
  const [response] = await Promise.all([page.waitForResponse('**/do/delete_organization'), page.getByRole('button', { name: 'Delete organization' }).click()]);
  expect(response.status()).toBe(422);
  await expect(page.locator('#name-error')).toHaveText('This is not the name of the organization');
  await expect(page.getByLabel('Name of the organization')).toHaveValue('analytical engines');
  await page.getByLabel('Name of the organization').fill('Analytical Engines');
  await page.getByRole('button', { name: 'Delete organization' }).click();
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByRole('status').filter({ hasText: 'The organization is deleted.' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Add Organization' })).toBeVisible();

  const hers = await newBrowser();
  await grace.takeOver(hers);
  expect((await hers.goto('/organization'))?.status()).toBe(404);
  await hers.goto('/getting-started');
  await expect(hers.getByRole('link', { name: 'Add Organization' })).toBeVisible();
  const invited = await newBrowser();
  expect((await invited.goto(link))?.status()).toBe(410);
  await expect(invited.getByRole('heading', { name: 'This invitation cannot be used' })).toBeVisible();
});

test('who is alone leaves by typing the name, which deletes the organization', async ({ page, newAdmin, expectStatus }) => {
  expectStatus(422);
  await (await newAdmin('Analytical Engines')).takeOver(page);
  await page.goto('/organization');
  await page.getByRole('link', { name: 'Leave organization' }).click();
  await expect(page.getByText('You are the only member of Analytical Engines.')).toBeVisible();
  await page.getByRole('button', { name: 'Leave and delete' }).click();
  await expect(page.locator('#name-error')).toHaveText('Type the name of the organization');
  await page.getByLabel('Name of the organization').fill('Analytical Engines');
  await page.getByRole('button', { name: 'Leave and delete' }).click();
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByRole('status').filter({ hasText: 'The organization is deleted.' })).toBeVisible();
});
