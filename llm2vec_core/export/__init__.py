"""Away into other code: an encoder as a plain sentence-transformers folder, proven before it is handed over."""

from llm2vec_core.export.folder import ExportReport, export_sentence_transformers, to_sentence_transformer

__all__ = ["ExportReport", "export_sentence_transformers", "to_sentence_transformer"]
