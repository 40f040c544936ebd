// An MCP server with the official SDK for TypeScript that executes whatever it is asked, and remembers what that was:
// `GET /executed` gives it, and forgets it.
//
// node recording.mjs: writes the port it listens on.

import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';

let executed = [];
const did = (method, target, args) => executed.push({ method, target, arguments: args ?? {} });
const object = { type: 'object' };

function offer() {
  const server = new Server({ name: 'recording', version: '1.0.0' }, { capabilities: { tools: {}, prompts: {}, resources: {} } });
  server.setRequestHandler('tools/list', () => ({ tools: [{ name: 'add', inputSchema: object }, { name: 'delete_all', inputSchema: object }] }));
  server.setRequestHandler('tools/call', ({ params }) => {
    did('tools/call', params.name, params.arguments);
    return { content: [{ type: 'text', text: 'done' }] };
  });
  server.setRequestHandler('prompts/get', ({ params }) => {
    did('prompts/get', params.name, params.arguments);
    return { messages: [] };
  });
  server.setRequestHandler('resources/read', ({ params }) => {
    did('resources/read', params.uri);
    return { contents: [{ uri: params.uri, text: 'text' }] };
  });
  return server;
}

const mcp = toNodeHandler(createMcpHandler(offer));

const server = createServer((request, response) => {
  if (request.url !== '/executed') return mcp(request, response);
  response.setHeader('content-type', 'application/json');
  // Half a surrogate pair is no text that others could read.
  response.end(JSON.stringify(executed, (_, value) => (typeof value === 'string' ? value.toWellFormed() : value)));
  executed = [];
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
