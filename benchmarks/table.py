"""
The table of a run, as reStructuredText.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from .measure import Results
from .scenarios import scenarios

Row = Sequence[str]
# Below this the server waited for its load, or for others on its core.
_BUSY = 0.9
# What pop3svc is to cost, as a share of Dovecot's and as a multiple of canned Twisted.
GOALS: dict[str, tuple[float, float | None]] = {
    "login": (1 / 4, 1.5),
    "plain": (1 / 4, 1.5),
    "poll": (1 / 10, 1.5),
    "drain": (1 / 2, 2.5),
    "pipelined": (1 / 2, None),
    "tls": (1 / 2, None),
}
_FAULTS = {
    "refused": "refused",
    "octets": "wrong octets",
    "content": "wrong content",
    "count": "wrong count",
    "malformed": "malformed",
    "closed": "hangs up",
    "timeout": "no answer",
    "bystander": "bystander lost",
    "setup": "not run",
}


def middle(cell: dict[str, Any], figure: str) -> float | None:
    """@return: the median of a figure over a cell's turns, or C{None} without any."""
    if cell["failure"] or not cell["samples"]:
        return None
    return median(each[figure] for each in cell["samples"])


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def grid(rows: Sequence[Row]) -> str:
    """@param rows: the first is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)

    def line(row: Row) -> str:
        return "  ".join(map(str.ljust, row, widths)).rstrip()

    return "\n".join((rule, line(rows[0]), rule, *map(line, rows[1:]), rule)) + "\n"


class _Notes:
    """What is told below a table of those who failed in it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def of(self, what: str, server: str, failure: dict[str, str]) -> str:
        """@return: what stands in the cell."""
        self.lines.append(f"* {server}, {what}: {failure['text']}")
        return _FAULTS[failure["kind"]]


def writeTable(results: Results, picture: str) -> str:
    """
    @param results: of a run, as L{benchmarks.run.measure} returns them.
    @param picture: the name of its picture, in the same directory.
    """
    notes = _Notes()
    parts = [_heading(results), f".. image:: {picture}\n"]
    if results["scenarios"]:
        parts += _costs(results, notes)
    if "idle" in results:
        parts += _idle(results, notes)
    if "big" in results:
        parts += _big(results, notes)
    if notes.lines:
        parts += [_title("Wrong answers"), "\n".join(notes.lines) + "\n"]
    return "\n".join(parts)


def _heading(results: Results) -> str:
    machine = results["machine"]
    exact = "control groups" if results["exact"] else "the times of processes, to 10 ms"
    title = f"Benchmark, {results['form']} form"
    return f"""\
{title}
{"=" * len(title)}

{machine["when"]}, {machine["processor"]}, {machine["cores"]} cores, Linux {machine["kernel"]}, \
Python {machine["python"]}.
Servers on core {machine["serverCores"]}, load on core {machine["loadCores"]}; they take turns, \
and medians are shown.
Processor time is what the kernel's accounting by {exact} says, children included.
Compare within this page only: another machine, or another hour of this one, has other figures.
"""


def _title(text: str) -> str:
    return f"{text}\n{'-' * len(text)}\n"


def _costs(results: Results, notes: _Notes) -> list[str]:
    servers, done = results["servers"], results["scenarios"]
    chosen = [each for each in scenarios() if each.name in done]
    costs: list[Row] = [("ms of processor a session", *servers)]
    rates: list[Row] = [("sessions a second (p50, p99 ms)", *servers)]
    noops: list[Row] = [("NOOP of a bystander, p50, p99 ms", *servers)]
    speeds: list[Row] = [("MB a second", *servers)]
    busy: list[Row] = [("core busy, of it the server; load", *servers)]
    for scenario in chosen:
        cells = [done[scenario.name][server] for server in servers]
        texts: list[str] = []
        others: list[str] = []
        watched: list[str] = []
        loads: list[str] = []
        for server, cell in zip(servers, cells, strict=True):
            if cell["failure"]:
                texts.append(notes.of(scenario.title, server, cell["failure"]))
                for each in (others, watched, loads):
                    each.append("-")
                continue
            idle = (middle(cell, "busy") or 0) < _BUSY
            texts.append(number(middle(cell, "cost")) + (" (not busy)" if idle else ""))
            rate, p50, p99 = (number(middle(cell, each)) for each in ("rate", "p50", "p99"))
            others.append(f"{rate} ({p50}, {p99})")
            watched.append(", ".join(map(number, cell["bystander"])) if cell["bystander"] else "-")
            shares = (f"{middle(cell, each):.0%}" for each in ("busy", "share", "generator"))
            loads.append("{}, {}; {}".format(*shares))
        costs.append((scenario.title, *texts))
        rates.append((scenario.title, *others))
        noops.append((scenario.title, *watched))
        busy.append((scenario.title, *loads))
        if scenario.transfer:
            speeds.append((scenario.title, *(number(middle(each, "megabytes")) for each in cells)))
    parts = [_title("What a session costs"), grid(costs)]
    if "pop3svc" in servers:
        parts += [_title("Beside others"), grid(_ratios(results, chosen))]
    parts += [_title("How fast"), grid(rates)]
    if len(speeds) > 1:
        parts.append(grid(speeds))
    return [
        *parts,
        _title("Somebody else meanwhile"),
        grid(noops),
        _title("Whether the server was the limit"),
        grid(busy),
    ]


def _ratios(results: Results, chosen: Iterable[Any]) -> list[Row]:
    rows: list[Row] = [("cost of pop3svc", "to dovecot", "goal", "to canned", "goal")]
    for scenario in chosen:
        cells = results["scenarios"][scenario.name]
        row = [scenario.title]
        for peer, goal in zip(
            ("dovecot", "canned"), GOALS.get(scenario.name, (None, None)), strict=True
        ):
            other = middle(cells[peer], "cost") if peer in cells else None
            own = middle(cells["pop3svc"], "cost")
            ratio = own / other if own is not None and other else None
            verdict = (
                "" if goal is None or ratio is None else " met" if ratio <= goal else " missed"
            )
            row += [number(ratio), number(goal) + verdict]
        rows.append(row)
    return rows


def _idle(results: Results, notes: _Notes) -> list[str]:
    servers = results["servers"]
    rows: list[Row] = [("KiB (PSS) an idle session", *servers)]
    for way, counts in results["idle"].items():
        for count, cells in counts.items():
            title = f"{count} sessions, {way}"
            values = (cells[server] for server in servers)
            rows.append(
                (
                    title,
                    *(
                        notes.of(title, server, each) if isinstance(each, dict) else number(each)
                        for server, each in zip(servers, values, strict=True)
                    ),
                )
            )
    return [_title("Memory"), grid(rows)]


def _big(results: Results, notes: _Notes) -> list[str]:
    names = list(results["big"])
    title = f"A maildrop of {results['bigMessages']:,} messages"
    rows: list[Row] = [("ms wall (ms of processor)", *names)]
    texts = {
        "first": "first open ever",
        "unchanged": "poll, unchanged",
        "delivered": "poll after one delivery",
    }
    good = {name: cell for name, cell in results["big"].items() if not cell["failure"]}
    for part, text in texts.items():
        row = [text]
        for name in names:
            if name in good:
                wall, cost = (median(good[name][part][each]) for each in ("wall", "cost"))
                row.append(f"{number(wall)} ({number(cost)})")
            else:
                failure = results["big"][name]["failure"]
                row.append(notes.of(title, name, failure) if part == "first" else "-")
        rows.append(row)

    def cells(value: Any) -> list[str]:
        return [number(value(good[name])) if name in good else "-" for name in names]

    rows.append(
        (
            "NOOP p99 during the first open, ms",
            *cells(lambda x: median(p for _, p in x["bystander"])),
        )
    )
    for text, later in (("held while in use", "during"), ("held afterwards", "after")):
        grown = cells(lambda x, to=later: (x["memory"][to] - x["memory"]["before"]) / 1024)
        rows.append((f"memory {text}, MiB", *grown))
    return [_title(title), grid(rows)]
