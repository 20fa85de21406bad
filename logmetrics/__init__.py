"""logmetrics: agent and Ollama logs to Prometheus metrics, without touching an agent."""

__version__ = "0.1.0"
