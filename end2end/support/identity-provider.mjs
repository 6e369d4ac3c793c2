// An OpenID provider that nobody here wrote (panva's oidc-provider), as the operator of a portal may have one:
//
//   node identity-provider.mjs [id-token]
//
// prints its issuer and serves until it is ended. With `id-token` what it knows of people stands in the ID token, else it
// is to be had at userinfo, which is what the standard has it do. People sign in with their address and any password; who
// they are there can be said before: PUT /people/ADDRESS with claims as JSON.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const people = new Map();
const claimsOf = (login) => {
  const name = login.split('@')[0];
  return { email: login, email_verified: true, given_name: name[0].toUpperCase() + name.slice(1), family_name: 'Example', groups: [], ...people.get(login) };
};

const server = createServer().listen(Number(process.env.PORT ?? 0), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'portal',
      // With what has to be encoded on its way.
      client_secret: 'a secret: 100% & more',
      redirect_uris: ['http://127.0.0.1:3000/sign-in/provider/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  cookies: { keys: ['of the tests'] },
  scopes: ['openid', 'email', 'profile', 'groups'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['given_name', 'family_name'], groups: ['groups'] },
  conformIdTokenClaims: process.argv[2] !== 'id-token',
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...claimsOf(id) }) }),
  // Nobody is asked whether the portal may know them: it is the operator's own.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid email profile groups');
    await grant.save();
    return grant;
  },
});
// A portal of a test listens where there is a free port.
provider.Client.prototype.redirectUriAllowed = (uri) => /^http:\/\/127\.0\.0\.1:\d+\/sign-in\/provider\/callback$/.test(uri);

const page = (uid, hint) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Example login</title>
<link rel="icon" href="data:,"><h1>Example login</h1>
<form method="post" action="/interaction/${uid}"><label>Address <input name="login" value="${hint.replace(/[^\w.@+-]/g, '')}"></label><button>Log in</button></form>
<form method="post" action="/interaction/${uid}"><button name="cancel" value="yes">Turn back</button></form>`;

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

const handle = provider.callback();
server.on('request', async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  try {
    if (request.method === 'PUT' && pathname.startsWith('/people/')) {
      people.set(decodeURIComponent(pathname.slice('/people/'.length)), JSON.parse(await body(request)));
      response.writeHead(204).end();
    } else if (pathname.startsWith('/interaction/')) {
      const details = await provider.interactionDetails(request, response);
      if (request.method === 'POST') {
        const form = new URLSearchParams(await body(request));
        const result = form.has('cancel') ? { error: 'access_denied' } : { login: { accountId: form.get('login') } };
        await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
      } else {
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(details.uid, details.params.login_hint ?? ''));
      }
    } else {
      handle(request, response);
    }
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
  }
});
console.log(issuer);
