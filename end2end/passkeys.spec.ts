import { expect, test, type Page, type Portal } from './support/test';
import { Client } from './support/client';
import { startPortal } from './support/server';

/** Passkeys are bound to a name, so the portal has one here. */
const named = test.extend<object, { portal: Portal }>({
  portal: [
    async ({}, use) => {
      const portal = await startPortal({}, 'localhost');
      await use(portal);
      await portal.stop();
    },
    { scope: 'worker' },
  ],
});

/** A device that keeps passkeys and unlocks them by itself. */
async function device(page: Page, unlocks = true) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: unlocks, automaticPresenceSimulation: true },
  });
  return { cdp, authenticatorId };
}

named('a passkey is added, signs in without the password, and is removed', async ({ page, portal, newPerson, js, forget, axe, shot, expectStatus }) => {
  named.skip(!js, 'passkeys are asked for by a script');
  expectStatus(422);
  const client = await new Client(portal, newPerson()).signUp();
  const { person } = client;
  await client.takeOver(page);
  const { cdp, authenticatorId } = await device(page);
  await page.goto('/account/factors');
  await axe(page);
  await page.getByRole('link', { name: 'Add a passkey' }).click();
  await axe(page);
  await shot(page, 'passkey-add');
  // Without a name the portal says so, and the device is not asked.
  await page.getByRole('button', { name: 'Create the passkey' }).click();
  await expect(page.locator('#name-error')).toHaveText('Enter a name: what it is, on which device');
  await page.getByLabel('Name').fill('Laptop');
  await page.getByRole('button', { name: 'Create the passkey' }).click();
  await expect(page.getByRole('heading', { name: 'Keep the recovery codes' })).toBeVisible();
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId });
  expect(credentials).toHaveLength(1);
  expect(credentials[0]).toMatchObject({ isResidentCredential: true, rpId: 'localhost' });
  await portal.mails.waitFor(person.email, 'A passkey was added');

  // Signed out, the same device signs in. The browser may offer it by itself before the button is pressed.
  await forget(page);
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
  await page.goto('/sign-in?to=%2Faccount');
  const button = page.getByRole('button', { name: 'Sign in with a passkey' });
  await expect(button).toBeVisible();
  await expect(page.getByLabel('E-mail')).toHaveAttribute('autocomplete', 'username webauthn');
  await axe(page);
  await shot(page, 'passkey-sign-in');
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
  await button.click();
  await expect(page).toHaveURL('/account');
  await expect(page.getByText('by a passkey')).toBeVisible();

  // After the password it is the second step.
  await forget(page);
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
  await page.goto('/sign-in');
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(/\/sign-in\/code/);
  await axe(page);
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await expect(page).toHaveURL('/getting-started');

  await page.goto('/account/factors');
  await axe(page);
  await page.getByRole('link', { name: 'Remove Laptop' }).click();
  await page.getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'It was removed.' })).toBeVisible();
});

named('a device that does not unlock signs nobody in, and the page says so', async ({ page, portal, newPerson, js, axe }) => {
  named.skip(!js, 'passkeys are asked for by a script');
  const client = await new Client(portal, newPerson()).signUp();
  await client.takeOver(page);
  await device(page, false);
  await page.goto('/account/factors/passkey');
  await page.getByLabel('Name').fill('Laptop');
  await page.getByRole('button', { name: 'Create the passkey' }).click();
  await expect(page.getByRole('alert')).toHaveText('No passkey came. Try again.');
  await axe(page);
});

named('without JavaScript no page shows a button that does nothing', async ({ page, portal, newPerson, js }) => {
  named.skip(js, 'about pages without it');
  await page.goto('/sign-in');
  await expect(page.getByRole('button')).toHaveCount(1);
  const client = await new Client(portal, newPerson()).signUp();
  await client.takeOver(page);
  await page.goto('/account/factors');
  await expect(page.getByRole('link', { name: 'Add a passkey' })).toBeHidden();
  await page.goto('/account/factors/passkey');
  await expect(page.getByRole('button', { name: 'Create the passkey' })).toBeHidden();
  await expect(page.getByText('It needs a browser with passkeys, and JavaScript.')).toBeVisible();
});
