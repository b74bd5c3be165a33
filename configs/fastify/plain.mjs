// @fastify/http-proxy, as its README begins.
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const app = Fastify()
app.register(proxy, { upstream: '${UPSTREAM}' })

await app.listen({ port: ${PORT}, host: '127.0.0.1' })
