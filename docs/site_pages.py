"""Adds the pages at the root of the repository to the documentation's site, with their links as they are there.

A hook of MkDocs, named in mkdocs.yml. So README is the site's first page, and every page is also readable as a file.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
LICENSE = "license.txt"
FOLDER = "commands"  # its README is a page of the site


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages to the files of the site."""
    root = Path(config.docs_dir).parent
    for source, page in PAGES.items():
        text = site_links((root / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, LICENSE, content=(root / "LICENSE").read_bytes()))
    return files


def site_links(text: str) -> str:
    """A page of the root with the links that it needs in the site."""
    text = re.sub(rf"\]\(docs/{FOLDER}\)", f"]({FOLDER}/README.md)", text)
    text = text.replace("](docs/", "](").replace("](LICENSE)", f"]({LICENSE})")
    for source, page in PAGES.items():
        text = text.replace(f"]({source})", f"]({page})")
    return text
