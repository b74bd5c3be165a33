// server.proxy of the dev server, as the manual has it.
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
      '/api': { target: '${UPSTREAM}', changeOrigin: true, rewrite: (path) => path.replace(/^\/api/, '') }
    }
  }
})
await server.listen()
