"""The tables that the suite asks: a small shop, and lists of numbers, words and moments. Small, with nulls and repeats."""

import datetime
import decimal
import random

# name: (columns, distribution and sort keys, which only Blueshift is given)
TABLES = {
    "store": ("store_id INTEGER, city VARCHAR(20), region VARCHAR(10), opened DATE, area DECIMAL(8,1)", "DISTSTYLE ALL"),
    "customer": (
        "customer_id INTEGER, name VARCHAR(20), city VARCHAR(20), born DATE, credit DECIMAL(10,2), level SMALLINT, vip BOOLEAN",
        "DISTKEY(customer_id)",
    ),
    "product": ("product_id INTEGER, title VARCHAR(30), category VARCHAR(12), price DECIMAL(8,2), weight DECIMAL(9,3)", "DISTSTYLE ALL"),
    "orders": (
        "order_id BIGINT, customer_id INTEGER, store_id INTEGER, ordered DATE, shipped TIMESTAMP, status VARCHAR(10)",
        "DISTKEY(customer_id) SORTKEY(ordered)",
    ),
    "item": (
        "order_id BIGINT, line SMALLINT, product_id INTEGER, quantity INTEGER, price DECIMAL(8,2), discount DECIMAL(4,2)",
        "DISTKEY(order_id) SORTKEY(order_id, line)",
    ),
    "nothing": ("id INTEGER, label VARCHAR(10), amount DECIMAL(8,2), day DATE", "DISTSTYLE EVEN"),
    "number": ("id INTEGER, s SMALLINT, i INTEGER, b BIGINT, d DECIMAL(10,2), e DECIMAL(12,4)", "DISTSTYLE EVEN SORTKEY(id)"),
    "word": ("id INTEGER, w VARCHAR(40), x VARCHAR(40), n INTEGER", "DISTKEY(id)"),
    "moment": ("id INTEGER, day DATE, later DATE, start_at TIMESTAMP, end_at TIMESTAMP", "DISTSTYLE EVEN SORTKEY(day)"),
    "flag": ("id INTEGER, p BOOLEAN, q BOOLEAN, n INTEGER, m INTEGER, label VARCHAR(10)", "DISTSTYLE EVEN"),
}

CITIES = ["Oslo", "Lima", "Rome", "Cairo", "Quito"]
REGIONS = {"Oslo": "north", "Lima": "south", "Rome": "north", "Cairo": "east", "Quito": "south"}
NAMES = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gil", "Hana", "Ida", "Jon", "Kim", "Leo", "Mia", "Ned", "Ola", "Pia"]
PRODUCTS = [
    ("Lamp", "home", "19.90", "1.250"), ("Chair", "home", "49.00", "6.500"), ("Table", "home", "129.50", "18.000"),
    ("Novel", "book", "9.95", "0.350"), ("Atlas", "book", "34.00", "1.900"), ("Comic", "book", "4.50", None),
    ("Ball", "sport", "12.00", "0.420"), ("Racket", "sport", "89.99", "0.310"), ("Rope", "sport", "7.25", None),
    ("Gift card", None, "25.00", None), ("Mystery box", None, None, "2.000"), ("Kettle", "home", "34.00", "1.100"),
]
STATUSES = ["new", "paid", "shipped", "shipped", "returned", None]
WORDS = [
    "apple", "Apple", "banana", "band", "bandana", "", "a", "ab", "abc", "abcabc", "Hello World", "hello", "one,two,three", "k=v",
    "2024-05-17", "12345", "007", "-42", "x_y", "50%", "a.b.c", "tea for two", "  padded", "MiXeD CaSe", "zebra", "naïve", "Zürich", None,
]


def money(chance, low, high):
    return decimal.Decimal(chance.randrange(low, high)) / 100


def rows():
    """All rows by table; the same at every call."""
    chance = random.Random(15)
    day = lambda low, high: datetime.date(2023, 1, 1) + datetime.timedelta(days=chance.randrange(low, high))
    moment = lambda low, high: datetime.datetime.combine(day(low, high), datetime.time(chance.randrange(24), chance.randrange(60), chance.randrange(60)))
    some = lambda value, odds=0.15: None if chance.random() < odds else value
    tables = {
        "store": [
            (number + 1, city, REGIONS[city], some(day(-3000, 0)), some(money(chance, 5000, 90000).quantize(decimal.Decimal("0.1"))))
            for number, city in enumerate(CITIES + ["Rome"])
        ],
        "customer": [
            (
                number + 1, name, some(chance.choice(CITIES)), some(day(-20000, -7000)), some(money(chance, -5000, 90000), 0.2),
                some(chance.randrange(1, 4)), some(chance.random() < 0.4),
            )
            for number, name in enumerate(NAMES)
        ],
        "product": [
            (number + 1, title, category, price and decimal.Decimal(price), weight and decimal.Decimal(weight))
            for number, (title, category, price, weight) in enumerate(PRODUCTS)
        ],
        "nothing": [],
    }
    tables["orders"], tables["item"] = [], []
    for order in range(101, 141):
        ordered = day(0, 540)
        shipped = datetime.datetime.combine(ordered, datetime.time(8)) + datetime.timedelta(minutes=chance.randrange(20_000))
        tables["orders"].append((order, some(chance.randrange(1, 15), 0.08), chance.randrange(1, 7), ordered, some(shipped, 0.25), chance.choice(STATUSES)))
        for line in range(1, chance.choice([1, 1, 2, 3, 4])):
            product = chance.randrange(1, 12)
            price = PRODUCTS[product - 1][2] or "15.00"
            tables["item"].append((order, line, product, chance.randrange(1, 9), decimal.Decimal(price), some(chance.choice([decimal.Decimal(n) / 100 for n in (0, 5, 10, 25)]), 0.3)))
    edges = [(0, 0, 0, "0.00", "0.0000"), (1, -1, 1, "1.00", "-1.0000"), (32767, 2147483647, 9223372036854775807, "99999999.99", "12345678.9999"), (-32768, -2147483648, -9223372036854775807, "-99999999.99", "-0.0001"), (None,) * 5]
    tables["number"] = [(number + 1, *edge) for number, edge in enumerate(edges)]
    for number in range(len(edges) + 1, 26):
        tables["number"].append(
            (
                number, some(chance.randrange(-20, 60)), some(chance.randrange(-500, 500)), some(chance.randrange(-(10**9), 10**9)),
                some(money(chance, -30000, 30000)), some(decimal.Decimal(chance.randrange(-(10**7), 10**7)) / 10000),
            )
        )
    tables["word"] = [(number + 1, word, some(chance.choice(WORDS)), some(chance.randrange(-2, 6))) for number, word in enumerate(WORDS)]
    special = [datetime.date(2024, 2, 29), datetime.date(2023, 12, 31), datetime.date(2024, 1, 1), datetime.date(2023, 1, 31), datetime.date(2000, 2, 28)]
    tables["moment"] = []
    for number in range(1, 21):
        first = special[number - 1] if number <= len(special) else day(-400, 700)
        at = moment(-100, 600)
        tables["moment"].append((number, some(first, 0.1), some(first + datetime.timedelta(days=chance.randrange(-40, 400))), some(at, 0.1), some(at + datetime.timedelta(seconds=chance.randrange(5_000_000)))))
    three = [True, False, None]
    tables["flag"] = [
        (number + 1, p, q, some(chance.randrange(1, 5), 0.3), some(chance.randrange(1, 5), 0.3), some(chance.choice(["red", "green", "blue"]), 0.25))
        for number, (p, q) in enumerate([(p, q) for p in three for q in three] * 2)
    ]
    return {name: tables[name] for name in TABLES}


def literal(value):
    """A value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (str, datetime.date, datetime.datetime)):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)


def statements(names):
    """CREATE TABLE and INSERT of some tables: (text, what follows for Blueshift alone) each."""
    every = rows()
    for name in names:
        columns, design = TABLES[name]
        yield f"CREATE TABLE {name} ({columns})", " " + design
        if every[name]:
            tuples = ",\n  ".join("(" + ", ".join(map(literal, row)) + ")" for row in every[name])
            yield f"INSERT INTO {name} VALUES\n  {tuples}", ""
