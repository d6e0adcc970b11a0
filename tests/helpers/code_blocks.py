"""Blocks of code on the pages: where each stands, in which language, and the commands of those for a shell."""

from __future__ import annotations

import doctest
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "benchmarks/*.md", "docs/*.rst", "examples/*.rst")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^ *(?:```|~~~)(\S*).*\n((?:.*\n)*?) *(?:```|~~~) *$", re.M)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A) {4,}\S.*\n(?:(?: {4,}.*)?\n)*")  # in Markdown: for a shell, on all pages here
OF_CODE = "code|code-block|sourcecode|literalinclude|parsed-literal|testcode|doctest|prompt"
DIRECTIVE = re.compile(rf"^( *)\.\. ({OF_CODE}):: *(\S*)\n((?:\1 +.*\n|\n)*)", re.M)
LITERAL = re.compile(r"^(?! *\.\. ).*::\n\n", re.M)  # a paragraph that ends in two colons: a block of no language
EXAMPLES = re.compile(r"^ *>>> .*\n(?: *\S.*\n)*", re.M)


@dataclass(frozen=True)
class Block:
    """One block of a page; `language` is "doctest" for examples with >>>, "literalinclude" for a file that is shown."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []

    def add(match, language, code):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, language, textwrap.dedent(code).strip() + "\n"))

    if page.endswith(".md"):
        for match in FENCE.finditer(text):
            add(match, *match.groups())
        for match in INDENTED.finditer(FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)):
            add(match, "sh", match[0])
    else:
        for match in DIRECTIVE.finditer(text):
            _, directive, argument, code = match.groups()
            if directive == "literalinclude":
                add(match, directive, argument)
            else:
                add(match, argument, re.sub(r"\A( +:.*\n)+", "", code))
        for match in LITERAL.finditer(text):
            add(match, "", "")
        for match in EXAMPLES.finditer(text):
            add(match, "doctest", match[0])
    return sorted(found, key=lambda block: block.line)


def statements(block: Block) -> list[tuple[str, bool]]:
    """Code of a block that is to be executed, and whether an exception is shown as its answer."""
    if block.language == "python":
        return [(block.text, False)]
    return [(one.source, one.exc_msg is not None) for one in doctest.DocTestParser().get_examples(block.text)]


def commands(block: Block) -> list[str]:
    """Commands of a block for a shell, one by one, without prompts and comments."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":  # lines without a prompt are answers
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [" ".join(command.split()) for line in lines for command in line.split(" && ") if command]
