"""The tab of what causal attention hides, token by token."""
