// compression whose zlib is told to flush after every write: flush: Z_SYNC_FLUSH.
import { constants } from 'node:zlib'
import compression from 'compression'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
app.use(compression({
  flush: constants.Z_SYNC_FLUSH,
  brotli: { flush: constants.BROTLI_OPERATION_FLUSH }
}))
app.use('/api', createProxyMiddleware({ target: '${UPSTREAM}', changeOrigin: true }))

app.listen(${PORT}, '127.0.0.1')
