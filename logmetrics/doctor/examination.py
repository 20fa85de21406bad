"""All topics in the order in which they are told: what runs, what it reads, where it keeps and shows that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from logmetrics.doctor.agents import agents
from logmetrics.doctor.clock import clock
from logmetrics.doctor.configuration import configuration
from logmetrics.doctor.findings import Finding, Group, examined
from logmetrics.doctor.journal import journal
from logmetrics.doctor.limits import limits
from logmetrics.doctor.logs import access, logs
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.ollama import ollama
from logmetrics.doctor.ports import ports
from logmetrics.doctor.program import program
from logmetrics.doctor.scraping import scraping
from logmetrics.doctor.service import service
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.state import state


def examine(machine: Machine, setup: Setup) -> Iterator[Group]:
    """Each topic when it has been looked at."""
    topics: Sequence[tuple[str, Callable[[], Sequence[Finding]]]] = (
        ("Program", lambda: program(machine, setup.unit)),
        ("Config", lambda: configuration(setup)),
        ("Logs", lambda: logs(machine, setup)),
        ("Permissions", lambda: access(machine, setup)),
        ("State", lambda: state(machine, setup)),
        ("Limits", lambda: limits(machine, setup)),
        ("Journal", lambda: journal(machine, setup)),
        ("Clock", lambda: clock(machine, setup)),
        ("Addresses", lambda: ports(machine, setup)),
        ("Prometheus", lambda: scraping(machine, setup)),
        ("Service", lambda: service(machine, setup)),
        ("Ollama", lambda: ollama(machine, setup)),
        ("Agents", lambda: agents(machine, setup)),
    )
    for title, look in topics:
        yield examined(title, look)
