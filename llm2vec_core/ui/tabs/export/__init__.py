"""The tab from which everything can be taken along: embeddings, models, code, addresses for programs."""
