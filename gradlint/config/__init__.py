"""The user's settings: `[tool.gradlint]` of a pyproject.toml, or a gradlint.toml.

`keys` knows what can be set, `reading` where files with settings are and what stands in them, `lines` on which line, and
`loaded` what follows from several of them. Rules are only names here. A mistake never stops a run: it becomes a problem
that names the file, the line, the key and the nearest right one; the rest counts, and the exit status is 2.
"""

from gradlint.config.keys import ALL, Config, enabled, mistake, nearest, schema
from gradlint.config.lines import line_of
from gradlint.config.loaded import Loaded, load, unknown
from gradlint.config.reading import Setting

__all__ = [
    "ALL", "Config", "Loaded", "Setting", "enabled", "line_of", "load", "mistake", "nearest", "schema", "unknown",
]  # fmt: skip
