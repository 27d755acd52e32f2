"""Joins of every kind."""

from shapes.base import Theme, both, customer, item, order, product, total

SHOP = ["store", "customer", "product", "orders", "item"]
inner = Theme("join_inner", "Inner joins: two to five tables, by keys and by other conditions.", SHOP, 24)
outer = Theme("join_outer", "Outer joins: conditions in ON and in WHERE, on either side.", SHOP, 24)
semi = Theme("join_semi", "Rows that have, or have no, partner.", SHOP + ["nothing"], 24)
chain = Theme("join_chain", "Joins of derived tables, of tables with themselves, and of long chains.", SHOP, 24)
THEMES = [inner, outer, semi, chain]


@inner.shape
def two_by_key(c):
    return f"SELECT c.name, o.order_id, o.ordered FROM customer c JOIN orders o ON c.customer_id = o.customer_id WHERE {both(c, lambda: customer(c), lambda: order(c))} ORDER BY o.order_id LIMIT {c.randrange(3, 12)}"


@inner.shape
def comma(c):
    return f"SELECT o.order_id, s.city FROM orders o, store s WHERE o.store_id = s.store_id AND {order(c)} AND s.region = '{c.choice(['north', 'south', 'east'])}'"


@inner.shape
def using(c):
    return f"SELECT customer_id, name, count(*) FROM customer c JOIN orders o USING (customer_id) WHERE {order(c)} GROUP BY customer_id, name {total(c, 3)}"


@inner.shape
def three(c):
    return f"SELECT o.order_id, i.line, p.title, i.quantity FROM orders o JOIN item i ON i.order_id = o.order_id JOIN product p ON p.product_id = i.product_id WHERE {both(c, lambda: order(c), lambda: product(c))} ORDER BY 1, 2 LIMIT {c.randrange(4, 15)}"


@inner.shape
def five(c):
    return f"""SELECT s.city, p.category, sum(i.quantity) FROM store s JOIN orders o ON o.store_id = s.store_id JOIN customer c ON c.customer_id = o.customer_id
        JOIN item i ON i.order_id = o.order_id JOIN product p ON p.product_id = i.product_id WHERE {both(c, lambda: customer(c), lambda: item(c))} GROUP BY s.city, p.category {total(c, 3)}"""


@inner.shape
def more_in_on(c):
    return f"SELECT c.name, o.order_id FROM customer c JOIN orders o ON c.customer_id = o.customer_id AND {customer(c)} AND {order(c)}"


@inner.shape
def unequal(c):
    return f"SELECT p.title, q.title AS dearer FROM product p JOIN product q ON p.category = q.category AND p.price {c.choice(['<', '<=', '>'])} q.price WHERE {product(c)}"


@inner.shape
def cross(c):
    return f"SELECT s.city, p.title FROM store s CROSS JOIN product p WHERE s.store_id {c.choice(['=', '<', '>'])} {c.randrange(1, 6)} AND {product(c)} {total(c, 2)} LIMIT {c.randrange(3, 20)}"


@outer.shape
def left_where(c):
    return f"SELECT c.name, o.order_id FROM customer c LEFT JOIN orders o ON o.customer_id = c.customer_id WHERE {customer(c)}"


@outer.shape
def left_on(c):
    return f"SELECT c.name, o.order_id, o.status FROM customer c LEFT JOIN orders o ON o.customer_id = c.customer_id AND {order(c)} WHERE {customer(c)} {total(c, 3)}"


@outer.shape
def left_count(c):
    return f"SELECT c.name, count(o.order_id), count(*), max(o.ordered) FROM customer c LEFT JOIN orders o ON o.customer_id = c.customer_id AND {order(c)} GROUP BY c.name HAVING count(*) {c.choice(['>', '<=', '='])} {c.randrange(1, 4)}"


@outer.shape
def right(c):
    return f"SELECT o.order_id, s.store_id, s.city FROM orders o RIGHT JOIN store s ON s.store_id = o.store_id AND {order(c)} {total(c, 3)} LIMIT {c.randrange(5, 22)}"


@outer.shape
def full(c):
    return f"SELECT c.city, s.city, count(*) FROM customer c FULL JOIN store s ON c.city = s.city WHERE {c.choice(['c.customer_id', 's.store_id', 's.opened', 'c.level'])} IS {c.choice(['', 'NOT '])}NULL GROUP BY 1, 2 {total(c, 3)}"


@outer.shape
def full_derived(c):
    return f"""SELECT a.customer_id, a.n, b.n FROM (SELECT customer_id, count(*) AS n FROM orders o WHERE {order(c)} GROUP BY customer_id) a
        FULL OUTER JOIN (SELECT customer_id, count(*) AS n FROM orders o WHERE {order(c)} GROUP BY customer_id) b ON a.customer_id = b.customer_id {total(c, 3)}"""


@outer.shape
def missing(c):
    return f"SELECT c.name FROM customer c LEFT JOIN orders o ON o.customer_id = c.customer_id AND {order(c)} WHERE o.order_id IS NULL AND {customer(c)}"


@outer.shape
def left_left(c):
    return f"""SELECT c.name, o.order_id, s.region FROM customer c LEFT JOIN orders o ON o.customer_id = c.customer_id AND o.status = '{c.choice(['paid', 'new', 'shipped'])}'
        LEFT JOIN store s ON s.store_id = o.store_id AND s.region <> '{c.choice(['north', 'south', 'east'])}' WHERE {customer(c)} {total(c, 3)}"""


@semi.shape
def exists(c):
    return f"SELECT c.name FROM customer c WHERE {c.choice(['', 'NOT '])}EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND {order(c)})"


@semi.shape
def exists_and(c):
    return f"SELECT c.customer_id, c.name FROM customer c WHERE {customer(c)} AND {c.choice(['', 'NOT '])}EXISTS (SELECT * FROM orders o JOIN item i ON i.order_id = o.order_id WHERE o.customer_id = c.customer_id AND {item(c)})"


@semi.shape
def in_query(c):
    return f"SELECT p.title FROM product p WHERE p.product_id {c.choice(['', 'NOT '])}IN (SELECT i.product_id FROM item i WHERE {item(c)})"


@semi.shape
def not_in_nulls(c):
    return f"SELECT c.name FROM customer c WHERE c.customer_id NOT IN (SELECT o.customer_id FROM orders o WHERE {order(c)}{c.choice(['', ' AND o.customer_id IS NOT NULL'])})"


@semi.shape
def in_pair(c):
    return f"SELECT o.order_id FROM orders o WHERE (o.order_id, {c.randrange(1, 4)}) IN (SELECT i.order_id, i.line FROM item i WHERE {item(c)})"


@semi.shape
def in_empty(c):
    return f"SELECT count(*) FROM customer c WHERE c.customer_id {c.choice(['', 'NOT '])}IN (SELECT id FROM nothing) {c.choice(['AND', 'OR'])} {customer(c)}"


@semi.shape
def any_all(c):
    word = c.choice(["= ANY", "= SOME", "IN", "<> ALL"])
    return f"SELECT p.title FROM product p WHERE p.price {word} (SELECT i.price FROM item i WHERE {item(c)})"


@semi.shape
def double(c):
    return f"""SELECT s.city, s.store_id FROM store s WHERE EXISTS (SELECT 1 FROM orders o WHERE o.store_id = s.store_id AND {order(c)})
        AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.store_id = s.store_id AND {order(c)})"""


@chain.shape
def itself(c):
    return f"SELECT a.name, b.name FROM customer a JOIN customer b ON a.city = b.city AND a.customer_id < b.customer_id WHERE {customer(c, 'a')}"


@chain.shape
def itself_days(c):
    return f"SELECT a.order_id, b.order_id, b.ordered - a.ordered FROM orders a JOIN orders b ON a.customer_id = b.customer_id AND b.ordered > a.ordered WHERE b.ordered - a.ordered <= {c.randrange(10, 150)} ORDER BY 1, 2 LIMIT {c.randrange(3, 20)}"


@chain.shape
def derived(c):
    return f"""SELECT c.name, t.n, t.spent FROM customer c JOIN (SELECT o.customer_id, count(DISTINCT o.order_id) AS n, sum(i.quantity * i.price) AS spent
        FROM orders o JOIN item i USING (order_id) WHERE {item(c)} GROUP BY o.customer_id) t ON t.customer_id = c.customer_id WHERE {customer(c)} {total(c, 3)}"""


@chain.shape
def derived_both(c):
    return f"""SELECT x.city, x.n, y.n FROM (SELECT city, count(*) AS n FROM customer c WHERE {customer(c)} GROUP BY city) x
        {c.choice(['JOIN', 'LEFT JOIN', 'FULL JOIN'])} (SELECT city, count(*) AS n FROM store GROUP BY city) y ON x.city = y.city {total(c, 3)}"""


@chain.shape
def nested(c):
    return f"""SELECT c.name, o.order_id, i.line FROM customer c LEFT JOIN (orders o JOIN item i ON i.order_id = o.order_id AND {item(c)}) ON o.customer_id = c.customer_id
        WHERE {customer(c)} {total(c, 3)} LIMIT {c.randrange(5, 20)}"""


@chain.shape
def expression_keys(c):
    number = c.randrange(-2, 3)
    return f"SELECT o.order_id, s.city FROM orders o JOIN store s ON o.store_id = s.store_id + {number} AND {order(c)} ORDER BY 1, 2 LIMIT {c.randrange(3, 20)}".replace("+ -", "- ")


@chain.shape
def coalesced_keys(c):
    return f"SELECT coalesce(c.city, '{c.choice(['none', 'Rome'])}') AS town, count(s.store_id) FROM customer c LEFT JOIN store s ON coalesce(c.city, 'Rome') = s.city WHERE {customer(c)} GROUP BY 1 {total(c, 2)}"


@chain.shape
def types_meet(c):
    return f"SELECT p.title, i.order_id FROM product p JOIN item i ON p.price = i.price AND p.product_id {c.choice(['=', '<>', '<', '>'])} i.product_id WHERE {item(c)} ORDER BY 1, 2 LIMIT {c.randrange(4, 20)}"
