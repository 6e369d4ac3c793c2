import { Client } from './support/client';
import { act, live, rowOf } from './support/members';
import { expect, test, type Page } from './support/test';

/** Invites from the Members tab: in the dialog with the island, on the page without. Gives what holds the form. */
async function invite(page: Page, js: boolean, email: string, role?: string) {
  await page.goto('/organization/members');
  await live(page, js);
  await page.getByRole('link', { name: 'Invite Member' }).click();
  if (!js) await expect(page).toHaveURL('/organization/members/invite');
  const form = js ? page.getByRole('dialog', { name: 'Invite Member' }) : page.locator('main');
  await form.getByLabel('Corporate e-mail').fill(email);
  if (role) await form.getByLabel('Role').selectOption(role);
  await form.getByRole('button', { name: 'Save' }).click();
  return form;
}

test('a colleague is invited, follows the mail, signs up from its link without a second mail, and joins', async ({ page, portal, js, newAdmin, newPerson, newBrowser }) => {
  const admin = await newAdmin('Analytical Engines');
  await admin.takeOver(page);
  const grace = newPerson('Grace');
  await invite(page, js, grace.email, 'Technical user');
  await expect(page.getByText('The invitation is on its way.')).toBeVisible();
  await expect(page).toHaveURL('/organization/members');
  const row = rowOf(page, grace.email);
  await expect(row).toContainText('Pending');
  await expect(row).toContainText('Technical user');
  await expect(row).toContainText(`${admin.person.firstName} ${admin.person.lastName}`);

  const mail = await portal.mails.waitFor(grace.email, 'Welcome to Analytical Engines');
  expect(mail.subject).toBe('Welcome to Analytical Engines');
  expect(mail.text).toContain(`${admin.person.firstName} ${admin.person.lastName} invites you to Analytical Engines`);
  expect(mail.text).toContain('as Technical user');
  const [link] = mail.links;

  const hers = await newBrowser();
  await hers.goto(link);
  await expect(hers.getByRole('heading', { level: 1, name: 'Join Analytical Engines' })).toBeVisible();
  await expect(hers.getByText(`invited ${grace.email} as Technical user.`)).toBeVisible();
  await hers.getByRole('link', { name: 'Create an account' }).click();
  const email = hers.getByLabel('E-mail', { exact: true });
  await expect(email).toHaveValue(grace.email);
  await expect(email).toHaveAttribute('readonly', '');
  await hers.getByLabel('First name').fill(grace.firstName);
  await hers.getByLabel('Last name').fill(grace.lastName);
  await hers.getByLabel('Password', { exact: true }).fill(grace.password);
  await hers.getByRole('button', { name: 'Create account' }).click();
  await expect(hers.getByRole('heading', { level: 1, name: 'Join Analytical Engines' })).toBeVisible();
  await expect(hers.getByText(`Signed in as ${grace.email}`)).toBeVisible();
  expect(portal.mails.to(grace.email)).toHaveLength(1);
  // Nothing has happened yet.
  expect((await admin.get('/organization/members')).html).not.toContain(`Grace ${grace.lastName}`);
  await hers.getByRole('button', { name: 'Accept' }).click();
  await expect(hers).toHaveURL('/organization');
  await expect(hers.getByRole('status').filter({ hasText: 'Welcome. You are a member now.' })).toBeVisible();
  await hers.goto('/getting-started');
  await expect(hers.getByRole('link', { name: 'View Organization' })).toBeVisible();

  await page.reload();
  await expect(rowOf(page, `Grace ${grace.lastName}`)).toContainText('Technical user');
  await expect(page.getByText('Pending')).toHaveCount(0);
  // Who follows the link again is taken to the organization.
  await hers.goto(link);
  await expect(hers).toHaveURL('/organization');
});

test('mistakes at the sign-up from a link keep the invitation', async ({ page, portal, newAdmin, newPerson, expectStatus }) => {
  expectStatus(422);
  const grace = newPerson('Grace');
  const link = await (await newAdmin()).invite(grace.email);
  await page.goto(link);
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('First name').fill('Grace');
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.locator('#password-error')).toBeVisible();
  await expect(page.getByText('invites you to Analytical Engines')).toBeVisible();
  await expect(page.getByLabel('E-mail', { exact: true })).toHaveValue(grace.email);
  await expect(page.getByLabel('E-mail', { exact: true })).toHaveAttribute('readonly', '');
  await page.getByLabel('Password', { exact: true }).fill(grace.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('button', { name: 'Accept' }).click();
  await expect(page).toHaveURL('/organization');
  expect(portal.mails.to(grace.email)).toHaveLength(1);
});

test('who has an account signs in from the link and accepts', async ({ page, newAdmin, newAccount }) => {
  const grace = await newAccount('Grace');
  const link = await (await newAdmin()).invite(grace.person.email, 'Admin');
  await page.goto(link);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('E-mail', { exact: true }).fill(grace.person.email);
  await page.getByLabel('Password', { exact: true }).fill(grace.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(link);
  const facts = page.locator('main dl');
  await expect(facts).toContainText('Admin');
  await expect(facts).toContainText(grace.person.email);
  await page.getByRole('button', { name: 'Accept' }).click();
  await expect(page).toHaveURL('/organization');
  await expect(page.locator('main dl')).toContainText('Admin');
});

test('an invitation waits on Getting Started, and is accepted there', async ({ page, newAdmin, newAccount }) => {
  const grace = await newAccount('Grace');
  const admin = await newAdmin('Difference Engines');
  await admin.invite(grace.person.email);
  await grace.takeOver(page);
  await page.goto('/');
  const waiting = page.getByRole('region', { name: 'invited you to Difference Engines' });
  await expect(waiting).toContainText('You join as Technical user.');
  await waiting.getByRole('button', { name: 'Accept' }).click();
  await expect(page).toHaveURL('/organization');
  await expect(page.getByRole('heading', { level: 1, name: 'Difference Engines' })).toBeVisible();
});

test('an invitation is declined, and its link is over', async ({ page, newAdmin, newAccount, expectStatus }) => {
  expectStatus(410);
  const grace = await newAccount('Grace');
  const admin = await newAdmin();
  const link = await admin.invite(grace.person.email);
  await grace.takeOver(page);
  await page.goto(link);
  await page.getByRole('button', { name: 'Decline' }).click();
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByRole('status').filter({ hasText: 'You declined the invitation.' })).toBeVisible();
  const response = await page.goto(link);
  expect(response?.status()).toBe(410);
  await expect(page.getByRole('heading', { name: 'This invitation cannot be used' })).toBeVisible();
  // The address can be invited again.
  await page.goto(await admin.invite(grace.person.email));
  await expect(page.getByRole('button', { name: 'Accept' })).toBeVisible();
});

test('another account than the invited one cannot accept, and learns which address in part', async ({ page, newAdmin, newAccount, newPerson, expectStatus }) => {
  expectStatus(403);
  const grace = newPerson('Grace');
  const link = await (await newAdmin()).invite(grace.email);
  const mallory = await newAccount('Mallory');
  await mallory.takeOver(page);
  const response = await page.goto(link);
  expect(response?.status()).toBe(403);
  await expect(page.getByRole('heading', { name: 'This invitation is for another address' })).toBeVisible();
  await expect(page.locator('main')).toContainText('g•••@customer.example');
  await expect(page.locator('main')).not.toContainText(grace.email);
  await expect(page.getByRole('button', { name: 'Accept' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto(link);
  await expect(page.getByRole('link', { name: 'Create an account' })).toBeVisible();
});

test('an account in another organization is told why it cannot, and the inviter is not', async ({ page, js, newAdmin, newBrowser, expectStatus }) => {
  expectStatus(409);
  const [admin, other] = [await newAdmin('Analytical Engines'), await newAdmin('Difference Engines', 'Charles')];
  await admin.takeOver(page);
  await invite(page, js, other.person.email);
  await expect(page.getByText('The invitation is on its way.')).toBeVisible();
  const link = await other.link('Welcome to', '/invitation?token=');
  const his = await newBrowser();
  await other.takeOver(his);
  const response = await his.goto(link);
  expect(response?.status()).toBe(409);
  await expect(his.getByRole('heading', { name: 'You are in another organization' })).toBeVisible();
  await expect(his.locator('main')).toContainText('To join Analytical Engines, leave Difference Engines first.');
  await his.goto('/getting-started');
  await expect(his.getByRole('region', { name: 'invited you to Analytical Engines' })).toContainText('leave yours first');
  await expect(his.getByRole('button', { name: 'Accept' })).toHaveCount(0);
});

test('a link that was revoked, is unknown or not complete leads to one page that says what to do', async ({ page, js, newAdmin, newPerson, newBrowser, expectStatus }) => {
  expectStatus(410);
  const admin = await newAdmin();
  const grace = newPerson('Grace');
  const link = await admin.invite(grace.email);
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await act(rowOf(page, grace.email), 'Revoke');
  const form = js ? page.getByRole('dialog', { name: 'Revoke invitation' }) : page.locator('main');
  await expect(form).toContainText(`Revoke the invitation of ${grace.email}?`);
  await form.getByRole('button', { name: 'Revoke invitation' }).click();
  await expect(page.getByText('The invitation was revoked. Its link no longer works.')).toBeVisible();
  await expect(rowOf(page, grace.email)).toHaveCount(0);
  const hers = await newBrowser();
  const pages = new Set<string>();
  for (const address of [link, '/invitation?token=unknown', '/invitation?token=', '/invitation', '/invitation?token=%00%ff']) {
    const response = await hers.goto(address);
    expect(response?.status(), address).toBe(410);
    await expect(hers.getByRole('heading', { name: 'This invitation cannot be used' })).toBeVisible();
    pages.add((await response!.text()));
  }
  expect(pages.size).toBe(1);
  // The sign-up of such a link says so too, and goes on as any other.
  await hers.goto(link.replace('/invitation?token=', '/sign-up?invitation='));
  await expect(hers.getByText('This invitation no longer works.')).toBeVisible();
});

test('sending again kills the earlier link', async ({ page, js, portal, newAdmin, newPerson, newBrowser, expectStatus }) => {
  expectStatus(410);
  const admin = await newAdmin();
  const grace = newPerson('Grace');
  const old = await admin.invite(grace.email);
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await act(rowOf(page, grace.email), 'Resend');
  await expect(page.getByText('The invitation is on its way again. The earlier link no longer works.')).toBeVisible();
  const mail = await portal.mails.waitFor(grace.email, 'Welcome to');
  expect(mail.links[0]).not.toBe(old);
  const hers = await newBrowser();
  expect((await hers.goto(old))?.status()).toBe(410);
  expect((await hers.goto(mail.links[0]))?.status()).toBe(200);
});

test('inviting an address twice sends no second mail, says so beside the field and offers Resend', async ({ page, js, portal, newAdmin, newPerson, expectStatus }) => {
  expectStatus(409);
  const admin = await newAdmin();
  const grace = newPerson('Grace');
  await admin.invite(grace.email);
  await admin.takeOver(page);
  const form = await invite(page, js, grace.email.toUpperCase());
  const field = form.getByLabel('Corporate e-mail');
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  await expect(field).toHaveAccessibleDescription(/This address is invited already/);
  await expect(field).toHaveValue(grace.email.toUpperCase());
  expect(portal.mails.to(grace.email)).toHaveLength(1);
  await form.getByRole('button', { name: 'Resend' }).click();
  await expect(page.getByText('The invitation is on its way again.')).toBeVisible();
  await portal.mails.waitFor(grace.email, 'Welcome to');
});

test('inviting a member or nonsense is refused beside the field', async ({ page, js, newAdmin, newMember, expectStatus }) => {
  expectStatus(409, 422);
  const admin = await newAdmin();
  const { person } = await newMember(admin);
  await admin.takeOver(page);
  for (const [email, reason] of [
    [person.email, 'This address belongs to a member of your organization already.'],
    ['nonsense', 'Enter an e-mail address like name@example.com'],
    ['', 'Enter an e-mail address'],
    ['<script>@x.example', 'Enter an e-mail address like name@example.com'],
  ]) {
    const form = await invite(page, js, email, 'Admin');
    await expect(form.getByLabel('Corporate e-mail')).toHaveAccessibleDescription(`One address, or many pasted at once. ${reason}`);
    await expect(form.getByLabel('Corporate e-mail')).toHaveValue(email);
    await expect(form.getByLabel('Role')).toHaveValue('Admin');
  }
});

test('a Technical user invites as Technical user only, and manages only what they sent', async ({ page, portal, js, newAdmin, newMember, newPerson }) => {
  const admin = await newAdmin();
  const technical = await newMember(admin);
  const [byAdmin, own] = [newPerson('Adas'), newPerson('Own')];
  await admin.invite(byAdmin.email);
  await technical.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await page.getByRole('link', { name: 'Invite Member' }).click();
  await expect((js ? page.getByRole('dialog') : page.locator('main')).getByLabel('Role').locator('option')).toHaveText(['Technical user']);
  await invite(page, js, own.email);
  await expect(page.getByText('The invitation is on its way.')).toBeVisible();
  await portal.mails.waitFor(own.email, 'Welcome to');
  await expect(rowOf(page, byAdmin.email).locator('a, button')).toHaveCount(0);
  await expect(rowOf(page, own.email).locator('.row-actions a, .row-actions button')).toHaveCount(2);
  // The server refuses what the form does not offer.
  const answer = await technical.form('/organization/members/invite', 'invite_member', { 'form[email]': 'x@customer.example', 'form[role]': 'Admin' });
  expect(answer.status).toBe(403);
});

test('an invited sign-up cannot take another address', async ({ portal, newAdmin, newPerson }) => {
  const admin = await newAdmin();
  const [grace, mallory] = [newPerson('Grace'), newPerson('Mallory')];
  const link = await admin.invite(grace.email);
  const client = new Client(portal, mallory);
  const answer = await client.form(link.replace('/invitation?token=', '/sign-up?invitation='), 'sign_up', {
    'form[email]': mallory.email,
    'form[first_name]': 'Mallory',
    'form[last_name]': '',
    'form[password]': mallory.password,
  });
  expect(answer.status).toBe(422);
  expect(answer.html).toContain('Use the address that the invitation was sent to');
});
