"""Result files as a table of plain text or Markdown."""

from typing import Any


def number(value: float | None) -> str:
    if value is None:
        return "-"
    magnitude = abs(value)
    if magnitude >= 1000:
        return f"{value:,.0f}"
    digits = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 1 else 3
    return f"{value:.{digits}f}"


def rows(records: list[dict[str, Any]]) -> list[list[str]]:
    """The header, then one row a record."""
    peers = list(dict.fromkeys(name for r in records for name in r["peers"]))
    header = ["figure", "case", "unit", "ours", *peers, "ratio", "must", "holds", "spread"]
    told = any(r.get("how") for r in records)
    if told:
        header.append("how")
    table = [header]
    for r in records:
        cells = [
            "missing" if name in r["missing"] else number(r["peers"].get(name)) for name in peers
        ]
        holds = "-" if r["holds"] is None else "yes" if r["holds"] else "NO"
        ratio = "-" if r["ratio"] is None else f"{r['ratio']:.2f}"
        spread = "-" if r["spread"] is None else f"{r['spread'] * 100:.0f}%"
        row = [r["figure"], r["case"], r["unit"], number(r["ours"]), *cells]
        row += [ratio, r["must"] or "-", holds, spread]
        table.append([*row, r.get("how", "")] if told else row)
    return table


def plain(records: list[dict[str, Any]]) -> str:
    table = rows(records)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def markdown(records: list[dict[str, Any]]) -> str:
    header, *body = rows(records)
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
