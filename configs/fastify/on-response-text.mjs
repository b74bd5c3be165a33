// replyOptions.onResponse that reads the whole answer before it sends any of it.
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { text } from 'node:stream/consumers'

const app = Fastify()
app.register(proxy, {
  upstream: '${UPSTREAM}',
  replyOptions: {
    onResponse: async (request, reply, response) => reply.removeHeader('content-length').send(await text(response.stream))
  }
})

await app.listen({ port: ${PORT}, host: '127.0.0.1' })
