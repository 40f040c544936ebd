// A client with tokens that are bound to its key (RFC 9449), as oauth4webapi makes the proofs.
//
//   ask.mjs key                    a new key, and its thumbprint
//   ask.mjs ask URL GATEWAY        asks URL through GATEWAY; standard input: the key, the token and the message
//   ask.mjs bearer URL GATEWAY     the same, with the token alone
import * as oauth from 'oauth4webapi';

const [what, url, gateway] = process.argv.slice(2);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const client = { client_id: 'acme-assistant' };

async function newKey() {
  const pair = await oauth.generateKeyPair('ES256', { extractable: true });
  const key = await crypto.subtle.exportKey('jwk', pair.privateKey);
  return { key, thumbprint: await oauth.DPoP(client, pair).calculateThumbprint() };
}

async function read() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const { key, token, message } = JSON.parse(text);
  const { crv, kty, x, y } = key;
  const privateKey = await crypto.subtle.importKey('jwk', key, algorithm, false, ['sign']);
  const publicKey = await crypto.subtle.importKey('jwk', { crv, kty, x, y }, algorithm, true, ['verify']);
  return { DPoP: oauth.DPoP(client, { privateKey, publicKey }), token, message };
}

async function ask(withProof) {
  const { DPoP, token, message } = await read();
  let sent = 0;
  // The URL is the one that everybody knows; behind it is the gateway.
  const customFetch = (_, request) => { sent += 1; return fetch(gateway, request); };
  const options = { [oauth.customFetch]: customFetch, ...(withProof ? { DPoP } : {}) };
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
  });
  const request = () => oauth.protectedResourceRequest(token, 'POST', new URL(url), headers, JSON.stringify(message), options);
  try {
    const answer = await request().catch((error) => {
      if (oauth.isDPoPNonceError(error)) return request();
      throw error;
    });
    return { status: answer.status, sent, body: await answer.text() };
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    return { status: error.status, sent, challenges: error.cause };
  }
}

console.log(JSON.stringify(await (what === 'key' ? newKey() : ask(what === 'ask'))));
