"""Scripted visitors at a running page: ``python -m tests.load --visitors 30 --minutes 10``. See CONTRIBUTING.md."""
