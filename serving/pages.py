"""The API page and the front page: plain HTML over files that lie on this machine; nothing comes from elsewhere."""

from pathlib import Path

CONTENT_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")

START_JS = """window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "/docs.json", dom_id: "#page", deepLinking: true, validatorUrl: null, tryItOutEnabled: true,
    displayRequestDuration: true, defaultModelsExpandDepth: -1, presets: [SwaggerUIBundle.presets.apis],
  });
});
"""

DOCS_HTML = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Brimcast: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="page"></div>
<noscript>This page needs JavaScript; the same in JSON is at <a href="/docs.json">/docs.json</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
"""

FRONT_HTML = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Brimcast</title>
<link rel="icon" href="data:,">
<style>body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }</style>
</head>
<body><h1>Brimcast</h1><p>Forecasts when public bins reach the brim.</p>
<ul>
<li><a href="/docs">The API page</a>, to read and to try (<a href="/docs.json">as OpenAPI</a>)</li>
<li><a href="/v1/bins">The bins</a></li>
<li><a href="/v1/model">The model card</a></li>
<li><a href="/readyz">What the service answers from</a>, and its <a href="/metrics">metrics</a></li>
</ul></body>
</html>
"""


def asset(name: str) -> Path:
    """The path of a Swagger UI file (Apache-2.0), which BentoML's package brings along."""
    from bentoml._internal import server

    return Path(server.__file__).parent / "static_content" / name
