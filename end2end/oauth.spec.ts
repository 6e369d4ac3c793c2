// People sign in to PMM servers: the whole way in a browser, with clients that nobody here wrote.
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';
import { Pmm } from './support/pmm';
import { expect, test, type Page } from './support/test';

const SCOPE = 'openid profile email offline_access percona';
const insecure = { [oauth.allowInsecureRequests]: true };

/** Presses the button of the page that asks, and waits until the browser is at the server. */
async function allow(page: Page, pmm: Pmm) {
  await page.getByRole('button', { name: 'Sign in to PMM' }).click();
  await expect(page).toHaveURL(`${pmm.url}/graph/`);
}

test('openid-client signs somebody in who signs in here first, and asks for nothing the next time', async ({ page, portal, newAdmin, forget, axe, shot }) => {
  const admin = await newAdmin('Acme');
  const pmm = await Pmm.connect(portal, admin.person.email);
  const config = await oidc.discovery(new URL(`${portal.url}/oauth2`), pmm.clientId, undefined, oidc.None(), { execute: [oidc.allowInsecureRequests] });
  const begin = async (more: Record<string, string> = {}) => {
    const verifier = oidc.randomPKCECodeVerifier();
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const code_challenge = await oidc.calculatePKCECodeChallenge(verifier);
    const url = oidc.buildAuthorizationUrl(config, { redirect_uri: pmm.callback, scope: SCOPE, code_challenge, code_challenge_method: 'S256', state, nonce, ...more });
    const end = () => oidc.authorizationCodeGrant(config, pmm.came.at(-1)!, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true });
    return { url: url.href, end };
  };
  const first = await begin({ login_hint: admin.person.email });
  await page.goto(first.url);
  await expect(page).toHaveURL(/\/sign-in\?/);
  await expect(page.getByLabel('E-mail')).toHaveValue(admin.person.email);
  await page.getByLabel('Password').fill(admin.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign in to Production?');
  await axe(page);
  await shot(page, 'sign-in-to-pmm');
  await allow(page, pmm);
  const tokens = await first.end();
  const claims = tokens.claims()!;
  expect(claims.email).toBe(admin.person.email);
  expect(claims.email_verified).toBe(true);
  expect(claims.portal_admin_orgs).toHaveLength(1);
  expect(claims.pmm_demo_ids).toEqual([]);
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  expect(info.portal_admin_orgs).toEqual(claims.portal_admin_orgs);
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  expect(refreshed.claims()!.sub).toBe(claims.sub);
  // Signed in here, and known to the server: the browser goes through.
  const second = await begin();
  await page.goto(second.url);
  await expect(page).toHaveURL(`${pmm.url}/graph/`);
  expect((await second.end()).claims()!.sub).toBe(claims.sub);
  // The page to sign in leads there, too, although its form ends at another host.
  await forget(page);
  const third = await begin();
  await page.goto(third.url);
  await page.getByLabel('E-mail').fill(admin.person.email);
  await page.getByLabel('Password').fill(admin.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(`${pmm.url}/graph/`);
  await third.end();
  // Once more with the password, because the server wants it so.
  const fourth = await begin({ prompt: 'login', max_age: '0' });
  await page.goto(fourth.url);
  await expect(page).toHaveURL(/\/sign-in\?/);
  await page.getByLabel('E-mail').fill(admin.person.email);
  await page.getByLabel('Password').fill(admin.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(`${pmm.url}/graph/`);
  await fourth.end();
  // What one let it know is on the page Account, and can be taken back there.
  await page.goto('/account');
  const servers = page.getByRole('region', { name: 'PMM servers' });
  await expect(servers.getByRole('paragraph').getByText('Production', { exact: true })).toBeVisible();
  await axe(page);
  await servers.getByRole('button', { name: 'Remove server: Production' }).click();
  await expect(page.getByText('What you gave the server has ended')).toBeVisible();
  await expect(oidc.fetchUserInfo(config, refreshed.access_token, claims.sub)).rejects.toThrow();
  // Signing out there signs out here, and leads back.
  await page.goto(`${pmm.url}/graph/`);
  await page.goto(`/login/signout?fromURI=${encodeURIComponent(`${pmm.url}/graph/login`)}`);
  await expect(page).toHaveURL(`${pmm.url}/graph/login`);
  await page.goto('/account');
  await expect(page).toHaveURL(/\/sign-in\?/);
  await pmm.stop();
});

test('oauth4webapi signs a member in by the metadata of OAuth, and a machine gets its token', async ({ page, portal, newAdmin, newMember }) => {
  const admin = await newAdmin('Acme');
  const member = await newMember(admin);
  const pmm = await Pmm.connect(portal, admin.person.email);
  const issuer = new URL(`${portal.url}/oauth2`);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }));
  const client: oauth.Client = { client_id: pmm.clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(as.authorization_endpoint!);
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
  for (const [name, value] of Object.entries({ client_id: pmm.clientId, redirect_uri: pmm.callback, response_type: 'code', scope: SCOPE, code_challenge, code_challenge_method: 'S256', state, nonce })) {
    url.searchParams.set(name, value);
  }
  await member.takeOver(page);
  await page.goto(url.href);
  await allow(page, pmm);
  const parameters = oauth.validateAuthResponse(as, client, pmm.came.at(-1)!, state);
  const answer = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, pmm.callback, verifier, insecure);
  const given = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true });
  const claims = oauth.getValidatedIdTokenClaims(given)!;
  expect(claims.email).toBe(member.person.email);
  expect(claims.portal_admin_orgs).toEqual([]);
  const info = await oauth.processUserInfoResponse(as, client, claims.sub, await oauth.userInfoRequest(as, client, given.access_token, insecure));
  expect(info.name).toBe(claims.name);
  const next = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.None(), given.refresh_token!, insecure));
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.None(), next.refresh_token!, insecure));
  const ended = await oauth.userInfoRequest(as, client, next.access_token, insecure);
  expect(ended.status).toBe(401);
  const machine: oauth.Client = { client_id: pmm.machineId };
  const asked = await oauth.clientCredentialsGrantRequest(as, machine, oauth.ClientSecretBasic(pmm.machineSecret), { scope: 'percona' }, insecure);
  expect((await oauth.processClientCredentialsResponse(as, machine, asked)).expires_in).toBe(3600);
  await pmm.stop();
});

test('who is no member is told so and nothing else, and who says no goes back', async ({ page, portal, newAdmin, newAccount, expectStatus, axe, shot }) => {
  expectStatus(403);
  const admin = await newAdmin('Secret Society');
  const stranger = await newAccount('Eve');
  const pmm = await Pmm.connect(portal, admin.person.email);
  const query = new URLSearchParams({
    client_id: pmm.clientId,
    redirect_uri: pmm.callback,
    response_type: 'code',
    scope: SCOPE,
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    state: 's',
  });
  await stranger.takeOver(page);
  await page.goto(`/oauth2/authorize?${query}`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('You cannot sign in to this server');
  await expect(page.locator('body')).not.toContainText('Secret Society');
  await axe(page);
  await shot(page, 'stranger-at-pmm');
  await page.getByRole('link', { name: 'Use another account' }).click();
  await page.getByLabel('E-mail').fill(admin.person.email);
  await page.getByLabel('Password').fill(admin.person.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign in to Production?');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page).toHaveURL(`${pmm.url}/graph/`);
  expect(pmm.came.at(-1)!.searchParams.get('error')).toBe('access_denied');
  await pmm.stop();
});
