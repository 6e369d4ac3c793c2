// What a person does, by plain HTTP as a browser without anything would: to come quickly to where a journey begins.
import type { Page } from '@playwright/test';
import type { Person } from './test';
import type { Portal } from './server';

export type Answer = { status: number; location: string; html: string; headers: Headers };

/** One browser's cookies and what is done with them. */
export class Client {
  private readonly cookies = new Map<string, string>();

  constructor(
    private readonly portal: Portal,
    readonly person: Person,
  ) {}

  private async send(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(new URL(path, this.portal.url), {
      ...init,
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '), ...init.headers },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (/max-age=0/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return { status: response.status, location: response.headers.get('location') ?? '', html: await response.text(), headers: response.headers };
  }

  get(path: string): Promise<Answer> {
    return this.send(path, {});
  }

  post(name: string, fields: Record<string, string>): Promise<Answer> {
    return this.send(`/do/${name}`, { method: 'POST', body: new URLSearchParams(fields) });
  }

  /** Opens a page and sends a form of it, with the hidden fields that it holds. */
  async form(page: string, name: string, fields: Record<string, string> = {}): Promise<Answer> {
    const { html } = await this.get(page);
    const form = new RegExp(`<form[^>]*action="/do/${name}"[^>]*>([\\s\\S]*?)</form>`).exec(html)?.[1];
    if (form === undefined) throw new Error(`${page} holds no form for ${name}:\n${html}`);
    const hidden: Record<string, string> = {};
    for (const [input] of form.matchAll(/<input type="hidden"[^>]*>/g)) {
      const [, field] = / name="([^"]*)"/.exec(input)!;
      hidden[field] = (/ value="([^"]*)"/.exec(input)?.[1] ?? '').replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>');
    }
    return this.post(name, { ...hidden, ...fields });
  }

  /** The same, and it has to lead on. */
  async done(page: string, name: string, fields: Record<string, string> = {}): Promise<string> {
    const { status, location, html } = await this.form(page, name, fields);
    if (status !== 303) throw new Error(`${name} was answered ${status}:\n${html}`);
    return location;
  }

  private get account(): Record<string, string> {
    const { email, firstName, lastName, password } = this.person;
    return { 'form[email]': email, 'form[first_name]': firstName, 'form[last_name]': lastName, 'form[password]': password };
  }

  async link(subject: string | RegExp, path: string, email = this.person.email): Promise<string> {
    const mail = await this.portal.mails.waitFor(email, subject);
    const link = mail.links.find((link) => link.includes(path));
    if (!link) throw new Error(`no link to ${path} in:\n${mail.text}`);
    return link;
  }

  async signUp(): Promise<this> {
    await this.done('/sign-up', 'sign_up', this.account);
    await this.done(await this.link('Verify', '/verify-email?token='), 'verify_email');
    return this;
  }

  async signIn(): Promise<this> {
    await this.done('/sign-in', 'sign_in', { 'form[email]': this.person.email, 'form[password]': this.person.password });
    return this;
  }

  async addOrganization(name: string): Promise<this> {
    await this.done('/organization/add', 'add_organization', { 'form[name]': name });
    return this;
  }

  /** Invites an address; gives the link of the mail. */
  async invite(email: string, role: 'Admin' | 'Technical user' = 'Technical user'): Promise<string> {
    await this.done('/organization/members/invite', 'invite_member', { 'form[email]': email, 'form[role]': role });
    return this.link('Welcome to', '/invitation?token=', email);
  }

  /** Signs up from the link of an invitation and accepts. */
  async join(link: string): Promise<this> {
    await this.done(link.replace('/invitation?token=', '/sign-up?invitation='), 'sign_up', this.account);
    await this.done(link, 'accept_invitation');
    return this;
  }

  /** Makes a token; gives its secret, which is shown once. */
  async token(scope: 'pmm:connect' | 'read' | 'full' = 'pmm:connect'): Promise<string> {
    const { html } = await this.form('/organization/servers/tokens/new', 'make_token', { 'form[name]': 'PMM server', 'form[scope]': scope, 'form[life]': '1 day' });
    const secret = /opt_[A-Za-z0-9_-]{43}/.exec(html)?.[0];
    if (!secret) throw new Error(`no token in:\n${html}`);
    return secret;
  }

  /** A PMM server connects with a token, as it does: its own bytes. */
  async connectServer(secret: string, id: string, name: string): Promise<void> {
    const response = await fetch(new URL('/v1/orgs/inventory', this.portal.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', 'user-agent': 'Go-http-client/1.1' },
      body: JSON.stringify({
        pmm_server_id: id,
        pmm_server_name: name,
        pmm_server_url: `https://${id}.example.com/graph`,
        pmm_server_oauth_callback_url: `https://${id}.example.com/graph/login/generic_oauth`,
      }),
    });
    if (response.status !== 200) throw new Error(`a PMM server was answered ${response.status}: ${await response.text()}`);
  }

  /** Gives a browser this one's cookies. */
  async takeOver(page: Page): Promise<void> {
    // A page that is still open would notice that it speaks for somebody else, and leave by itself while the test leads it.
    await page.goto('about:blank');
    await page.context().addCookies([...this.cookies].filter(([name]) => name !== 'notice').map(([name, value]) => ({ name, value, url: this.portal.url, httpOnly: true, sameSite: 'Lax' as const })));
  }
}
