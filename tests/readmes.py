"""Functions that read the two READMEs with a Markdown parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

LANGUAGES = {"caddy", "nginx", "python", "sh"}
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """Lines of code, and the heading above them."""

    heading: str
    language: str
    text: str


def plain(inline: Token) -> str:
    """Return a line of Markdown as a reader sees it."""
    return "".join(child.content for child in inline.children or ())


def headings(text: str) -> list[tuple[int, str]]:
    """Return every heading with its rank."""
    tokens = MARKDOWN.parse(text)
    opened = [n for n, token in enumerate(tokens) if token.type == "heading_open"]
    return [(int(tokens[n].tag[1:]), plain(tokens[n + 1])) for n in opened]


def code(text: str) -> list[Block]:
    """Return every fenced block, in order."""
    heading, found = "", []
    tokens = MARKDOWN.parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following:
            heading = plain(following)
        if token.type == "fence":
            found.append(Block(heading, token.info, token.content))
    return found


def chapter(text: str, title: str) -> str:
    """Return a README's text from a heading to the next one of its rank or above."""
    _, rest = re.split(rf"^(?=##+ {re.escape(title)}$)", text, maxsplit=1, flags=re.MULTILINE)
    rank = rest.index(" ")
    return re.split(rf"^#{{2,{rank}}} ", rest.split("\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(text: str, language: str) -> list[str]:
    return [block.text for block in code(text) if block.language == language]


def lines(readme: Path, title: str, language: str = "sh") -> list[str]:
    return blocks(chapter(readme.read_text("utf-8"), title), language)


def commands(readme: Path) -> set[str]:
    """Return every command that begins with `flask`, in blocks of code and within sentences."""
    text = readme.read_text("utf-8")
    inline = [child for token in MARKDOWN.parse(text) for child in token.children or () if child.type == "code_inline"]
    written = [child.content for child in inline] + "\n".join(blocks(text, "sh")).splitlines()
    parts = [re.sub(r" [#|>] .*", "", part).strip() for line in written for part in line.split("&&")]
    return {part for part in parts if part.startswith("flask ") and "…" not in part}


def faults(readme: Path) -> Iterator[str]:
    """Yield a sentence about each place where a parser understands something else than was meant."""
    text = readme.read_text("utf-8")
    tokens = MARKDOWN.parse(text)
    fences = [token for token in tokens if token.type == "fence"]

    inside = {number for token in fences if token.map for number in range(*token.map)}
    outside = {number: line for number, line in enumerate(text.splitlines()) if number not in inside}
    if len(re.findall(r"^ *```", text, flags=re.MULTILINE)) != 2 * len(fences):
        yield "A fence is not closed, or is closed by a line with more on it."
    yield from (f"No language: {token.content!r}" for token in fences if token.info not in LANGUAGES)
    if (written := sum(bool(re.match("#+ ", line)) for line in outside.values())) != len(headings(text)):
        yield f"{written} lines look like headings, {len(headings(text))} are."

    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(text)}
    # The first three tokens are the title, which may be any text.
    for token in [child for parent in tokens[3:] for child in parent.children or ()]:
        href = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if href.startswith("#"):
            if href[1:] not in anchors:
                yield f"No heading is at {href}."
        elif href and not href.startswith(("https://", "http://")) and not (readme.parent / unquote(href)).is_file():
            yield f"No file is at {href}."
        if token.type == "text" and re.search(r"\]\(|\]\[|`|\*\*|\{\{|\{%|^\|", token.content):
            yield f"Markdown that none is: {token.content!r}"
