#!/usr/bin/env python3
"""score.py MANIFEST RESULTS [-v]: compares a detector's digits with those of the generated audio.

RESULTS has a line for each file, {"file": ..., "hits": [["5", milliseconds], ...]}. A hit is right if it is
the digit of a tone and comes between the tone's beginning and 90 ms after its end; any other one is extra.
With -v it names the files with faults. The exit code is 1 if the promise of docs/dtmf.md is broken.
"""

import json
import os
import sys

BEHIND_MAX_MS = 90
MUSTS_FOUND_MIN = 4674
MUSTS_EXTRA_MAX = 0
FALSE_MAX = 12
CLASSES = {
    "must": "must be heard",
    "must_not": "must not be heard",
    "info": "beyond the limits: for information",
}


def score(events, hits):
    """How many of the events were found, and how many hits are left over."""
    left, found = list(hits), 0
    for digit, begin, length in events:
        own = next((h for h in left if h[0] == digit and begin <= h[1] <= begin + length + BEHIND_MAX_MS), None)
        if own:
            left.remove(own)
            found += 1
    return found, len(left)


def row(name, found, digits, extra, minutes):
    result = f"{found:,} of {digits:,}, {extra} extra" if digits else f"{extra} false in {minutes:.1f} min"
    print(f"{name:<54}{result:>28}")


def table(cases, verbose):
    """Prints the groups of one class and returns their sums."""
    groups = {}
    for case, hits in cases:
        found, extra = score(case["events"], hits)
        sums = groups.setdefault(case["group"], [0, 0, 0, 0.0])
        for at, more in enumerate((found, len(case["events"]), extra, case["seconds"] / 60)):
            sums[at] += more
        if verbose and (found < len(case["events"]) or extra):
            print(f"  {case['file']}: {found} of {len(case['events'])}, {extra} extra")
    for name, sums in groups.items():
        row(name, *sums)
    total = [sum(sums[at] for sums in groups.values()) for at in range(4)]
    row("total", *total)
    return total


def main(manifest, results, verbose):
    with open(manifest, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    with open(results, encoding="utf-8") as file:
        hits = {os.path.basename(line["file"]): line["hits"] for line in map(json.loads, file)}
    totals = {}
    for name, title in CLASSES.items():
        print(f"\n{title}")
        own = [(case, hits[os.path.basename(case["file"])]) for case in cases if case["cls"] == name]
        totals[name] = table(own, verbose)
    found, _, extra, _ = totals["must"]
    kept = found >= MUSTS_FOUND_MIN and extra <= MUSTS_EXTRA_MAX and totals["must_not"][2] <= FALSE_MAX
    print(
        f"\npromised: {MUSTS_FOUND_MIN:,} digits, {MUSTS_EXTRA_MAX} extra, at most {FALSE_MAX} false: "
        + ("kept" if kept else "BROKEN")
    )
    return 0 if kept else 1


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    sys.exit(main(*arguments, "-v" in sys.argv))
