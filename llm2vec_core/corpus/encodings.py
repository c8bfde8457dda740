"""What the bytes of a text file are: its encoding and its line ends, or no text at all."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm2vec_core.errors import InputError

HEAD_BYTES = 2**16
_CHUNK, _EVIDENCE = 2**20, 2**18
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# First bytes of files that are often brought for texts, what they are, and what to do instead.
_CONTAINERS = (
    (b"\x1f\x8b", "a gzip archive", "unpack it first (gunzip)"),
    (b"BZh", "a bzip2 archive", "unpack it first (bunzip2)"),
    (b"\xfd7zXZ\x00", "an xz archive", "unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it first (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"PK\x03\x04", "a zip archive or an Office document", "unpack it, or save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Office document", "save the table as CSV"),
    (b"PAR1", "a parquet file", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "write it as parquet"),
    (b"%PDF-", "a PDF", "extract its text first"),
    (b"{\\rtf", "an RTF document", "save it as plain text"),
    (b"\x93NUMPY", "a NumPy array", "texts are needed"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer and not the file itself", "fetch it: git lfs pull"),
)
# What files are often written in, for people to choose from; every text codec of Python is read.
COMMON_ENCODINGS = {
    "utf-8": "Unicode",
    "utf-16": "Unicode, two bytes a character",
    "cp1252": "Western Europe, Windows",
    "iso-8859-15": "Western Europe, older Unix",
    "mac-roman": "Western Europe, older Macintosh",
    "cp437": "DOS",
    "cp850": "DOS, Western Europe",
    "cp1250": "Central Europe, Windows",
    "iso-8859-2": "Central Europe, older Unix",
    "cp1251": "Cyrillic, Windows",
    "koi8-r": "Cyrillic, older Unix",
    "cp1253": "Greek",
    "cp1254": "Turkish",
    "cp1255": "Hebrew",
    "cp1256": "Arabic",
    "cp1257": "Baltic",
    "cp1258": "Vietnamese",
    "cp874": "Thai",
    "gb18030": "Chinese, simplified",
    "big5": "Chinese, traditional",
    "shift_jis": "Japanese",
    "euc-jp": "Japanese, older Unix",
    "cp949": "Korean",
}
# The letters of Western Europe, and the signs that programs write around them.
_LETTERS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýŠšŽžŒœðþ")
_SIGNS = frozenset("€‚„…‘’“”•–—™‹›\xa0¡£§©ª«®°±²³µ·º»¼½¾¿´¢")
# What Western Europe wrote before Unicode, Windows first: of two that give the same text the first is named.
_WESTERN = {
    "cp1252": "the Windows encoding",
    "iso-8859-15": "the encoding of older Unix programs",
    "mac-roman": "the encoding of older Macintosh programs",
    "cp437": "the DOS encoding",
    "cp850": "the DOS encoding of Western Europe",
}
# More than this share of wrong bytes is no damage but another encoding; so are parts of words this close together.
_MOST_WRONG, _BYTES_A_LETTER = 0.3, 2_000


@dataclass(frozen=True)
class Encoding:
    """How bytes become lines.

    Attributes:
        name: of the encoding, a Python codec.
        note: what was guessed, in words; "" if the file says so itself.
        carriage_returns: whether lines end in carriage returns alone.
    """

    name: str
    note: str = ""
    carriage_returns: bool = False


def find_encoding(
    head: bytes, path: Path | None, name: str, *, encoding: str | None = None, strict: bool = False, hint: str = ""
) -> Encoding:
    r"""Find out how a file's bytes are to be read.

    UTF-8 unless a byte order mark or NUL bytes say otherwise. Bytes that are no UTF-8 are cp1252 if all of them
    are then letters and signs where one would write them, and no UTF-8 sequence stands beside them; else one of the
    other encodings of Western Europe, if that is so of one alone. A byte here and there is damage, for the reader to
    mend; anything else is refused.

    Args:
        head: the first bytes, at most :data:`HEAD_BYTES`.
        path: of a regular file, to look further; None if there is nothing but the head.
        name: of the file, for messages.
        encoding: what the user says it is.
        strict: do not guess an encoding.
        hint: how users name an encoding.

    Raises:
        InputError: if the bytes are no text, of an unknown encoding, or the named encoding does not exist.

    Example:
        >>> find_encoding("über den Fluß".encode("cp1252"), None, "t.txt").name
        'cp1252'
    """
    refuse_container(head, name)
    ends = _carriage_returns(head, path)
    if encoding:
        codec = _with_order(_known(encoding), head)
        return Encoding(codec, carriage_returns=_wide_returns(head, codec) if _is_wide(codec) else ends)
    for mark, codec in _MARKS:
        if head.startswith(mark) and (mark != codecs.BOM_UTF32_LE or _decodes(head, "utf-32")):
            return Encoding(codec, carriage_returns=_wide_returns(head, codec) if _is_wide(codec) else ends)
    if b"\0" in head:
        wide = _wide_encoding(head)
        if wide is None:
            raise InputError(f"{name} is a binary file and no text: it holds NUL bytes")
        note = f"{name} has no byte order mark and is read as {wide}"
        return Encoding(wide, note, _wide_returns(head, wide))
    controls = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1b" for byte in head)
    if controls > 0.1 * len(head):
        raise InputError(f"{name} is a binary file and no text: {controls:,} of its first {len(head):,} bytes are "
                         "control characters")  # fmt: skip
    pieces = list(_evidence(head, path))
    (right, wrong), evidence = _sequences(pieces), b"".join(pieces)
    if not wrong or strict:
        return Encoding("utf-8", carriage_returns=ends)
    candidates = [] if right else _western_encodings(evidence)
    if len(candidates) == 1:
        return Encoding(
            candidates[0], f"{name} is no UTF-8 and is read as {candidates[0]}, {_WESTERN[candidates[0]]}", ends
        )
    # Damage is a byte here and there; whole words of such bytes, and no letter of UTF-8 beside them, are an alphabet.
    words = not right and re.search(rb"[\x80-\xff]{3}", evidence)
    if candidates or words or wrong > _MOST_WRONG * len(evidence) or (not right and _has_letters(evidence, 2)):
        known = f"{' or '.join(candidates)} would fit both" if candidates else "its encoding is not known"
        such = ", ".join(candidates) or "cp1251, cp1250, gb18030 or shift_jis"
        raise InputError(
            f"{name} is no UTF-8, and {known}; save it as UTF-8{f', or {hint} such as {such}' if hint else ''}"
        )
    return Encoding("utf-8", carriage_returns=ends)


def refuse_container(head: bytes, name: str) -> None:
    """Refuse an archive or a document by name.

    Raises:
        InputError: if the first bytes are those of another kind of file.
    """
    for magic, what, instead in _CONTAINERS:
        if head.startswith(magic):
            raise InputError(f"{name} is {what}: {instead}")


def _known(encoding: str) -> str:
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)  # a codec of bytes, such as base64, is none of texts
    except LookupError as error:
        raise InputError(f"there is no encoding {encoding!r}; such as utf-8, cp1252 or utf-16") from error
    return "utf-8-sig" if found.name == "utf-8" else found.name


def _with_order(codec: str, head: bytes) -> str:
    """The codec; of UTF-16 and UTF-32 without a mark, which Python does not read, the one for the bytes' order."""
    if codec not in ("utf-16", "utf-32") or any(head.startswith(mark) for mark, own in _MARKS if own == codec):
        return codec
    orders = [wide for wide in _WIDE if wide.startswith(codec)]
    return _wide_encoding(head, orders) or orders[0]


def _is_wide(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _decodes(raw: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(raw)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(head: bytes, codecs_tried: Sequence[str] = _WIDE) -> str | None:
    """The UTF-16 or UTF-32 without a mark that gives real characters and the most ASCII among them, if any does."""
    best, most = None, 0
    for codec in codecs_tried:
        try:
            text = codecs.getincrementaldecoder(codec)().decode(head)
        except UnicodeDecodeError:
            continue
        if any(unicodedata.category(c) in ("Cn", "Co", "Cs") or (c < " " and c not in "\t\n\v\f\r") for c in text):
            continue
        ascii_letters = sum(c < "\x7f" for c in text)
        if ascii_letters > most:
            best, most = codec, ascii_letters
    return best


def _wide_returns(head: bytes, codec: str) -> bool:
    text = codecs.getincrementaldecoder(codec)("replace").decode(head)
    return "\r" in text and "\n" not in text


def _carriage_returns(head: bytes, path: Path | None) -> bool:
    """Whether a carriage return stands in the file and no line feed does."""
    if b"\n" in head or b"\r" not in head:
        return False
    return not any(b"\n" in chunk for chunk in _chunks(path))


def _chunks(path: Path | None) -> Iterator[bytes]:
    if path is not None:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk


def _evidence(head: bytes, path: Path | None) -> Iterator[bytes]:
    """What is not ASCII, up to a bound: plain ASCII is passed over at the disk's speed."""
    if len(head) < HEAD_BYTES or path is None:
        yield head
        return
    left = _EVIDENCE
    for chunk in _chunks(path):
        if not chunk.isascii():
            start = max(0, next(i for i, byte in enumerate(chunk) if byte > 127) - 1)
            piece = chunk[start : start + left]
            # At the start of a chunk may be the rest of a letter that the chunk before began.
            yield piece if start else piece.lstrip(bytes(range(0x80, 0xC0)))
            left -= len(piece)
        if left <= 0:
            return


def _sequences(pieces: Sequence[bytes]) -> tuple[int, int]:
    """How many letters beyond ASCII are valid UTF-8, and how many bytes are not."""
    # Not final: a letter that the end of a piece cuts is not counted.
    texts = [codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(piece) for piece in pieces]
    beyond = [c for text in texts for c in text if c > "\x7f"]
    wrong = sum("\udc80" <= c <= "\udcff" for c in beyond)
    return len(beyond) - wrong, wrong


def _has_letters(raw: bytes, fewest: int = 1) -> bool:
    """Whether bytes beyond ASCII are parts of words, as often as letters are; 0xff is a blank to DOS, and no letter."""
    letters = len(re.findall(rb"(?<=[A-Za-z])[\x80-\xfe]|[\x80-\xfe](?=[A-Za-z])", raw))
    return letters >= max(fewest, len(raw) / _BYTES_A_LETTER)


def _western_encodings(raw: bytes) -> list[str]:
    """The encodings of Western Europe in which these bytes are a text; of those with the same text the first.

    Windows' own excludes the others, in which its quotation marks and dashes are letters.
    """
    found: dict[str, str] = {}
    for codec in _WESTERN:
        text = _western_text(raw, codec)
        if text is not None:
            found.setdefault(text, codec)
        if codec == "cp1252" and found:
            break
    # A byte here and there proves nothing else: it may be damage.
    return list(found.values()) if "cp1252" in found.values() or _has_letters(raw) else []


def _western_text(raw: bytes, codec: str) -> str | None:
    """The bytes as text, if each of its letters and signs stands where one would write it."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    letters = sum(c.isalpha() for c in text)
    beyond = 0
    for i, c in enumerate(text):
        if c <= "\x7f":
            continue
        before, after = text[i - 1 : i], text[i + 1 : i + 2]
        if c in _LETTERS:
            beyond += 1
            # A capital inside a word of small letters is another encoding's small letter.
            if c.isupper() and before.islower():
                return None
        elif c not in _SIGNS or _is_inside_a_word(c, before, after):
            return None
    # A word without a plain letter, and many letters beyond ASCII, are another alphabet's.
    strange = re.search(r"(?<![A-Za-z])[^\W\d_A-Za-z]{2,}(?![A-Za-z])", text)
    return None if strange or beyond > 0.4 * max(letters, 1) else text


def _is_inside_a_word(sign: str, before: str, after: str) -> bool:
    if sign in "‚„":  # these open, and no word ends in them
        return before.isalpha()
    if sign == "\xa0":  # stands between words, or between a number and its unit
        return before.isalpha() and not after.strip()
    return sign not in "’·\xa0–—…" and before.isalpha() and after.isalpha()
