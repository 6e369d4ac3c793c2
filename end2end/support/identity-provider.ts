// The OpenID provider of identity-provider.mjs, in a process of its own, and a portal whose operator has it.
import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { startPortal, type Portal } from './server';

export class IdentityProvider {
  private constructor(
    private readonly process: ChildProcess,
    readonly issuer: string,
  ) {}

  static async start(): Promise<IdentityProvider> {
    const process = spawn('node', [resolve(import.meta.dirname, 'identity-provider.mjs')], { stdio: ['ignore', 'pipe', 'ignore'] });
    for await (const line of createInterface(process.stdout!)) {
      // It goes on to say things, and waits where nobody takes them.
      if (line.startsWith('http')) return process.stdout!.resume(), new IdentityProvider(process, line);
    }
    throw new Error('the provider did not start');
  }

  /** Says who somebody is there. */
  async knows(login: string, claims: Record<string, unknown>): Promise<void> {
    await fetch(`${this.issuer}/people/${login}`, { method: 'PUT', body: JSON.stringify(claims) });
  }

  /** A portal at which people sign in by it; those of staff.example with nothing else. */
  portal(): Promise<Portal> {
    return startPortal({
      ORG_PORTAL_OIDC_ISSUER: this.issuer,
      ORG_PORTAL_OIDC_CLIENT_ID: 'portal',
      ORG_PORTAL_OIDC_CLIENT_SECRET: 'a secret: 100% & more',
      ORG_PORTAL_OIDC_NAME: 'Example login',
      ORG_PORTAL_OIDC_DOMAINS: 'staff.example',
    });
  }

  stop(): void {
    this.process.kill();
  }
}
