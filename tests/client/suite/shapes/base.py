"""What the shapes share: themes, random predicates and values over the tables of `data`."""

import dataclasses


@dataclasses.dataclass
class Theme:
    """One file: its tables, its shapes, and how many queries of each shape."""

    name: str
    about: str
    tables: list
    each: int
    shapes: list = dataclasses.field(default_factory=list)

    def shape(self, function):
        """Adds a shape."""
        self.shapes.append(function)
        return function


DAYS = ["2023-01-01", "2023-03-15", "2023-06-30", "2023-07-01", "2023-10-10", "2023-12-31", "2024-01-01", "2024-02-29", "2024-04-05"]
CITIES = ["Oslo", "Lima", "Rome", "Cairo", "Quito", "Nome"]
COMPARE = ["=", "<>", "<", "<=", ">", ">="]


def day(c):
    return f"DATE '{c.choice(DAYS)}'"


def total(c, columns):
    """An ORDER BY over all columns, in any order and direction: rows that tie are equal."""
    order = list(range(1, columns + 1))
    if c.random() < 0.4:
        c.shuffle(order)
    way = lambda: c.choice(["", "", " DESC", " ASC", " NULLS FIRST", " DESC NULLS LAST"])
    return "ORDER BY " + ", ".join(f"{column}{way()}" for column in order)


def customer(c, a="c"):
    """A condition on a customer."""
    return c.choice(
        [
            lambda: f"{a}.city = '{c.choice(CITIES)}'",
            lambda: f"{a}.city IN ({', '.join(repr(x) for x in c.sample(CITIES, c.randrange(1, 4)))})",
            lambda: f"{a}.credit {c.choice(COMPARE[2:])} {c.randrange(-40, 800)}.{c.choice(['00', '50', '05'])}",
            lambda: f"{a}.credit BETWEEN {c.randrange(-50, 200)} AND {c.randrange(200, 900)}",
            lambda: f"{a}.level {c.choice(COMPARE)} {c.randrange(1, 4)}",
            lambda: f"{a}.{c.choice(['city', 'born', 'credit', 'level', 'vip'])} IS {c.choice(['', 'NOT '])}NULL",
            lambda: f"{a}.born {c.choice(['<', '>='])} DATE '{c.randrange(1975, 2003)}-0{c.randrange(1, 10)}-15'",
            lambda: f"{a}.name LIKE '{c.choice(['%a', '_e%', 'A%', '%i%', '%n', '___'])}'",
            lambda: f"{c.choice(['', 'NOT '])}{a}.vip",
            lambda: f"{a}.customer_id % {c.randrange(2, 5)} = {c.randrange(0, 2)}",
            lambda: f"{a}.vip IS {c.choice(['TRUE', 'NOT TRUE', 'FALSE', 'NOT FALSE', 'UNKNOWN'])}",
        ]
    )()


def order(c, a="o"):
    """A condition on an order."""
    return c.choice(
        [
            lambda: f"{a}.status = '{c.choice(['new', 'paid', 'shipped', 'returned', 'lost'])}'",
            lambda: f"{a}.status {c.choice(['', 'NOT '])}IN ({', '.join(repr(x) for x in c.sample(['new', 'paid', 'shipped', 'returned'], 2))})",
            lambda: f"{a}.ordered {c.choice(COMPARE[2:])} {day(c)}",
            lambda: f"{a}.ordered BETWEEN '2023-0{c.randrange(1, 10)}-01' AND '2024-0{c.randrange(1, 7)}-20'",
            lambda: f"{a}.{c.choice(['shipped', 'customer_id', 'status'])} IS {c.choice(['', 'NOT '])}NULL",
            lambda: f"{a}.store_id {c.choice(COMPARE)} {c.randrange(1, 7)}",
            lambda: f"{a}.order_id {c.choice(COMPARE[2:])} {c.randrange(100, 142)}",
            lambda: f"{a}.shipped {c.choice(['<', '>='])} TIMESTAMP '{c.choice(DAYS)} 12:30:00'",
            lambda: f"EXTRACT(month FROM {a}.ordered) {c.choice(COMPARE)} {c.randrange(1, 13)}",
        ]
    )()


def item(c, a="i"):
    """A condition on a line of an order."""
    return c.choice(
        [
            lambda: f"{a}.quantity {c.choice(COMPARE)} {c.randrange(1, 9)}",
            lambda: f"{a}.price {c.choice(COMPARE[2:])} {c.choice(['5', '9.95', '12.00', '20.5', '34.00', '90'])}",
            lambda: f"{a}.discount IS {c.choice(['', 'NOT '])}NULL",
            lambda: f"{a}.discount {c.choice(COMPARE)} 0.{c.choice(['05', '10', '25'])}",
            lambda: f"{a}.line = {c.randrange(1, 4)}",
            lambda: f"{a}.quantity * {a}.price > {c.randrange(10, 300)}",
            lambda: f"{a}.product_id BETWEEN {c.randrange(1, 6)} AND {c.randrange(6, 13)}",
        ]
    )()


def product(c, a="p"):
    """A condition on a product."""
    return c.choice(
        [
            lambda: f"{a}.category = '{c.choice(['home', 'book', 'sport'])}'",
            lambda: f"{a}.category {c.choice(['', 'NOT '])}IN ({', '.join(repr(x) for x in c.sample(['home', 'book', 'sport', 'toy'], 2))})",
            lambda: f"{a}.price {c.choice(COMPARE)} {c.choice(['9.95', '12', '19.90', '34.00', '49', '100.01'])}",
            lambda: f"{a}.{c.choice(['category', 'price', 'weight'])} IS {c.choice(['', 'NOT '])}NULL",
            lambda: f"{a}.weight {c.choice(['<', '>'])} {c.choice(['0.4', '1.250', '2', '6.5'])}",
            lambda: f"{a}.title LIKE '{c.choice(['%a%', 'R%', '%l', '_a%', '% %'])}'",
        ]
    )()


def both(c, *makers):
    """Some conditions joined by AND or OR."""
    parts = [maker() for maker in makers]
    if len(parts) > 1 and c.random() < 0.3:
        return "(" + " OR ".join(parts) + ")"
    return " AND ".join(parts)
