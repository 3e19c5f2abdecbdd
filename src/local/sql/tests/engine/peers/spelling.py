"""What Redshift does otherwise than its peers, by design, and how a peer is asked for the same.

Names are a peer's own for what Redshift calls otherwise; the rest are known differences, each with its reason.
"""

import re
from dataclasses import dataclass

# A backslash escapes in texts, nulls are the largest values, and whole numbers give a whole quotient.
SETTINGS = {
    "postgres": ["set standard_conforming_strings = off", "set escape_string_warning = off"],
    "duckdb": ["set default_null_order = 'nulls_last_on_asc_first_on_desc'", "set integer_division = true"],
}

# Decimals of the columns that are no whole numbers.
SCALES = {"price": 2}


@dataclass
class Call:
    """A call as it was written: its arguments, the order of WITHIN GROUP, and what is behind it from OVER on."""

    args: list
    order: str = ""
    over: str = ""

    @property
    def all(self):
        return ", ".join(self.args)

    def named(self, name):
        return f"{name}({self.all}){self.over}"


def scale(value):
    return next((scale for column, scale in SCALES.items() if column in value), 0)


def average(call):
    """That of whole numbers is whole, that of decimals has theirs. What is behind is cut off, as when dividing."""
    value = call.args[0]
    if "::float8" in value:
        return call.named("avg")
    places = scale(value)
    # The peer's floating point is first made as exact as it should be.
    exact = f"cast(avg({value}){call.over} as numeric(38,6))"
    return f"cast(trunc({exact}, {places}) as numeric(38,{places}))"


def percentile(function, fraction, value, over):
    """Percentiles of exact numbers are exact: they have the decimals of the fraction besides."""
    places = scale(value) + len(fraction.partition(".")[2])
    return f"cast({function}{over} as numeric(38,{places}))"


def ordered_set(fraction, order):
    return f"percentile_cont({fraction}) within group (order by {order})"


def postgres_percentile(call):
    value = call.order.removesuffix(" desc")
    return percentile(ordered_set(call.args[0], call.order), call.args[0], value, "")


def duckdb_percentile(call):
    (fraction,), value = call.args, call.order
    return percentile(f"quantile_cont({value}::float8, {fraction})", fraction, value, call.over)


def part_and(call):
    """The part of a date is a word there, and a text here."""
    part, *rest = call.args
    return [f"'{part}'", *rest]


def datediff(call):
    """The borders between weeks are crossed on Sundays."""
    part, *days = part_and(call)
    if part == "'week'":
        start, end = (f"date_trunc('week', {day}::timestamp + interval '1 day')::date" for day in days)
        return f"({end} - {start}) / 7"
    return f"date_diff({part}, {', '.join(days)})"


def dateadd(call):
    """Whatever is added, the result is a timestamp."""
    part, count, at = call.args
    return f"({at}::timestamp + {count} * interval '1 {part}')"


# EXTRACT counts in whole numbers; only seconds and what is counted in them may have decimals.
def extract(call):
    return f"cast({call.named('extract')} as int)"


def renamed(name):
    return lambda call: call.named(name)


def swapped(name):
    return lambda call: f"{name}({call.args[1]}, {call.args[0]})"


def listed(call):
    """LISTAGG puts its order behind."""
    order = f" order by {call.order}" if call.order else ""
    return f"string_agg({call.all}{order}){call.over}"


SPELLINGS = {
    "postgres": {
        "avg": average,
        "bpcharcmp": lambda call: "sign(0)",
        "charindex": swapped("strpos"),
        # NULL beside a text is null in CONCAT.
        "concat": lambda call: f"({call.args[0]} || {call.args[1]})",
        "dateadd": dateadd,
        "datediff": lambda call: f"({call.args[2]}::date - {call.args[1]}::date)",
        "extract": extract,
        "last_day": lambda call: f"cast(date_trunc('month', {call.all}) + interval '1 month - 1 day' as date)",
        "len": renamed("length"),
        "listagg": listed,
        "median": lambda call: percentile(ordered_set("0.5", call.all), "0.5", call.all, ""),
        "nvl": renamed("coalesce"),
        "nvl2": lambda call: "case when {} is not null then {} else {} end".format(*call.args),
        "percentile_cont": postgres_percentile,
        # All that is found is replaced.
        "regexp_replace": lambda call: f"regexp_replace({call.all}, 'g')",
        "sha2": lambda call: f"encode(sha256({call.args[0]}::bytea), 'hex')",
        "textlen": renamed("length"),
    },
    "duckdb": {
        "avg": average,
        "charindex": swapped("strpos"),
        "concat": lambda call: f"({call.args[0]} || {call.args[1]})",
        "dateadd": dateadd,
        "datediff": datediff,
        "extract": extract,
        # Of a date it is a date there.
        "date_trunc": lambda call: f"cast({call.named('date_trunc')} as timestamp)",
        "len": renamed("length"),
        "listagg": listed,
        "median": lambda call: percentile(f"quantile_cont({call.all}::float8, 0.5)", "0.5", call.all, call.over),
        "nvl": renamed("coalesce"),
        "octet_length": renamed("strlen"),
        "percentile_cont": duckdb_percentile,
        "percentile_disc": lambda call: f"quantile_disc({call.order}, {call.all}){call.over}",
        "ratio_to_report": lambda call: f"({call.all}::float8 / sum({call.all}){call.over})",
        "split_part": lambda call: call.named("split_part"),
    },
}

# Words that are no calls.
WORDS = {
    "postgres": [(r"\bminus\b", "except"), (r"^select top (\d+) (.*)$", r"select \2 limit \1")],
    "duckdb": [(r"\bminus\b", "except"), (r"^select top (\d+) (.*)$", r"select \2 limit \1")],
}

# A text, or where a call begins.
PIECE = re.compile(r"'(?:[^']|'')*'|\b([a-z_0-9]+)\(")
CLAUSE = re.compile(r" (within group|over) \(")


def spelled(peer, sql):
    """Returns a statement as the peer has to be asked."""
    for pattern, replacement in WORDS[peer]:
        sql = re.sub(pattern, replacement, sql)
    return respelled(sql, SPELLINGS[peer])


def respelled(sql, spellings):
    out, at = [], 0
    while piece := PIECE.search(sql, at):
        out.append(sql[at : piece.start()])
        at = piece.end()
        if piece[1] not in spellings:
            out.append(piece[0])
            continue
        inner, at = enclosed(sql, at)
        call = Call([respelled(arg, spellings) for arg in parted(inner)])
        while clause := CLAUSE.match(sql, at):
            inner, at = enclosed(sql, clause.end())
            inner = respelled(inner, spellings)
            if clause[1] == "over":
                call.over = f" over ({inner})"
            else:
                call.order = inner.removeprefix("order by ")
        out.append(spellings[piece[1]](call))
    return "".join([*out, sql[at:]])


def pieces(sql, at):
    """The characters outside of texts, with how deep they are."""
    depth = 0
    while at < len(sql):
        if sql[at] == "'":
            at = sql.index("'", at + 1)
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        yield at, depth
        at += 1


def enclosed(sql, at):
    """Returns what is before the bracket that closes, and where it goes on."""
    end = next(place for place, depth in pieces(sql, at) if depth < 0)
    return sql[at:end], end + 1


def parted(sql):
    """Returns what is between the commas."""
    commas = [place for place, depth in pieces(sql, 0) if depth == 0 and sql[place] == ","]
    starts = [0, *(comma + 1 for comma in commas)]
    return [sql[start:end].strip() for start, end in zip(starts, [*commas, len(sql)]) if sql.strip()]
