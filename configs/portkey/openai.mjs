// An OpenAI-compatible backend, asked for with the two headers that clients of Portkey's send; other paths as they come.
// Only for the harness: Portkey has no config; its clients tell it in headers whom to ask, and it listens at all addresses.
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'

const { createServer } = http
const { listen } = http.Server.prototype

http.createServer = (options, listener) => createServer(options, (request, response) => {
  const [, base = ''] = /^(.*\/v1)\/chat\/completions/.exec(request.url) ?? []
  request.rawHeaders.push('x-portkey-provider', 'openai', 'x-portkey-custom-host', '${UPSTREAM}' + base)
  request.url = '/v1' + request.url.slice(base.length)
  listener(request, response)
})
http.Server.prototype.listen = function (port, ...others) {
  return listen.call(this, port, '127.0.0.1', ...others.filter((other) => typeof other === 'function'))
}
syncBuiltinESMExports()
