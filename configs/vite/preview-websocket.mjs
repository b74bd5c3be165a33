// preview.proxy of the preview server with ws: true.
import { preview } from 'vite'

await preview({
  configFile: false,
  root: '${FOLDER}',
  build: { outDir: 'dist' },
  preview: {
    host: '127.0.0.1',
    port: ${PORT},
    strictPort: true,
    proxy: {
      '/api': { target: '${UPSTREAM}', changeOrigin: true, ws: true, rewrite: (path) => path.replace(/^\/api/, '') }
    }
  }
})
