"""Dates and timestamps."""

from shapes.base import COMPARE, DAYS, Theme, day, total

days = Theme("date", "Dates: arithmetic, parts, cutting, comparing.", ["moment", "orders"], 26)
clocks = Theme("timestamp", "Timestamps: intervals, parts, differences, texts.", ["moment", "orders"], 24)
THEMES = [days, clocks]

PARTS = ["year", "month", "day", "quarter", "week", "doy", "dow"]


def some(c, least=0):
    return f"m.id {c.choice(['<', '>', '<>'])} {c.randrange(2, 20)}"


@days.shape
def add_days(c):
    return f"SELECT m.id, m.day {c.choice(['+', '-'])} {c.randrange(1, 500)}, m.later - m.day FROM moment m WHERE {some(c)}"


@days.shape
def parts(c):
    names = c.sample(PARTS, 2)
    return f"SELECT m.id, {', '.join(f'EXTRACT({name} FROM m.day)' for name in names)} FROM moment m WHERE {some(c)}"


@days.shape
def date_part(c):
    return f"SELECT m.id, date_part('{c.choice(PARTS)}', m.{c.choice(['day', 'later'])}) FROM moment m WHERE {some(c)}"


@days.shape
def truncated(c):
    return f"SELECT m.id, date_trunc('{c.choice(['year', 'quarter', 'month', 'week', 'day'])}', m.{c.choice(['day', 'later'])})::DATE FROM moment m WHERE {some(c)}"


@days.shape
def add_months(c):
    number = c.choice([1, 2, 3, 12, 13, 24, -1, -2, -11, -12])
    return f"SELECT m.id, cast([[dateadd(month, {number}, m.day)~~m.day + INTERVAL '{number} month']] AS DATE) FROM moment m WHERE {some(c)}"


@days.shape
def dateadd(c):
    # A year after 29 February is 1 March here, as the manual says, and 28 February there.
    unit, number = c.choice(["day", "week", "year", "quarter"]), c.choice([-5, -1, 1, 2, 3, 10])
    there = f"INTERVAL '{number * 3} month'" if unit == "quarter" else f"INTERVAL '{number} {unit}'"
    return f"SELECT m.id, cast([[dateadd({unit}, {number}, m.day)~~m.day + {there}]] AS DATE) FROM moment m WHERE {some(c)} AND m.id <> 1"


@days.shape
def datediff(c):
    unit = c.choice(["day", "month", "year"])
    theirs = {
        "day": "m.later - m.day",
        "month": "(EXTRACT(year FROM m.later) - EXTRACT(year FROM m.day)) * 12 + EXTRACT(month FROM m.later) - EXTRACT(month FROM m.day)",
        "year": "EXTRACT(year FROM m.later) - EXTRACT(year FROM m.day)",
    }[unit]
    return f"SELECT m.id, [[datediff({unit}, m.day, m.later)~~{theirs}~~date_diff('{unit}', m.day, m.later)]] FROM moment m WHERE {some(c)}"


@days.shape
def last_day(c):
    column = c.choice(["m.day", "m.later"])
    return f"SELECT m.id, [[last_day({column})~~(date_trunc('month', {column}) + INTERVAL '1 month' - INTERVAL '1 day')::DATE~~last_day({column})]] FROM moment m WHERE {some(c)}"


@days.shape
def by_part(c):
    part = c.choice(["year", "month", "quarter"])
    return f"SELECT EXTRACT({part} FROM o.ordered) AS part, count(*), min(o.ordered), max(o.ordered) FROM orders o WHERE o.ordered {c.choice(COMPARE[2:])} {day(c)} GROUP BY 1 {total(c, 4)}"


@days.shape
def compared(c):
    return f"SELECT m.id, m.day {c.choice(COMPARE)} m.later, m.day {c.choice(COMPARE)} '{c.choice(DAYS)}', m.day = m.start_at::DATE FROM moment m WHERE {some(c)}"


@clocks.shape
def parts_of(c):
    names = c.sample(PARTS + ["hour", "minute"], 3)
    return f"SELECT m.id, {', '.join(f'EXTRACT({name} FROM m.start_at)' for name in names)} FROM moment m WHERE {some(c)}"


@clocks.shape
def truncated_to(c):
    return f"SELECT m.id, date_trunc('{c.choice(['year', 'month', 'week', 'day', 'hour', 'minute', 'quarter'])}', m.{c.choice(['start_at', 'end_at'])}) FROM moment m WHERE {some(c)}"


@clocks.shape
def interval(c):
    step = c.choice(["1 hour", "36 hours", "90 minutes", "45 seconds", "3 days", "2 weeks", "1 month", "1 year 2 months", "1 day 2 hours"])
    return f"SELECT m.id, m.start_at {c.choice(['+', '-'])} INTERVAL '{step}' FROM moment m WHERE {some(c)}"


@clocks.shape
def added(c):
    unit, number = c.choice(["second", "minute", "hour", "day", "week", "month", "year"]), c.choice([-30, -7, -1, 1, 5, 18, 100])
    return f"SELECT m.id, [[dateadd({unit}, {number}, m.start_at)~~m.start_at + INTERVAL '{number} {unit}']] FROM moment m WHERE {some(c)}"


@clocks.shape
def boundaries(c):
    unit = c.choice(["day", "hour", "minute", "month", "year"])
    seconds = {"day": 86400, "hour": 3600, "minute": 60}
    if unit in seconds:
        theirs = f"(EXTRACT(epoch FROM date_trunc('{unit}', m.end_at)) - EXTRACT(epoch FROM date_trunc('{unit}', m.start_at)))::BIGINT / {seconds[unit]}"
    else:
        theirs = "EXTRACT(year FROM m.end_at) - EXTRACT(year FROM m.start_at)" + (" + 0" if unit == "year" else "")
        if unit == "month":
            theirs = "(EXTRACT(year FROM m.end_at) - EXTRACT(year FROM m.start_at)) * 12 + EXTRACT(month FROM m.end_at) - EXTRACT(month FROM m.start_at)"
    return f"SELECT m.id, [[datediff({unit}, m.start_at, m.end_at)~~{theirs}~~date_diff('{unit}', m.start_at, m.end_at)]] FROM moment m WHERE {some(c)}"


FORMATS = [("YYYY-MM-DD", "%Y-%m-%d"), ("YYYYMMDD", "%Y%m%d"), ("HH24:MI:SS", "%H:%M:%S"), ("DD/MM/YYYY HH24:MI", "%d/%m/%Y %H:%M"), ("HH12:MI AM", "%I:%M %p"), ("DDD", "%j"), ("YY.MM", "%y.%m"), ("Mon DD", "%b %d"), ("Dy, DD Mon YYYY", "%a, %d %b %Y"), ("FMMonth", "%B"), ("FMDay", "%A"), ("MI:SS", "%M:%S")]


@clocks.shape
def written(c):
    words, codes = c.choice(FORMATS)
    return f"SELECT m.id, [[to_char(m.start_at, '{words}')~~to_char(m.start_at, '{words}')~~strftime(m.start_at, '{codes}')]] FROM moment m WHERE {some(c)}"


@clocks.shape
def read(c):
    text, words, codes = c.choice([("17.05.2024", "DD.MM.YYYY", "%d.%m.%Y"), ("20240229", "YYYYMMDD", "%Y%m%d"), ("2023/07/04", "YYYY/MM/DD", "%Y/%m/%d"), ("Mar 09 2022", "Mon DD YYYY", "%b %d %Y"), ("01-12-1999", "DD-MM-YYYY", "%d-%m-%Y")])
    return f"SELECT [[to_date('{text}', '{words}')~~to_date('{text}', '{words}')~~strptime('{text}', '{codes}')::DATE]] + {c.randrange(0, 40)}, m.id FROM moment m WHERE {some(c)}"


@clocks.shape
def ordered(c):
    return f"SELECT m.id, m.start_at FROM moment m WHERE m.start_at {c.choice(COMPARE[2:])} TIMESTAMP '{c.choice(DAYS)} {c.randrange(24):02}:30:00' ORDER BY m.start_at{c.choice(['', ' DESC'])}, m.id"


@clocks.shape
def extremes(c):
    return f"SELECT EXTRACT({c.choice(['year', 'quarter', 'month', 'dow'])} FROM m.start_at) AS part, count(*), min(m.start_at), max(m.end_at) FROM moment m WHERE {some(c)} GROUP BY 1 {total(c, 4)}"
