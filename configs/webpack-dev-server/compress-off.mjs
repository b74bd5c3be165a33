// devServer.proxy with compress: false.
import Webpack from 'webpack'
import WebpackDevServer from 'webpack-dev-server'

const compiler = Webpack({ mode: 'development', context: '${FOLDER}', entry: {}, output: { path: '${FOLDER}' } })
const server = new WebpackDevServer({
  host: '127.0.0.1',
  port: ${PORT},
  static: false,
  compress: false,
  proxy: [{ context: ['/api'], target: '${UPSTREAM}', changeOrigin: true, pathRewrite: { '^/api': '' } }]
}, compiler)
await server.start()
