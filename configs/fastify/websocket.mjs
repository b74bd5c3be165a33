// websocket: true, as the README has it.
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const app = Fastify()
app.register(proxy, { upstream: '${UPSTREAM}', websocket: true })

await app.listen({ port: ${PORT}, host: '127.0.0.1' })
