"""What mkdocs adds to docs/: README as the first page, and a page of every diagnostic's code."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
SOURCES = "https://github.com/simonsobs/socm/blob/main/"
EXPLANATIONS = ROOT / "socm/diagnostics/explanations.md"
CODES = """# Codes of diagnostics

What each code means, as `socm explain CODE` prints it. The code stands in the message: `error[unknown-key]: …`.

"""
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files, config):
    readme = _LINK.sub(lambda link: _from_root(link[1]), (ROOT / "README.md").read_text("utf-8"))
    files.append(File.generated(config, "index.md", content=readme))
    explained = EXPLANATIONS.read_text("utf-8").partition("\n## ")
    files.append(File.generated(config, "codes.md", content=CODES + "## " + explained[2]))
    return files


def _from_root(path):
    """Return a link of README as the site has it; mkdocs warns of one that leads nowhere."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return SOURCES + path if (ROOT / path).exists() else path
