"""A reader of the part of XML Schema that tests/data/junit.xsd is written in: sequences of elements, attributes, simple types."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

XS = "{http://www.w3.org/2001/XMLSchema}"
TYPES = {
    "xs:string": re.compile(r"(?s).*"),
    "xs:nonNegativeInteger": re.compile(r"\+?\d+"),
    "xs:decimal": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)"),
    "xs:dateTime": re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"),
}


def check(document: str, schema: Path) -> None:
    """Raise ValueError, one line, where a document is not as the schema says, and NotImplementedError for a schema that says more than this
    reader knows."""
    rules = {}
    for element in ET.parse(schema).getroot():
        if element.tag != f"{XS}element":
            raise NotImplementedError(element.tag)
        rules[element.attrib["name"]] = element
    _element(ET.fromstring(document), rules)


def _element(node: ET.Element, rules: dict[str, ET.Element]) -> None:
    if node.tag not in rules:
        raise ValueError(f"<{node.tag}> is not declared")
    rule = rules[node.tag]
    if "type" in rule.attrib:  # text alone
        if len(node) or node.attrib:
            raise ValueError(f"<{node.tag}> holds text alone")
        return _text(node.text or "", rule.attrib["type"], node.tag)
    whole = rule.find(f"{XS}complexType")
    if whole is None or {part.tag for part in whole} - {f"{XS}sequence", f"{XS}attribute"}:
        raise NotImplementedError(node.tag)
    _attributes(node, whole.findall(f"{XS}attribute"))
    sequence = whole.find(f"{XS}sequence")
    parts = [] if sequence is None else [(p.attrib["ref"], p.get("minOccurs", "1"), p.get("maxOccurs", "1")) for p in sequence]
    pattern = "".join(f"(?:{re.escape(ref)};){{{least},{'' if most == 'unbounded' else most}}}" for ref, least, most in parts)
    children = "".join(f"{child.tag};" for child in node)
    if not re.fullmatch(pattern, children):
        raise ValueError(f"<{node.tag}> holds {children or 'nothing'}")
    if (node.text or "").strip():
        raise ValueError(f"<{node.tag}> holds text: {node.text}")
    for child in node:
        _element(child, rules)
    return None


def _attributes(node: ET.Element, rules: list[ET.Element]) -> None:
    known = {rule.attrib["name"]: rule for rule in rules}
    if unknown := node.attrib.keys() - known.keys():
        raise ValueError(f"<{node.tag}> has no attribute {min(unknown)}")
    for name, rule in known.items():
        if name not in node.attrib and rule.get("use") == "required":
            raise ValueError(f"<{node.tag}> lacks {name}")
        if name in node.attrib:
            _text(node.attrib[name], rule.attrib["type"], f"{node.tag}@{name}")


def _text(text: str, kind: str, where: str) -> None:
    if not TYPES[kind].fullmatch(text):
        raise ValueError(f"{where}: '{text}' is no {kind}")
