"""Reads a Dockerfile as far as this project's needs: stages, their instructions, and build arguments. It performs nothing."""

import json
import re
from dataclasses import dataclass, field


@dataclass
class Stage:
    """One FROM and what follows it. `base` is an image or another stage's name."""

    base: str
    name: str
    steps: list = field(default_factory=list)  # of (instruction, text), arguments filled in


def instructions(text):
    """(INSTRUCTION, rest) of each logical line: comments dropped, continued lines joined."""
    lines, pending = [], ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        pending += line.rstrip()
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
        elif pending.strip():
            word, _, rest = pending.strip().partition(" ")
            lines.append((word.upper(), rest.strip()))
            pending = ""
    return lines


def filled(text, values):
    """Puts arguments in: ${NAME} and $NAME. A name that nobody set is left as it stands, for the shell of a RUN to see."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m[1] or m[2], m[0]), text)


def stages(text, arguments=None):
    """Every stage in order. `arguments` are what `--build-arg` would say."""
    given, outer, inner, found = arguments or {}, {}, {}, []
    for word, rest in instructions(text):
        if word == "FROM":
            parts = re.fullmatch(r"(\S+)(?:\s+[Aa][Ss]\s+(\S+))?", filled(rest, outer))
            if not parts:
                raise ValueError(f"FROM {rest}: expected `FROM image` or `FROM image AS name`")
            found.append(Stage(parts[1], parts[2] or str(len(found))))
            inner = {}
        elif word == "ARG":
            name, _, default = rest.partition("=")
            (inner if found else outer)[name] = given.get(name, outer.get(name, default) if found else default)
        elif not found:
            raise ValueError(f"{word} {rest}: before the first FROM only ARG may stand")
        else:
            # A RUN's own shell knows its arguments by name.
            rest = rest if word == "RUN" else filled(rest, inner)
            if word == "ENV":
                inner.update(pairs(rest))
            found[-1].steps.append((word, rest))
    return found


def road(all_stages, name):
    """The outer image of a stage and every step from there to it, through the stages that it is built on."""
    by_name = {stage.name: stage for stage in all_stages}
    steps, at = [], by_name[name]
    while True:
        steps = at.steps + steps
        if at.base not in by_name:
            return at.base, steps
        at = by_name[at.base]


def pairs(rest):
    """NAME=value pairs of an ENV or LABEL, quoted or not."""
    return {name: json.loads(value) if value.startswith('"') else value for name, value in re.findall(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)', rest)}
