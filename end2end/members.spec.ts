import { Client } from './support/client';
import { act, expectReplaced, live, mark, memberRows, names, openerOf, rowOf } from './support/members';
import { expect, test as base, type Page } from './support/test';

/** An Admin, sixty members and a Technical user, made once for a worker. */
const test = base.extend<{ crowd: { admin: Client; technical: Client } }>({
  crowd: async ({ newAdmin, newMember }, use, info) => {
    info.setTimeout(info.timeout + 60_000);
    made ??= (async () => {
      const admin = await newAdmin('Analytical Engines');
      const technical = await newMember(admin, 'Grace');
      const numbers = Array.from({ length: 60 }, (_, n) => `M${String(n).padStart(2, '0')}`);
      while (numbers.length > 0) await Promise.all(numbers.splice(0, 4).map((name) => newMember(admin, name)));
      return { admin, technical };
    })();
    await use(await made);
  },
});
let made: Promise<{ admin: Client; technical: Client }> | undefined;

/** Searches as one does: with the island by typing alone, without it by Enter. */
async function search(page: Page, js: boolean, text: string) {
  await page.getByRole('searchbox').fill(text);
  if (!js) await page.getByRole('searchbox').press('Enter');
}

test('the list shows fifty members of all, and leads to the others and back', async ({ page, crowd, js }) => {
  await crowd.admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await expect(page.getByText('1–50 of 62')).toBeVisible();
  await expect(memberRows(page)).toHaveCount(50);
  const first = await names(page);
  await page.getByRole('link', { name: 'Next' }).click();
  await expect(page.getByText('51–62 of 62')).toBeVisible();
  await expect(page).toHaveURL(/\?after=/);
  const second = await names(page);
  expect(new Set([...first, ...second]).size).toBe(62);
  await expect(page.getByRole('link', { name: 'Next' })).toHaveCount(0);
  // The address is of this page: opened again, it shows the same.
  await page.reload();
  expect(await names(page)).toEqual(second);
  await live(page, js);
  await page.getByRole('link', { name: 'Previous' }).click();
  await expect(page.getByText('1–50 of 62')).toBeVisible();
  expect(await names(page)).toEqual(first);
});

test('the search finds by name and by address, and stands in the address of the page', async ({ page, crowd, js }) => {
  await crowd.admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await search(page, js, 'm0');
  await expect(memberRows(page)).toHaveCount(10);
  await expect(page).toHaveURL(/\/organization\/members\?q=m0$/);
  await expect(page.getByText('1–10 of 10')).toBeVisible();
  await expect(page.getByRole('searchbox')).toHaveValue('m0');
  await page.reload();
  await expect(memberRows(page)).toHaveCount(10);
  await live(page, js);
  await search(page, js, crowd.technical.person.email);
  await expect(memberRows(page)).toHaveCount(1);
  await search(page, js, '100% nobody_');
  await expect(page.getByRole('heading', { name: 'No members found' })).toBeVisible();
  await page.getByRole('link', { name: 'Clear search' }).click();
  await expect(page.getByText('1–50 of 62')).toBeVisible();
  await expect(page.getByRole('searchbox')).toHaveValue('');
  await expect(page).toHaveURL(/\/organization\/members$/);
});

test('every column orders the list, one way and the other', async ({ page, crowd, js }) => {
  await crowd.admin.takeOver(page);
  await page.goto('/organization/members?q=m0');
  await live(page, js);
  for (const [id, title] of [['email', 'E-mail'], ['role', 'Role'], ['joined', 'Joined'], ['active', 'Last active'], ['name', 'Name']]) {
    const header = page.locator('th', { has: page.locator(`#sort-${id}`) });
    await page.getByRole('link', { name: title, exact: true }).click();
    await expect(header).toHaveAttribute('aria-sort', 'ascending');
    await expect(page).toHaveURL(new RegExp(id === 'name' ? 'q=m0' : `sort=${id}`));
    const up = await names(page);
    await page.getByRole('link', { name: title, exact: true }).click();
    await expect(header).toHaveAttribute('aria-sort', 'descending');
    await expect(page).toHaveURL(/order=desc/);
    expect(await names(page)).toEqual([...up].reverse());
    if (id === 'name') expect(up).toEqual([...up].sort());
    await expect(page.locator('th[aria-sort]')).toHaveCount(1);
  }
});

test('an ordered list stays ordered as one searches', async ({ page, crowd, js }) => {
  await crowd.admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await page.getByRole('link', { name: 'Name', exact: true }).click();
  await expect(page).toHaveURL(/order=desc/);
  await search(page, js, 'm0');
  await expect(memberRows(page)).toHaveCount(10);
  await expect(page).toHaveURL(/q=m0/);
  await expect(page).toHaveURL(/order=desc/);
  expect((await names(page))[0]).toMatch(/^M09/);
});

test('one page back in the browser is one step back in the list', async ({ page, crowd, js }) => {
  await crowd.admin.takeOver(page);
  await page.goto('/organization');
  await page.goto('/organization/members');
  await live(page, js);
  await page.getByRole('link', { name: 'Next' }).click();
  await expect(page.getByText('51–62 of 62')).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/\/organization\/members$/);
  await expect(page.getByText('1–50 of 62')).toBeVisible();
});

test('an address with nonsense in it still shows the list', async ({ page, crowd }) => {
  await crowd.admin.takeOver(page);
  for (const query of ['sort=password', 'after=nonsense', 'before=%00', 'order=sideways', `q=${'x'.repeat(5000)}`, 'q=%00%FF']) {
    const response = await page.goto(`/organization/members?${query}`);
    expect(response?.status(), query).toBe(200);
    await expect(page.getByRole('searchbox')).toBeVisible();
  }
});

test("one's own row is marked and has no actions", async ({ page, crowd }) => {
  await crowd.admin.takeOver(page);
  await page.goto('/organization/members');
  const own = rowOf(page, crowd.admin.person.email);
  await expect(own.getByText('You', { exact: true })).toBeVisible();
  await expect(own.locator('a, button')).toHaveCount(0);
  await expect(rowOf(page, crowd.technical.person.email).getByText('You', { exact: true })).toHaveCount(0);
});

test('a Technical user sees everybody and no actions', async ({ page, crowd, expectStatus }) => {
  expectStatus(404);
  await crowd.technical.takeOver(page);
  await page.goto('/organization/members');
  await expect(page.getByText('1–50 of 62')).toBeVisible();
  await expect(memberRows(page).locator('a, button')).toHaveCount(0);
  await expect(page.locator('dialog#edit, dialog#remove')).toHaveCount(0);
  const member = /data-id="([^"]+)"/.exec((await crowd.admin.get('/organization/members')).html)![1];
  for (const action of ['edit', 'remove']) {
    const response = await page.goto(`/organization/members/${member}/${action}`);
    expect(response?.status()).toBe(404);
  }
});

test('an Admin changes a role, and it stands in the list', async ({ page, newAdmin, newMember, js }) => {
  const admin = await newAdmin();
  const { person } = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  if (js) await mark(page);
  await act(rowOf(page, person.email), 'Edit');
  if (!js) await expect(page).toHaveURL(/\/edit$/);
  const form = js ? page.getByRole('dialog', { name: 'Edit Member' }) : page.locator('main form');
  await expect(form).toContainText(person.email);
  await expect(form.getByLabel('Role')).toHaveValue('Technical user');
  await form.getByLabel('Role').selectOption('Admin');
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('The role was changed.')).toBeVisible();
  await expect(rowOf(page, person.email)).toContainText('Admin');
  await expect(page).toHaveURL(/\/organization\/members$/);
  if (js) await expectReplaced(page);
  await page.reload();
  await expect(rowOf(page, person.email)).toContainText('Admin');
});

test('an Admin removes a member, who is named and has lost access', async ({ page, newAdmin, newMember, newBrowser, js, expectStatus }) => {
  expectStatus(404);
  const admin = await newAdmin();
  const grace = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  if (js) await mark(page);
  await act(rowOf(page, grace.person.email), 'Remove');
  const form = js ? page.getByRole('dialog', { name: 'Remove member' }) : page.locator('main form').first();
  await expect(form).toContainText(`Remove Grace ${grace.person.lastName} (${grace.person.email}) from Analytical Engines?`);
  if (js) await expect(form.getByRole('link', { name: 'Cancel' })).toBeFocused();
  await form.getByRole('button', { name: `Remove Grace ${grace.person.lastName}` }).click();
  await expect(page.getByText('The member was removed from the organization.')).toBeVisible();
  await expect(memberRows(page)).toHaveCount(1);
  if (js) await expectReplaced(page);
  const hers = await newBrowser();
  await grace.takeOver(hers);
  const response = await hers.goto('/organization/members');
  expect(response?.status()).toBe(404);
  await hers.goto('/getting-started');
  await expect(hers.getByRole('link', { name: 'Add Organization' })).toBeVisible();
});

test('the number of members on the tab is the number in the list, also after a removal', async ({ page, newAdmin, newMember, js }) => {
  const admin = await newAdmin();
  const { person } = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  const tab = page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name: /^Members/ });
  await expect(tab).toHaveText('Members 2');
  await act(rowOf(page, person.email), 'Remove');
  await (js ? page.getByRole('dialog') : page.locator('main form').first()).getByRole('button', { name: /^Remove/ }).click();
  await expect(memberRows(page)).toHaveCount(1);
  await expect(tab).toHaveText('Members 1');
});

test('a member who was removed meanwhile cannot be edited, and it is said', async ({ page, newAdmin, newMember, js, expectStatus }) => {
  expectStatus(404);
  const admin = await newAdmin();
  const { person } = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await live(page, js);
  await act(rowOf(page, person.email), 'Edit');
  const form = js ? page.getByRole('dialog') : page.locator('main form');
  await form.getByLabel('Role').selectOption('Admin');
  const id = /data-id="([^"]+)"/.exec((await admin.get('/organization/members')).html)![1];
  await admin.done(`/organization/members/${id}/remove`, 'remove_member');
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText(js ? 'This does not exist, or is not there for you.' : 'There is nothing at this address')).toBeVisible();
});

test.describe('the island', () => {
  test.beforeEach(({ js }) => test.skip(!js, 'only with JavaScript'));

  test('shows what is found while one types, without a reload', async ({ page, crowd }) => {
    await crowd.admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    await mark(page);
    await page.getByRole('searchbox').pressSequentially('m01');
    await expect(memberRows(page)).toHaveCount(1);
    await expect(page.getByRole('searchbox')).toBeFocused();
    await expect(page).toHaveURL(/\?q=m01$/);
    await expectReplaced(page);
    await page.getByRole('searchbox').fill('');
    await expect(memberRows(page)).toHaveCount(50);
    await expect(page).toHaveURL(/\/organization\/members$/);
    await page.getByRole('link', { name: 'E-mail', exact: true }).click();
    await expect(page).toHaveURL(/sort=email/);
    await expect(page.locator('#sort-email')).toBeFocused();
    await page.getByRole('link', { name: 'Next' }).click();
    await expect(page.getByText('51–62 of 62')).toBeVisible();
    await expectReplaced(page);
  });

  test('is led to the search by the key /, and not while something is typed', async ({ page, crowd }) => {
    await crowd.admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    await page.keyboard.press('/');
    await expect(page.getByRole('searchbox')).toBeFocused();
    await page.keyboard.press('/');
    await expect(page.getByRole('searchbox')).toHaveValue('/');
    await page.keyboard.press('Escape');
    await expect(page.getByRole('searchbox')).toHaveValue('');
    await expect(memberRows(page)).toHaveCount(50);
  });

  test('goes from row to row, from choice to choice and from the search into the list by arrows', async ({ page, crowd, isMobile }) => {
    test.skip(!!isMobile, 'a phone has no arrows');
    await crowd.admin.takeOver(page);
    await page.goto('/organization/members?q=m0');
    await live(page, true);
    const boxes = page.locator('tbody').first().getByRole('checkbox');
    await page.getByRole('searchbox').focus();
    await page.keyboard.press('ArrowDown');
    await expect(boxes.nth(0)).toBeFocused();
    await page.keyboard.press('ArrowDown');
    await expect(boxes.nth(1)).toBeFocused();
    await page.keyboard.press('Tab');
    const edit = (n: number) => memberRows(page).nth(n).getByRole('link', { name: /^Edit/ });
    await expect(edit(1)).toBeFocused();
    await page.keyboard.press('ArrowUp');
    await expect(edit(0)).toBeFocused();
    await page.keyboard.press('ArrowUp');
    await expect(edit(0)).toBeFocused();
    await page.locator('#filter-role').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await expect(page.getByRole('link', { name: 'Admin', exact: true })).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/role=Admin/);
  });

  test('says that it waits, where the list does not come soon', async ({ page, crowd }) => {
    await crowd.admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    let answer = () => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route('**/do/list_members', async (route) => {
      await held;
      await route.continue();
    });
    await page.getByRole('link', { name: 'E-mail', exact: true }).click();
    await expect(page.locator('#members')).toHaveAttribute('aria-busy', 'true');
    await expect(memberRows(page)).toHaveCount(50);
    answer();
    await expect(page.locator('#members')).not.toHaveAttribute('aria-busy', /./);
    await expect(page.locator('th[aria-sort]')).toContainText('E-mail');
  });

  for (const action of ['Edit', 'Remove'] as const) {
    test(`opens the dialog ${action} natively: Esc closes it, the focus is kept in it and returns`, async ({ page, crowd }) => {
      await crowd.admin.takeOver(page);
      await page.goto('/organization/members');
      await live(page, true);
      const row = rowOf(page, 'M07 ');
      const opener = await openerOf(row, action);
      await opener.focus();
      await page.keyboard.press('Enter');
      if (!(await page.getByRole('dialog').isVisible())) {
        const link = row.locator('.row-actions a').filter({ hasText: action });
        await link.focus();
        await page.keyboard.press('Enter');
      }
      const dialog = page.getByRole('dialog');
      await expect(dialog).toBeVisible();
      expect(await dialog.evaluate((dialog) => dialog.matches(':modal'))).toBe(true);
      for (let i = 0; i < 12; i += 1) {
        await page.keyboard.press('Tab');
        expect(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement?.closest('dialog'))).toBe(true);
      }
      await page.keyboard.press('Escape');
      await expect(dialog).toBeHidden();
      await expect(opener).toBeFocused();
    });
  }

  test('closes a dialog by Cancel, by the cross and by a click beside it', async ({ page, crowd }) => {
    await crowd.admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    await mark(page);
    const dialog = page.getByRole('dialog', { name: 'Invite Member' });
    for (const close of [
      () => dialog.getByRole('link', { name: 'Cancel' }).click(),
      () => dialog.getByRole('button', { name: 'Close' }).click(),
      () => page.mouse.click(5, 5),
    ]) {
      await page.getByRole('link', { name: 'Invite Member' }).click();
      await expect(dialog).toBeVisible();
      await expect(dialog.getByLabel('Corporate e-mail')).toBeFocused();
      await close();
      await expect(dialog).toBeHidden();
    }
    // Esc, Cancel and a click beside it do the same also where something is typed, and that is there the next time.
    await page.getByRole('link', { name: 'Invite Member' }).click();
    await dialog.getByLabel('Corporate e-mail').fill('grace@');
    await dialog.getByLabel('Role').selectOption('Admin');
    for (const close of [
      () => page.keyboard.press('Escape'),
      () => dialog.getByRole('link', { name: 'Cancel' }).click(),
      () => page.mouse.click(5, 5),
    ]) {
      await close();
      await expect(dialog).toBeHidden();
      await page.getByRole('link', { name: 'Invite Member' }).click();
      await expect(dialog.getByLabel('Corporate e-mail')).toHaveValue('grace@');
      await expect(dialog.getByLabel('Role')).toHaveValue('Admin');
    }
    expect(await page.evaluate(() => 'mark' in window)).toBe(true);
  });

  test('closes menus by Esc, by a click elsewhere and when a dialog opens', async ({ page, crowd }) => {
    await crowd.admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    const menus = page.locator('details.menu[open]');
    for (const opener of [page.locator('#filter-role'), page.locator('.account > summary')]) {
      await opener.click();
      await expect(menus).toHaveCount(1);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Escape');
      await expect(menus).toHaveCount(0);
      await expect(opener).toBeFocused();
      await opener.click();
      await expect(menus).toHaveCount(1);
      await page.getByRole('heading', { level: 1 }).click();
      await expect(menus).toHaveCount(0);
    }
    await page.locator('#filter-state').click();
    await expect(menus).toHaveCount(1);
    await page.getByRole('link', { name: 'Invite Member' }).click();
    await expect(page.getByRole('dialog', { name: 'Invite Member' })).toBeVisible();
    await expect(menus).toHaveCount(0);
  });

  test('does not say that nothing was changed where no answer came, and what is sent again stands once', async ({ page, portal, newAdmin, newPerson, troubles }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    const { email } = newPerson('Grace');
    let answered = 0;
    await page.route('**/do/invite_member', async (route) => {
      answered += 1;
      if (answered > 1) return route.continue();
      // The portal has it, and its answer is lost.
      await route.fetch();
      await route.abort();
    });
    await page.getByRole('link', { name: 'Invite Member' }).click();
    const dialog = page.getByRole('dialog', { name: 'Invite Member' });
    await dialog.getByLabel('Corporate e-mail').fill(email);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(dialog.getByRole('alert')).toHaveText('The portal did not answer. It may or may not have been saved: try again, nothing is done twice.');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText('The invitation is on its way.')).toBeVisible();
    await portal.mails.waitFor(email, /^Welcome to/);
    expect(portal.mails.to(email)).toHaveLength(1);
    troubles.said.length = 0;
  });

  test('shows a refusal in the dialog beside the field, and takes it away as it is mended', async ({ page, newAdmin, newPerson }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    await mark(page);
    await page.getByRole('link', { name: 'Invite Member' }).click();
    const dialog = page.getByRole('dialog', { name: 'Invite Member' });
    const email = dialog.getByLabel('Corporate e-mail');
    await email.fill('grace');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(dialog.getByText('Enter an e-mail address like name@example.com')).toBeVisible();
    await expect(email).toHaveAttribute('aria-invalid', 'true');
    await expect(email).toHaveAccessibleDescription(/Enter an e-mail address like/);
    await expect(email).toBeFocused();
    await email.fill(newPerson().email);
    await expect(email).not.toHaveAttribute('aria-invalid');
    await expect(dialog.getByText('Enter an e-mail address like name@example.com')).toHaveCount(0);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText('The invitation is on its way.')).toBeVisible();
    await expect(dialog).toBeHidden();
    await expectReplaced(page);
    // The next time the form is empty.
    await page.getByRole('link', { name: 'Invite Member' }).click();
    await expect(email).toHaveValue('');
  });

  test('keeps the focus on the page after something was done', async ({ page, newAdmin, newMember }) => {
    const admin = await newAdmin();
    const { person } = await newMember(admin, 'Grace');
    await admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    await mark(page);
    // So slow that the list shows that it is waited for.
    await page.route('**/do/list_members', async (route) => {
      await expect(page.locator('#members')).toHaveAttribute('aria-busy', 'true');
      await route.continue();
    });
    await act(rowOf(page, person.email), 'Edit');
    await page.getByRole('dialog').getByLabel('Role').selectOption('Admin');
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await expectReplaced(page);
    expect(await page.evaluate(() => document.activeElement !== document.body)).toBe(true);
  });

  test('leads who was signed out elsewhere to the sign-in page', async ({ page, newAdmin, expectStatus }) => {
    expectStatus(401);
    const admin = await newAdmin();
    await admin.takeOver(page);
    // The stream that would say it before is silent.
    await page.route('**/live?**', (route) => route.fulfill({ contentType: 'text/event-stream', body: 'retry: 60000\n\n' }));
    await page.goto('/organization/members');
    await live(page, true);
    await admin.done('/account', 'sign_out');
    await page.getByRole('searchbox').fill('x');
    await expect(page).toHaveURL(/\/sign-in\?to=/);
  });

  test('says what is the matter while the server cannot be reached', async ({ page, newAdmin, troubles }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    await page.goto('/organization/members');
    await live(page, true);
    await page.route('**/do/**', (route) => route.abort());
    await page.getByRole('searchbox').fill('x');
    await expect(page.getByRole('status').filter({ hasText: /Try again/ })).toBeVisible();
    await page.unroute('**/do/**');
    await page.getByRole('searchbox').fill('');
    await expect(memberRows(page)).toHaveCount(1);
    troubles.said.length = 0;
  });
});
