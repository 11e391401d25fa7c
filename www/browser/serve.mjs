// Serves a static export as any static host does: the file, then .html, then 404.html.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, resolve } from "node:path";

const [root, port] = [resolve(process.argv[2]), Number(process.argv[3])];
const types = {
  ".html": "text/html; charset=utf-8",
  ".json": "application/json",
  ".js": "text/javascript",
  ".css": "text/css",
  ".txt": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

createServer(async (request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
  for (const file of [path, `${path.replace(/\/$/, "")}.html`, join(path, "index.html")]) {
    const full = join(root, file);
    if (!full.startsWith(root)) break;
    const body = await readFile(full).catch(() => null);
    if (!body) continue;
    response.writeHead(200, { "content-type": types[extname(full)] ?? "application/octet-stream" }).end(body);
    return;
  }
  response.writeHead(404, { "content-type": types[".html"] }).end(await readFile(join(root, "404.html")));
}).listen(port, "127.0.0.1");
