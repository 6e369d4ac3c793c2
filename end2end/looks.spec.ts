// Every page and state, looked at: nothing that axe finds, nothing in the console, nothing wider than the smallest phone,
// and with SHOTS=1 a picture of each in end2end/shots, light and dark. The widths are those of the projects (1440 and 390).
import { writeFileSync } from 'node:fs';
import { startPortal } from './support/server';
import { expect, test, type Client, type Page } from './support/test';

type Scene = {
  /** The picture's name. */
  name: string;
  /** Who looks; nobody signed in where it is left out. */
  as?: 'new' | 'leaver' | 'mover' | 'invited' | 'admin' | 'founder' | 'technical';
  /** The page. */
  path?: string | ((stage: Stage) => string);
  /** What is done there, and what it needs JavaScript for. */
  act?: (page: Page, stage: Stage) => Promise<void>;
  js?: boolean;
  /** What the browser may report. */
  statuses?: number[];
  /** A dialog or a menu lies over the page: a picture of what is seen, and not of the page's whole length. */
  over?: boolean;
};
type Stage = { links: Record<string, string>; member: string; pending: string; people: Record<string, Client> };

const send = (page: Page) => page.locator('main form button.primary').first().click();

const SCENES: Scene[] = [
  { name: 'sign-in', path: '/sign-in' },
  {
    name: 'sign-in-refused',
    path: '/sign-in',
    statuses: [401],
    act: async (page) => {
      await page.locator('#email').fill('ada@example.com');
      await page.locator('#password').fill('not the right one');
      await send(page);
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  {
    name: 'sign-in-notice',
    as: 'leaver',
    path: '/getting-started',
    act: async (page) => {
      await page.locator('details.account > summary').click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await expect(page.getByRole('status').filter({ hasText: 'You are signed out' })).toBeVisible();
    },
  },
  { name: 'sign-up', path: '/sign-up' },
  {
    name: 'sign-up-refused',
    path: '/sign-up',
    statuses: [422],
    act: async (page) => {
      await page.locator('#email').fill('ada.example');
      await page.locator('#password').fill('short');
      await send(page);
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  { name: 'sign-up-invited', path: ({ links }) => links.open.replace('/invitation?token=', '/sign-up?invitation=') },
  { name: 'sign-up-stale', path: '/sign-up?invitation=unknown' },
  { name: 'check-mail', path: '/check-your-mail' },
  { name: 'verify-email-other-browser', path: ({ links }) => links.verify },
  { name: 'verify-email-gone', path: '/verify-email?token=unknown', statuses: [410] },
  { name: 'forgot-password', path: '/forgot-password' },
  { name: 'reset-password', path: ({ links }) => links.reset },
  { name: 'reset-password-gone', path: '/reset-password?token=unknown', statuses: [410] },
  { name: 'confirm-email-signed-out', path: ({ links }) => links.confirm },
  { name: 'confirm-email', as: 'mover', path: ({ links }) => links.confirm },
  { name: 'confirm-email-other-account', as: 'new', path: ({ links }) => links.confirm, statuses: [403] },
  { name: 'confirm-email-gone', path: '/confirm-email?token=unknown', statuses: [410] },
  { name: 'invitation-signed-out', path: ({ links }) => links.open },
  { name: 'invitation-ended', path: '/invitation?token=unknown', statuses: [410] },
  { name: 'invitation', as: 'invited', path: ({ links }) => links.invited },
  { name: 'invitation-other-account', as: 'new', path: ({ links }) => links.invited, statuses: [403] },
  { name: 'invitation-other-organization', as: 'founder', path: ({ links }) => links.founder, statuses: [409] },
  { name: 'getting-started-new', as: 'new', path: '/getting-started' },
  { name: 'getting-started-invited', as: 'invited', path: '/getting-started' },
  { name: 'getting-started-founder', as: 'founder', path: '/getting-started' },
  { name: 'getting-started', as: 'admin', path: '/getting-started' },
  { name: 'add-organization', as: 'new', path: '/organization/add' },
  {
    name: 'add-organization-refused',
    as: 'new',
    path: '/organization/add',
    statuses: [422],
    act: async (page) => {
      await send(page);
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  { name: 'add-organization-again', as: 'admin', path: '/organization/add' },
  { name: 'organization-details', as: 'admin', path: '/organization' },
  { name: 'activity', as: 'admin', path: '/organization/activity' },
  { name: 'activity-refused', as: 'admin', path: '/organization/activity?kind=refused' },
  { name: 'activity-empty', as: 'founder', path: '/organization/activity?kind=member' },
  {
    name: 'activity-time',
    as: 'admin',
    path: '/organization/activity?from=2026-01-01',
    over: true,
    act: (page) => page.locator('#filter-time').click(),
  },
  { name: 'members', as: 'admin', path: '/organization/members' },
  { name: 'members-alone', as: 'founder', path: '/organization/members' },
  { name: 'members-technical', as: 'technical', path: '/organization/members' },
  { name: 'members-empty', as: 'admin', path: '/organization/members?q=nobody+at+all' },
  { name: 'members-sorted', as: 'admin', path: '/organization/members?sort=email&order=desc' },
  {
    name: 'members-notice',
    as: 'admin',
    path: '/organization/members',
    act: async (page) => {
      const resend = page.getByRole('button', { name: 'Resend' }).first();
      if (!(await resend.isVisible())) await page.getByRole('button', { name: /^Actions for pending/ }).click();
      await resend.click();
      await expect(page.getByText('The invitation is on its way again.')).toBeVisible();
    },
  },
  {
    name: 'dialog-invite',
    as: 'admin',
    path: '/organization/members',
    js: true,
    over: true,
    act: async (page) => {
      await page.getByRole('link', { name: 'Invite Member' }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  },
  {
    name: 'dialog-invite-refused',
    as: 'admin',
    path: '/organization/members',
    js: true,
    over: true,
    act: async (page) => {
      await page.getByRole('link', { name: 'Invite Member' }).click();
      await page.getByRole('dialog').getByLabel('Corporate e-mail').fill('nonsense');
      await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
      await expect(page.getByRole('dialog').locator('[data-error]')).toBeVisible();
    },
  },
  ...(['edit', 'remove'] as const).map(
    (what): Scene => ({
      name: `dialog-${what}`,
      as: 'admin',
      path: '/organization/members',
      js: true,
      over: true,
      act: async (page) => {
        const row = page.getByRole('row').filter({ hasText: 'bob.' });
        const menu = row.getByRole('button', { name: /^Actions for/ });
        if (await menu.isVisible()) await menu.click();
        await row.getByRole('link', { name: new RegExp(`^${what}`, 'i') }).click();
        await expect(page.getByRole('dialog')).toBeVisible();
      },
    }),
  ),
  {
    name: 'menu-account',
    as: 'admin',
    path: '/organization',
    over: true,
    act: (page) => page.locator('details.account > summary').click(),
  },
  {
    name: 'menu-navigation',
    as: 'admin',
    path: '/organization',
    over: true,
    act: async (page) => {
      const menu = page.locator('details.navmenu > summary');
      if (await menu.isVisible()) await menu.click();
    },
  },
  {
    name: 'menu-row',
    as: 'admin',
    path: '/organization/members',
    over: true,
    act: async (page) => {
      const menu = page.getByRole('row').filter({ hasText: 'bob.' }).getByRole('button', { name: /^Actions for/ });
      if (await menu.isVisible()) await menu.click();
    },
  },
  { name: 'invite', as: 'admin', path: '/organization/members/invite' },
  { name: 'invite-technical', as: 'technical', path: '/organization/members/invite' },
  {
    name: 'invite-refused',
    as: 'admin',
    path: '/organization/members/invite',
    statuses: [409],
    act: async (page, { people }) => {
      await page.locator('#email').fill(people.invited.person.email);
      await send(page);
      await expect(page.getByRole('button', { name: 'Resend' })).toBeVisible();
    },
  },
  { name: 'edit-member', as: 'admin', path: ({ member }) => `/organization/members/${member}/edit` },
  { name: 'remove-member', as: 'admin', path: ({ member }) => `/organization/members/${member}/remove` },
  { name: 'revoke-invitation', as: 'admin', path: ({ pending }) => `/organization/invitations/${pending}/revoke` },
  { name: 'leave-organization', as: 'technical', path: '/organization/leave' },
  { name: 'leave-refused', as: 'admin', path: '/organization/leave' },
  { name: 'leave-alone', as: 'founder', path: '/organization/leave' },
  { name: 'organization-details-technical', as: 'technical', path: '/organization' },
  { name: 'rename-organization', as: 'admin', path: '/organization/rename' },
  { name: 'delete-organization', as: 'admin', path: '/organization/delete' },
  {
    name: 'delete-organization-refused',
    as: 'admin',
    path: '/organization/delete',
    statuses: [422],
    act: async (page) => {
      await page.locator('#name').fill('Analytical');
      await page.getByRole('button', { name: 'Delete organization' }).click();
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  { name: 'invitations', as: 'admin', path: '/organization/invitations' },
  { name: 'invitations-empty', as: 'founder', path: '/organization/invitations?state=declined' },
  { name: 'invitation-role', as: 'admin', path: ({ pending }) => `/organization/invitations/${pending}/role` },
  { name: 'members-filtered', as: 'admin', path: '/organization/members?role=Admin&state=active' },
  {
    name: 'members-selected',
    as: 'admin',
    path: '/organization/members',
    act: (page) => page.locator('tbody input[type=checkbox]').first().check(),
  },
  { name: 'change-roles', as: 'admin', path: ({ member }) => `/organization/members/several?do=role&member=${member}` },
  { name: 'remove-several', as: 'admin', path: ({ member }) => `/organization/members/several?do=remove&member=${member}` },
  { name: 'roles', as: 'admin', path: '/roles' },
  { name: 'account', as: 'admin', path: '/account' },
  { name: 'account-waiting', as: 'mover', path: '/account' },
  { name: 'change-email', as: 'admin', path: '/account/email' },
  {
    name: 'change-email-refused',
    as: 'admin',
    path: '/account/email',
    statuses: [422],
    act: async (page) => {
      await page.locator('#email').fill('ada@');
      await page.getByRole('button', { name: 'Send link' }).click();
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  { name: 'delete-account', as: 'technical', path: '/account/delete' },
  { name: 'delete-account-only-admin', as: 'admin', path: '/account/delete' },
  {
    name: 'delete-account-alone',
    as: 'founder',
    path: '/account/delete',
    statuses: [422],
    act: async (page) => {
      await page.getByRole('button', { name: 'Delete account' }).click();
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  {
    name: 'account-refused',
    as: 'admin',
    path: '/account',
    statuses: [422],
    act: async (page) => {
      await page.locator('#current_password').fill('wrong one entirely');
      await page.locator('#new_password').fill('short');
      await page.getByRole('button', { name: 'Change password' }).click();
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  { name: 'error-404', path: '/no/such/page', statuses: [404] },
  { name: 'error-404-signed-in', as: 'admin', path: '/no/such/page', statuses: [404] },
];

const NAMES = ['Bob', 'Charles', 'Doris', 'Emmy', 'Zoë'];
let staged: Promise<Stage> | undefined;

/** The people and what they have, made once for a worker. */
const looks = test.extend<{ stage: Stage }>({
  stage: async ({ newAccount, newAdmin, newMember, newPerson }, use) => {
    staged ??= (async () => {
      const admin = await newAdmin('Analytical Engines');
      for (const name of NAMES) await newMember(admin, name, name === 'Emmy' ? 'Admin' : 'Technical user');
      const technical = await newMember(admin, 'Grace');
      // With another Admin there is nobody who could not leave.
      const emmy = /data-id="([^"]+)" data-name="Emmy/.exec((await admin.get('/organization/members')).html)![1];
      await admin.done(`/organization/members/${emmy}/edit`, 'change_role', { 'form[role]': 'Technical user' });
      const [fresh, leaver, invited] = [await newAccount('Newcomer'), await newAccount('Leaver'), await newAccount('Invited')];
      const founder = await newAdmin('Difference Engines', 'Founder');
      // One who may not tries to remove another.
      const bob = /data-id="([^"]+)" data-name="Bob/.exec((await admin.get('/organization/members')).html)![1];
      const organization = /data-member-of="([^"]+)"/.exec((await technical.get('/organization')).html)![1];
      await technical.post('remove_member', { 'form[member]': bob, 'drawn[organization]': organization, 'drawn[page]': '/organization/members' });
      const links = {
        open: await admin.invite(newPerson('Pending').email),
        invited: await admin.invite(invited.person.email, 'Admin'),
        founder: await admin.invite(founder.person.email),
        verify: '',
        reset: '',
        confirm: '',
      };
      const mover = await newAccount('Mover');
      const moved = newPerson('Moved');
      await mover.done('/account/email', 'change_email', { 'form[email]': moved.email, 'form[password]': mover.person.password });
      links.confirm = await mover.link('Confirm', '/confirm-email', moved.email);
      const waiting = newPerson('Waiting');
      const stranger = await newAccount('Forgetful');
      await stranger.done('/forgot-password', 'forgot_password', { 'form[email]': stranger.person.email });
      links.reset = await stranger.link('Choose a new password', '/reset-password');
      await stranger.done('/account', 'sign_out');
      await stranger.done('/sign-up', 'sign_up', { 'form[email]': waiting.email, 'form[first_name]': 'Waiting', 'form[last_name]': '', 'form[password]': waiting.password });
      links.verify = await stranger.link('Verify', '/verify-email', waiting.email);
      const { html } = await admin.get('/organization/members');
      const member = /data-id="([^"]+)" data-name="Bob/.exec(html)![1];
      const pending = /\/organization\/invitations\/([^/"]+)\/revoke/.exec(html)![1];
      return { links, member, pending, people: { new: fresh, leaver, mover, invited, admin, founder, technical } };
    })();
    await use(await staged);
  },
});

for (const { name, as, path, act, js: needed, statuses = [], over } of SCENES) {
  looks(`the page looks right: ${name}`, async ({ page, stage, js, axe, shot, expectStatus }) => {
    looks.skip(!!needed && !js, 'only the island does this');
    looks.setTimeout(60_000);
    expectStatus(...statuses);
    if (as) await stage.people[as].takeOver(page);
    await page.goto(typeof path === 'function' ? path(stage) : path!);
    if (js && (await page.locator('leptos-island dialog').count())) await expect(page.locator('body'), 'the island runs').toHaveAttribute('data-live');
    await act?.(page, stage);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await shot(page, `${name}-${colorScheme}`, !over);
    }
    await axe(page);
    if (over) return;
    // The smallest phone.
    await page.setViewportSize({ width: 320, height: 640 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, 'no scrolling sideways at 320 px').toBeLessThanOrEqual(320);
    await shot(page, `${name}-320`);
    await axe(page);
  });
}

looks('the first key leads past the navigation', async ({ page, stage }) => {
  for (const path of ['/sign-in', '/organization']) {
    if (path !== '/sign-in') await stage.people.admin.takeOver(page);
    await page.goto(path);
    await page.keyboard.press('Tab');
    const skip = page.getByRole('link', { name: 'Skip to content' });
    await expect(skip).toBeFocused();
    await expect(skip).toBeInViewport();
    await page.keyboard.press('Enter');
    await expect(page.locator('main')).toBeFocused();
  }
});

looks('the mails look right', async ({ page, portal, stage, axe, shot }) => {
  void stage;
  const seen = new Set<string>();
  for (const mail of portal.mails.all) {
    const kind = mail.subject.replace(/ (to|for|at) .*/, '').replaceAll(' ', '-').toLowerCase();
    if (seen.has(kind)) continue;
    seen.add(kind);
    expect(mail.html, mail.subject).toContain('<html lang="en"');
    expect(mail.text, mail.subject).toContain('You get this mail because');
    // What stands in one form stands in the other; the portal's own address stands under the text alone.
    for (const link of mail.links.filter((link) => link !== portal.url)) expect(mail.html).toContain(link.replaceAll('&', '&amp;'));
    await page.setContent(mail.html);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await shot(page, `mail-${kind}-${colorScheme}`);
    }
    // A mail has no landmarks of its own: it stands in the reader's page.
    await page.evaluate(() => {
      const main = document.createElement('main');
      main.append(...document.body.childNodes);
      document.body.append(main);
    });
    await axe(page);
  }
  expect(seen.size).toBeGreaterThanOrEqual(3);
});

test('without a mail server, mails are found in the development mailbox', async ({ page, axe, shot, newPerson }) => {
  const portal = await startPortal({ ORG_PORTAL_SMTP_URL: '' });
  const shots = async (name: string) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await shot(page, `${name}-${colorScheme}`);
    }
    await axe(page);
  };
  try {
    const person = newPerson();
    await page.goto(`${portal.url}/dev/mail`);
    await expect(page.getByRole('heading', { name: 'No mails yet' })).toBeVisible();
    await shots('dev-mailbox-empty');
    await page.goto(`${portal.url}/sign-up`);
    await page.locator('#email').fill(person.email);
    await page.locator('#first_name').fill(person.firstName);
    await page.locator('#password').fill(person.password);
    await send(page);
    await shots('check-mail-development');
    await expect(async () => {
      await page.goto(`${portal.url}/dev/mail`);
      await expect(page.getByRole('link', { name: /^Verify your e-mail address/ })).toBeVisible({ timeout: 200 });
    }).toPass();
    await shots('dev-mailbox');
    await page.getByRole('link', { name: /^Verify your e-mail address/ }).click();
    await expect(page.getByRole('heading', { level: 1 })).toContainText('Verify your e-mail address');
    await shots('dev-mail');
    await page.locator('pre a').first().click();
    await page.getByRole('button', { name: 'Verify e-mail address' }).click();
    await expect(page).toHaveURL(`${portal.url}/getting-started`);
  } finally {
    // A page that listens would complain that nobody answers.
    await page.goto('about:blank');
    await portal.stop();
  }
});

/** Pairs of tokens: what is written or drawn, on what, and the least contrast (WCAG 2.2, 1.4.3 and 1.4.11). */
const PAIRS: [string, string[], number][] = [
  ['text', ['surface-0', 'surface-1', 'surface-2', 'accent-soft', 'good-soft', 'warn-soft', 'bad-soft'], 4.5],
  ['text-quiet', ['surface-0', 'surface-1', 'surface-2', 'accent-soft'], 4.5],
  ['accent-text', ['surface-0', 'surface-1', 'surface-2', 'accent-soft'], 4.5],
  ['on-accent', ['accent', 'accent-hover'], 4.5],
  ['on-bad', ['bad', 'bad-hover'], 4.5],
  ['on-good', ['good'], 4.5],
  ['on-warn', ['warn'], 4.5],
  ...['good', 'warn', 'bad'].map((kind): [string, string[], number] => [`${kind}-text`, ['surface-0', 'surface-1', 'surface-2', `${kind}-soft`], 4.5]),
  ['line-strong', ['surface-0', 'surface-1'], 3],
  ['ring', ['surface-0', 'surface-1', 'surface-2'], 3],
  ['accent', ['surface-0', 'surface-1'], 3],
  ['bad', ['surface-0', 'surface-1'], 3],
  ['good-text', ['line'], 3],
  ...['chart-1', 'chart-2', 'chart-3', 'chart-4'].map((chart): [string, string[], number] => [chart, ['surface-0', 'surface-1'], 3]),
];

/** What of these is too weak, for each of these accents of the operator's. */
const weak = (page: Page, pairs: typeof PAIRS, accents: string[]) =>
  page.evaluate(
    ([pairs, accents]) => {
      const probe = document.body.appendChild(document.createElement('i'));
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [1, 1];
      const context = canvas.getContext('2d', { willReadFrequently: true })!;
      /** WCAG's relative luminance of a token as the screen shows it. */
      const luminance = (token: string) => {
        probe.style.color = `var(--${token})`;
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = getComputedStyle(probe).color;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const found: string[] = [];
      for (const accent of accents) {
        if (accent) document.documentElement.style.setProperty('--brand-accent', accent);
        for (const [front, backs, least] of pairs) {
          for (const back of backs) {
            const [light, dark] = [luminance(front), luminance(back)].sort((a, b) => b - a);
            const is = (light + 0.05) / (dark + 0.05);
            if (is < least) found.push(`${accent} ${front} on ${back}: ${is.toFixed(2)} of ${least}`);
          }
        }
      }
      document.documentElement.style.removeProperty('--brand-accent');
      probe.remove();
      return found;
    },
    [pairs, accents] as const,
  );

test('every pair of colours has the contrast it needs, whatever the accent of the operator', async ({ page }, info) => {
  test.skip(info.project.name !== 'desktop', 'colours are the same everywhere');
  await page.goto('/sign-in');
  const steps = ['00', '33', '66', '99', 'cc', 'ff'];
  const accents = steps.flatMap((r) => steps.flatMap((g) => steps.map((b) => `#${r}${g}${b}`)));
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await weak(page, PAIRS, ['']), colorScheme).toEqual([]);
    const derived = PAIRS.filter(([front, backs]) => [front, ...backs].some((token) => /accent|ring/.test(token)));
    expect(await weak(page, derived, accents), colorScheme).toEqual([]);
  }
  // The test sees what is wrong.
  expect(await weak(page, [['line', ['surface-1'], 3]], [''])).toHaveLength(1);
});

const PLACES = ['/sign-in', '/getting-started', '/organization', '/organization/members', '/account', '/roles'];

looks('pages do with forced colours, on paper, and at 400 % zoom', async ({ page, stage, axe, shot }, info) => {
  looks.setTimeout(120_000);
  const picture = (path: string, kind: string, whole = true) => shot(page, `${kind}${path.replaceAll('/', '-')}`, whole);
  for (const path of PLACES) {
    if (path === PLACES[1]) await stage.people.admin.takeOver(page);
    await page.goto(path);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ forcedColors: 'active', colorScheme, reducedMotion: 'reduce' });
      await picture(path, `forced-${colorScheme}`);
    }
    // What can be pressed has an edge that is seen without any colour of ours.
    const edgeless = await page.locator('.button:visible, .input:visible').evaluateAll((all) =>
      all.filter((one) => getComputedStyle(one).borderTopStyle === 'none' || getComputedStyle(one).borderTopColor === getComputedStyle(one).backgroundColor).map((one) => one.outerHTML),
    );
    expect(edgeless).toEqual([]);
    await page.emulateMedia({ forcedColors: 'none', colorScheme: 'dark', media: 'print' });
    await picture(path, 'print');
    const paper = await page.evaluate(() => {
      const shown = (selector: string) => [...document.querySelectorAll(selector)].some((one) => one.getClientRects().length > 0);
      return { heading: shown('h1'), tools: shown('.topbar, .sidenav, .tabs, .toolbar, .notice, .skip, .actions'), scheme: getComputedStyle(document.documentElement).colorScheme };
    });
    expect(paper, path).toEqual({ heading: true, tools: false, scheme: 'light' });
    await page.emulateMedia({ media: 'screen', colorScheme: 'light', forcedColors: 'none' });
    // 1280 × 1024 at 400 %.
    await page.setViewportSize({ width: 320, height: 256 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(320);
    for (let n = 0; n < 12; n += 1) await page.keyboard.press('Tab');
    const focused = page.locator(':focus');
    if (await focused.count()) await expect(focused, 'the focus is seen').toBeInViewport();
    await picture(path, 'zoomed', false);
    await axe(page);
    await page.setViewportSize(info.project.use.viewport!);
  }
});

test('what the pointer rests on is loaded ahead, and nothing is lost or done by it', async ({ page, newAdmin, js }, info) => {
  test.skip(!js || info.project.name !== 'desktop', 'a browser with a mouse');
  const admin = await newAdmin('Hover Works');
  await admin.takeOver(page);
  await page.goto('/organization');
  const link = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Roles and permissions' });
  const debug = await page.context().newCDPSession(page);
  await debug.send('Preload.enable');
  const ready = new Promise<void>((resolve) =>
    debug.on('Preload.prefetchStatusUpdated', ({ prefetchUrl, status }) => {
      if (prefetchUrl.endsWith('/roles') && status === 'Ready') resolve();
    }),
  );
  await link.hover();
  await ready;
  await link.click();
  await expect(page.getByRole('heading', { name: 'Roles and permissions' })).toBeVisible();
  const delivered = await page.evaluate(() => (performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming & { deliveryType: string }).deliveryType);
  expect(delivered).toBe('navigational-prefetch');
});

test('the gallery shows every component in every state', async ({ page, axe, shot, newAccount, portal, expectStatus }, info) => {
  expectStatus(404);
  test.setTimeout(60_000);
  await (await newAccount('Curator')).takeOver(page);
  const answer = await page.goto(`${portal.url}/dev/gallery`);
  test.skip(answer?.status() === 404, 'debug builds alone have it');
  for (const width of [info.project.use.viewport!.width, 320]) {
    await page.setViewportSize({ width, height: 900 });
    for (const media of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { forcedColors: 'active' }] as const) {
      await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none', reducedMotion: 'reduce', ...media });
      await shot(page, `gallery-${width}-${Object.values(media)[0]}`);
      if (!('forcedColors' in media)) await axe(page);
    }
    await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none' });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  }
});

test("the operator's name, logo, colour and address for help are on every page", async ({ page, axe, shot }, info) => {
  const logo = info.outputPath('logo.svg');
  writeFileSync(logo, '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20"><rect width="60" height="20" rx="4" fill="#b5179e"/><circle cx="10" cy="10" r="6" fill="#fff"/></svg>');
  const portal = await startPortal({ ORG_PORTAL_NAME: 'Vendor portal', ORG_PORTAL_LOGO: logo, ORG_PORTAL_ACCENT_COLOUR: '#b5179e', ORG_PORTAL_SUPPORT_EMAIL: 'help@vendor.example' });
  try {
    await page.goto(`${portal.url}/sign-in`);
    await expect(page).toHaveTitle('Sign in · Vendor portal');
    await expect(page.getByRole('link', { name: 'help@vendor.example' })).toBeVisible();
    const mark = page.locator('img.brand-mark');
    await expect(mark).toBeVisible();
    expect(await mark.evaluate((img: HTMLImageElement) => img.naturalWidth > 0)).toBe(true);
    const answer = await page.request.get(`${portal.url}${await mark.getAttribute('src')}`);
    expect(answer.headers()['content-type']).toBe('image/svg+xml; charset=utf-8');
    expect(answer.headers()['content-security-policy']).toContain("default-src 'none'");
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await shot(page, `operator-${colorScheme}`, false);
      await axe(page);
    }
  } finally {
    await portal.stop();
  }
});
