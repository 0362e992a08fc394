#!/usr/bin/env python3
"""What changed from one file of results to another, beyond their noise.

    bench/compare_results.py BEFORE.json AFTER.json [--fail-on-slower]

Rows are matched by what they compute. A time has changed where it moved by more than both rows' spreads together;
everything else is noise, and only counted. Rondo's times and its peer's are looked at alike: where the peer's have
changed as well, it is the machine that did, or the peer.
"""
import argparse
import json
import math
import sys

KEY = ("cell", "dtype", "hidden", "input", "batch", "steps", "layers", "directions", "ragged", "pass")


def read(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    rows = {tuple(row.get(name) for name in KEY): row for row in data["rows"]}
    if len(rows) != len(data["rows"]):
        sys.exit(f"compare_results: {path} holds a row twice")
    return data, rows


def name_of(key):
    named = dict(zip(KEY, key))
    return (f"{named['cell']}/{named['dtype']}/H{named['hidden']}/I{named['input']}/B{named['batch']}/"
            f"T{named['steps']}/L{named['layers']}/D{named['directions']}/{named['pass']}" + ("/ragged" if named["ragged"] else ""))


def times(row):
    """{"rondo": us, "cudnn": us}, or whichever peer the file has."""
    return {name[:-3]: value for name, value in row.items() if name.endswith("_us")}


def compare(before, after):
    """[(key, who, before us, after us, noise, beyond it)] of the rows and sides that both have."""
    made = []
    for key in before:
        if key not in after:
            continue
        noise = before[key]["spread"] + after[key]["spread"]
        old, new = times(before[key]), times(after[key])
        made += [(key, who, old[who], new[who], noise, abs(math.log(new[who] / old[who])) > math.log1p(noise))
                 for who in old if who in new]
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--fail-on-slower", action="store_true", help="exit code 1 where Rondo became slower")
    args = parser.parse_args()
    (old, before), (new, after) = read(args.before), read(args.after)

    for what in ("gpu", "cpu", "driver_version", "toolkit", "cudnn"):
        was, now = (data.get("machine", {}).get(what) for data in (old, new))
        if was != now:
            print(f"another {what}: {was} -> {now}")
    compared = compare(before, after)
    slower = False
    for who in dict.fromkeys(entry[1] for entry in compared):
        own = [entry for entry in compared if entry[1] == who]
        changed = sorted((entry for entry in own if entry[5]), key=lambda entry: entry[3] / entry[2], reverse=True)
        slower = slower or who == "rondo" and any(entry[3] > entry[2] for entry in changed)
        mean = math.exp(sum(math.log(entry[2] / entry[3]) for entry in own) / len(own))
        print(f"{who}: {len(own)} rows, {len(changed)} changed beyond noise; {mean:.3f} times as fast in the mean")
        for key, _, was, now, noise, _ in changed:
            print(f"  {'slower' if now > was else 'faster'} {name_of(key)}: {was:.1f} -> {now:.1f} us "
                  f"({100 * (now / was - 1):+.1f} %, noise {100 * noise:.1f} %)")
    for title, ours, theirs in (("only before", before, after), ("only after", after, before)):
        for key in ours:
            if key not in theirs:
                print(f"{title}: {name_of(key)}")
    return 1 if args.fail_on_slower and slower else 0


if __name__ == "__main__":
    sys.exit(main())
