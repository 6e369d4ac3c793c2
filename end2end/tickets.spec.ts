// Tickets: raised with a file, answered by the support, followed by both, with JavaScript and without.
import { expect, test } from './support/test';

test('a ticket is raised with a file, answered by the support and solved', async ({ page, newAdmin, newMember, newOperator, newBrowser, axe, shot, js }) => {
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const grace = await newMember(admin, 'Grace');
  await grace.takeOver(page);
  await page.goto('/organization');
  await page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name: 'Tickets' }).click();
  await expect(page.getByRole('heading', { name: 'No tickets of yours' })).toBeVisible();
  await page.getByRole('link', { name: 'Raise ticket' }).first().click();
  await expect(page.getByRole('heading', { level: 1, name: 'Raise ticket' })).toBeVisible();
  await axe(page);
  await page.getByLabel('Subject').fill('Replication lags behind');
  await page.getByLabel('Product').fill('MySQL');
  await page.getByLabel('Priority').selectOption('P2 - High');
  await page.getByLabel('Description').fill('Since **midnight** the replica is late.\n\n- restarted it\n- no change');
  await page.getByLabel('Files').setInputFiles({ name: 'replica.log', mimeType: 'text/plain', buffer: Buffer.from('late\n') });
  await shot(page, 'ticket-new');
  await page.getByRole('button', { name: 'Raise ticket' }).click();
  await expect(page).toHaveURL(/\/organization\/tickets\/T\d+$/);
  await expect(page.getByRole('heading', { level: 1, name: 'Replication lags behind' })).toBeVisible();
  await expect(page.locator('.prose strong')).toHaveText('midnight');
  await axe(page);
  const ticket = new URL(page.url()).pathname;
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'replica.log' }).click();
  expect((await download).suggestedFilename()).toBe('replica.log');

  // The support answers, and the open page shows it by itself.
  const staff = await newOperator('Sam');
  const desk = await newBrowser();
  await staff.takeOver(desk);
  await desk.goto('/operator/tickets');
  await desk.getByRole('link', { name: 'Replication lags behind' }).click();
  await axe(desk);
  await desk.getByRole('textbox', { name: 'Internal note' }).fill('Looks like the old disk.');
  await desk.getByRole('button', { name: 'Write note' }).click();
  await expect(desk.locator('.said.note')).toContainText('old disk');
  await desk.getByRole('textbox', { name: 'Reply to the customer' }).fill('Which version is it?');
  await desk.getByRole('button', { name: 'Reply', exact: true }).click();
  await expect(desk.locator('.said.staff')).toContainText('Which version');
  await shot(desk, 'ticket-desk');
  if (!js) await page.reload();
  await expect(page.locator('.said.staff')).toContainText('Which version', { timeout: 2000 });
  await expect(page.locator('.said')).toHaveCount(2);

  // And the other way.
  await page.getByRole('textbox', { name: 'Reply' }).fill('8.0.36');
  await page.getByRole('button', { name: 'Reply', exact: true }).click();
  await expect(page.locator('.said')).toHaveCount(3);
  await shot(page, 'ticket');
  if (!js) await desk.reload();
  await expect(desk.locator('.said:not(.note)')).toHaveCount(3, { timeout: 2000 });

  await page.getByRole('button', { name: 'Mark as resolved' }).click();
  await expect(page.getByText('Resolved', { exact: true }).first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Reply and reopen' })).toBeVisible();
  await page.goto('/organization/tickets');
  await expect(page.getByRole('row').filter({ hasText: 'Replication lags behind' })).toContainText('Resolved');
  await axe(page);
  await shot(page, 'tickets');
  expect(ticket).toMatch(/T\d+$/);
});

test('what the support makes of a ticket shows on its open page, with what a reply does then', async ({ page, newAdmin, newOperator, newBrowser, axe, js }) => {
  test.skip(!js, 'only with JavaScript');
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const ticket = await admin.done('/organization/tickets/new', 'raise_ticket', { 'form[subject]': 'Backup fails', 'form[description]': 'Since Monday' });
  await admin.takeOver(page);
  const open = page.waitForResponse((response) => new URL(response.url()).pathname === '/live' && response.ok());
  await page.goto(ticket);
  await open;
  const text = page.getByRole('textbox', { name: 'Reply' });
  await text.fill('What I was writing');
  const desk = await newBrowser();
  await (await newOperator('Sam')).takeOver(desk);
  await desk.goto(ticket.replace('/organization', '/operator'));
  const change = desk.getByRole('form', { name: 'Change the ticket' });
  await change.getByLabel('State').selectOption('Resolved');
  await change.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('button', { name: 'Reply and reopen' })).toBeVisible({ timeout: 2000 });
  await expect(page.getByText(/^The ticket is resolved. A reply until .* opens it again.$/)).toBeVisible();
  await expect(text).toHaveValue('What I was writing');
  await axe(page);
  await page.getByRole('button', { name: 'Reply and reopen' }).click();
  await expect(page.getByRole('button', { name: 'Reply', exact: true })).toBeVisible();
  await expect(page.getByText('opens it again')).toHaveCount(0);
});

test('of two of the support each changes what was chosen on their page, which follows the other one', async ({ page, newAdmin, newOperator, newBrowser, axe, js }) => {
  const admin = await newAdmin('Analytical Engines', 'Ada');
  const ticket = await admin.done('/organization/tickets/new', 'raise_ticket', { 'form[subject]': 'Backup fails', 'form[description]': 'Since Monday' });
  const desk = ticket.replace('/organization', '/operator');
  await (await newOperator('Sam')).takeOver(page);
  const open = js ? page.waitForResponse((response) => new URL(response.url()).pathname === '/live' && response.ok()) : undefined;
  await page.goto(desk);
  await open;
  const mine = page.getByRole('form', { name: 'Change the ticket' });
  await mine.getByLabel('Priority').selectOption('P1 - Critical');
  const other = await newBrowser();
  await (await newOperator('Pat')).takeOver(other);
  await other.goto(desk);
  const theirs = other.getByRole('form', { name: 'Change the ticket' });
  await theirs.getByLabel('State').selectOption('Awaiting customer');
  await theirs.getByLabel('Assigned to').selectOption({ index: 1 });
  await theirs.getByRole('button', { name: 'Save' }).click();
  await expect(other.getByRole('status').filter({ hasText: 'changed' })).toBeVisible();
  if (js) {
    // What was not touched follows, and what was chosen stays.
    await expect(mine.getByLabel('State')).toHaveValue('waiting');
    await expect(mine.getByLabel('Priority')).toHaveValue('P1 - Critical');
  }
  await mine.getByRole('button', { name: 'Save' }).click();
  await expect(mine.getByLabel('State')).toHaveValue('waiting');
  await expect(mine.getByLabel('Priority')).toHaveValue('P1 - Critical');
  await expect(mine.getByLabel('Assigned to').locator('option:checked')).toHaveText(/^Pat/);
  await axe(page);
});

test('what is wrong in a ticket is said beside its field, and the file stays', async ({ page, newAdmin, expectStatus, axe }) => {
  expectStatus(422);
  const admin = await newAdmin();
  await admin.takeOver(page);
  await page.goto('/organization/tickets/new');
  await page.getByLabel('Description').fill('It breaks');
  await page.getByLabel('Files').setInputFiles({ name: 'a.log', mimeType: 'text/plain', buffer: Buffer.from('a') });
  await page.getByRole('button', { name: 'Raise ticket' }).click();
  await expect(page.locator('#subject-error')).toHaveText('Enter a subject: the problem in one line');
  await expect(page.getByLabel('Description')).toHaveValue('It breaks');
  await expect(page.getByRole('checkbox', { name: 'a.log' })).toBeChecked();
  await axe(page);
  await page.getByLabel('Subject').fill('Help');
  await page.getByRole('button', { name: 'Raise ticket' }).click();
  await expect(page.getByRole('link', { name: 'a.log' })).toBeVisible();
});

test('an Admin finds tickets by the drawn summary, the filters and the search', async ({ page, newAdmin, axe, shot }) => {
  const admin = await newAdmin('Analytical Engines', 'Ada');
  for (const [subject, priority] of [['Backup fails', 'P1 - Critical'], ['Upgrade question', 'P4 - Low'], ['Alerts are late', 'P3 - Normal'], ['Slow queries', 'P3 - Normal']]) {
    await admin.done('/organization/tickets/new', 'raise_ticket', { 'form[subject]': subject, 'form[priority]': priority, 'form[description]': 'Details' });
  }
  await admin.takeOver(page);
  await page.goto('/organization/tickets');
  const rows = page.getByRole('table', { name: 'Tickets' }).locator('tbody tr');
  await expect(rows).toHaveCount(4);
  await expect(page.getByRole('heading', { name: '4 tickets' })).toBeVisible();
  await axe(page);
  await shot(page, 'tickets-many');
  await page.locator('.summary').getByRole('link', { name: 'P3 - Normal' }).click();
  await expect(page).toHaveURL(/priority=3/);
  await expect(rows).toHaveCount(2);
  await page.getByRole('searchbox').fill('slow');
  await page.getByRole('searchbox').press('Enter');
  await expect(rows).toHaveCount(1);
  await page.goBack();
  await expect(rows).toHaveCount(2);
});
