import { act, live, rowOf } from './support/members';
import { expect, test, type Page } from './support/test';

async function changeRole(page: Page, js: boolean, email: string, role: string) {
  await page.goto('/organization/members');
  await live(page, js);
  await act(rowOf(page, email), 'Edit');
  const form = js ? page.getByRole('dialog', { name: 'Edit Member' }) : page.locator('main form');
  await form.getByLabel('Role').selectOption(role);
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('The role was changed.')).toBeVisible();
}

test("a change of role bites on the other's very next request", async ({ page, js, newAdmin, newMember, newBrowser, expectStatus }) => {
  expectStatus(404, 403);
  const admin = await newAdmin();
  const grace = await newMember(admin, 'Grace');
  const bob = await newMember(admin, 'Bob');
  await admin.takeOver(page);
  const hers = await newBrowser();
  await grace.takeOver(hers);
  // The stream that would take the dialog away with the role is silent: what she sends is refused all the same.
  await hers.route('**/live?**', (route) => route.fulfill({ contentType: 'text/event-stream', body: 'retry: 60000\n\n' }));
  await hers.goto('/organization/members');
  await expect(rowOf(hers, bob.person.email).locator('.row-actions')).toHaveCount(0);

  await changeRole(page, js, grace.person.email, 'Admin');
  await hers.reload();
  await expect(rowOf(hers, bob.person.email).locator('.row-actions')).toHaveCount(1);
  // She opens what an Admin may, is demoted, and what she then sends is refused.
  await live(hers, js);
  await act(rowOf(hers, bob.person.email), 'Remove');
  await changeRole(page, js, grace.person.email, 'Technical user');
  await (js ? hers.getByRole('dialog') : hers.locator('main form').first()).getByRole('button', { name: /^Remove/ }).click();
  await expect(hers.getByText(js ? 'Your role does not allow this.' : /There is nothing at this address|Your role does not allow this/)).toBeVisible();
  await page.reload();
  await expect(rowOf(page, bob.person.email)).toHaveCount(1);
  await hers.goto('/organization/members');
  await expect(rowOf(hers, bob.person.email).locator('.row-actions')).toHaveCount(0);
});

test('an Admin who was demoted opens no page that only an Admin sees', async ({ page, newAdmin, newMember, expectStatus }) => {
  expectStatus(404);
  const admin = await newAdmin();
  const grace = await newMember(admin, 'Grace', 'Admin');
  await grace.takeOver(page);
  const id = /data-id="([^"]+)" data-name="Ada/.exec((await grace.get('/organization/members')).html)![1];
  expect((await page.goto(`/organization/members/${id}/edit`))?.status()).toBe(200);
  const hers = /data-id="([^"]+)" data-name="Grace/.exec((await admin.get('/organization/members')).html)![1];
  await admin.done(`/organization/members/${hers}/edit`, 'change_role', { 'form[role]': 'Technical user' });
  expect((await page.goto(`/organization/members/${id}/edit`))?.status()).toBe(404);
});

test('the only Admin cannot leave and is told what to do; with another one they can', async ({ page, js, newAdmin, newMember, expectStatus }) => {
  expectStatus(404);
  const admin = await newAdmin('Analytical Engines');
  const grace = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/organization');
  await page.getByRole('link', { name: 'Leave organization' }).click();
  await expect(page.getByText('You are the only Admin')).toBeVisible();
  await expect(page.getByText('Make another member Admin first, then leave.')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Leave/ })).toHaveCount(0);
  // Also where the form is sent all the same.
  const organization = /data-organization="([^"]+)"/.exec((await admin.get('/organization/members')).html)![1];
  const answer = await admin.post('leave_organization', { 'drawn[page]': '/organization/leave', 'drawn[organization]': organization });
  expect(answer.status).toBe(409);

  await changeRole(page, js, grace.person.email, 'Admin');
  await page.goto('/organization/leave');
  await page.getByRole('button', { name: 'Leave Analytical Engines' }).click();
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByRole('status').filter({ hasText: 'You left the organization.' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Add Organization' })).toBeVisible();
  expect((await page.goto('/organization'))?.status()).toBe(404);
});

test('a Technical user leaves, and may come back by invitation', async ({ page, newAdmin, newMember }) => {
  const admin = await newAdmin('Analytical Engines');
  const grace = await newMember(admin, 'Grace');
  await grace.takeOver(page);
  await page.goto('/organization/leave');
  await page.getByRole('button', { name: 'Leave Analytical Engines' }).click();
  await expect(page).toHaveURL('/getting-started');
  await page.goto(await admin.invite(grace.person.email));
  await page.getByRole('button', { name: 'Accept' }).click();
  await expect(page).toHaveURL('/organization');
});

test('nobody changes their own role, whatever is sent', async ({ newAdmin, newMember }) => {
  const admin = await newAdmin();
  const grace = await newMember(admin, 'Grace', 'Admin');
  const { html } = await grace.get('/organization/members');
  const own = /data-id="([^"]+)" data-name="Ada/.exec(html)![1];
  const organization = /data-organization="([^"]+)"/.exec(html)![1];
  for (const role of ['Technical user', 'Admin', 'Owner', '']) {
    const answer = await admin.post('change_role', { 'form[member]': own, 'form[role]': role, 'drawn[page]': '/organization/members', 'drawn[organization]': organization });
    expect([409, 422], role).toContain(answer.status);
  }
  expect((await admin.get('/organization')).html).toContain('Admin');
  await expect(admin.get(`/organization/members/${own}/edit`).then(({ html }) => html)).resolves.toContain('Nobody can change their own role.');
});

test('the page of roles is the table of permissions', async ({ page, newAdmin, newMember }) => {
  const table = [
    ['View members and organization', 'Yes', 'Yes'],
    ['Manage members and organization', 'Yes', 'No'],
    ['Invite members', 'Yes', 'Yes, as Technical user only'],
    ["Change a member's role", 'Yes, of others only', 'No'],
    ['View customer data (entitlements, contacts, tickets)', 'Yes', 'No'],
    ['Connect a PMM server', 'Yes', 'Yes'],
    ['Raise a support ticket', 'Yes', 'Yes'],
  ];
  const admin = await newAdmin();
  await (await newMember(admin)).takeOver(page);
  await page.goto('/roles');
  const rows = page.getByRole('table').locator('tbody tr');
  await expect(rows).toHaveCount(table.length);
  for (const [n, cells] of table.entries()) {
    await expect(rows.nth(n).locator('th, td')).toHaveText(cells);
  }
  // On a phone rows are cards and the head is only for readers of the accessibility tree.
  await expect(page.locator('thead th').nth(2)).toContainText('You');
  await expect(page.locator('thead th').nth(1)).not.toContainText('You');
});
