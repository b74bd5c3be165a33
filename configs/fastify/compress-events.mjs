// @fastify/compress for event streams, too: customTypes.
import compress from '@fastify/compress'
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const app = Fastify()
await app.register(compress, { customTypes: /^text\/|\+json$|ndjson$/ })
app.register(proxy, { upstream: '${UPSTREAM}' })

await app.listen({ port: ${PORT}, host: '127.0.0.1' })
