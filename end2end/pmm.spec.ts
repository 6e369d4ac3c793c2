// A PMM from the pasted token to its end, against a portal on plain HTTP and against one behind a TLS proxy at a host of its
// own: the requests are those that PMM makes, written and read in Go (tests/pmm-client), the people are in a browser.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as forward } from 'node:http';
import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as oidc from 'openid-client';
import { Client } from './support/client';
import { Pmm } from './support/pmm';
import { startPortal, type Portal } from './support/server';
import { expect, test } from './support/test';

const CLIENT = resolve(import.meta.dirname, '../tests/pmm-client');

/** A reverse proxy as operators put before the portal: it ends TLS and says who asked. */
class Proxy {
  private constructor(
    private readonly server: Server,
    readonly certificate: string,
  ) {}

  static async start(folder: string, behind: () => number): Promise<Proxy> {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
      const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress, 'x-forwarded-proto': 'https', 'x-forwarded-host': request.headers.host };
      const on = forward({ host: '127.0.0.1', port: behind(), method: request.method, path: request.url, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      on.on('error', () => response.destroy());
      response.on('close', () => on.destroy());
      request.pipe(on);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Proxy(server, certificate);
  }

  get url(): string {
    return `https://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

for (const tls of [false, true]) {
  test(`a PMM connects, shows its data, signs its Admin in and is disconnected ${tls ? 'behind a TLS proxy' : 'on plain HTTP'}`, async ({ browser, newPerson, js, isMobile }) => {
    test.skip(!js || isMobile, 'what PMM does is the same whatever the browser');
    test.slow();
    const folder = mkdtempSync(join(tmpdir(), 'org-portal-pmm-'));
    const program = join(folder, 'pmm-client');
    execFileSync('go', ['build', '-o', program, '.'], { cwd: CLIENT, env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOTOOLCHAIN: 'local', GOPROXY: 'off' } });
    let port = 0;
    const proxy = tls ? await Proxy.start(folder, () => port) : undefined;
    const portal: Portal = await startPortal(proxy ? { ORG_PORTAL_PUBLIC_URL: proxy.url, ORG_PORTAL_TRUSTED_PROXIES: '127.0.0.1' } : {});
    port = Number(new URL(portal.url).port);
    const base = proxy?.url ?? portal.url;
    const pmm = async (...words: string[]) => {
      const { stdout } = await promisify(execFile)(program, words, { env: { ...process.env, ...(proxy && { SSL_CERT_FILE: proxy.certificate }) } }).catch((error) => {
        throw new Error(`${words[0]}: ${error.stdout}${error.stderr}`);
      });
      return stdout;
    };
    const context = await browser.newContext({ baseURL: base, ignoreHTTPSErrors: tls });
    const grafana = await Pmm.listen();
    // Node itself is given no authority of its own for one test; that the certificate is good is checked by Go.
    const strict = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    if (tls) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const admin = newPerson('Ada');
      const page = await context.newPage();
      await new Client({ ...portal, url: base }, admin).signUp().then((client) => client.addOrganization('Acme'));
      // PMM's link for a token leads here, by way of signing in.
      await page.goto('/profile');
      await page.getByLabel('E-mail').fill(admin.email);
      await page.getByLabel('Password').fill(admin.password);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.getByRole('button', { name: 'Make token' }).click();
      const pasted = (await page.locator('.secret code').textContent())!;
      const id = 'b0f6a1de-6c3f-4c53-9c11-52f4c0f2a001';
      const { sso_details: sso, org_id: organization } = JSON.parse(await pmm('join', base, pasted, id, `${grafana.url}/graph`));
      expect(sso.issuer_url).toBe(`${base}/oauth2`);
      await page.goto('/organization/servers');
      await expect(page.getByRole('cell', { name: `${grafana.url}/graph` })).toBeVisible();

      // Grafana sends its people here, and asks who they are.
      const config = await oidc.discovery(new URL(sso.issuer_url), sso.grafana_client_id, undefined, oidc.None(), { execute: tls ? [] : [oidc.allowInsecureRequests] });
      const verifier = oidc.randomPKCECodeVerifier();
      const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
      const url = oidc.buildAuthorizationUrl(config, { redirect_uri: grafana.callback, scope: `openid profile email offline_access ${sso.scope}`, code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce });
      await page.goto(url.href);
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign in to Production?');
      await page.getByRole('button', { name: 'Sign in to PMM' }).click();
      await expect(page).toHaveURL(`${grafana.url}/graph/`);
      const tokens = await oidc.authorizationCodeGrant(config, grafana.came.at(-1)!, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true });
      const claims = tokens.claims()!;
      expect(claims.email).toBe(admin.email);
      expect(claims.portal_admin_orgs, 'what makes Grafana\'s role Admin').toEqual([organization]);

      // With the token of who is signed in, PMM shows the organization and its lists, and is disconnected.
      expect(await pmm('lists', base, tokens.access_token, organization, '', '', '', '00000000-0000-7000-8000-000000000000')).toContain('PMM understands everything');
      expect(await pmm('part', base, tokens.access_token, id, sso.pmm_managed_client_id, sso.pmm_managed_client_secret)).toContain('PMM is disconnected');
      await page.goto('/organization/servers');
      await expect(page.getByRole('heading', { name: 'No PMM servers' })).toBeVisible();
      await expect(oidc.refreshTokenGrant(config, tokens.refresh_token!)).rejects.toThrow();
      expect((await page.goto(url.href))!.status(), 'a server that is no longer known').toBeGreaterThanOrEqual(400);
    } finally {
      if (strict === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = strict;
      await context.close();
      await grafana.stop();
      await portal.stop();
      await proxy?.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
