"""The tab of one question, two encoders."""
