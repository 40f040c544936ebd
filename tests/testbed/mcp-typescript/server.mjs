// An MCP server with the official SDK for TypeScript: all that the conformance suite asks for, in both families of
// revisions. Sessions with streams that can be resumed for clients up to 2025-11-25, no sessions for newer ones.
//
// node server.mjs HOST...: answers for these hosts and this machine, and writes the port it listens on.

import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { hostHeaderValidation, NodeStreamableHTTPServerTransport, originValidation, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { offer } from './offer.mjs';

const hosts = ['127.0.0.1', 'localhost', ...process.argv.slice(2)];
const [hostIsRight, originIsRight] = [hostHeaderValidation(hosts), originValidation(hosts)];

// Keeps what was sent on streams, so that a client can read on where it was cut off.
class Events {
  #all = [];

  async storeEvent(stream, message) {
    this.#all.push({ stream, message });
    return `${stream}_${this.#all.length}`;
  }

  async getStreamIdForEventId(id) {
    return this.#all[Number(id.split('_').at(-1)) - 1]?.stream;
  }

  async replayEventsAfter(id, { send }) {
    const last = Number(id.split('_').at(-1));
    const stream = this.#all[last - 1]?.stream;
    for (const [index, event] of this.#all.entries()) {
      const told = index >= last && event.stream === stream && Object.keys(event.message ?? {}).length > 0;
      if (told) await send(`${stream}_${index + 1}`, event.message);
    }
    return stream;
  }
}

const handler = createMcpHandler(() => offer(handler), { legacy: 'reject' });
const modern = toNodeHandler(handler);
const sessions = new Map();

async function legacy(request, response, body) {
  const known = sessions.get(request.headers['mcp-session-id']);
  if (known) return known.handleRequest(request, response, body);
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new Events(),
    retryInterval: 500,
    onsessioninitialized: session => sessions.set(session, transport),
    onsessionclosed: session => sessions.delete(session),
  });
  // The transport answers what belongs to no session, or to one that has ended.
  await offer(undefined).connect(transport);
  if (request.headers['mcp-session-id']) {
    response.writeHead(404, { 'content-type': 'application/json' });
    return response.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
  }
  return transport.handleRequest(request, response, body);
}

const server = createServer(async (request, response) => {
  if (!hostIsRight(request, response) || !originIsRight(request, response)) return;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let body;
  try {
    body = chunks.length ? JSON.parse(Buffer.concat(chunks)) : undefined;
  } catch {
    response.writeHead(400, { 'content-type': 'application/json' });
    return response.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}');
  }
  const isLegacy = await isLegacyRequest(await toWebRequest(request, body));
  await (isLegacy ? legacy : modern)(request, response, body);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
