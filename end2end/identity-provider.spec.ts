// People sign in by the operator's OpenID provider: the whole way in a browser, with a provider that nobody here wrote.
import { Client } from './support/client';
import { IdentityProvider } from './support/identity-provider';
import { expect, test as base, type Page, type Portal } from './support/test';

const test = base.extend<{}, { provider: IdentityProvider; here: Portal }>({
  provider: [
    async ({}, use) => {
      const provider = await IdentityProvider.start();
      await use(provider);
      provider.stop();
    },
    { scope: 'worker' },
  ],
  here: [
    async ({ provider }, use) => {
      const portal = await provider.portal();
      await use(portal);
      await portal.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: ({ here }, use) => use(here.url),
});

/** At the provider: logs in as somebody. */
async function logIn(page: Page, email: string) {
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Example login');
  await page.getByLabel('Address').fill(email);
  await page.getByRole('button', { name: 'Log in' }).click();
}

test('somebody without an account gets one by the provider, and signs in by it again', async ({ page, newPerson, here, forget, axe, shot }) => {
  const { email } = newPerson('Greta');
  await page.goto('/sign-in?to=%2Faccount');
  await axe(page);
  await shot(page, 'sign-in-with-a-provider');
  await page.getByRole('link', { name: 'Continue with Example login' }).click();
  await logIn(page, email);
  await expect(page).toHaveURL(`${here.url}/account`);
  const services = page.getByRole('region', { name: 'Sign-in services' });
  await expect(services).toContainText(email);
  await expect(services).toContainText('the only way into your account');
  await expect(page.getByRole('button', { name: 'Set password' })).toBeVisible();
  await axe(page);
  await shot(page, 'account-by-a-provider');
  expect((await here.mails.waitFor(email, 'Example login was linked')).text).toContain('signed in here, too');
  // The provider still knows the browser: one click.
  await forget(page);
  await page.goto('/sign-up');
  await axe(page);
  await page.getByRole('link', { name: 'Continue with Example login' }).click();
  await expect(page).toHaveURL(`${here.url}/getting-started`);
});

test('an account that is there is linked once its owner has signed in, and unlinked again', async ({ page, newPerson, here, axe, shot }) => {
  const ada = await new Client(here, newPerson()).signUp();
  await page.goto('/sign-in?to=%2Faccount');
  await page.getByRole('link', { name: 'Continue with Example login' }).click();
  await logIn(page, ada.person.email);
  await expect(page.getByText('There is an account with the address')).toBeVisible();
  await expect(page.getByLabel('E-mail')).toHaveValue(ada.person.email);
  await axe(page);
  await shot(page, 'sign-in-to-link');
  await page.getByLabel('Password').fill(ada.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(`${here.url}/account`);
  const services = page.getByRole('region', { name: 'Sign-in services' });
  await axe(page);
  await services.getByRole('button', { name: 'Unlink Example login' }).click();
  await expect(page.getByText('It is unlinked')).toBeVisible();
  await expect(services.getByRole('link', { name: 'Link Example login' })).toBeVisible();
  await axe(page);
});

test('who turns back, or comes twice, reads why and can try again', async ({ page, newPerson, axe, shot, expectStatus }) => {
  expectStatus(403, 410);
  await page.goto('/sign-in');
  await page.getByRole('link', { name: 'Continue with Example login' }).click();
  await page.getByRole('button', { name: 'Turn back' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('You were not signed in');
  await axe(page);
  await shot(page, 'provider-turned-back');
  const back = page.url();
  await page.goto(back);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('This sign-in is over');
  await axe(page);
  await page.getByRole('link', { name: 'Try again' }).click();
  await logIn(page, newPerson('Hugo').email);
  await expect(page).toHaveURL(/\/getting-started$/);
});

test('an address that the provider has not verified is told so', async ({ page, provider, axe, expectStatus }) => {
  expectStatus(403);
  await provider.knows('ivy@customer.example', { email_verified: false });
  await page.goto('/sign-in');
  await page.getByRole('link', { name: 'Continue with Example login' }).click();
  await logIn(page, 'ivy@customer.example');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Your address is not verified');
  await axe(page);
});

test("an address of the provider's domain is led there from every form that asks for a password", async ({ page, here, axe, shot, expectStatus }) => {
  expectStatus(422);
  const email = `max.${Date.now()}@staff.example`;
  await page.goto('/sign-in');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('whatever it was');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.locator('#email-error')).toHaveText('Addresses of this domain sign in with Example login. Use its button');
  await axe(page);
  await shot(page, 'sign-in-by-the-provider-alone');
  await page.goto('/forgot-password');
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await axe(page);
  await page.getByRole('link', { name: 'Continue with Example login' }).click();
  await expect(page.getByLabel('Address')).toHaveValue(email);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(`${here.url}/getting-started`);
});
