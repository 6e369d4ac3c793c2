// A real SMTP server that keeps what it gets.
import { EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export type Mail = {
  /** Whom it was sent to, as the envelope says. */
  to: string[];
  from: string;
  subject: string;
  messageId: string;
  headers: Map<string, string>;
  /** The text part, decoded. */
  text: string;
  /** The HTML part, decoded; empty where there is none. */
  html: string;
  /** The addresses in the text part. */
  links: string[];
  raw: string;
};

export class Mails {
  private readonly server: SMTPServer;
  private readonly arrived = new EventEmitter();
  private readonly taken = new Set<Mail>();
  readonly all: Mail[] = [];

  private constructor() {
    this.arrived.setMaxListeners(0);
    this.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      logger: false,
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const { rcptTo } = session.envelope;
          this.all.push(parse(Buffer.concat(chunks).toString('latin1'), rcptTo.map(({ address }) => address)));
          done();
          this.arrived.emit('mail');
        });
      },
    });
  }

  static async start(): Promise<Mails> {
    const mails = new Mails();
    await new Promise<void>((resolve, reject) => {
      mails.server.on('error', reject);
      mails.server.listen(0, '127.0.0.1', resolve);
    });
    return mails;
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port;
  }

  /** The mails to an address so far, the oldest first. */
  to(address: string): Mail[] {
    return this.all.filter((mail) => mail.to.includes(address));
  }

  /**
   * The oldest mail to an address with a subject that no call has given before; waits for it where it is still to come.
   */
  async waitFor(address: string, subject: string | RegExp, timeout = 10_000): Promise<Mail> {
    const fits = (mail: Mail) => (typeof subject === 'string' ? mail.subject.includes(subject) : subject.test(mail.subject));
    const signal = AbortSignal.timeout(timeout);
    for (;;) {
      const mail = this.to(address).find((mail) => !this.taken.has(mail) && fits(mail));
      if (mail) {
        this.taken.add(mail);
        return mail;
      }
      try {
        await once(this.arrived, 'mail', { signal });
      } catch {
        const came = this.to(address).map(({ subject }) => `\n  ${subject}`).join('');
        throw new Error(`no mail to ${address} with the subject ${subject} came in ${timeout} ms, but: ${came || 'none'}`);
      }
    }
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

type Part = { headers: Map<string, string>; body: string };

/** Headers and body of a message or of one of its parts; bytes are one character each. */
function split(raw: string): Part {
  const gap = raw.indexOf('\r\n\r\n');
  const head = gap < 0 ? raw : raw.slice(0, gap);
  const headers = new Map<string, string>();
  for (const line of head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { headers, body: gap < 0 ? '' : raw.slice(gap + 4) };
}

const utf8 = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');
const hex = (text: string) => text.replace(/=([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));

function decode({ headers, body }: Part): string {
  switch (headers.get('content-transfer-encoding')?.toLowerCase()) {
    case 'base64':
      return Buffer.from(body, 'base64').toString('utf8');
    case 'quoted-printable':
      return utf8(hex(body.replace(/=[ \t]*\r\n/g, '')));
    default:
      return utf8(body);
  }
}

/** A header's text with its encoded words (RFC 2047) read; those of one text may be cut anywhere between characters. */
function words(header: string): string {
  return header
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, how: string, text: string) =>
      utf8(how.toLowerCase() === 'b' ? Buffer.from(text, 'base64').toString('latin1') : hex(text.replaceAll('_', ' '))),
    );
}

/** All parts that hold no parts, in their order. */
function leaves(part: Part): Part[] {
  const boundary = /^multipart\/.*boundary="?([^";]+)"?/i.exec(part.headers.get('content-type') ?? '')?.[1];
  if (!boundary) return [part];
  return `\r\n${part.body}`
    .split(`\r\n--${boundary}`)
    .slice(1)
    .filter((piece) => !piece.startsWith('--'))
    .flatMap((piece) => leaves(split(piece.replace(/^[ \t]*\r\n/, ''))));
}

function parse(raw: string, to: string[]): Mail {
  const message = split(raw);
  const parts = leaves(message);
  const body = (type: string) => {
    const part = parts.find(({ headers }) => (headers.get('content-type') ?? 'text/plain').toLowerCase().startsWith(type));
    return part ? decode(part).replaceAll('\r\n', '\n') : '';
  };
  const text = body('text/plain');
  return {
    to,
    from: words(message.headers.get('from') ?? ''),
    subject: words(message.headers.get('subject') ?? ''),
    messageId: message.headers.get('message-id') ?? '',
    headers: message.headers,
    text,
    html: body('text/html'),
    links: text.match(/https?:\/\/[^\s<>"]+/g) ?? [],
    raw,
  };
}
