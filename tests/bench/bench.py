#!/usr/bin/env python3
"""bench BUILD [ROW...] - Postern beside Debian's Postfix in the same run, as ratios.

Each row runs both systems in turns (PAIRS times, 3 unless set) and prints the medians and their ratio. SCALE=0.5 halves the
number of messages. A run of all rows is written into docs/measurements.md, between its two marks. Needs root, for
Postfix's instance.
"""
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
os.environ["POSTERN_BUILD"] = str(BUILD)

from system import TUNING  # noqa: E402
from rows import ROWS  # noqa: E402

PAIRS, SCALE = int(os.environ.get("PAIRS", "3")), float(os.environ.get("SCALE", "1"))
PAGE = Path(__file__).resolve().parents[2] / "docs/measurements.md"


def measure(name):
    """[(figure, Postern's median, Postfix's, ratio)], the latter two None in a row of Postern's own."""
    row = ROWS[name]
    results = {"postern": []} if row.alone else {"postern": [], "postfix": []}
    for _ in range(1 if row.once else PAIRS):
        for mta in results:
            results[mta].append(row.run(mta, SCALE))
    figures = []
    for figure in results["postern"][0]:
        medians = [statistics.median(r[figure] for r in runs) for runs in results.values()]
        ratio = None if row.alone else statistics.median(a[figure] / b[figure] if b[figure] else 0
                                                         for a, b in zip(results["postern"], results["postfix"]))
        figures.append((figure, medians[0], None if row.alone else medians[1], ratio))
    return figures


def number(value):
    """Three digits that count, or more."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def machine():
    version = subprocess.run(["postconf", "-h", "mail_version"], check=True, capture_output=True, text=True).stdout.strip()
    kind = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", "/tmp"], capture_output=True, text=True).stdout.strip()
    return (f"Postfix {version}; {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, queues on {kind}; medians of {PAIRS} paired "
            f"runs, one for rows that take minutes; both with {', '.join(f'{k} = {v}' for k, v in TUNING.items())}, everything else as shipped.")


def write_page(rows):
    lines = ["| row | figure | Postern | Postfix | ratio | want |", "|---|---|---|---|---|---|"]
    for name, figures in rows.items():
        want = ROWS[name].want
        for index, (figure, ours, theirs, ratio) in enumerate(figures):
            title = f"{name}: {ROWS[name].title}" if index == 0 else ""
            lines.append(f"| {title} | {figure} | {number(ours)} | {number(theirs)} | {number(ratio)} | "
                         f"{want.get(figure, '')} |")
    text = "<!-- bench -->\n" + machine() + "\n\n" + "\n".join(lines) + "\n<!-- /bench -->"
    page = PAGE.read_text()
    PAGE.write_text(re.sub(r"<!-- bench -->.*<!-- /bench -->", lambda match: text, page, flags=re.DOTALL))


def main():
    names = sys.argv[2:] or list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        sys.exit(f"no row {', '.join(unknown)}; there are: {', '.join(ROWS)}")
    print(machine())
    rows = {}
    for name in names:
        rows[name] = measure(name)
        print(f"\n{name}: {ROWS[name].title}")
        for figure, ours, theirs, ratio in rows[name]:
            print(f"  {figure:32} Postern {number(ours):>9}   Postfix {number(theirs):>9}   ratio {number(ratio):>5}", flush=True)
    if len(names) == len(ROWS):
        write_page(rows)


if __name__ == "__main__":
    main()
