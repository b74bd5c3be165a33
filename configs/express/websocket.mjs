// ws: true, and the server's upgrades handed over, as the README of http-proxy-middleware has it; compression before it.
import compression from 'compression'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

const app = express()
const proxy = createProxyMiddleware({
  target: '${UPSTREAM}',
  changeOrigin: true,
  pathFilter: '/api',
  pathRewrite: { '^/api': '' },
  ws: true
})
app.use(compression())
app.use(proxy)

const server = app.listen(${PORT}, '127.0.0.1')
server.on('upgrade', proxy.upgrade)
