"""The tab of an adapter trained in the page."""
