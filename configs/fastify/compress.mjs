// @fastify/compress with its defaults: all text but event streams.
import compress from '@fastify/compress'
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const app = Fastify()
await app.register(compress)
app.register(proxy, { upstream: '${UPSTREAM}' })

await app.listen({ port: ${PORT}, host: '127.0.0.1' })
