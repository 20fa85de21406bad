"""Where samples of the past go: files, blocks of Prometheus, servers."""
