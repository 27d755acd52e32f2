"""Window functions."""

from shapes.base import Theme, customer, item, order, product, total

SHOP = ["store", "customer", "product", "orders", "item"]
ranking = Theme("window_rank", "Ranks, shares and neighbours.", SHOP, 22)
frames = Theme("window_frame", "Aggregates over frames, and of groups.", SHOP, 24)
THEMES = [ranking, frames]

FRAMES = [
    "ROWS UNBOUNDED PRECEDING", "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", "ROWS 2 PRECEDING",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING", "ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    "ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING", "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
]


def part(c):
    return c.choice(["", "PARTITION BY o.store_id ", "PARTITION BY o.status ", "PARTITION BY o.customer_id, o.status ", "PARTITION BY EXTRACT(month FROM o.ordered) "])


def key(c):
    return f"ORDER BY {c.choice(['o.ordered', 'o.store_id', 'o.status', 'o.shipped'])}{c.choice(['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}, o.order_id"


@ranking.shape
def row_number(c):
    return f"SELECT o.order_id, row_number() OVER ({part(c)}{key(c)}) AS n FROM orders o WHERE {order(c)}"


@ranking.shape
def ranks(c):
    over = f"{c.choice(['', 'PARTITION BY c.city ', 'PARTITION BY c.vip '])}ORDER BY c.{c.choice(['level', 'credit', 'city'])}{c.choice(['', ' DESC'])}"
    return f"SELECT c.name, rank() OVER ({over}), dense_rank() OVER ({over}) FROM customer c WHERE {customer(c)}"


@ranking.shape
def shares(c):
    over = f"{c.choice(['', 'PARTITION BY p.category '])}ORDER BY p.{c.choice(['price', 'weight'])}{c.choice(['', ' DESC'])}"
    return f"SELECT p.title, cast(percent_rank() OVER ({over}) AS DECIMAL(6,3)), cast(cume_dist() OVER ({over}) AS DECIMAL(6,3)) FROM product p WHERE {product(c)}"


@ranking.shape
def ntile(c):
    return f"SELECT o.order_id, ntile({c.randrange(1, 7)}) OVER ({part(c)}{key(c)}) FROM orders o WHERE {order(c)}"


@ranking.shape
def neighbours(c):
    column = c.choice(["o.order_id", "o.status", "o.ordered", "o.store_id"])
    return f"SELECT o.order_id, {c.choice(['lag', 'lead'])}({column}{c.choice(['', ', 1', ', 2', ', 3'])}) OVER ({part(c)}{key(c)}) FROM orders o WHERE {order(c)}"


@ranking.shape
def first_last(c):
    frame = c.choice([FRAMES[0], FRAMES[2], FRAMES[4], FRAMES[5]])
    return f"SELECT o.order_id, {c.choice(['first_value', 'last_value'])}(o.{c.choice(['order_id', 'ordered', 'status'])}) OVER ({part(c)}{key(c)} {frame}) FROM orders o WHERE {order(c)}"


@ranking.shape
def nth(c):
    return f"SELECT o.order_id, nth_value(o.{c.choice(['order_id', 'ordered', 'status'])}, {c.randrange(1, 5)}) OVER ({part(c)}{key(c)} {c.choice([FRAMES[5], FRAMES[0], FRAMES[2]])}) FROM orders o WHERE {order(c)}"


@ranking.shape
def best_rows(c):
    return f"SELECT * FROM (SELECT o.order_id, o.store_id, {c.choice(['rank', 'row_number', 'dense_rank'])}() OVER (PARTITION BY o.store_id {key(c)}) AS place FROM orders o WHERE {order(c)}) t WHERE place <= {c.randrange(1, 4)} {total(c, 3)}"


@ranking.shape
def qualify(c):
    over = f"row_number() OVER (PARTITION BY o.{c.choice(['customer_id', 'store_id', 'status'])} {key(c)})"
    place, where = c.randrange(1, 3), order(c)
    return f"[[SELECT o.order_id, o.ordered FROM orders o WHERE {where} QUALIFY {over} <= {place}~~SELECT order_id, ordered FROM (SELECT o.*, {over} AS place FROM orders o WHERE {where}) t WHERE place <= {place}]]"


@frames.shape
def running(c):
    return f"SELECT i.order_id, i.line, sum(i.{c.choice(['quantity', 'price', 'discount'])}) OVER ({c.choice(['', 'PARTITION BY i.product_id ', 'PARTITION BY i.order_id '])}ORDER BY i.order_id, i.line {c.choice(FRAMES)}) FROM item i WHERE {item(c)} ORDER BY 1, 2 LIMIT 20"


@frames.shape
def extremes(c):
    return f"SELECT o.order_id, {c.choice(['min', 'max', 'count'])}(o.{c.choice(['ordered', 'status', 'shipped', 'store_id'])}) OVER ({part(c)}{key(c)} {c.choice(FRAMES)}) FROM orders o WHERE {order(c)} ORDER BY 1 LIMIT 20"


@frames.shape
def whole_part(c):
    return f"SELECT c.name, count(*) OVER (PARTITION BY c.city), max(c.credit) OVER (PARTITION BY c.{c.choice(['city', 'level', 'vip'])}), sum(c.level) OVER () FROM customer c WHERE {customer(c)}"


@frames.shape
def difference(c):
    return f"SELECT p.title, p.price - {c.choice(['min', 'max'])}(p.price) OVER (PARTITION BY p.category) AS away FROM product p WHERE {product(c)}"


@frames.shape
def moving_average(c):
    return f"SELECT i.order_id, i.line, cast(avg(i.price) OVER (ORDER BY i.order_id, i.line {c.choice(FRAMES[2:4] + FRAMES[8:])}) AS DECIMAL(10,2)) FROM item i WHERE {item(c)} ORDER BY 1, 2 LIMIT 18"


@frames.shape
def of_groups(c):
    return f"SELECT o.store_id, count(*) AS n, sum(count(*)) OVER (ORDER BY o.store_id ROWS UNBOUNDED PRECEDING), rank() OVER (ORDER BY count(*){c.choice(['', ' DESC'])}) FROM orders o WHERE {order(c)} GROUP BY o.store_id ORDER BY 1"


@frames.shape
def several(c):
    return f"SELECT o.order_id, row_number() OVER (PARTITION BY o.store_id ORDER BY o.order_id), count(*) OVER (PARTITION BY o.status), min(o.ordered) OVER (PARTITION BY o.customer_id) FROM orders o WHERE {order(c)} ORDER BY 1 LIMIT 20"


@frames.shape
def filtered_by_window(c):
    return f"SELECT order_id, n FROM (SELECT o.order_id, count(*) OVER (PARTITION BY o.{c.choice(['store_id', 'customer_id', 'status'])}) AS n FROM orders o WHERE {order(c)}) t WHERE n {c.choice(['>', '<', '='])} {c.randrange(1, 7)}"
