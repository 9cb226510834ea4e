"""Texts and numbers that reach a node over links: constants are read, and what common nodes compute is computed.

What another node makes is never guessed: `Found.maker` names it, so that the import can say so.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .graph import Graph

MOST_DEPTH = 60  # of nodes that feed one another
MOST_TEXT = 100_000
LETTERS = 16  # of a text cost as much to look at as an input
LITERALS = ("value", "text", "string", "prompt", "seed", "noise_seed", "int", "float", "number", "Number", "Value",
            "String", "Text", "boolean", "float_", "int_", "positive", "negative")  # fmt: skip
SHOWN = ("text_0", "text2", "output", "populated_text")  # what a node keeps of what it made
CONTROLS = {"control_after_generate", "control_before_generate", "speak_and_recognation", "mode", "image"}
GENERATORS = re.compile(
    r"TextGenerate|LLM|Ollama|Gemini|OpenAI|ChatGPT|Claude|Florence|Caption|Interrogat|JoyCaption|Tagger"
)
"""Nodes whose text a language model writes: what they were asked is not what they said."""
WILD = ("{", "__", "<random")  # marks of choices, which a node makes when it runs


@dataclass(frozen=True)
class Found:
    """A value, None where it cannot be had; maker: the class of the node that computed it in a way not known here."""

    value: Any = None
    maker: str = ""


Inputs = Mapping[str, Any]
Rule = Callable[["Finder", Inputs, int], Any]
"""What a node gives at an output, from its inputs: a value, or what was Found; None where it cannot be said."""


class Finder:
    """Looks up the values of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._depth = 0

    def find(self, value: Any, key: str = "") -> Found:
        """Return an input's value, through whatever it is linked to. key: the name that it goes by."""
        source = self.graph.source(value)
        if source is None:
            if isinstance(value, str):
                self.graph.spend(len(value) // LETTERS)
            return Found(None if isinstance(value, (list, dict)) else value)
        if self._depth >= MOST_DEPTH:
            return Found(None, self.graph.kind(source[0]))
        self._depth += 1
        try:
            return self._made(*source, key)
        finally:
            self._depth -= 1

    def plain(self, value: Any, key: str = "") -> Any:
        """Return an input's value where it is sure; None for what a node computed in a way not known here."""
        found = self.find(value, key)
        return None if found.maker else found.value

    def _made(self, name: str, slot: int, key: str) -> Found:
        kind, inputs = self.graph.kind(name), self.graph.inputs(name)
        rule = VALUES.get(kind)
        if rule is not None:
            made = rule(self, inputs, slot)
            if isinstance(made, Found):
                return made
            if isinstance(made, (list, dict)) or made is None:
                return Found(None, self._maker(inputs) or kind)
            return Found(made[:MOST_TEXT] if isinstance(made, str) else made)
        for shown in SHOWN:
            if isinstance(inputs.get(shown), str):
                return Found(inputs[shown])
        return self._unknown(kind, inputs, key)

    def _maker(self, inputs: Inputs) -> str:
        """Return the node that computed one of the inputs; "" where all of them can be had."""
        return next((maker for value in inputs.values() if (maker := self.find(value).maker)), "")

    def _unknown(self, kind: str, inputs: Inputs, key: str) -> Found:
        """Return what a node that is not in our table seems to hold: surely only where it holds nothing else."""
        if GENERATORS.search(kind):
            return Found(None, kind)
        links = {each: value for each, value in inputs.items() if self.graph.source(value)}
        others = {each: value for each, value in inputs.items() if each not in links and each not in CONTROLS}
        if len(links) == 1 and not others:
            return self.find(next(iter(links.values())), key)
        own = [each for each in (key, *LITERALS) if each and each in inputs]
        if not own and len(others) == 1 and not links:
            own = list(others)
        if not own:
            return Found(None, kind)
        found = self.find(inputs[own[0]], key)
        alone = own[0] == key or (len(others) <= 1 and not links) or _is_constant(kind)
        wild = isinstance(found.value, str) and any(mark in found.value for mark in WILD)
        return found if found.maker or (alone and not (wild and len(others) > 1)) else Found(found.value, kind)


def _is_constant(kind: str) -> bool:
    return kind.lower().startswith(("primitive", "constant", "string literal", "text multiline", "text box", "textbox"))


def _same(key: str) -> Rule:
    return lambda finder, inputs, _: finder.plain(inputs.get(key), key)


def _texts(finder: Finder, inputs: Inputs, keys: tuple[str, ...]) -> list[str] | None:
    """Return the texts of some inputs, those that are not there left out; None where one cannot be had."""
    values = [finder.plain(inputs[key]) for key in keys if inputs.get(key) not in (None, "")]
    return None if any(value is None for value in values) else [str(value) for value in values]


def _joined(keys: tuple[str, ...], delimiter: str, default: str = " ") -> Rule:
    """Return the rule of a node that joins its texts."""

    def rule(finder: Finder, inputs: Inputs, _: int) -> str | None:
        texts = _texts(finder, inputs, keys)
        between = finder.plain(inputs.get(delimiter, default))
        return None if texts is None or between is None else _join(str(between).replace("\\n", "\n"), texts)

    return rule


def _joined_all(prefix: str, delimiter: str) -> Rule:
    """Return the rule of a node that joins any number of texts, numbered from 1."""
    return lambda finder, inputs, slot: _joined(
        tuple(sorted((key for key in inputs if key.startswith(prefix)), key=lambda key: (len(key), key))), delimiter
    )(finder, inputs, slot)


def _replaced(text: str, find: str, put: str) -> Rule:
    def rule(finder: Finder, inputs: Inputs, _: int) -> str | None:
        parts = [finder.plain(inputs.get(key, "")) for key in (text, find, put)]
        if any(not isinstance(part, str) for part in parts):
            return None
        return _replace(*parts) if parts[1] else str(parts[0])

    return rule


def _join(between: str, texts: list[str]) -> str | None:
    """Return joined texts; None where they would be too long, which is known before they are made."""
    letters = sum(map(len, texts)) + len(between) * (len(texts) - 1)
    return between.join(texts) if letters <= MOST_TEXT else None


def _replace(text: str, find: str, put: str) -> str | None:
    """Return a text with something replaced; None where it would be too long, which is known before it is made."""
    letters = len(text) + text.count(find) * (len(put) - len(find))
    return text.replace(find, put) if letters <= MOST_TEXT else None


SWITCHES: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "ComfySwitchNode": ("switch", lambda on: "on_true" if on else "on_false"),
    "CR Text Input Switch": ("Input", lambda way: f"text{way}"),
    "CR Conditioning Input Switch": ("Input", lambda way: f"conditioning{way}"),
    "CR Model Input Switch": ("Input", lambda way: f"model{way}"),
    "CR Latent Input Switch": ("Input", lambda way: f"latent{way}"),
    "easy textSwitch": ("input", lambda way: f"text{way}"),
    "easy ifElse": ("boolean", lambda on: "on_true" if on else "on_false"),
    "Text Input Switch": ("boolean", lambda on: "text_a" if on else "text_b"),
    "ImpactSwitch": ("select", lambda way: f"input{way}"),
    "ImpactConditionalBranch": ("cond", lambda on: "tt_value" if on else "ff_value"),
}
"""Nodes that take one of their inputs: the input that says which, and the name of the one taken."""


def _chosen(kind: str) -> Rule:
    """Return the rule of a switch."""
    switch, ways = SWITCHES[kind]

    def rule(finder: Finder, inputs: Inputs, _: int) -> Any:
        key = ways(finder.plain(inputs.get(switch)))
        return finder.find(inputs[key]) if key in inputs else None

    return rule


def _first(prefix: str) -> Rule:
    """Return the rule of a switch that takes the first of its inputs that is there."""

    def rule(finder: Finder, inputs: Inputs, _: int) -> Any:
        keys = sorted(key for key in inputs if key.startswith(prefix))
        return next((found for key in keys if (found := finder.plain(inputs[key])) is not None), None)

    return rule


def _trimmed(finder: Finder, inputs: Inputs, _: int) -> str | None:
    text, mode = finder.plain(inputs.get("string")), finder.plain(inputs.get("mode"))
    ways = {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}
    return ways[mode](text) if isinstance(text, str) and mode in ways else None


def _cased(finder: Finder, inputs: Inputs, _: int) -> str | None:
    text, mode = finder.plain(inputs.get("string")), finder.plain(inputs.get("mode"))
    ways = {"UPPERCASE": str.upper, "lowercase": str.lower, "Capitalize": str.capitalize, "Title Case": str.title}
    return ways[mode](text) if isinstance(text, str) and mode in ways else None


def _cut(finder: Finder, inputs: Inputs, _: int) -> str | None:
    text, start, end = (finder.plain(inputs.get(key)) for key in ("string", "start", "end"))
    return text[start:end] if isinstance(text, str) and isinstance(start, int) and isinstance(end, int) else None


def _pysssss_text(finder: Finder, inputs: Inputs, _: int) -> str | None:
    """Follow StringFunction|pysssss: append, or replace in its first text."""
    texts = _texts(finder, inputs, ("text_a", "text_b", "text_c"))
    if texts is None or not texts:
        return None
    if inputs.get("action") == "replace":
        return _replace(texts[0], texts[1], texts[2] if len(texts) > 2 else "") if len(texts) > 1 else texts[0]
    tidy = inputs.get("tidy_tags") == "yes"
    return _join(", ", [text.strip(" ,") for text in texts if text.strip(" ,")]) if tidy else _join("", texts)


def _as(convert: Callable[[Any], Any], *keys: str) -> Rule:
    """Return the rule of a node that makes one kind of number of another."""

    def rule(finder: Finder, inputs: Inputs, _: int) -> Any:
        value = next((finder.plain(inputs[key]) for key in keys if key in inputs), None)
        try:
            return convert(value) if isinstance(value, (int, float, str)) else None
        except (ValueError, OverflowError):
            return None

    return rule


def _int(value: Any) -> int:
    return int(float(value)) if isinstance(value, str) else int(value)


OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
MOST_DIGITS, MOST_NUMBER = 20, 1e18


def _rounded(value: float, digits: int | None = None) -> float:
    if digits is not None and abs(digits) > MOST_DIGITS:
        raise ValueError(digits)
    return round(value, digits)


CALLS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "round": _rounded, "int": int, "float": float,
                                           "abs": abs}  # fmt: skip
MOST_EXPRESSION = 200


def calculated(expression: str, names: Mapping[str, Any]) -> float | int | None:
    """Return what an expression of numbers, names, + - * / // % and a few functions is; None for any other."""
    if len(expression) > MOST_EXPRESSION:
        return None
    try:
        found = _value(ast.parse(expression.strip(), mode="eval").body, names)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError, KeyError):
        return None
    return found if _is_number(found) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < MOST_NUMBER


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.Name) and _is_number(names[node.id]):  # a text would grow with * and %
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return CALLS[node.func.id](*(_value(one, names) for one in node.args))
    raise ValueError(node)


def _expression(key: str) -> Rule:
    """Return the rule of a node that computes an expression of its inputs; output 0 is whole or a fraction."""

    def rule(finder: Finder, inputs: Inputs, slot: int) -> Any:
        expression = finder.plain(inputs.get(key))
        named = {name.removeprefix("values."): value for name, value in inputs.items() if name != key}
        names = {name: finder.plain(value) for name, value in named.items() if len(name) <= 8}
        found = calculated(expression, names) if isinstance(expression, str) else None
        return found if found is None or slot else (int(found) if float(found).is_integer() else found)

    return rule


NAMED = {"add": "a+b", "subtract": "a-b", "multiply": "a*b", "divide": "a/b", "modulo": "a%b", "+": "a+b", "-": "a-b",
         "*": "a*b", "/": "a/b", "%": "a%b"}  # fmt: skip


def _operation(finder: Finder, inputs: Inputs, _: int) -> Any:
    """Follow a node that names what it does with a and b."""
    a, b = (finder.plain(inputs.get(key)) for key in ("a", "b"))
    known = NAMED.get(str(finder.plain(inputs.get("operation"))).lower())
    return calculated(known, {"a": a, "b": b}) if known else None


_AB = ("text_a", "text_b", "text_c", "text_d")
VALUES: Mapping[str, Rule] = {
    **{kind: _chosen(kind) for kind in SWITCHES},
    "StringConcatenate": _joined(("string_a", "string_b"), "delimiter", ""),
    "JoinStrings": _joined(("string1", "string2"), "delimiter"),
    "JoinStringMulti": _joined_all("string_", "delimiter"),
    "Text Concatenate": _joined(_AB, "delimiter", ", "),
    "CR Text Concatenate": _joined(("text1", "text2"), "separator", ""),
    "easy promptConcat": _joined(("prompt1", "prompt2"), "separator", ""),
    "StringFunction|pysssss": _pysssss_text,
    "StringReplace": _replaced("string", "find", "replace"),
    "CR Text Replace": _replaced("text", "find1", "replace1"),
    "Text Find and Replace": _replaced("text", "find", "replace"),
    "StringTrim": _trimmed,
    "StringSubstring": _cut,
    "CaseConverter": _cased,
    "ImpactWildcardProcessor": _same("populated_text"),
    "Textbox": _same("text"),
    "CR Prompt Text": _same("prompt"),
    "CR Float To Integer": _as(_int, "_float"),
    "FloatToInt": _as(_int, "float", "value", "a"),
    "IntToFloat": _as(float, "int", "value", "a"),
    "Any Switch (rgthree)": _first("any_"),
    "SimpleMath+": _expression("value"),
    "MathExpression|pysssss": _expression("expression"),
    "ComfyMathExpression": _expression("expression"),
    "easy mathInt": _operation,
    "easy mathFloat": _operation,
    "CR Integer To String": _as(str, "int_"),
    "CR Float To String": _as(str, "float_"),
    "CR String To Number": _as(float, "text"),
    "ImpactInt": _same("value"),
    "ImpactFloat": _same("value"),
    "KSampler Config (rgthree)": lambda finder, inputs, slot: finder.plain(
        [inputs.get(key) for key in ("steps_total", "refiner_step", "cfg", "sampler_name", "scheduler")][min(slot, 4)]
    ),
}
"""Nodes whose output is known from their inputs, by class. Sources: ComfyUI's comfy_extras/nodes_string.py,
nodes_logic.py, and the packs that the names belong to."""


def chosen_input(finder: Finder, name: str) -> str | None:
    """Return which input a switch takes, whatever goes through it; None where that cannot be said, or it is none."""
    kind, inputs = finder.graph.kind(name), finder.graph.inputs(name)
    if kind in SWITCHES:
        switch, ways = SWITCHES[kind]
        key = ways(finder.plain(inputs.get(switch)))
        return key if key in inputs else None
    if kind == "Any Switch (rgthree)":
        return next((key for key in sorted(inputs) if key.startswith("any_")), None)
    return None
