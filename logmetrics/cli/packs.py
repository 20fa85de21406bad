"""`logmetrics packs`: the built-in rules, as text and as the code that they become."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from logmetrics.cli.options import pack_names
from logmetrics.errors import UsageError


def packs(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Print this pack's YAML.", show_default=False, autocompletion=pack_names),
    ] = None,
    source: Annotated[bool, typer.Option("--source", help="Print the function that the pack's rules become.")] = False,
) -> None:
    """List the built-in packs, or print one of them."""
    from logmetrics.config.expression import did_you_mean
    from logmetrics.packs import builtin_packs

    known = builtin_packs()
    if name is None:
        if source:
            raise UsageError("--source needs the NAME of a pack")
        width = max(map(len, known))
        for pack in known.values():
            sys.stdout.write(f"{pack.name:<{width}}  {pack.description}\n")
        return
    if name not in known:
        near = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
        raise UsageError(f"no pack is called {name!r}{near}")
    sys.stdout.write(_source(name) if source else known[name].text)


def _source(name: str) -> str:
    from logmetrics.config.specs import LimitsSpec
    from logmetrics.packs import builtin_packs
    from logmetrics.rules.compile import compile_rules
    from logmetrics.store.store import Store

    rule_set = builtin_packs()[name].rule_set
    functions = compile_rules(rule_set, name, "auto", Store(rule_set.metrics, LimitsSpec())).functions
    functions.of_text("ollama")
    functions.of_pack(name)
    return "\n\n".join(functions.texts.values())
