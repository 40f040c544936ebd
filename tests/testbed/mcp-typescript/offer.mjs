// What the server offers: the tools, prompts and resources that the conformance suite asks for by name.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  McpServer,
  ResourceTemplate,
} from '@modelcontextprotocol/server';

const IMAGE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const SOUND = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

const text = text => ({ type: 'text', text });
const image = { type: 'image', data: IMAGE, mimeType: 'image/png' };
const embedded = (uri, mimeType, text) => ({ type: 'resource', resource: { uri, mimeType, text } });
const object = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const string = { type: 'string' };
const one = (...values) => ({ type: 'string', enum: values });
const titled = (...titles) => titles.map((title, index) => ({ const: `value${index + 1}`, title }));

// State that comes back from clients is sealed, or anybody could write it.
const states = createRequestStateCodec({ key: crypto.getRandomValues(new Uint8Array(32)) });

const ADDRESS = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
  properties: { name: string, address: { $ref: '#/$defs/address' }, contactMethod: one('phone', 'email'), phone: string, email: string },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};
const DEFAULTS = object({
  name: { ...string, default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { ...one('active', 'inactive', 'pending'), default: 'active' },
  verified: { type: 'boolean', default: true },
}, []);
const CHOICES = object({
  untitledSingle: one('option1', 'option2', 'option3'),
  titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
  legacyEnum: { ...one('opt1', 'opt2', 'opt3'), enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: one('option1', 'option2', 'option3') },
  titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
}, []);

const name = inputRequired.elicit({ message: 'What is your name?', requestedSchema: object({ name: string }) });
const color = inputRequired.elicit({ message: 'What is your favorite color?', requestedSchema: object({ color: string }) });
const confirmation = inputRequired.elicit({ message: 'Please confirm', requestedSchema: object({ ok: { type: 'boolean' } }) });
const question = (content, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: text(content) }], maxTokens });

// A tool that asks for all of these before it answers.
const asks = (requests, sealed) => async (_, ctx) => {
  const answers = ctx.mcpReq.inputResponses ?? {};
  if (Object.keys(requests).some(key => typeof answers[key] !== 'object')) {
    return inputRequired({ inputRequests: requests, ...(sealed && { requestState: await states.mint({ sealed }, ctx) }) });
  }
  return { content: [text(sealed ? 'state-ok' : `Answered: ${JSON.stringify(answers)}`)] };
};

async function twoRounds(_, ctx) {
  const round = ctx.mcpReq.requestState()?.round ?? 0;
  const next = [{ step1: name }, { step2: color }][round];
  if (!next) return { content: [text('Both are answered.')] };
  return inputRequired({ inputRequests: next, requestState: await states.mint({ round: round + 1 }, ctx) });
}

async function asCapable(_, ctx) {
  const capable = ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
  return inputRequired({ inputRequests: { ...(capable.sampling && { greeting: question('Greet me') }), ...(capable.elicitation && { name }) } });
}

async function progress(_, ctx) {
  const progressToken = ctx.mcpReq._meta?.progressToken ?? 0;
  for (const progress of [0, 50, 100]) {
    await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    await sleep(20);
  }
  return { content: [text(String(progressToken))] };
}

async function logging(_, ctx) {
  for (const data of ['started', 'processing', 'completed']) {
    await ctx.mcpReq.log('info', data);
    await sleep(20);
  }
  return { content: [text('Logged.')] };
}

async function reconnection(_, ctx) {
  ctx.http?.closeSSE?.();
  await sleep(100);
  return { content: [text('The result, after the stream had been closed.')] };
}

// Requests go out with `send`, on the stream of the call: `elicitInput` and `requestSampling` would use the session's own
// stream, which the client may not have opened yet, and nobody would ever see them.
async function sampling({ prompt }, ctx) {
  const params = { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 };
  const answer = await ctx.mcpReq.send({ method: 'sampling/createMessage', params });
  return { content: [text(`LLM response: ${answer.content.text}`)] };
}

const elicits = requestedSchema => async ({ message = 'Please fill this in' }, ctx) => {
  const params = { message, requestedSchema };
  const { action, content } = await ctx.mcpReq.send({ method: 'elicitation/create', params });
  return { content: [text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`)] };
};

const nothing = object({});
const says = (...content) => [nothing, () => ({ content })];

const TOOLS = handler => ({
  test_simple_text: says(text('This is a simple text response for testing.')),
  test_image_content: says(image),
  test_audio_content: says({ type: 'audio', data: SOUND, mimeType: 'audio/wav' }),
  test_embedded_resource: says(embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')),
  test_multiple_content_types: says(
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ),
  test_error_handling: [nothing, () => { throw new Error('This tool intentionally returns an error for testing'); }],
  test_tool_with_progress: [nothing, progress],
  test_tool_with_logging: [nothing, logging],
  test_logging_tool: [nothing, logging],
  test_reconnection: [nothing, reconnection],
  test_sampling: [object({ prompt: string }), sampling],
  test_elicitation: [object({ message: string }), elicits(object({ response: string }))],
  test_elicitation_sep1034_defaults: [nothing, elicits(DEFAULTS)],
  test_elicitation_sep1330_enums: [nothing, elicits(CHOICES)],
  test_streaming_elicitation: [nothing, asks({ name })],
  test_missing_capability: [nothing, asks({ greeting: question('Greet me') })],
  test_input_required_result_elicitation: [nothing, asks({ user_name: name })],
  test_input_required_result_sampling: [nothing, asks({ capital_question: question('What is the capital of France?') })],
  test_input_required_result_list_roots: [nothing, asks({ client_roots: inputRequired.listRoots() })],
  test_input_required_result_request_state: [nothing, asks({ confirm: confirmation }, 'state')],
  test_input_required_result_tampered_state: [nothing, asks({ confirm: confirmation }, 'state')],
  test_input_required_result_multiple_inputs: [
    nothing,
    asks({ user_name: name, greeting: question('Generate a greeting', 50), client_roots: inputRequired.listRoots() }, 'state'),
  ],
  test_input_required_result_multi_round: [nothing, twoRounds],
  test_input_required_result_capabilities: [nothing, asCapable],
  test_trigger_tool_change: [nothing, () => (handler?.notify.toolsChanged(), { content: [text('Changed.')] })],
  test_trigger_prompt_change: [nothing, () => (handler?.notify.promptsChanged(), { content: [text('Changed.')] })],
  test_custom_headers: [object({ region: { ...string, 'x-mcp-header': 'Region' } }), ({ region }) => ({ content: [text(region)] })],
  json_schema_2020_12_tool: [ADDRESS, given => ({ content: [text(JSON.stringify(given))] })],
});

const prompted = (...content) => ({ messages: content.map(content => ({ role: 'user', content })) });

const PROMPTS = {
  test_simple_prompt: [undefined, () => prompted(text('This is a simple prompt for testing.'))],
  test_prompt_with_arguments: [
    object({ arg1: string, arg2: string }),
    ({ arg1, arg2 }) => prompted(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  ],
  test_prompt_with_embedded_resource: [
    object({ resourceUri: string }),
    ({ resourceUri }) => prompted(embedded(resourceUri, 'text/plain', 'Embedded.'), text('Please process the embedded resource above.')),
  ],
  test_prompt_with_image: [undefined, () => prompted(image, text('Please analyze the image above.'))],
  test_input_required_result_prompt: [undefined, async ctx => {
    const context = ctx.mcpReq.inputResponses?.user_context?.content?.context;
    if (context) return prompted(text(context));
    const requestedSchema = object({ context: string });
    return inputRequired({ inputRequests: { user_context: inputRequired.elicit({ message: 'What context should the prompt use?', requestedSchema }) } });
  }],
};

const RESOURCES = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: IMAGE },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched resource content' },
};

// A server for one session, or for one request that has none. `handler` tells listeners of changes.
export function offer(handler) {
  const server = new McpServer(
    { name: 'typescript', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: states.verify },
    },
  );
  for (const [name, [schema, call]] of Object.entries(TOOLS(handler))) {
    server.registerTool(name, { description: name, inputSchema: fromJsonSchema(schema) }, call);
  }
  for (const [name, [schema, get]] of Object.entries(PROMPTS)) {
    server.registerPrompt(name, { description: name, ...(schema && { argsSchema: fromJsonSchema(schema) }) }, get);
  }
  for (const [uri, { mimeType, ...content }] of Object.entries(RESOURCES)) {
    server.registerResource(uri, uri, { mimeType }, () => ({ contents: [{ uri, mimeType, ...content }] }));
  }
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
  server.registerResource('template', template, { mimeType: 'application/json' }, (uri, { id }) => ({
    contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }],
  }));
  for (const method of ['resources/subscribe', 'resources/unsubscribe', 'logging/setLevel']) {
    server.server.setRequestHandler(method, () => ({}));
  }
  server.server.setRequestHandler('completion/complete', () => ({ completion: { values: [], total: 0, hasMore: false } }));
  return server;
}
