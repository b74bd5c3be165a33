// server.proxy of the dev server with ws: true.
import { createServer } from 'vite'

const server = await createServer({
  configFile: false,
  root: '${FOLDER}',
  cacheDir: '${FOLDER}/.vite',
  server: {
    host: '127.0.0.1',
    port: ${PORT},
    strictPort: true,
    proxy: {
      '/api': { target: '${UPSTREAM}', changeOrigin: true, ws: true, rewrite: (path) => path.replace(/^\/api/, '') }
    }
  }
})
await server.listen()
