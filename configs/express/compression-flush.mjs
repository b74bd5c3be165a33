// compression, flushed with res.flush() when something comes from upstream.
import compression from 'compression'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
app.use(compression())
app.use('/api', createProxyMiddleware({
  target: '${UPSTREAM}',
  changeOrigin: true,
  on: { proxyRes: (proxyRes, req, res) => proxyRes.on('data', () => res.flush()) }
}))

app.listen(${PORT}, '127.0.0.1')
