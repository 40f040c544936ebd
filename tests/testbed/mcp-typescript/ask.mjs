// A caller made with an official SDK for TypeScript. It lists, calls, reads and gets a prompt, tries what is denied, and
// writes what came of it as JSON. The token comes on standard input.
//
// node ask.mjs v1|legacy|modern URL: the first generation's client, or the second's in one family of revisions.

import { text } from 'node:stream/consumers';

const [kind, url] = process.argv.slice(2);
const token = await text(process.stdin);
const info = { name: 'ask', version: '1' };

async function made() {
  const options = { requestInit: { headers: { authorization: `Bearer ${token}` } } };
  if (kind === 'v1') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
    return [new Client(info), new StreamableHTTPClientTransport(new URL(url), options)];
  }
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const mode = kind === 'modern' ? { pin: '2026-07-28' } : 'legacy';
  return [new Client(info, { versionNegotiation: { mode } }), new StreamableHTTPClientTransport(new URL(url), options)];
}

// The name of the error, and what else an agent would look at.
const refused = call => call.then(
  () => 'allowed',
  error => ({ error: error.constructor.name, status: error.status ?? error.code, scope: error.requiredScope, message: error.message }),
);

const [client, transport] = await made();
await client.connect(transport);
const call = name => client.callTool({ name, arguments: {} });
const told = {
  tools: (await client.listTools()).tools.map(tool => tool.name),
  prompts: (await client.listPrompts()).prompts.map(prompt => prompt.name),
  resources: (await client.listResources()).resources.map(resource => resource.uri),
  called: (await call('test_simple_text')).content[0].text,
  read: (await client.readResource({ uri: 'test://static-text' })).contents[0].text,
  prompt: (await client.getPrompt({ name: 'test_simple_prompt' })).messages[0].content.text,
  denied: await refused(call('test_error_handling')),
  deniedResource: await refused(client.readResource({ uri: 'test://static-binary' })),
  deniedPrompt: await refused(client.getPrompt({ name: 'test_prompt_with_image' })),
  scoped: await refused(call('test_image_content')),
  again: (await call('test_simple_text')).content[0].text,
};
await client.close();
console.log(JSON.stringify(told));
