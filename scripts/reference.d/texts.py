"""Texts with values, as far as it matters whether one can be rendered: a missing value without `default` is an error.

`shown` renders the short ones, which hold nothing but texts: the titles of tasks and the fields of `set`.
"""

import re

from expressions import read

PIECE = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
GIVEN = re.compile(r"links\.[a-z_]+|sender\.postal|body|subject")


class Text:
    """A text as a list of values and of branches."""

    def __init__(self, text, scope):
        self.text, self.scope = text, scope
        self.pieces = [match.groups() for match in PIECE.finditer(text)]
        self.place = 0
        self.parts = self.block()

    def block(self):
        """What stands up to the end, or up to the next `elsif`, `else` or `endif`."""
        parts = []
        while self.place < len(self.pieces):
            value, tag = self.pieces[self.place]
            if tag is not None and not tag.split()[0] == "if":
                return parts
            self.place += 1
            if value is not None:
                parts += self.value(value)
            else:
                parts.append(self.branches(tag))
        return parts

    def value(self, text):
        expression, *filters = (part.strip() for part in text.split("|"))
        if GIVEN.fullmatch(expression) or any(name.startswith("default") for name in filters):
            return []
        return [read(expression, self.scope)]

    def branches(self, tag):
        found = []
        while True:
            word, _, condition = tag.strip().partition(" ")
            found.append((read(condition, self.scope) if condition.strip() else None, None))
            found[-1] = found[-1][0], self.block()
            tag = self.pieces[self.place][1]
            self.place += 1
            if tag.strip() == "endif":
                return found

    def renders(self, ask, parts=None):
        """False when a value is missing that the text needs."""
        for part in self.parts if parts is None else parts:
            if not isinstance(part, list):
                if part(ask) is None:
                    return False
                continue
            for condition, inner in part:
                if condition is None or condition.true(ask):
                    if not self.renders(ask, inner):
                        return False
                    break
        return True

    def shown(self, ask):
        def one(match):
            expression, _, default = match.group(1).partition("|")
            value = read(expression, self.scope)(ask)
            return value if value is not None else default.partition("'")[2].rstrip().removesuffix("'")
        return PIECE.sub(one, self.text)
