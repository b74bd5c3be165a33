// http-proxy-middleware, as its README begins.
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
app.use('/api', createProxyMiddleware({ target: '${UPSTREAM}', changeOrigin: true }))

app.listen(${PORT}, '127.0.0.1')
