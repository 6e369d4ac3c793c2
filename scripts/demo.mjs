// Fills a portal on this machine with a demonstration: signs up some of the imported customers' people as they would do
// it themselves, by the forms and the mails that are kept at /dev/mail, and says how to sign in.
//
//   node scripts/demo.mjs http://127.0.0.1:3000 FOLDER OPERATOR_ADDRESS OPERATOR_PASSWORD
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [base, folder, operator, operatorPassword] = process.argv.slice(2);
const PASSWORD = 'demonstration of the portal';

/** What a browser remembers of the portal. */
class Person {
  constructor(email) {
    this.email = email;
    this.cookies = new Map();
  }

  async send(path, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, base), {
      ...options,
      redirect: 'manual',
      headers: { accept: 'text/html', cookie, origin: base, 'sec-fetch-site': 'same-origin', ...options.headers },
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      this.cookies.set(name, value);
    }
    return response;
  }

  /** Fills the form of a page and sends it; it has to lead on. */
  async fill(page, name, fields = {}) {
    const html = await (await this.send(page)).text();
    const form = new RegExp(`<form[^>]*action="/do/${name}"[^>]*>([\\s\\S]*?)</form>`).exec(html)?.[1];
    if (form === undefined) throw new Error(`${page} holds no form for ${name}`);
    const body = new URLSearchParams();
    for (const [input] of form.matchAll(/<input type="hidden"[^>]*>/g)) {
      const unescaped = (/ value="([^"]*)"/.exec(input)?.[1] ?? '').replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
      body.append(/ name="([^"]*)"/.exec(input)[1], unescaped);
    }
    for (const [field, value] of Object.entries(fields)) body.append(`form[${field}]`, value);
    const response = await this.send(`/do/${name}`, { method: 'POST', body });
    if (response.status !== 303) throw new Error(`${name} for ${this.email} was answered ${response.status}`);
  }

  async signUp() {
    const [first, last] = this.email.split('@')[0].split('.').map((part) => part.charAt(0).toUpperCase() + part.slice(1));
    await this.fill('/sign-up', 'sign_up', { email: this.email, first_name: first, last_name: last ?? '', password: PASSWORD });
    // The mail arrives when the worker has sent it.
    for (const end = Date.now() + 30_000; ; ) {
      const box = await (await this.send('/dev/mail')).text();
      for (const [, mail] of box.matchAll(/href="(\/dev\/mail\/[^"]+)"/g)) {
        const html = await (await this.send(mail)).text();
        const link = html.includes(this.email) && /\/verify-email\?token=[\w-]+/.exec(html)?.[0];
        if (link) return this.fill(link, 'verify_email');
      }
      if (Date.now() > end) throw new Error(`no mail for ${this.email} came`);
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}

const rows = (file) => {
  const [head, ...lines] = readFileSync(join(folder, file), 'utf8').trim().split(/\r?\n/);
  const names = head.split(',');
  // The generator's addresses and numbers hold no quotes; nothing else is read here.
  return lines.map((line) => Object.fromEntries(line.match(/("([^"]|"")*"|[^,]*)(,|$)/g).map((cell, n) => [names[n], cell.replace(/,$/, '').replace(/^"|"$/g, '')])));
};
const people = rows('people.csv');
const customer = rows('customers.csv').find(({ number, administrator }) => {
  const roles = people.filter((person) => person.customer === number && person.email !== administrator).map((person) => person.role);
  return administrator && roles.includes('Admin') && roles.includes('Technical user');
});
if (!customer) throw new Error('no customer has an administrator, an Admin and a Technical user');
const of = (role) => people.find((person) => person.customer === customer.number && person.email !== customer.administrator && person.role === role).email;
const accounts = [['administrator', customer.administrator], ['colleague, Admin', of('Admin')], ['colleague, Technical user', of('Technical user')]];
for (const [, email] of accounts) await new Person(email).signUp();

console.log(`\nThe organization of ${customer.name} is open at ${base}. To sign in:\n`);
for (const [who, email] of accounts) console.log(`  ${who.padEnd(26)} ${email.padEnd(44)} ${PASSWORD}`);
console.log(`  ${'operator, at /operator'.padEnd(26)} ${operator.padEnd(44)} ${operatorPassword}\n`);
