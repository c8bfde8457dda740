"""The tab in which every text is compared with every other, under two encoders."""
