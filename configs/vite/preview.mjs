// preview.proxy of the preview server, which compresses what it serves itself.
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
      '/api': { target: '${UPSTREAM}', changeOrigin: true, rewrite: (path) => path.replace(/^\/api/, '') }
    }
  }
})
