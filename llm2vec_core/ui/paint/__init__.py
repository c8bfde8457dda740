"""Numbers into HTML and SVG. Pure functions; every text that comes from outside is escaped here.

What one tab alone shows is painted in that tab's own ``paint.py``.
"""
