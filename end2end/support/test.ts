// The tests' own `test`: a portal for each worker, what a person does as verbs, and the checks that every page stands.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test as base, expect, type BrowserContext, type Page } from '@playwright/test';
import { Client } from './client';
import { startPortal, type Portal } from './server';

export { expect } from '@playwright/test';
export type { Page } from '@playwright/test';
export type { Client } from './client';
export type { Mail } from './mails';
export type { Portal } from './server';

export type Person = { email: string; firstName: string; lastName: string; password: string };

type Fixtures = {
  /** Tests that run with JavaScript and without see here which it is. */
  js: boolean;
  /** A person that nobody has met; each call another one. */
  newPerson: (firstName?: string) => Person;
  /** Somebody with an account, by HTTP and not by pages: `takeOver(page)` hands the session to a browser. */
  newAccount: (firstName?: string) => Promise<Client>;
  /** Somebody who has added an organization, likewise. */
  newAdmin: (organization?: string, firstName?: string) => Promise<Client>;
  /** Somebody who has joined an Admin's organization, likewise. */
  newMember: (admin: Client, firstName?: string, role?: 'Admin' | 'Technical user') => Promise<Client>;
  /** Somebody who runs the portal itself, likewise. */
  newOperator: (firstName?: string) => Promise<Client>;
  /** A browser of its own, as another person has one; looked after like the test's own. */
  newBrowser: () => Promise<Page>;
  /** Goes through sign-up, the mail and its link; ends signed in. */
  signUp: (page: Page, person: Person) => Promise<void>;
  /** Takes the session away from a browser, as somebody does who clears what it keeps. */
  forget: (page: Page) => Promise<void>;
  /** Signs in on the sign-in page. */
  signIn: (page: Page, person: Person) => Promise<void>;
  /** Fails the test where axe finds anything on the page as it is, light or dark. Without JavaScript there is nothing to run. */
  axe: (page: Page) => Promise<void>;
  /** Keeps a picture of the page in end2end/shots, whole or what is seen of it, for who looks at them (`SHOTS=1`). */
  shot: (page: Page, name: string, whole?: boolean) => Promise<void>;
  /** Says that the browser may report answers with this status: the test means to get them. */
  expectStatus: (...statuses: number[]) => void;
  /** What went wrong in a browser, which fails the test. */
  troubles: Troubles;
};

class Troubles {
  readonly said: string[] = [];
  readonly expected = new Set<number>();

  constructor(private readonly js: boolean) {}

  /** Takes note of what a browser complains about. */
  watch(context: BrowserContext): void {
    context.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      const status = /^Failed to load resource: the server responded with a status of (\d+)/.exec(message.text())?.[1];
      if (status && this.expected.has(Number(status))) return;
      // Who has no JavaScript fetches ahead what then nobody uses.
      if (!this.js && message.text().includes('was preloaded using link preload but not used')) return;
      this.said.push(`${message.page()?.url() ?? ''}: ${message.type()}: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (error) => this.said.push(`${error.page()?.url() ?? ''}: ${error.error().stack ?? error.error()}`));
  }
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = join(import.meta.dirname, '../shots');
let people = 0;

export const test = base.extend<Fixtures, { portal: Portal }>({
  portal: [
    async ({}, use) => {
      const portal = await startPortal();
      await use(portal);
      await portal.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: ({ portal }, use) => use(portal.url),
  js: ({ javaScriptEnabled }, use) => use(javaScriptEnabled !== false),

  troubles: [
    async ({ context, portal, js }, use, info) => {
      const troubles = new Troubles(js);
      troubles.watch(context);
      await use(troubles);
      if (info.status !== info.expectedStatus) await info.attach('portal.log', { body: portal.log() });
      expect(troubles.said, 'what the browser complained about').toEqual([]);
    },
    { auto: true },
  ],
  expectStatus: ({ troubles }, use) => use((...statuses) => statuses.forEach((status) => troubles.expected.add(status))),

  newBrowser: async ({ browser, contextOptions, viewport, userAgent, isMobile, hasTouch, deviceScaleFactor, javaScriptEnabled, locale, timezoneId, baseURL, troubles }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async () => {
      const context = await browser.newContext({ ...contextOptions, viewport, userAgent, isMobile, hasTouch, deviceScaleFactor, javaScriptEnabled, locale, timezoneId, baseURL });
      contexts.push(context);
      troubles.watch(context);
      return context.newPage();
    });
    for (const context of contexts) await context.close();
  },

  newPerson: ({}, use, info) =>
    use((firstName = 'Ada') => {
      people += 1;
      const email = `${firstName.toLowerCase().replace(/[^a-z]/g, '')}.${info.workerIndex}.${people}@customer.example`;
      return { email, firstName, lastName: `Number${people}`, password: 'correct horse battery staple 9' };
    }),

  newAccount: ({ portal, newPerson }, use) => use((firstName) => new Client(portal, newPerson(firstName)).signUp()),
  newAdmin: ({ newAccount }, use) =>
    use(async (organization = 'Analytical Engines', firstName = 'Ada') => (await newAccount(firstName)).addOrganization(organization)),
  newMember: ({ portal, newPerson }, use) =>
    use(async (admin, firstName = 'Grace', role = 'Technical user') => {
      const person = newPerson(firstName);
      return new Client(portal, person).join(await admin.invite(person.email, role));
    }),

  newOperator: ({ portal, newAccount }, use) =>
    use(async (firstName = 'Olga') => {
      const operator = await newAccount(firstName);
      await portal.run('operator', 'create', operator.person.email);
      return operator;
    }),

  signUp: ({ portal }, use) =>
    use(async (page, person) => {
      await page.goto('/sign-up');
      await page.getByLabel('E-mail').fill(person.email);
      await page.getByLabel('First name').fill(person.firstName);
      await page.getByLabel('Last name').fill(person.lastName);
      await page.getByLabel('Password').fill(person.password);
      await page.getByRole('button', { name: 'Create account' }).click();
      await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible();
      const mail = await portal.mails.waitFor(person.email, 'Verify your e-mail address');
      const link = mail.links.find((link) => link.includes('/verify-email?token='));
      expect(link, 'the link in the mail').toBeTruthy();
      await page.goto(link!);
      await page.locator('main form button').click();
      await expect(page).not.toHaveURL(/verify-email/);
    }),
  forget: ({}, use) =>
    use(async (page) => {
      // A page that is still open would open its stream without a session, and say so.
      await page.goto('about:blank');
      await page.context().clearCookies({ name: 'session' });
    }),
  signIn: ({}, use) =>
    use(async (page, person) => {
      await page.goto('/sign-in');
      await page.getByLabel('E-mail').fill(person.email);
      await page.getByLabel('Password').fill(person.password);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await expect(page).not.toHaveURL(/sign-in/);
    }),

  axe: ({ js }, use) =>
    use(async (page) => {
      if (!js) return;
      // Evaluated by the debugger, which the page's policy does not bind.
      await page.evaluate(AXE);
      const found: string[] = [];
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        // In the dark the page is the same in other colours: these are the rules that look at them.
        const rules = colorScheme === 'dark' ? ['color-contrast', 'link-in-text-block'] : null;
        const violations = await page.evaluate(async (rules) => {
          type Violation = { id: string; help: string; nodes: { html: string; failureSummary?: string }[] };
          const { axe } = window as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } };
          return (await axe.run(rules ? { runOnly: rules } : {})).violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => `${html}\n    ${failureSummary}`) }));
        }, rules);
        found.push(...violations.map(({ id, help, nodes }) => `${colorScheme}: ${id}: ${help}\n    ${nodes.join('\n    ')}`));
      }
      await page.emulateMedia({ colorScheme: null });
      expect(found, `what axe found on ${page.url()}`).toEqual([]);
    }),

  shot: ({}, use, info) =>
    use(async (page, name, whole = true) => {
      if (process.env.SHOTS) await page.screenshot({ path: join(SHOTS, info.project.name, `${name}.png`), fullPage: whole });
    }),
});
