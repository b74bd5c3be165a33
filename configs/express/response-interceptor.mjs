// responseInterceptor of http-proxy-middleware: it disables streaming, says its README.
import express from 'express'
import { createProxyMiddleware, responseInterceptor } from 'http-proxy-middleware'

const app = express()
app.use('/api', createProxyMiddleware({
  target: '${UPSTREAM}',
  changeOrigin: true,
  selfHandleResponse: true,
  on: { proxyRes: responseInterceptor(async (responseBuffer) => responseBuffer) }
}))

app.listen(${PORT}, '127.0.0.1')
