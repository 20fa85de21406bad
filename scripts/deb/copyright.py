"""Writes a Debian copyright file for what lies in a directory of libraries: python copyright.py DIRECTORY.

The licences' own texts stay where each library has them, in its .dist-info.
"""

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

HEAD = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: logmetrics
Comment: Libraries of others lie below /usr/lib/logmetrics as they were published. Each has its licence's text and its
 authors in its .dist-info directory, named below.

Files: *
Copyright: 2026 The logmetrics authors
License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in /usr/share/common-licenses/Apache-2.0.
"""
NAMES = {"BSD License": "BSD", "ISC License (ISCL)": "ISC", "Apache Software License": "Apache-2.0"}


def licence(library: Distribution) -> str:
    """What the library says of its licence, in a word or an SPDX expression."""
    told = library.metadata.get("License-Expression") or library.metadata.get("License") or ""
    if not told or "\n" in told:
        classifiers = [c for c in library.metadata.get_all("Classifier") or [] if c.startswith("License ::")]
        told = " and ".join(NAMES.get(name, name) for name in (c.rpartition(" :: ")[2] for c in classifiers))
    return told.removesuffix(" License") or "as in its text"


def texts(library: Distribution) -> list[str]:
    """The files of the library that hold its licence."""
    words = ("licen", "copying", "notice")
    return [str(file) for file in library.files or [] if any(word in file.name.lower() for word in words)]


def main(home: Path) -> None:
    """Each library once, whichever Python it is for."""
    told = set()
    print(HEAD, end="")
    for directory in sorted(home.iterdir()):
        for library in sorted(
            distributions(path=[str(directory)]), key=lambda library: library.metadata["Name"].lower()
        ):
            name, version = library.metadata["Name"], library.version
            if name == "logmetrics" or (name, version) in told:
                continue
            told.add((name, version))
            found = [text for text in texts(library) if text.endswith(".py") is False]
            assert found, f"{name} {version} comes without the text of its licence"
            print(f"\nFiles: usr/lib/logmetrics/*/{name}*\nCopyright: the authors of {name}, as its licence names them")
            print(f"License: {licence(library)}\n {name} {version}. The text:")
            for text in found:
                print(f"  /usr/lib/logmetrics/{directory.name}/{text}")


main(Path(sys.argv[1]))
