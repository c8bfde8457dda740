"""The tab of two maps in one frame."""
