// devServer.proxy with ws: true, compress as it is if nothing is said: on.
import Webpack from 'webpack'
import WebpackDevServer from 'webpack-dev-server'

const compiler = Webpack({ mode: 'development', context: '${FOLDER}', entry: {}, output: { path: '${FOLDER}' } })
const server = new WebpackDevServer({
  host: '127.0.0.1',
  port: ${PORT},
  static: false,
  proxy: [{ context: ['/api'], target: '${UPSTREAM}', changeOrigin: true, ws: true, pathRewrite: { '^/api': '' } }]
}, compiler)
await server.start()
