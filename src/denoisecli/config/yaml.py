"""YAML 1.2 into plain data with the line of every key. Bounded: size, depth, aliases; duplicate keys refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.tokens import (
    AliasToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DocumentStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
)

from denoisecli.errors import ConfigError
from denoisecli.safe_text import brief, safe, shown

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MOST_TOKENS = 50_000  # of a document, three seconds of ruamel: 4,096 seeds have 8,000, a thousand phases 30,000
MOST_DOCUMENTS = 10_000  # of a file, three seconds of ruamel
MOST_BITS = 1000  # of a whole number: what is larger is no number of any config, and no float
MOST_DIGITS = 1000  # of a number as it is written: YAML 1.1's 1:30:00 takes the square of its length
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "timestamp": "a date"}
CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)


class Constructor(SafeConstructor):  # type: ignore[misc]
    """Makes plain data of nodes. Whatever goes wrong with one is an error that knows its line."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Return what a node stands for. Raises a MarkedYAMLError."""
        try:
            if node.tag in NUMBERS and len(node.value) > MOST_DIGITS:
                raise ValueError
            value = super().construct_object(node, deep=deep)
        except YAMLError:
            raise
        except Exception:  # noqa: BLE001 - what a tag is not true of: `!!bool x`, `!!int ""`, dates of no calendar
            value = None
        else:
            if not (isinstance(value, int) and value.bit_length() > MOST_BITS):
                return value
        kind = str(node.tag).rpartition(":")[2]
        problem = f"{shown(node.value, 40)} is not {KINDS.get(kind, kind)} that can be read"
        raise ConstructorError(None, None, problem, node.start_mark)


@dataclass(frozen=True)
class Document:
    """One YAML document: its mapping, and `where` ("file:line") each key path was written."""

    data: dict[str, Any]
    where: dict[tuple[str | int, ...], str]
    source: str


def read_documents(raw: bytes, source: str) -> list[Document]:
    """Parse every document in `raw`. Raises ConfigError with `source:line`."""
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{source}: larger than {MAX_BYTES // 1_000_000} MB, so this is not a config.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: is not text in UTF-8.") from None
    documents = [_document(node, data, source) for node, data in _parse(text, source)]
    if not documents:
        raise ConfigError(f"{source}: is empty.", "Write one with: denoisecli config init LAB > config.yaml")
    return documents


def read_value(text: str, where: str) -> Any:
    """Parse one value written on a command line or in the environment: `4`, `[1, 2]`, `{scale: 3}`, plain text."""
    try:
        parsed = _parse(text, "value")
    except ConfigError as error:
        why = error.message.partition(": ")[2].removeprefix("is ").removeprefix("not YAML: ")
        raise ConfigError(f"{where}: the value is not YAML: {why}") from None
    return parsed[0][1] if parsed else None


def _parse(text: str, source: str) -> list[tuple[Node, Any]]:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    try:
        _check_bounds(yaml, text, source)
        constructor, parser = yaml.get_constructor_parser(text)
        found = []
        try:
            while constructor.composer.check_node():
                node = constructor.composer.get_node()
                found.append((node, constructor.construct_document(node)))
        finally:
            parser.dispose()
    except DuplicateKeyError as error:
        raise ConfigError(_marked(error, source, duplicate=True)) from None
    except MarkedYAMLError as error:
        raise ConfigError(_marked(error, source)) from None
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: is not YAML: {str(error).splitlines()[0]}") from None
    except OverflowError:  # "\UFFFFFFFF"
        raise ConfigError(f"{source}:{yaml.reader.line + 1}: not YAML: there is no such character") from None
    return found


def _check_bounds(yaml: YAML, text: str, source: str) -> None:
    """Refuse aliases, deep nesting and documents too many or of too many parts before anything recursive sees them."""
    depth = tokens = documents = 0
    for token in yaml.scan(text):
        starts = isinstance(token, DocumentStartToken)
        tokens, documents = 0 if starts else tokens + 1, documents + starts
        if documents > MOST_DOCUMENTS:
            hint = "Write the others into a file of their own."
            raise ConfigError(f"{source}:{token.start_mark.line + 1}: more than {MOST_DOCUMENTS:,} documents.", hint)
        if tokens > MOST_TOKENS:
            raise ConfigError(f"{source}:{token.start_mark.line + 1}: has more parts than any config.")
        if isinstance(token, AliasToken):
            raise ConfigError(
                f"{source}:{token.start_mark.line + 1}: aliases (*{brief(str(token.value))}) are not taken here."
            )
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{source}:{token.start_mark.line + 1}: nested more than {MAX_DEPTH} levels deep.")


def _marked(error: MarkedYAMLError, source: str, duplicate: bool = False) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"{source}:{mark.line + 1}" if mark else source
    if duplicate:
        key = str(error.problem).partition('"')[2].partition('"')[0]
        first = f" (first at line {error.context_mark.line + 1})" if error.context_mark else ""
        return f"{place}: {key}: the key is there twice{first}"
    line = mark.get_snippet(indent=2, max_length=90) if mark and mark.buffer else ""
    line = line.removesuffix(f" (line: {mark.line + 1})") if mark else ""
    return f"{place}: not YAML: {error.problem or error.context}" + (f"\n{line}" if line else "")


def _document(node: Node, data: Any, source: str) -> Document:
    line = node.start_mark.line + 1 if node is not None and node.start_mark else 1
    if data is None:
        raise ConfigError(f"{source}:{line}: is empty.")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else f"the value {shown(data, 40)}"
        raise ConfigError(f"{source}:{line}: want keys and values at the top, not {kind}.")
    where: dict[tuple[str | int, ...], str] = {}
    _note_lines(node, (), source, where)
    return Document({str(key): value for key, value in data.items()}, where, source)


def _note_lines(node: Node, path: tuple[str | int, ...], source: str, where: dict[Any, str]) -> None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            here = (*path, safe(str(key.value)))
            where[here] = f"{source}:{key.start_mark.line + 1}"
            _note_lines(value, here, source, where)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            where[(*path, index)] = f"{source}:{value.start_mark.line + 1}"
            _note_lines(value, (*path, index), source, where)
