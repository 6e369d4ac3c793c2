// Many at once: filters, several members, the list taken along, many addresses, and the list of invitations.
import { readFileSync } from 'node:fs';
import { live, memberRows, rowOf } from './support/members';
import { expect, test } from './support/test';

test('the list is filtered by role and state, and the filters stand in its address', async ({ page, newAdmin, newMember, js, axe }) => {
  const admin = await newAdmin();
  await newMember(admin, 'Grace');
  await newMember(admin, 'Mary', 'Admin');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await page.locator('#filter-role').click();
  await axe(page);
  await page.getByRole('link', { name: 'Technical user', exact: true }).click();
  await expect(page).toHaveURL(/role=Technical(%20|\+)user/);
  await expect(memberRows(page)).toHaveCount(1);
  await expect(page.locator('#filter-role')).toContainText('Role: Technical user');
  await page.locator('#filter-state').click();
  await page.getByRole('link', { name: 'Not active for 30 days' }).click();
  await expect(page.getByRole('heading', { name: 'No members found' })).toBeVisible();
  await page.goBack();
  await expect(memberRows(page)).toHaveCount(1);
  await page.goBack();
  await expect(memberRows(page)).toHaveCount(3);
  await page.goForward();
  await expect(memberRows(page)).toHaveCount(1);
  await expect(rowOf(page, 'Grace')).toBeVisible();
});

test('several members get a role or are removed at once; who cannot is named with the reason', async ({ page, newAdmin, newMember, js, expectStatus }) => {
  expectStatus(409);
  const admin = await newAdmin();
  const people = [];
  for (const name of ['Grace', 'Mary', 'Joan']) people.push(await newMember(admin, name));
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  const select = (name: string) => rowOf(page, name).getByRole('checkbox').check();
  await expect(page.locator('.bulk')).toBeHidden();
  await select('Grace');
  await select('Mary');
  if (js) {
    // What is counted by the style sheet is read out, too.
    const cdp = await page.context().newCDPSession(page);
    const read = async () => (await cdp.send('Accessibility.getFullAXTree')).nodes.filter((node) => node.role?.value === 'StaticText').map((node) => node.name?.value).join('');
    await expect.poll(read).toMatch(/2\s+selected/);
  }
  await page.getByRole('button', { name: 'Change role' }).click();
  await expect(page.getByRole('heading', { name: 'Change roles' })).toBeVisible();
  await expect(page.locator('.chosen li')).toHaveCount(2);
  await page.getByLabel('Role').selectOption('Admin');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(rowOf(page, 'Grace')).toContainText('Admin');
  await expect(rowOf(page, 'Mary')).toContainText('Admin');
  await expect(rowOf(page, 'Joan')).toContainText('Technical user');

  await live(page, js);
  await select('Joan');
  await select('Mary');
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  // One of them goes meanwhile.
  await people[1].done('/organization/leave', 'leave_organization');
  await page.getByRole('button', { name: 'Remove 2 members' }).click();
  await expect(page.getByRole('alert')).toContainText('1 member was removed, 1 not:');
  await expect(page.getByRole('alert')).toContainText(/Mary .*: They are not a member any more/);
  await expect(page.getByText('Nobody is chosen')).toHaveCount(0);
  await page.goto('/organization/members');
  await expect(memberRows(page)).toHaveCount(2);
});

test('of many chosen members the page begins at its heading, and its buttons are in sight', async ({ page, newAdmin, newMember, axe }) => {
  const admin = await newAdmin();
  for (let n = 0; n < 20; n += 1) await newMember(admin, `N${n}`);
  await admin.takeOver(page);
  await page.goto(`/organization/members/several?do=remove&${[...(await admin.get('/organization/members')).html.matchAll(/name="member" form="several" value="([^"]+)"/g)].map(([, id]) => `member=${id}`).join('&')}`);
  await expect(page.locator('.chosen li')).toHaveCount(20);
  await expect(page.getByRole('heading', { name: 'Remove members' })).toBeFocused();
  await expect(page.getByRole('heading', { name: 'Remove members' })).toBeInViewport();
  await expect(page.getByRole('button', { name: 'Remove 20 members' })).toBeInViewport();
  await axe(page);
});

test('every member of a page is selected by one box', async ({ page, newAdmin, newMember, js }) => {
  test.skip(!js, 'the box is the island’s');
  const admin = await newAdmin();
  await newMember(admin, 'Grace');
  await newMember(admin, 'Mary');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await page.getByLabel('Select all members of this page').check();
  await expect(page.locator('tbody input:checked')).toHaveCount(2);
  await expect(page.locator('.bulk')).toBeVisible();
  await page.locator('tbody input:checked').first().uncheck();
  await page.locator('tbody input:checked').first().uncheck();
  await expect(page.locator('.bulk')).toBeHidden();
});

test('the list is taken along as it is shown', async ({ page, newAdmin, newMember }) => {
  const admin = await newAdmin();
  const { person } = await newMember(admin, 'Grace');
  await newMember(admin, 'Mary', 'Admin');
  await admin.takeOver(page);
  await page.goto('/organization/members?role=Technical%20user');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export CSV' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toBe('members.csv');
  const lines = readFileSync(await saved.path(), 'utf8').trim().split('\r\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain(`Grace ${person.lastName},${person.email},Technical user,`);
});

test('many addresses are pasted; what is refused stays in the field with its reason, the others go out', async ({ page, portal, newAdmin, newMember, newPerson, js, axe, expectStatus }) => {
  expectStatus(409);
  const admin = await newAdmin();
  const grace = await newMember(admin, 'Grace');
  const [one, two] = [newPerson('One').email, newPerson('Two').email];
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await page.getByRole('link', { name: 'Invite Member' }).click();
  const form = js ? page.getByRole('dialog') : page.locator('main form');
  await form.getByLabel('Corporate e-mail').fill(`${one}, Two <${two}>;\n${grace.person.email}\nnonsense ${one}`);
  await form.getByRole('button', { name: 'Save' }).click();
  const field = form.getByLabel('Corporate e-mail');
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  expect((await field.inputValue()).split('\n').sort()).toEqual([grace.person.email, 'nonsense'].sort());
  // Each has a line, once.
  const lines = js ? form.locator('[data-error] li') : page.locator('#errors li');
  await expect(lines).toHaveCount(2);
  await expect(lines.filter({ hasText: grace.person.email })).toHaveText(/: This address belongs to a member/);
  await expect(form.getByText(`${grace.person.email}: `)).toHaveCount(1);
  await expect(form).toContainText('2 invitations sent, 2 not:');
  await axe(page);
  await field.fill(newPerson('Three').email);
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(page).toHaveURL(/\/organization\/members$/);
  for (const email of [one, two]) await expect(rowOf(page, email)).toContainText('Pending');
  for (const email of [one, two]) await portal.mails.waitFor(email, /^Welcome to/);
});

test('the list of invitations is searched and filtered, a pending role is changed, and what expired is sent anew', async ({ page, newAdmin, newPerson, newAccount, axe, isMobile }) => {
  const admin = await newAdmin();
  const [one, two] = [newPerson('One').email, newPerson('Two').email];
  await admin.invite(one);
  await admin.invite(two);
  const declined = await newAccount('Declined');
  const link = await admin.invite(declined.person.email);
  await declined.done(link, 'decline_invitation');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await page.getByRole('link', { name: 'All invitations' }).click();
  const rows = page.getByRole('table', { name: 'Invitations' }).locator('tbody tr');
  await expect(rows).toHaveCount(2);
  await axe(page);
  await page.locator('#filter-state').click();
  await page.getByRole('link', { name: 'Declined', exact: true }).click();
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText(declined.person.email);
  await page.goto('/organization/invitations');
  await page.getByRole('searchbox').fill('one');
  await page.getByRole('searchbox').press('Enter');
  await expect(rows).toHaveCount(1);
  if (isMobile) await rows.getByRole('button', { name: /^Actions for/ }).click();
  await rows.getByRole('link', { name: /Change role/ }).click();
  await page.getByLabel('Role').selectOption('Admin');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(rows.filter({ hasText: one })).toContainText('Admin');
});
