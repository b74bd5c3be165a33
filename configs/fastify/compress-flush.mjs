// @fastify/compress for event streams, too, and both gzip and Brotli flushed after every write.
import { constants } from 'node:zlib'
import compress from '@fastify/compress'
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const app = Fastify()
await app.register(compress, {
  customTypes: /^text\/|\+json$|ndjson$/,
  zlibOptions: { flush: constants.Z_SYNC_FLUSH },
  brotliOptions: { flush: constants.BROTLI_OPERATION_FLUSH }
})
app.register(proxy, { upstream: '${UPSTREAM}' })

await app.listen({ port: ${PORT}, host: '127.0.0.1' })
