"""The frame that all pages share."""

from __future__ import annotations

from html import escape

from unrolled.escaping import escape_controls

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for a page: nothing but what the page holds. It runs no script."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
"""


def html_document(title: str, body: str, style: str = "") -> str:
    """A whole page, valid UTF-8 whatever bytes a name has. title: text. body: HTML. style: CSS, added to `STYLE`."""
    return escape_controls(f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title><style>{STYLE}{style}</style></head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
""")
