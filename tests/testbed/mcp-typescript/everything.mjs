// The server that MCP's own people show everything with, as it is, but on a free port of this machine, and silent: it
// writes the port, and nothing else.

import { Server } from 'node:net';

console.log = console.error = () => {};
const { listen } = Server.prototype;
Server.prototype.listen = function (_, callback) {
  this.once('listening', () => process.stdout.write(`${this.address().port}\n`));
  return listen.call(this, 0, '127.0.0.1', callback);
};
await import('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js');
