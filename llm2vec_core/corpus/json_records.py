"""Records as JSON: one per line, or an array of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from llm2vec_core.config_numbers import no_json
from llm2vec_core.corpus.lines import MAX_LINE, TextFile, open_text
from llm2vec_core.corpus.source import Mended, TextSource, without_surrogates
from llm2vec_core.errors import InputError

_CHUNK = 2**20


def read_json(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    """Yield the wanted fields of each record of a ``.jsonl`` or ``.json`` file."""
    for number, fields in json_objects(source, mended):
        missing = [name for name in source.columns if name not in fields and name not in source.optional]
        if missing:
            hint = f" ({source.hint})" if source.hint else ""
            raise InputError(
                f"{source.name}, line {number}: no field {missing[0]!r}{hint}; found fields {_names(fields)}"
            )
        yield tuple(source.text(fields.get(name), name, number, mended) for name in source.columns)


def json_objects(source: TextSource, mended: Mended) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each record with the number of its line, or of the record where they stand in an array.

    Raises:
        InputError: for what is no JSON, or no record.
    """
    with open_text(source, mended) as file:
        start = file.sample.lstrip()[:1]
        values = _array(file.characters(), source) if start == "[" else _line_values(file, source)
        for number, value in values:
            if not isinstance(value, dict):
                raise InputError(
                    f"{source.name}, {'record' if start == '[' else 'line'} {number}: expected a record such as "
                    f'{{"text": "..."}}, found {value!r:.60}'
                )
            if not all(map(str.isascii, value)):
                value = {without_surrogates(name): field for name, field in value.items()}
            yield number, value


def _line_values(file: TextFile, source: TextSource) -> Iterator[tuple[int, Any]]:
    for number, line in file.lines():
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            place = f"{source.name}, line {number}"
            raise _unread(error, place) or InputError(
                f"{place}: no JSON: {line.strip()!r:.60}; one record stands in one line, or all in an array"
            ) from error


def _array(stream: TextIO, source: TextSource) -> Iterator[tuple[int, Any]]:
    """The items of one array, of which memory holds a piece."""
    decoder, number = json.JSONDecoder(), 0
    buffer, ended = stream.read(_CHUNK).lstrip()[1:], False
    while True:
        buffer = buffer.lstrip()
        if number and buffer[:1] == ",":
            buffer = buffer[1:].lstrip()
        if buffer[:1] == "]":
            if (buffer[1:] + stream.read(_CHUNK)).strip():
                raise InputError(f"{source.name}: something stands behind the array of its records")
            return
        try:
            value, end = decoder.raw_decode(buffer)
        except (ValueError, RecursionError) as error:
            if found := _unread(error, f"{source.name}, record {number + 1}"):
                raise found from error
            more = "" if ended else stream.read(max(_CHUNK, len(buffer)))
            ended = not more
            if ended or len(buffer) > MAX_LINE:
                raise InputError(f"{source.name}, record {number + 1}: no JSON: {buffer!r:.60}") from error
            buffer += more
            continue
        number += 1
        yield number, value
        buffer = buffer[end:]
        if len(buffer) < _CHUNK // 2:
            buffer += stream.read(_CHUNK)


def _unread(error: Exception, place: str) -> InputError | None:
    """What is wrong with JSON that is well-formed and not read all the same; None where it is not well-formed."""
    if isinstance(error, json.JSONDecodeError):
        return None
    advice = "" if isinstance(error, RecursionError) else "; write it in quotation marks"
    return InputError(f"{place} {no_json(error)}{advice}")


def _names(fields: dict[str, Any]) -> str:
    return ", ".join(list(fields)[:20]) or "none"
