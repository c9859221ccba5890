"""The table of results: each line has its floor and its aim, and whether they are
met is worked out here."""

import dataclasses

BEGIN = "<!-- figures: written by tests/bench/run --write -->"
END = "<!-- end of figures -->"


@dataclasses.dataclass
class Line:
    """One figure of one row. `more` says that a larger figure is a better one."""

    row: str
    what: str
    value: float
    unit: str
    floor: float | None
    aim: float | None
    more: bool = True
    notes: str = ""

    def reaches(self, limit):
        return self.value >= limit if self.more else self.value <= limit

    def word(self):
        if self.floor is None and self.aim is None:
            return "for information"
        if self.aim is not None and self.reaches(self.aim):
            return "aim met"
        if self.floor is None or self.reaches(self.floor):
            return "met" if self.floor is not None else "**aim not met**"
        return "**not met**"

    def cells(self):
        sign = "" if self.more else "≤ "

        def limit(value):
            return "" if value is None else f"{sign}{shown(value, self.unit)}"

        return [
            f"`{self.row}`",
            self.what,
            shown(self.value, self.unit),
            limit(self.floor),
            limit(self.aim),
            self.word(),
            self.notes,
        ]


def shown(value, unit):
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    if unit == "connections":
        digits = 0
    if unit == "ms" and value < 1:
        digits = 3
    text = f"{value:,.{digits}f}"
    return f"{text}x" if unit == "x" else f"{text} %" if unit == "%" else f"{text} {unit}"


HEAD = ["row", "work", "measured", "floor", "aim", "", "how it came about"]


def text_of(lines):
    rows = [HEAD, ["---"] * len(HEAD), *(line.cells() for line in lines)]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)


def write(page, facts, lines, failures):
    """Replaces the rows that were measured; the others stay as they were."""
    text = page.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    fresh = {line.row for line in lines}
    order = []
    kept = {}
    for line in old.splitlines():
        if line.startswith("| `"):
            name = line.split("`")[1]
            kept.setdefault(name, []).append(line)
            order.append(name)
    for line in text_of(lines).splitlines()[2:]:
        name = line.split("`")[1]
        if name in fresh:
            kept[name] = []
            fresh.discard(name)
        kept.setdefault(name, []).append(line)
        order.append(name)
    head = ["| " + " | ".join(HEAD) + " |", "| " + " | ".join(["---"] * len(HEAD)) + " |"]
    body = [line for name in dict.fromkeys(order) for line in kept[name]]
    failed = [f"- `{name}` could not be measured: {why}" for name, why in failures]
    parts = ["\n".join(facts), "\n".join(head + body)]
    if failed:
        parts.append("\n".join(failed))
    page.write_text(before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after)
