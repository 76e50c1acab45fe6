"""What resources of the Google provider may say, read from the types that are published for it (npm @cdktf/provider-google): names of
attributes and blocks, which are required, whether a number, a yes or a text is wanted, and the words that are possible. The provider itself
is not needed, and not run.
"""

import json
import re
from functools import cache
from pathlib import Path

from hcl import Expression

# Terraform's own, which every resource takes.
META = {"count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection"}


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


class Types:
    def __init__(self, package):
        self.lib = Path(package) / "lib"
        self.version = json.loads((Path(package) / "package.json").read_text())["cdktf"]["provider"]["version"]

    @cache
    def file(self, kind, data=False):
        """The text of a resource's types, or None."""
        folder = kind.removeprefix("google_").replace("_", "-")
        path = self.lib / (f"data-google-{folder}" if data else folder) / "index.d.ts"
        if not path.exists():
            return None
        text = path.read_text()
        return text if f'tfResourceType = "{kind}"' in text else None

    @cache
    def members(self, kind, interface, data=False):
        """camelCase name -> (required, type, comment) of an interface, or None where there is none of that name."""
        text = self.file(kind, data)
        body = re.search(rf"export interface {interface} (?:extends [\w.]+ )?\{{\n(.*?)^\}}", text, re.S | re.M)
        if not body:
            return None
        found = {}
        for comment, name, optional, what in re.findall(r"/\*\*(.*?)\*/\s*readonly (\w+)(\??): (.*?);\n(?=\s*(?:/\*\*|\}|\Z))", body[1], re.S):
            found[name] = (not optional, what.replace(" | cdktf.IResolvable", "").strip(), comment)
        return found

    def top(self, kind, data=False):
        name = "".join(part[:1].upper() + part[1:] for part in kind.removeprefix("google_").split("_"))
        for guess in (f"DataGoogle{name}Config" if data else f"{name}Config", f"{name}AConfig"):
            if self.file(kind, data) and self.members(kind, guess, data) is not None:
                return guess
        return None

    def says(self, kind, attribute, data=False):
        """Whether others may ask a resource for an attribute."""
        return re.search(rf"\bget {camel(attribute)}\(\)", self.file(kind, data)) is not None

    def complaints(self, kind, name, body, data=False):
        where = f"{'data.' if data else ''}{kind}.{name}"
        if self.file(kind, data) is None:
            return [f"{where}: release {self.version} of the provider has no {'data source' if data else 'resource'} {kind}"]
        top = self.top(kind, data)
        if top is None:
            return [f"{where}: no configuration is published for {kind}"]
        return list(self.inside(kind, top, {k: v for k, v in body.items() if k not in META}, where, data))

    def inside(self, kind, interface, body, where, data):
        members = self.members(kind, interface, data)
        said = {}
        for key, value in body.items():
            if key == "dynamic":
                for dynamic in value:
                    for block, inner in dynamic.items():
                        said[block] = inner["content"]
            else:
                said[key] = value
        for member, (required, _, _) in members.items():
            if required and member not in {camel(key) for key in said}:
                yield f"{where}: {re.sub('([A-Z])', lambda m: '_' + m[1].lower(), member)} is required"
        for key, value in said.items():
            road = f"{where}.{key}"
            if camel(key) not in members or key != key.lower():
                yield f"{road}: release {self.version} of the provider knows no such attribute; there are {', '.join(sorted(members))[:300]}"
                continue
            _, what, comment = members[camel(key)]
            nested = what.removesuffix("[]")
            is_block = re.search(rf"\* {key} block\s", comment) is not None
            written_as_block = isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
            if is_block and not written_as_block:
                yield f"{road}: is a block, `{key} {{ … }}`, and is written as an attribute"
            elif is_block:
                if len(value) > 1 and not what.endswith("[]"):
                    yield f"{road}: may stand once, and stands {len(value)} times"
                for block in value:
                    yield from self.inside(kind, nested, block, road, data)
            elif written_as_block:
                yield f"{road}: is an attribute, and is written as a block"
            else:
                yield from self.value(road, what, comment, value)

    @staticmethod
    def value(road, what, comment, value):
        """Literal values; what an expression becomes is Terraform's to say."""
        if isinstance(value, Expression):
            return
        wanted = {"string": str, "number": (int, float), "boolean": bool, "string[]": list, "number[]": list}.get(what)
        if what.startswith("{"):
            wanted = dict
        if wanted and (not isinstance(value, wanted) or (what == "number" and isinstance(value, bool))):
            yield f"{road}: wants {what}, found {value!r}"
        possible = re.search(r"Possible values: \[([^\]]*)\]", comment)
        if possible and isinstance(value, str):
            words = re.findall(r'"([^"]+)"', possible[1])
            if words and value not in words:
                yield f"{road}: may be {', '.join(words)}; found {value!r}"
