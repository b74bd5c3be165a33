// compression as its README has it, in front of http-proxy-middleware.
import compression from 'compression'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
app.use(compression())
app.use('/api', createProxyMiddleware({ target: '${UPSTREAM}', changeOrigin: true }))

app.listen(${PORT}, '127.0.0.1')
