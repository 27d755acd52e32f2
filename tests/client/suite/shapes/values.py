"""Nulls, logic, numbers, casts, CASE and the conditional functions."""

from shapes.base import COMPARE, Theme, customer, item, order, product, total

nulls = Theme("null_logic", "Nulls: three-valued logic, COALESCE and its like, nulls in lists, joins, groups and orders.", ["flag"], 22)
cases = Theme("case", "CASE in every place, DECODE, NVL2, GREATEST and LEAST.", ["flag", "customer", "orders", "item", "number", "product"], 22)
whole = Theme("integer", "Whole numbers: arithmetic, bits, remainders, functions.", ["number"], 24)
decimals = Theme("decimal", "Decimals: exact arithmetic, rounding, comparison over scales.", ["number", "item"], 22)
casts = Theme("cast", "Casts between numbers, texts, dates and booleans.", ["number", "moment", "flag", "word"], 24)
THEMES = [nulls, cases, whole, decimals, casts]


def logic(c, depth=0):
    """A condition over the columns of `flag`."""
    pick = c.random()
    if depth < 3 and pick < 0.35:
        return f"({logic(c, depth + 1)} {c.choice(['AND', 'OR'])} {logic(c, depth + 1)})"
    if depth < 3 and pick < 0.5:
        return f"NOT {logic(c, depth + 1)}"
    return c.choice(["f.p", "f.q", f"f.n {c.choice(COMPARE)} {c.randrange(1, 5)}", f"f.n {c.choice(COMPARE)} f.m", "f.p = f.q", f"f.{c.choice(['p', 'q', 'n', 'label'])} IS {c.choice(['', 'NOT '])}NULL", f"f.label <> '{c.choice(['red', 'blue'])}'", "f.p IS TRUE", "f.q IS NOT FALSE", "NULL"])


@nulls.shape
def three_values(c):
    return f"SELECT f.id, {logic(c)} AS value FROM flag f WHERE f.id {c.choice(['<=', '>'])} 9 ORDER BY f.id"


@nulls.shape
def as_filter(c):
    return f"SELECT f.id FROM flag f WHERE {logic(c)}"


@nulls.shape
def in_list(c):
    items = ", ".join(c.choice(["1", "2", "3", "4", "NULL", "f.m"]) for _ in range(c.randrange(1, 5)))
    return f"SELECT f.id FROM flag f WHERE f.n {c.choice(['', 'NOT '])}IN ({items})"


@nulls.shape
def coalesce(c):
    arguments = c.sample(["f.n", "f.m", "f.n + f.m", "f.id"], c.randrange(2, 4))
    return f"SELECT f.id, coalesce({', '.join(arguments)}, {c.randrange(0, 9)}) FROM flag f WHERE {logic(c, 2)}"


@nulls.shape
def nvl(c):
    return f"SELECT f.id, [[nvl~~coalesce]](f.label, '{c.choice(['none', '', 'red'])}') AS label, nullif(f.n, {c.choice(['f.m', '1', '2'])}) FROM flag f WHERE {logic(c, 1)}"


@nulls.shape
def nvl2(c):
    column, yes, no = c.choice(["f.p", "f.label", "f.n"]), c.choice(["f.n", "1"]), c.choice(["f.m", "0", "f.id"])
    return f"SELECT f.id, [[nvl2({column}, {yes}, {no})~~CASE WHEN {column} IS NOT NULL THEN {yes} ELSE {no} END]] FROM flag f WHERE {logic(c, 1)}"


@nulls.shape
def groups(c):
    return f"SELECT f.{c.choice(['p', 'q', 'label', 'n'])} AS key, count(*), count(f.m), sum(f.n), max(f.label) FROM flag f WHERE {logic(c, 1)} OR f.id < {c.randrange(2, 18)} GROUP BY 1 {total(c, 5)}"


@nulls.shape
def joins(c):
    column = c.choice(["n", "label", "p"])
    return f"SELECT a.id, b.id FROM flag a {c.choice(['JOIN', 'LEFT JOIN'])} flag b ON a.{column} = b.{column} AND a.id < b.id WHERE {logic(c, 1).replace('f.', 'a.')} ORDER BY 1, 2 LIMIT 20"


@nulls.shape
def arithmetic(c):
    return f"SELECT f.id, f.n {c.choice(['+', '-', '*'])} f.m, f.label || '{c.choice(['!', '-x'])}', f.n {c.choice(COMPARE)} f.m FROM flag f WHERE {logic(c, 1)}"


@cases.shape
def searched(c):
    return f"SELECT c.name, CASE WHEN {customer(c)} THEN 'first' WHEN {customer(c)} THEN 'second' {c.choice(['', 'ELSE ' + repr('other')])} END FROM customer c WHERE {customer(c)}"


@cases.shape
def simple(c):
    return f"SELECT o.order_id, CASE o.status WHEN 'new' THEN {c.randrange(1, 5)} WHEN 'paid' THEN {c.randrange(5, 9)} WHEN NULL THEN 99 {c.choice(['', 'ELSE 0', 'ELSE o.store_id'])} END FROM orders o WHERE {order(c)}"


@cases.shape
def nested(c):
    return f"SELECT i.order_id, i.line, CASE WHEN {item(c)} THEN CASE WHEN i.discount IS NULL THEN 'a' ELSE 'b' END WHEN {item(c)} THEN 'c' END FROM item i WHERE {item(c)}"


@cases.shape
def in_order(c):
    return f"SELECT p.title FROM product p WHERE {product(c)} ORDER BY CASE WHEN {product(c)} THEN 1 WHEN p.category IS NULL THEN 2 ELSE 3 END, p.product_id"


@cases.shape
def in_aggregate(c):
    return f"SELECT o.store_id, count(CASE WHEN {order(c)} THEN 1 END), max(CASE WHEN {order(c)} THEN o.ordered END) FROM orders o GROUP BY o.store_id ORDER BY 1"


@cases.shape
def in_where(c):
    return f"SELECT c.name FROM customer c WHERE CASE WHEN {customer(c)} THEN c.level > {c.randrange(0, 3)} ELSE c.credit > {c.randrange(0, 500)} END"


@cases.shape
def decode(c):
    one, two = c.choice(["new", "paid"]), c.choice(["shipped", "returned"])
    return f"SELECT o.order_id, [[decode(o.status, '{one}', 'A', '{two}', 'B', NULL, 'none', 'rest')~~CASE WHEN o.status = '{one}' THEN 'A' WHEN o.status = '{two}' THEN 'B' WHEN o.status IS NULL THEN 'none' ELSE 'rest' END]] FROM orders o WHERE {order(c)}"


@cases.shape
def greatest(c):
    arguments = ", ".join(c.sample(["f.n", "f.m", "f.id - 3", "2", "f.n * 2"], c.randrange(2, 5)))
    return f"SELECT f.id, greatest({arguments}), least({arguments}) FROM flag f WHERE {logic(c, 2)}"


@cases.shape
def mixed_types(c):
    return f"SELECT n.id, CASE WHEN n.s > {c.randrange(-10, 40)} THEN n.s WHEN n.i > 0 THEN n.i ELSE n.id END AS value, CASE WHEN n.id > {c.randrange(5, 20)} THEN n.b ELSE n.s END FROM number n WHERE n.id > 5"


@cases.shape
def guarded(c):
    return f"SELECT f.id, CASE WHEN f.m <> {c.randrange(1, 4)} THEN f.n % (f.m - {c.randrange(5, 8)}) ELSE -1 END FROM flag f WHERE {logic(c, 2)}"


def integer(c, depth=0):
    """An expression of whole numbers that stays small."""
    if depth < 2 and c.random() < 0.5:
        return f"({integer(c, depth + 1)} {c.choice(['+', '-', '*'])} {integer(c, depth + 1)})"
    return c.choice(["n.s", "n.i", "n.id", f"{c.randrange(1, 60)}", "abs(n.i)", f"n.i % {c.randrange(2, 9)}", "(-n.s)", "sign(n.i)::INTEGER"])


@whole.shape
def arithmetic_tree(c):
    return f"SELECT n.id, {integer(c)} AS value FROM number n WHERE n.id > 5 AND n.id < {c.randrange(8, 26)}"


@whole.shape
def remainder(c):
    number = c.randrange(2, 12)
    return f"SELECT n.id, n.i % {number}, mod(n.i, -{number}), mod(n.b, {number * 7}) FROM number n WHERE n.i {c.choice(COMPARE[2:])} {c.randrange(-300, 300)} AND n.id > 5"


@whole.shape
def division(c):
    number = c.choice([2, 3, 5, 7, -4])
    return f"SELECT n.id, [[n.i / {number}~~n.i / {number}~~trunc(n.i / {number})]] AS part, n.i - [[n.i / {number}~~n.i / {number}~~trunc(n.i / {number})]] * {number} AS rest FROM number n WHERE n.id > 5 AND n.s {c.choice(['<', '>'])} {c.randrange(-10, 50)}".replace("/ -4", "/ (-4)").replace("* -4", "* (-4)")


@whole.shape
def bit_operators(c):
    return f"SELECT n.id, n.s {c.choice(['&', '|'])} {c.randrange(1, 64)}, [[n.s # {0}~~n.s # {0}~~xor(n.s, {0})]], ~ n.s, n.id << {c.randrange(0, 6)} FROM number n WHERE n.s >= 0 AND n.s {c.choice(['<', '>'])} {c.randrange(5, 50)}".replace("{0}", "5").replace("# 0", "# 9").replace("xor(n.s, 0)", "xor(n.s, 9)")


@whole.shape
def wide(c):
    return f"SELECT n.id, n.b + n.{c.choice(['i', 's', 'id'])}, n.b - {c.randrange(1, 10**6)}, n.i::BIGINT * {c.randrange(10**4, 10**6)} FROM number n WHERE n.id > 5 AND n.id % {c.randrange(2, 5)} = 1"


@whole.shape
def limits(c):
    return f"SELECT n.id, n.s, n.i, n.b FROM number n WHERE n.{c.choice(['s', 'i', 'b'])} {c.choice(COMPARE)} {c.choice(['32767', '-32768', '2147483647', '-2147483648', '9223372036854775807', '0', '-1'])} AND n.id < 9"


@whole.shape
def compared(c):
    return f"SELECT n.id FROM number n WHERE n.s {c.choice(COMPARE)} n.i {c.choice(['AND', 'OR'])} n.b {c.choice(COMPARE)} n.i * {c.randrange(1, 999)}::BIGINT"


@whole.shape
def grouped(c):
    number = c.randrange(2, 6)
    return f"SELECT n.id % {number} AS key, sum(n.s), sum(n.i), min(n.b), max(n.b), count(n.d) FROM number n WHERE n.id > {c.randrange(5, 15)} GROUP BY 1 ORDER BY 1"


@decimals.shape
def add(c):
    return f"SELECT n.id, n.d {c.choice(['+', '-'])} {c.choice(['n.e', '1.5', '0.25', 'n.s', '100'])}, n.e {c.choice(['+', '-'])} {c.choice(['n.d', 'n.i', '2.125'])} FROM number n WHERE n.id {c.choice(['<', '>'])} {c.randrange(3, 22)}"


@decimals.shape
def multiply(c):
    return f"SELECT n.id, n.d * {c.choice(['n.s', '2', '1.5', '0.01', '-1.25'])}, n.e * {c.choice(['3', '1.1', 'n.d'])} FROM number n WHERE n.id > 5 AND n.d {c.choice(COMPARE[2:])} {c.randrange(-200, 200)}"


@decimals.shape
def divide(c):
    return f"SELECT n.id, cast(n.d / {c.choice(['3', '7', '0.5', '1.25', '12'])} AS DECIMAL(14,2)) FROM number n WHERE n.id > 5 AND n.id < {c.randrange(8, 26)}"


@decimals.shape
def rounding(c):
    places = c.choice([0, 1, 2, 3, -1, -2])
    return f"SELECT n.id, cast(round(n.e, {places}) AS DECIMAL(12,3)), cast(round(n.d, {c.choice([0, 1])}) AS DECIMAL(12,1)) FROM number n WHERE n.id > 4 AND n.id % {c.randrange(1, 5)} = 0"


@decimals.shape
def cast_down(c):
    return f"SELECT n.id, n.e::DECIMAL(12,{c.randrange(0, 4)}), n.d::DECIMAL(10,{c.choice([0, 1])}) FROM number n WHERE n.id {c.choice(['<', '>='])} {c.randrange(2, 24)}"


@decimals.shape
def up_and_down(c):
    return f"SELECT n.id, ceil(n.{c.choice(['d', 'e'])})::BIGINT, floor(n.{c.choice(['d', 'e'])})::BIGINT, trunc(n.{c.choice(['d', 'e'])})::BIGINT, abs(n.d), sign(n.e)::INTEGER FROM number n WHERE n.id {c.choice(['<', '>='])} {c.randrange(2, 24)}"


@decimals.shape
def comparison(c):
    return f"SELECT n.id FROM number n WHERE n.d {c.choice(COMPARE)} n.e {c.choice(['AND', 'OR'])} n.e {c.choice(COMPARE)} {c.choice(['0', '0.0', '1.00', '-0.0001', '50', '12345678.9999'])}"


@decimals.shape
def sums(c):
    return f"SELECT n.id % {c.randrange(2, 5)} AS key, sum(n.d), sum(n.e), min(n.d), max(n.e), sum(n.d + n.e) FROM number n WHERE n.id > {c.randrange(0, 9)} GROUP BY 1 ORDER BY 1"


@decimals.shape
def remainders(c):
    return f"SELECT n.id, mod(n.d, {c.choice(['1', '2.5', '0.75', '10'])}), n.d % {c.choice(['3', '1.25', '7'])} FROM number n WHERE n.id > 5 AND n.id < {c.randrange(8, 26)}"


@decimals.shape
def prices(c):
    return f"SELECT i.order_id, i.line, i.quantity * i.price * (1 - coalesce(i.discount, 0.00)) AS net FROM item i WHERE {item(c)} ORDER BY 3{c.choice(['', ' DESC'])}, 1, 2 LIMIT {c.randrange(3, 15)}"


@casts.shape
def number_to_text(c):
    return f"SELECT n.id, n.{c.choice(['s', 'i', 'b'])}::VARCHAR(20), cast(n.{c.choice(['d', 'e'])} AS VARCHAR(20)) || '{c.choice(['', '!', ' EUR'])}' FROM number n WHERE n.id {c.choice(['<', '>'])} {c.randrange(2, 22)}"


@casts.shape
def text_to_number(c):
    text = c.choice(["12", "-7", "+3", "0", "007", " 42 ", "99999", "-0"])
    return f"SELECT '{text}'::INTEGER + {c.randrange(0, 50)}, cast('{c.choice(['1.5', '-2.25', '0.005', '10', '.5', '-0.075'])}' AS DECIMAL(10,{c.randrange(1, 4)})), '{text}'::{c.choice(['BIGINT', 'SMALLINT'])}"


@casts.shape
def decimal_to_integer(c):
    return f"SELECT n.id, n.d::{c.choice(['INTEGER', 'BIGINT'])}, cast(n.e AS {c.choice(['INTEGER', 'BIGINT'])}) FROM number n WHERE n.id {c.choice(['<', '>'])} {c.randrange(2, 24)}"


@casts.shape
def integer_to_decimal(c):
    return f"SELECT n.id, n.s::DECIMAL(10,{c.randrange(0, 4)}), cast(n.i AS DECIMAL(18,{c.randrange(0, 4)})) FROM number n WHERE n.id {c.choice(['<', '>'])} {c.randrange(2, 24)}"


@casts.shape
def day_to_text(c):
    return f"SELECT m.id, m.day::VARCHAR(10), cast(m.start_at AS VARCHAR(19)), m.start_at::DATE, m.day::TIMESTAMP FROM moment m WHERE m.id {c.choice(['<', '>'])} {c.randrange(2, 20)}"


@casts.shape
def text_to_day(c):
    text = f"{c.randrange(1990, 2030)}-{c.randrange(1, 13):02}-{c.randrange(1, 29):02}"
    clock = f"{c.randrange(24):02}:{c.randrange(60):02}:{c.randrange(60):02}"
    return f"SELECT '{text}'::DATE, cast('{text} {clock}' AS TIMESTAMP), DATE '{text}' + {c.randrange(1, 400)}, '{text}'::DATE < DATE '2010-06-15'"


@casts.shape
def boolean_texts(c):
    true, false = c.choice(["t", "true", "yes", "y", "1"]), c.choice(["f", "false", "no", "n", "0"])
    return f"SELECT f.id, '{true}'::BOOLEAN = f.p, '{false}'::BOOLEAN = f.{c.choice(['p', 'q'])} FROM flag f WHERE f.id {c.choice(['<', '>'])} {c.randrange(2, 18)}"


@casts.shape
def boolean_to_integer(c):
    return f"SELECT f.id, f.{c.choice(['p', 'q'])}::INTEGER, cast(f.n AS BOOLEAN), cast({c.randrange(-1, 3)} AS BOOLEAN) FROM flag f WHERE f.id {c.choice(['<', '>'])} {c.randrange(2, 18)}"


@casts.shape
def cut(c):
    return f"SELECT w.id, cast(w.w AS VARCHAR({c.randrange(2, 9)})) FROM word w WHERE w.id <> 26 AND w.id <> 27 AND w.id <> 23 AND w.n {c.choice(COMPARE)} {c.randrange(-1, 5)}"
