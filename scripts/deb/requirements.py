"""Prints what logmetrics depends on, one requirement a line."""

import re
from pathlib import Path

# tomllib is there from Python 3.11 on, and this list has one form.
text = Path("pyproject.toml").read_text("utf-8")
dependencies = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
assert dependencies
print("\n".join(re.findall(r'"(.*?)"', dependencies[1])))
