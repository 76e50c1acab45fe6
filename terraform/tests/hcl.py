"""Reads a folder of .tf files into plain blocks. It evaluates nothing: an expression stays the text that it is."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import hcl2

NOTES = ("__is_block__", "__comments__", "__inline_comments__", "__start_line__", "__end_line__")


class Expression(str):
    """Text that Terraform would evaluate, without its `${}`."""


def plain(value):
    """python-hcl2's values as Python's: literal strings lose their quotes, expressions become Expression, comments go."""
    if isinstance(value, dict):
        return {literal(key): plain(v) for key, v in value.items() if key not in NOTES}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, str):
        if value.startswith('"') and value.endswith('"'):
            inner = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            return Expression(inner) if re.search(r"(?<!\$)\$\{", inner) else inner
        if value.startswith("${") and value.endswith("}"):
            return Expression(value[2:-1])
        return Expression(value)
    return value


def literal(key):
    return key[1:-1] if key.startswith('"') else key


@dataclass
class Folder:
    path: Path
    resources: dict = field(default_factory=dict)  # (type, name) -> body
    data: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    outputs: dict = field(default_factory=dict)
    modules: dict = field(default_factory=dict)
    locals: dict = field(default_factory=dict)
    terraform: list = field(default_factory=list)
    providers: list = field(default_factory=list)

    def of(self, kind):
        return {name: body for (k, name), body in self.resources.items() if k == kind}


@cache
def loads(text):
    """python-hcl2 takes a second for a long file, and most files of a copy are those of the last one."""
    return hcl2.loads(text)


def read(path):
    folder = Folder(Path(path))
    for file in sorted(folder.path.glob("*.tf")):
        parsed = {key: plain(blocks) for key, blocks in loads(file.read_text()).items() if key not in NOTES}
        for key, into in (("resource", folder.resources), ("data", folder.data)):
            for block in parsed.get(key, []):
                for kind, named in block.items():
                    for name, body in named.items():
                        into[kind, name] = body
        for key, into in (("variable", folder.variables), ("output", folder.outputs), ("module", folder.modules)):
            for block in parsed.get(key, []):
                into.update(block)
        for block in parsed.get("locals", []):
            folder.locals.update(block)
        folder.terraform += parsed.get("terraform", [])
        folder.providers += parsed.get("provider", [])
    return folder


def leaves(value, road=""):
    """Every value that is no dict and no list, with the road to it."""
    if isinstance(value, dict):
        for key, v in value.items():
            yield from leaves(v, f"{road}.{key}" if road else str(key))
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v, road)
    else:
        yield road, value
