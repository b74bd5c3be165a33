// compression, flushed with res.flush() on the turn after whatever comes from upstream.
import compression from 'compression'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
app.use(compression())
app.use('/api', createProxyMiddleware({
  target: '${UPSTREAM}',
  changeOrigin: true,
  on: { proxyRes: (proxyRes, req, res) => proxyRes.on('data', () => setImmediate(() => res.flush())) }
}))

app.listen(${PORT}, '127.0.0.1')
