"""The table: for the terminal, and as Markdown."""

from columns import NATIVE
from figures import digits, goal_text, met, quantity, ratio

MARKS = {True: "✓", False: "✗", None: ""}
LEGEND = ("A cell has the median, half the distance of the quartiles over the rounds in percent, the ratio to native "
          "(the median of the rounds' ratios) and whether the goal is met (✓) or missed (✗). "
          "Goals are ratios, or a time; after a semicolon, that of mmu=none. – is not measured there.")


def cell_text(row, column, cells, spread_from):
    cell, native = cells.get(column.key), cells.get(NATIVE)
    if cell is None:
        return "–"
    if cell.error:
        return "failed"
    text = quantity(cell.value, row.unit)
    if cell.spread is not None and cell.spread >= spread_from:
        text += f" ±{cell.spread * 100:.0f}%"
    if column.key != NATIVE and (found := ratio(cell, native)) is not None:
        text += f" ×{digits(found)}"
    return f"{text} {MARKS[met(row, column.key, cell, native)]}".rstrip()


def lines(rows, columns, results, spread_from=0.0):
    """The head and each row with its group, as texts of cells; smaller spreads than that are left out."""
    published = any(row.published for row in rows)
    yield None, ["", "goal", *(column.title for column in columns), *(["nommu UML, published"] if published else [])]
    for row in rows:
        cells = results[row.name]
        yield row.group, [row.name, goal_text(row), *(cell_text(row, column, cells, spread_from) for column in columns),
                          *([f"×{digits(row.published)}" if row.published else ""] if published else [])]


def errors(rows, columns, results):
    for row in rows:
        for column in columns:
            if (cell := results[row.name].get(column.key)) and cell.error:
                yield f"{row.name}, {column.title}: {cell.error}"


def score(rows, columns, results):
    """How many of the goals are met, for each column that has any."""
    for column in columns:
        judged = [met(row, column.key, results[row.name].get(column.key), results[row.name].get(NATIVE)) for row in rows]
        judged = [value for value in judged if value is not None]
        if judged:
            yield f"{column.title}: {sum(judged)} of {len(judged)} goals met"


def terminal(rows, columns, results):
    table = list(lines(rows, columns, results, spread_from=0.1))
    widths = [max(map(len, cells)) for cells in zip(*(cells for _, cells in table))]
    text, group = [], None
    for name, cells in table:
        if name != group:
            text += ["", name]
            group = name
        text.append("  ".join(cell.ljust(width) if index == 0 else cell.rjust(width)
                              for index, (cell, width) in enumerate(zip(cells, widths))).rstrip())
    text += ["", *score(rows, columns, results), *(f"failed: {error}" for error in errors(rows, columns, results))]
    return "\n".join(text)


def markdown(rows, columns, results, machine, picture):
    text = ["# Benchmark", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine), "", LEGEND]
    group = None
    (_, head), *table = lines(rows, columns, results)
    for name, cells in table:
        if name != group:
            text += ["", f"## {name}", "", f"| {' | '.join(head)} |", f"|---{'|--:' * (len(head) - 1)}|"]
            group = name
        text.append(f"| {' | '.join(cells)} |")
    text += ["", *(f"- {line}" for line in score(rows, columns, results))]
    text += [f"- failed: {error}" for error in errors(rows, columns, results)]
    text += ["", f"![ratios to native]({picture})"] if picture else []
    return "\n".join([*text, ""])
