"""A Markdown report as one HTML page with embedded images."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from markdown_it import MarkdownIt

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
h1 { border-bottom: 2px solid #ddd; margin-top: 3rem; }
h1:first-child { margin-top: 0; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid #ddd; text-align: left; }
th { background: #f5f5f5; }
img { max-width: 100%; }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; line-height: 1.3; }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_page(markdown: str, folder: Path) -> str:
    """Render a Markdown report with the images of `folder` as an HTML page without references.

    The first heading is the page's title. HTML in the Markdown is shown as text, and browsers run
    no script of the page.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    title = re.search(r"<h1>(.*?)</h1>", body)

    def embedded(match: re.Match[str]) -> str:
        content = base64.b64encode((folder / match[1]).read_bytes()).decode("ascii")
        return f'src="data:image/png;base64,{content}"'

    body = re.sub(r'src="([^":]+\.png)"', embedded, body)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{title[1] if title else "ser-edge"}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}</body>
</html>
"""
