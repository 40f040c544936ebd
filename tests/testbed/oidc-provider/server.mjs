// An authorization server made with `oidc-provider`: one client, which gets JWT access tokens in its own name for one
// resource (RFC 6749 section 4.4, RFC 8707), and keys that change while it runs.
//
// Arguments: the issuer; the client and its secret; the resource; its scopes; more claims of its tokens, as JSON; and the
// names of the keys. The first line it writes is its port on loopback. `PUT /keys` with a list of names has it publish
// these keys, sign with the first, and forget all others: as its own manual says, a process that has other keys is
// another one, so that each list has a provider of its own.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

// It says each time that its memory is for development only.
console.warn = console.info = () => {};

const [issuer, client, secret, resource, scope, claims, ...names] = process.argv.slice(2);
const extra = JSON.parse(claims);
const made = new Map();

function key(kid) {
  if (!made.has(kid)) {
    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
    made.set(kid, { ...jwk, kid, alg: 'ES256', use: 'sig' });
  }
  return made.get(kid);
}

function provider(kids) {
  return new Provider(issuer, {
    jwks: { keys: kids.map(key) },
    clients: [{
      client_id: client,
      client_secret: secret,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
    }],
    scopes: scope.split(' '),
    extraTokenClaims: () => extra,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, asked) => {
          if (asked !== resource) throw new Error('another resource');
          return { scope, audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'ES256' } } };
        },
      },
    },
  }).callback();
}

let current = provider(names);
const server = createServer(async (request, response) => {
  if (request.method !== 'PUT' || request.url !== '/keys') return current(request, response);
  let body = '';
  for await (const piece of request) body += piece;
  current = provider(JSON.parse(body));
  response.writeHead(204).end();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
