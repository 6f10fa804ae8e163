"""The report of a run, for people."""

from chaos import records

_SHOWN_MAX = 20  # of the connections that went wrong


def clock(seconds):
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def fault_line(happened, start):
    return (f"  {clock(happened.began - start)}  {happened.ended - happened.began:4.1f} s  "
            f"{happened.fault:24}{happened.evidence}")


def connection_lines(tally):
    counts = tally.counts
    by_version = ", ".join(f"{count} {version}" for version, count in sorted(tally.versions.items()))
    return [
        f"  {tally.returning()} with a ticket within policy: {counts[records.RESUMED]} resumed ({by_version}; "
        f"{tally.moved} at another proxy than before), {counts[records.LOST]} lost",
        f"  {counts[records.REFUSED] + counts[records.OVERDUE]} with a ticket older than policy: "
        f"{counts[records.REFUSED]} refused, {counts[records.OVERDUE]} resumed",
        f"  {counts[records.FAILED]} failed; {counts[records.FIRST]} came without one, "
        f"{counts[records.BETWEEN]} in a session's last second, "
        f"{counts[records.NOT_COUNTED]} at a proxy that was away",
        f"  {tally.without_ticket} left without a ticket",
    ]


def wrong_lines(fleet, tally, start, happened):
    """What is known of each connection that went wrong, with the proxy's own word on it."""
    lines = []
    for verdict, record in tally.wrong[:_SHOWN_MAX]:
        proxy = fleet.proxies[record.node]
        age = f"{record.began - record.since[0]:.1f} s old" if record.since else "none"
        origin = fleet.proxies[record.origin].name if record.origin is not None else "-"
        last = max((h for h in happened if h.began <= record.began), key=lambda h: h.began, default=None)
        lines += [f"  {verdict} {clock(record.began - start)} {record.version} at {proxy.name}, ticket of "
                  f"{origin}, {age}{f'; after {last.fault}' if last else ''} {record.failure}",
                  f"    {proxy.access_line(record.port)}"]
    if len(tally.wrong) > _SHOWN_MAX:
        lines.append(f"  … and {len(tally.wrong) - _SHOWN_MAX} more")
    return lines
