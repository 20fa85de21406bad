"""``python -m logmetrics`` is the same program as the ``logmetrics`` command."""

from logmetrics.cli import main

main()
