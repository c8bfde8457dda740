"""How good two encoders are over all labelled queries, and on which of them."""
