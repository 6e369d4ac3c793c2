// What another person changes shows on open pages by itself; without JavaScript at the next load.
import { live, memberRows, names, openerOf, rowOf } from './support/members';
import { expect, test, type Page } from './support/test';
import type { Client } from './support/client';

/** Opens a page and waits until it hears what changes. */
async function listen(page: Page, path: string): Promise<void> {
  const open = page.waitForResponse((response) => new URL(response.url()).pathname === '/live' && response.ok());
  await page.goto(path);
  await open;
}

/** The same document is there as when it was marked. */
const mark = (page: Page) => page.evaluate(() => Object.assign(window, { mark: true }));
const expectSame = async (page: Page) => expect(await page.evaluate(() => 'mark' in window)).toBe(true);

/** What an Admin does to a member by plain HTTP, from elsewhere. */
async function memberId(admin: Client, email: string): Promise<string> {
  const { html } = await admin.get('/organization/members');
  return new RegExp(`data-id="([^"]+)"[^>]*data-email="${email}"`).exec(html)![1];
}
async function setRole(admin: Client, email: string, role: string): Promise<void> {
  await admin.done(`/organization/members/${await memberId(admin, email)}/edit`, 'change_role', { 'form[role]': role });
}
async function remove(admin: Client, email: string): Promise<void> {
  await admin.done(`/organization/members/${await memberId(admin, email)}/remove`, 'remove_member');
}

test('without JavaScript what others change shows at the next load', async ({ page, newAdmin, newMember, js }) => {
  test.skip(js, 'only without JavaScript');
  const admin = await newAdmin();
  await admin.takeOver(page);
  await page.goto('/organization/members');
  await expect(memberRows(page)).toHaveCount(1);
  await newMember(admin, 'Grace');
  await page.reload();
  await expect(memberRows(page)).toHaveCount(2);
});

test.describe('with JavaScript', () => {
  test.beforeEach(({ js }) => test.skip(!js, 'only with JavaScript'));

  test('two people see what the other one does, within two seconds and without a reload', async ({ page, newAdmin, newMember, newBrowser, axe }) => {
    const admin = await newAdmin();
    const grace = await newMember(admin, 'Grace');
    await admin.takeOver(page);
    const hers = await newBrowser();
    await grace.takeOver(hers);
    await listen(page, '/organization/members');
    await listen(hers, '/organization/members');
    await Promise.all([mark(page), mark(hers)]);
    const soon = { timeout: 2000 };

    // Somebody is invited by one, in the browser: the other one sees it and is told.
    await page.getByRole('link', { name: 'Invite Member' }).click();
    await page.getByRole('dialog').getByLabel('Corporate e-mail').fill('joan@customer.example');
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await expect(rowOf(hers, 'joan@customer.example')).toBeVisible(soon);
    await expect(hers.getByRole('status').filter({ hasText: 'invited' })).toContainText('joan@customer.example');
    await axe(hers);

    // Somebody joins.
    await newMember(admin, 'Mary');
    await expect(rowOf(page, 'Mary')).toBeVisible(soon);
    await expect(page.getByRole('status').filter({ hasText: 'joined' })).toContainText('Mary');
    await expect(page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name: /^Members/ })).toHaveText('Members 3');
    await expect(rowOf(hers, 'Mary')).toBeVisible(soon);

    // A role changes: the one whose role it is can do more at once, in the page that is open.
    await expect(hers.locator('.row-actions')).toHaveCount(0);
    await setRole(admin, grace.person.email, 'Admin');
    await expect(hers.getByRole('status').filter({ hasText: 'You are now Admin' })).toBeVisible(soon);
    await expect(rowOf(page, grace.person.email)).toContainText('Admin', soon);
    const row = rowOf(hers, 'Mary');
    await expect(row.locator('.row-actions')).toHaveCount(1);
    const menu = row.getByRole('button', { name: /^Actions for/ });
    if (await menu.isVisible()) await menu.click();
    await row.locator('.row-actions a').filter({ hasText: 'Edit' }).click();
    await expect(hers.getByRole('dialog', { name: 'Edit Member' })).toBeVisible();
    await Promise.all([expectSame(page), expectSame(hers)]);
  });

  test('the focus stays in a row that goes to another place', async ({ page, newAdmin, newMember }) => {
    const admin = await newAdmin();
    const grace = await newMember(admin, 'Grace');
    await admin.takeOver(page);
    await listen(page, '/organization/members');
    const opener = await openerOf(rowOf(page, grace.person.email), 'Edit');
    await opener.focus();
    await grace.done('/account', 'change_name', { 'form[first_name]': 'Abby', 'form[last_name]': 'First' });
    await expect.poll(async () => (await names(page))[0]).toBe('Abby First');
    await expect(opener).toBeFocused();
  });

  test('who is removed is told and shown out, on every page', async ({ page, newAdmin, newMember, newBrowser, axe }) => {
    const admin = await newAdmin();
    const grace = await newMember(admin, 'Grace');
    await grace.takeOver(page);
    await listen(page, '/organization/members');
    const other = await page.context().newPage();
    await other.goto('/roles');
    await mark(page);
    await remove(admin, grace.person.email);
    await expect(page.getByRole('heading', { name: /You are no longer a member of .*Analytical Engines/ })).toBeFocused({ timeout: 2000 });
    await expect(page.getByText(admin.person.email)).toHaveCount(0);
    await expect(page.getByRole('link', { name: 'Analytical Engines' })).toHaveCount(0);
    await expect(other.getByRole('status').filter({ hasText: 'You are no longer a member of' })).toBeVisible();
    await expect(other.getByRole('link', { name: 'Organization', exact: true })).toHaveCount(0);
    await expectSame(page);
    await axe(page);
    await page.getByRole('link', { name: 'Getting Started' }).last().click();
    await expect(page.getByRole('link', { name: 'Add Organization' })).toBeVisible();
  });

  test('who is an Admin no more sees nothing that is for Admins alone, on every page that is open', async ({ page, context, newAdmin, newMember, expectStatus, axe }) => {
    expectStatus(404);
    const admin = await newAdmin();
    const grace = await newMember(admin, 'Grace', 'Admin');
    const ticket = await admin.done('/organization/tickets/new', 'raise_ticket', { 'form[subject]': 'Backup fails', 'form[description]': 'Since Monday' });
    await grace.takeOver(page);
    await listen(page, '/organization/activity');
    await mark(page);
    const [tickets, colleague] = [await context.newPage(), await context.newPage()];
    for (const [tab, path] of [[tickets, '/organization/tickets'], [colleague, ticket]] as const) {
      await tab.goto(path);
      await tab.waitForLoadState('networkidle');
    }
    await colleague.getByRole('textbox', { name: 'Reply' }).fill('What I was writing');
    await expect(tickets.getByText('Raised by:')).toBeVisible();
    await setRole(admin, grace.person.email, 'Technical user');
    await tickets.bringToFront();
    await expect(tickets.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name: 'Activity' })).toHaveCount(0, { timeout: 3000 });
    for (const text of ['Raised by:', 'Backup fails']) await expect(tickets.getByText(text)).toHaveCount(0);
    for (const tab of [page, colleague]) {
      await tab.bringToFront();
      await expect(tab.getByRole('heading', { level: 1, name: 'What this page showed is not there for you any more' })).toBeFocused({ timeout: 3000 });
      for (const text of ['Backup fails', 'Export CSV', 'Mark as resolved']) await expect(tab.getByText(text)).toHaveCount(0);
      await expect(tab.getByRole('navigation', { name: 'Organization' })).toHaveCount(0);
      await expect(tab.getByRole('link', { name: 'Analytical Engines' })).toBeVisible();
    }
    await axe(page);
    await expectSame(page);
  });

  test('several tabs have one stream, which moves on when its tab closes', async ({ page, context, newAdmin, newMember }) => {
    const streams: string[] = [];
    context.on('request', (request) => {
      if (new URL(request.url()).pathname === '/live') streams.push(request.url());
    });
    const admin = await newAdmin();
    await admin.takeOver(page);
    await listen(page, '/organization/members');
    const tabs = [page];
    for (const path of ['/organization/members', '/organization', '/getting-started', '/account', '/roles', '/organization/members']) {
      const tab = await context.newPage();
      await tab.goto(path);
      await tab.waitForLoadState('networkidle');
      tabs.push(tab);
    }
    expect(streams).toHaveLength(1);
    await newMember(admin, 'Grace');
    for (const tab of [tabs[0], tabs[1], tabs[6]]) await expect(rowOf(tab, 'Grace')).toBeVisible({ timeout: 3000 });
    await expect(tabs[2].locator('.facts')).toContainText('Members2');
    const next = context.waitForEvent('request', (request) => new URL(request.url()).pathname === '/live');
    await tabs[0].close();
    await next;
    expect(streams).toHaveLength(2);
    await newMember(admin, 'Mary');
    for (const tab of [tabs[1], tabs[6]]) await expect(rowOf(tab, 'Mary')).toBeVisible({ timeout: 3000 });
    for (const tab of tabs.slice(1)) await tab.close();
  });

  test('a stream that is cut is opened again, and nothing is missed', async ({ page, newAdmin, newMember }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    let cut = true;
    let tries = 0;
    await page.route('**/live?**', (route) => {
      tries += 1;
      // As where a proxy's time is over, or the portal is started anew.
      return cut ? route.fulfill({ contentType: 'text/event-stream', body: 'retry: 50\n\n' }) : route.continue();
    });
    await page.goto('/organization/members');
    await expect.poll(() => tries).toBeGreaterThan(1);
    await newMember(admin, 'Grace');
    await expect(memberRows(page)).toHaveCount(1);
    cut = false;
    await expect(rowOf(page, 'Grace')).toBeVisible();
    await expect(page.getByRole('status').filter({ hasText: 'joined' })).toContainText('Grace');
  });

  test('a stream that is refused is tried again', async ({ page, newAdmin, newMember, expectStatus }) => {
    expectStatus(503);
    const admin = await newAdmin();
    await admin.takeOver(page);
    let refused = 0;
    await page.route('**/live?**', (route) => {
      refused += 1;
      return refused === 1 ? route.fulfill({ status: 503 }) : route.continue();
    });
    await page.goto('/organization/members');
    await expect.poll(() => refused).toBe(1);
    await newMember(admin, 'Grace');
    await expect(rowOf(page, 'Grace')).toBeVisible({ timeout: 10_000 });
  });

  test('what one types, an open dialog, an open menu and the focus stay as they are', async ({ page, newAdmin, newMember, isMobile }) => {
    const admin = await newAdmin();
    const grace = await newMember(admin, 'Grace');
    await admin.takeOver(page);
    await listen(page, '/organization/members');
    await live(page, true);
    // The search: what is typed and what is found.
    await page.getByRole('searchbox').pressSequentially('number');
    await expect(page).toHaveURL(/q=number/);
    await newMember(admin, 'Mary');
    await expect(rowOf(page, 'Mary')).toBeVisible();
    await expect(page.getByRole('searchbox')).toHaveValue('number');
    await expect(page.getByRole('searchbox')).toBeFocused();
    // A dialog with something in it.
    await page.getByRole('link', { name: 'Invite Member' }).click();
    const dialog = page.getByRole('dialog', { name: 'Invite Member' });
    await dialog.getByLabel('Corporate e-mail').pressSequentially('joan@');
    await dialog.getByLabel('Role').selectOption('Admin');
    await newMember(admin, 'Joan');
    await expect(page.locator('#members tbody tr').filter({ hasText: 'Joan' })).toHaveCount(1);
    await expect(dialog).toBeVisible();
    await expect(dialog.getByLabel('Corporate e-mail')).toHaveValue('joan@');
    await expect(dialog.getByLabel('Role')).toHaveValue('Admin');
    await dialog.getByRole('button', { name: 'Close' }).click();
    // The focus, or the menu, of a row that stays, while another comes before it.
    const row = rowOf(page, grace.person.email);
    const opener = isMobile ? row.getByRole('button', { name: /^Actions for/ }) : row.locator('.row-actions a').first();
    await opener.focus();
    if (isMobile) await opener.press('Enter');
    await newMember(admin, 'Anna');
    await expect(rowOf(page, 'Anna')).toBeVisible();
    if (isMobile) await expect(row.locator('.row-actions')).toBeVisible();
    else await expect(opener).toBeFocused();
  });

  test('an invitation shows on Getting Started of whom it is for, and goes again', async ({ page, newAdmin, newAccount }) => {
    const admin = await newAdmin();
    const grace = await newAccount('Grace');
    await grace.takeOver(page);
    await listen(page, '/getting-started');
    await admin.invite(grace.person.email);
    await expect(page.getByText(/invited you to/)).toBeVisible({ timeout: 2000 });
    const { html } = await admin.get('/organization/members');
    const id = new RegExp(`data-id="([^"]+)" data-email="${grace.person.email}"`).exec(html)![1];
    await admin.done(`/organization/invitations/${id}/revoke`, 'revoke_invitation');
    await expect(page.getByText(/invited you to/)).toHaveCount(0, { timeout: 2000 });
    // In the same stream: accepted elsewhere, the page is a member's.
    await admin.invite(grace.person.email);
    await expect(page.getByText(/invited you to/)).toBeVisible({ timeout: 2000 });
    await grace.done('/getting-started', 'accept_invitation');
    await expect(page.getByRole('link', { name: 'View Organization' })).toBeVisible({ timeout: 2000 });
    await expect(page.getByRole('banner').getByRole('link', { name: 'Analytical Engines' })).toBeVisible();
  });

  test('who signs out in one tab is shown the sign-in page in the others; what is typed stays', async ({ page, context, newAdmin }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    await listen(page, '/organization');
    const typed = await context.newPage();
    await typed.goto('/organization/members/invite');
    await typed.waitForLoadState('networkidle');
    await typed.getByLabel('Corporate e-mail').fill('joan@customer.example');
    await admin.post('sign_out', {});
    await expect(page).toHaveURL(/\/sign-in/, { timeout: 2000 });
    await expect(typed.getByRole('status').filter({ hasText: 'You are signed out' })).toBeVisible();
    await expect(typed.getByLabel('Corporate e-mail')).toHaveValue('joan@customer.example');
  });

  test('who signs out in one tab takes everybody off the screen in the others, also where a dialog is open', async ({ page, context, newAdmin, expectStatus }) => {
    // The next tab may open the stream in the moment in which the session ends.
    expectStatus(401);
    const admin = await newAdmin();
    await admin.takeOver(page);
    await listen(page, '/organization/members');
    const tabs = [];
    for (const text of [null, '', 'joan@customer.example']) {
      const tab = await context.newPage();
      await tab.goto('/organization/members');
      await live(tab, true);
      if (text !== null) {
        await tab.getByRole('link', { name: 'Invite Member' }).click();
        await tab.getByRole('dialog').getByLabel('Corporate e-mail').fill(text);
      }
      tabs.push(tab);
    }
    await page.locator('.account > summary').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    for (const tab of tabs) {
      await expect(tab).toHaveURL(/\/sign-in/, { timeout: 3000 });
      await expect(tab.getByText(admin.person.email)).toHaveCount(0);
    }
  });

  test('what is typed into a page stays when one is signed out, and nothing of others with it', async ({ page, newAdmin }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    await listen(page, '/organization/rename');
    await page.getByLabel('Name').fill('Difference Engines');
    await admin.post('sign_out', {});
    await expect(page.getByRole('status').filter({ hasText: 'You are signed out' })).toBeVisible({ timeout: 3000 });
    await expect(page.getByLabel('Name')).toHaveValue('Difference Engines');
    await expect(page.locator('.topbar-org')).toBeEmpty();
    await expect(page.locator('.card:empty:visible')).toHaveCount(0);
  });

  test('the members of an organization that is deleted are told so', async ({ page, newAdmin, newMember }) => {
    const admin = await newAdmin();
    const grace = await newMember(admin, 'Grace');
    await grace.takeOver(page);
    await listen(page, '/organization/members');
    const name = await page.getByRole('heading', { level: 1 }).innerText();
    await admin.done('/organization/delete', 'delete_organization', { 'form[name]': name });
    await expect(page.getByRole('heading', { name: /Analytical Engines.* was deleted/ })).toBeFocused({ timeout: 2000 });
  });

  test('the list of invitations follows what others do', async ({ page, newAdmin, newPerson }) => {
    const admin = await newAdmin();
    await admin.takeOver(page);
    await listen(page, '/organization/invitations');
    await expect(page.getByRole('heading', { name: 'No invitations wait' })).toBeVisible();
    const { email } = newPerson('Grace');
    await admin.invite(email);
    const row = page.getByRole('table', { name: 'Invitations' }).locator('tbody tr').filter({ hasText: email });
    await expect(row).toBeVisible({ timeout: 2000 });
    await expect(row.locator('time').first()).toHaveText(/^\d{1,2} \w{3} \d{4}$/);
  });

  test('signed-out pages load nothing of it', async ({ page }) => {
    const loaded: string[] = [];
    page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
    await page.goto('/sign-in');
    await page.waitForLoadState('networkidle');
    expect(loaded.filter((path) => path === '/live' || path.endsWith('.wasm') || path.endsWith('.js'))).toEqual([]);
  });
});
