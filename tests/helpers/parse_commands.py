"""Whether programs of the repository take the arguments that pages give them: each is imported, parses them, and stops.

Reads a JSON list of commands from the standard input, each a list of words, ["python", "-m", MODULE, ...] or ["python",
FILE, ...], and writes a JSON list with an error for each, or null. In a process of its own: what programs set up when
they are imported must not reach tests.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Parsed(BaseException):
    """Raised where a program would begin its work."""


def parse_and_stop(parser, args=None, namespace=None, parse=argparse.ArgumentParser.parse_args):
    parse(parser, args, namespace)
    raise Parsed


def error(words):
    if words[1] == "-m":
        name, arguments, run = words[2], words[3:], runpy.run_module
        path = ROOT / name.replace(".", "/")
        source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    else:
        source, arguments, run = ROOT / words[1], words[2:], runpy.run_path
        name = str(source)
    takes_arguments = "parse_args" in source.read_text(encoding="utf-8")
    if arguments and not takes_arguments:
        return f"{source.relative_to(ROOT)} parses no arguments"
    sys.argv = [name, *arguments]
    sys.path[0] = str(ROOT if words[1] == "-m" else source.parent)
    try:  # one that parses none would begin at once under the name __main__
        run(name, run_name="__main__" if takes_arguments else "imported")
    except Parsed:
        return None
    return f"{source.relative_to(ROOT)} did not parse its arguments" if takes_arguments else None


def main():
    argparse.ArgumentParser.parse_args = parse_and_stop
    errors = []
    for words in json.load(sys.stdin):
        try:
            errors.append(error(words))
        except BaseException as raised:  # SystemExit of argparse among them
            errors.append(f"{type(raised).__name__}: {raised}")
    print(json.dumps(errors))


if __name__ == "__main__":
    main()
