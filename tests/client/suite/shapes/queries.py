"""Filters, orders, subqueries, set operations, WITH, and questions of a business."""

from shapes.base import CITIES, COMPARE, Theme, both, customer, day, item, order, product, total

SHOP = ["store", "customer", "product", "orders", "item"]
filters = Theme("filter", "Conditions: comparisons, ranges, lists, patterns, three-valued logic.", SHOP, 28)
ordering = Theme("order_limit", "ORDER BY, LIMIT, OFFSET, TOP and DISTINCT.", SHOP, 24)
subquery = Theme("subquery", "Subqueries: scalar, correlated, in the list, in FROM, in HAVING.", SHOP + ["nothing"], 20)
sets = Theme("set_operation", "UNION, INTERSECT, EXCEPT and MINUS, alone and in chains.", SHOP + ["nothing"], 24)
common = Theme("with", "WITH: one, several, used twice, recursive.", SHOP, 24)
business = Theme("business", "Questions that people ask.", SHOP, 16)
THEMES = [filters, ordering, subquery, sets, common, business]


@filters.shape
def one(c):
    return f"SELECT c.customer_id, c.name FROM customer c WHERE {customer(c)}"


@filters.shape
def and_or(c):
    return f"SELECT c.name FROM customer c WHERE {customer(c)} {c.choice(['AND', 'OR'])} ({customer(c)} {c.choice(['AND', 'OR'])} {customer(c)})"


@filters.shape
def negated(c):
    return f"SELECT o.order_id FROM orders o WHERE NOT ({order(c)} {c.choice(['AND', 'OR'])} {order(c)})"


@filters.shape
def count_of(c):
    return f"SELECT count(*), count(o.customer_id), count(DISTINCT o.customer_id) FROM orders o WHERE {order(c)} {c.choice(['AND', 'OR'])} {order(c)}"


@filters.shape
def arithmetic(c):
    return f"SELECT i.order_id, i.line, i.quantity * i.price FROM item i WHERE i.quantity * i.price {c.choice(COMPARE[2:])} {c.randrange(20, 400)} AND {item(c)} {total(c, 3)} LIMIT 12"


@filters.shape
def as_value(c):
    return f"SELECT c.name, {customer(c)} AS answer FROM customer c WHERE {customer(c)}"


@filters.shape
def columns_compared(c):
    return f"SELECT i.order_id, i.line FROM item i WHERE i.{c.choice(['quantity', 'line'])} {c.choice(COMPARE)} i.{c.choice(['product_id', 'price', 'line'])} AND {item(c)} ORDER BY 1, 2 LIMIT {c.randrange(4, 20)}"


@ordering.shape
def by_columns(c):
    return f"SELECT c.city, c.level, c.name FROM customer c WHERE {customer(c)} {total(c, 3)}"


@ordering.shape
def by_expression(c):
    key = c.choice(["c.credit * -1", "coalesce(c.credit, 0)", "abs(c.credit)", "c.level + c.customer_id", "lower(c.name)", "c.city || c.name"])
    return f"SELECT c.name, c.credit FROM customer c ORDER BY {key}{c.choice(['', ' DESC'])}, c.customer_id LIMIT {c.randrange(1, 14)} OFFSET {c.randrange(0, 6)}"


@ordering.shape
def by_alias(c):
    return f"SELECT i.order_id, i.line, i.quantity * i.price AS amount FROM item i WHERE {item(c)} ORDER BY amount{c.choice(['', ' DESC'])}, order_id, line LIMIT {c.randrange(1, 15)}"


@ordering.shape
def not_selected(c):
    return f"SELECT p.title FROM product p WHERE {product(c)} ORDER BY p.{c.choice(['price', 'weight', 'category'])}{c.choice([' DESC', '', ' NULLS FIRST', ' DESC NULLS LAST'])}, p.product_id"


@ordering.shape
def top(c):
    number = c.randrange(1, 12)
    return f"SELECT [[TOP {number} ~~]]o.order_id, o.ordered FROM orders o WHERE {order(c)} ORDER BY o.ordered{c.choice(['', ' DESC'])}, o.order_id [[~~LIMIT {number}]]"


@ordering.shape
def distinct(c):
    columns = c.sample(["c.city", "c.level", "c.vip", "c.credit > 300"], c.randrange(1, 4))
    return f"SELECT DISTINCT {', '.join(columns)} FROM customer c {c.choice(['', 'WHERE ' + customer(c)])} {total(c, len(columns))}"


@ordering.shape
def page(c):
    return f"SELECT o.order_id, o.store_id FROM orders o ORDER BY {c.choice(['o.store_id', 'o.ordered', 'o.status'])}{c.choice(['', ' DESC'])}, o.order_id LIMIT {c.randrange(0, 8)} OFFSET {c.randrange(0, 45)}"


@ordering.shape
def inner_limit(c):
    return f"SELECT count(*), min(t.credit), max(t.credit) FROM (SELECT c.credit FROM customer c WHERE {customer(c)} ORDER BY c.credit{c.choice(['', ' DESC', ' DESC NULLS LAST'])} LIMIT {c.randrange(1, 9)}) t"


@subquery.shape
def scalar_compare(c):
    value = c.choice(["max(i.price)", "min(i.price)", "cast(avg(i.price) AS DECIMAL(8,2))"])
    return f"SELECT p.title FROM product p WHERE p.price {c.choice(COMPARE[2:])} (SELECT {value} FROM item i WHERE {item(c)})"


@subquery.shape
def correlated_compare(c):
    return f"SELECT i.order_id, i.line FROM item i WHERE i.quantity {c.choice(['=', '<', '>'])} (SELECT {c.choice(['max', 'min'])}(j.quantity) FROM item j WHERE j.product_id = i.product_id) AND {item(c)} ORDER BY 1, 2 LIMIT 15"


@subquery.shape
def in_list(c):
    return f"SELECT c.name, (SELECT {c.choice(['count(*)', 'max(o.ordered)', 'min(o.order_id)', 'count(DISTINCT o.store_id)'])} FROM orders o WHERE o.customer_id = c.customer_id AND {order(c)}) AS value FROM customer c WHERE {customer(c)}"


@subquery.shape
def uncorrelated_in_list(c):
    return f"SELECT p.title, p.price - (SELECT {c.choice(['max', 'min'])}(q.price) FROM product q WHERE {product(c, 'q')}) AS away FROM product p WHERE {product(c)}"


@subquery.shape
def from_derived(c):
    return f"SELECT t.category, t.n FROM (SELECT p.category, count(*) AS n, max(p.price) AS dearest FROM product p WHERE {product(c)} GROUP BY p.category) t WHERE t.{c.choice(['n > 1', 'dearest > 30', 'category IS NOT NULL', 'n < 4'])} {total(c, 2)}"


@subquery.shape
def having_subquery(c):
    value = c.choice(["count(*)", "count(DISTINCT region)", "max(store_id)", "min(store_id) + 2"])
    return f"SELECT o.store_id, count(*) FROM orders o WHERE {order(c)} GROUP BY o.store_id HAVING count(*) {c.choice(COMPARE[2:])} (SELECT {value} FROM store) {total(c, 2)}"


@subquery.shape
def in_of_group(c):
    return f"SELECT c.name FROM customer c WHERE c.customer_id IN (SELECT o.customer_id FROM orders o WHERE {order(c)} GROUP BY o.customer_id HAVING count(*) {c.choice(['>', '=', '<'])} {c.randrange(1, 4)})"


@subquery.shape
def two_deep(c):
    return f"""SELECT p.title FROM product p WHERE p.product_id IN (SELECT i.product_id FROM item i WHERE i.order_id IN
        (SELECT o.order_id FROM orders o WHERE o.customer_id IN (SELECT c.customer_id FROM customer c WHERE {customer(c)}) AND {order(c)}))"""


@subquery.shape
def in_case(c):
    return f"SELECT c.name, CASE WHEN c.customer_id IN (SELECT o.customer_id FROM orders o WHERE o.customer_id IS NOT NULL AND {order(c)}) THEN 'yes' ELSE 'no' END FROM customer c WHERE {customer(c)}"


@subquery.shape
def over_nothing(c):
    return f"SELECT p.title, (SELECT {c.choice(['max(n.amount)', 'count(*)', 'sum(n.amount)', 'min(n.label)'])} FROM nothing n WHERE n.id = p.product_id) FROM product p WHERE {product(c)}"


@subquery.shape
def exists_or(c):
    return f"SELECT count(*) FROM orders o WHERE {order(c)} OR EXISTS (SELECT 1 FROM item i WHERE i.order_id = o.order_id AND {item(c)})"


SIDES = {
    "city": [lambda c: f"SELECT c.city FROM customer c WHERE {customer(c)}", lambda c: f"SELECT s.city FROM store s WHERE s.store_id {c.choice(COMPARE)} {c.randrange(1, 6)}", lambda c: f"SELECT '{c.choice(CITIES)}'", lambda c: "SELECT label FROM nothing"],
    "number": [lambda c: f"SELECT c.customer_id FROM customer c WHERE {customer(c)}", lambda c: f"SELECT o.customer_id FROM orders o WHERE {order(c)}", lambda c: f"SELECT {c.randrange(1, 20)}", lambda c: f"SELECT p.product_id FROM product p WHERE {product(c)}"],
    "money": [lambda c: f"SELECT i.price FROM item i WHERE {item(c)}", lambda c: f"SELECT p.price FROM product p WHERE {product(c)}", lambda c: "SELECT amount FROM nothing"],
}
SET_WORDS = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "[[MINUS~~EXCEPT]]"]


def side(c, kind):
    return c.choice(SIDES[kind])(c)


@sets.shape
def two_sides(c):
    kind = c.choice(list(SIDES))
    return f"{side(c, kind)} {c.choice(SET_WORDS)} {side(c, kind)}"


@sets.shape
def two_ordered(c):
    kind = c.choice(list(SIDES))
    return f"{side(c, kind)} {c.choice(SET_WORDS)} {side(c, kind)} ORDER BY 1{c.choice(['', ' DESC'])} LIMIT {c.randrange(1, 15)}"


@sets.shape
def three_sides(c):
    kind = c.choice(list(SIDES))
    return f"{side(c, kind)} {c.choice(SET_WORDS)} {side(c, kind)} {c.choice(SET_WORDS)} {side(c, kind)}"


@sets.shape
def parentheses(c):
    kind = c.choice(list(SIDES))
    return f"({side(c, kind)}) {c.choice(SET_WORDS)} (({side(c, kind)}) {c.choice(SET_WORDS)} ({side(c, kind)}))"


@sets.shape
def pairs(c):
    word = c.choice(SET_WORDS)
    return f"SELECT c.city, c.level FROM customer c WHERE {customer(c)} {word} SELECT c.city, c.level FROM customer c WHERE {customer(c)}"


@sets.shape
def counted(c):
    kind = c.choice(list(SIDES))
    return f"SELECT count(*), count(DISTINCT x) FROM ({side(c, kind)} {c.choice(SET_WORDS)} {side(c, kind)}) t(x)"


@sets.shape
def labelled(c):
    return f"SELECT 'store' AS kind, s.city, s.store_id AS id FROM store s WHERE s.region = '{c.choice(['north', 'south', 'east'])}' UNION ALL SELECT 'customer', c.city, c.customer_id FROM customer c WHERE {customer(c)} ORDER BY 1, 3"


@sets.shape
def in_condition(c):
    return f"SELECT c.name FROM customer c WHERE c.customer_id {c.choice(['', 'NOT '])}IN (SELECT o.customer_id FROM orders o WHERE o.customer_id IS NOT NULL AND {order(c)} {c.choice(['UNION', 'INTERSECT', 'EXCEPT'])} SELECT p.product_id FROM product p WHERE {product(c)})"


@common.shape
def single(c):
    return f"WITH recent AS (SELECT * FROM orders o WHERE {order(c)}) SELECT r.store_id, count(*) FROM recent r GROUP BY r.store_id {total(c, 2)}"


@common.shape
def twice(c):
    return f"WITH spent AS (SELECT o.customer_id AS id, sum(i.quantity * i.price) AS amount FROM orders o JOIN item i USING (order_id) WHERE {order(c)} GROUP BY o.customer_id) SELECT s.id, s.amount FROM spent s WHERE s.amount {c.choice(['=', '<'])} (SELECT {c.choice(['max', 'min'])}(t.amount) FROM spent t WHERE t.id {c.choice(['<', '>', '<>'])} {c.randrange(1, 14)})"


@common.shape
def stacked(c):
    return f"WITH a AS (SELECT o.order_id, o.store_id FROM orders o WHERE {order(c)}), b AS (SELECT a.store_id, i.quantity FROM a JOIN item i ON i.order_id = a.order_id WHERE {item(c)}) SELECT store_id, sum(quantity), count(*) FROM b GROUP BY store_id {total(c, 3)}"


@common.shape
def named_columns(c):
    return f"WITH t(town, people) AS (SELECT c.city, count(*) FROM customer c WHERE {customer(c)} GROUP BY c.city) SELECT t.town, t.people FROM t WHERE t.people {c.choice(COMPARE)} {c.randrange(1, 4)} {total(c, 2)}"


@common.shape
def counting(c):
    start, step, end = c.randrange(-5, 5), c.randrange(1, 5), c.randrange(6, 40)
    return f"WITH RECURSIVE n(x) AS (SELECT {start} UNION ALL SELECT x + {step} FROM n WHERE x < {end}) SELECT count(*), min(x), max(x), sum(x) FROM n"


@common.shape
def days(c):
    first, last = c.choice(["2023-02-25", "2023-12-28", "2024-02-27"]), c.randrange(2, 12)
    return f"WITH RECURSIVE d(n, day) AS (SELECT 0, DATE '{first}' UNION ALL SELECT n + 1, day + 1 FROM d WHERE n < {last}) SELECT d.day, count(o.order_id) FROM d LEFT JOIN orders o ON o.ordered = d.day AND {order(c)} GROUP BY d.day ORDER BY 1"


@common.shape
def fibonacci(c):
    return f"WITH RECURSIVE f(n, a, b) AS (SELECT 1, {c.randrange(0, 9)}, {c.randrange(1, 9)} UNION ALL SELECT n + 1, b, a + b FROM f WHERE n < {c.randrange(3, 15)}) SELECT n, a FROM f ORDER BY n{c.choice(['', ' DESC'])}"


@common.shape
def inside(c):
    return f"SELECT c.name FROM customer c WHERE c.customer_id IN (WITH big AS (SELECT o.customer_id FROM orders o JOIN item i USING (order_id) WHERE {item(c)}) SELECT customer_id FROM big) AND {customer(c)}"


@business.shape
def revenue_by_month(c):
    return f"SELECT EXTRACT(year FROM o.ordered) AS y, EXTRACT(month FROM o.ordered) AS m, sum(i.quantity * i.price) AS revenue FROM orders o JOIN item i ON i.order_id = o.order_id WHERE {both(c, lambda: order(c), lambda: item(c))} GROUP BY 1, 2 ORDER BY 1, 2"


@business.shape
def best_per_group(c):
    return f"""SELECT category, title, sold FROM (SELECT p.category, p.title, sum(i.quantity) AS sold, rank() OVER (PARTITION BY p.category ORDER BY sum(i.quantity){c.choice([' DESC', ''])}) AS place
        FROM product p JOIN item i ON i.product_id = p.product_id WHERE {item(c)} GROUP BY p.category, p.title) t WHERE place <= {c.randrange(1, 3)} {total(c, 3)}"""


@business.shape
def pivot_by_case(c):
    statuses = c.sample(["new", "paid", "shipped", "returned"], 3)
    sums = ", ".join(f"sum(CASE WHEN o.status = '{status}' THEN 1 ELSE 0 END) AS {status}_count" for status in statuses)
    return f"SELECT s.city, {sums} FROM orders o JOIN store s USING (store_id) WHERE {order(c)} GROUP BY s.city {total(c, 4)}"


@business.shape
def running_total(c):
    return f"SELECT o.order_id, o.ordered, sum(i.quantity) AS pieces, sum(sum(i.quantity)) OVER (ORDER BY o.ordered, o.order_id ROWS UNBOUNDED PRECEDING) AS so_far FROM orders o JOIN item i USING (order_id) WHERE {order(c)} GROUP BY o.order_id, o.ordered ORDER BY 2, 1 LIMIT {c.randrange(5, 20)}"


@business.shape
def first_and_last(c):
    return f"SELECT c.name, min(o.ordered), max(o.ordered), max(o.ordered) - min(o.ordered) AS days FROM customer c JOIN orders o USING (customer_id) WHERE {both(c, lambda: customer(c), lambda: order(c))} GROUP BY c.name {total(c, 4)}"


@business.shape
def share(c):
    return f"SELECT p.category, sum(i.quantity) AS n, cast(100.0 * sum(i.quantity) / (SELECT sum(j.quantity) FROM item j) AS DECIMAL(5,1)) AS share FROM item i JOIN product p USING (product_id) WHERE {item(c)} GROUP BY p.category {total(c, 2)}"


@business.shape
def never_bought(c):
    return f"SELECT p.title, c.city FROM product p CROSS JOIN (SELECT DISTINCT city FROM customer WHERE city IS NOT NULL) c WHERE {product(c)} AND NOT EXISTS (SELECT 1 FROM orders o JOIN item i ON i.order_id = o.order_id JOIN customer k ON k.customer_id = o.customer_id WHERE i.product_id = p.product_id AND k.city = c.city)"


@business.shape
def repeat_customers(c):
    return f"SELECT n, count(*) FROM (SELECT o.customer_id, count(*) AS n FROM orders o WHERE o.customer_id IS NOT NULL AND {order(c)} GROUP BY o.customer_id) t GROUP BY n {total(c, 2)}"


@business.shape
def days_between(c):
    return f"""SELECT order_id, ordered - before AS gap FROM (SELECT o.order_id, o.ordered, lag(o.ordered) OVER (PARTITION BY o.{c.choice(['customer_id', 'store_id'])} ORDER BY o.ordered, o.order_id) AS before
        FROM orders o WHERE {order(c)}) t WHERE before IS NOT NULL ORDER BY gap{c.choice(['', ' DESC'])}, order_id LIMIT {c.randrange(3, 14)}"""


@business.shape
def bands(c):
    low, high = c.randrange(50, 200), c.randrange(300, 700)
    return f"SELECT CASE WHEN c.credit IS NULL THEN 'none' WHEN c.credit < {low} THEN 'low' WHEN c.credit < {high} THEN 'middle' ELSE 'high' END AS band, count(*), min(c.credit), max(c.credit) FROM customer c WHERE {customer(c)} OR {customer(c)} GROUP BY 1 ORDER BY 1"


@business.shape
def latest_per_customer(c):
    return f"""SELECT customer_id, order_id, ordered FROM (SELECT o.*, row_number() OVER (PARTITION BY o.customer_id ORDER BY o.ordered{c.choice([' DESC', ''])}, o.order_id) AS place
        FROM orders o WHERE {order(c)}) t WHERE place = {c.randrange(1, 3)} ORDER BY 1"""


@business.shape
def late(c):
    return f"SELECT s.region, count(*) AS orders, count(o.shipped) AS shipped, sum(CASE WHEN cast(o.shipped AS DATE) - o.ordered > {c.randrange(1, 12)} THEN 1 ELSE 0 END) AS late FROM orders o JOIN store s USING (store_id) WHERE {order(c)} GROUP BY s.region ORDER BY 1"
