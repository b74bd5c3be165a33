// compression with a filter that leaves event streams alone.
import compression from 'compression'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
app.use(compression({
  filter: (req, res) => !/text\/event-stream/.test(res.getHeader('Content-Type')) && compression.filter(req, res)
}))
app.use('/api', createProxyMiddleware({ target: '${UPSTREAM}', changeOrigin: true }))

app.listen(${PORT}, '127.0.0.1')
