"""The tab of the stages: what each step of LLM2Vec does, costs and changes."""
