"""Grouping and aggregates."""

from shapes.base import COMPARE, Theme, customer, item, order, product, total

SHOP = ["store", "customer", "product", "orders", "item"]
groups = Theme("group_by", "GROUP BY: columns, expressions, ordinals, aliases, HAVING.", SHOP, 24)
aggregates = Theme("aggregate", "Aggregates: of nothing, of nulls, of distinct values, of conditions.", SHOP + ["nothing", "number"], 22)
grouping = Theme("grouping_sets", "GROUPING SETS, ROLLUP, CUBE and GROUPING.", SHOP, 26)
ordered = Theme("ordered_aggregate", "LISTAGG, MEDIAN and the percentiles.", SHOP + ["number"], 26)
THEMES = [groups, aggregates, grouping, ordered]


@groups.shape
def columns(c):
    names = c.sample(["c.city", "c.level", "c.vip"], c.randrange(1, 4))
    return f"SELECT {', '.join(names)}, count(*) FROM customer c WHERE {customer(c)} GROUP BY {', '.join(names)} {total(c, len(names) + 1)}"


@groups.shape
def sums(c):
    return f"SELECT i.product_id, sum(i.quantity), sum(i.price), min(i.discount), max(i.discount) FROM item i WHERE {item(c)} GROUP BY i.product_id {total(c, 5)}"


@groups.shape
def by_expression(c):
    key = c.choice(["EXTRACT(month FROM o.ordered)", "o.store_id % 2", "o.customer_id IS NULL", "coalesce(o.status, 'none')", "EXTRACT(year FROM o.ordered) * 100 + EXTRACT(month FROM o.ordered)", "o.ordered > DATE '2023-09-01'"])
    return f"SELECT {key}, count(*), min(o.order_id) FROM orders o WHERE {order(c)} GROUP BY {c.choice(['1', key])} {total(c, 3)}"


@groups.shape
def by_alias(c):
    return f"SELECT CASE WHEN p.price < {c.randrange(8, 40)} THEN 'cheap' WHEN p.price >= {c.randrange(40, 100)} THEN 'dear' ELSE 'other' END AS band, count(*) FROM product p WHERE {product(c)} GROUP BY band ORDER BY band"


@groups.shape
def having(c):
    return f"SELECT o.customer_id, count(*) FROM orders o WHERE {order(c)} GROUP BY o.customer_id HAVING {c.choice(['count(*)', 'count(o.shipped)', 'max(o.store_id)', 'count(DISTINCT o.store_id)'])} {c.choice(COMPARE)} {c.randrange(1, 5)} {total(c, 2)}"


@groups.shape
def having_and(c):
    return f"SELECT p.category, sum(i.quantity * i.price) AS total FROM item i JOIN product p USING (product_id) WHERE {item(c)} GROUP BY p.category HAVING sum(i.quantity) > {c.randrange(1, 60)} {c.choice(['AND', 'OR'])} min(i.price) < {c.randrange(4, 40)} {total(c, 2)}"


@groups.shape
def of_groups(c):
    return f"SELECT max(n), min(n), sum(n), count(*) FROM (SELECT {c.choice(['o.store_id', 'o.customer_id', 'o.status'])} AS key, count(*) AS n FROM orders o WHERE {order(c)} GROUP BY 1) t"


@groups.shape
def unselected_key(c):
    return f"SELECT count(*), max(c.credit) FROM customer c WHERE {customer(c)} GROUP BY c.{c.choice(['city', 'level', 'vip'])} {total(c, 2)}"


@aggregates.shape
def counts(c):
    return f"SELECT count(*), count(c.city), count(DISTINCT c.city), count(c.{c.choice(['credit', 'level', 'vip', 'born'])}) FROM customer c WHERE {customer(c)}"


@aggregates.shape
def extremes(c):
    column = c.choice(["name", "city", "born", "credit", "level"])
    return f"SELECT min(c.{column}), max(c.{column}), count(c.{column}) FROM customer c WHERE {customer(c)} {c.choice(['AND', 'OR'])} {customer(c)}"


@aggregates.shape
def distinct_sums(c):
    return f"SELECT sum(DISTINCT i.{c.choice(['quantity', 'price', 'discount', 'line'])}), count(DISTINCT i.{c.choice(['price', 'discount', 'product_id'])}), sum(i.quantity) FROM item i WHERE {item(c)}"


@aggregates.shape
def of_nothing(c):
    return f"SELECT {c.choice(['count(*)', 'count(n.id)', 'count(DISTINCT n.label)'])}, {c.choice(['sum(n.amount)', 'max(n.day)', 'min(n.label)', 'avg(n.amount)', 'sum(n.id)'])} FROM nothing n WHERE n.id {c.choice(COMPARE)} {c.randrange(1, 30)}"


@aggregates.shape
def average(c):
    column, table = c.choice([("i.price", "item i"), ("i.discount", "item i"), ("i.quantity * i.price", "item i")])
    return f"SELECT cast(avg({column}) AS DECIMAL(12,2)), count({column}) FROM {table} WHERE {item(c)}"


@aggregates.shape
def average_by_group(c):
    return f"SELECT i.line, cast(avg(i.{c.choice(['price', 'discount'])}) AS DECIMAL(12,2)), count(*) FROM item i WHERE {item(c)} GROUP BY i.line {total(c, 3)}"


@aggregates.shape
def of_condition(c):
    return f"SELECT sum(CASE WHEN {item(c)} THEN i.quantity END), sum(CASE WHEN {item(c)} THEN 1 ELSE 0 END), count(CASE WHEN {item(c)} THEN 1 END) FROM item i"


@aggregates.shape
def of_booleans(c):
    return f"SELECT o.store_id, bool_and({order(c)}), bool_or({order(c)}) FROM orders o GROUP BY o.store_id ORDER BY 1"


@aggregates.shape
def bits(c):
    return f"SELECT bit_and(n.{c.choice('si')}), bit_or(n.{c.choice('sib')}) FROM number n WHERE n.id {c.choice(COMPARE)} {c.randrange(1, 26)}"


@aggregates.shape
def spread(c):
    function = c.choice(["stddev_samp", "stddev_pop", "var_samp", "var_pop", "stddev", "variance"])
    return f"SELECT cast({function}(i.{c.choice(['quantity', 'price'])}) AS DECIMAL(12,3)) FROM item i WHERE {item(c)}"


@aggregates.shape
def of_expressions(c):
    return f"SELECT max(n.s + {c.randrange(1, 9)}), min(n.i * {c.randrange(-4, 5)}::BIGINT), sum(n.d - {c.randrange(1, 9)}), count(nullif(n.s % 2, 0)) FROM number n WHERE n.id > {c.randrange(4, 20)}"


@grouping.shape
def rollup(c):
    return f"SELECT s.region, s.city, count(*) FROM orders o JOIN store s USING (store_id) WHERE {order(c)} GROUP BY ROLLUP (s.region, s.city) {total(c, 3)}"


@grouping.shape
def cube(c):
    return f"SELECT c.level, c.vip, count(*), sum(c.credit) FROM customer c WHERE {customer(c)} GROUP BY CUBE (c.level, c.vip) {total(c, 4)}"


@grouping.shape
def grouping_sets(c):
    sets = c.sample(["(p.category)", "(i.line)", "(p.category, i.line)", "()"], c.randrange(2, 4))
    sets = sorted(set(sets) | {"(p.category)", "(i.line)"})
    return f"SELECT p.category, i.line, sum(i.quantity) FROM item i JOIN product p USING (product_id) WHERE {item(c)} GROUP BY GROUPING SETS ({', '.join(sets)}) {total(c, 3)}"


@grouping.shape
def grouping_of(c):
    return f"SELECT c.city, c.level, grouping(c.city) AS a, grouping(c.level) AS b, count(*) FROM customer c WHERE {customer(c)} GROUP BY {c.choice(['ROLLUP', 'CUBE'])} (c.city, c.level) {total(c, 5)}"


@grouping.shape
def rollup_having(c):
    return f"SELECT o.status, o.store_id, count(*) FROM orders o WHERE {order(c)} GROUP BY ROLLUP (o.status, o.store_id) HAVING count(*) > {c.randrange(1, 5)} {total(c, 3)}"


@grouping.shape
def sets_of_pairs(c):
    return f"SELECT o.status, EXTRACT(year FROM o.ordered) AS y, count(DISTINCT o.customer_id) FROM orders o WHERE {order(c)} GROUP BY GROUPING SETS ((o.status, EXTRACT(year FROM o.ordered)), (o.status), ()) {total(c, 3)}"


@grouping.shape
def labelled_total(c):
    return f"SELECT CASE WHEN grouping(p.category) = 1 THEN 'all' ELSE coalesce(p.category, 'none') END AS category, sum(i.quantity), sum(i.quantity * i.price) FROM item i JOIN product p USING (product_id) WHERE {item(c)} GROUP BY ROLLUP (p.category) {total(c, 3)}"


@ordered.shape
def list_all(c):
    table, key, predicate = c.choice([("customer c", "c.name", customer), ("product p", "p.title", product)])
    mark = c.choice([",", ", ", "|", " / "])
    way = c.choice(["", " DESC"])
    return f"SELECT [[listagg({key}, '{mark}') WITHIN GROUP (ORDER BY {key}{way})~~string_agg({key}, '{mark}' ORDER BY {key}{way})]] FROM {table} WHERE {predicate(c)}"


@ordered.shape
def list_by_group(c):
    way = c.choice(["", " DESC"])
    return f"SELECT c.city, [[listagg(c.name, '; ') WITHIN GROUP (ORDER BY c.name{way})~~string_agg(c.name, '; ' ORDER BY c.name{way})]] FROM customer c WHERE {customer(c)} GROUP BY c.city ORDER BY 1"


@ordered.shape
def list_distinct(c):
    return f"SELECT o.store_id, [[listagg(DISTINCT o.status, ',') WITHIN GROUP (ORDER BY o.status)~~string_agg(DISTINCT o.status, ',' ORDER BY o.status)]] FROM orders o WHERE {order(c)} GROUP BY o.store_id ORDER BY 1"


@ordered.shape
def disc(c):
    share = c.choice(["0", "0.1", "0.25", "0.5", "0.75", "0.9", "1"])
    return f"SELECT percentile_disc({share}) WITHIN GROUP (ORDER BY i.{c.choice(['price', 'quantity', 'discount'])}{c.choice(['', ' DESC'])}) FROM item i WHERE {item(c)}"


@ordered.shape
def cont(c):
    share = c.choice(["0", "0.25", "0.5", "0.75", "1"])
    return f"SELECT cast(percentile_cont({share}) WITHIN GROUP (ORDER BY i.{c.choice(['price', 'quantity'])}{c.choice(['', ' DESC'])}) AS DECIMAL(12,3)) FROM item i WHERE {item(c)}"


@ordered.shape
def median(c):
    column = c.choice(["i.price", "i.quantity"])
    return f"SELECT cast([[median({column})~~percentile_cont(0.5) WITHIN GROUP (ORDER BY {column})~~median({column})]] AS DECIMAL(12,3)) FROM item i WHERE {item(c)}"


@ordered.shape
def median_by_group(c):
    column = c.choice(["c.credit", "c.level"])
    return f"SELECT c.{c.choice(['city', 'vip'])} AS key, cast([[median({column})~~percentile_cont(0.5) WITHIN GROUP (ORDER BY {column})~~median({column})]] AS DECIMAL(12,3)) FROM customer c WHERE {customer(c)} GROUP BY 1 {total(c, 2)}"
