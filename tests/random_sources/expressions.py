"""Random mappings over raw columns, each in two forms: as a source says it, and as DuckDB computes it from the same raw value.

An expression knows its value (`duck`) and on which rows it has none because something in it is not what it is read as (`fails`).
"""

from dataclasses import dataclass

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
WHOLE = r"[+-]?[0-9]+(\.0)?|[+-]?[0-9]+[eE][+]?[0-9]+"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
INSTANT = DAY + r"([ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6}0*)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"


@dataclass(frozen=True)
class Raw:
    """A column of a file: `family` is what its values are like, `type` what the file or the source says it is (`text` where none does)."""
    name: str
    family: str
    type: str = "text"


@dataclass(frozen=True)
class Expression:
    """`fails` is SQL, or None where nothing can fail; `is_bare_text` is for a column of text that is meant as a number."""
    tranche: str
    duck: str
    fails: str | None = None
    is_bare_text: bool = False


def either(*conditions):
    """SQL for any of them, or None."""
    found = [f"({condition})" for condition in conditions if condition]
    return " OR ".join(found) if found else None


def matches(text, pattern):
    return f"regexp_full_match({text}, '{pattern}')"


def unless(text, is_good):
    """SQL for a text that is there and no good."""
    return f"({text} IS NOT NULL AND NOT coalesce({is_good}, false))"


# What a text is read as.

def number_of(raw):
    text = f"trim({raw})"
    return f"TRY_CAST(CASE WHEN {matches(text, NUMBER)} THEN {text} END AS DECIMAL(28,6))", unless(raw, matches(text, NUMBER))


def truth_of(raw):
    value = f"TRY_CAST(trim({raw}) AS BOOLEAN)"
    return value, unless(raw, f"{value} IS NOT NULL")


def instant_of(raw):
    text = f"trim({raw})"
    value = f"TRY_CAST(CASE WHEN {matches(text, INSTANT)} THEN {text} END AS TIMESTAMPTZ)"
    return value, unless(raw, f"{value} IS NOT NULL")


# What becomes of a value in a column: SQL of the value, and of the rows that are rejected.

def of_text(raw, target):
    """By name, or of a declared type."""
    text = f"trim({raw})"
    if target == "utf8":
        return raw, None
    if target in ("int32", "int64"):
        bits = int(target[3:])
        exact = f"TRY_CAST(regexp_replace(CASE WHEN {matches(text, WHOLE)} THEN {text} END, '\\.0$', '') AS DECIMAL(38,0))"
        return f"TRY_CAST({exact} AS {'INTEGER' if bits == 32 else 'BIGINT'})", unless(
            raw, f"{exact} BETWEEN -{2 ** (bits - 1)}::DECIMAL(38,0) AND {2 ** (bits - 1) - 1}::DECIMAL(38,0)")
    if target == "float64":
        value = f"TRY_CAST(CASE WHEN {matches(text, NUMBER)} THEN {text} END AS DOUBLE)"
        whole = f"TRY_CAST({text} AS DECIMAL(38,0))"
        keeps = f"({matches(text, '.*[.eE].*')} OR abs({value}) <= 9007199254740992 OR {value}::DECIMAL(38,0) = {whole})"
        return value, unless(raw, f"isfinite({value}) AND {keeps}")
    if target.startswith("decimal"):
        precision, scale = sizes(target)
        value = f"TRY_CAST(CASE WHEN {matches(text, NUMBER)} THEN {text} END AS DECIMAL(38,12))"
        good = f"{value} = round({value}, {scale}) AND abs({value}) < 1{'0' * (precision - scale)}"
        return f"TRY_CAST({value} AS DECIMAL({precision},{scale}))", unless(raw, good)
    if target == "boolean":
        return truth_of(raw)
    instant, fails = instant_of(raw)
    if target == "date32":
        return f"CAST({instant} AS DATE)", unless(raw, f"{instant} = date_trunc('day', {instant})")
    return instant, fails


def of_number(value, target, is_computed=True):
    """Of an exact number; what is computed is rounded to the digits of a decimal column."""
    if target in ("int32", "int64"):
        bits = int(target[3:])
        good = f"{value} = trunc({value}) AND {value} BETWEEN -{2 ** (bits - 1)} AND {2 ** (bits - 1) - 1}"
        return f"TRY_CAST({value} AS {'INTEGER' if bits == 32 else 'BIGINT'})", unless(value, good)
    if target == "float64":
        # A whole number that no float is would be another one.
        return f"CAST({value} AS DOUBLE)", f"{value} = trunc({value}) AND {value}::DOUBLE::DECIMAL(38,0) <> {value}"
    precision, scale = sizes(target)
    rounded = f"round({value}, {scale})" if is_computed else value
    good = f"abs({rounded}) < 1{'0' * (precision - scale)}" + ("" if is_computed else f" AND {value} = round({value}, {scale})")
    return f"TRY_CAST({rounded} AS DECIMAL({precision},{scale}))", unless(value, good)


def sizes(decimal):
    precision, scale = decimal.removeprefix("decimal(").removesuffix(")").split(",")
    return int(precision), int(scale)


def settled(expression):
    """A lone column of text stays a text wherever nothing asks for a number: a sum does."""
    if not expression.is_bare_text:
        return expression
    return Expression(f"(0 + {expression.tranche})", expression.duck, expression.fails)


def guarded(left, right):
    """The sides of AND and OR, each with what may guard it: the left one guards the right, and the right one the left where it cannot fail."""
    return [(left, right if right.fails is None else None), (right, left)]


def undecided(side, other, decides):
    """SQL for the rows on which one side fails and the other does not decide what both are."""
    if side.fails is None or other is None:
        return side.fails
    return f"({side.fails}) AND NOT coalesce(({other.duck}) = {decides}, false)"


class Mappings:
    """Writes random expressions over some raw columns."""

    def __init__(self, random, raws):
        self.random, self.raws = random, raws

    def raw(self, *families):
        found = [raw for raw in self.raws if raw.family in families]
        return self.random.choice(found) if found else None

    def of(self, kind, depth=2):
        write = {"number": self.number, "text": self.text, "truth": self.truth, "instant": self.instant}[kind]
        return settled(write(depth))

    # Each of these takes how deep it may go.

    def number(self, depth, times=1):
        choose = self.random.randrange(12) if depth else self.random.randrange(2)
        raw = self.raw("number", "whole")
        if choose == 0 or raw is None:
            literal = self.random.choice(["2", "0.5", "10", "1.25", "3"])
            return Expression(literal, f"{literal}::DECIMAL(6,2)")
        if choose <= 2 or depth == 0:
            return self.number_of(raw)
        if choose in (3, 4):
            left, right = self.number(depth - 1, 0), self.number(depth - 1, 0)
            sign = self.random.choice("+-")
            return self.joined(f"{left.tranche} {sign} ({right.tranche})", f"({left.duck} {sign} {right.duck})", left, right)
        if choose == 5 and times:
            # DuckDB multiplies decimals of at most 38 digits in all.
            left, right = self.factor(), self.factor()
            return self.joined(f"{left.tranche} * {right.tranche}", f"({left.duck}::DECIMAL(19,6) * {right.duck}::DECIMAL(19,6))", left, right)
        inner = self.number(depth - 1, times)
        if choose in (5, 6):
            return self.joined(f"-({inner.tranche})", f"(-{inner.duck})", inner)
        if choose == 7:
            return self.joined(f"abs({inner.tranche})", f"abs({inner.duck})", inner)
        if choose == 8:
            return self.joined(f"round({inner.tranche}, 1)", f"round({inner.duck}, 1)", inner)
        if choose == 9:
            # The other value is looked at only where the first is null, and cannot fail.
            first = settled(self.number_of(raw))
            return self.joined(f"coalesce({first.tranche}, 0)", f"coalesce({first.duck}, 0)", first)
        if choose == 10:
            text = self.text(0)
            return self.joined(f"char_length({text.tranche})", f"length({text.duck})::DECIMAL(9,0)", text)
        return self.case(self.number(depth - 1, times), self.number(0, 0))

    def factor(self):
        raw = self.raw("number")
        return self.number_of(raw) if raw else Expression("1.5", "1.5")

    def number_of(self, raw):
        if raw.type == "text":
            value, fails = number_of(raw.name)
            return Expression(raw.name, value, fails, is_bare_text=True)
        return Expression(raw.name, f"{raw.name}::DECIMAL(28,6)", None)

    def text(self, depth):
        raw = self.raw("text", "label")
        choose = self.random.randrange(9) if depth else 0
        if choose == 0:
            return Expression(raw.name, raw.name)
        inner = self.text(depth - 1)
        if choose <= 3:
            call = self.random.choice(["upper", "lower", "trim"])
            return self.joined(f"{call}({inner.tranche})", f"{call}({inner.duck})", inner)
        if choose == 4:
            other = self.text(depth - 1)
            return self.joined(f"{inner.tranche} || '-' || {other.tranche}", f"({inner.duck} || '-' || {other.duck})", inner, other)
        if choose == 5:
            return self.joined(f"coalesce({inner.tranche}, '?')", f"coalesce({inner.duck}, '?')", inner)
        if choose == 6:
            return self.joined(f"substr({inner.tranche}, 2, 3)", f"substr({inner.duck}, 2, 3)", inner)
        if choose == 7:
            return self.joined(f"nullif({inner.tranche}, 'red')", f"nullif({inner.duck}, 'red')", inner)
        return self.case(inner, self.text(0))

    def truth(self, depth):
        raw = self.random.choice(self.raws)
        choose = self.random.randrange(8) if depth else self.random.randrange(5)
        flag = self.raw("truth")
        if choose == 0 and flag:
            value, fails = truth_of(flag.name) if flag.type == "text" else (flag.name, None)
            return Expression(f"({flag.name} AND TRUE)", value, fails)
        number = self.raw("number", "whole")
        if choose in (1, 2) and number:
            value = self.number_of(number)
            if choose == 1:
                return Expression(f"{number.name} BETWEEN -5 AND 20.5", f"{value.duck} BETWEEN -5 AND 20.5", value.fails)
            return Expression(f"{number.name} > 3", f"{value.duck} > 3", value.fails)
        if choose == 3:
            text = self.text(0)
            return Expression(f"{text.tranche} IN ('red', 'blue')", f"{text.duck} IN ('red', 'blue')")
        if choose <= 4:
            return Expression(f"{raw.name} IS NULL", f"{raw.name} IS NULL")
        left = self.truth(depth - 1)
        if choose == 5:
            return self.joined(f"NOT ({left.tranche})", f"(NOT ({left.duck}))", left)
        right = self.truth(depth - 1)
        word, decides = ("AND", "false") if choose == 6 else ("OR", "true")
        return Expression(f"(({left.tranche}) {word} ({right.tranche}))", f"(({left.duck}) {word} ({right.duck}))",
                          either(*(undecided(side, other, decides) for side, other in guarded(left, right))))

    def instant(self, depth):
        raw = self.raw("instant", "day")
        value, fails = instant_of(raw.name) if raw.type == "text" else (f"{raw.name}::TIMESTAMPTZ", None)
        base = Expression(f"to_timestamp({raw.name})", value, fails)
        choose = self.random.randrange(4) if depth else 0
        if choose == 1:
            days = self.random.randrange(1, 400)
            return self.joined(f"{base.tranche} + INTERVAL '{days} days'", f"({base.duck} + INTERVAL '{days} days')", base)
        if choose == 2:
            unit = self.random.choice(["day", "month", "hour"])
            return self.joined(f"date_trunc('{unit}', {base.tranche})", f"date_trunc('{unit}', {base.duck})", base)
        return base

    def case(self, then, otherwise):
        condition, then, otherwise = self.truth(1), settled(then), settled(otherwise)
        taken = f"coalesce({condition.duck}, false)"
        fails = either(condition.fails, then.fails and f"{taken} AND ({then.fails})",
                       otherwise.fails and f"NOT {taken} AND ({otherwise.fails})")
        return Expression(f"CASE WHEN {condition.tranche} THEN {then.tranche} ELSE {otherwise.tranche} END",
                          f"CASE WHEN {condition.duck} THEN {then.duck} ELSE {otherwise.duck} END", fails)

    @staticmethod
    def joined(tranche, duck, *parts):
        return Expression(tranche, duck, either(*(part.fails for part in parts)))
