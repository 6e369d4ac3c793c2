import { expect, test, type Page } from './support/test';

const OTHER_PASSWORD = 'mallow drizzle 7 umbrella';

/** The sentence beside a field, as `aria-describedby` leads to it. */
function errorOf(page: Page, field: string) {
  return page.locator(`#${field}-error`);
}

async function openAccountMenu(page: Page) {
  await page.locator('details.account > summary').click();
}

test('a sign-up with mistakes says what to mend beside each field and keeps what was typed, not the password', async ({ page, expectStatus }) => {
  expectStatus(422);
  await page.goto('/sign-up');
  await page.getByLabel('E-mail', { exact: true }).fill('ada.example');
  await page.getByLabel('First name').fill('  ');
  await page.getByLabel('Last name').fill('Love"lace <b>');
  await page.getByLabel('Password', { exact: true }).fill('too short');
  const [response] = await Promise.all([page.waitForResponse('**/do/sign_up'), page.getByRole('button', { name: 'Create account' }).click()]);
  expect(response.status()).toBe(422);
  await expect(page).toHaveTitle(/^Error: Create an account/);
  await expect(errorOf(page, 'email')).toHaveText('Enter an e-mail address like name@example.com');
  await expect(errorOf(page, 'first_name')).toHaveText('Enter your first name');
  await expect(errorOf(page, 'password')).toContainText('Use at least 15 characters');
  for (const field of ['email', 'first_name', 'password']) {
    await expect(page.locator(`#${field}`)).toHaveAttribute('aria-invalid', 'true');
    await expect(page.locator(`#${field}`)).toHaveAttribute('aria-describedby', new RegExp(`${field}-error`));
  }
  await expect(page.getByLabel('E-mail', { exact: true })).toHaveValue('ada.example');
  await expect(page.getByLabel('Last name')).toHaveValue('Love"lace <b>');
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue('');
  // The summary on top leads to the fields.
  const summary = page.getByRole('alert');
  await expect(summary).toContainText('3 things to change');
  await summary.getByRole('link', { name: 'Enter your first name' }).click();
  await expect(page.locator('#first_name')).toBeFocused();
});

test('a password that is common or made of the name is refused with the reason', async ({ page, newPerson, expectStatus }) => {
  expectStatus(422);
  const person = newPerson('Wilhelmina');
  for (const [password, reason] of [
    ['passwordpassword', 'easy to guess'],
    ['wilhelminacustomer', 'made of your own name'],
    ['x'.repeat(201), 'at most 200 characters'],
  ]) {
    await page.goto('/sign-up');
    await page.getByLabel('E-mail', { exact: true }).fill(person.email);
    await page.getByLabel('First name').fill(person.firstName);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Create account' }).click();
    await expect(errorOf(page, 'password')).toContainText(reason);
  }
});

test('who signs up verifies the address by the mail, in the same browser, and is signed in', async ({ page, portal, newPerson }) => {
  const person = newPerson();
  await page.goto('/');
  await expect(page).toHaveURL('/sign-in');
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('E-mail', { exact: true }).fill(person.email);
  await page.getByLabel('First name').fill(person.firstName);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page).toHaveURL('/check-your-mail');
  const mail = await portal.mails.waitFor(person.email, 'Verify your e-mail address');
  expect(mail.from).toBe('"Org Portal" <portal@portal.example>');
  expect(mail.text).toContain(`Hello ${person.firstName}`);
  expect(mail.html).toContain('/verify-email?token=');
  expect(mail.messageId).toMatch(/^<.+@.+>$/);
  const link = mail.links[0];
  // Opening it does nothing, twice.
  await page.goto(link);
  await page.goto(link);
  await expect(page.getByLabel('Password', { exact: true })).toHaveCount(0);
  await page.getByRole('button', { name: 'Verify e-mail address' }).click();
  await expect(page).toHaveURL('/getting-started');
  await expect(page.getByRole('heading', { level: 1, name: 'Getting Started' })).toBeVisible();
  await openAccountMenu(page);
  await expect(page.locator('details.account').getByText(person.email)).toBeVisible();
});

test('the link of the sign-up works once, and says so afterwards', async ({ page, portal, newPerson, signUp, newBrowser, expectStatus }) => {
  expectStatus(410);
  const person = newPerson();
  await signUp(page, person);
  const link = portal.mails.to(person.email)[0].links[0];
  const other = await newBrowser();
  const response = await other.goto(link);
  expect(response?.status()).toBe(410);
  await expect(other.getByRole('heading', { name: 'This link no longer works' })).toBeVisible();
  await expect(other.getByRole('link', { name: 'Sign up again' })).toBeVisible();
});

test('the link opened in another browser asks for the password of the sign-up', async ({ page, portal, newPerson, newBrowser, signIn, expectStatus }) => {
  expectStatus(422);
  const person = newPerson();
  await page.goto('/sign-up');
  await page.getByLabel('E-mail', { exact: true }).fill(person.email);
  await page.getByLabel('First name').fill(person.firstName);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  const { links } = await portal.mails.waitFor(person.email, 'Verify');
  const phone = await newBrowser();
  await phone.goto(links[0]);
  await phone.getByLabel('Password', { exact: true }).fill('not the right one at all');
  await phone.getByRole('button', { name: 'Verify e-mail address' }).click();
  await expect(errorOf(phone, 'password')).toHaveText('This is not the password that was chosen at sign-up');
  await phone.getByLabel('Password', { exact: true }).fill(person.password);
  await phone.getByRole('button', { name: 'Verify e-mail address' }).click();
  await expect(phone).toHaveURL('/sign-in');
  await expect(phone.getByRole('status').filter({ hasText: 'Your e-mail address is verified' })).toBeVisible();
  await signIn(phone, person);
  await expect(phone).toHaveURL('/getting-started');
});

test('signing up with an address that has an account shows the same page and sends another mail', async ({ page, portal, newAccount }) => {
  const { person } = await newAccount();
  await page.goto('/sign-up');
  await page.getByLabel('E-mail', { exact: true }).fill(person.email.toUpperCase());
  await page.getByLabel('First name').fill('Mallory');
  await page.getByLabel('Password', { exact: true }).fill(OTHER_PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible();
  await expect.poll(() => portal.mails.all.some((mail) => mail.subject.startsWith('You already have an account') && mail.to[0].toLowerCase() === person.email)).toBe(true);
});

test('a wrong password and an unknown address are refused alike, and the right pair leads where one wanted to go', async ({ page, newAccount, newPerson, expectStatus }) => {
  expectStatus(401);
  const { person } = await newAccount();
  const words: string[] = [];
  for (const email of [person.email, newPerson().email]) {
    await page.goto('/sign-in');
    await page.getByLabel('E-mail', { exact: true }).fill(email);
    await page.getByLabel('Password', { exact: true }).fill('certainly not this one');
    const [response] = await Promise.all([page.waitForResponse('**/do/sign_in'), page.getByRole('button', { name: 'Sign in', exact: true }).click()]);
    expect(response.status()).toBe(401);
    await expect(page.getByRole('alert')).toContainText('The e-mail address or the password is wrong.');
    await expect(page.getByLabel('E-mail', { exact: true })).toHaveValue(email);
    await expect(page.getByLabel('Password', { exact: true })).toHaveValue('');
    words.push((await page.locator('main').innerText()).replace(email, ''));
  }
  expect(words[0]).toBe(words[1]);
  await page.goto('/account');
  await expect(page).toHaveURL('/sign-in?to=%2Faccount');
  await page.getByLabel('E-mail', { exact: true }).fill(person.email);
  await page.getByLabel('Password', { exact: true }).fill('still not this one');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  // The refused form still knows where one wanted to go.
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL('/account');
  await page.goto('/sign-in');
  await expect(page).toHaveURL('/getting-started');
});

test('the place to go after sign-in is never another host', async ({ page, newAccount, forget, signIn }) => {
  const { person } = await newAccount();
  for (const to of ['https://evil.example/', '//evil.example/', '/\\evil.example', '/do/sign_out']) {
    await forget(page);
    await page.goto(`/sign-in?to=${encodeURIComponent(to)}`);
    await page.getByLabel('E-mail', { exact: true }).fill(person.email);
    await page.getByLabel('Password', { exact: true }).fill(person.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await expect(page, to).toHaveURL('/getting-started');
  }
  await forget(page);
  await signIn(page, person);
});

test('a forgotten password is chosen anew by a mail, which ends every session', async ({ page, portal, newAccount, newBrowser, signIn, expectStatus, js }) => {
  expectStatus(401, 410, 422);
  const client = await newAccount();
  const { person } = client;
  const elsewhere = await newBrowser();
  await client.takeOver(elsewhere);
  await elsewhere.goto('/account');
  await expect(elsewhere.getByRole('heading', { level: 1, name: 'Account' })).toBeVisible();

  await page.goto('/sign-in');
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  await page.getByLabel('E-mail', { exact: true }).fill('nonsense');
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(errorOf(page, 'email')).toBeVisible();
  await page.getByLabel('E-mail', { exact: true }).fill(person.email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible();
  const { links } = await portal.mails.waitFor(person.email, 'Choose a new password');
  await page.goto(links[0]);
  await expect(page.getByText(person.email)).toBeVisible();
  await page.getByLabel('New password').fill('short');
  await page.getByRole('button', { name: 'Save password' }).click();
  await expect(errorOf(page, 'password')).toContainText('15 characters');
  await page.getByLabel('New password').fill(OTHER_PASSWORD);
  await page.getByRole('button', { name: 'Save password' }).click();
  await expect(page).toHaveURL('/sign-in');
  await expect(page.getByRole('status').filter({ hasText: 'Your password is changed' })).toBeVisible();
  await portal.mails.waitFor(person.email, 'was changed');

  // With JavaScript it leaves by itself.
  if (!js) await elsewhere.reload();
  await expect(elsewhere).toHaveURL('/sign-in?to=%2Faccount');
  await expect(elsewhere.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  const used = await elsewhere.goto(links[0]);
  expect(used?.status()).toBe(410);
  await expect(elsewhere.getByRole('link', { name: 'Get a new link' })).toBeVisible();

  await page.getByLabel('E-mail', { exact: true }).fill(person.email);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('wrong');
  await signIn(page, { ...person, password: OTHER_PASSWORD });
});

test('a forgotten password of an unknown address looks the same', async ({ page, portal, newPerson }) => {
  const { email } = newPerson('Nobody');
  await page.goto('/forgot-password');
  await page.getByLabel('E-mail', { exact: true }).fill(email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible();
  await portal.mails.waitFor(email, 'There is no account for this address');
});

test('a changed name shows at once, also in the list of members', async ({ page, newAdmin, expectStatus }) => {
  expectStatus(422);
  await (await newAdmin()).takeOver(page);
  await page.goto('/account');
  await page.getByLabel('First name').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(errorOf(page, 'first_name')).toHaveText('Enter your first name');
  await page.getByLabel('First name').fill('Éloïse <b>');
  await page.getByLabel('Last name').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Your name is changed.' })).toBeVisible();
  await expect(page.locator('.account-name')).toContainText('Éloïse <b>');
  await page.goto('/organization/members');
  await expect(page.getByRole('rowheader', { name: 'Éloïse <b> You' })).toBeVisible();
});

test('a changed password needs the old one and ends the other sessions', async ({ page, portal, newAccount, newBrowser, signIn, expectStatus, js }) => {
  expectStatus(422);
  const client = await newAccount();
  const { person } = client;
  await client.takeOver(page);
  const elsewhere = await newBrowser();
  await signIn(elsewhere, person);
  await page.goto('/account');
  await page.getByLabel('Current password').fill('not this one, surely');
  await page.getByLabel('New password').fill('short');
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(errorOf(page, 'current_password')).toHaveText('This is not your password');
  await expect(errorOf(page, 'new_password')).toContainText('15 characters');
  await page.getByLabel('Current password').fill(person.password);
  await page.getByLabel('New password').fill(OTHER_PASSWORD);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Your password is changed. All other sessions were ended.' })).toBeVisible();
  await portal.mails.waitFor(person.email, 'was changed');
  // With JavaScript it leaves by itself.
  if (!js) await elsewhere.goto('/getting-started');
  await expect(elsewhere).toHaveURL('/sign-in?to=%2Fgetting-started');
  await page.goto('/getting-started');
  await expect(page).toHaveURL('/getting-started');
});

test('password managers are led to the form for a new password', async ({ page, newAccount }) => {
  await (await newAccount()).takeOver(page);
  await page.goto('/.well-known/change-password');
  await expect(page).toHaveURL('/account#change-password');
  await expect(page.getByLabel('Current password')).toHaveAttribute('autocomplete', 'current-password');
  await expect(page.getByLabel('New password')).toHaveAttribute('autocomplete', 'new-password');
});

test('sessions are listed, and one that is ended is signed out on its next request', async ({ page, newAccount, newBrowser, signIn, js }) => {
  const client = await newAccount();
  await client.takeOver(page);
  const second = await newBrowser();
  await signIn(second, client.person);
  const third = await newBrowser();
  await signIn(third, client.person);
  await page.goto('/account');
  const sessions = page.getByRole('region', { name: 'Sessions' }).getByRole('listitem');
  await expect(sessions).toHaveCount(3);
  await expect(sessions.first()).toContainText('This browser');
  await expect(sessions.first().getByRole('button')).toHaveCount(0);
  await sessions.nth(1).getByRole('button', { name: /^End/ }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The session was ended.' })).toBeVisible();
  await expect(sessions).toHaveCount(2);
  // With JavaScript the browser that was signed out leaves by itself, without at its next request.
  const next = async () => {
    if (!js) for (const browser of [second, third]) await browser.goto('/account');
  };
  await next();
  await expect.poll(() => [second, third].filter((browser) => browser.url().includes('/sign-in')).length).toBe(1);
  await page.getByRole('button', { name: 'End all other sessions' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'All other sessions were ended.' })).toBeVisible();
  await expect(sessions).toHaveCount(1);
  await next();
  for (const browser of [second, third]) await expect(browser).toHaveURL(/\/sign-in\?to=/);
});

test('a form sent after the session has ended says so, and nothing is changed', async ({ page, newAccount, signIn, expectStatus }) => {
  expectStatus(401);
  const client = await newAccount();
  await client.takeOver(page);
  await page.goto('/account');
  // Something is typed: a page that hears of it stays.
  await page.getByLabel('First name').fill('Changed');
  await client.done('/account', 'sign_out');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText('You are not signed in any more. Sign in and try again.');
  await page.getByLabel('E-mail', { exact: true }).fill(client.person.email);
  await page.getByLabel('Password', { exact: true }).fill(client.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL('/account');
  await expect(page.getByLabel('First name')).toHaveValue(client.person.firstName);
});

test('who signs out is signed out', async ({ page, newAccount }) => {
  await (await newAccount()).takeOver(page);
  await page.goto('/getting-started');
  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/sign-in');
  await expect(page.getByRole('status').filter({ hasText: 'You are signed out.' })).toBeVisible();
  await page.goto('/getting-started');
  await expect(page).toHaveURL('/sign-in?to=%2Fgetting-started');
});

test('the chosen theme comes with the page from the server, and stays', async ({ page, newAccount }) => {
  await (await newAccount()).takeOver(page);
  await page.goto('/account');
  await expect(page.locator('html')).not.toHaveAttribute('data-theme');
  for (const theme of ['Dark', 'Light']) {
    await openAccountMenu(page);
    await page.getByRole('button', { name: theme }).click();
    await expect(page).toHaveURL('/account');
    const html = await (await page.request.get('/account')).text();
    expect(html).toMatch(new RegExp(`<html[^>]* data-theme="${theme.toLowerCase()}"`));
    await expect(page.locator('html')).toHaveCSS('color-scheme', theme.toLowerCase());
    await openAccountMenu(page);
    await expect(page.getByRole('button', { name: theme })).toHaveAttribute('aria-pressed', 'true');
    await openAccountMenu(page);
  }
  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Auto' }).click();
  await expect(page.locator('html')).not.toHaveAttribute('data-theme');
});

test('a new address is confirmed by its link, and the old one is told', async ({ page, portal, newAdmin, newPerson, newBrowser, signIn, axe, expectStatus, js }) => {
  expectStatus(422);
  const client = await newAdmin();
  const { person } = client;
  const { email } = newPerson('Augusta');
  await client.takeOver(page);
  const elsewhere = await newBrowser();
  await signIn(elsewhere, person);
  await page.goto('/account');
  await page.getByRole('link', { name: 'Change e-mail address' }).click();
  await expect(page).toHaveURL('/account/email');
  await axe(page);
  await page.getByLabel('New e-mail').fill(person.email.toUpperCase());
  await page.getByLabel('Password', { exact: true }).fill('not this one, surely');
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(errorOf(page, 'email')).toHaveText('This is the address of your account already');
  await expect(errorOf(page, 'password')).toHaveText('This is not your password');
  await expect(page.getByLabel('New e-mail')).toHaveValue(person.email.toUpperCase());
  await page.getByLabel('New e-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(page).toHaveURL('/account');
  await expect(page.getByRole('status').filter({ hasText: 'We sent a link to the new address.' })).toBeVisible();
  await expect(page.getByRole('region', { name: 'E-mail' })).toContainText(`Waiting to be confirmed: ${email}`);
  const told = await portal.mails.waitFor(person.email, 'Another e-mail address was asked for');
  expect(told.text).toContain(email);
  expect(told.text).toMatch(/with Chrome on \w+ from 127\.0\.0\.1/);
  const { links } = await portal.mails.waitFor(email, 'Confirm your new e-mail address');

  // In another browser one signs in first, as the account that asked.
  const phone = await newBrowser();
  await phone.goto(links[0]);
  await expect(phone.getByRole('button', { name: 'Confirm e-mail address' })).toHaveCount(0);
  await axe(phone);
  await phone.getByRole('link', { name: 'Sign in' }).click();
  await phone.getByLabel('E-mail', { exact: true }).fill(person.email);
  await phone.getByLabel('Password', { exact: true }).fill(person.password);
  await phone.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(phone.getByRole('button', { name: 'Confirm e-mail address' })).toBeVisible();

  await page.goto(links[0]);
  await page.goto(links[0]);
  await axe(page);
  await page.getByRole('button', { name: 'Confirm e-mail address' }).click();
  await expect(page).toHaveURL('/account');
  await expect(page.getByRole('status').filter({ hasText: 'Your e-mail address is changed.' })).toBeVisible();
  await expect(page.getByRole('region', { name: 'E-mail' })).toContainText(email);
  await expect(page.getByText('Waiting to be confirmed')).toHaveCount(0);
  await portal.mails.waitFor(person.email, 'was changed');
  await phone.goto('/account');
  if (!js) await elsewhere.goto('/account');
  for (const browser of [elsewhere, phone]) await expect(browser).toHaveURL(/\/sign-in\?to=/);
  await page.goto('/organization/members');
  await expect(page.getByRole('row').filter({ hasText: email })).toHaveCount(1);
  await signIn(phone, { ...person, email });
});

test('the link to a new address works once, and says so afterwards', async ({ page, portal, newAccount, newPerson, expectStatus }) => {
  expectStatus(410);
  const client = await newAccount();
  const { email } = newPerson('Augusta');
  await client.done('/account/email', 'change_email', { 'form[email]': email, 'form[password]': client.person.password });
  const link = await client.link('Confirm', '/confirm-email', email);
  await client.done(link, 'confirm_email');
  await client.takeOver(page);
  const response = await page.goto(link);
  expect(response?.status()).toBe(410);
  await expect(page.getByRole('heading', { name: 'This link no longer works' })).toBeVisible();
  await page.getByRole('link', { name: 'Go to Account' }).click();
  await expect(page.getByRole('region', { name: 'E-mail' })).toContainText(email);
});

test('a change of address that was not the owner’s is undone from the old one', async ({ page, newAccount, newPerson, axe, shot, expectStatus }) => {
  expectStatus(410);
  const client = await newAccount();
  const { person } = client;
  const { email } = newPerson('Mallory');
  await client.done('/account/email', 'change_email', { 'form[email]': email, 'form[password]': person.password });
  await client.done(await client.link('Confirm', '/confirm-email', email), 'confirm_email');
  const link = await client.link('was changed', '/undo', person.email);
  await page.goto(link);
  await expect(page.getByRole('heading', { name: 'Was it not you?' })).toBeVisible();
  await axe(page);
  await shot(page, 'undo');
  await page.getByRole('button', { name: 'Change it back' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'It is undone' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Choose a new password' })).toBeVisible();
  const response = await page.goto(link);
  expect(response?.status()).toBe(410);
  await axe(page);
});

test('an account is deleted with address and password, and the address can sign up again', async ({ page, portal, newAdmin, newMember, signUp, axe, expectStatus }) => {
  expectStatus(422);
  const admin = await newAdmin('Analytical Engines');
  const client = await newMember(admin, 'Grace');
  const { person } = client;
  await client.takeOver(page);
  await page.goto('/account');
  await page.getByRole('link', { name: 'Delete account' }).click();
  await expect(page.getByText('You leave Analytical Engines; the others stay.')).toBeVisible();
  await axe(page);
  await page.getByRole('button', { name: 'Delete account' }).click();
  await expect(errorOf(page, 'email')).toHaveText('Type the e-mail address of your account');
  await expect(errorOf(page, 'password')).toHaveText('Enter your password');
  await page.getByLabel('Your e-mail, to confirm').fill(person.email);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Delete account' }).click();
  await expect(page).toHaveURL('/sign-in');
  await expect(page.getByRole('status').filter({ hasText: 'Your account is deleted.' })).toBeVisible();
  await page.goto('/account');
  await expect(page).toHaveURL('/sign-in?to=%2Faccount');
  const told = await portal.mails.waitFor(person.email, 'is deleted');
  expect(told.text).toContain('If that was not you');
  expect((await admin.get('/organization/members')).html).not.toContain(person.email);
  await signUp(page, person);
  await expect(page.getByRole('link', { name: 'Add Organization' })).toBeVisible();
});

test('the only Admin among others does not delete the account, and who is alone deletes the organization with it', async ({ page, portal, newAdmin, newMember, expectStatus }) => {
  expectStatus(422);
  const admin = await newAdmin('Analytical Engines');
  const grace = await newMember(admin, 'Grace');
  await admin.takeOver(page);
  await page.goto('/account/delete');
  await expect(page.getByText('You are the only Admin')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Delete account' })).toHaveCount(0);
  await page.getByRole('link', { name: 'View members' }).click();
  await expect(page).toHaveURL('/organization/members');

  await grace.done('/organization/leave', 'leave_organization');
  await page.goto('/account/delete');
  await expect(page.getByText('You are the only member of Analytical Engines')).toBeVisible();
  await page.getByLabel('Your e-mail, to confirm').fill(admin.person.email);
  await page.getByLabel('Password', { exact: true }).fill(admin.person.password);
  await page.getByLabel('Name of the organization').fill('Analytical');
  await page.getByRole('button', { name: 'Delete account' }).click();
  await expect(errorOf(page, 'organization_name')).toHaveText('This is not the name of the organization');
  await expect(page.getByLabel('Your e-mail, to confirm')).toHaveValue(admin.person.email);
  await page.getByLabel('Name of the organization').fill('Analytical Engines');
  await page.getByLabel('Password', { exact: true }).fill(admin.person.password);
  await page.getByRole('button', { name: 'Delete account' }).click();
  await expect(page).toHaveURL('/sign-in');
  expect((await portal.mails.waitFor(admin.person.email, 'is deleted')).text).toContain('Analytical Engines, of which you were the only member');
});
