// A PMM server as far as the portal meets it: connected, with an address to which people come back.
import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { Portal } from './server';

export class Pmm {
  readonly clientId = randomBytes(32).toString('base64url');
  readonly machineId = randomBytes(32).toString('base64url');
  readonly machineSecret = randomBytes(32).toString('base64url');
  /** With what people came back, the newest last. */
  readonly came: URL[] = [];

  private constructor(
    private readonly server: Server,
    readonly name: string,
  ) {}

  /** Starts a server and connects it to the organization of an account. */
  static async connect(portal: Portal, email: string, name = 'Production'): Promise<Pmm> {
    const pmm = await Pmm.listen(name);
    await pmm.insert(portal, email);
    return pmm;
  }

  /** Starts a server that is not connected. */
  static async listen(name = 'Production'): Promise<Pmm> {
    const server = createServer();
    const pmm = new Pmm(server, name);
    server.on('request', (request, response) => {
      const url = new URL(request.url!, pmm.url);
      if (url.pathname === '/graph/login/generic_oauth') {
        pmm.came.push(url);
        // As Grafana does it: on to its own start page.
        response.writeHead(302, { location: '/graph/' }).end();
      } else {
        response.writeHead(url.pathname === '/favicon.ico' ? 204 : 200, { 'content-type': 'text/html' });
        response.end(url.pathname === '/favicon.ico' ? undefined : `<!doctype html><html lang="en"><title>PMM</title><h1>${url.pathname}</h1>`);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return pmm;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get callback(): string {
    return `${this.url}/graph/login/generic_oauth`;
  }

  private async insert(portal: Portal, email: string): Promise<void> {
    const script = `
import sqlite3, sys
file, id, server, name, url, callback, public, machine, secret, email = sys.argv[1:]
db = sqlite3.connect(file, timeout=20)
organization, = db.execute("SELECT organization_id FROM members WHERE email_key = ?", (email,)).fetchone()
db.execute("INSERT INTO pmm_servers (id, organization_id, server_id, name, name_key, url, callback_url, connected_by_name, connected_at, public_client_id, machine_client_id, machine_secret_hash) VALUES (?, ?, ?, ?, ?, ?, ?, 'Ada', 1795521600000000, ?, ?, ?)",
  (bytes.fromhex(id), organization, server, name, name.lower(), url, callback, public, machine, bytes.fromhex(secret)))
db.commit()`;
    const secret = createHash('sha256').update(this.machineSecret).digest('hex');
    const id = randomUUID().replaceAll('-', '');
    await promisify(execFile)('python3', ['-c', script, portal.database, id, randomUUID(), this.name, `${this.url}/graph`, this.callback, this.clientId, this.machineId, secret, email]);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
