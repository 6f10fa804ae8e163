"""From rounds to a table: medians, spreads, ratios per round, and whether the wanted limit is met."""

import statistics

from scenarios import BEST

# A proxy that waited longer than this for its core shared it with other programs, and its caches, too.
DISTURBED_SHARE = 0.05

SUBJECT = "usher"


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(scenario, rounds):
    """`rounds`: one {peer name: result of measure()} per round."""
    peers = {name: spread([one[name]["value"] for one in rounds]) for name in rounds[0]}
    base = _base(scenario, peers)
    if base:
        for name, summary in peers.items():
            summary["ratio"] = spread([one[name]["value"] / one[base]["value"] for one in rounds])
    disturbed = sum(any(result["waiting_share"] > DISTURBED_SHARE for result in one.values())
                    for one in rounds)
    return {"title": scenario.title, "unit": scenario.unit, "disturbed_rounds": disturbed, "base": base,
            "peers": peers, "wanted": _wanted(scenario, peers.get(SUBJECT)), "rounds": rounds}


def _base(scenario, peers):
    """The name of whom ratios are taken of; None if it was not measured."""
    if scenario.base != BEST:
        return scenario.base if scenario.base in peers else None
    others = [name for name in peers if name != SUBJECT]
    return min(others, key=lambda name: peers[name]["median"], default=None)


def _wanted(scenario, subject):
    """The limit, the figure it is held against, and `met`: None where nothing was measured for it."""
    if scenario.wanted_ratio is not None:
        limit, text = scenario.wanted_ratio, f"≤ {scenario.wanted_ratio:.2f} × {scenario.base}"
        figure = subject["ratio"]["median"] if subject and "ratio" in subject else None
    elif scenario.wanted_value is not None:
        limit, text = scenario.wanted_value, f"≤ {scenario.wanted_value:g} {scenario.unit}"
        figure = subject["median"] if subject else None
    else:
        return None
    return {"limit": limit, "text": text, "met": None if figure is None else figure <= limit}


def lines(summary):
    """The table's lines of one scenario."""
    disturbed, base = summary["disturbed_rounds"], summary["base"]
    note = f"   [{disturbed} of {len(summary['rounds'])} rounds disturbed by other programs]"
    yield f"{summary['title']} ({summary['unit']})" + (note if disturbed else "")
    for name, peer in summary["peers"].items():
        cost = f"{peer['median']:9.2f}  ({peer['min']:.2f}–{peer['max']:.2f})"
        ratio = ""
        if "ratio" in peer and name != base:
            one = peer["ratio"]
            ratio = f"{one['median']:.3f} × {base} ({one['min']:.3f}–{one['max']:.3f})"
        verdict = ""
        if name == SUBJECT and summary["wanted"]:
            wanted = summary["wanted"]
            words = {True: "met", False: "NOT MET", None: "nobody to compare with"}[wanted["met"]]
            verdict = f"wanted {wanted['text']}: {words}"
        yield f"  {name:7} {cost:32} {ratio:40} {verdict}".rstrip()
